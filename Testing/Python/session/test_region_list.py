"""The list of regions without Qt: the scene's ROI nodes, dragging them, undo, files."""

from __future__ import annotations

import math
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from MITOReconstructionLib.errors import InputError
from MITOReconstructionLib.session.undo import History

slicer = pytest.importorskip("slicer")
vtk = pytest.importorskip("vtk")

NEAR = 1e-3


def bounds(node: Any) -> np.ndarray:
    found = [0.0] * 6
    node.GetRASBounds(found)
    return np.array(found).reshape(3, 2).T


def drag(node: Any, *places: Any, size: Any = None) -> None:
    """What Slicer does while a person drags: the interaction begins, the box changes at each move, the interaction ends."""
    kind = slicer.vtkMRMLMarkupsROINode
    node.InvokeEvent(kind.PointStartInteractionEvent)
    for place in places:
        if size is None:
            node.SetCenter(*place)
        else:
            was = node.StartModify()
            node.SetCenter(*place)
            node.SetSize(*size)
            node.EndModify(was)
    node.InvokeEvent(kind.PointEndInteractionEvent)


def count(event: Any) -> list[int]:
    calls = [0]
    event.connect(lambda: calls.__setitem__(0, calls[0] + 1))
    return calls


def rois(session: Any) -> list[Any]:
    nodes = session.scene.GetNodesByClass("vtkMRMLMarkupsROINode")
    return [nodes.GetItemAsObject(i) for i in range(nodes.GetNumberOfItems())]


# ---- the list ---------------------------------------------------------------------------------------------------------


def test_a_region_is_a_roi_node_in_the_folder_of_the_scan(session: Any) -> None:
    regions = session.regions
    region = regions.add("Knot")
    (node,) = rois(session)
    assert (node, node.GetName(), regions.chosen) == (regions.node("Knot"), "Knot", "Knot")
    np.testing.assert_allclose(bounds(node), [region.minimum, region.maximum], atol=NEAR)
    assert node in session.shown.folder.members
    assert not node.GetDisplayNode().GetRotationHandleVisibility()
    assert session.options["grid"] == regions.grid("Knot") == region.grid(regions.covered.spacing)
    regions.chosen = None
    assert (session.options["grid"], session.options["views"]) == (None, None)


def test_only_the_chosen_one_has_handles(session: Any) -> None:
    regions = session.regions
    regions.add("a")
    regions.add("b")
    a, b = regions.node("a"), regions.node("b")
    assert [bool(node.GetDisplayNode().GetHandlesInteractive()) for node in (a, b)] == [False, True]
    assert [bool(node.GetLocked()) for node in (a, b)] == [True, False]
    regions.chosen = "a"
    assert [bool(node.GetLocked()) for node in (a, b)] == [False, True]
    regions.display.editing = False
    assert [bool(node.GetLocked()) for node in (a, b)] == [True, True]
    session.opened.paused, regions.display.editing = True, True
    assert a.GetLocked()
    session.opened.paused = False
    assert not a.GetLocked()


def test_names(session: Any) -> None:
    regions = session.regions
    regions.add()
    regions.add()
    regions.duplicate("Region 1")
    assert (regions.names, regions.chosen) == (["Region 1", "Region 2", "Region 3"], "Region 3")
    regions.rename("Region 3", "  Knot ")
    regions.duplicate("Knot")
    assert regions.names == ["Region 1", "Region 2", "Knot", "Knot 2"]
    for call in (lambda: regions.rename("Knot", "Region 1"), lambda: regions.add("Knot"), lambda: regions.rename("Knot", " ")):
        with pytest.raises(InputError, match="name of a region"):
            call()
    for call in (lambda: regions["x"], lambda: regions.delete("x"), lambda: setattr(regions, "chosen", "x")):
        with pytest.raises(InputError, match="expected one of: Region 1, Region 2, Knot"):
            call()
    regions.delete("Knot 2")
    assert regions.chosen == "Knot"
    assert ("Knot" in regions, "x" in regions, len(regions)) == (True, False, 3)
    assert [node.GetName() for node in rois(session)] == regions.names


