"""The plane of a slice view: where it lies, how fine it is, and that it stays on its lattice."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

from MITOReconstructionLib.geometry import VolumeGrid
from MITOReconstructionLib.scene.arrangement import Arrangement
from MITOReconstructionLib.scene.host import new_scene, vtk
from MITOReconstructionLib.scene.slice_plane import cut_of_box, plane_of_view

GRID = VolumeGrid((-80.0, -200.0, 100.0), (130.0, 20.0, 460.0), (420, 440, 720))


@pytest.fixture
def views() -> Iterator[dict[str, Any]]:
    arrangement = Arrangement(new_scene())
    nodes = {name: logic.GetSliceNode() for name, logic in arrangement.slices.items()}
    for node in nodes.values():
        node.SetDimensions(600, 500, 1)
        node.SetFieldOfView(600.0, 500.0, 1.0)
        node.JumpSlice(25.0, -90.0, 280.25)
        node.SetXYZOrigin(0.0, 0.0, 0.0)
    yield nodes
    arrangement.close()


def on_plane(view: Any, points: np.ndarray) -> np.ndarray:
    """How far points are from the view's plane in mm."""
    matrix = view.GetSliceToRAS()
    normal = np.array([matrix.GetElement(row, 2) for row in range(3)])
    middle = np.array([matrix.GetElement(row, 3) for row in range(3)])
    return np.abs((points - middle) @ normal)


@pytest.mark.parametrize("name", ["Red", "Green", "Yellow"])
def test_it_lies_on_the_view_within_the_box_and_on_voxels(views: dict[str, Any], name: str) -> None:
    plane = plane_of_view(views[name], GRID)
    assert plane is not None
    points = plane.positions().reshape(-1, 3)
    assert on_plane(views[name], points).max() < 1e-9
    assert np.all(points >= np.array(GRID.minimum) - 1e-6)
    assert np.all(points <= np.array(GRID.maximum) + 1e-6)
    normal = int(np.argmax(np.abs(plane.normal)))
    voxels = (points - np.array(GRID.origin)) / np.array(GRID.spacing)
    for axis in {0, 1, 2} - {normal}:
        np.testing.assert_allclose(voxels[:, axis], np.round(voxels[:, axis]), atol=1e-6)


def test_what_is_seen_is_covered(views: dict[str, Any]) -> None:
    plane = plane_of_view(views["Red"], GRID)
    assert plane is not None
    low, high = plane.bounds()
    np.testing.assert_allclose(low[:2], GRID.minimum[:2], atol=1.01)
    np.testing.assert_allclose(high[:2], GRID.maximum[:2], atol=1.01)


@pytest.mark.parametrize(("field", "side"), [(600.0, 1.0), (1100.0, 1.0), (2400.0, 4.0), (290.0, 0.25), (310.0, 0.5), (60.0, 0.25)])
def test_pixels_are_as_fine_as_the_view_shows_and_no_finer(views: dict[str, Any], field: float, side: float) -> None:
    view = views["Red"]
    view.SetFieldOfView(field, field * 500 / 600, 1.0)
    plane = plane_of_view(view, GRID)
    assert plane is not None
    assert plane.spacing == (side, side)
    assert side <= field / 600 or side == 0.25


def test_panning_keeps_to_the_lattice(views: dict[str, Any]) -> None:
    view = views["Red"]
    view.SetFieldOfView(100.0, 80.0, 1.0)
    before = plane_of_view(view, GRID)
    view.JumpSlice(31.37, -77.77, 280.25)
    after = plane_of_view(view, GRID)
    assert before is not None
    assert after is not None
    assert before.spacing == after.spacing
    apart = (np.array(after.origin) - np.array(before.origin))[:2] / before.spacing[0]
    np.testing.assert_allclose(apart, np.round(apart), atol=1e-6)


def test_large_views_have_wider_pixels(views: dict[str, Any]) -> None:
    plane = plane_of_view(views["Green"], GRID, most=128)
    assert plane is not None
    assert 64 < max(plane.shape) <= 128


def test_outside_of_the_box_there_is_none(views: dict[str, Any]) -> None:
    views["Red"].SetSliceOffset(470.0)
    assert plane_of_view(views["Red"], GRID) is None
    views["Red"].SetSliceOffset(459.9)
    assert plane_of_view(views["Red"], GRID) is not None
    views["Red"].JumpSlice(900.0, 900.0, 300.0)
    views["Red"].SetXYZOrigin(900.0, 0.0, 0.0)
    assert plane_of_view(views["Red"], GRID) is None


def test_a_tilted_view(views: dict[str, Any]) -> None:
    turn = vtk.vtkTransform()
    turn.Translate(25.0, -90.0, 280.0)
    turn.RotateX(30.0)
    turn.RotateY(20.0)
    view = views["Yellow"]
    view.GetSliceToRAS().DeepCopy(turn.GetMatrix())
    view.UpdateMatrices()
    plane = plane_of_view(view, GRID)
    assert plane is not None
    assert on_plane(view, plane.positions().reshape(-1, 3)).max() < 1e-9
    assert abs(plane.normal[0]) > 0.1
    assert plane.pixels > 10_000


def test_the_cut_of_a_box() -> None:
    through = cut_of_box(np.array([0.0, 0, 200]), np.array([0.0, 0, 1]), GRID)
    assert {tuple(point) for point in through} == {(x, y, 200.0) for x in (-80.0, 130.0) for y in (-200.0, 20.0)}
    assert len(cut_of_box(np.array([0.0, 0, 99]), np.array([0.0, 0, 1]), GRID)) == 0
