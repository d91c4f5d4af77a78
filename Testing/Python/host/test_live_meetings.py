"""Two scans looked through at once, with pinned slices, runs, closed scans and saved scenes."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("slicer.util", reason="needs slicer-core")
pytest.importorskip("shiboken6", reason="needs PySide6-Essentials")

from SlicerHost import Host

from MITOReconstructionLib.live.plugins import Plugin, PluginStep
from MITOReconstructionLib.methods import Parameters
from MITOReconstructionLib.scene.parts import find_part
from MITOReconstructionLib.scene.window import contrast_of

SECONDS = 300


def node_of(view: str) -> Any:
    import slicer

    return slicer.app.layoutManager().sliceWidget(view).mrmlSliceNode()


def shown_in(view: str) -> Any:
    import slicer

    composite = slicer.app.layoutManager().sliceWidget(view).mrmlSliceCompositeNode()
    return slicer.mrmlScene.GetNodeByID(composite.GetForegroundVolumeID() or "")


def voxels(node: Any) -> np.ndarray:
    import slicer

    return slicer.util.arrayFromVolume(node).copy()


def choose(panel: Any, name: str) -> None:
    panel.data.opened.combo.currentIndex = panel.data.opened.combo.findText(name)


def set_filter(panel: Any, name: str) -> None:
    field = panel.live.parameters.fields["filter_type"]
    field.currentIndex = field.findText(name)


def test_the_range_is_that_of_the_first_final_slice_and_of_no_preview(host: Host, loaded: Any) -> None:
    loaded.live.start_button.checked = True
    assert loaded.session.live.wait(SECONDS)
    loaded.session.live.tick()
    live = loaded.live.live
    first = next(result for result in live.history if result.level == "final")
    contrast = contrast_of(live._followed[first.key].volume.shown.image)
    assert live.window == pytest.approx((contrast.low, contrast.high))
    assert all(volume.window == pytest.approx(live.window) for volume in live._volumes())


@pytest.fixture
def two(host: Host, loaded: Any, sample: Path, tmp_path: Path) -> Any:
    """The cylinder in Red with Ram-Lak, another one in Green and Yellow with Hann."""
    loaded.live.start_button.checked = True
    for name in ("Green", "Yellow"):
        loaded.live.boxes[name].checked = False
    loaded.data.folder.currentPath = str(shutil.copytree(sample, tmp_path / "other"))
    loaded.data.load_button.click()
    loaded.live.start_button.checked = True
    set_filter(loaded, "Hann")
    choose(loaded, "cylinder")
    loaded.live.boxes["Red"].checked = True
    assert loaded.session.live.wait(SECONDS)
    host.process_events()
    return loaded


def test_a_view_that_sees_nothing_of_the_scan_is_moved_to_it(host: Host, loaded: Any) -> None:
    grid = loaded.session.scan.default_grid
    for name in ("Red", "Green", "Yellow"):
        node_of(name).JumpSliceByCentering(0.0, 0.0, grid.minimum[2] - 500.0)
    node_of("Yellow").JumpSliceByCentering(0.0, 0.0, grid.minimum[2] + 1.0)
    loaded.live.start_button.checked = True
    assert loaded.session.live.wait(SECONDS)
    for name in ("Red", "Green"):
        low, high = np.array(grid.minimum), np.array(grid.maximum)
        image = loaded.live.live._followed[name].volume.shown
        assert np.all((np.array(image.plane.centre) - low) * (high - np.array(image.plane.centre)) > 0)
        assert image.image.max() > 0.01
        field = node_of(name).GetFieldOfView()
        across = [high[0] - low[0], (high[1] - low[1]) if name == "Red" else (high[2] - low[2])]
        assert all(seen >= side for seen, side in zip(field[:2], across, strict=True))
    assert node_of("Yellow").GetXYToRAS().GetElement(2, 3) < grid.minimum[2]  # one that sees some of it stays where it was


def test_two_scans_with_different_filters_are_pinned_and_saved(host: Host, two: Any, tmp_path: Path) -> None:
    session = two.session
    first, second = session.opened.scans
    assert session.live.of(first).followed == ["Red"]
    assert session.live.of(second).followed == ["Green", "Yellow"]
    two.live.pins.pin_button.click()
    choose(two, "other")
    assert two.live.parameters.values["filter_type"] == "Hann"
    two.live.pins.pin_button.click()
    choose(two, "cylinder")
    assert two.live.parameters.values["filter_type"] == "Ram-Lak"
    set_filter(two, "Shepp-Logan")
    assert session.live.wait(SECONDS)
    host.process_events()
    assert session.live.of(second).engine.settings.filter_type == "Hann"
    pinned = {node.GetName(): voxels(node) for node in find_part(host.scene, "vtkMRMLScalarVolumeNode", "pinned")}
    assert sorted(pinned) == ["cylinder pinned 1", "other pinned 1"]
    assert min(image.max() for image in pinned.values()) > 0.01
    host.save_scene(tmp_path / "two.mrb")
    assert session.live.running == ["cylinder", "other"]  # saving ends nothing
    node_of("Red").SetSliceOffset(node_of("Red").GetSliceOffset() + 4.0)
    assert session.live.wait(SECONDS)

    host.open_scene(tmp_path / "two.mrb")
    host.check()
    assert (session.live.running, two.live.start_button.checked, two.live.timer.active) == ([], False, False)
    assert [scan.name for scan in session.opened.scans] == ["cylinder", "other"]
    assert session.scan.name == "cylinder"
    nodes = find_part(host.scene, "vtkMRMLScalarVolumeNode", "pinned")
    for node in nodes:
        np.testing.assert_array_equal(voxels(node), pinned[node.GetName()])
    assert len(nodes) == 2
    assert not any("live" in (host.scene.GetNthNode(i).GetName() or "") for i in range(host.scene.GetNumberOfNodes()))
    two.live.start_button.checked = True
    assert session.live.wait(SECONDS)
    host.process_events()
    two.live.pins.pin_button.click()
    host.check()
    assert sorted(node.GetName() for node in find_part(host.scene, "vtkMRMLScalarVolumeNode", "pinned"))[1] == "cylinder pinned 2"


def test_one_scan_is_closed_while_its_slices_are_computed(host: Host, two: Any) -> None:
    session = two.session
    first, second = session.opened.scans
    engine, other = session.live.of(first).engine, session.live.of(second)
    two.live.pins.pin_button.click()
    entered, opened = threading.Event(), threading.Event()

    def block(image: np.ndarray, _parameters: Parameters) -> np.ndarray:
        entered.set()
        assert opened.wait(SECONDS)
        return image

    engine.process([PluginStep(Plugin("block", "Block", "Blocks.", Parameters, block), Parameters())])
    node_of("Red").SetSliceOffset(node_of("Red").GetSliceOffset() + 1.0)
    node_of("Green").SetSliceOffset(3.0)
    session.live.tick()
    assert entered.wait(SECONDS)
    two.data.opened.close_button.click()
    host.process_events()
    opened.set()
    engine.close()
    host.process_events()
    host.check()
    assert (session.scan.name, session.live.running, two.live.live) == ("other", ["other"], other)
    assert shown_in("Red") is None
    two.live.boxes["Red"].checked = True
    assert session.live.wait(SECONDS)
    assert voxels(shown_in("Red")).max() > 0.01
    assert other.history[-1].complete
    assert [node.GetName() for node in find_part(host.scene, "vtkMRMLScalarVolumeNode", "pinned")] == ["cylinder pinned 1"]


def test_a_drag_while_a_reconstruction_runs(host: Host, loaded: Any) -> None:
    part, session = loaded.reconstruction, loaded.session
    part.method.currentIndex = [method.name for method in part.methods].index("landweber")
    part.parameters.fields["iterations"].value = 100_000
    loaded.live.start_button.checked = True
    part.start_button.click()
    host.wait_until(lambda: session.runs.going is not None and len(session.runs.going.residuals) > 1, SECONDS)
    offset = node_of("Red").GetSliceOffset()
    for step in range(30):
        node_of("Red").SetSliceOffset(offset - 15.0 + step)
        host.process_events()
    live = loaded.live.live

    def at_rest() -> bool:
        newest = live._followed["Red"].volume.shown
        last = newest is not None and newest.plane.centre[2] == pytest.approx(offset + 14.0)
        return last and newest.complete and not live.engine.status().busy

    host.wait_until(at_rest, SECONDS)  # the last place of the drag is looked up by a timer, after the drag
    shown, done = live._followed["Red"].volume.shown, len(session.runs.going.residuals)
    host.wait_until(lambda: len(session.runs.going.residuals) > done, SECONDS)  # neither starves the other
    part.cancel_button.click()
    host.wait_until(lambda: session.job is None, SECONDS)
    host.check()
    np.testing.assert_allclose(shown.image, live.engine.reconstruct(shown.plane).image, atol=1e-7)
