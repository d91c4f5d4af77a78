"""What a saved scene keeps, and several scans open at once, without Qt."""

from __future__ import annotations

import json
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from MITOReconstructionLib.errors import InputError
from MITOReconstructionLib.session.state import DEFAULTS, MODULE, State

pytest.importorskip("slicer")

from MITOReconstructionLib.scene import load_scene, new_scene, save_scene


def ids(scene: Any) -> list[str]:
    return sorted(scene.GetNthNode(i).GetID() for i in range(scene.GetNumberOfNodes()))


def views_aside(names: list[str]) -> list[str]:
    """Without the nodes of views, which saving adds."""
    return [name for name in names if not any(word in name for word in ("View", "Slice", "Camera", "Layout", "Interaction", "Crosshair"))]


@pytest.fixture
def two(session: Any, sample: Path, tmp_path: Path) -> Any:
    """A session with a second scan open, which is looked at."""
    shutil.copytree(sample, tmp_path / "pine")
    session.load(tmp_path / "pine")
    return session


# ---- the state --------------------------------------------------------------------------------------------------------


def test_settings_are_checked() -> None:
    scene = new_scene()
    state = State(scene)
    assert {name: getattr(state, name) for name in DEFAULTS} == DEFAULTS
    for name, value in (("method", 3), ("parameters", []), ("scans", [1]), ("process", 1), ("parameters", {"a": {1, 2}}), ("folder", None)):
        with pytest.raises(InputError, match=name):
            setattr(state, name, value)
    for call in (lambda: state.update(colour="red"), lambda: setattr(state, "colour", "red")):
        with pytest.raises(InputError, match="setting"):
            call()
    with pytest.raises(AttributeError):
        _ = state.colour
    state.parameters = {"iterations": 3}
    state.parameters["iterations"] = 4  # a copy
    assert state.parameters == {"iterations": 3}
    state.method = "sirt"
    assert state.parameters == {}  # those of another method are of no use
    assert state.node is None
    scene.Clear(1)


def test_the_node_follows_and_can_be_read_again() -> None:
    scene = new_scene()
    state, calls = State(scene), []
    state.changed.connect(lambda: calls.append(1))
    state.method = "sirt"
    state.keep()
    state.update(method="sirt", parameters={"iterations": 7})
    state.update(method="sirt")
    assert (len(calls), state.node.GetAttribute("ModuleName"), state.node.GetSingletonTag()) == (2, MODULE, MODULE)
    again = State(scene)
    assert (again.read(), again.method, again.parameters) == (True, "sirt", {"iterations": 7})
    state.node.SetParameter("method", "{")
    state.node.SetParameter("backend", "7")
    state.node.SetParameter("parameters", '{"iterations": 9}')
    assert (again.read(), again.method, again.backend, again.parameters) == (True, "sirt", "auto", {"iterations": 9})
    scene.RemoveNode(state.node)
    assert (again.read(), json.loads(again.node.GetParameter("parameters"))) == (False, {"iterations": 9})
    scene.Clear(1)


def test_nothing_is_added_to_a_scene_that_is_not_used(open_session: Any) -> None:
    session = open_session()
    before = ids(session.scene)
    session.state.update(method="sirt", folder="/data")
    assert ids(session.scene) == before


# ---- save, open, go on ------------------------------------------------------------------------------------------------