def test_values_that_cannot_be_change_nothing(session: Any) -> None:
    regions = session.regions
    regions.add("a")
    before, text = regions["a"], regions.undo_text
    for fields in ({"minimum": (math.nan, 0, 0)}, {"spacing": (0, 1, 1)}, {"views": (7, 3)}, {"minimum": (500, 500, 500)}, {"size": 3}):
        with pytest.raises(InputError, match="region 'a'"):
            regions.change("a", **fields)
    assert (regions["a"], regions.undo_text) == (before, text)


def test_without_a_scan(open_session: Any) -> None:
    with pytest.raises(InputError, match="press Load"):
        _ = open_session().regions


# ---- dragging ---------------------------------------------------------------------------------------------------------


def test_a_box_dragged_out_stays_inside_with_its_size(session: Any) -> None:
    regions = session.regions
    regions.add("a")
    node, covered, size = regions.node("a"), regions.covered, regions.node("a").GetSize()
    calls = count(regions.changed)
    x, y, z = node.GetCenter()
    drag(node, *[(x + 20.0 * step, y, z - 15.0 * step) for step in range(1, 41)])
    np.testing.assert_allclose(node.GetSize(), size, atol=NEAR)
    assert bounds(node)[1][0] == pytest.approx(covered.maximum[0], abs=NEAR)
    assert bounds(node)[0][2] == pytest.approx(covered.minimum[2], abs=NEAR)
    np.testing.assert_allclose(bounds(node), [regions["a"].minimum, regions["a"].maximum], atol=NEAR)
    assert 5 < calls[0] <= 41  # one for each move that moved something, and one for the end
    assert regions.undo_text == "drag"
    regions.undo()
    np.testing.assert_allclose(node.GetCenter(), (x, y, z), atol=NEAR)
    assert regions.undo_text == "add a"


def test_a_face_dragged_out_comes_to_the_limit(session: Any) -> None:
    regions = session.regions
    regions.add("a")
    node, covered = regions.node("a"), regions.covered
    x, y, z = node.GetCenter()
    a, b, c = node.GetSize()
    drag(node, (x + 500.0, y, z), size=(a + 1000.0, b, c))
    assert bounds(node)[0][0] == pytest.approx(x - a / 2, abs=NEAR)
    assert bounds(node)[1][0] == pytest.approx(covered.maximum[0], abs=NEAR)
    drag(node, (x, y, z), size=(1e-9, b, c))  # to no thickness at all: a voxel stays
    assert node.GetSize()[0] == pytest.approx(covered.spacing[0], abs=NEAR)
    regions.grid("a")


def test_it_is_inside_at_each_moment_of_a_drag(session: Any) -> None:
    regions = session.regions
    regions.add("a")
    node, covered = regions.node("a"), regions.covered
    kind = slicer.vtkMRMLMarkupsROINode
    node.InvokeEvent(kind.PointStartInteractionEvent)
    for step in range(30):
        node.SetCenter(30.0 * step, -20.0 * step, 250.0 + 40.0 * step)
        assert np.all(bounds(node)[0] >= np.array(covered.minimum) - NEAR)
        assert np.all(bounds(node)[1] <= np.array(covered.maximum) + NEAR)
    node.InvokeEvent(kind.PointEndInteractionEvent)


def test_events_do_not_call_each_other(session: Any) -> None:
    regions = session.regions
    regions.add("a")
    node = regions.node("a")
    events = [0]
    node.AddObserver(slicer.vtkMRMLMarkupsROINode.PointModifiedEvent, lambda *_: events.__setitem__(0, events[0] + 1))
    node.SetCenter(5000.0, 5000.0, 5000.0)
    assert events[0] <= 4  # its own, and those of being put back
    before = events[0]
    node.Modified()
    regions.display.editing = False
    assert events[0] == before


def test_it_is_not_rotated_and_below_no_transform(session: Any) -> None:
    regions = session.regions
    region = regions.add("a")
    node = regions.node("a")
    turn = vtk.vtkTransform()
    turn.RotateZ(30.0)
    turn.Translate(10.0, 0.0, 0.0)
    node.ApplyTransformMatrix(turn.GetMatrix())
    np.testing.assert_allclose(bounds(node), [region.minimum, region.maximum], atol=NEAR)
    assert regions["a"] == region
    transform = session.scene.AddNewNodeByClass("vtkMRMLLinearTransformNode")
    transform.SetMatrixTransformToParent(turn.GetMatrix())
    node.SetAndObserveTransformNodeID(transform.GetID())
    assert regions["a"] == region
    regions.chosen = None
    assert node.GetTransformNodeID() is None
    np.testing.assert_allclose(bounds(node), [region.minimum, region.maximum], atol=NEAR)
    assert regions.undo_text == "add a"


