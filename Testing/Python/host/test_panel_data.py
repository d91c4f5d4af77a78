"""The section 'Data', driven through its widgets; and the panel as a whole: reload, closing the scene, missing packages."""

from __future__ import annotations

import gc
import shutil
import weakref
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("slicer.util", reason="needs slicer-core")
pytest.importorskip("shiboken6", reason="needs PySide6-Essentials")

from SlicerHost import Host


def table(panel: Any) -> dict[str, str]:
    rows = panel.data.table
    return {rows.item(i, 0).text(): rows.item(i, 1).text() for i in range(rows.rowCount)}


def test_it_begins_idle(panel: Any) -> None:
    data = panel.data
    assert "Choose a folder" in data.status.text
    assert (data.load_button.enabled, data.simulate_button.enabled, data.cancel_button.visible) == (False, True, False)
    assert not panel.projections.widget.enabled
    assert not panel.reconstruction.start_button.enabled
    assert panel.results.status.text == "No volume was reconstructed yet."


def test_a_sample_is_loaded(host: Host, panel: Any, sample: Path) -> None:
    import slicer

    panel.data.folder.currentPath = str(sample)
    assert (panel.data.sample.currentText, panel.data.load_button.enabled) == ("cylinder", True)
    panel.data.load_button.click()
    assert panel.data.status.text == "cylinder is loaded."
    rows = table(panel)
    assert rows["views"].startswith("134 over 1.99 turns")
    assert "106.6 mm per turn" in rows["pitch"]
    assert "detector heights" in rows["pitch"]
    assert {"source", "detector", "default volume", "field of view"} <= set(rows)
    assert slicer.util.getNodes("cylinder detector")


def test_samples_by_their_names(panel: Any, sample: Path, tmp_path: Path) -> None:
    shutil.copytree(sample, tmp_path / "a")
    (tmp_path / "samples.json").write_text('[{"folder": "a", "name": "Pine 16"}]')
    panel.data.folder.currentPath = str(tmp_path)
    assert panel.data.sample.currentText == "Pine 16"
    panel.data.load_button.click()
    assert panel.session.scan.name == "Pine 16"


def test_a_folder_without_samples(panel: Any, tmp_path: Path) -> None:
    panel.data.folder.currentPath = str(tmp_path)
    assert "samples" in panel.data.status.text
    assert not panel.data.load_button.enabled


def test_a_broken_sample_says_what_is_wrong(host: Host, loaded: Any, sample: Path, tmp_path: Path) -> None:
    shutil.copytree(sample, tmp_path / "broken")
    (tmp_path / "broken" / "angles.npy").unlink()
    loaded.data.folder.currentPath = str(tmp_path / "broken")
    loaded.data.load_button.click()
    assert "angles.npy" in loaded.data.status.text
    assert loaded.session.scan.name == "cylinder"  # what was open stays open
    assert host.answers.shown == []


