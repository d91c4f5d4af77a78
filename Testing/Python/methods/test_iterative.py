"""Adjoint and Landweber."""

from __future__ import annotations

import itertools

import numpy as np
import pytest

from MITOReconstructionLib import InputError, Scan, VolumeGrid, mito_geometry, reconstruct
from MITOReconstructionLib.methods import blocks
from MITOReconstructionLib.projectors.cpu import back
from MITOReconstructionLib.scan.line_integrals import project, sample
from MITOReconstructionLib.scan.shapes import Ellipsoid, Phantom

BALL = Phantom("ball", (Ellipsoid((10.0, -10.0, 4.0), (50.0, 45.0, 30.0), 0.02), Ellipsoid((20.0, 0.0, 4.0), (12.0, 10.0, 12.0), -0.01)))
GRID = VolumeGrid.from_bounds((-60, -66, -36), (72, 48, 42), spacing=6.0)


@pytest.fixture(scope="module")
def scan() -> Scan:
    geometry = mito_geometry(12, turns=2.0, centre=0.0)
    return Scan.from_arrays(project(BALL, geometry, subrays=(2, 2)), geometry)


def test_adjoint_is_the_transpose_of_the_projections(scan: Scan, monkeypatch: pytest.MonkeyPatch) -> None:
    expected = back(np.asarray(scan.projections), GRID, scan.geometry)
    monkeypatch.setattr(blocks, "BLOCK_BYTES", 40 * 4 * scan.geometry.detector.columns * scan.geometry.detector.rows)
    volume = reconstruct(scan, grid=GRID, method="adjoint")
    np.testing.assert_allclose(volume.array, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())
    assert volume.provenance["unit"] == "mm"


def test_adjoint_of_chosen_views(scan: Scan) -> None:
    chosen = np.array([3, 4, 5, 40, 17])
    expected = back(np.asarray(scan.projections)[chosen], GRID, scan.geometry.select(chosen))
    volume = reconstruct(scan, grid=GRID, method="adjoint", views=chosen)
    np.testing.assert_allclose(volume.array, expected, rtol=1e-4, atol=1e-4 * np.abs(expected).max())
    assert volume.provenance["views"] == "3,4,5,40,17"


def test_landweber_lowers_residual_and_error(scan: Scan) -> None:
    truth = sample(BALL, GRID, 3)
    few = reconstruct(scan, grid=GRID, method="landweber", parameters={"iterations": 5})
    many = reconstruct(scan, grid=GRID, method="landweber", parameters={"niter": 60, "relaxation": 1.9})
    residuals = many.provenance["report"]["residuals"]
    assert residuals[0] == 1.0
    assert all(b < a for a, b in itertools.pairwise(residuals))
    assert residuals[-1] < 0.08
    error = [float(np.sqrt(np.mean((volume.array - truth) ** 2))) / 0.02 for volume in (few, many)]
    assert error[1] < 0.5 * error[0]
    assert error[1] < 0.08  # voxels of 6 mm: mostly the edges
    middle = many.array[6:9, 4:6, 6:8]
    assert middle.mean() == pytest.approx(0.02, rel=0.05)


def test_non_negative(scan: Scan) -> None:
    free = reconstruct(scan, grid=GRID, method="landweber", parameters={"iterations": 10})
    bound = reconstruct(scan, grid=GRID, method="landweber", parameters={"iterations": 10, "non_negative": True})
    assert free.array.min() < 0
    assert bound.array.min() == 0


def test_progress_counts_iterations(scan: Scan) -> None:
    seen = []
    reconstruct(scan, grid=GRID, method="landweber", parameters={"iterations": 3}, progress=seen.append)
    done = [p for p in seen if p.residual is not None]
    assert [p.iteration for p in done] == [1, 2, 3]
    assert done[-1].fraction == 1.0
    assert all(b.residual < a.residual for a, b in itertools.pairwise(done))


def test_a_grid_that_no_view_sees(scan: Scan) -> None:
    far = VolumeGrid((0.0, 0.0, 900.0), (10.0, 10.0, 910.0), (2, 2, 2))
    with pytest.raises(InputError, match="no view that sees it"):
        reconstruct(scan, grid=far, method="landweber")
