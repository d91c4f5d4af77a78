"""Where parts of the panel meet: runs, live slices, open scans, regions and saved scenes; and what users and disks do to them."""

from __future__ import annotations

import json
import os
import shutil
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("slicer.util", reason="needs slicer-core")
pytest.importorskip("shiboken6", reason="needs PySide6-Essentials")

from SlicerHost import Host

from MITOReconstructionLib.scene.parts import VIEW, find_part
from MITOReconstructionLib.scene.saving import load_scene, save_scene

SECONDS = 300
LONG = '<b>Pïne</b> "q" \' ' + "verylong" * 60


def slice_view(name: str) -> Any:
    import slicer

    return slicer.app.layoutManager().sliceWidget(name)


def foreground(host: Host, name: str) -> Any:
    return host.scene.GetNodeByID(slice_view(name).mrmlSliceCompositeNode().GetForegroundVolumeID() or "")


def finish(host: Host, panel: Any) -> None:
    host.wait_until(lambda: panel.session.job is None, SECONDS)


def run(host: Host, panel: Any) -> None:
    panel.reconstruction.start_button.click()
    finish(host, panel)


def rest(host: Host, panel: Any) -> None:
    """Wait until every live slice is shown."""

    def shown() -> bool:
        live = panel.live.live
        panel.live.tick()
        busy = live.engine.status().busy
        panel.live.tick()
        return not busy and all(entry.volume.shown for entry in live._followed.values())

    host.wait_until(shown, SECONDS)


def look_through(host: Host, panel: Any) -> None:
    for name in ("Red", "Green", "Yellow"):
        node = slice_view(name).mrmlSliceNode()
        node.SetFieldOfView(240.0, 240.0, 1.0)
        node.JumpSliceByCentering(0.0, 0.0, 277.0)
    panel.live.start_button.checked = True
    rest(host, panel)


def detectors(host: Host) -> list[Any]:
    return list(find_part(host.scene, "vtkMRMLModelNode", "detector"))


def node_names(host: Host) -> list[str]:
    return [host.scene.GetNthNode(place).GetName() or "" for place in range(host.scene.GetNumberOfNodes())]


# ---- live slices and the rest ----------------------------------------------------------------------------------------


def test_live_slices_end_with_the_scan_that_is_loaded_anew(host: Host, loaded: Any) -> None:
    look_through(host, loaded)
    loaded.data.load_button.click()
    assert loaded.session.live.running == []
    assert not loaded.live.start_button.checked
    assert foreground(host, "Red") is None


def test_live_views_are_left_alone_by_a_run_and_given_up_where_a_volume_is_shown(host: Host, loaded: Any) -> None:
    look_through(host, loaded)
    loaded.live.boxes["Yellow"].checked = False
    loaded.reconstruction.method.currentIndex = [method.name for method in loaded.reconstruction.methods].index("landweber")
    loaded.reconstruction.parameters.fields["iterations"].value = 2
    run(host, loaded)
    volume = loaded.session.results()[0]
    assert foreground(host, "Red") is loaded.live.live._followed["Red"].volume.node
    assert slice_view("Yellow").mrmlSliceCompositeNode().GetBackgroundVolumeID() == volume.GetID()
    loaded.results.show_button.click()
    loaded.live.tick()
    assert loaded.live.live.followed == []
    assert not any(box.checked for box in loaded.live.boxes.values())
    assert slice_view("Red").mrmlSliceCompositeNode().GetBackgroundVolumeID() == volume.GetID()


def test_a_comparison_leaves_live_views_alone_until_it_is_asked_for(host: Host, loaded: Any) -> None:
    for _ in range(2):
        run(host, loaded)
    part, (first, second) = loaded.results.comparison, loaded.session.results()
    part.compare_button.click()
    look_through(host, loaded)
    live = loaded.live.live
    loaded.live.boxes["Yellow"].checked = False

    def assert_followed() -> None:
        host.process_events()
        loaded.live.tick()
        assert live.followed == ["Red", "Green"]
        assert foreground(host, "Red") is live._followed["Red"].volume.node
        assert slice_view("Red").mrmlSliceCompositeNode().GetForegroundOpacity() == 1.0

    assert (foreground(host, "Yellow"), part.compare_button.checked) == (first, True)
    first.SetName("renamed")
    assert_followed()
    part.opacity.value = 30
    assert_followed()
    assert slice_view("Yellow").mrmlSliceCompositeNode().GetForegroundOpacity() == pytest.approx(0.3)
    loaded.results.list.setCurrentRow(0)
    assert_followed()
    assert foreground(host, "Yellow") is second
    run(host, loaded)  # a new volume is shown by itself
    third = loaded.session.results()[-1]
    assert_followed()
    yellow = slice_view("Yellow").mrmlSliceCompositeNode()
    assert (yellow.GetBackgroundVolumeID(), yellow.GetForegroundVolumeID()) == (third.GetID(), None)
    assert not part.compare_button.checked
    part.compare_button.click()
    loaded.live.tick()
    assert loaded.live.live.followed == []
    assert foreground(host, "Red") is part.node


