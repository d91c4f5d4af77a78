"""Faults that users, disks and other programs put in: one clear message each, nothing lost, and the panel goes on."""

from __future__ import annotations

import gc
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("slicer.util", reason="needs slicer-core")
pytest.importorskip("shiboken6", reason="needs PySide6-Essentials")

from SlicerHost import Host

from MITOReconstructionLib.errors import WorkError
from MITOReconstructionLib.scene.saving import load_scene, save_scene

SECONDS = 300


def copy(sample: Path, place: Path, **arrays: np.ndarray) -> Path:
    """A copy of the sample in which some of the arrays are others."""
    shutil.copytree(sample, place)
    for name, array in arrays.items():
        np.save(place / f"{name}.npy", array)
    return place


def load(panel: Any, folder: Path) -> None:
    panel.data.folder.currentPath = str(folder)
    panel.data.load_button.click()


def run(host: Host, panel: Any) -> None:
    panel.reconstruction.start_button.click()
    host.wait_until(lambda: panel.session.job is None, SECONDS)


def listed(panel: Any) -> list[str]:
    return [panel.results.list.item(row).text() for row in range(panel.results.list.count)]


def test_why_a_scan_cannot_be_looked_through_is_said(host: Host, panel: Any, sample: Path, tmp_path: Path) -> None:
    views = len(np.load(sample / "angles.npy"))
    load(panel, copy(sample, tmp_path / "part", angles=np.linspace(0.0, 2.0, views)))
    panel.live.start_button.click()
    host.process_events()
    assert not panel.live.start_button.checked
    assert panel.live.status.failed
    assert "at least half a turn" in panel.live.status.text


def test_a_volume_that_is_renamed_elsewhere(host: Host, loaded: Any) -> None:
    run(host, loaded)
    run(host, loaded)
    first, second = loaded.session.results()
    loaded.results.list.setCurrentRow(0)
    first.SetName("pine")
    second.SetName("pine, sharper")
    host.process_events()
    assert listed(loaded) == ["pine", "pine, sharper"]
    assert loaded.results.chosen is first
    assert loaded.results.comparison.other.currentText == "pine, sharper"


def test_nothing_of_a_scene_that_was_closed_stays_in_memory(host: Host, loaded: Any) -> None:
    loaded.regions.buttons["add"].click()
    run(host, loaded)
    loaded.live.start_button.click()
    loaded.live.tick()
    shown = loaded.session.shown
    nodes = [shown.detector.node, shown.projection.node, loaded.session.results()[0], loaded.live.live._followed["Red"].volume.node]
    del shown
    host.close_scene()
    gc.collect()
    assert [node.GetReferenceCount() for node in nodes] == [1] * len(nodes)  # what this list keeps


def test_regions_of_another_scan_are_said_to_be(host: Host, loaded: Any, sample: Path, tmp_path: Path) -> None:
    loaded.regions.buttons["add"].click()
    loaded.session.regions.save(tmp_path / "regions.json")
    load(loaded, copy(sample, tmp_path / "other"))
    host.answers.give("QFileDialog.getOpenFileNames", [str(tmp_path / "regions.json")])
    loaded.regions.buttons["load"].click()
    assert loaded.regions.status.text.startswith("Read: Region 1. They were made for the scan cylinder;")


def test_angles_in_degrees_and_a_jump_along_the_axis(host: Host, panel: Any, sample: Path, tmp_path: Path) -> None:
    angles, axial = np.load(sample / "angles.npy"), np.load(sample / "axial_positions.npy")
    load(panel, copy(sample, tmp_path / "degrees", angles=np.degrees(angles)))
    assert "numpy.radians" in panel.data.status.text
    axial[len(axial) // 2 :] += 300.0
    load(panel, copy(sample, tmp_path / "jump", axial_positions=axial))
    rows = {panel.data.table.item(row, 0).text(): panel.data.table.item(row, 1).text() for row in range(panel.data.table.rowCount)}
    assert "moves by 301.6 mm" in rows["warning"]


def test_a_sinogram_replaced_by_another_kind_is_refused_everywhere(host: Host, panel: Any, sample: Path, tmp_path: Path) -> None:
    load(panel, copy(sample, tmp_path / "pine"))
    np.save(tmp_path / "pine" / "sinogram.npy", np.load(sample / "sinogram.npy").astype(np.float64))
    panel.projections.slider.value = 9
    assert "the file was replaced" in panel.projections.status.text
    run(host, panel)
    assert "Load the sample again" in panel.reconstruction.status.text
    panel.data.load_button.click()
    run(host, panel)
    assert panel.reconstruction.status.text == "Done: fbp"


def test_faults_of_the_system_are_said(host: Host, loaded: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    run(host, loaded)
    disk = OSError(5, "Input/output error", "/data/x")
    for fault, words in ((MemoryError(), "not enough memory"), (disk, "/data/x: Input/output error")):

        def fail(*_: Any, fault: BaseException = fault) -> None:
            raise fault

        monkeypatch.setattr("MITOReconstructionLib.session.volumes.fit_window", fail)
        loaded.results.fit_button.click()
        assert words in loaded.results.status.text


def test_a_scene_for_which_there_is_no_room(host: Host, loaded: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_scene(host.scene, tmp_path / "a.mrb")
    full = shutil.disk_usage(tmp_path)._replace(free=1000)
    monkeypatch.setattr("MITOReconstructionLib.scene.saving.shutil.disk_usage", lambda _place: full)
    with pytest.raises(WorkError, match=r"a\.mrb: needs .* to be unpacked; 1000 bytes are free in"):
        load_scene(tmp_path / "a.mrb", host.scene)
    assert loaded.session.scan.name == "cylinder"


def test_a_data_folder_is_listed_again_when_the_module_is_opened(host: Host, panel: Any, sample: Path, tmp_path: Path) -> None:
    panel.data.folder.currentPath = str(tmp_path)
    assert not panel.data.load_button.enabled
    for name in ("b", "a"):
        copy(sample, tmp_path / name)
        panel.exit()
        panel.enter()
        assert (panel.data.sample.currentText, panel.data.load_button.enabled) == ("b", True)
    panel.data.load_button.click()
    assert panel.session.scan.name == "b"
    shutil.rmtree(tmp_path / "b")
    panel.enter()
    assert [panel.data.sample.itemText(place) for place in range(panel.data.sample.count)] == ["a"]
    assert panel.session.scan.name == "b"  # what is open stays open