def test_work_goes_on_in_an_opened_scene(open_session: Any, session: Any, sample: Path, tmp_path: Path) -> None:
    regions = session.regions
    regions.add("Knot", (-30, -30, 250), (30, 30, 290), spacing=(10.0, 10.0, 10.0), views=(10, 120))
    regions.add("b")
    regions.chosen = "Knot"
    session.shown.show_view(17)
    session.shown.set_visible("rays", False)
    session.state.update(method="sirt", parameters={"iterations": 2}, folder=str(sample.parent))
    job = session.start(**session.options)
    assert job.wait(300)
    session.ended()
    session.show_volume(job.volume, session.scan, "first")
    save_scene(session.scene, tmp_path / "scene.mrb")
    saved = [region.to_dict() for region in regions]

    scene = load_scene(tmp_path / "scene.mrb")
    before = views_aside(ids(scene))
    again = open_session(scene)
    assert (again.scan.folder, again.opened.trouble, again.shown.view) == (sample, "", 17)
    assert not again.shown.is_visible("rays")
    assert (again.regions.chosen, again.regions.names) == ("Knot", ["Knot", "b"])
    assert [region.to_dict() for region in again.regions] == saved
    assert (again.state.method, again.state.parameters, again.state.folder) == ("sirt", {"iterations": 2}, str(sample.parent))
    assert views_aside(ids(scene)) == before  # all was taken up, nothing added
    assert [node.GetName() for node in again.results()] == ["first"]
    assert again.options["grid"].shape == (6, 6, 4)
    job = again.start(**again.options)
    assert job.wait(300)
    again.ended()
    np.testing.assert_allclose(job.volume.array, session.show_scan(session.scan).volumes["first"].array, atol=1e-4)
    again.show_volume(job.volume, again.scan, "first")
    assert len(again.results()) == 1
    before = ids(scene)
    again.load(sample)
    assert (ids(scene), again.regions.names) == (before, ["Knot", "b"])


def test_a_scene_is_opened_into_a_session(open_session: Any, session: Any, tmp_path: Path) -> None:
    session.regions.add("Knot")
    save_scene(session.scene, tmp_path / "scene.mrb")
    other, calls = open_session(), []
    other.scan_changed.connect(lambda: calls.append(other.scan))
    load_scene(tmp_path / "scene.mrb", other.scene)
    assert (other.scan.name, other.regions.chosen) == ("cylinder", "Knot")
    assert calls[-1] is other.scan
    load_scene(tmp_path / "scene.mrb", other.scene)  # added once more
    assert (other.regions.names, other.regions.chosen) == (["Knot"], "Knot")
    assert [scan.name for scan in other.opened.scans] == ["cylinder"]
    other.scene.Clear()
    assert (other.scan, other.opened.scans, other.state.scans) == (None, [], [])
    load_scene(tmp_path / "scene.mrb", other.scene)
    assert (other.scan.name, other.regions.names) == ("cylinder", ["Knot"])


def test_a_scan_that_is_gone(open_session: Any, two: Any, tmp_path: Path) -> None:
    two.regions.add("Kept")
    two.state.method = "sirt"
    save_scene(two.scene, tmp_path / "scene.mrb")
    (tmp_path / "pine").rename(tmp_path / "elsewhere")
    other = open_session(load_scene(tmp_path / "scene.mrb"))
    assert "pine" in other.opened.trouble
    assert other.opened.trouble.count("no such folder") == 1
    assert (other.scan.name, other.state.method) == ("cylinder", "sirt")
    save_scene(other.scene, tmp_path / "again.mrb")
    (tmp_path / "elsewhere").rename(tmp_path / "pine")
    last = open_session(load_scene(tmp_path / "again.mrb"))  # nothing was lost meanwhile
    assert (last.opened.trouble, [scan.name for scan in last.opened.scans]) == ("", ["cylinder", "pine"])
    last.opened.choose("pine")
    assert last.regions.names == ["Kept"]


def test_regions_survive_a_scene_file_without_their_own(open_session: Any, session: Any, tmp_path: Path) -> None:
    """An .mrml file alone has no Markups files beside it: then the node's attribute says what the box was."""
    region = session.regions.add("Knot")
    session.scene.SetURL(str(tmp_path / "scene.mrml"))
    session.scene.Commit()
    scene = new_scene()
    scene.SetURL(str(tmp_path / "scene.mrml"))
    other = open_session(scene)
    scene.Import()
    assert list(other.regions) == [region]
    np.testing.assert_allclose(other.regions.node("Knot").GetCenter(), np.add(region.minimum, region.maximum) / 2, atol=1e-3)


@pytest.mark.parametrize("told", ["", "{", '{"key": "a", "place": 0}', '{"key": "a", "place": 0, "region": {"minimum": 3}}'])
def test_a_node_that_cannot_be_read_is_left_alone(open_session: Any, session: Any, sample: Path, told: str) -> None:
    session.regions.add("Knot")
    node = session.regions.node("Knot")
    session.regions.close()
    node.SetAttribute("MITO.region", told)
    other = open_session(session.scene)
    assert other.regions.names == []
    assert node.GetScene() is session.scene