@pytest.fixture
def logs(host: Host, panel: Any, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> Path:
    """A folder for simulated logs, chosen in the panel; the scans are made coarse, and of a simple phantom."""
    import slicer

    from MITOReconstructionLib.scan.phantoms import cylinder

    monkeypatch.setattr("MITOReconstructionLib.session.simulating.make_phantom", lambda _name: cylinder(40.0))
    monkeypatch.setattr("MITOReconstructionLib.panels.data.SCALES", (120.0, 100.0, 6.0))  # the last one takes seconds
    assert slicer.app.defaultScenePath in panel.data.log_button.toolTip  # as long as nothing was chosen
    host.answers.give("QFileDialog.getExistingDirectory", str(tmp_path / "logs"))
    panel.data.log_button.click()
    assert panel.session.log_folder == tmp_path / "logs"
    assert str(tmp_path / "logs") in panel.data.log_button.toolTip
    return tmp_path / "logs"


def test_logs_are_simulated_loaded_and_kept(host: Host, panel: Any, logs: Path) -> None:
    sizes = []
    for place, name in enumerate(("log", "log 2")):
        panel.data.size.currentIndex = place
        panel.data.simulate_button.click()
        assert (panel.data.simulate_button.enabled, panel.data.cancel_button.visible) == (False, True)
        assert not panel.reconstruction.start_button.enabled
        host.wait_until(lambda: panel.session.job is None)
        assert panel.data.status.text == f"{name} is loaded."
        assert panel.data.folder.currentPath == str(logs / name)
        assert (panel.data.simulate_button.enabled, panel.data.cancel_button.visible) == (True, False)
        sizes.append((logs / name / "sinogram.npy").stat().st_size)
    assert sizes[0] < sizes[1]


def test_the_folder_for_logs_is_kept_in_the_settings(host: Host, panel: Any, logs: Path) -> None:
    fresh = host.reload("MITOReconstruction")
    assert fresh.panel.session.log_folder == logs
    host.answers.give("QFileDialog.getExistingDirectory", "")  # 'Cancel'
    fresh.panel.data.log_button.click()
    assert fresh.panel.session.log_folder == logs


def test_a_simulation_is_cancelled(host: Host, panel: Any, logs: Path) -> None:
    panel.data.size.currentIndex = 2
    panel.data.simulate_button.click()
    panel.data.cancel_button.click()
    host.wait_until(lambda: panel.session.job is None)
    assert panel.data.status.text == "Cancelled"
    assert list(logs.glob("*")) == []


def test_closing_the_scene_forgets_the_scan(host: Host, loaded: Any) -> None:
    scan = weakref.ref(loaded.session.scan)
    loaded.projections.play_button.checked = True
    host.close_scene()
    assert (loaded.session.scan, loaded.session.results()) == (None, [])
    assert loaded.data.status.text == "Nothing is loaded."
    assert not loaded.projections.widget.enabled
    assert not loaded.projections.timer.active
    assert not loaded.reconstruction.start_button.enabled
    host.wait_until(lambda: gc.collect() is not None and scan() is None)
    loaded.data.load_button.click()
    assert loaded.session.scan is not None


def test_reload_while_it_runs(host: Host, widget: Any, loaded: Any) -> None:
    loaded.reconstruction.start_button.click()
    job = loaded.session.job
    fresh = host.reload("MITOReconstruction")
    assert job.wait(300)  # by then, unless kernels are yet to be compiled
    assert job.state in ("cancelled", "done")
    assert widget.panel is None
    assert fresh.panel is not loaded
    assert fresh.panel.data.folder.currentPath == loaded.data.folder.currentPath
    fresh.panel.data.load_button.click()
    fresh.panel.reconstruction.start_button.click()
    host.wait_until(lambda: fresh.panel.session.job is None)
    assert [node.GetName() for node in fresh.panel.session.results()] == ["fbp"]


def test_missing_packages_are_installed_from_the_panel(host: Host, widget: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    widget.cleanup()
    missing = [["numba>=0.61"], ["numba>=0.61"], []]
    kind = type(widget.logic)
    monkeypatch.setattr(kind, "missing_requirements", lambda *_: missing[0])
    monkeypatch.setattr(kind, "install_requirements", lambda *_: missing.insert(0, []))
    widget.setup()
    assert widget.panel is None
    assert "numba" in widget.offer.label.text
    widget.offer.button.click()
    assert widget.panel.data.simulate_button.enabled


def test_loading_again_and_again_adds_nothing_to_the_scene(host: Host, loaded: Any) -> None:
    import slicer

    nodes = slicer.mrmlScene.GetNumberOfNodes()
    for _ in range(20):
        loaded.data.load_button.click()
    host.check()
    assert slicer.mrmlScene.GetNumberOfNodes() == nodes
    assert len(loaded.session._shown) == 1


def test_nodes_that_a_person_deleted_do_no_harm(host: Host, loaded: Any) -> None:
    import slicer

    for node in slicer.util.getNodes("cylinder *", useLists=True).values():
        for entry in node:
            slicer.mrmlScene.RemoveNode(entry)
    loaded.projections.slider.value = 20
    loaded.projections.boxes["rays"].click()
    loaded.projections.around.value = 3
    host.check()
    loaded.data.load_button.click()
    host.check()
    assert slicer.util.getNodes("cylinder detector")


def test_the_session_does_it_all_without_qt(host: Host, widget: Any, sample: Path) -> None:
    session = widget.logic.session
    scan = session.load(sample)
    assert session.estimate(method="fbp").possible
    job = session.start(method="fbp")
    assert session.job is job
    assert session.wait(300)
    assert (job.state, session.job, [run.state for run in session.runs]) == ("done", None, ["done"])
    assert [node.GetName() for node in session.results()] == ["fbp"]
    assert session.free_name("fbp", scan.name) == "fbp 2"
    host.close_scene()
    with pytest.raises(ValueError, match="press Load"):
        session.start()
