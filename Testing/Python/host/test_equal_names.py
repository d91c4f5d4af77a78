"""Samples that have the same name, at once or one after the other, and a sample that was moved."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("slicer.util", reason="needs slicer-core")
pytest.importorskip("shiboken6", reason="needs PySide6-Essentials")

from panel_cases import another, listed, reconstruct
from SlicerHost import Host

from MITOReconstructionLib.scene.parts import SCAN, find_part
from MITOReconstructionLib.scene.saving import load_scene, save_scene


def test_another_sample_of_a_name_leaves_regions_and_volumes_of_the_first_alone(loaded: Any, sample: Path, tmp_path: Path) -> None:
    session = loaded.session
    reconstruct(loaded)
    loaded.regions.buttons["add"].click()
    box = session.regions["Region 1"]
    session.opened.close("cylinder")
    session.load(another(sample, tmp_path / "cylinder"))
    assert (session.scan.name, session.regions.names) == ("cylinder 2", [])
    assert reconstruct(loaded).GetAttribute(SCAN) == "cylinder 2"
    assert listed(loaded.results.list) == ["fbp (cylinder)", "fbp (cylinder 2)"]
    session.opened.close("cylinder 2")
    session.load(sample)
    assert (session.scan.name, list(session.regions)) == ("cylinder", [box])
    for spelling in (tmp_path / "cylinder", tmp_path / "cylinder" / ".." / "cylinder"):
        session.load(spelling)
        assert [scan.name for scan in session.opened.scans] == ["cylinder", "cylinder 2"]


def test_a_scene_with_another_sample_of_a_name_is_added(host: Host, panel: Any, sample: Path, tmp_path: Path) -> None:
    session = panel.session
    session.load(another(sample, tmp_path / "cylinder"))
    session.regions.add("of the second")
    reconstruct(panel).SetName("of the second")
    panel.projections.slider.value = 4
    save_scene(host.scene, tmp_path / "second.mrb")
    host.close_scene()
    session.load(sample)
    session.regions.add("of the first")
    reconstruct(panel)
    panel.projections.slider.value = 9
    load_scene(tmp_path / "second.mrb", host.scene)
    host.process_events()
    assert [(scan.name, scan.folder) for scan in session.opened.scans] == [("cylinder", sample), ("cylinder 2", tmp_path / "cylinder")]
    assert (session.scan.name, session.regions.names, panel.projections.slider.value) == ("cylinder", ["of the first"], 9)
    assert listed(panel.results.list) == ["fbp (cylinder)", "of the second (cylinder 2)"]
    session.opened.choose("cylinder 2")
    assert (session.regions.names, panel.projections.slider.value) == (["of the second"], 4)
    detectors = find_part(host.scene, "vtkMRMLModelNode", "detector")
    assert [node.GetName() for node in detectors] == ["cylinder detector", "cylinder 2 detector"]
    assert {node.GetAttribute(SCAN) for node in session.shown.folder.members} == {"cylinder 2"}


def test_a_sample_that_was_moved_is_taken_up_from_where_it_is_now(host: Host, panel: Any, sample: Path, tmp_path: Path) -> None:
    session = panel.session
    session.load(another(sample, tmp_path / "a" / "log"))
    session.regions.add("Knot")
    host.save_scene(tmp_path / "a.mrb")
    (tmp_path / "b").mkdir()
    shutil.move(tmp_path / "a" / "log", tmp_path / "b" / "log")
    host.open_scene(tmp_path / "a.mrb")
    assert panel.data.status.failed
    session.load(tmp_path / "b" / "log")
    assert (session.scan.name, session.regions.names) == ("log", ["Knot"])
    host.save_scene(tmp_path / "b.mrb")
    host.open_scene(tmp_path / "b.mrb")
    assert (panel.data.status.text, session.regions.names) == ("log is loaded.", ["Knot"])
