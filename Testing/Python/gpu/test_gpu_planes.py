"""Planes on a GPU are those of the CPU's kernels, to rounding errors of single precision."""

from __future__ import annotations

import math

import numpy as np
import pytest
from fake_cupy import FakeCupy
from test_gpu_parts import jumping

from MITOReconstructionLib import Plane, mito_geometry
from MITOReconstructionLib.geometry import Detector, ScanGeometry
from MITOReconstructionLib.live.level import plane_sums
from MITOReconstructionLib.projectors.cupy_gpu import CudaBackend
from MITOReconstructionLib.wfbp import planes as on_cpu
from MITOReconstructionLib.wfbp.backproject import beam_tables
from MITOReconstructionLib.wfbp.gpu_beams import GpuWork
from MITOReconstructionLib.wfbp.gpu_planes import GpuBeamStore, GpuPlanes
from MITOReconstructionLib.wfbp.plan import ParallelPlan
from MITOReconstructionLib.wfbp.planes import BeamStore, PlaneSums, add_directions, beams_seeing_plane, finish, store_beams

WITHIN = 1e-5

PLANES = {
    "axial, at the rim": Plane.centred((159.0, -159.0, 7.0), (1, 0, 0), (0, 1, 0), (26, 33), 0.9),
    "coronal, up to where it ends": Plane.centred((20.0, 31.0, 85.0), (1, 0, 0), (0, 0, 1), (21, 70), 0.8),
    "oblique": Plane.centred((-12.0, 8.0, 3.0), (0.8, 0.6, 0.1), (0.0, -0.1, 0.6), (40, 17), (0.6, 0.9)),
}
"""Of different shapes, one across two tiles. Their pixels are small, because the CPU interpolates rows between pixels."""

CASES = {
    "helix": {"pitch": 106.56, "turns": 2.2},
    "slow helix": {"pitch": 40.0, "turns": 3.0},
    "falling angles": {"pitch": 106.56, "turns": 2.2, "direction": -1},
    "circle": {"pitch": 0.0, "turns": 1.0},
    "flat": {"pitch": 106.56, "turns": 2.2, "curvature_radius": math.inf},
    "not centred": {"pitch": 106.56, "turns": 2.2, "detector_radius": 200.0, "curvature_radius": 800.0},
}


def on_gpu(work: GpuWork, store: BeamStore) -> GpuBeamStore:
    """A copy of beams on the GPU."""
    behind = np.zeros((1, *store.values.shape[1:]), np.int16)
    return GpuBeamStore(work.sent(np.concatenate([store.values, behind])), work.sent(store.scales), work.sent(store.slots.astype(np.int32)))


def stored(plan: ParallelPlan, rows: int, *, lacking: int = 0) -> BeamStore:
    """Beams of noise, in another order than the plan's; every so many are not there."""
    rng = np.random.default_rng(3)
    values, scales = np.empty((plan.beams, len(plan.t), rows), np.int16), np.empty(plan.beams, np.float32)
    store_beams(rng.normal(1.0, 1.0, values.shape).astype(np.float32), values, scales)
    slots = rng.permutation(plan.beams)
    if lacking:
        slots[::lacking] = -1
    return BeamStore(values, scales, slots)


def within(found: list[PlaneSums], expected: list[PlaneSums]) -> None:
    """But for a pixel that lies on a beam's very edge, which may be seen by one of the two."""
    for ours, theirs in zip(found, expected, strict=True):
        good = np.abs(ours.image - theirs.image) <= WITHIN * np.abs(theirs.image).max()
        assert np.count_nonzero(~good) <= 1
        assert np.isfinite(ours.image).all()


@pytest.fixture(autouse=True)
def exact(monkeypatch: pytest.MonkeyPatch) -> None:
    """The CPU interpolates rows between nodes so near to each other that nothing is seen of it."""
    monkeypatch.setattr(on_cpu, "ROW_ERROR", 1e-10)


