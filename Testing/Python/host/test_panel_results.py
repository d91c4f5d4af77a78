"""The section 'Results': saving, running again, window and level, rendering, and comparing, through the widgets."""

from __future__ import annotations

import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("slicer.util", reason="needs slicer-core")
pytest.importorskip("shiboken6", reason="needs PySide6-Essentials")

from SlicerHost import Host

from MITOReconstructionLib.errors import InputError
from MITOReconstructionLib.geometry import VolumeGrid
from MITOReconstructionLib.jobs import Volume

GRID = VolumeGrid((-60.0, -60.0, 260.0), (60.0, 60.0, 284.0), (30, 30, 6))
OFF, KNOTS, RINGS = range(3)
COARSE = VolumeGrid((-30.0, -30.0, 250.0), (60.0, 60.0, 300.0), (9, 9, 5))
SAVE = "QFileDialog.getSaveFileName"


def reconstruct(panel: Any, grid: VolumeGrid = GRID, **options: Any) -> Any:
    panel.session.start(grid=grid, **options)
    assert panel.session.wait(300)
    return panel.session.results()[-1]


def names(panel: Any) -> list[str]:
    part = panel.results
    return [part.list.item(row).text() for row in range(part.list.count)]


def composite(name: str = "Red") -> Any:
    import slicer

    return slicer.app.layoutManager().sliceWidget(name).mrmlSliceCompositeNode()


@pytest.fixture
def one(host: Host, loaded: Any) -> Any:
    """The panel with one volume."""
    reconstruct(loaded, views=slice(3, None), parameters={"filter_type": "Hann"})
    host.check()
    return loaded


# ---- provenance --------------------------------------------------------------------------------------------------------


def test_the_provenance_is_a_table(one: Any, sample: Path) -> None:
    rows = one.results.provenance.rows
    assert (rows["method"], rows["filter type"], rows["sample"]) == ("fbp", "Hann", str(sample))
    assert rows["grid"] == "30 x 30 x 6 voxels, x -60 to 60, y -60 to 60, z 260 to 284 mm"
    assert rows["views"].startswith("3:")
    assert rows["padding"] == "yes"
    assert "backend name" not in rows


# ---- saving ------------------------------------------------------------------------------------------------------------


def test_saved_with_its_provenance(host: Host, one: Any, tmp_path: Path) -> None:
    node = one.session.results()[0]
    host.answers.give(SAVE, str(tmp_path / "knot"))
    one.results.save_button.click()
    assert one.results.status.text == f"Saved: {tmp_path / 'knot.nrrd'}"
    assert host.answers.shown[-1].arguments[2] == "cylinder_fbp.nrrd"
    again = Volume.load(tmp_path / "knot.nrrd")
    kept = one.session.volume(node)
    np.testing.assert_array_equal(again.array, kept.array)
    assert again.provenance == kept.provenance
    assert again.grid.shape == GRID.shape
    np.testing.assert_allclose(again.grid.minimum, GRID.minimum, atol=1e-9)
    host.answers.give(SAVE, "")
    one.results.save_button.click()
    assert one.results.status.text.startswith("Saved")


@pytest.mark.skipif(os.name != "posix", reason="makes a folder read-only")
def test_what_cannot_be_saved_says_so_and_leaves_nothing(host: Host, one: Any, tmp_path: Path) -> None:
    (tmp_path / "knot.nrrd").write_text("old")
    host.answers.give(SAVE, str(tmp_path / "nowhere" / "knot.nrrd"))
    one.results.save_button.click()
    assert "no folder" in one.results.status.text
    import resource

    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (1000, hard))
    try:
        host.answers.give(SAVE, str(tmp_path / "knot.nrrd"))
        one.results.save_button.click()
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))
    assert "File too large" in one.results.status.text
    assert [path.name for path in tmp_path.iterdir()] == ["knot.nrrd"]
    assert (tmp_path / "knot.nrrd").read_text() == "old"


# ---- again -------------------------------------------------------------------------------------------------------------


def assert_the_same(panel: Any, first: Any, second: Any) -> None:
    a, b = panel.session.volume(first), panel.session.volume(second)
    np.testing.assert_allclose(a.array, b.array, atol=1e-7)
    for name in ("method", "parameters", "views", "sample", "backend_name", "grid"):
        assert a.provenance[name] == b.provenance[name]


def again(host: Host, panel: Any) -> Any:
    panel.results.rerun_button.click()
    host.wait_until(lambda: panel.session.job is None)
    return panel.session.results()[-1]


def test_run_again(host: Host, one: Any) -> None:
    first = one.session.results()[0]
    second = again(host, one)
    assert names(one) == ["fbp", "fbp 2"]
    assert_the_same(one, first, second)