def test_pinned_slices_of_before_and_under_other_names_stay(host: Host, loaded: Any) -> None:
    look_through(host, loaded)
    loaded.live.pins.pin_button.click()
    loaded.live.start_button.checked = False
    loaded.live.start_button.checked = True
    rest(host, loaded)
    loaded.live.pins.pin_button.click()
    next(iter(loaded.live.live.pinned.values())).node.SetName("knot")
    loaded.live.pins.pin_button.click()
    host.check()
    names = sorted(node.GetName() for node in find_part(host.scene, "vtkMRMLScalarVolumeNode", "pinned"))
    assert names == ["cylinder pinned 1", "cylinder pinned 3", "knot"]


def test_a_saved_scene_has_pinned_slices_and_regions_and_nothing_live(host: Host, loaded: Any, tmp_path: Path) -> None:
    loaded.regions.buttons["add"].click()
    displays = host.scene.GetNumberOfNodesByClass("vtkMRMLDisplayNode")
    look_through(host, loaded)
    loaded.live.context.checked = True
    loaded.live.pins.pin_button.click()
    save_scene(host.scene, tmp_path / "a.mrb")
    host.close_scene()
    load_scene(tmp_path / "a.mrb", host.scene)
    host.process_events()
    assert [name for name in node_names(host) if "live" in name] == []
    assert "cylinder pinned 1" in node_names(host)
    assert loaded.session.regions.names == ["Region 1"]
    assert host.scene.GetNumberOfNodesByClass("vtkMRMLDisplayNode") == displays + 1  # of the pinned slice


# ---- runs and scans that come and go ---------------------------------------------------------------------------------


def test_a_run_of_a_scan_that_was_loaded_anew_leaves_the_view_alone(host: Host, loaded: Any) -> None:
    loaded.reconstruction.start_button.click()
    loaded.data.load_button.click()
    loaded.projections.slider.value = 17
    finish(host, loaded)
    assert loaded.session.shown.scan is loaded.session.scan
    assert [node.GetAttribute(VIEW) for node in detectors(host)] == ["17"]
    assert len(loaded.session.results()) == 1


def test_a_run_of_a_closed_scan_brings_its_volume_and_not_the_scan(host: Host, loaded: Any) -> None:
    loaded.reconstruction.start_button.click()
    loaded.session.opened.close("cylinder")
    finish(host, loaded)
    assert detectors(host) == []
    loaded.results.rerun_button.click()
    finish(host, loaded)
    assert [node.GetName() for node in loaded.session.results()] == ["fbp", "fbp 2"]
    assert detectors(host) == []


def test_closing_another_scan_than_the_one_looked_at(host: Host, loaded: Any, sample: Path, tmp_path: Path) -> None:
    shutil.copytree(sample, tmp_path / "other")
    loaded.session.load(tmp_path / "other")
    loaded.session.opened.close("cylinder")
    assert loaded.data.opened.combo.count == 1
    assert loaded.data.opened.combo.currentText == "other"


def test_a_scene_added_to_itself_while_everything_goes_on(host: Host, loaded: Any, tmp_path: Path) -> None:
    loaded.regions.buttons["add"].click()
    save_scene(host.scene, tmp_path / "a.mrb")
    look_through(host, loaded)
    loaded.projections.play_button.click()
    loaded.reconstruction.start_button.click()
    for _time in range(2):
        load_scene(tmp_path / "a.mrb", host.scene)
        host.process_events()
        host.check()
    assert [scan.name for scan in loaded.session.opened.scans] == ["cylinder"]
    assert len(detectors(host)) == 1
    assert len(find_part(host.scene, "vtkMRMLScalarVolumeNode", "projection")) == 1
    assert bool(loaded.session.live.running) == loaded.live.start_button.checked
    assert loaded.session.regions.names == ["Region 1"]
    assert len(find_part(host.scene, "vtkMRMLMarkupsROINode", "named region")) == 1
    loaded.session.regions.change("Region 1", spacing=9.0)
    load_scene(tmp_path / "a.mrb", host.scene)  # which has it as it was: that is another one now
    assert loaded.session.regions.names == ["Region 1", "Region 2"]
    assert [loaded.session.regions[name].spacing for name in loaded.session.regions.names] == [(9.0,) * 3, None]
    finish(host, loaded)
    assert len(loaded.session.results()) == 1