@pytest.mark.parametrize("name", CASES)
def test_planes_are_those_of_the_cpu(device: CudaBackend, name: str) -> None:
    """Three planes at once, in two parts of the directions, with beams that are not there and a range of those that are."""
    geometry = mito_geometry(16, centre=0.0, **CASES[name])
    geometry = jumping(geometry, 4.0) if name == "slow helix" else geometry
    plan = ParallelPlan(geometry)
    tables, store = beam_tables(plan), stored(plan, geometry.detector.rows, lacking=0 if name == "helix" else 7)
    ready = (0, plan.beams) if name in ("helix", "circle") else (plan.beams // 9, plan.beams - 20)
    work, planes, half = GpuWork(device), list(PLANES.values()), tables.half_turn
    found, expected = [plane_sums(plane) for plane in planes], [plane_sums(plane) for plane in planes]
    gpu = GpuPlanes(work, plan, tables)
    sums, beams = gpu.begin(found), on_gpu(work, store)
    assert sums.parts > 1
    for first, last in ((0, half // 3), (half // 3, half)):
        gpu.add(sums, beams, ready, first, last)
        add_directions(expected, store, tables, ready, first, last)
    gpu.finish(sums, -1.0)
    for plane in expected:
        finish(plane, -1.0)
    within(found, expected)
    assert all(np.any(plane.image != -1.0) for plane in found) or name == "circle"
    needed = np.any([beams_seeing_plane(plane, tables) for plane in expected], axis=0)
    assert not np.any(needed & ~sums.seeing)
    if name == "helix":
        assert sums.seeing.sum() < 0.95 * plan.beams
        assert [bool(np.any(plane.image == -1.0)) for plane in found] == [True, True, False]


def test_a_single_row_and_a_plane_that_nothing_sees(device: CudaBackend, cupy: FakeCupy) -> None:
    geometry = mito_geometry(16, pitch=0.0, turns=1.0, centre=0.0)
    d = geometry.detector
    flat = Detector(d.columns, 1, d.column_min, d.column_max, -3.0, 3.0, d.curvature_radius)
    plan = ParallelPlan(ScanGeometry(geometry.angles, geometry.axial_positions, geometry.source_radius, geometry.detector_radius, flat))
    tables, store, work = beam_tables(plan), stored(plan, 1), GpuWork(device)
    planes = [Plane.centred((0, 0, 0), (1, 0, 0), (0, 1, 0), (20, 20), 1.0), Plane.centred((0, 0, 900), (1, 0, 0), (0, 1, 0), (9, 9), 5.0)]
    found, expected = [plane_sums(plane) for plane in planes], [plane_sums(plane) for plane in planes]
    gpu = GpuPlanes(work, plan, tables)
    sums = gpu.begin(found)
    gpu.add(sums, on_gpu(work, store), (0, plan.beams), 0, tables.half_turn)
    gpu.finish(sums, 0.25)
    add_directions(expected, store, tables, (0, plan.beams), 0, tables.half_turn)
    for plane in expected:
        finish(plane, 0.25)
    within(found, expected)
    assert np.all(found[1].image == 0.25)
    assert cupy.launches == ["mark_tiles", "add_planes", "finish_planes"]


def test_planes_of_more_tiles_than_a_launch_has_blocks(device: CudaBackend, monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU refuses more than 65,535 blocks of threads along y or z; here 30, and 79 tiles and 313 patches either way."""
    monkeypatch.setattr("cuda_on_cpu.MOST_BLOCKS", (2**31 - 1, 30, 30))
    plan = ParallelPlan(mito_geometry(40, centre=0.0, pitch=0.0, turns=1.0))
    tables, store, work = beam_tables(plan), stored(plan, plan.geometry.detector.rows), GpuWork(device)
    gpu = GpuPlanes(work, plan, tables)
    for shape in ((5000, 2), (2, 5000)):
        plane = Plane.centred((3.0, -2.0, 1.0), (1, 0, 0), (0, 1, 0), shape, 0.02)
        found, expected = plane_sums(plane), plane_sums(plane)
        sums = gpu.begin([found])
        gpu.add(sums, on_gpu(work, store), (0, plan.beams), 0, tables.half_turn)
        gpu.finish(sums, 0.25)
        add_directions([expected], store, tables, (0, plan.beams), 0, tables.half_turn)
        finish(expected, 0.25)
        within([found], [expected])
