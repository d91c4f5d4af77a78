"""Bounds are outer edges, centres half a voxel inside; a spacing that is given stays."""

from __future__ import annotations

import json
import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from MITOReconstructionLib.errors import InputError
from MITOReconstructionLib.geometry import VolumeGrid

QUICK = settings(max_examples=50, deadline=None, derandomize=True)
GRID = VolumeGrid((-80, -200, 92), (130, 20, 462), (420, 440, 37))


def grids():
    edge, length, count = st.floats(-1e4, 1e4), st.floats(1e-2, 1e4), st.integers(1, 3000)
    axis = st.tuples(edge, length, count)
    return st.tuples(axis, axis, axis).map(
        lambda axes: VolumeGrid(tuple(a for a, _, _ in axes), tuple(a + b for a, b, _ in axes), tuple(n for _, _, n in axes))
    )


def test_edges_centres_origin_and_size():
    assert GRID.spacing == (0.5, 0.5, 10.0)
    assert GRID.origin == (-79.75, -199.75, 97.0)
    assert GRID.size == 420 * 440 * 37
    assert GRID.nbytes == 4 * GRID.size
    assert GRID.centres(2)[[0, 1, -1]].tolist() == [97.0, 107.0, 457.0]
    assert GRID.centres(0).shape == (420,)
    assert GRID.centres(1)[-1] == 19.75


@QUICK
@given(grids())
def test_centres_lie_half_a_voxel_inside_the_edges(grid):
    for axis in range(3):
        centres, side = grid.centres(axis), grid.spacing[axis]
        tolerance = 1e-9 * (abs(grid.minimum[axis]) + abs(grid.maximum[axis]))
        assert len(centres) == grid.shape[axis]
        assert centres[0] == pytest.approx(grid.origin[axis], abs=tolerance)
        assert centres[0] - side / 2 == pytest.approx(grid.minimum[axis], abs=tolerance)
        assert centres[-1] + side / 2 == pytest.approx(grid.maximum[axis], abs=tolerance)


@QUICK
@given(low=st.floats(-500, 500), extent=st.floats(0.01, 500), spacing=st.floats(0.05, 20))
def test_a_spacing_is_kept_and_the_maximum_moves_by_at_most_half_a_voxel(low, extent, spacing):
    grid = VolumeGrid.from_bounds((low, 0, 0), (low + extent, 8, 8), spacing=(spacing, 2, 4))
    assert grid.minimum == (low, 0, 0)
    assert grid.spacing == pytest.approx((spacing, 2, 4), rel=1e-9)
    moved = abs(grid.maximum[0] - (low + extent))
    assert moved <= spacing / 2 + 1e-9 or grid.shape[0] == 1
    assert grid.shape[1:] == (4, 2)


def test_the_documented_example_and_a_shape():
    grid = VolumeGrid.from_bounds(minimum=(-80, -200, 100), maximum=(130, 20, 200), spacing=0.5)
    assert grid == VolumeGrid((-80, -200, 100), (130, 20, 200), (420, 440, 200))
    assert VolumeGrid.from_bounds(np.zeros(3), np.ones(3), shape=np.array([1, 2, 4])).spacing == (1.0, 0.5, 0.25)
    assert VolumeGrid.from_bounds((0, 0, 0), (1, 1, 1), spacing=np.float32(0.5)).shape == (2, 2, 2)
    assert VolumeGrid.from_bounds((0, 0, 0), (1, 1, 1), spacing=3.0).maximum == (3.0, 3.0, 3.0)


@QUICK
@given(grids(), st.data())
def test_a_region_has_the_centres_of_its_grid(grid, data):
    first = [data.draw(st.integers(0, n - 1)) for n in grid.shape]
    last = [data.draw(st.integers(a + 1, n)) for a, n in zip(first, grid.shape, strict=True)]
    region = grid.region(first, last)
    assert region.shape == tuple(b - a for a, b in zip(first, last, strict=True))
    for axis in range(3):
        scale = abs(grid.minimum[axis]) + abs(grid.maximum[axis])
        assert region.centres(axis) == pytest.approx(grid.centres(axis)[first[axis] : last[axis]], abs=1e-9 * scale)


@pytest.mark.parametrize(
    ("first", "last", "text"),
    [
        ((0, 0, 0), (421, 1, 1), "voxel range along x: expected a non-empty range within 0 to 420; found 0 to 421"),
        ((0, -1, 0), (1, 1, 1), "voxel range along y: expected a non-empty range within 0 to 440; found -1 to 1"),
        ((0, 0, 5), (1, 1, 5), "voxel range along z: expected a non-empty range within 0 to 37; found 5 to 5"),
        ((0, 0), (1, 1), "voxel range: expected twice three whole numbers; found (0, 0) to (1, 1)"),
        ((0.5, 0, 0), (1.5, 1, 1), "voxel range: expected twice three whole numbers; found (0.5, 0, 0) to (1.5, 1, 1)"),
        (0, 1, "voxel range: expected twice three whole numbers; found 0 to 1"),
    ],
)
def test_ranges_of_voxels_that_are_none(first, last, text):
    with pytest.raises(InputError) as caught:
        GRID.region(first, last)
    assert text in str(caught.value)


