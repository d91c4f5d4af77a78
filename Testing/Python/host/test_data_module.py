"""What users do to nodes in the module Data: clone, rename, delete, hide and move them, and go on working with the panel."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("slicer.util", reason="needs slicer-core")
pytest.importorskip("shiboken6", reason="needs PySide6-Essentials")

from panel_cases import SECONDS, another, listed, reconstruct
from SlicerHost import Host

from MITOReconstructionLib.scene.parts import PART, VIEW, find_part
from MITOReconstructionLib.scene.saving import load_scene, save_scene
from MITOReconstructionLib.session.session import Session

PARTS = ("trajectory", "source", "detector", "rays", "projection")
ROI = "vtkMRMLMarkupsROINode"


def slice_view(name: str = "Red") -> Any:
    import slicer

    return slicer.app.layoutManager().sliceWidget(name)


def shown(host: Host, name: str = "Red") -> str:
    node = host.scene.GetNodeByID(slice_view(name).mrmlSliceCompositeNode().GetBackgroundVolumeID() or "")
    return "" if node is None else str(node.GetName())


def look_through(host: Host, panel: Any) -> Any:
    node = slice_view().mrmlSliceNode()
    node.SetFieldOfView(240.0, 240.0, 1.0)
    node.JumpSliceByCentering(0.0, 0.0, 277.0)
    panel.live.start_button.checked = True
    host.wait_until(lambda: panel.live.live._followed["Red"].volume.shown is not None, SECONDS)
    return panel.live.live


# ---- parts of a scan -------------------------------------------------------------------------------------------------


def test_clones_of_parts_are_kept_and_renamed_parts_are_taken_up(host: Host, loaded: Any) -> None:
    session = loaded.session
    nodes = {part: getattr(session.shown, part).node for part in PARTS}
    clones = [host.data_module.clone(node) for node in nodes.values()]
    loaded.projections.slider.value = 5
    image = clones[PARTS.index("projection")].GetImageData().GetPointData().GetScalars()
    kept = [image.GetValue(place) for place in range(0, image.GetNumberOfValues(), 7)]
    for node in nodes.values():
        node.SetName(f"my {node.GetName()}")
    loaded.data.load_button.click()
    loaded.projections.slider.value = 17
    host.check()
    assert all(host.scene.GetNodeByID(clone.GetID()) is clone for clone in clones)
    assert {part: getattr(session.shown, part).node for part in PARTS} == nodes
    assert (nodes["detector"].GetName(), nodes["detector"].GetAttribute(VIEW)) == ("my cylinder detector", "17")
    assert [image.GetValue(place) for place in range(0, image.GetNumberOfValues(), 7)] == kept
    assert len(find_part(host.scene, "vtkMRMLModelNode", "detector")) == 2


def test_a_scene_with_other_names_and_several_regions_is_added_to_itself(host: Host, loaded: Any, tmp_path: Path) -> None:
    shown = loaded.session.shown
    for _ in range(3):
        loaded.regions.buttons["add"].click()
    for part in PARTS:
        getattr(shown, part).node.SetName(f"my {part}")
    save_scene(host.scene, tmp_path / "a.mrb")
    for _time in range(2):
        load_scene(tmp_path / "a.mrb", host.scene)
        host.process_events()
        host.check()
    loaded.data.load_button.click()
    assert loaded.session.regions.names == ["Region 1", "Region 2", "Region 3"]
    assert len(find_part(host.scene, ROI, "named region")) == 3
    for part in PARTS:
        (node,) = find_part(host.scene, getattr(shown, part).node.GetClassName(), part)
        assert node.GetName() == f"my {part}"


def test_parts_that_are_hidden_elsewhere_are_said_to_be(host: Host, loaded: Any) -> None:
    boxes = loaded.projections.boxes
    for name, box in boxes.items():
        before = box.checked
        display = getattr(loaded.session.shown, name).node.GetDisplayNode()
        display.SetVisibility(not before)
        assert box.checked is not before
        box.click()
        assert bool(display.GetVisibility()) is before
    loaded.session.opened.close("cylinder")
    host.check()


def test_two_sessions_move_the_same_detector(host: Host, loaded: Any) -> None:
    other = Session(host.scene)
    try:
        other.show_scan(other.scan, 3)
        loaded.projections.slider.value = 20
        (detector,) = find_part(host.scene, "vtkMRMLModelNode", "detector")
        middle = np.mean([detector.GetPolyData().GetPoint(i) for i in range(detector.GetPolyData().GetNumberOfPoints())], axis=0)
        np.testing.assert_allclose(middle, loaded.session.shown.detector.points.mean(axis=0), atol=1e-6)
    finally:
        other.close()


# ---- folders ---------------------------------------------------------------------------------------------------------


def test_a_folder_that_is_moved_stays_there_with_what_is_in_it(host: Host, loaded: Any) -> None:
    data, folder = host.data_module, loaded.session.shown.folder
    place, mine = data.add_folder("Tuesday"), data.add_folder("to be shown")
    data.move(folder.item, place)
    first = reconstruct(loaded)
    data.move(first, mine)
    loaded.data.load_button.click()
    second = reconstruct(loaded)
    assert [data.hierarchy.GetItemName(item) for item in _folders(data)] == ["cylinder", "Tuesday", "to be shown"]
    assert data.hierarchy.GetItemParent(folder.item) == place
    assert data.hierarchy.GetItemParent(data.hierarchy.GetItemByDataNode(first)) == mine
    assert second in loaded.session.shown.folder.members


def _folders(data: Any) -> list[int]:
    import vtk

    items = vtk.vtkIdList()
    data.hierarchy.GetItemChildren(data.hierarchy.GetSceneItemID(), items, True)
    every = [items.GetId(place) for place in range(items.GetNumberOfIds())]
    return sorted(item for item in every if data.hierarchy.GetItemDataNode(item) is None)


def test_a_folder_is_deleted_with_everything_and_one_goes_on(host: Host, loaded: Any, capfd: pytest.CaptureFixture[str]) -> None:
    reconstruct(loaded)
    loaded.regions.buttons["add"].click()
    host.data_module.delete_folder(loaded.session.shown.folder.item)
    assert (listed(loaded.results.list), listed(loaded.regions.list)) == ([], [])
    volume = reconstruct(loaded)
    loaded.regions.buttons["add"].click()
    host.check()
    folder = loaded.session.shown.folder
    assert folder.members == [volume, loaded.session.regions.node("Region 1"), loaded.session.regions.display.view_range.node]
    loaded.data.load_button.click()
    assert loaded.session.shown.detector.node in folder.members
    assert "ERR|" not in capfd.readouterr().err


# ---- regions ---------------------------------------------------------------------------------------------------------


def test_a_clone_of_a_region_is_a_region(host: Host, loaded: Any) -> None:
    loaded.regions.buttons["add"].click()
    regions = loaded.session.regions
    clone = host.data_module.clone(regions.node("Region 1"))
    host.wait_until(lambda: listed(loaded.regions.list) == ["Region 1", "Region 1 Copy"], SECONDS)
    assert regions.node("Region 1 Copy") is clone
    clone.SetCenter(*(value + 2.0 for value in clone.GetCenter()))
    assert regions["Region 1 Copy"].minimum != regions["Region 1"].minimum
    loaded.regions.buttons["undo"].click()
    loaded.regions.buttons["undo"].click()
    assert listed(loaded.regions.list) == ["Region 1"]


def test_regions_that_are_hidden_stay_hidden(host: Host, loaded: Any, sample: Path, tmp_path: Path) -> None:
    for _ in range(2):
        loaded.regions.buttons["add"].click()
    displays = [loaded.session.regions.node(name).GetDisplayNode() for name in ("Region 1", "Region 2")]
    displays[0].SetVisibility(False)
    host.select_module("")
    host.select_module("MITOReconstruction")
    loaded.regions.handles.click()
    assert [display.GetVisibility() for display in displays] == [0, 1]
    loaded.session.load(another(sample, tmp_path / "pine"))
    assert [display.GetVisibility() for display in displays] == [0, 0]
    loaded.session.opened.choose("cylinder")
    assert [display.GetVisibility() for display in displays] == [0, 1]
    loaded.session.opened.close("cylinder")
    assert [display.GetVisibility() for display in displays] == [0, 0]
    loaded.session.load(sample)
    assert [display.GetVisibility() for display in displays] == [0, 1]


def test_a_region_that_is_made_another_type_is_a_box_again(host: Host, loaded: Any) -> None:
    loaded.regions.buttons["add"].click()
    regions = loaded.session.regions
    node, box = regions.node("Region 1"), regions["Region 1"]
    node.SetROIType(node.ROITypeBoundingBox)
    node.RemoveAllControlPoints()
    assert (node.GetROIType(), regions["Region 1"]) == (node.ROITypeBox, box)
    regions.change("Region 1", minimum=(-10.0, -10.0, 250.0))
    np.testing.assert_allclose(np.array(node.GetCenter()) - np.array(node.GetSize()) / 2, (-10.0, -10.0, 250.0), atol=1e-3)


@pytest.mark.parametrize("batch", [False, True])
def test_a_region_that_one_session_deletes_does_not_come_back_from_another(host: Host, loaded: Any, batch: bool) -> None:
    other = Session(host.scene)
    for _ in range(2):
        loaded.regions.buttons["add"].click()
    other.opened.look()
    assert other.regions.names == ["Region 1", "Region 2"]
    if batch:
        host.scene.StartState(host.scene.BatchProcessState)
    loaded.regions.buttons["delete"].click()
    if batch:
        host.scene.EndState(host.scene.BatchProcessState)
    other.regions.chosen = "Region 1"
    other.regions.change("Region 1", spacing=9.0)
    other.opened.look()
    loaded.session.opened.look()
    try:
        assert other.regions.names == loaded.session.regions.names == ["Region 1"]
        assert [node.GetName() for node in find_part(host.scene, ROI, "named region")] == ["Region 1"]
    finally:
        other.close()


# ---- volumes ---------------------------------------------------------------------------------------------------------


def test_a_volume_that_takes_the_name_of_a_run_that_waits_is_kept(host: Host, loaded: Any) -> None:
    first = reconstruct(loaded)
    before = loaded.session.volume(first)
    loaded.reconstruction.start_button.click()
    loaded.results.rerun_button.click()
    first.SetName("fbp 2")
    host.wait_until(lambda: loaded.session.job is None, SECONDS)
    assert listed(loaded.results.list) == ["fbp 2", "fbp 3", "fbp 4"]
    np.testing.assert_array_equal(loaded.session.volume(first).array, before.array)
    assert "fbp 4" in loaded.reconstruction.status.text


def test_a_difference_is_a_new_volume_each_time(loaded: Any, sample: Path, tmp_path: Path) -> None:
    first, second = reconstruct(loaded), reconstruct(loaded)
    part = loaded.results
    part.comparison.difference_button.click()
    kept = loaded.session.results()[-1]
    array = loaded.session.volume(second).array
    second.GetImageData().GetPointData().GetScalars().Fill(0.0)  # another module has written into it
    second.GetImageData().Modified()
    part.list.setCurrentRow(1)
    part.comparison.other.currentIndex = 0
    part.comparison.difference_button.click()
    assert listed(part.list) == ["fbp", "fbp 2", "fbp 2 - fbp", "fbp 2 - fbp (2)"]
    np.testing.assert_array_equal(loaded.session.volume(kept).array, array - loaded.session.volume(first).array)
    np.testing.assert_array_equal(loaded.session.volume(part.chosen).array, -loaded.session.volume(first).array)
    loaded.session.load(another(sample, tmp_path / "pine"))
    reconstruct(loaded)
    assert listed(part.list)[-1] == "fbp (pine)"
    part.comparison.other.currentIndex = 0
    assert part.comparison.other.itemText(0) == "fbp (cylinder)"
    part.comparison.difference_button.click()
    assert part.chosen.GetName() == "fbp (pine) - fbp (cylinder)"


def test_a_clone_of_a_volume_is_one_of_the_results(host: Host, loaded: Any) -> None:
    first, second = reconstruct(loaded), reconstruct(loaded)
    loaded.results.list.setCurrentRow(0)
    loaded.results.show_button.click()
    clone = host.data_module.clone(first)
    host.wait_until(lambda: listed(loaded.results.list) == ["fbp", "fbp 2", "fbp Copy"], SECONDS)
    assert (loaded.results.list.currentRow, shown(host)) == (0, "fbp")  # nobody has asked for another one
    host.data_module.delete(second)
    assert (listed(loaded.results.list), loaded.results.chosen) == (["fbp", "fbp Copy"], first)
    loaded.results.list.setCurrentRow(1)
    loaded.results.look.setCurrentIndex(1)
    loaded.results.render(1)
    host.data_module.delete(first)
    assert loaded.results.chosen is clone
    assert loaded.results.look.currentIndex == 1
    reconstruct(loaded)
    assert listed(loaded.results.list) == ["fbp Copy", "fbp"]
    assert loaded.results.provenance.rows["method"] == "fbp"


def test_displays_that_are_deleted_are_made_anew(host: Host, loaded: Any) -> None:
    volume = reconstruct(loaded)
    part = loaded.results
    for name in ("fbp wood", "fbp rendering"):
        host.scene.RemoveNode(host.scene.GetFirstNodeByName(name))
        for look in (1, 0, 2):
            part.render(look)
            part.list.setCurrentRow(-1)
            part.list.setCurrentRow(0)
            assert part.look.currentIndex == look
    host.scene.GetFirstNodeByName("fbp rendering").SetVisibility(False)  # in the module Volume Rendering
    assert part.look.currentIndex == 0
    part.render(2)
    host.scene.RemoveNode(volume.GetScalarVolumeDisplayNode())
    part.fit_button.click()
    part.fit_all_button.click()
    host.check()
    assert volume.GetScalarVolumeDisplayNode().GetWindow() > 0.0
    assert part.status.text == ""
    part.list.setCurrentRow(-1)
    part.list.setCurrentRow(0)
    assert part.look.currentIndex == 2


def test_a_scene_that_is_opened_shows_what_it_was_saved_with(host: Host, loaded: Any, tmp_path: Path) -> None:
    reconstruct(loaded)
    reconstruct(loaded)
    loaded.results.list.setCurrentRow(0)
    loaded.results.show_button.click()
    host.save_scene(tmp_path / "a.mrb")
    host.open_scene(tmp_path / "a.mrb")
    assert (listed(loaded.results.list), shown(host)) == (["fbp", "fbp 2"], "fbp")
    assert reconstruct(loaded).GetName() == shown(host) == "fbp 3"


def test_the_chart_of_a_run_is_its_own(loaded: Any) -> None:
    session = loaded.session
    reconstruct(loaded, method="landweber", parameters={"iterations": 2}).SetName("to be kept")
    reconstruct(loaded, method="landweber", parameters={"iterations": 4})
    first, second = session.runs
    assert (first.name, second.name) == ("landweber", "landweber")
    plots = [session.runs.plot(run) for run in (first, second)]
    assert [len(plot.values) for plot in plots] == [2, 4]
    session.runs.remove(second)
    assert (plots[0].alive, plots[1].alive) == (True, False)


# ---- what passes -----------------------------------------------------------------------------------------------------


def test_a_preview_that_is_renamed_is_kept(host: Host, loaded: Any) -> None:
    part = loaded.reconstruction
    part.method.currentIndex = [method.name for method in part.methods].index("landweber")
    part.parameters.fields["iterations"].value = 100000
    part.start_button.click()
    (run,) = loaded.session.runs
    host.wait_until(lambda: run.preview is not None, SECONDS)
    mine = run.preview.node
    mine.SetName("after a while")
    host.wait_until(lambda: run.preview is not None and run.preview.node is not mine, SECONDS)
    part.cancel_button.click()
    host.wait_until(lambda: loaded.session.job is None, SECONDS)
    volumes = [node.GetName() for node in _volumes(host) if node.GetAttribute(PART) != "projection"]
    assert volumes == ["after a while"]
    assert (mine.GetSaveWithScene(), mine.GetDisplayNode().GetSaveWithScene(), mine.GetAttribute(PART)) == (1, 1, None)


def test_a_run_that_is_cancelled_leaves_each_view_as_it_was_or_as_it_was_set_meanwhile(host: Host, loaded: Any) -> None:
    first, _second = reconstruct(loaded), reconstruct(loaded)
    loaded.results.comparison.compare_button.click()
    composites = {name: slice_view(name).mrmlSliceCompositeNode() for name in ("Red", "Green", "Yellow")}
    composites["Green"].SetBackgroundVolumeID(None)
    part = loaded.reconstruction
    part.method.currentIndex = [method.name for method in part.methods].index("landweber")
    part.parameters.fields["iterations"].value = 100000
    part.start_button.click()
    host.wait_until(lambda: shown(host) == "landweber (preview)", SECONDS)
    composites["Yellow"].SetBackgroundVolumeID(first.GetID())
    part.cancel_button.click()
    host.wait_until(lambda: loaded.session.job is None, SECONDS)
    host.process_events()
    assert {name: shown(host, name) for name in composites} == {"Red": "fbp 2", "Green": "", "Yellow": "fbp"}
    assert loaded.results.comparison.compare_button.checked
    assert (composites["Red"].GetForegroundVolumeID(), composites["Red"].GetForegroundOpacity()) == (first.GetID(), 0.5)


def _volumes(host: Host) -> list[Any]:
    scene = host.scene
    count = scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode")
    return [scene.GetNthNodeByClass(place, "vtkMRMLScalarVolumeNode") for place in range(count)]


def test_live_and_pinned_slices_that_are_renamed_cloned_and_deleted(host: Host, loaded: Any) -> None:
    live = look_through(host, loaded)
    clone = host.data_module.clone(live._followed["Red"].volume.node)
    live._followed["Green"].volume.node.SetName("mine")
    loaded.live.pins.view.setCurrentIndex(0)
    for _ in range(2):
        loaded.live.pins.pin_button.click()
    first, second = live.pinned.values()
    first.node.SetName("knot")
    loaded.live.pins.refresh()
    assert listed(loaded.live.pins.list) == ["knot", "cylinder pinned 2"]
    host.data_module.delete(second.node)
    host.wait_until(lambda: listed(loaded.live.pins.list) == ["knot"], SECONDS)
    assert host.scene.GetFirstNodeByName("cylinder pinned plane 2") is None
    loaded.live.start_button.checked = False
    host.check()
    names = [node.GetName() for node in _volumes(host) if node.GetAttribute(PART) != "projection"]
    assert sorted(names) == ["cylinder live Red Copy", "knot", "mine"]
    assert clone.GetSaveWithScene()
    slice_view().mrmlSliceCompositeNode().SetForegroundVolumeID(clone.GetID())  # it is no live slice: a volume may take its place
    assert reconstruct(loaded).GetName() == shown(host)