def test_run_again_after_the_scene_was_saved_and_opened(host: Host, one: Any, tmp_path: Path) -> None:
    before = one.session.volume(one.session.results()[0])
    host.save_scene(tmp_path / "scene.mrb")
    host.close_scene()
    host.open_scene(tmp_path / "scene.mrb")
    assert one.session.scan.name == "cylinder"
    node = again(host, one)
    assert names(one) == ["fbp", "fbp 2"]
    np.testing.assert_allclose(one.session.volume(node).array, before.array, atol=1e-7)
    assert node.GetAttribute("MITO.scan") == "cylinder"


def test_run_again_from_a_file_that_slicer_loaded(host: Host, one: Any, tmp_path: Path) -> None:
    import slicer

    before = one.session.volume(one.session.results()[0])
    before.save(tmp_path / "knot.nrrd")
    host.close_scene()
    assert names(one) == []
    slicer.util.loadVolume(str(tmp_path / "knot.nrrd"))
    host.process_events()
    assert names(one) == ["knot"]
    assert one.results.provenance.rows["method"] == "fbp"
    np.testing.assert_array_equal(one.session.volume(one.session.results()[0]).array, before.array)
    node = again(host, one)
    np.testing.assert_allclose(one.session.volume(node).array, before.array, atol=1e-7)
    slicer.util.addVolumeFromArray(np.zeros((3, 3, 3), np.float32))
    host.process_events()
    assert names(one) == ["knot", "fbp"]


def test_what_cannot_be_run_again_says_why(host: Host, one: Any, sample: Path, tmp_path: Path) -> None:
    session, node = one.session, one.session.results()[0]
    given = reconstruct(one, method="landweber", parameters={"iterations": 1}, initial=session.volume(node))
    one.results.rerun_button.click()
    assert "began with a volume, which is not kept" in one.results.status.text
    node.SetAttribute("MITO.provenance", "{}")
    with pytest.raises(InputError, match="provenance: method: expected one of fbp"):
        session.rerun(node)
    moved = tmp_path / "cylinder"
    shutil.copytree(sample, moved)
    told = session.volume(given).provenance | {"sample": "/was/cylinder", "report": {}}
    session.opened.close("cylinder")
    part = session.show_volume(Volume(session.volume(given).array, GRID, told), session.load(moved), "moved")
    assert session.rerun(part).request.scan.folder == moved
    session.cancel()
    assert session.wait(300)
    session.opened.close("cylinder 2")  # the first one is where it was, and its volumes are in the scene
    with pytest.raises(InputError, match="sample: expected the folder /was/cylinder; found no sample there"):
        session.rerun(part)


# ---- looks -------------------------------------------------------------------------------------------------------------


def test_window_and_level_fit(one: Any) -> None:
    session, part = one.session, one.results
    first = session.results()[0]
    second = reconstruct(one)
    displays = [node.GetScalarVolumeDisplayNode() for node in (first, second)]
    array = np.zeros(GRID.shape, np.float32)
    array[5:25, 5:25] = np.linspace(1.0, 2.0, 2400).reshape(20, 20, 6)
    session.show_volume(Volume(array, GRID, {"method": "known"}), session.scan, "fbp 2")
    for display in displays:
        display.SetWindowLevelMinMax(-5.0, 5.0)
    part.low.value, part.high.value = 10.0, 90.0
    part.fit_button.click()
    assert displays[0].GetWindowLevelMax() == 5.0
    assert displays[1].GetWindowLevelMin() == pytest.approx(1.1, abs=0.01)
    assert displays[1].GetWindowLevelMax() == pytest.approx(1.9, abs=0.01)
    part.fit_all_button.click()
    assert displays[0].GetWindowLevelMax() < 1.0
    part.low.value = 95.0
    part.fit_button.click()
    assert "percentiles" in part.status.text


def test_volume_rendering(one: Any) -> None:
    import slicer

    session, part = one.session, one.results
    first = session.results()[0]
    look = part.look
    assert [look.itemText(i) for i in range(look.count)] == ["Off", "Knots in a veil of wood", "Solid wood with its rings"]
    assert look.currentIndex == KNOTS
    second = reconstruct(one)
    shown = lambda node: bool(node.GetNthDisplayNode(1).GetVisibility())  # noqa: E731
    assert (shown(first), shown(second), look.currentIndex) == (False, True, KNOTS)
    choose(look, OFF)
    assert not shown(second)
    part.list.setCurrentRow(0)
    assert look.currentIndex == OFF
    choose(look, RINGS)
    assert (shown(first), shown(second)) == (True, False)
    wood = first.GetNthDisplayNode(1).GetVolumePropertyNode()
    assert wood.GetName() == "fbp wood"
    solid = wood.GetVolumeProperty().GetScalarOpacity().GetValue(0.02)
    choose(look, KNOTS)
    assert solid > 0.5 > 0.3 > wood.GetVolumeProperty().GetScalarOpacity().GetValue(0.02)
    part.list.setCurrentRow(1)
    part.list.setCurrentRow(0)
    assert look.currentIndex == KNOTS
    plain = slicer.util.addVolumeFromArray(np.random.default_rng(0).random((4, 4, 4), np.float32))
    session.render(plain, "rings")
    assert (shown(first), shown(plain)) == (False, True)
    with pytest.raises(InputError, match="look: expected one of knots, rings; found 'bark'"):
        session.render(plain, "bark")


