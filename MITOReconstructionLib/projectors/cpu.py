"""Forward and back projection on the CPU: matched, multi-threaded, for any grid and any selection of views.

The method and its source are in :mod:`MITOReconstructionLib.projectors.cpu_kernels`. Here arguments are checked, views
that do not see the grid are left out, and the rest is worked off in blocks, so that memory stays bounded and the caller
can stop a long run between two of them.
"""

from __future__ import annotations

import math

import numba
import numpy as np
from numpy.typing import ArrayLike, NDArray

from MITOReconstructionLib.geometry import ScanGeometry, VolumeGrid
from MITOReconstructionLib.geometry.scan_geometry import Views
from MITOReconstructionLib.parallel import KERNELS
from MITOReconstructionLib.projectors import cpu_kernels as kernels
from MITOReconstructionLib.projectors.arguments import PROJECTION_AXES, VOLUME_AXES, Report, blocks, input_array, output_array
from MITOReconstructionLib.projectors.cpu_layout import make_plan
from MITOReconstructionLib.projectors.cpu_prepare import prepare_views
from MITOReconstructionLib.projectors.cpu_resample import whole_vectors

__all__ = ["CpuBackend", "back", "forward"]

BLOCK_SECONDS = 0.3  # aimed at between two calls of the caller's report
VOXELS_PER_SECOND = 9e8  # of one core; only how work is cut depends on it
GROUP = 4  # views that are projected together, so that a part of the volume is read once for them
BLOCK_BYTES = 48 << 20  # views that are made ready for back projection at a time


