"""How much memory a run takes at its peak, beside what the process has before it."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable
from dataclasses import replace

import numba
import numpy as np

from MITOReconstructionLib.errors import InputError
from MITOReconstructionLib.geometry import ScanGeometry, VolumeGrid
from MITOReconstructionLib.jobs.request import Request
from MITOReconstructionLib.methods.blocks import BLOCK_BYTES
from MITOReconstructionLib.methods.context import context_grid
from MITOReconstructionLib.methods.fbp import beams_at_a_time
from MITOReconstructionLib.methods.kept import MEMORY
from MITOReconstructionLib.projectors import cpu, cpu_lanes
from MITOReconstructionLib.projectors.cupy_gpu import CudaBackend
from MITOReconstructionLib.wfbp import layers
from MITOReconstructionLib.wfbp.backproject import beams_seeing
from MITOReconstructionLib.wfbp.filters import RampFilter
from MITOReconstructionLib.wfbp.gpu_sizes import GpuSizes, choose_sizes
from MITOReconstructionLib.wfbp.lattice import FIELD, layer_distance
from MITOReconstructionLib.wfbp.node_weights import BLOCK as TALL
from MITOReconstructionLib.wfbp.plan import ParallelPlan
from MITOReconstructionLib.wfbp.stream import stream_bytes

__all__ = ["gpu_sizes", "largest_that_fits", "peak_memory"]

BASE = 64 << 20
"""Bytes for loading compiled code, for its tables, and for what allocators keep."""

TILE = 4 << 20
"""Bytes of a core's sums and row weights in filtered backprojection; its layers come to that."""

GPU_BASE = 768 << 20
"""Bytes of the computer's memory that CUDA, its libraries and CuPy take."""

CONTEXT = 4
"""Arrays of its coarse grid's size that the object outside of a grid takes while it is reconstructed."""

VOLUMES = 3
"""Arrays of the volume's size that a method is taken to need which does not say."""


def peak_memory(request: Request) -> int:
    """Bytes that a run takes at its peak.

    A method may say it itself, as ``memory(request)``; or it says in ``volumes`` how many arrays of the volume's size it
    needs, and is taken to work on blocks of views, as :mod:`MITOReconstructionLib.methods.system` does.

    Raises
    ------
    InputError
        When the method is filtered backprojection and the views are too few for it.
    """
    own: Callable[[Request], int] | None = getattr(request.method, "memory", None)
    if own is not None:
        return int(own(request))
    padding = bool(getattr(request.parameters, "padding", True))
    if request.method.name == "fbp":
        sizes = gpu_sizes(request, free=1 << 62)
        if sizes is not None:
            return request.grid.nbytes + sizes.pinned + GPU_BASE
        return request.grid.nbytes + _fbp_buffers(request.geometry, request.grid, padding)
    geometry = request.geometry
    volumes = int(getattr(request.method, "volumes", VOLUMES)) + (request.initial is not None)
    data = 4 * geometry.views * geometry.detector.columns * geometry.detector.rows
    iterating = volumes * request.grid.nbytes + 2 * min(BLOCK_BYTES, data) + _projector_buffers(geometry) + BASE
    coarse = context_grid(request.grid, geometry) if getattr(request.parameters, "context", False) else None
    if coarse is None:
        return iterating
    before = CONTEXT * coarse.nbytes
    with contextlib.suppress(InputError):  # too few views: then there is no context either
        before += _fbp_buffers(geometry, coarse, padding)
    return max(before, iterating + 2 * coarse.nbytes + min(MEMORY, data))


def gpu_sizes(request: Request, *, free: int | None = None) -> GpuSizes | None:
    """How filtered backprojection is cut to fit on the GPU, where that is what computes it; else None.

    Parameters
    ----------
    request : Request
    free : int, optional
        Bytes on the GPU, by default those that are free on it now.

    Raises
    ------
    InputError
        When the views are too few.
    WorkError
        When it does not fit.
    """
    try:
        device = request.device
    except (InputError, ImportError):  # said where it is to be used
        return None
    if request.method.name != "fbp" or not isinstance(device, CudaBackend):
        return None
    plan = ParallelPlan(request.geometry)
    ramp = RampFilter.design(len(plan.t), plan.t_step, padding=bool(getattr(request.parameters, "padding", True)))
    return choose_sizes(plan, request.grid, ramp.length, device.free_memory() if free is None else free)


def largest_that_fits(request: Request, room: int) -> VolumeGrid | None:
    """The same box in the smallest cubic-as-before voxels whose run takes at most ``room`` bytes, in steps of 5%; or None."""
    grid, factor = request.grid, 1.0
    while max(grid.shape) > 1:
        factor *= 1.05
        grid = VolumeGrid(grid.minimum, grid.maximum, [max(1, int(n / factor)) for n in request.grid.shape])  # type: ignore[arg-type]
        if peak_memory(replace(request, grid=grid)) <= room:
            return grid
    return None


def _fbp_buffers(geometry: ScanGeometry, grid: VolumeGrid, padding: bool) -> int:
    """Bytes beside the volume: rings and steps of views, a block of parallel beams, and what each core filters at a time."""
    plan = ParallelPlan(geometry)
    first, last = beams_seeing(plan, grid)
    rays = len(plan.t)
    of_each = RampFilter.design(rays, plan.t_step, padding=padding).scratch_bytes + TILE + _layer_bytes(plan, grid)
    return stream_bytes(plan, first, last, beams_at_a_time(plan, grid)) + int(numba.config.NUMBA_NUM_THREADS) * of_each + BASE


def _layer_bytes(plan: ParallelPlan, grid: VolumeGrid) -> int:
    """Bytes of a core's layers in filtered backprojection: every ray that meets a tile, on every layer there, where they lie closest."""
    if not layers.layers_suit(plan, grid):
        return 0
    geometry, detector = plan.geometry, plan.geometry.detector
    across = math.hypot(*(min(layers.TILE, count) * step for count, step in zip(grid.shape[:2], grid.spacing[:2], strict=True)))
    radius, field = geometry.source_radius, min(FIELD * float(np.abs(plan.t).max()), 0.999 * geometry.source_radius)
    nearest = radius - min(field, math.hypot(*(max(abs(grid.minimum[i]), abs(grid.maximum[i])) for i in (0, 1))))
    middle = math.sqrt(radius**2 - field**2)
    low, high = (middle / along - along / middle for along in (min(nearest + across, radius + field), nearest))
    off_centre = 0.5 * detector.height / max(abs(detector.row_min), abs(detector.row_max))
    count = (high - low) / (2.0 * off_centre * layer_distance(detector.rows)) + 3.0
    return int(4 * TALL * count * min(len(plan.t), across / plan.t_step + 3.0))


def _projector_buffers(geometry: ScanGeometry) -> int:
    """Bytes that the CPU projector works on at a time: images of every core forward, a block of views back."""
    rows = -(-geometry.detector.rows // cpu_lanes.LANES) * cpu_lanes.LANES
    view = 4 * geometry.detector.columns * rows
    forward, back = cpu.GROUP * int(numba.config.NUMBA_NUM_THREADS), max(1, cpu.BLOCK_BYTES // view)
    return min(geometry.views, max(forward, back)) * view