def choose(combo: Any, place: int) -> None:
    """As a person does."""
    combo.currentIndex = place
    combo.activated(place)


# ---- comparing ---------------------------------------------------------------------------------------------------------


def test_one_over_the_other(one: Any) -> None:
    part = one.results.comparison
    assert not part.widget.visible
    first, second = one.session.results()[0], reconstruct(one, method="sirt", parameters={"iterations": 2})
    assert part.widget.visible
    assert [part.other.itemText(i) for i in range(part.other.count)] == ["fbp"]
    part.compare_button.click()
    for name in ("Red", "Green", "Yellow"):
        shown = composite(name)
        assert (shown.GetBackgroundVolumeID(), shown.GetForegroundVolumeID()) == (second.GetID(), first.GetID())
    part.opacity.value = 80
    assert composite().GetForegroundOpacity() == pytest.approx(0.8)
    one.results.list.setCurrentRow(0)
    assert (composite().GetBackgroundVolumeID(), composite().GetForegroundVolumeID()) == (first.GetID(), second.GetID())
    part.compare_button.click()
    assert (composite().GetForegroundVolumeID(), composite().GetForegroundOpacity()) == (None, 0.0)
    part.compare_button.click()
    one.session.scene.RemoveNode(second)
    assert (part.compare_button.checked, part.widget.visible) == (False, False)
    assert composite().GetForegroundVolumeID() is None


def test_a_view_of_another_group_is_left_alone(one: Any) -> None:
    import slicer

    node = one.session.results()[0]
    slicer.app.layoutManager().sliceWidget("Green").mrmlSliceNode().SetViewGroup(3)
    composite("Green").SetBackgroundVolumeID(None)
    one.results.show_button.click()
    assert (composite("Green").GetBackgroundVolumeID(), composite("Red").GetBackgroundVolumeID()) == (None, node.GetID())
    slicer.app.layoutManager().sliceWidget("Green").mrmlSliceNode().SetViewGroup(0)


def test_the_difference_on_one_grid(one: Any) -> None:
    session = one.session
    first, second = session.results()[0], reconstruct(one, method="sirt", parameters={"iterations": 2})
    one.results.comparison.difference_button.click()
    node = session.results()[-1]
    assert node.GetName() == "sirt - fbp"
    volume = session.volume(node)
    np.testing.assert_allclose(volume.array, session.volume(second).array - session.volume(first).array, atol=1e-7)
    assert volume.provenance["minuend"]["parameters"]["iterations"] == 2
    assert "the voxels are the same" in one.results.status.text
    rows = one.results.provenance.rows
    assert rows["subtrahend"].startswith("fbp, fbp, ")
    display = node.GetScalarVolumeDisplayNode()
    assert display.GetWindowLevelMin() == pytest.approx(-display.GetWindowLevelMax())
    one.results.rerun_button.click()
    assert "provenance: method: expected one of fbp" in one.results.status.text


def test_the_difference_on_two_grids(one: Any) -> None:
    session = one.session
    reconstruct(one, grid=COARSE)
    one.results.list.setCurrentRow(0)
    one.results.comparison.difference_button.click()
    node = session.results()[-1]
    volume = session.volume(node)
    assert volume.grid.shape == (23, 23, 6)  # where both are
    assert "Resampled: fbp 2, linearly, from voxels of 10 x 10 x 10 mm to those of fbp, of 4 x 4 x 4 mm" in one.results.status.text
    reconstruct(one, grid=VolumeGrid((200.0, 200.0, 260.0), (220.0, 220.0, 280.0), (4, 4, 4)))
    one.results.list.setCurrentRow(0)
    one.results.comparison.other.currentIndex = one.results.comparison.other.count - 1
    one.results.comparison.difference_button.click()
    assert "expected volumes with a place in common" in one.results.status.text


def test_a_renamed_volume_is_kept_when_its_method_runs_again(one: Any) -> None:
    (first,) = one.session.results()
    first.SetName("to be kept")
    before = one.session.volume(first)
    second = reconstruct(one, grid=COARSE)
    assert [node.GetName() for node in one.session.results()] == ["to be kept", "fbp"]
    np.testing.assert_array_equal(one.session.volume(first).array, before.array)
    assert one.session.volume(second).grid == COARSE
