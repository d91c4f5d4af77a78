"""The section 'Regions', the open scans, and a saved scene that is opened again: driven through their widgets."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("slicer.util", reason="needs slicer-core")
pytest.importorskip("shiboken6", reason="needs PySide6-Essentials")

from SlicerHost import Host


def names(panel: Any) -> list[str]:
    rows = panel.regions.list
    return [rows.item(i).text() for i in range(rows.count)]


def press(panel: Any, *buttons: str) -> None:
    for name in buttons:
        panel.regions.buttons[name].click()


def rename(panel: Any, name: str) -> None:
    """Type a name and press Return."""
    panel.regions.name.text = name
    panel.regions.name.editingFinished()


def enabled(panel: Any) -> set[str]:
    return {name for name, button in panel.regions.buttons.items() if button.enabled}


def estimate(host: Host, panel: Any) -> Any:
    return host.wait_until(lambda: panel.reconstruction.estimate.known)


def node(panel: Any) -> Any:
    return panel.session.regions.node(panel.session.regions.chosen)


def test_it_begins_empty(panel: Any) -> None:
    part = panel.regions
    assert (part.widget.enabled, part.status.text, names(panel)) == (False, "Load a sample first.", [])
    assert not part.fields.visible


def test_the_list(host: Host, loaded: Any) -> None:
    assert enabled(loaded) == {"add", "load"}
    press(loaded, "add")
    assert (names(loaded), enabled(loaded)) == (["Region 1"], {"add", "duplicate", "delete", "undo", "load", "save"})
    rename(loaded, "Knot")
    press(loaded, "duplicate")
    assert (names(loaded), loaded.regions.list.currentRow, loaded.regions.name.text) == (["Knot", "Knot 2"], 1, "Knot 2")
    rename(loaded, "Knot")
    assert "not taken" in loaded.regions.status.text
    assert (names(loaded), loaded.regions.name.text) == (["Knot", "Knot 2"], "Knot 2")
    loaded.regions.name.editingFinished()  # the field loses the focus: the message stays
    assert "not taken" in loaded.regions.status.text
    rename(loaded, "  ")
    assert names(loaded) == ["Knot", "Knot 2"]
    press(loaded, "undo", "undo")
    assert (names(loaded), loaded.regions.status.text) == (["Region 1"], "")
    assert loaded.regions.buttons["redo"].toolTip == "rename Region 1"
    press(loaded, "redo", "redo")
    assert names(loaded) == ["Knot", "Knot 2"]
    loaded.regions.list.setCurrentRow(0)
    assert loaded.session.regions.chosen == "Knot"
    press(loaded, "delete", "delete")
    assert (names(loaded), loaded.regions.fields.visible) == ([], False)
    press(loaded, "undo", "undo")
    assert names(loaded) == ["Knot", "Knot 2"]
    assert host.answers.shown == []


def test_numbers_and_handles_say_the_same_and_stay_inside(loaded: Any) -> None:
    press(loaded, "add")
    part, covered = loaded.regions, loaded.session.regions.covered
    exact = loaded.session.regions["Region 1"]
    part.bounds[0].widget.minimumValue = -55.0
    assert node(loaded).GetCenter()[0] == pytest.approx((-55.0 + exact.maximum[0]) / 2)
    assert loaded.session.regions["Region 1"].maximum == exact.maximum  # not as the field rounds it
    part.bounds[2].widget.setValues(-1000.0, 1000.0)
    region = loaded.session.regions["Region 1"]
    assert (region.minimum[2], region.maximum[2]) == (covered.minimum[2], covered.maximum[2])
    node(loaded).SetCenter(1000.0, 0.0, 275.0)
    assert part.bounds[0].values[1] == pytest.approx(covered.maximum[0], abs=0.01)
    assert part.bounds[1].values == pytest.approx(np.array([-40.0, 40.0]), abs=0.01)
    part.bounds[1].widget.setValues(10.0, 10.0)  # both handles at one place: nothing
    assert loaded.session.regions["Region 1"].maximum[1] == pytest.approx(40.0, abs=1e-3)


def test_a_slider_that_is_drawn_is_one_step(loaded: Any) -> None:
    press(loaded, "add")
    for low in range(-40, 20, 4):
        loaded.regions.bounds[0].widget.minimumValue = float(low)
    press(loaded, "undo")
    assert loaded.session.regions["Region 1"].minimum[0] == pytest.approx(-40.0)
    assert loaded.regions.buttons["undo"].toolTip == "add Region 1"


def test_voxels_are_automatic_until_they_are_set(loaded: Any) -> None:
    press(loaded, "add")
    part, voxels = loaded.regions, loaded.regions.voxels
    part.bounds[0].widget.setValues(-40.0, 40.0)

    def shown() -> tuple[list[float], list[int], bool]:
        return [round(f.value, 3) for f in voxels.sides], [f.value for f in voxels.counts], voxels.automatic.checked

    assert shown() == ([20.0, 20.0, 20.0], [4, 4, 2], True)
    voxels.sides[0].value = 5.0
    assert shown() == ([5.0, 20.0, 20.0], [16, 4, 2], False)
    part.bounds[0].widget.maximumValue = 60.0
    assert shown() == ([5.0, 20.0, 20.0], [20, 4, 2], False)
    voxels.counts[0].value = 50
    assert shown()[0][0] == 2.0
    part.bounds[0].widget.maximumValue = 10.0
    assert shown()[:2] == ([1.0, 20.0, 25.0], [50, 4, 2])
    assert loaded.reconstruction.options["grid"].shape == (50, 4, 2)
    voxels.automatic.checked = True
    assert shown() == ([20.0, 20.0, 20.0], [2, 4, 2], True)
    voxels.automatic.checked = False
    part.bounds[0].widget.maximumValue = 50.0
    assert shown() == ([20.0, 20.0, 20.0], [4, 4, 2], False)


def test_views_are_proposed_until_they_are_set(loaded: Any) -> None:
    press(loaded, "add")
    part = loaded.regions
    first = part.views.values
    assert (part.views_text.text, part.views_button.enabled) == (f"{first[1] - first[0] + 1:.0f} views see the region", False)
    part.bounds[2].widget.setValues(240.0, 260.0)
    assert part.views.values[1] < first[1]
    part.views.widget.setValues(10.0, 60.0)
    assert (part.views_text.text, part.views_button.enabled) == ("51 views, as set", True)
    assert loaded.reconstruction.options["views"] == slice(10, 61)
    assert loaded.session.regions.display.view_range.visible
    part.bounds[2].widget.maximumValue = 300.0
    assert part.views.values == (10.0, 60.0)
    part.views_button.click()
    assert (part.views.values, part.views_button.enabled) == (
        tuple(map(float, np.subtract(loaded.session.regions.views("Region 1"), (0, 1)))),
        False,
    )
    assert loaded.reconstruction.options["views"] is None


def test_the_estimate_follows_box_and_views(host: Host, loaded: Any) -> None:
    press(loaded, "add")
    before = estimate(host, loaded)
    loaded.regions.bounds[2].widget.setValues(260.0, 280.0)
    lower = estimate(host, loaded)
    assert (lower.output_bytes < before.output_bytes, lower.views < before.views) == (True, True)
    first, last = loaded.regions.views.values
    loaded.regions.views.widget.setValues(first, last - 40)
    assert estimate(host, loaded).views == lower.views - 40
    assert loaded.regions.estimate.text == loaded.reconstruction.estimate.status.text != ""
    loaded.regions.views.widget.setValues(0.0, 2.0)
    host.wait_until(lambda: "No view sees" in loaded.regions.estimate.text)
    assert "color" in loaded.regions.estimate.label.styleSheet


def test_handles_and_positions_can_be_switched(host: Host, loaded: Any) -> None:
    press(loaded, "add")
    display = node(loaded).GetDisplayNode()
    model = loaded.session.regions.display.view_range
    assert (display.GetHandlesInteractive(), model.visible) == (True, True)
    loaded.regions.positions.checked = False
    assert (display.GetHandlesInteractive(), model.visible) == (True, False)
    loaded.regions.positions.checked = True
    loaded.regions.handles.checked = False
    assert (display.GetHandlesInteractive(), model.visible) == (False, False)
    loaded.regions.handles.checked = True
    host.select_module("")
    assert (display.GetHandlesInteractive(), model.visible, display.GetVisibility()) == (False, False, 1)
    host.select_module("MITOReconstruction")
    assert (display.GetHandlesInteractive(), model.visible) == (True, True)


def test_files(host: Host, loaded: Any, sample: Path, tmp_path: Path) -> None:
    press(loaded, "add")
    host.answers.give("QFileDialog.getSaveFileName", str(tmp_path / "a.json"), "")
    press(loaded, "save", "save")
    assert host.answers.shown[0].arguments[2] == str(sample.parent / "cylinder-regions.json")
    assert "a.json" in loaded.regions.status.text or loaded.regions.status.text == ""
    (tmp_path / "roi 1.json").write_text(
        json.dumps(
            {
                "version": 0, "uuid": "1", "center": [0, 0, 270], "size": [60, 60, 40],
                "sinogram_range": [5, 99], "resolution": [30, 30, 20], "auto_resolution": False,
            }
        )
    )  # fmt: skip
    host.answers.give("QFileDialog.getOpenFileNames", (str(tmp_path / "a.json"), str(tmp_path / "roi 1.json")), ())
    press(loaded, "load")
    assert names(loaded) == ["Region 1", "Region 2", "roi 1"]
    assert [field.value for field in loaded.regions.voxels.counts] == [30, 30, 20]
    assert loaded.regions.views.values == (5.0, 99.0)
    press(loaded, "load")
    (tmp_path / "bad.json").write_text('[{"name": "x", "minimum": [1, 2, 3], "maximum": [0, 0, 0]}]')
    host.answers.give("QFileDialog.getOpenFileNames", (str(tmp_path / "bad.json"),))
    press(loaded, "load")
    assert "bad.json: region 0, region 'x', bounds along x" in loaded.regions.status.text
    assert len(names(loaded)) == 3


def test_several_scans(host: Host, loaded: Any, sample: Path, tmp_path: Path) -> None:
    shutil.copytree(sample, tmp_path / "pine")
    press(loaded, "add")
    opened = loaded.data.opened
    assert (opened.combo.count, opened.combo.currentText) == (1, "cylinder")
    loaded.data.folder.currentPath = str(tmp_path / "pine")
    loaded.data.load_button.click()
    assert (opened.combo.count, opened.combo.currentText, names(loaded)) == (2, "pine", [])
    assert loaded.data.status.text == "pine is loaded."
    loaded.projections.slider.value = 11
    opened.combo.currentIndex = 0
    assert (loaded.session.scan.name, names(loaded), loaded.projections.slider.value) == ("cylinder", ["Region 1"], 0)
    loaded.reconstruction.start_button.click()
    assert (opened.combo.enabled, opened.close_button.enabled) == (True, False)
    opened.combo.currentIndex = 1  # the run goes on
    host.wait_until(lambda: loaded.session.job is None)
    assert opened.close_button.enabled
    assert (loaded.projections.slider.value, loaded.reconstruction.target.widget.count) == (11, 1)
    opened.close_button.click()
    opened.close_button.click()
    assert (loaded.session.scan, opened.combo.count, opened.close_button.enabled, loaded.regions.widget.enabled) == (None, 0, False, False)
    assert [entry.GetName() for entry in loaded.session.results()] == ["fbp"]
    host.check()


def test_a_saved_scene_is_opened_and_one_goes_on(host: Host, loaded: Any, sample: Path, tmp_path: Path) -> None:
    import slicer

    press(loaded, "add")
    rename(loaded, "Knot")
    loaded.regions.bounds[0].widget.setValues(-30.0, 30.0)
    loaded.regions.views.widget.setValues(5.0, 125.0)
    part = loaded.reconstruction
    part.method.currentIndex = part.method.findText("SIRT")
    part.parameters.fields["iterations"].value = 3
    part.backend.currentIndex = part.backend.findText("CPU")
    part.process.checked = True
    loaded.projections.slider.value = 40
    host.save_scene(tmp_path / "scene.mrb")
    host.close_scene()
    assert (names(loaded), loaded.session.scan) == ([], None)
    part.method.currentIndex, part.process.checked, part.backend.currentIndex = 0, False, 0
    loaded.data.folder.currentPath = str(tmp_path)

    host.open_scene(tmp_path / "scene.mrb")
    host.check()
    assert (loaded.data.status.text, loaded.data.folder.currentPath) == ("cylinder is loaded.", str(sample))
    assert loaded.projections.slider.value == 40
    assert (names(loaded), loaded.reconstruction.target.widget.currentText, loaded.regions.views.values) == (["Knot"], "Knot", (5.0, 125.0))
    assert (part.method.currentText, part.parameters.values["iterations"]) == ("SIRT", 3)
    assert (part.backend.currentText, part.process.checked) == ("CPU", True)
    assert node(loaded).GetDisplayNode().GetHandlesInteractive()
    part.process.checked = False
    nodes = slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLMarkupsROINode")
    part.start_button.click()
    host.wait_until(lambda: loaded.session.job is None)
    assert part.status.text.startswith("Done")
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLMarkupsROINode") == nodes == 1


def test_a_scan_that_is_gone_is_said_once(host: Host, panel: Any, sample: Path, tmp_path: Path) -> None:
    shutil.copytree(sample, tmp_path / "pine")
    for folder in (sample, tmp_path / "pine"):
        panel.data.folder.currentPath = str(folder)
        panel.data.load_button.click()
    host.save_scene(tmp_path / "scene.mrb")
    host.close_scene()
    shutil.rmtree(tmp_path / "pine")
    host.open_scene(tmp_path / "scene.mrb")
    assert panel.data.status.text.startswith("pine: ")
    assert panel.data.status.text.count("no such folder") == 1
    assert (panel.session.scan.name, host.answers.shown) == ("cylinder", [])
    panel.data.folder.currentPath = str(sample)
    panel.data.load_button.click()
    assert panel.data.status.text == "cylinder is loaded."


def test_reload_takes_up_what_is_there(host: Host, widget: Any, loaded: Any) -> None:
    press(loaded, "add")
    loaded.projections.slider.value = 12
    loaded.reconstruction.method.currentIndex = 1
    fresh = host.reload("MITOReconstruction").panel
    assert fresh is not loaded
    assert (names(fresh), fresh.session.scan.name, fresh.projections.slider.value) == (["Region 1"], "cylinder", 12)
    assert fresh.reconstruction.method.currentIndex == 1
    node(fresh).SetCenter(0.0, 0.0, 270.0)
    host.check()
    assert fresh.regions.buttons["undo"].enabled


def test_the_parameter_node_is_the_modules(widget: Any, loaded: Any) -> None:
    state = loaded.session.state
    assert widget.logic.getParameterNode().GetID() == state.node.GetID()
    assert len(widget.logic.getAllParameterNodes()) == 1
    assert state.node.GetModuleName() == "MITOReconstruction"


def test_a_closed_scene_opens_nothing(host: Host, loaded: Any, sample: Path) -> None:
    press(loaded, "add")
    host.close_scene()
    host.select_module("")
    host.select_module("MITOReconstruction")
    assert (loaded.session.opened.scans, names(loaded), loaded.data.opened.combo.count) == ([], [], 0)
    loaded.data.load_button.click()
    assert (loaded.session.scan.folder, names(loaded)) == (sample, [])
    fresh = host.reload("MITOReconstruction").panel
    assert fresh.session.scan.folder == sample
