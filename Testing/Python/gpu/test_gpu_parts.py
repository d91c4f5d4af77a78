"""The CUDA kernels give what the CPU's kernels give, to rounding errors of single precision."""

from __future__ import annotations

import math

import numpy as np
import pytest

from MITOReconstructionLib import Monitor, Scan, VolumeGrid, mito_geometry
from MITOReconstructionLib.geometry import ScanGeometry
from MITOReconstructionLib.projectors.cupy_gpu import CudaBackend
from MITOReconstructionLib.wfbp.backproject import backproject, beam_tables, beams_seeing
from MITOReconstructionLib.wfbp.coverage import fill_unseen
from MITOReconstructionLib.wfbp.filters import RampFilter
from MITOReconstructionLib.wfbp.gpu import GpuBackprojection
from MITOReconstructionLib.wfbp.gpu_beams import GpuBeams, GpuWork
from MITOReconstructionLib.wfbp.gpu_sizes import choose_sizes
from MITOReconstructionLib.wfbp.plan import ParallelPlan
from MITOReconstructionLib.wfbp.rebin import move_rows
from MITOReconstructionLib.wfbp.stream import BeamStream

WITHIN = 1e-5

BOX = VolumeGrid.from_bounds((-111, -103, -40), (105, 111, 36), spacing=(12.0, 12.5, 1.9))
CASES = {
    "helix": ({"pitch": 106.56, "turns": 2.2}, BOX),
    "slow helix": ({"pitch": 40.0, "turns": 3.0}, BOX),
    "fast helix, rows extended": ({"pitch": 160.0, "turns": 2.2}, BOX),
    "wobbling": ({"pitch": 106.56, "turns": 2.2, "wobble": 4.0}, BOX),
    "falling angles": ({"pitch": 106.56, "turns": 2.2, "direction": -1}, BOX),
    "circle": ({"pitch": 0.0, "turns": 1.0}, BOX),
    "flat": ({"pitch": 106.56, "turns": 2.2, "curvature_radius": math.inf}, BOX),
    "not centred": ({"pitch": 106.56, "turns": 2.2, "detector_radius": 200.0, "curvature_radius": 800.0}, BOX),
    "the whole field of view": ({"pitch": 0.0, "turns": 1.0}, VolumeGrid.from_bounds((-270, -270, -60), (270, 270, 60), spacing=18.0)),
    "behind the source": (
        {"pitch": 0.0, "turns": 1.0},
        VolumeGrid.from_bounds((-620, -620, -60), (620, 620, 60), spacing=(31.0, 31.0, 12.0)),
    ),
    "region away from the axis": (
        {"pitch": 106.56, "turns": 2.2},
        VolumeGrid.from_bounds((60, 40, -200), (140, 80, 190), spacing=(9.0, 7.0, 0.7)),
    ),
}


def jumping(geometry: ScanGeometry, by: float) -> ScanGeometry:
    """The same with axial positions that jump from view to view."""
    axial = geometry.axial_positions + np.random.default_rng(1).uniform(-by, by, geometry.views)
    return ScanGeometry(geometry.angles, axial, geometry.source_radius, geometry.detector_radius, geometry.detector)


def case(name: str) -> tuple[ScanGeometry, VolumeGrid]:
    options, grid = CASES[name]
    return mito_geometry(16, centre=0.0, **options), grid


def noise(geometry: ScanGeometry) -> Scan:
    shape = (geometry.views, geometry.detector.columns, geometry.detector.rows)
    return Scan.from_arrays(np.random.default_rng(2).normal(1.0, 1.0, shape).astype(np.float32), geometry)


@pytest.mark.parametrize("jumps", [0.0, 4.0])
@pytest.mark.parametrize("name", ["helix", "falling angles", "circle", "flat", "not centred"])
def test_beams_are_those_of_the_cpu(device: CudaBackend, name: str, jumps: float) -> None:
    geometry, grid = case(name)
    geometry = jumping(geometry, jumps) if jumps else geometry
    plan, scan, views = ParallelPlan(geometry), noise(geometry), np.arange(geometry.views)
    assert bool(np.any(plan.axial != plan.smooth_axial)) == bool(jumps)
    ramp = RampFilter.design(len(plan.t), plan.t_step)
    sizes = choose_sizes(plan, grid, ramp.length, 1 << 34)._replace(block=24, chunk=7, group=5)
    work = GpuWork(device)
    found = GpuBeams(work, scan, views, plan, ramp, sizes).blocks(2, plan.beams, Monitor())
    expected = BeamStream(scan, views, plan, ramp, block=24).blocks(2, plan.beams, Monitor())
    blocks = 0
    for (start, beams), (begin, wanted) in zip(found, expected, strict=True):
        assert start == begin
        np.testing.assert_allclose(beams.get(stream=work.compute), wanted, rtol=0, atol=WITHIN * float(np.abs(wanted).max()))
        blocks += 1
    assert blocks > 3


def test_rows_move_as_on_the_cpu(device: CudaBackend) -> None:
    """By whole rows and parts of rows, up and down, and beyond the detector; into the ring from slot 3 round its end."""
    rng, work = np.random.default_rng(4), GpuWork(device)
    views = rng.normal(size=(4, 6, 14)).astype(np.float32)
    shifts, row_shifts = np.array([0.0, 1.0, -3.0, 0.37]), np.array([0.0, 1.0, -1.0, 2.0, 0.41, 30.0])
    ring = work.sent(np.full((5, 6, 14), np.nan, np.float32))
    numbers = (np.int32(n) for n in (4, 6, 14, 3, 5))
    work.launch("place_views", (1, 2, 4), (64, 4, 1), work.sent(views), ring, work.sent(shifts), work.sent(row_shifts), *numbers)
    found, line = ring.get(stream=work.compute), np.empty(3 * 14 + 4, np.float32)
    for number, (view, shift) in enumerate(zip(views, shifts, strict=True)):
        move_rows(view, shift * row_shifts, line)
        np.testing.assert_allclose(found[(3 + number) % 5], view, rtol=0, atol=WITHIN)
    assert np.isnan(found[2]).all()


@pytest.mark.parametrize("name", CASES)
def test_backprojection_is_that_of_the_cpu(device: CudaBackend, name: str) -> None:
    """Where every direction sees a voxel. Elsewhere a voxel that lies on a beam's very edge may be seen by one of the two."""
    geometry, grid = case(name)
    plan = ParallelPlan(geometry)
    assert (plan.row_extension > 0) == (name not in {"slow helix", "circle", "the whole field of view", "behind the source"})
    tables, work = beam_tables(plan), GpuWork(device)
    backprojection = GpuBackprojection(work, plan, tables)
    expected, slab = np.zeros(grid.shape, np.float32), backprojection.slab(grid, 19)
    first, last = beams_seeing(plan, grid)
    data = np.random.default_rng(3).normal(1.0, 1.0, (last - first, len(plan.t), geometry.detector.rows)).astype(np.float32)
    block = 1 if "whole" in name else 50  # one alone has nothing but memory that it must not read behind its last ray
    for start in range(first, last, block):
        part = data[start - first : start - first + block]
        backproject(expected, grid, part, start, tables)
        backprojection.add(slab, work.sent(part), start)
    difference = np.abs(slab.values.get(stream=work.compute) - expected) / np.abs(expected).max()
    seen = np.zeros(grid.shape, np.float32)
    fill_unseen(seen, grid, tables, 1.0)
    assert np.count_nonzero(seen == 0) > 900
    assert difference[seen == 0].max() < WITHIN
    assert np.mean(~(difference <= WITHIN)) < 1e-3
    assert np.isfinite(difference).all()