def test_a_sinogram_that_becomes_shorter(host: Host, panel: Any, sample: Path, tmp_path: Path) -> None:
    shutil.copytree(sample, tmp_path / "short")
    panel.session.load(tmp_path / "short")
    file = tmp_path / "short" / "sinogram.npy"
    os.truncate(file, file.stat().st_size // 2)
    panel.projections.slider.value = panel.projections.slider.maximum
    assert "truncated" in panel.projections.status.text
    run(host, panel)
    assert "truncated" in panel.reconstruction.status.text
    panel.live.start_button.checked = True
    slice_view("Red").mrmlSliceNode().JumpSliceByCentering(0.0, 0.0, 277.0)
    host.wait_until(lambda: "truncated" in panel.live.status.text, SECONDS)


def test_fifty_quick_clicks(host: Host, loaded: Any) -> None:
    section = loaded.reconstruction
    for number in range(50):
        section.start_button.click()
        section.cancel_button.click()
        if number % 5 == 0:
            host.process_events()
    finish(host, loaded)
    assert {run.state for run in loaded.session.runs} <= {"cancelled", "done"}
    section.queue.clear_button.click()
    assert len(loaded.session.runs) == 0


# ---- what users do to nodes, and names -------------------------------------------------------------------------------


def test_deleted_nodes_of_a_scan(host: Host, loaded: Any, sample: Path, tmp_path: Path) -> None:
    shutil.copytree(sample, tmp_path / "other")
    loaded.session.load(tmp_path / "other")
    loaded.projections.layout_box.click()
    for part in ("trajectory", "source", "detector", "rays", "projection", "outlines", "trajectory_window"):
        host.scene.RemoveNode(getattr(loaded.session.shown, part).node)
        loaded.projections.slider.value += 1
        loaded.projections.around.value += 1
        for box in loaded.projections.boxes.values():
            box.click()
        loaded.projections.fit_button.click()
        host.check()
    for name in ("cylinder", "other"):
        loaded.session.opened.choose(name)
    loaded.session.opened.close("other")
    host.check()


def test_damaged_attributes_of_a_region(host: Host, loaded: Any) -> None:
    regions = loaded.session.regions
    regions.add("a", (-20.0, -20.0, 250.0), (20.0, 20.0, 270.0))
    for place, damaged in enumerate(("{", "[]", '{"key": "k", "place": Infinity, "region": {}}', "")):
        regions.node("a").SetAttribute("MITO.region", damaged)
        loaded.session.opened.look()
        regions.node("a").SetCenter(1.0 + place, 0.0, 260.0)
        host.check()
        assert regions["a"].minimum[0] == pytest.approx(-19.0 + place)


@pytest.mark.parametrize("damaged", ["{", "[1]", "null", '"x"', '{"method": "fbp", "sample": "' + "z" * 5000 + '"}'])
def test_a_damaged_provenance_is_said(host: Host, loaded: Any, damaged: str) -> None:
    run(host, loaded)
    loaded.session.opened.close("cylinder")
    loaded.session.results()[0].SetAttribute("MITO.provenance", damaged)
    loaded.results.rerun_button.click()
    host.check()
    assert loaded.results.status.failed


@pytest.mark.parametrize("path", ["x" * 300, "/" + "y" * 5000, "a\0b", "/dev/null", " ", "'\"; ü漢"])
def test_paths_that_can_be_none(host: Host, panel: Any, path: str) -> None:
    panel.data.folder.currentPath = path
    host.check()
    assert panel.data.status.failed
    panel.data.open(path)
    host.check()


def test_a_folder_in_the_scene_that_can_be_none(host: Host, loaded: Any) -> None:
    for folder in ("y" * 5000, "\0", 9):
        loaded.session.state.node.SetParameter("folder", json.dumps(folder))
        loaded.session.restore()
        host.check()
    assert loaded.session.scan.name == "cylinder"


def test_long_names_do_not_widen_the_panel_and_are_no_markup(host: Host, panel: Any, sample: Path, tmp_path: Path) -> None:
    shutil.copytree(sample, tmp_path / "a")
    (tmp_path / "samples.json").write_text(json.dumps([{"folder": "a", "name": LONG}]))
    panel.data.folder.currentPath = str(tmp_path)
    panel.data.load_button.click()
    panel.session.regions.add(LONG)
    panel.session.start(name=LONG)
    finish(host, panel)
    run(host, panel)
    host.check()
    widths = {section.title: section.widget.minimumSizeHint.width() for section in panel.sections}
    assert max(widths.values()) < 500, widths
    import qt

    assert panel.data.status.label.textFormat == qt.Qt.PlainText
