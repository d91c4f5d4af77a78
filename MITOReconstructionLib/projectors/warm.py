"""Compiling the CPU's kernels as a step of its own, so that a first run does not look like a hang."""

from __future__ import annotations

import threading

import numpy as np

from MITOReconstructionLib.geometry import Detector, ScanGeometry, VolumeGrid
from MITOReconstructionLib.monitor import Monitor
from MITOReconstructionLib.projectors.backends import Backend

__all__ = ["prepare"]

STEP = "compiling projectors (kept on disk for the next time)"
_compiled = threading.Event()


def prepare(backend: Backend, monitor: Monitor) -> None:
    """Compile the kernels of the CPU backend, or load them from numba's cache, by running them on a tiny problem.

    Parameters
    ----------
    backend : Backend
        Others than the CPU's have nothing to compile.
    monitor : Monitor
        Told about the step where there is anything to do.

    Raises
    ------
    Cancelled
        When the run was asked to stop.
    """
    if backend.name != "cpu" or _compiled.is_set():
        return
    geometry = ScanGeometry(np.arange(4.0), np.zeros(4), 10.0, 0.0, Detector(4, 3, -0.2, 0.2, -1.0, 1.0, 10.0))
    for number, depth in enumerate((2, 40)):  # voxels taller and shorter than the rows: both ways through the kernels
        grid = VolumeGrid((-1.0, -1.0, -1.0), (1.0, 1.0, 1.0), (2, 2, depth))
        monitor.report(STEP, number / 2)
        projections = backend.forward(np.ones(grid.shape, dtype=np.float32), grid, geometry)
        monitor.report(STEP, number / 2 + 0.25)
        backend.back(projections, grid, geometry)
    _compiled.set()
    monitor.report(STEP, 1.0)