@QUICK
@given(grids())
def test_a_grid_comes_back_from_json_pickle_and_its_repr(grid):
    assert VolumeGrid.from_dict(json.loads(json.dumps(grid.to_dict()))) == grid
    assert pickle.loads(pickle.dumps(grid)) == grid
    assert eval(repr(grid), {"VolumeGrid": VolumeGrid}) == grid
    assert hash(VolumeGrid(list(grid.minimum), np.array(grid.maximum), list(grid.shape))) == hash(grid)


@pytest.mark.parametrize(
    "shape", [(4, 4), (4, 4, 0), (4, 4, -1), (4, 4, 1.5), (4.0, 4, 4), "444", 4, None, (True, 1, 1), (4, 4, math.nan), (4, 4, "4")]
)
@pytest.mark.parametrize(
    "make",
    [
        lambda s: VolumeGrid((0, 0, 0), (4, 4, 4), s),
        lambda s: VolumeGrid.from_dict({"minimum": [0, 0, 0], "maximum": [4, 4, 4], "shape": s}),
    ],
)
def test_shapes_that_are_none(shape, make):
    with pytest.raises(InputError) as caught:
        make(shape)
    assert (
        str(caught.value)
        == f"grid shape: expected three whole numbers of at least 1; found {shape!r}. Give the voxel counts along x, y, z."
    )


@pytest.mark.parametrize(
    "bound", [(0, 0), (0, 0, math.nan), (0, 0, math.inf), "123", ("1", "2", "3"), 5, None, (0, 0, None), (0, 0, 1j), {}]
)
@pytest.mark.parametrize("name", ["minimum", "maximum"])
def test_bounds_that_are_none(bound, name):
    bounds = {"minimum": (0, 0, 0), "maximum": (4, 4, 4), name: bound}
    text = f"grid {name}: expected three finite lengths in mm; found {bound!r}. Give one number for each of x, y, z."
    for make in (lambda: VolumeGrid(**bounds, shape=(4, 4, 4)), lambda: VolumeGrid.from_bounds(**bounds, spacing=1.0)):
        with pytest.raises(InputError) as caught:
            make()
        assert str(caught.value) == text


@pytest.mark.parametrize("how", [{"spacing": 1.0}, {"shape": (4, 4, 4)}])
@pytest.mark.parametrize("high", [0.0, -4.0])
def test_bounds_that_do_not_rise(how, high):
    with pytest.raises(InputError, match=rf"grid bounds along y: expected a minimum below the maximum; found 0 to {high:g} mm"):
        VolumeGrid.from_bounds((0, 0, 0), (4, high, 4), **how)


@pytest.mark.parametrize(("low", "high"), [(0.0, 5e-324), (-1.7e308, 1.7e308)])
def test_extents_beyond_floating_point(low, high):
    with pytest.raises(InputError, match=r"grid bounds along z: expected an extent that 4 voxels divide; found"):
        VolumeGrid((0, 0, low), (1, 1, high), (1, 1, 4))


@pytest.mark.parametrize("spacing", [0.0, -1.0, math.nan, math.inf, "1", (1, 2), (1, 2, 0), (1, 1, math.nan), 5e-324, 1j])
def test_spacings_that_are_none(spacing):
    with pytest.raises(InputError, match=r"^grid spacing: expected (three finite|positive) lengths in mm; found .+\. Give "):
        VolumeGrid.from_bounds((0, 0, 0), (4, 4, 4), spacing=spacing)


@pytest.mark.parametrize(("how", "found"), [({}, "neither"), ({"spacing": 1.0, "shape": (4, 4, 4)}, "both")])
def test_either_a_spacing_or_a_shape(how, found):
    with pytest.raises(InputError, match=f"grid: expected either spacing or shape; found {found}"):
        VolumeGrid.from_bounds((0, 0, 0), (4, 4, 4), **how)


def test_a_missing_entry_is_named():
    with pytest.raises(InputError, match="grid: expected an entry 'shape'; found no such entry"):
        VolumeGrid.from_dict({"minimum": [0, 0, 0], "maximum": [1, 1, 1]})


def test_a_grid_is_frozen():
    with pytest.raises(AttributeError):
        GRID.shape = (1, 1, 1)


@pytest.mark.parametrize("given", [{"spacing": 1e-12}, {"spacing": 1e-300}, {"shape": (10**400, 1, 1)}])
def test_more_voxels_than_there_can_be(given):
    with pytest.raises(InputError, match=r"grid shape: expected at most 2147483647 voxels along an axis; .*Choose larger voxels"):
        VolumeGrid.from_bounds((0, 0, 0), (1, 1, 1), **given)