def forward(
    volume: ArrayLike,
    grid: VolumeGrid,
    geometry: ScanGeometry,
    out: NDArray[np.float32] | None = None,
    *,
    views: Views = None,
    accumulate: bool = False,
    report: Report | None = None,
) -> NDArray[np.float32]:
    """Line integrals of a volume, averaged over each pixel.

    Parameters
    ----------
    volume : array, shape grid.shape, axes [x, y, z], 1/mm
        Any real dtype and memory layout; float32 in C order is read in place, anything else is copied once.
    grid : VolumeGrid
        Where the voxels are. Voxels outside the beam, behind the source too, count nothing.
    geometry : ScanGeometry
    out : float32 array in C order, shape (n, columns, rows), optional
        Written and returned.
    views : selection of views, optional
        Which views to project, n of them and in that order; all by default.
    accumulate : bool
        Add to ``out`` instead of overwriting it.
    report : callable, optional
        Called with the part done (0 to 1) every half second or so; what it raises ends the run.

    Returns
    -------
    float32 array, shape (n, columns, rows), without unit

    Raises
    ------
    InputError
        When an array has another shape or type than that, or a view is outside the scan.
    """
    index = geometry.view_indices(views)
    detector = geometry.detector
    shape = (len(index), detector.columns, detector.rows)
    source = input_array("volume", volume, VOLUME_AXES, grid.shape)
    target = output_array("out", out, PROJECTION_AXES, shape, accumulate=accumulate)
    seen = _seen(geometry, grid, index)
    if not accumulate and out is not None:
        target[np.setdiff1d(np.arange(len(index)), seen)] = 0.0
    if not len(seen):
        return target
    plan = make_plan(geometry, grid, index)
    voxels = _kernel_input(source).reshape(-1)
    threads = numba.get_num_threads()
    for first, last in blocks(len(seen), _views_per_block(geometry, grid, threads), report):
        block = seen[first:last]
        parts = min(max(1, math.ceil(threads / len(block))), detector.columns)
        group = max(1, min(GROUP, len(block) // threads))
        with KERNELS:
            kernels.forward_views(voxels, grid.shape, *plan.views(slice(None)), block, group, parts, plan.cone, target, accumulate)
    return target


def back(
    projections: ArrayLike,
    grid: VolumeGrid,
    geometry: ScanGeometry,
    out: NDArray[np.float32] | None = None,
    *,
    views: Views = None,
    accumulate: bool = False,
    report: Report | None = None,
) -> NDArray[np.float32]:
    """The exact transpose of :func:`forward`: every pixel's value goes back, times the same weight.

    Parameters
    ----------
    projections : array, shape (n, columns, rows)
        Any real dtype and memory layout, a read-only memory map too; what is not float32 in C order is converted view
        block by view block.
    grid : VolumeGrid
    geometry : ScanGeometry
    out : float32 array in C order, shape grid.shape, axes [x, y, z], optional
        Written and returned.
    views : selection of views, optional
        The views that ``projections`` holds, n of them and in that order; all by default.
    accumulate : bool
        Add to ``out`` instead of overwriting it.
    report : callable, optional
        Called with the part done (0 to 1) every half second or so; what it raises ends the run.

    Returns
    -------
    float32 array, shape grid.shape, axes [x, y, z], in mm times the unit of the projections

    Raises
    ------
    InputError
        When an array has another shape or type than that, or a view is outside the scan.
    """
    index = geometry.view_indices(views)
    detector = geometry.detector
    source = input_array("projections", projections, PROJECTION_AXES, (len(index), detector.columns, detector.rows))
    target = output_array("out", out, VOLUME_AXES, grid.shape, accumulate=accumulate)
    if not accumulate and out is not None:
        target[...] = 0.0
    seen = _seen(geometry, grid, index)
    if not len(seen):
        return target
    plan = make_plan(geometry, grid, index)
    ranges = plan.columns[seen]
    rows = whole_vectors.py_func(detector.rows)  # the compiled one would be compiled for this call in every process
    columns = max(1, int(np.ptp(ranges, axis=1).max()))
    size = min(len(seen), max(1, BLOCK_BYTES // (4 * columns * rows)), _views_per_block(geometry, grid, numba.get_num_threads()))
    values = _aligned((size, columns, rows))
    for first, last in blocks(len(seen), size, report):
        block = seen[first:last]
        whole = block[-1] - block[0] + 1 == len(block)
        pixels = _kernel_input(source[block[0] : block[-1] + 1] if whole else source[block])
        with KERNELS:
            prepare_views(pixels, plan.cone, plan.columns[block], values)
            kernels.back_views(values, *plan.views(block), target.reshape(-1), grid.shape)
    return target


class CpuBackend:
    """The backend "cpu": :func:`forward` and :func:`back` of this module."""

    name = "cpu"
    matched = True
    forward = staticmethod(forward)
    back = staticmethod(back)

    @property
    def description(self) -> str:
        """How many threads, and what they run."""
        return f"CPU, {numba.get_num_threads()} threads (separable footprints)"


def _seen(geometry: ScanGeometry, grid: VolumeGrid, index: NDArray[np.intp]) -> NDArray[np.intp]:
    """Positions in ``index`` of the views that have a part of the grid, or of one voxel around it, in their beam."""
    if not len(index):
        return np.zeros(0, dtype=np.intp)
    margin = np.array(grid.spacing)
    seen = geometry.select(index).views_seeing(np.array(grid.minimum) - margin, np.array(grid.maximum) + margin)
    return np.flatnonzero(seen)


def _views_per_block(geometry: ScanGeometry, grid: VolumeGrid, threads: int) -> int:
    """Views that take BLOCK_SECONDS or so: a multiple of the number of threads."""
    magnification = geometry.source_to_detector / geometry.source_radius
    voxels = min(grid.shape[2], 1 + geometry.detector.height / magnification / grid.spacing[2])
    seconds = grid.shape[0] * grid.shape[1] * voxels / VOXELS_PER_SECOND
    return threads * max(1, round(BLOCK_SECONDS / seconds))


def _aligned(shape: tuple[int, int, int]) -> NDArray[np.float32]:
    """An empty array whose first item begins a cache line of 64 bytes: vectors that cross two take twice as long."""
    count = math.prod(shape)
    items = np.empty(count + 16, dtype=np.float32)
    first = -(items.ctypes.data // 4) % 16
    return items[first : first + count].reshape(shape)


def _kernel_input(array: NDArray[np.generic]) -> NDArray[np.float32]:
    """float32, C order, native bytes; read-only, so that the kernels are compiled for one kind of array only."""
    ready = np.ascontiguousarray(array, dtype=np.float32).view(np.ndarray).view()
    ready.setflags(write=False)
    return ready