def test_what_others_do_in_the_scene(session: Any) -> None:
    regions = session.regions
    regions.add("a")
    regions.add("b")
    regions.node("a").SetName("Knot")
    assert regions.names == ["Knot", "b"]
    regions.node("b").SetName("Knot")
    assert (regions.names, regions.node("Knot 2").GetName()) == (["Knot", "Knot 2"], "Knot 2")
    regions.undo()
    assert regions.names == ["Knot", "b"]
    session.scene.RemoveNode(regions.node("b"))
    assert (regions.names, regions.chosen) == (["Knot"], None)
    regions.undo()
    assert (regions.names, len(rois(session))) == (["Knot", "b"], 2)


# ---- views ------------------------------------------------------------------------------------------------------------


def test_views_follow_the_box_until_they_are_set(session: Any) -> None:
    regions = session.regions
    region = regions.add("a")
    first = regions.views("a")
    assert regions.options["views"] is None  # the method takes what it needs
    up = (0.0, 0.0, 20.0)
    regions.change("a", minimum=tuple(np.add(region.minimum, up)), maximum=tuple(np.add(region.maximum, up)))
    second = regions.views("a")
    assert (first[0] < second[0], first[1] < second[1]) == (True, True)
    regions.change("a", views=(3, 100_000))
    assert regions.views("a") == (3, session.scan.geometry.views)
    assert regions.options["views"] == slice(3, session.scan.geometry.views)
    regions.change("a", minimum=region.minimum)
    assert regions.views("a")[0] == 3
    regions.change("a", views=None)
    assert regions.views("a") != (3, session.scan.geometry.views)


def test_first_and_last_position_are_shown_while_it_is_edited(session: Any) -> None:
    regions = session.regions
    assert regions.display.view_range is None
    regions.add("a")
    geometry, model = session.scan.geometry, regions.display.view_range
    assert model.visible
    for views in ((10, 50), (20, 21)):
        regions.change("a", views=views)
        points = model.points
        for view in (views[0], views[1] - 1):
            corners = geometry.detector_mesh(view, columns=1).points.reshape(-1, 3)
            for place in (geometry.sources(view)[0], *corners):
                assert np.min(np.linalg.norm(points - place, axis=1)) < 1e-6
    assert model.node in session.shown.folder.members
    for hide, show in (
        (lambda: setattr(regions.display, "editing", False), lambda: setattr(regions.display, "editing", True)),
        (lambda: setattr(regions.display, "positions", False), lambda: setattr(regions.display, "positions", True)),
        (lambda: setattr(regions, "chosen", None), lambda: setattr(regions, "chosen", "a")),
    ):
        hide()
        assert not model.visible
        show()
        assert model.visible
    session.scene.RemoveNode(model.node)
    regions.change("a", views=(1, 5))
    assert regions.display.view_range.alive


# ---- undo -------------------------------------------------------------------------------------------------------------


def test_changes_of_the_same_thing_that_follow_fast_are_one_step() -> None:
    now = [0.0]
    history = History(0, clock=lambda: now[0])
    for state in (1, 2, 3):
        now[0] += 0.5
        history.put(state, "slide", merge="x")
    assert (history.undo(), history.state, history.undo(), history.redo(), history.state) == (True, 0, False, True, 3)
    now[0] += 0.1
    history.put(4, "slide", merge="x")  # after an undo it is a step of its own
    now[0] += 2.0
    history.put(5, "slide", merge="x")
    history.put(6, "slide", merge="y")
    assert [history.undo() and history.state for _ in range(4)] == [5, 4, 3, 0]
    assert (history.redo_text, history.undo_text) == ("slide", "")


STEPS = st.lists(
    st.one_of(
        st.tuples(st.sampled_from(["add", "duplicate", "delete", "undo", "redo", "choose", "remove node"]), st.integers(0, 3)),
        st.tuples(st.sampled_from(["move", "drag", "rename", "views", "spacing"]), st.integers(0, 300)),
    ),
    max_size=14,
)


