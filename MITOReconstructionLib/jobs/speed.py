"""How fast this machine is: measured once in a process on small problems, then scaled."""

from __future__ import annotations

import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from functools import partial

import numpy as np

from MITOReconstructionLib.geometry import Detector, ScanGeometry, VolumeGrid
from MITOReconstructionLib.monitor import Monitor
from MITOReconstructionLib.projectors.backends import Backend
from MITOReconstructionLib.projectors.cupy_gpu import CudaBackend
from MITOReconstructionLib.scan import Scan
from MITOReconstructionLib.wfbp.backproject import beam_tables
from MITOReconstructionLib.wfbp.filters import RampFilter
from MITOReconstructionLib.wfbp.gpu import GpuBackprojection
from MITOReconstructionLib.wfbp.gpu_beams import GpuBeams, GpuWork
from MITOReconstructionLib.wfbp.gpu_sizes import choose_sizes
from MITOReconstructionLib.wfbp.layers import backproject_layers
from MITOReconstructionLib.wfbp.plan import ParallelPlan
from MITOReconstructionLib.wfbp.stream import BeamStream
from MITOReconstructionLib.wfbp.warm import compile_kernels

__all__ = ["Speed", "fbp_speed", "gpu_speed", "projector_speed"]

SIDE = 96
"""Voxels along x and y of the small problems."""

HEIGHTS = (8, 96)
"""Voxels along z: the difference is what a voxel costs, and the rest is what a column of voxels costs."""

VIEWS = 64

TURN = {1: 2 * VIEWS, 2: 6 * VIEWS, 4: 12 * VIEWS}
"""Views a turn of small problems of which so many beams are taken together."""


@dataclass(frozen=True)
class Speed:
    """Seconds that things take.

    column : to work out where a view sees a column of voxels along z;
    voxel : to update a voxel of it;
    pixel : to sort and filter a pixel, in filtered backprojection.
    """

    column: float
    voxel: float
    pixel: float = 0.0

    def seconds(self, columns: float, voxels: float, pixels: float = 0.0) -> float:
        """Seconds for so many updates of columns and voxels, and so many pixels."""
        return self.column * columns + self.voxel * voxels + self.pixel * pixels


_known: dict[str, Speed] = {}
_lock = threading.Lock()


def fbp_speed(together: int) -> Speed:
    """Speed of filtered backprojection, measured in about a quarter of a second, kernels not counted that are yet to compile.

    ``together`` is how many beams are backprojected together, see :func:`MITOReconstructionLib.wfbp.groups.beams_together`.
    """
    return _once(f"fbp {together}", lambda: _measure_fbp(together))


def gpu_speed(device: CudaBackend) -> Speed:
    """Speed of filtered backprojection on a GPU; the first time it waits for the kernels to be compiled."""
    return _once(f"fbp {device.description}", lambda: _measure_gpu(device))


def projector_speed(backend: Backend) -> Speed:
    """Speed of a forward and a back projection together, measured in about a quarter of a second."""
    return _once(backend.description, lambda: _measure_projector(backend))


def _once(name: str, measure: Callable[[], Speed]) -> Speed:
    with _lock:
        if name not in _known:
            _known[name] = measure()
        return _known[name]


def _measure_fbp(together: int) -> Speed:
    compile_kernels(Monitor())
    geometry = _geometry(TURN[together])
    plan = ParallelPlan(geometry)
    tables = beam_tables(plan)
    scan = Scan.from_arrays(np.zeros((geometry.views, geometry.detector.columns, geometry.detector.rows), np.float32), geometry)
    stream = BeamStream(scan, np.arange(geometry.views), plan, RampFilter.design(len(plan.t), plan.t_step), block=VIEWS)
    begin = time.perf_counter()
    start, beams = next(iter(stream.blocks(0, VIEWS, Monitor())))
    pixel = (time.perf_counter() - begin) / beams.size
    times = []
    for height in HEIGHTS:
        grid = _grid(height)
        volume = np.zeros(grid.shape, dtype=np.float32)
        times.append(_timed(partial(backproject_layers, volume, grid, beams, start, tables)))
    return _speed(times, pixel)


def _measure_gpu(device: CudaBackend) -> Speed:
    geometry = _geometry()
    plan = ParallelPlan(geometry)
    tables, ramp = beam_tables(plan), RampFilter.design(len(plan.t), plan.t_step)
    scan = Scan.from_arrays(np.zeros((geometry.views, geometry.detector.columns, geometry.detector.rows), np.float32), geometry)
    with device.working("a measurement of its speed"):
        work = GpuWork(device)
        sizes = choose_sizes(plan, _grid(HEIGHTS[1]), ramp.length, device.free_memory())._replace(block=VIEWS)
        backprojection = GpuBackprojection(work, plan, tables)
        times = {}
        for height in (HEIGHTS[1], *HEIGHTS):  # the first for what happens only once
            grid = _grid(height)
            slab = backprojection.slab(grid, sizes.sights)
            begin = time.perf_counter()
            start, beams = next(iter(GpuBeams(work, scan, np.arange(geometry.views), plan, ramp, sizes).blocks(0, VIEWS, Monitor())))
            work.finish()
            pixel = (time.perf_counter() - begin) / (VIEWS * len(plan.t) * geometry.detector.rows)
            begin = time.perf_counter()
            backprojection.add(slab, beams, start)
            work.finish()
            times[height] = time.perf_counter() - begin
    return _speed([times[height] for height in HEIGHTS], pixel)


def _measure_projector(backend: Backend) -> Speed:
    geometry = _geometry()
    views = np.arange(VIEWS)
    backend.back(backend.forward(np.zeros((2, 2, 2), np.float32), _grid(2, 2), geometry, views=views), _grid(2, 2), geometry, views=views)
    times = []
    for height in HEIGHTS:
        grid = _grid(height)
        volume = np.ones(grid.shape, dtype=np.float32)
        out = np.empty((VIEWS, geometry.detector.columns, geometry.detector.rows), dtype=np.float32)

        def both(volume: np.ndarray = volume, out: np.ndarray = out, grid: VolumeGrid = grid) -> None:
            backend.forward(volume, grid, geometry, out, views=views)
            backend.back(out, grid, geometry, volume, views=views)

        times.append(_timed(both))
    return _speed(times, 0.0)


def _timed(work: Callable[[], object]) -> float:
    begin = time.perf_counter()
    work()
    return time.perf_counter() - begin


def _speed(times: list[float], pixel: float) -> Speed:
    """From the seconds for both HEIGHTS; neither part is taken to cost less than a tenth of what it could."""
    low, high = (seconds / (SIDE * SIDE * VIEWS) for seconds in times)
    voxel = max((high - low) / (HEIGHTS[1] - HEIGHTS[0]), 0.1 * high / HEIGHTS[1])
    return Speed(max(low - voxel * HEIGHTS[0], 0.1 * low), voxel, pixel)


def _geometry(turn: int = 6 * VIEWS) -> ScanGeometry:
    """A circle of ``turn`` views, which all see the whole of the grid."""
    angles = np.linspace(0.0, 2 * math.pi, turn, endpoint=False)
    return ScanGeometry(angles, np.zeros(len(angles)), 500.0, 0.0, Detector(256, 96, -0.4, 0.4, -75.0, 75.0, 500.0))


def _grid(height: int, side: int = SIDE) -> VolumeGrid:
    return VolumeGrid((-60.0, -60.0, -0.5 * height), (60.0, 60.0, 0.5 * height), (side, side, height))
