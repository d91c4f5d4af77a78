"""The CPU projector is linear, its back projection is its transpose, and both can be cut in pieces."""

from __future__ import annotations

import numpy as np
import pytest

from MITOReconstructionLib.geometry import ScanGeometry, VolumeGrid
from MITOReconstructionLib.projectors.cpu import back, forward


def shape_of(geometry: ScanGeometry) -> tuple[int, int, int]:
    return geometry.views, geometry.detector.columns, geometry.detector.rows


@pytest.mark.parametrize("dtype", [np.float32, np.float64])
@pytest.mark.parametrize("mean", [0.5, 0.0])
def test_back_is_the_transpose_of_forward(geometry: ScanGeometry, grid: VolumeGrid, dtype: type, mean: float) -> None:
    rng = np.random.default_rng(20)
    x = (rng.random(grid.shape) - 0.5 + mean).astype(dtype)
    y = (rng.random(shape_of(geometry)) - 0.5 + mean).astype(dtype)
    ax, aty = forward(x, grid, geometry), back(y, grid, geometry)
    left = float(np.vdot(ax.astype(np.float64), y))
    right = float(np.vdot(x, aty.astype(np.float64)))
    scale = abs(left) if mean else float(np.linalg.norm(ax) * np.linalg.norm(y)) / np.sqrt(y.size)
    assert np.isfinite(ax).all()
    assert np.isfinite(aty).all()
    assert np.any(ax)
    assert abs(left - right) <= (1e-6 if mean else 1e-5) * scale


def test_single_pixels_and_voxels_agree(geometry: ScanGeometry, grid: VolumeGrid) -> None:
    rng = np.random.default_rng(3)
    x, y = np.zeros(grid.shape, np.float32), np.zeros(shape_of(geometry), np.float32)
    y[geometry.views // 2, geometry.detector.columns // 2 - 3 : geometry.detector.columns // 2 + 3, 8:14] = 1.0
    spot = back(y, grid, geometry)
    hit = np.argwhere(spot > 0.2 * spot.max()) if spot.any() else np.zeros((1, 3), dtype=int)
    chosen = tuple(hit[rng.integers(len(hit))])
    x[chosen] = 1.0
    assert float(np.vdot(forward(x, grid, geometry), y)) == pytest.approx(float(spot[chosen]), rel=2e-5, abs=1e-7)


def test_forward_is_linear(centred: ScanGeometry, small: VolumeGrid) -> None:
    rng = np.random.default_rng(1)
    a, b = rng.random((2, *small.shape))
    both = forward(2.0 * a - 3.0 * b, small, centred)
    apart = 2.0 * forward(a, small, centred) - 3.0 * forward(b, small, centred)
    np.testing.assert_allclose(both, apart, atol=1e-5 * np.abs(apart).max())


@pytest.mark.parametrize("views", [slice(3, 9), 5, [4, 1, 12, 1], np.arange(16) % 3 == 0, slice(0, 0)])
def test_a_selection_of_views_is_that_part_of_all(centred: ScanGeometry, small: VolumeGrid, views: object) -> None:
    x = np.random.default_rng(2).random(small.shape, dtype=np.float32)
    whole = forward(x, small, centred)
    index = centred.view_indices(views)
    part = forward(x, small, centred, views=views)
    np.testing.assert_array_equal(part, whole[index])
    returned = back(part, small, centred, views=views)
    summed = sum((back(whole[i : i + 1], small, centred, views=i) for i in index), np.zeros(small.shape, np.float32))
    np.testing.assert_allclose(returned, summed, atol=2e-6 * max(1e-30, float(returned.max())))


def test_blocks_of_views_add_up(centred: ScanGeometry, small: VolumeGrid) -> None:
    y = np.random.default_rng(4).random(shape_of(centred), dtype=np.float32)
    whole = back(y, small, centred)
    parts = np.zeros_like(whole)
    for first in range(0, centred.views, 5):
        views = slice(first, first + 5)
        assert back(y[views], small, centred, parts, views=views, accumulate=True) is not None
    np.testing.assert_allclose(parts, whole, rtol=1e-5, atol=1e-6 * whole.max())


@pytest.mark.parametrize("axis", [0, 2])
def test_slabs_add_up(geometry: ScanGeometry, axis: int) -> None:
    grid = VolumeGrid((-50, -60, -30), (60, 50, 30), (20, 24, 31))
    x = np.random.default_rng(6).random(grid.shape, dtype=np.float32)
    y = forward(x, grid, geometry)
    total = np.zeros_like(y)
    slabs = []
    for low, high in ((0, 7), (7, 8), (8, grid.shape[axis])):
        first, last = [0, 0, 0], list(grid.shape)
        first[axis], last[axis] = low, high
        slab = grid.region(first, last)
        forward(x[tuple(slice(a, b) for a, b in zip(first, last, strict=True))], slab, geometry, total, accumulate=True)
        slabs.append(back(y, slab, geometry))
    np.testing.assert_allclose(total, y, atol=1e-5 * y.max())
    whole = back(y, grid, geometry)
    np.testing.assert_allclose(np.concatenate(slabs, axis=axis), whole, rtol=1e-5, atol=1e-5 * whole.max())


def test_one_turn_and_one_pitch_later_the_projections_are_the_same() -> None:
    from projector_cases import CENTRED

    per_turn, turns, pitch = 24, 2, 40.0
    count = per_turn * turns
    angles = np.arange(count) * 2 * np.pi / per_turn
    geometry = ScanGeometry(angles, np.arange(count) * pitch / per_turn, 503.0, 0.0, CENTRED)
    grid = VolumeGrid((-40, -30, -10), (40, 50, 20), (16, 16, 12))
    above = VolumeGrid((-40, -30, -10 + pitch), (40, 50, 20 + pitch), grid.shape)
    x = np.random.default_rng(7).random(grid.shape)
    here = forward(x, grid, geometry, views=slice(0, per_turn))
    there = forward(x, above, geometry, views=slice(per_turn, None))
    np.testing.assert_allclose(here, there, atol=1e-5 * here.max())


def test_few_views_are_split_by_columns_without_a_trace(centred: ScanGeometry, small: VolumeGrid, monkeypatch: pytest.MonkeyPatch) -> None:
    x = np.random.default_rng(8).random(small.shape)
    whole = forward(x, small, centred)[:1]
    monkeypatch.setattr("MITOReconstructionLib.projectors.cpu.numba.get_num_threads", lambda: 7)
    np.testing.assert_array_equal(forward(x, small, centred, views=0), whole)