def apply(session: Any, step: str, number: int) -> None:
    regions = session.regions
    names = regions.names
    name = names[number % len(names)] if names else None
    if step == "add":
        regions.add()
    elif step in ("undo", "redo"):
        getattr(regions, step)()
    elif name is None:
        return
    elif step in ("duplicate", "delete"):
        getattr(regions, step)(name)
    elif step == "choose":
        regions.chosen = name
    elif step == "remove node":
        session.scene.RemoveNode(regions.node(name))
    elif step == "move":
        regions.change(name, minimum=(-float(number) - 1.0, -30.0, 230.0), maximum=(20.0, 30.0, 300.0))
    elif step == "drag":
        drag(regions.node(name), (0.0, 0.0, 250.0), (float(number), 0.0, 250.0))
    elif step == "rename":
        regions.node(name).SetName(f"Name {number}")
    elif step == "views":
        regions.change(name, views=(number % 100, number % 100 + 20))
    else:
        regions.change(name, spacing=(1.0 + number, 2.0, 2.0))


def seen(session: Any) -> list[tuple[Any, ...]]:
    """The regions, once the scene is known to show the same."""
    regions = session.regions
    assert sorted(node.GetName() for node in rois(session)) == sorted(regions.names)
    for region in regions:
        np.testing.assert_allclose(bounds(regions.node(region.name)), [region.minimum, region.maximum], atol=NEAR)
    return list(regions)


@settings(max_examples=25, deadline=None, derandomize=True)
@given(steps=STEPS)
def test_everything_can_be_undone_and_done_again(steps: list[tuple[str, int]]) -> None:
    session = _shared()
    while session.regions.names:
        session.regions.delete(session.regions.names[0])
    session.regions._history._done.clear()
    for step, number in steps:
        apply(session, step, number)
        seen(session)
    end, states = seen(session), []
    while session.regions.undo_text:
        states.append(seen(session))
        assert session.regions.undo()
    assert seen(session) == []
    for state in reversed(states):
        assert session.regions.redo()
        assert seen(session) == state
    while session.regions.redo():  # where the last steps were undos
        pass
    assert len(states) == 0 or states[0] == end


_SHARED: list[Any] = []


@pytest.fixture(autouse=True, scope="module")
def _one_session(sample: Path) -> Any:
    from MITOReconstructionLib.scene import new_scene
    from MITOReconstructionLib.session.session import Session

    session = Session(new_scene())
    session.load(sample)
    _SHARED.append(session)
    yield
    _SHARED.clear()
    session.close()
    session.scene.Clear(1)


def _shared() -> Any:
    return _SHARED[0]


# ---- files ------------------------------------------------------------------------------------------------------------


def test_saved_and_read(session: Any, tmp_path: Path) -> None:
    regions = session.regions
    regions.add("Knot", spacing=(1.0, 1.0, 2.0))
    regions.add("b", (-10, -10, 250), (10, 10, 270), views=(5, 60))
    before = list(regions)
    regions.save(tmp_path / "a.json")
    assert regions.load(tmp_path / "a.json") == ["Knot 2", "b 2"]
    assert [region.change(name=old.name) for region, old in zip(list(regions)[2:], before, strict=True)] == before
    regions.undo()
    assert list(regions) == before
    (tmp_path / "out.json").write_text('[{"name": "far", "minimum": [-900, 0, 0], "maximum": [900, 40, 9000], "views": [100, 900]}]')
    assert regions.load(tmp_path / "out.json") == ["far"]
    assert (regions["far"].maximum, regions["far"].views) == ((regions.covered.maximum[0], 40.0, regions.covered.maximum[2]), (100, 134))
    (tmp_path / "bad.json").write_text('[{"name": "a"}]')
    with pytest.raises(InputError, match=r"bad\.json: region 0"):
        regions.load(tmp_path / "bad.json")
    (tmp_path / "other.json").write_text('[{"name": "a", "minimum": [0, 0, 900], "maximum": [10, 10, 950]}]')
    with pytest.raises(InputError, match=r"other\.json: region 'a': expected a box that reaches into what the scan covers, \(-225.7"):
        regions.load(tmp_path / "other.json")
    assert regions.names == ["Knot", "b", "far"]
