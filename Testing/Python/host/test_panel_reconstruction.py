"""The sections 'Reconstruction' and 'Results', driven through their widgets."""

from __future__ import annotations

import importlib.util
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("slicer.util", reason="needs slicer-core")
pytest.importorskip("shiboken6", reason="needs PySide6-Essentials")

from SlicerHost import Host

from MITOReconstructionLib.methods import methods
from MITOReconstructionLib.monitor import Progress
from MITOReconstructionLib.projectors.backends import backend_names


def choose(panel: Any, method: str) -> None:
    panel.reconstruction.method.currentIndex = list(methods()).index(method)


def small_box(panel: Any) -> None:
    part = panel.regions
    part.buttons["add"].click()
    for bound, values in zip(part.bounds, ((-20, 20), (-20, 20), (260, 280)), strict=True):
        bound.widget.setValues(*values)
    for side in part.voxels.sides:
        side.value = 8.0


def run(host: Host, panel: Any) -> None:
    panel.reconstruction.start_button.click()
    host.wait_until(lambda: panel.session.job is None)


@pytest.mark.parametrize("name", list(methods()))
def test_each_method_has_widgets_with_its_defaults(panel: Any, name: str) -> None:
    choose(panel, name)
    described = {entry["name"]: entry for entry in methods()[name].parameters.describe()}
    parameters = panel.reconstruction.parameters
    assert parameters.values == {key: entry["default"] for key, entry in described.items()}
    methods()[name].parameters.from_dict(parameters.values)
    for key, field in parameters.fields.items():
        assert described[key]["help"] in field.toolTip


def test_widgets_keep_to_the_range(panel: Any) -> None:
    choose(panel, "landweber")
    fields = panel.reconstruction.parameters.fields
    fields["iterations"].value = 0
    fields["relaxation"].value = 5.0
    values = panel.reconstruction.parameters.values
    assert values["iterations"] == 1
    methods()["landweber"].parameters.from_dict(values)
    choose(panel, "fbp")
    assert panel.reconstruction.parameters.fields["fill_value"].suffix == " 1/mm"


def test_the_estimate_follows(host: Host, loaded: Any) -> None:
    part = loaded.reconstruction
    host.wait_until(lambda: part.estimate.known)
    whole = part.estimate.known
    assert "views" in part.estimate.status.text
    small_box(loaded)
    host.wait_until(lambda: part.estimate.known)
    assert part.estimate.known.output_bytes == 4 * 5 * 5 * 2 or part.estimate.known.output_bytes < whole.output_bytes
    choose(loaded, "sirt")
    part.parameters.fields["iterations"].value = 10
    few = host.wait_until(lambda: part.estimate.known)
    part.parameters.fields["iterations"].value = 1000
    assert host.wait_until(lambda: part.estimate.known).seconds > few.seconds


