"""Weighted FBP on an NVIDIA GPU: the same plan, filter and weights as on the CPU, in float32.

Rebinning and backprojection are CUDA kernels (``kernels.cu``), compiled at run time; the Fourier transforms are CuPy's. A
volume that does not fit is done in slabs along z, each from the beams that see it.
"""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.geometry import VolumeGrid
from MITOReconstructionLib.monitor import Monitor
from MITOReconstructionLib.projectors.cupy_gpu import CudaBackend
from MITOReconstructionLib.scan import Scan
from MITOReconstructionLib.wfbp.backproject import BeamTables, beams_seeing
from MITOReconstructionLib.wfbp.filters import RampFilter
from MITOReconstructionLib.wfbp.gpu_beams import LANES, VOXELS, GpuBeams, GpuWork
from MITOReconstructionLib.wfbp.gpu_sizes import choose_sizes
from MITOReconstructionLib.wfbp.plan import ParallelPlan

__all__ = ["GpuBackprojection", "filtered_backprojection"]

COLUMNS = 8
"""Columns of voxels of a block of threads."""

COMPILING = "compiling kernels for the GPU (kept on disk for the next time)"
STEP = "filtered backprojection"

PIECE = 64 << 20
"""Bytes of a slab of the volume that are fetched at a time where they cannot go straight to where they belong."""


class _Tables(NamedTuple):
    """What the kernel needs of a plan, on the GPU; see kernels.cu."""

    directions: Any
    partners: Any
    rays: Any


