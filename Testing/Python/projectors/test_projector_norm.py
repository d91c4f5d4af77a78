"""The norm of A by power iteration."""

from __future__ import annotations

import numpy as np
import pytest

from MITOReconstructionLib.errors import InputError
from MITOReconstructionLib.geometry import Detector, ScanGeometry, VolumeGrid
from MITOReconstructionLib.projectors import norm
from MITOReconstructionLib.projectors.backends import choose_backend
from MITOReconstructionLib.projectors.cpu import forward
from MITOReconstructionLib.projectors.norm import norm_squared

GRID = VolumeGrid((-60, -60, -12), (60, 60, 12), (6, 5, 3))
GEOMETRY = ScanGeometry(np.arange(7) * 0.9, np.arange(7) - 3.0, 503.0, 0.0, Detector(16, 5, -0.13, 0.13, -15.0, 15.0, 503.0))


def test_it_is_the_largest_singular_value_squared() -> None:
    columns = [forward(unit.reshape(GRID.shape), GRID, GEOMETRY).ravel() for unit in np.eye(GRID.size)]
    largest = np.linalg.svd(np.array(columns), compute_uv=False)[0] ** 2
    assert norm_squared(GEOMETRY, GRID, "cpu", limit=None, tolerance=1e-6, iterations=200) == pytest.approx(largest, rel=1e-4)
    assert norm_squared(GEOMETRY, GRID, "cpu") == pytest.approx(largest, rel=5e-3)


def test_a_large_problem_is_estimated_from_a_small_one(geometry: ScanGeometry) -> None:
    grid = VolumeGrid((-80, -80, -40), (80, 80, 40), (48, 48, 24))
    whole = norm_squared(geometry, grid, "cpu", limit=None)
    assert 0.93 * whole <= norm_squared(geometry, grid, "cpu", limit=20_000) <= 1.01 * whole


def test_fewer_views_have_a_smaller_norm_and_no_views_none() -> None:
    part, whole = norm_squared(GEOMETRY, GRID, "cpu", views=slice(0, 3)), norm_squared(GEOMETRY, GRID, "cpu")
    assert 0.0 < part < whole
    assert norm_squared(GEOMETRY, GRID, "cpu", views=slice(0, 0)) == 0.0
    outside = VolumeGrid((-60, -60, 900), (60, 60, 924), (6, 5, 3))
    assert norm_squared(GEOMETRY, outside, "cpu") == 0.0


def test_it_is_computed_once(monkeypatch: pytest.MonkeyPatch) -> None:
    calls = []
    compute = norm._power_iteration
    monkeypatch.setattr(norm, "_power_iteration", lambda *a: calls.append(1) or compute(*a))
    monkeypatch.setattr(norm, "_known", type(norm._known)())
    backend = choose_backend("cpu")
    first = norm_squared(GEOMETRY, GRID, backend)
    again = norm_squared(GEOMETRY.select(slice(None)), VolumeGrid(GRID.minimum, GRID.maximum, GRID.shape), "cpu")
    assert first == again
    assert len(calls) == 1
    norm_squared(GEOMETRY, GRID, backend, seed=5)
    assert len(calls) == 2


@pytest.mark.parametrize("name", ["iterations", "limit"])
def test_senseless_limits_are_refused(name: str) -> None:
    with pytest.raises(InputError, match=f"{name}: expected at least 1; found 0"):
        norm_squared(GEOMETRY, GRID, "cpu", **{name: 0})
