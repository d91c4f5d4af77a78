"""The proximal map of total variation."""

from __future__ import annotations

import numpy as np
import pytest

from MITOReconstructionLib import VolumeGrid
from MITOReconstructionLib.methods.total_variation import Denoiser

GRID = VolumeGrid((0, 0, 0), (12, 10, 16), (12, 10, 8))


def objective(x: np.ndarray, v: np.ndarray, weight: float) -> float:
    scales = np.array([1.0, 1.0, 0.5])
    square = np.zeros(x.shape)
    for axis in range(3):
        last = np.take(x, [-1], axis=axis).astype(np.float64)
        square += (scales[axis] * np.diff(x.astype(np.float64), axis=axis, append=last)) ** 2
    return 0.5 * float(np.sum((x - v) ** 2)) + weight * float(np.sqrt(square).sum())


def test_no_neighbour_is_better() -> None:
    rng = np.random.default_rng(1)
    v = rng.normal(0.3, 0.5, GRID.shape).astype(np.float32)
    x = np.empty_like(v)
    Denoiser(GRID, non_negative=True).denoise(v, 0.2, x, 3000)
    assert x.min() == 0.0
    best = objective(x, v, 0.2)
    for _ in range(50):
        other = np.maximum(x + rng.normal(0, 10 ** rng.uniform(-3, -1), x.shape).astype(np.float32), 0)
        assert objective(other, v, 0.2) > best


def test_two_flat_halves_come_nearer_by_what_theory_says() -> None:
    """Each half of a step moves by weight times the face's area over the half's volume."""
    v = np.zeros(GRID.shape, np.float32)
    v[6:] = 1.0
    x = np.empty_like(v)
    Denoiser(GRID, non_negative=False).denoise(v, 0.3, x, 2000)
    np.testing.assert_allclose(x[:6], 0.3 / 6, atol=1e-3)
    np.testing.assert_allclose(x[6:], 1 - 0.3 / 6, atol=1e-3)


@pytest.mark.parametrize("bound", [True, False])
def test_without_weight_it_only_clips(bound: bool) -> None:
    v = np.linspace(-1, 1, GRID.size, dtype=np.float32).reshape(GRID.shape)
    x = np.empty_like(v)
    Denoiser(GRID, non_negative=bound).denoise(v, 0.0, x, 5)
    np.testing.assert_array_equal(x, np.maximum(v, 0) if bound else v)
