"""What an iterative method leaves out of its problem, and what it makes coarser, changes nothing that counts."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from MITOReconstructionLib import InputError, Scan, ScanGeometry, VolumeGrid, mito_geometry, open_scan, reconstruct
from MITOReconstructionLib.geometry import Detector
from MITOReconstructionLib.methods import context, narrow
from MITOReconstructionLib.methods.averaged import AveragedScan
from MITOReconstructionLib.methods.narrow import flattened, narrowed
from MITOReconstructionLib.methods.registry import Problem
from MITOReconstructionLib.methods.sums import column_weights
from MITOReconstructionLib.methods.system import System
from MITOReconstructionLib.monitor import Monitor
from MITOReconstructionLib.projectors.backends import choose_backend
from MITOReconstructionLib.projectors.cpu import forward
from MITOReconstructionLib.scan.line_integrals import project
from MITOReconstructionLib.scan.shapes import Ellipsoid, Phantom
from MITOReconstructionLib.scan.simulation import simulate

BALL = Phantom("ball", (Ellipsoid((10.0, -10.0, 4.0), (90.0, 85.0, 60.0), 0.02), Ellipsoid((20.0, 0.0, 4.0), (12.0, 10.0, 12.0), -0.01)))
REGION = VolumeGrid((0.0, -40.0, -16.0), (48.0, 8.0, 16.0), (12, 12, 8))


@pytest.fixture(scope="module")
def scan() -> Scan:
    geometry = mito_geometry(12, turns=2.0, centre=0.0)
    return Scan.from_arrays(project(BALL, geometry), geometry)


def problem_of(scan: Scan, grid: VolumeGrid) -> Problem:
    return Problem(scan, np.arange(scan.geometry.views), scan.geometry, grid, choose_backend("cpu"), Monitor())


@pytest.mark.parametrize("curved", [True, False])
def test_columns_beside_the_region_see_nothing_of_it(scan: Scan, curved: bool) -> None:
    geometry = scan.geometry
    if not curved:
        flat = Detector(130, 19, -230.0, 230.0, -34.5, 34.5)
        geometry = ScanGeometry(geometry.angles, geometry.axial_positions, geometry.source_radius, geometry.detector_radius, flat)
    volume = np.random.default_rng(1).uniform(0.5, 1.0, REGION.shape)
    (low, high), part = narrowed(geometry, REGION)
    assert 0 < low < high < geometry.detector.columns
    whole = forward(volume, REGION, geometry)
    np.testing.assert_allclose(forward(volume, REGION, part), whole[:, low:high], rtol=1e-5, atol=1e-5 * whole.max())
    assert not whole[:, :low].any()
    assert not whole[:, high:].any()
    everywhere = VolumeGrid((-300.0, -300.0, -9.0), (300.0, 300.0, 9.0), (2, 2, 2))
    assert narrowed(geometry, everywhere) == ((0, geometry.detector.columns), geometry)


def test_lengths_and_sums_in_flat_voxels(scan: Scan, monkeypatch: pytest.MonkeyPatch) -> None:
    fine = VolumeGrid(REGION.minimum, REGION.maximum, (45, 47, 8))
    subsets = [np.arange(first, 200, 4) for first in range(4)]
    found = {}
    for least in (64, 12):
        monkeypatch.setattr(narrow, "LEAST", least)
        with System(problem_of(scan, fine), context=False, weights=True) as system:
            assert system.weights is not None
            (buffer,) = system.buffers(1)
            found[least] = system.weights.read(np.arange(200), buffer[:200]).copy(), column_weights(system, subsets)
    assert flattened(fine).shape == (12, 12, 8)
    (rows, columns), (flat_rows, flat_columns) = found[64], found[12]
    long = (rows > 0.0) & (rows < 1.0 / 8.0)  # rays of more than 8 mm within the region
    assert long.sum() > 10000
    np.testing.assert_allclose(flat_rows[long], rows[long], rtol=0.05)
    assert np.sqrt(np.mean((flat_rows[long] / rows[long] - 1.0) ** 2)) < 0.005
    assert flat_columns.shape == columns.shape
    assert np.all(flat_columns <= 1.02 * columns)  # never a longer step
    assert np.median(flat_columns / columns) > 0.9


def test_a_start_from_the_surroundings_is_filtered_backprojection(scan: Scan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context, "VOXELS", 24**3)
    with System(problem_of(scan, REGION), context=True, start=True) as system:
        assert system.inside is not None
        assert system.report["context"].startswith("taken off")
        np.testing.assert_allclose(system.inside, reconstruct(scan, grid=REGION).array, rtol=1e-3, atol=1e-6)
    with System(problem_of(scan, REGION), context=True) as system:
        assert system.inside is None
    run = reconstruct(scan, grid=REGION, method="cgls", parameters={"iterations": 1})
    assert run.provenance["report"]["start"] == "fbp"


def test_the_shell_and_the_rest_make_up_what_lies_outside(scan: Scan, monkeypatch: pytest.MonkeyPatch) -> None:
    """Voxels of ones everywhere: lengths of rays through all of it less those within the region."""
    monkeypatch.setattr(context, "VOXELS", 24**3)
    monkeypatch.setattr(context, "_reconstruct", lambda problem, plan, grid, **options: np.ones(grid.shape, np.float32))
    parts = context.make_context(problem_of(scan, REGION), scan.geometry).parts
    assert len(parts) == 7
    views, grid = np.array([100, 200, 300]), parts[-1].grid
    around = sum(forward(part.array, part.grid, scan.geometry, views=views) for part in parts)
    inside = forward(np.ones(REGION.shape), REGION, scan.geometry, views=views)
    whole = forward(np.ones(grid.shape), grid, scan.geometry, views=views)
    assert np.sqrt(np.mean((around + inside - whole) ** 2)) < 0.01 * np.sqrt(np.mean(whole**2))


def test_averaged_views(tmp_path: Path) -> None:
    geometry = mito_geometry(24, turns=1.0, centre=0.0)
    d, chosen = geometry.detector, np.arange(3, 54)
    views, columns, rows = np.meshgrid(np.arange(geometry.views), d.column_centres(), d.row_centres(), indexing="ij")
    values = (views + 10.0 * columns + 0.1 * rows).astype(np.float32)
    values[60, 1, 2] = np.nan
    scan = Scan.from_arrays(values, geometry)
    small = AveragedScan(scan, chosen, geometry.select(chosen), group=4, columns=27, rows=4)
    assert small.geometry.views == 12
    np.testing.assert_allclose(small.geometry.angles, geometry.angles[3:51].reshape(12, 4).mean(axis=1))
    np.testing.assert_allclose(small.geometry.axial_positions, geometry.axial_positions[3:51].reshape(12, 4).mean(axis=1))
    assert (small.geometry.detector.column_min, small.geometry.detector.row_max) == (d.column_min, d.row_max)
    inner = small.geometry.detector
    expected = 4.5 + 4 * np.arange(2, 5)[:, None, None] + 10.0 * inner.column_centres()[:, None] + 0.1 * inner.row_centres()
    np.testing.assert_allclose(small.read(2, 5), expected, rtol=0.02, atol=0.1)  # a pixel cut in two counts with its mean
    np.testing.assert_allclose(small.read(2, 5).mean(axis=(1, 2)), values[11:23].reshape(3, -1).mean(axis=1), rtol=1e-5)
    bad = AveragedScan(scan, np.arange(geometry.views), geometry, group=4, columns=27, rows=4)
    with pytest.raises(InputError, match=r"view 60: expected finite line integrals.*column 1, row 2"):
        bad.read(15, 16)


def test_columns_of_a_scan_on_disk(tmp_path: Path) -> None:
    geometry = mito_geometry(24, turns=1.0, centre=0.0)
    simulate(tmp_path / "scan", BALL, geometry)
    path = tmp_path / "scan" / "sinogram.npy"
    values = np.load(path)
    values[5, 3, 1] = np.inf
    np.save(path, values)
    for scan in (open_scan(tmp_path / "scan"), Scan.from_arrays(values[:5], geometry.select(slice(0, 5)))):
        np.testing.assert_array_equal(scan.read_columns(2, 5, (7, 20)), values[2:5, 7:20])
        assert scan.read_columns(2, 2, (7, 20)).shape == (0, 13, values.shape[2])
        with pytest.raises(InputError, match="columns: expected a range within 0 to"):
            scan.read_columns(2, 5, (7, values.shape[1] + 1))
        with pytest.raises(InputError, match="views: expected a range"):
            scan.read_columns(3, len(scan.projections) + 1, (7, 20))
    scan = open_scan(tmp_path / "scan")
    np.testing.assert_array_equal(scan.read_columns(5, 6, (4, 20)), values[5:6, 4:20])
    with pytest.raises(InputError, match=r"view 5: expected finite line integrals.*column 3, row 1"):
        scan.read_columns(4, 6, (2, 20))