class GpuBackprojection:
    """Adds filtered beams to volumes on a GPU.

    Parameters
    ----------
    work : GpuWork
    plan : ParallelPlan
    tables : BeamTables
        Of the plan.
    """

    def __init__(self, work: GpuWork, plan: ParallelPlan, tables: BeamTables) -> None:
        self.work, self.tables = work, tables
        theta = plan.theta(np.arange(plan.beams))
        rays = np.stack([tables.reach, tables.distance, tables.fan_steps, np.zeros_like(tables.reach)], axis=-1)
        self._on_gpu = _Tables(
            work.sent(np.stack([np.cos(theta), np.sin(theta)], axis=-1).astype(np.float32)),
            work.sent(tables.partners.astype(np.int32)),
            work.sent(rays.astype(np.float32)),
        )

    def volume(self, grid: VolumeGrid) -> Any:
        """Zeros on the GPU for a grid, float32, shape grid.shape."""
        with self.work.compute:
            return self.work.device.cupy.zeros(grid.shape, np.float32)

    def heights(self, grid: VolumeGrid) -> Any:
        """Axial positions relative to the middle of a grid, in mm on the GPU; small numbers, so that float32 is enough."""
        return self.work.sent((self.tables.axial - _middle(grid)).astype(np.float32))

    def add(self, volume: Any, grid: VolumeGrid, heights: Any, beams: Any, first_beam: int) -> None:
        """Add filtered beams to a volume; see :func:`MITOReconstructionLib.wfbp.backproject.backproject`.

        Parameters
        ----------
        volume : array on the GPU, float32, shape grid.shape
        grid : VolumeGrid
        heights : array on the GPU
            Of :meth:`heights` for that grid.
        beams : array on the GPU, float32, shape (n, rays, rows)
        first_beam : int
        """
        t = self.tables
        count, rays, rows = beams.shape
        (x, y, z), (dx, dy, dz) = grid.origin, grid.spacing
        whole = int(np.floor(t.axial_offset))
        numbers = (
            *(np.int32(n) for n in grid.shape),
            *(np.float64(n) for n in (x, dx, y, dy)),
            *(np.float32(n) for n in (z - _middle(grid), dz)),
            *(np.int32(n) for n in (first_beam, count, t.beams, t.half_turn, rays, rows)),
            *(np.float32(n) for n in (t.theta_step, t.t_first / t.t_step, 1.0 / t.t_step)),
            np.int32(whole),
            *(np.float32(n) for n in (t.axial_offset - whole, t.row_middle, 1.0 / t.row_half, t.row_reach / t.row_half)),
        )
        nx, ny, nz = grid.shape
        blocks = (-(-nz // (LANES * VOXELS)), -(-ny // COLUMNS), nx)
        with self.work.timed("backprojection", self.work.compute):
            self.work.launch("backproject", blocks, (LANES, COLUMNS, 1), volume, beams, *self._on_gpu, heights, *numbers)


def filtered_backprojection(
    device: CudaBackend,
    scan: Scan,
    views: NDArray[np.intp],
    plan: ParallelPlan,
    ramp: RampFilter,
    tables: BeamTables,
    grid: VolumeGrid,
    monitor: Monitor,
) -> tuple[NDArray[np.float32], dict[str, Any]]:
    """Reconstruct on a GPU.

    Parameters
    ----------
    device : CudaBackend
    scan : Scan
    views : int array, shape (n,)
        The scan's views that ``plan`` was made for.
    plan, ramp, tables, grid : ParallelPlan, RampFilter, BeamTables, VolumeGrid
    monitor : Monitor

    Returns
    -------
    volume : float32, shape grid.shape, 1/mm
    facts : dict
        ``slabs``, ``beams_at_a_time``, ``bytes`` on the GPU, and ``seconds`` of the parts, which overlap: reading by the
        computer, copying to the GPU, rebinning, filtering and backprojection on it.

    Raises
    ------
    InputError
        When a projection holds a NaN or an infinity, naming its view.
    WorkError
        When the GPU's memory does not suffice, or it fails.
    Cancelled
        When the run was asked to stop.
    """
    volume = np.zeros(grid.shape, dtype=np.float32)
    monitor.report(COMPILING, 0.0)
    with device.working(f"filtered backprojection of {' x '.join(map(str, grid.shape))} voxels"):
        work = GpuWork(device)
        sizes = choose_sizes(plan, grid, ramp.length, device.free_memory())
        slabs = _slabs(grid, sizes.slices)
        try:
            monitor.report(STEP, 0.0)
            stream, backprojection = GpuBeams(work, scan, views, plan, ramp, sizes), GpuBackprojection(work, plan, tables)
            for number, first in enumerate(slabs):
                last = min(first + sizes.slices, grid.shape[2])
                slab = grid.region((0, 0, first), (*grid.shape[:2], last))
                _reconstruct_slab(stream, backprojection, slab, volume[:, :, first:last], _part(monitor, number, len(slabs)))
        finally:
            work.finish()
            device.release()
    seconds = {name: round(value, 3) for name, value in work.seconds.items()}
    return volume, {"slabs": len(slabs), "beams_at_a_time": sizes.block, "bytes": sizes.nbytes, "seconds": seconds}


def _reconstruct_slab(
    stream: GpuBeams, backprojection: GpuBackprojection, grid: VolumeGrid, out: NDArray[np.float32], monitor: Monitor
) -> None:
    """Write a slab of the volume to ``out``."""
    first, last = beams_seeing(stream.plan, grid)
    volume, heights = backprojection.volume(grid), backprojection.heights(grid)
    for start, beams in stream.blocks(first, last, monitor):
        backprojection.add(volume, grid, heights, beams, start)
        monitor.report(STEP, (start + len(beams) - first) / (last - first))
    compute = stream.work.compute
    if out.flags.c_contiguous:
        volume.get(stream=compute, out=out)
        return
    step = max(1, PIECE // (4 * grid.shape[1] * grid.shape[2]))
    for x in range(0, grid.shape[0], step):
        out[x : x + step] = volume[x : x + step].get(stream=compute)


def _slabs(grid: VolumeGrid, slices: int) -> range:
    """First voxel along z of each slab."""
    return range(0, grid.shape[2], slices)


def _part(monitor: Monitor, number: int, count: int) -> Monitor:
    """The monitor, or one whose whole is a part of its."""
    if count == 1:
        return monitor
    return _Part(monitor, number, count)


class _Part(Monitor):
    """Reports a part of a run to the monitor of the whole."""

    def __init__(self, whole: Monitor, number: int, count: int) -> None:
        super().__init__(lambda progress: whole.report(progress.step, (number + progress.fraction) / count))
        self._whole = whole

    def check(self) -> None:
        """Raise Cancelled where the whole was asked to stop."""
        self._whole.check()


def _middle(grid: VolumeGrid) -> float:
    return 0.5 * (grid.minimum[2] + grid.maximum[2])
