"""The projection in its own slice view, and the layout '3D + projection': in, out, reload, pixels."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("slicer.util", reason="needs slicer-core")
pytest.importorskip("shiboken6", reason="needs PySide6-Essentials")

from SlicerHost import Host

NAME = "Projection"
FOUR_UP = 3


def node_names(scene: Any) -> list[str]:
    return sorted(scene.GetNthNode(i).GetID() for i in range(scene.GetNumberOfNodes()))


@pytest.fixture
def view(host: Host, loaded: Any) -> Any:
    """The slice widget of the projection, in the layout that shows it."""
    loaded.projections.layout_box.click()
    host.check()
    yield host.app.layoutManager().sliceWidget(NAME)
    loaded.session.projection_view.visible = False


# ---- the layout ------------------------------------------------------------------------------------------------------


def test_the_layout_comes_and_goes(host: Host, loaded: Any) -> None:
    manager, box = host.app.layoutManager(), loaded.projections.layout_box
    manager.setLayout(FOUR_UP)
    assert not box.checked
    box.click()
    assert (manager.threeDViewCount, manager.sliceViewNames(), box.checked) == (1, (NAME,), True)
    box.click()
    assert (manager.layout, manager.sliceViewNames(), box.checked) == (FOUR_UP, ("Red", "Green", "Yellow"), False)


def test_the_check_box_follows_the_applications_layout(host: Host, loaded: Any) -> None:
    manager, box = host.app.layoutManager(), loaded.projections.layout_box
    manager.setLayout(FOUR_UP)
    box.click()
    manager.setLayout(2)  # by Slicer's own menu
    assert not box.checked
    box.click()
    box.click()
    assert manager.layout == 2


def test_no_view_node_is_left(host: Host, widget: Any, sample: Path) -> None:
    manager = host.app.layoutManager()
    manager.setLayout(FOUR_UP)
    host.close_scene()
    before = node_names(host.scene)
    widget.panel.session.load(sample)
    widget.panel.projections.layout_box.click()
    assert len(node_names(host.scene)) > len(before)
    host.close_scene()
    widget.cleanup()
    assert manager.layout == FOUR_UP
    assert manager.sliceWidget(NAME) is None
    assert [name for name in node_names(host.scene) if name not in before] == []


def test_reload_restores_the_layout_and_it_can_be_shown_again(host: Host, widget: Any, view: Any, sample: Path) -> None:
    manager = host.app.layoutManager()
    fresh = host.reload("MITOReconstruction")
    assert manager.layout == FOUR_UP
    assert host.scene.GetSingletonNode(NAME, "vtkMRMLSliceNode") is None
    fresh.panel.session.load(sample)
    fresh.panel.projections.layout_box.click()
    composite = manager.sliceWidget(NAME).mrmlSliceCompositeNode()
    assert composite.GetBackgroundVolumeID() == fresh.panel.session.shown.projection.node.GetID()
    fresh.panel.projections.layout_box.click()


def test_it_may_be_shown_before_anything_is_loaded(host: Host, widget: Any, sample: Path) -> None:
    host.select_module("MITOReconstruction")
    session = widget.panel.session
    session.projection_view.visible = True
    host.check()
    session.load(sample)
    composite = host.app.layoutManager().sliceWidget(NAME).mrmlSliceCompositeNode()
    assert composite.GetBackgroundVolumeID() == session.shown.projection.node.GetID()
    host.close_scene()
    assert composite.GetBackgroundVolumeID() is None
    session.projection_view.visible = False


def test_a_scene_that_was_saved_in_the_layout(host: Host, loaded: Any, view: Any, tmp_path: Path) -> None:
    host.save_scene(tmp_path / "scene.mrb")
    host.app.layoutManager().setLayout(FOUR_UP)
    host.open_scene(tmp_path / "scene.mrb")
    assert loaded.session.projection_view.visible
    assert loaded.projections.layout_box.checked
    loaded.data.load_button.click()
    host.check()
    found = host.app.layoutManager().sliceWidget(NAME).mrmlSliceCompositeNode().GetBackgroundVolumeID()
    assert found == loaded.session.shown.projection.node.GetID()


# ---- what it shows ---------------------------------------------------------------------------------------------------


def slice_pixels(session: Any) -> np.ndarray:
    """Grey values of the view, 0 to 255, indexed [y, x], y upwards; -1 where the view shows nothing."""
    from vtk.util import numpy_support

    producer = session.projection_view.slice.logic.GetImageDataConnection().GetProducer()
    producer.Update()
    image = producer.GetOutputDataObject(0)
    flat = numpy_support.vtk_to_numpy(image.GetPointData().GetScalars())
    rgba = flat.reshape(image.GetDimensions()[1], image.GetDimensions()[0], -1).astype(int)
    return np.where(rgba[:, :, 3] > 0, rgba[:, :, 0], -1)


def expected_pixels(session: Any, projection: np.ndarray) -> tuple[np.ndarray, np.ndarray]:
    """What the view has to show by its own geometry, and where the nearest detector pixel is beyond doubt."""
    view, image = session.projection_view, session.shown.projection
    width, height = view.slice.node.GetDimensions()[:2]
    fov = view.slice.node.GetFieldOfView()
    columns, rows = projection.shape
    d = session.scan.geometry.detector
    origin = view.slice.node.GetXYZOrigin()
    at = []
    for count, size, field, pixels, start in (
        (columns, d.pixel_size[0], fov[0], width, origin[0]),
        (rows, d.pixel_size[1], fov[1], height, origin[1]),
    ):
        place = (np.arange(pixels) / pixels - 0.5) * field + start
        at.append(place / size + count / 2)
    inside = [(p > 0.2) & (p < n - 0.2) & (np.abs(p - np.round(p)) > 0.2) for p, n in zip(at, (columns, rows), strict=True)]
    index = [np.clip(np.floor(p), 0, n - 1).astype(int) for p, n in zip(at, (columns, rows), strict=True)]
    low, high = image.window
    grey = 255 * np.clip((projection - low) / (high - low), 0, 1)
    return grey[np.ix_(*index)].T, np.ix_(inside[1], inside[0])


@pytest.mark.parametrize("position", [0, 40, 133])
def test_the_view_shows_the_projection_sharp_upright_and_square(host: Host, loaded: Any, view: Any, position: int) -> None:
    loaded.projections.slider.value = position
    session = loaded.session
    found = slice_pixels(session)
    expected, sure = expected_pixels(session, session.scan.projection(position))
    assert found[sure].size > 0.3 * found.size * session.scan.geometry.detector.rows / 10 * 0.1
    np.testing.assert_allclose(found[sure], expected[sure], atol=1.5)
    fov, size = view.mrmlSliceNode().GetFieldOfView(), view.mrmlSliceNode().GetDimensions()
    assert fov[0] / size[0] == pytest.approx(fov[1] / size[1])
    assert (found >= 0).any(axis=0).mean() > 0.9 or (found >= 0).any(axis=1).mean() > 0.9  # as large as it fits


def test_it_is_seen_from_the_source(loaded: Any, view: Any) -> None:
    for position in (0, 50, 100):
        loaded.projections.slider.value = position
        matrix = view.mrmlSliceNode().GetSliceToRAS()
        right, up, out = (np.array([matrix.GetElement(i, j) for i in range(3)]) for j in range(3))
        geometry = loaded.session.scan.geometry
        left, other = geometry.detector_points(position, columns=np.array([-0.1, 0.1]), rows=np.array([0.0]))[0, :, 0]
        to_source = geometry.sources(position)[0] - (left + other) / 2
        np.testing.assert_allclose(right, (other - left) / np.linalg.norm(other - left), atol=1e-9)
        np.testing.assert_allclose(up, (0, 0, 1), atol=1e-12)
        np.testing.assert_allclose(out, to_source / np.linalg.norm(to_source), atol=1e-9)


def test_what_is_drawn_is_the_projection(host: Host, loaded: Any, view: Any, opengl: None, tmp_path: Path) -> None:
    import qt

    loaded.projections.slider.value = 66
    image = qt.QImage(str(host.grab(view.sliceView(), tmp_path / "view.png", views=True)))
    width, height = view.mrmlSliceNode().GetDimensions()[:2]
    assert (image.width(), image.height()) == (width, height)
    drawn = np.array([[image.pixelColor(x, height - 1 - y).red() for x in range(0, width, 7)] for y in range(0, height, 7)])
    expected, sure = expected_pixels(loaded.session, loaded.session.scan.projection(66))
    marked = np.zeros_like(expected, dtype=bool)
    marked[sure] = True
    marked[: height // 6] = False  # the ruler
    marked = marked[::7, ::7]
    assert np.count_nonzero(marked) > 200
    close = np.abs(drawn[marked] - expected[::7, ::7][marked]) < 3
    assert close.mean() > 0.99


def test_it_belongs_to_no_other_view(host: Host, loaded: Any, view: Any) -> None:
    import slicer

    host.close_scene()  # makes view nodes as they are by default
    loaded.data.load_button.click()
    composite, node = view.mrmlSliceCompositeNode(), view.mrmlSliceNode()
    assert (composite.GetLinkedControl(), composite.GetHotLinkedControl(), composite.GetDoPropagateVolumeSelection()) == (0, 0, False)
    red = host.scene.GetNodeByID("vtkMRMLSliceNodeRed")
    assert node.GetViewGroup() != red.GetViewGroup()
    before = [red.GetFieldOfView(), red.GetSliceToRAS().GetElement(0, 3)]
    loaded.projections.slider.value = 90
    assert [red.GetFieldOfView(), red.GetSliceToRAS().GetElement(0, 3)] == before
    projection = composite.GetBackgroundVolumeID()
    fov = node.GetFieldOfView()
    volume = slicer.util.addVolumeFromArray(np.zeros((8, 8, 8), np.float32))
    loaded.projections.slider.value = 3
    shown = slice_pixels(loaded.session)
    slicer.util.setSliceViewerLayers(background=volume, foreground=volume, label=None, fit=True)
    loaded.projections.fit_button.click()
    np.testing.assert_array_equal(slice_pixels(loaded.session) > 0, shown > 0)
    slicer.app.applicationLogic().GetSelectionNode().SetReferenceActiveVolumeID(volume.GetID())
    slicer.app.applicationLogic().PropagateVolumeSelection()
    assert (composite.GetBackgroundVolumeID(), composite.GetForegroundVolumeID()) == (projection, None)
    assert host.scene.GetNodeByID("vtkMRMLSliceCompositeNodeRed").GetBackgroundVolumeID() == volume.GetID()
    assert node.GetFieldOfView() == fov


def test_the_wheel_does_not_leave_the_projection(host: Host, loaded: Any, view: Any) -> None:
    node, logic = view.mrmlSliceNode(), view.sliceLogic()
    loaded.projections.slider.value = 12
    shown = slice_pixels(loaded.session)
    logic.SetSliceOffset(logic.GetSliceOffset() + 5.0)
    node.SetOrientation("Axial")
    np.testing.assert_array_equal(slice_pixels(loaded.session), shown)


def test_zoom_and_window_of_a_person_stay(host: Host, loaded: Any, view: Any) -> None:
    node, display = view.mrmlSliceNode(), loaded.session.shown.projection.node.GetDisplayNode()
    automatic = display.GetWindowLevelMin(), display.GetWindowLevelMax()
    fov = node.GetFieldOfView()
    node.SetFieldOfView(fov[0] / 2, fov[1] / 2, fov[2])
    node.SetXYZOrigin(12.0, -3.0, 0.0)
    display.SetWindowLevelMinMax(0.25, 0.75)
    loaded.projections.slider.value = 70
    assert node.GetFieldOfView() == (fov[0] / 2, fov[1] / 2, fov[2])
    assert node.GetXYZOrigin() == (12.0, -3.0, 0.0)
    loaded.data.load_button.click()  # the same sample again
    assert (display.GetWindowLevelMin(), display.GetWindowLevelMax()) == (0.25, 0.75)
    loaded.projections.fit_button.click()
    assert node.GetFieldOfView() == pytest.approx(fov)
    assert node.GetXYZOrigin() == (0.0, 0.0, 0.0)
    assert (display.GetWindowLevelMin(), display.GetWindowLevelMax()) == pytest.approx(automatic, rel=0.2)


def test_the_window_is_that_of_several_views(loaded: Any) -> None:
    image, scan = loaded.session.shown.projection, loaded.session.scan
    assert image.window_is_automatic
    low, high = image.window
    assert low == 0.0
    assert high == pytest.approx(scan.projections.max(), rel=0.1)


def test_another_size_of_the_view(host: Host, loaded: Any, view: Any) -> None:
    import slicer

    node = view.mrmlSliceNode()
    detector = loaded.session.scan.geometry.detector
    across, along = detector.pixel_size[0] * detector.columns, detector.pixel_size[1] * detector.rows
    for size in ((300, 300), (900, 100)):
        node.SetDimensions(*size, 1)
        fov = node.GetFieldOfView()
        assert fov[0] / size[0] == pytest.approx(fov[1] / size[1])
        assert max(across / fov[0], along / fov[1]) == pytest.approx(1 / 1.03)
    assert slicer.app.layoutManager().sliceWidget(NAME) is view


def test_a_script_beside_the_panel(host: Host, loaded: Any, view: Any, sample: Path, tmp_path: Path) -> None:
    """Two sessions have one view: whoever showed a projection last has it, and the other one leaves it alone."""
    import sys

    shutil.copytree(sample, tmp_path / "other")
    composite, layout = view.mrmlSliceCompositeNode(), host.app.layoutManager()
    script = sys.modules["MITOReconstruction"].MITOReconstructionLogic()
    script.session.set_preferences(script.session.preferences)
    assert composite.GetBackgroundVolumeID() == loaded.session.shown.projection.node.GetID()
    script.session.load(tmp_path / "other")
    assert composite.GetBackgroundVolumeID() == script.session.shown.projection.node.GetID()
    loaded.projections.slider.value = 30
    script.session.shown.show_view(50)
    expected, sure = expected_pixels(script.session, script.session.scan.projection(50))
    np.testing.assert_allclose(slice_pixels(script.session)[sure], expected[sure], atol=1.5)
    loaded.data.load_button.click()
    assert composite.GetBackgroundVolumeID() == loaded.session.shown.projection.node.GetID()
    script.close()
    assert layout.sliceViewNames() == (NAME,)
    assert composite.GetBackgroundVolumeID() == loaded.session.shown.projection.node.GetID()


# ---- faults ----------------------------------------------------------------------------------------------------------


def test_a_sample_whose_first_views_are_broken_is_opened(host: Host, loaded: Any, view: Any, sample: Path, tmp_path: Path) -> None:
    """It begins at another view, and the window is chosen without those that cannot be read."""
    shutil.copytree(sample, tmp_path / "nan")
    values = np.load(tmp_path / "nan" / "sinogram.npy")
    values[33, 2, 3] = np.nan
    values[66] = np.inf
    values[0, 0, 0] = np.nan
    np.save(tmp_path / "nan" / "sinogram.npy", values)
    loaded.data.folder.currentPath = str(tmp_path / "nan")
    loaded.data.load_button.click()
    assert loaded.session.scan.name == "nan"
    assert np.isfinite(loaded.session.shown.projection.window).all()
    assert loaded.session.shown.view == loaded.projections.slider.value == 16
    loaded.projections.slider.value = 20
    shown = slice_pixels(loaded.session)
    loaded.projections.slider.value = 33
    assert "view 33" in loaded.projections.status.text
    np.testing.assert_array_equal(slice_pixels(loaded.session), shown)  # the last good one stays
    loaded.projections.slider.value = 34
    assert loaded.projections.status.text.startswith("Angle")


def test_a_sample_that_cannot_be_read_at_all_leaves_nothing(host: Host, loaded: Any, sample: Path, tmp_path: Path) -> None:
    shutil.copytree(sample, tmp_path / "nan")
    np.save(tmp_path / "nan" / "sinogram.npy", np.full_like(np.load(sample / "sinogram.npy"), np.nan))
    before = node_names(host.scene)
    loaded.data.folder.currentPath = str(tmp_path / "nan")
    loaded.data.load_button.click()
    assert "view 0" in loaded.data.status.text
    assert node_names(host.scene) == before
    assert loaded.session.scan.name == "cylinder"


def test_the_scan_is_closed_while_it_plays(host: Host, loaded: Any, view: Any) -> None:
    part = loaded.projections
    part.play_button.click()
    host.wait_until(lambda: loaded.session.shown.view > 0)
    host.close_scene()
    assert not part.timer.active
    assert view.mrmlSliceCompositeNode().GetBackgroundVolumeID() is None
    for _ in range(5):
        host.process_events()
    host.check()


def test_the_projection_node_is_deleted_by_a_person(host: Host, loaded: Any, view: Any) -> None:
    host.scene.RemoveNode(loaded.session.shown.projection.node)
    loaded.projections.slider.value = 5
    loaded.projections.fit_button.click()
    host.check()
    loaded.data.load_button.click()
    assert view.mrmlSliceCompositeNode().GetBackgroundVolumeID() == loaded.session.shown.projection.node.GetID()
