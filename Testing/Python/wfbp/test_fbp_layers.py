"""Backprojection onto layers of equal magnification: what the one that looks up column by column gives, and when it is used."""

from __future__ import annotations

import math
import os
import subprocess
import sys

import numpy as np
import pytest
from scipy import ndimage

from MITOReconstructionLib import Scan, VolumeGrid, mito_geometry, reconstruct
from MITOReconstructionLib.geometry import Detector, ScanGeometry
from MITOReconstructionLib.wfbp import layers
from MITOReconstructionLib.wfbp.backproject import backproject, beam_tables
from MITOReconstructionLib.wfbp.coverage import fill_unseen
from MITOReconstructionLib.wfbp.layers import backproject_layers, layers_suit
from MITOReconstructionLib.wfbp.plan import ParallelPlan


def helix(pitch: float = 106.56, turns: float = 2.4, **options: float) -> ScanGeometry:
    return mito_geometry(12, pitch, turns, centre=0.0, **options)


def lopsided() -> ScanGeometry:
    """A detector that reaches further to one side, and whose rows are not centred: half of the rays have no partner."""
    angles = np.arange(720) * 2 * math.pi / 360
    detector = Detector(100, 40, -0.15, 0.25, -50.0, 70.0, 503.0)
    return ScanGeometry(angles, 20 * angles / (2 * math.pi) - 20, 503.0, 0.0, detector)


MIDDLE = VolumeGrid.from_bounds((-100, -100, -30), (100, 100, 30), spacing=5.0)
CASES = {
    "a high pitch": (helix(), MIDDLE),
    "a falling pitch": (helix(pitch=-106.56), MIDDLE),
    "falling angles": (helix(direction=-1), MIDDLE),
    "a low pitch, several partners": (helix(pitch=25.0, turns=6.0), MIDDLE),
    "an uneven pitch": (helix(wobble=5.0), MIDDLE),
    "a flat detector": (helix(curvature_radius=math.inf), MIDDLE),
    "a cylinder not centred on the source": (helix(detector_radius=200.0, curvature_radius=800.0), MIDDLE),
    "a lopsided detector": (lopsided(), MIDDLE),
    "a circle": (helix(pitch=0.0, turns=1.0), MIDDLE),
    "a region off the axis": (helix(), VolumeGrid((60.0, -150.0, -9.0), (160.0, -40.0, 20.0), (23, 31, 37))),
    "more than the field of view and the scan": (helix(), VolumeGrid.from_bounds((-600, -600, -200), (600, 600, 200), spacing=24.0)),
    "one slice": (helix(), VolumeGrid((-100.0, -100.0, 1.0), (100.0, 100.0, 2.0), (70, 67, 1))),
    "several tiles and blocks": (helix(), VolumeGrid((-99.0, -99.0, -60.0), (99.0, 99.0, 60.0), (66, 130, 131))),
}


def both(geometry: ScanGeometry, grid: VolumeGrid) -> tuple[np.ndarray, np.ndarray]:
    """The volume by either kernel, from all beams of smooth random data."""
    plan = ParallelPlan(geometry)
    tables = beam_tables(plan)
    noise = np.random.default_rng(0).normal(0.0, 1.0, (plan.beams, len(plan.t), geometry.detector.rows))
    beams = ndimage.gaussian_filter(noise, (2.0, 2.0, 2.0)).astype(np.float32)
    found = []
    for kernel in (backproject, backproject_layers):
        volume = np.zeros(grid.shape, dtype=np.float32)
        for first in range(0, plan.beams, 100):
            kernel(volume, grid, beams[first : first + 100], first, tables)
        found.append(volume)
    return found[0], found[1]


@pytest.mark.parametrize("name", CASES)
def test_it_gives_what_looking_up_column_by_column_gives(name: str) -> None:
    """The sums differ by a few thousandths of their spread, and on both sides: what interpolating once more comes to."""
    geometry, grid = CASES[name]
    expected, found = both(geometry, grid)
    assert np.all(np.isfinite(found))
    x, y = np.meshgrid(grid.centres(0), grid.centres(1), indexing="ij")
    whole = np.ones(grid.shape, dtype=np.float32)
    fill_unseen(whole, grid, beam_tables(ParallelPlan(geometry)), 0.0)
    seen = (whole > 0) & (np.hypot(x, y) < geometry.field_of_view_radius)[..., None]
    assert seen.mean() > 0.05
    difference = (found - expected)[seen]
    assert difference.std() < 0.02 * expected[seen].std()
    assert abs(difference.mean()) < 0.2 * difference.std()


