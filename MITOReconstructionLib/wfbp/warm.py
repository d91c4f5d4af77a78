"""Compiling the kernels as a step of its own, so that a first run does not look like a hang."""

from __future__ import annotations

import threading

import numpy as np

from MITOReconstructionLib.geometry import Detector, ScanGeometry, VolumeGrid
from MITOReconstructionLib.monitor import Monitor
from MITOReconstructionLib.scan import Scan
from MITOReconstructionLib.wfbp.backproject import backproject, beam_tables
from MITOReconstructionLib.wfbp.coverage import fill_unseen
from MITOReconstructionLib.wfbp.filters import RampFilter
from MITOReconstructionLib.wfbp.layers import backproject_layers
from MITOReconstructionLib.wfbp.plan import ParallelPlan
from MITOReconstructionLib.wfbp.planes import BeamStore, PlaneSums, add_directions, beams_seeing_plane, finish, store_beams
from MITOReconstructionLib.wfbp.stream import BeamStream

__all__ = ["compile_kernels", "compile_plane_kernels"]

STEP = "compiling kernels (kept on disk for the next time)"
_compiled = threading.Event()
_planes_compiled = threading.Event()


def compile_kernels(monitor: Monitor) -> None:
    """Compile every kernel of this package, or load it from numba's cache, by running it on a tiny scan.

    Parameters
    ----------
    monitor : Monitor
        Told about the step where there is anything to do.
    """
    if _compiled.is_set():
        return
    monitor.report(STEP, 0.0)
    geometry, number = _tiny_geometry(), np.arange(16)
    scan = Scan.from_arrays(np.zeros((16, 4, 2), dtype=np.float32), geometry)
    grid = VolumeGrid((-1.0, -1.0, -1.0), (1.0, 1.0, 1.0), (2, 2, 2))
    plan = ParallelPlan(geometry)
    tables = beam_tables(plan)
    volume = np.zeros(grid.shape, dtype=np.float32)
    stream = BeamStream(scan, number, plan, RampFilter.design(len(plan.t), plan.t_step), block=4)
    for step, (start, beams) in enumerate(stream.blocks(0, 4, monitor)):
        monitor.report(STEP, 0.2 * (step + 1))
        backproject(volume, grid, beams, start, tables)
    monitor.report(STEP, 0.5)
    backproject_layers(volume, grid, beams, start, tables)
    monitor.report(STEP, 0.8)
    fill_unseen(volume, grid, tables, 0.0)
    _compiled.set()
    monitor.report(STEP, 1.0)


def compile_plane_kernels() -> None:
    """Compile the kernels of :mod:`.planes`, or load them from numba's cache, by running them on a tiny scan."""
    if _planes_compiled.is_set():
        return
    plan = ParallelPlan(_tiny_geometry())
    tables = beam_tables(plan)
    beams = np.zeros((plan.beams, len(plan.t), 2), dtype=np.float32)
    values = np.zeros(beams.size + 1, dtype=np.int16)[: beams.size].reshape(beams.shape)
    store = BeamStore(values, np.zeros(plan.beams, np.float32), np.arange(plan.beams))
    store_beams(beams, store.values, store.scales)
    steps = np.eye(3)
    plane = PlaneSums(np.zeros((2, 2), np.float32), np.zeros((2, 2), np.uint8), np.zeros(3), steps[0], steps[1])
    beams_seeing_plane(plane, tables)
    add_directions([plane], store, tables, (0, plan.beams), 0, 1)
    finish(plane, 0.0)
    _planes_compiled.set()


def _tiny_geometry() -> ScanGeometry:
    number = np.arange(16)
    angles = number.astype(np.float64) * (np.pi / 4)
    jumping = 0.3 * (number % 2).astype(np.float64)  # so that rows are moved
    return ScanGeometry(angles, jumping, 10.0, 0.0, Detector(4, 2, -0.2, 0.2, -1.0, 1.0, 10.0))