def test_a_state_that_makes_no_sense(open_session: Any, session: Any, sample: Path) -> None:
    told = [{}, {"name": 3, "folder": 4, "region": [], "visible": 7}, {"name": "c", "folder": str(sample), "region": {}, "visible": []}]
    session.state.update(scans=told, scan="nobody", region="none")
    other = open_session(session.scene)
    assert (other.scan.name, other.regions.chosen) == ("c", None)
    assert other.opened.trouble.count("no such folder") == 2


# ---- several scans ----------------------------------------------------------------------------------------------------


def test_each_scan_has_its_folder_its_regions_and_its_parts(two: Any) -> None:
    assert [scan.name for scan in two.opened.scans] == ["cylinder", "pine"]
    assert (two.scan.name, two.regions.names) == ("pine", [])
    two.regions.add("p")
    pine = two.shown
    pine.set_visible("rays", False)
    two.opened.choose("cylinder")
    cylinder = two.shown
    two.regions.add("c")
    assert (pine.folder.item != cylinder.folder.item, two.regions.names) == (True, ["c"])
    assert [node.GetName() for node in pine.folder.members if node.IsA("vtkMRMLMarkupsROINode")] == ["p"]
    assert [part for part in ("trajectory", "source", "detector", "rays") if pine.is_visible(part)] == []
    assert cylinder.is_visible("rays")
    two.opened.choose("pine")
    assert (pine.is_visible("trajectory"), pine.is_visible("rays"), cylinder.is_visible("trajectory")) == (True, False, False)
    assert (two.regions.chosen, two.regions.node("p").GetDisplayNode().GetVisibility()) == ("p", 1)
    two.opened.choose("cylinder")
    assert (two.regions.chosen, two.regions.display.view_range.visible) == ("c", True)
    with pytest.raises(InputError, match="cylinder, pine"):
        two.opened.choose("oak")


def test_what_is_hidden_is_shown_again_after_opening(open_session: Any, two: Any, tmp_path: Path) -> None:
    two.shown.set_visible("rays", False)
    two.opened.choose("cylinder")
    save_scene(two.scene, tmp_path / "scene.mrb")
    other = open_session(load_scene(tmp_path / "scene.mrb"))
    assert (other.scan.name, other.shown.is_visible("trajectory")) == ("cylinder", True)
    other.opened.choose("pine")
    assert (other.shown.is_visible("trajectory"), other.shown.is_visible("rays")) == (True, False)


def test_the_same_name_from_another_folder(session: Any, sample: Path, tmp_path: Path) -> None:
    shutil.copytree(sample, tmp_path / "cylinder")
    session.regions.add("a")
    session.load(tmp_path / "cylinder")
    assert [scan.name for scan in session.opened.scans] == ["cylinder", "cylinder 2"]
    assert session.regions.names == []
    session.load(tmp_path / "cylinder")
    session.load(sample)
    assert ([scan.name for scan in session.opened.scans], session.regions.names) == (["cylinder", "cylinder 2"], ["a"])


def test_closing_one(two: Any, sample: Path) -> None:
    two.regions.add("p")
    folder = two.scan.folder
    two.opened.close("pine")
    assert (two.scan.name, [scan.name for scan in two.opened.scans], len(two.state.scans)) == ("cylinder", ["cylinder"], 1)
    assert two.scene.GetNodesByName("pine trajectory").GetNumberOfItems() == 0
    assert not two.scene.GetFirstNodeByName("p").GetDisplayNode().GetVisibility()
    nodes = ids(two.scene)
    two.load(folder)
    assert two.regions.names == ["p"]
    two.opened.close("pine")
    assert ids(two.scene) == nodes
    two.opened.close("cylinder")
    assert (two.scan, two.opened.scans, two.state.scans) == (None, [], [])
    with pytest.raises(InputError, match="expected one that is open: none"):
        two.opened.close("cylinder")
    two.load(sample)
    assert two.shown.is_visible("trajectory")


def test_loading_again_keeps_regions_and_their_history(session: Any, sample: Path) -> None:
    session.regions.add("a")
    session.shown.show_view(9)
    session.load(sample)
    assert (session.regions.names, session.regions.undo_text, session.shown.view) == (["a"], "add a", 9)
    session.regions.change("a", views=(1, 20))
    assert session.regions.display.view_range.visible
