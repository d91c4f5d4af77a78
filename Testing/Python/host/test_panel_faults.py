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

SECONDS = 120


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
