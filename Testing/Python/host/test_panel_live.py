"""The section 'Live slices', driven through its widgets and through real slice nodes."""

from __future__ import annotations

import shutil
import sys
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("slicer.util", reason="needs slicer-core")
pytest.importorskip("shiboken6", reason="needs PySide6-Essentials")

from SlicerHost import Host

MIDDLE = (0.0, 0.0, 277.0)
SECONDS = 300


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cylinder of 0.02 per mm with a denser ball, scanned coarsely."""
    from MITOReconstructionLib.scan.shapes import Cylinder, Ellipsoid, Phantom
    from MITOReconstructionLib.scan.simulation import mito_geometry, simulate

    folder = tmp_path_factory.mktemp("data") / "live"
    shapes = (Cylinder((0.0, 0.0, 0.0), (0.0, 0.0, 700.0), 60.0, 0.02), Ellipsoid((30.0, 15.0, 277.0), (15.0, 15.0, 15.0), 0.01))
    simulate(folder, Phantom("ball in a cylinder", shapes), mito_geometry(scale=24, turns=2.5))
    return folder


@pytest.fixture
def looked(host: Host, loaded: Any) -> Any:
    """The panel, looking through the sample, with everything final."""
    for name in ("Red", "Green", "Yellow"):
        view(name).SetFieldOfView(240.0, 240.0, 1.0)
        view(name).JumpSliceByCentering(*MIDDLE)
    loaded.live.start_button.checked = True
    rest(host, loaded)
    return loaded


def view(name: str) -> Any:
    import slicer

    return slicer.app.layoutManager().sliceWidget(name).mrmlSliceNode()


def composite(name: str) -> Any:
    import slicer

    return slicer.app.layoutManager().sliceWidget(name).mrmlSliceCompositeNode()


def rest(host: Host, panel: Any) -> None:
    """Wait until every slice is final and shown."""

    def shown() -> bool:
        live = panel.live.live
        panel.live.tick()
        busy = live.engine.status().busy
        panel.live.tick()
        followed = [live._followed[name] for name in live.followed]
        return not busy and all(e.plane is None or (e.volume.shown and e.volume.plane == e.plane) for e in followed)

    host.wait_until(shown, SECONDS)


def image(name: str) -> np.ndarray:
    """The voxels of a view's foreground, indexed [j, i]."""
    import slicer

    return slicer.util.arrayFromVolume(slicer.mrmlScene.GetNodeByID(composite(name).GetForegroundVolumeID()))[0]


def at(name: str, point: tuple[float, float, float]) -> float:
    """The value that a view's foreground has at a point in mm; fails where the point is not on it."""
    import slicer
    import vtk

    node = slicer.mrmlScene.GetNodeByID(composite(name).GetForegroundVolumeID())
    matrix = vtk.vtkMatrix4x4()
    node.GetRASToIJKMatrix(matrix)
    i, j, k, _one = matrix.MultiplyPoint((*point, 1.0))
    assert abs(k) < 0.01, f"{point} is not on the plane of {name}"
    return float(image(name)[round(j), round(i)])


def test_every_view_shows_its_plane(host: Host, looked: Any) -> None:
    for name in ("Red", "Green", "Yellow"):
        assert at(name, (-20.0, 0.0, 277.0) if name != "Yellow" else (0.0, -20.0, 277.0)) == pytest.approx(0.02, rel=0.08)
        assert composite(name).GetForegroundOpacity() == 1.0
    view("Red").SetSliceOffset(278.0)
    rest(host, looked)
    assert at("Red", (30.0, 15.0, 278.0)) == pytest.approx(0.03, rel=0.08)
    assert at("Red", (90.0, 0.0, 278.0)) == pytest.approx(0.0, abs=0.002)
    assert "beams filtered" in looked.live.status.text
    assert "CPU" in looked.live.status.text


def test_the_backend_of_the_panel_computes_slices_too(loaded: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "cupy", None)
    loaded.session.state.update(backend="cuda")
    loaded.live.start_button.checked = True
    assert "The backend 'cuda' needs the Python package 'cupy-cuda12x'" in loaded.live.status.text
    assert not loaded.live.start_button.checked
    loaded.session.state.update(backend="astra")  # does no slices
    loaded.live.start_button.checked = True
    assert loaded.live.live is not None