def test_a_constant_is_backprojected_exactly() -> None:
    """Where every direction is seen the weights of all that see a voxel add up to one: the sum is pi times the constant."""
    geometry = helix()
    plan = ParallelPlan(geometry)
    ones = np.ones((plan.beams, len(plan.t), geometry.detector.rows), dtype=np.float32)
    grid = VolumeGrid.from_bounds((-60, -60, -10), (60, 60, 10), spacing=2.0)
    volume = np.zeros(grid.shape, dtype=np.float32)
    backproject_layers(volume, grid, ones, 0, beam_tables(plan))
    assert volume.mean() == pytest.approx(math.pi, rel=3e-4)
    assert np.abs(volume / math.pi - 1).max() < 5e-3


@pytest.mark.parametrize("rows_a_voxel", [0.7, 2.1, 4.2])
def test_each_way_to_look_up_rows_gives_the_same(rows_a_voxel: float) -> None:
    """Voxels closer and farther apart than rows: rows are picked from two registers, from four, or gathered."""
    geometry = helix()
    spacing = rows_a_voxel * geometry.detector.row_pitch
    grid = VolumeGrid((-20.0, -20.0, -16 * spacing), (20.0, 20.0, 16 * spacing), (8, 8, 32))
    expected, found = both(geometry, grid)
    assert (found - expected).std() < 0.02 * expected.std()


def test_the_report_names_the_kernel_and_voxels_much_coarser_than_rays_take_the_other() -> None:
    geometry = helix()
    scan = Scan.from_arrays(np.zeros((geometry.views, geometry.detector.columns, geometry.detector.rows), np.float32), geometry)
    fine = VolumeGrid((-20.0, -20.0, -5.0), (20.0, 20.0, 5.0), (8, 8, 4))
    coarse = VolumeGrid((-150.0, -150.0, -15.0), (150.0, 150.0, 15.0), (2, 2, 3))
    assert layers_suit(ParallelPlan(geometry), fine)
    assert not layers_suit(ParallelPlan(geometry), coarse)
    assert reconstruct(scan, grid=fine).provenance["report"]["backprojection"] == "layers of equal magnification"
    assert reconstruct(scan, grid=coarse).provenance["report"]["backprojection"] == "column by column"


def test_a_detector_of_one_row_takes_the_other_kernel() -> None:
    angles = np.arange(200) * 2 * math.pi / 100
    geometry = ScanGeometry(angles, np.zeros(200), 503.0, 0.0, Detector(60, 1, -0.2, 0.2, -2.0, 2.0, 503.0))
    assert not layers_suit(ParallelPlan(geometry), VolumeGrid((-9.0, -9.0, -1.0), (9.0, 9.0, 1.0), (9, 9, 1)))


def test_tiles_do_not_show() -> None:
    """A region cut differently into tiles and blocks gives the same volume, but for rounding."""
    geometry = helix()
    plan = ParallelPlan(geometry)
    noise = np.random.default_rng(1).normal(0.0, 1.0, (plan.beams, len(plan.t), geometry.detector.rows))
    beams = ndimage.gaussian_filter(noise, (2.0, 2.0, 2.0)).astype(np.float32)
    whole = VolumeGrid((-90.0, -90.0, -49.0), (90.0, 90.0, 49.0), (100, 90, 110))
    part = whole.region((30, 20, 40), (95, 88, 110))
    volumes = [np.zeros(grid.shape, dtype=np.float32) for grid in (whole, part)]
    for volume, grid in zip(volumes, (whole, part), strict=True):
        backproject_layers(volume, grid, beams, 0, beam_tables(plan))
    cut = volumes[0][30:95, 20:88, 40:110]
    assert np.abs(volumes[1] - cut).max() < 1e-5 * np.abs(cut).max()
    assert layers.TILE < 90
    assert layers.BLOCK < 110


UNSET = """
import numpy as np
from MITOReconstructionLib import Scan, VolumeGrid, mito_geometry, reconstruct
from MITOReconstructionLib.scan.line_integrals import project
from MITOReconstructionLib.scan.phantoms import cylinder
geometry = mito_geometry(scale=40, turns=2.0)
scan = Scan.from_arrays(project(cylinder(40.0), geometry), geometry)
volume = reconstruct(scan, grid=VolumeGrid((-80.0, -80.0, 224.64), (80.0, 80.0, 324.64), (8, 8, 5)))
print(volume.provenance["report"]["backprojection"], float(np.abs(volume.array).max()))
"""


@pytest.mark.skipif(sys.platform != "linux", reason="needs glibc's MALLOC_PERTURB_")
def test_memory_that_was_not_set_is_not_used() -> None:
    """With every allocation filled with a pattern whose values are huge; 39 columns and 6 rows, so that much is at the edge."""
    ran = subprocess.run(
        [sys.executable, "-c", UNSET],
        env={**os.environ, "MALLOC_PERTURB_": "165"},
        capture_output=True,
        text=True,
        timeout=250,
        check=False,
    )
    *kernel, largest = ran.stdout.split()
    assert (" ".join(kernel), ran.returncode) == ("layers of equal magnification", 0)
    assert float(largest) < 0.03