def test_the_estimate_says_why_not(host: Host, loaded: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    part = loaded.reconstruction
    monkeypatch.setenv("MITO_MEMORY", "1M")
    part.backend.currentIndex = backend_names().index("cpu")
    host.wait_until(lambda: "of memory" in part.estimate.status.text and "color" in part.estimate.status.label.styleSheet)
    assert loaded.regions.estimate.text == part.estimate.status.text
    small_box(loaded)
    loaded.regions.voxels.sides[0].value = 0.001
    host.wait_until(lambda: "40000 x" in part.estimate.status.text)
    assert "color" in loaded.regions.estimate.label.styleSheet
    assert (loaded.session.job, host.answers.shown) == (None, [])


@pytest.mark.skipif(importlib.util.find_spec("cupy") is not None, reason="needs cupy not to be there")
def test_a_backend_that_is_not_installed_says_so(host: Host, loaded: Any) -> None:
    part = loaded.reconstruction
    part.backend.currentIndex = backend_names().index("cuda")
    host.wait_until(lambda: "cupy" in part.estimate.status.text)
    assert "color" in part.estimate.status.label.styleSheet
    run(host, loaded)
    assert "cupy" in part.status.text


def test_the_target_is_the_chosen_region(host: Host, loaded: Any) -> None:
    part, combo = loaded.reconstruction, loaded.reconstruction.target.widget
    small_box(loaded)
    loaded.regions.buttons["duplicate"].click()
    assert [combo.itemText(i) for i in range(combo.count)] == ["Whole volume", "Region 1", "Region 2"]
    assert (combo.currentText, part.options["grid"].shape) == ("Region 2", (5, 5, 2))
    combo.currentIndex = 1
    assert (loaded.session.regions.chosen, loaded.regions.list.currentRow) == ("Region 1", 0)
    combo.currentIndex = 0
    assert (part.options["grid"], part.options["views"], loaded.regions.list.currentRow) == (None, None, -1)
    assert not loaded.regions.fields.visible


@pytest.mark.parametrize("process", [False, True])
def test_fbp_into_the_views(host: Host, loaded: Any, process: bool) -> None:
    import slicer

    small_box(loaded)
    part = loaded.reconstruction
    part.process.checked = process
    part.start_button.click()
    assert (part.start_button.enabled, part.cancel_button.enabled, loaded.data.load_button.enabled) == (True, True, True)
    host.wait_until(lambda: loaded.session.job is None)
    assert (part.status.text, part.progress.value) == ("Done: fbp", 100)
    node = slicer.util.getNode("fbp")
    assert slicer.util.arrayFromVolume(node).shape == (2, 5, 5)
    assert slicer.util.arrayFromVolume(node).max() > 0.01
    red = slicer.app.layoutManager().sliceWidget("Red")
    assert red.mrmlSliceCompositeNode().GetBackgroundVolumeID() == node.GetID()
    assert loaded.results.provenance.rows["method"] == "fbp"


def test_results_are_listed_and_shown(host: Host, loaded: Any) -> None:
    import slicer

    small_box(loaded)
    run(host, loaded)
    run(host, loaded)
    part = loaded.results
    assert [part.list.item(i).text() for i in range(part.list.count)] == ["fbp", "fbp 2"]
    part.list.setCurrentRow(0)
    part.show_button.click()
    red = slicer.app.layoutManager().sliceWidget("Red").mrmlSliceCompositeNode()
    assert red.GetBackgroundVolumeID() == part.nodes[0].GetID()
    slicer.mrmlScene.RemoveNode(part.nodes[0])
    assert [part.list.item(i).text() for i in range(part.list.count)] == ["fbp 2"]
    host.close_scene()
    assert (part.list.count, part.provenance.widget.rowCount, part.show_button.enabled) == (0, 0, False)


def test_landweber_is_cancelled(host: Host, loaded: Any) -> None:
    choose(loaded, "landweber")
    part = loaded.reconstruction
    part.parameters.fields["iterations"].value = 100000
    part.start_button.click()
    host.wait_until(lambda: "residual" in part.status.text)
    part.cancel_button.click()
    assert part.status.text == "Cancelling"
    host.wait_until(lambda: loaded.session.job is None)
    assert (part.status.text, part.progress.value) == ("Cancelled", 0)
    assert (part.start_button.enabled, part.cancel_button.enabled) == (True, False)
    assert loaded.session.results() == []


def test_a_run_that_fails_says_why(host: Host, loaded: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MITO_MEMORY", "1M")
    run(host, loaded)
    assert "free" in loaded.reconstruction.status.text
    assert loaded.reconstruction.start_button.enabled


def test_closing_the_scene_ends_the_run(host: Host, loaded: Any) -> None:
    choose(loaded, "landweber")
    loaded.reconstruction.parameters.fields["iterations"].value = 100000
    loaded.reconstruction.start_button.click()
    host.close_scene()
    host.wait_until(lambda: loaded.session.job is None)
    assert loaded.reconstruction.status.text == "Cancelled"
    assert loaded.session.results() == []


def test_the_time_left_of_a_step(panel: Any) -> None:
    from MITOReconstructionLib.session.time_left import TimeLeft

    left = TimeLeft()
    assert [left.of(Progress("a", f, s)) for f, s in ((0.0, 5.0), (0.25, 7.0), (0.5, 9.0))] == [None, 6.0, 4.0]
    assert left.of(Progress("b", 0.0, 10.0)) is None


def test_results_of_a_saved_scene_are_listed_again(host: Host, loaded: Any, tmp_path: Path) -> None:
    small_box(loaded)
    run(host, loaded)
    host.save_scene(tmp_path / "scene.mrb")
    host.close_scene()
    assert loaded.results.list.count == 0
    host.open_scene(tmp_path / "scene.mrb")
    assert [loaded.results.list.item(i).text() for i in range(loaded.results.list.count)] == ["fbp"]
    assert loaded.results.provenance.rows["method"] == "fbp"


def test_closing_the_scene_while_the_estimate_is_made(host: Host, loaded: Any) -> None:
    part = loaded.reconstruction
    host.wait_until(lambda: part.estimate.known)
    part.backend.currentIndex = backend_names().index("cpu")
    host.close_scene()
    for _ in range(30):
        host.process_events()
    assert (part.estimate.known, part.estimate.status.text) == (None, "")