def test_the_context_is_behind_and_the_view_can_be_moved_over_all_of_it(looked: Any) -> None:
    import slicer

    live, bounds = looked.live.live, [0.0] * 6
    assert composite("Red").GetBackgroundVolumeID() == live.context.node.GetID()
    slicer.app.layoutManager().sliceWidget("Red").sliceLogic().GetLowestVolumeSliceBounds(bounds)
    grid = looked.session.scan.default_grid
    assert bounds[4] == pytest.approx(grid.minimum[2], abs=6.0)
    assert bounds[5] == pytest.approx(grid.maximum[2], abs=6.0)
    voxels = slicer.util.arrayFromVolume(live.context.node)
    assert 120 <= max(voxels.shape) <= 130
    middle = tuple(n // 2 for n in voxels.shape)
    assert voxels[middle] == pytest.approx(0.02, rel=0.1)
    looked.live.context.checked = True
    assert live.context.visible


def test_a_drag_ends_with_the_last_plane_and_the_panel_never_waits(host: Host, looked: Any) -> None:
    for step in range(40):
        view("Red").SetSliceOffset(257.0 + step)
        host.process_events()
    rest(host, looked)
    assert at("Red", (-20.0, 0.0, 296.0)) == pytest.approx(0.02, rel=0.08)
    assert looked.live.live.history[-1].complete


def test_while_a_view_is_zoomed_it_shows_older_images_of_the_same_plane(host: Host, looked: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    live = looked.live.live
    entry = live._followed["Red"]
    shown = entry.volume.shown

    def moved(x: float, z: float) -> Any:
        return replace(shown, plane=replace(shown.plane, origin=tuple(np.add(shown.plane.origin, (x, 0.0, z)))))

    def come(result: Any) -> Any:
        with monkeypatch.context() as patched:
            patched.setattr(live.engine, "poll", lambda: [result])
            live.tick()
        return entry.volume.plane

    view("Red").SetFieldOfView(60.0, 60.0, 1.0)
    older, beside = moved(10.0, 0.0), moved(10.0, 0.5)
    assert come(beside) == shown.plane
    assert come(older) == older.plane != entry.plane
    rest(host, looked)
    assert entry.volume.plane == entry.plane
    assert come(older) == entry.plane


def test_the_drawn_view_has_the_pixels_of_the_plane(host: Host, looked: Any, tmp_path: Path) -> None:
    import slicer
    from vtk.util import numpy_support

    live = looked.live.live
    live.set_window(0.0, 0.04)
    red = slicer.app.layoutManager().sliceWidget("Red")
    pipeline = red.sliceLogic().GetBlend()
    pipeline.Update()
    drawn = pipeline.GetOutput()
    width, height, _one = drawn.GetDimensions()
    pixels = numpy_support.vtk_to_numpy(drawn.GetPointData().GetScalars()).reshape(height, width, -1)[..., 0].astype(float)
    shown, node = live._followed["Red"].volume.shown, view("Red")
    matrix = node.GetXYToRAS()
    compared = 0
    for x, y in [(width // 2 + dx, height // 2 + dy) for dx in range(-60, 61, 15) for dy in range(-60, 61, 15)]:
        point = np.array(matrix.MultiplyPoint((x, y, 0.0, 1.0))[:3]) - np.array(shown.plane.origin)
        i, j = point @ np.array(shown.plane.u) / shown.plane.spacing[0], point @ np.array(shown.plane.v) / shown.plane.spacing[1]
        a, b = int(np.floor(i)), int(np.floor(j))
        if not (0 <= a < shown.plane.shape[0] - 1 and 0 <= b < shown.plane.shape[1] - 1):
            continue
        part = shown.image[a : a + 2, b : b + 2].astype(float)
        value = np.array([1 - (i - a), i - a]) @ part @ np.array([1 - (j - b), j - b])
        assert pixels[y, x] == pytest.approx(np.clip(255 * value / 0.04, 0, 255), abs=2.0)
        compared += 1
    assert compared > 40


def test_zoomed_and_tilted(host: Host, looked: Any) -> None:
    import vtk

    wide = image("Red").shape
    view("Red").SetFieldOfView(60.0, 60.0, 1.0)
    rest(host, looked)
    assert image("Red").shape != wide
    assert at("Red", MIDDLE) == pytest.approx(0.02, rel=0.08)
    turn = vtk.vtkTransform()
    turn.Translate(*MIDDLE)
    turn.RotateX(25.0)
    view("Green").GetSliceToRAS().DeepCopy(turn.GetMatrix())
    view("Green").UpdateMatrices()
    rest(host, looked)
    assert at("Green", MIDDLE) == pytest.approx(0.02, rel=0.08)


def test_a_view_is_left_and_shows_what_it_showed(host: Host, looked: Any) -> None:
    import slicer

    before = slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode")
    looked.live.boxes["Green"].checked = False
    assert composite("Green").GetForegroundVolumeID() is None
    assert composite("Green").GetBackgroundVolumeID() != looked.live.live.context.node.GetID()
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == before - 1
    looked.live.boxes["Green"].checked = True
    rest(host, looked)
    assert at("Green", MIDDLE) == pytest.approx(0.02, rel=0.08)
    looked.live.start_button.checked = False
    assert (looked.live.live, looked.live.steering.visible, looked.live.timer.isActive()) == (None, False, False)
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") == before - 4
    assert composite("Red").GetBackgroundVolumeID() is None


def test_steering(host: Host, looked: Any) -> None:
    sharp = image("Red").copy()
    fields = looked.live.parameters.fields
    fields["frequency_scaling"].value = 0.2
    rest(host, looked)
    smooth = image("Red")
    assert np.abs(np.diff(smooth, axis=0)).max() < np.abs(np.diff(sharp, axis=0)).max()
    fields["frequency_scaling"].value = 1.0
    fields["axis_offset"].value = 3.0
    rest(host, looked)
    assert np.abs(image("Red") - sharp).max() > 0.003
    fields["axis_offset"].value = 0.0
    rest(host, looked)
    np.testing.assert_allclose(image("Red"), sharp, atol=1e-6)
    views = looked.session.scan.geometry.views
    assert (fields["first_view"].maximum, fields["last_view"].maximum) == (views - 1, views)
    assert (fields["last_view"].specialValueText, fields["tilt"].singleStep) == ("end", 0.05)
    fields["last_view"].value = 20
    fields["first_view"].value = 20
    host.wait_until(lambda: "first_view" in looked.live.status.text, SECONDS)
    fields["first_view"].value = 0
    fields["last_view"].value = 0
    rest(host, looked)
    np.testing.assert_allclose(image("Red"), sharp, atol=1e-6)


def test_the_range_is_that_of_every_slice(host: Host, looked: Any) -> None:
    import slicer

    part = looked.live
    part.low.value, part.high.value = 0.005, 0.035
    displays = [slicer.mrmlScene.GetNodeByID(composite(n).GetForegroundVolumeID()).GetDisplayNode() for n in ("Red", "Green", "Yellow")]
    assert all((d.GetWindowLevelMin(), d.GetWindowLevelMax()) == pytest.approx((0.005, 0.035)) for d in displays)
    displays[1].SetWindowLevelMinMax(0.0, 0.05)  # with the mouse, say
    host.wait_until(lambda: part.high.value == 0.05, SECONDS)
    assert displays[0].GetWindowLevelMax() == pytest.approx(0.05)
    part.fit_button.click()
    assert 0.02 < part.live.window[1] < 0.045


def test_plugins_are_chained_and_tracked(host: Host, looked: Any) -> None:
    part = looked.live
    sharp = image("Red").copy()
    names = [part.chain.choice.itemText(i) for i in range(part.chain.choice.count)]
    part.chain.choice.currentIndex = next(i for i, name in enumerate(names) if "Gauss" in name)
    rest(host, looked)
    assert np.abs(image("Red") - sharp).max() > 1e-4
    part.chain.choice.currentIndex = next(i for i, name in enumerate(names) if "Otsu" in name)
    rest(host, looked)
    heads = [part.values.widget.horizontalHeaderItem(i).text() for i in range(part.values.widget.columnCount)]
    assert "mean" in heads
    assert part.chain.choice.currentIndex == 0
    assert [plugin.name for plugin, *_rest in part.chain.rows] == ["gaussian", "otsu"]
    for row in list(part.chain.rows):
        row[2].click()
    rest(host, looked)
    np.testing.assert_allclose(image("Red"), sharp, atol=1e-7)


def test_pinned_slices_stay(host: Host, looked: Any) -> None:
    import slicer

    pins = looked.live.pins
    pins.view.currentIndex = 0
    pins.pin_button.click()
    node = next(iter(looked.live.live.pinned.values())).node
    before = slicer.util.arrayFromVolume(node).copy()
    view("Red").SetSliceOffset(300.0)
    rest(host, looked)
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(node), before)
    assert pins.list.item(0).text().endswith("pinned 1")
    assert not pins.list.item(0).icon().isNull()
    looked.live.parameters.fields["filter_type"].currentIndex = 4
    rest(host, looked)
    host.wait_until(lambda: np.abs(slicer.util.arrayFromVolume(node) - before).max() > 1e-4, SECONDS)
    pins.unpin_button.click()
    assert (node.GetScene(), pins.list.count, pins.list.visible) == (None, 0, False)


def test_planes_in_3d(looked: Any) -> None:
    looked.live.planes.checked = True
    assert [view(name).GetSliceVisible() for name in ("Red", "Green", "Yellow")] == [1, 1, 1]
    looked.live.start_button.checked = False
    assert view("Red").GetSliceVisible() == 0


def test_two_scans_share_the_views(host: Host, looked: Any, sample: Path, tmp_path: Path) -> None:
    first = looked.session.scan
    looked.session.load(shutil.copytree(sample, tmp_path / "second"))
    looked.live.start_button.checked = True
    rest(host, looked)
    assert looked.session.live.of(first).followed == []
    assert looked.session.live.of(looked.session.scan).followed == ["Red", "Green", "Yellow"]
    looked.session.live.follow(first, "Green")
    host.process_events()
    assert looked.session.live.of(looked.session.scan).followed == ["Red", "Yellow"]
    assert looked.session.live.of(first).followed == ["Green"]
    looked.session.opened.close("second")
    assert looked.session.live.running == [first.name]


def test_closing_the_scene_ends_it(host: Host, looked: Any) -> None:
    engine = looked.live.live.engine
    host.close_scene()
    host.process_events()
    assert (looked.live.live, looked.live.timer.isActive()) == (None, False)
    with pytest.raises(Exception, match="closed"):
        engine.request("Red", None)


def test_a_deleted_node_is_no_fault(host: Host, looked: Any) -> None:
    import slicer

    slicer.mrmlScene.RemoveNode(slicer.mrmlScene.GetNodeByID(composite("Red").GetForegroundVolumeID()))
    view("Red").SetSliceOffset(287.0)
    host.wait_until(lambda: "Red" not in looked.live.live.followed, SECONDS)
