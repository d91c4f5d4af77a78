"""Weighted FBP on an NVIDIA GPU: the same plan, filter and weights as on the CPU, in float32.

Rebinning and backprojection are CUDA kernels (``kernels.cu``), compiled at run time; the Fourier transforms are CuPy's. A
volume that does not fit is done in slabs along z, each from the beams that see it.
"""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.geometry import VolumeGrid
from MITOReconstructionLib.monitor import Monitor
from MITOReconstructionLib.projectors.cupy_gpu import CudaBackend
from MITOReconstructionLib.scan import Scan
from MITOReconstructionLib.wfbp.backproject import BeamTables, beams_seeing
from MITOReconstructionLib.wfbp.coverage import direction_stride
from MITOReconstructionLib.wfbp.filters import RampFilter
from MITOReconstructionLib.wfbp.gpu_beams import LANES, VOXELS, GpuBeams, GpuWork
from MITOReconstructionLib.wfbp.gpu_sights import GpuSights
from MITOReconstructionLib.wfbp.gpu_sizes import MOST_BLOCKS, choose_sizes, most_partners
from MITOReconstructionLib.wfbp.plan import ParallelPlan

__all__ = ["GpuBackprojection", "GpuSlab", "filtered_backprojection"]

COLUMNS = 8
"""Columns of voxels of a block of threads."""

FILLERS = (8, 16)
"""Threads of a block that looks for unseen voxels, along z (32 voxels each) and y."""

SIGHT_THREADS = 128
"""Threads of a block that works out how beams see columns of voxels."""

COMPILING = "compiling kernels for the GPU (kept on disk for the next time)"
STEP = "filtered backprojection"

PIECE = 64 << 20
"""Bytes of a slab of the volume that are fetched at a time where they cannot go straight to where they belong."""


class GpuSlab(NamedTuple):
    """A volume on a GPU, and what goes with it.

    grid : VolumeGrid;
    values : float32, shape grid.shape, in 1/mm;
    heights : float32, axial positions relative to the middle of the grid in mm;
    own, others : float32, shapes (beams, x, y, 4) and (beams, partners, x, y, 2), how beams see columns of voxels, see kernels.cu.
    """

    grid: VolumeGrid
    values: Any
    heights: Any
    own: Any
    others: Any


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
        self.work, self.tables, self._partners = work, tables, most_partners(tables)
        self._sights = GpuSights(work, plan, tables)
        self._tables = (self._sights.directions, work.sent(tables.partners.astype(np.int32)), self._sights.rays)

    def slab(self, grid: VolumeGrid, sights: int) -> GpuSlab:
        """A volume of zeros, to which so many beams are added at a time."""
        heights = self._sights.heights(0.5 * (grid.minimum[2] + grid.maximum[2]))
        cupy, columns = self.work.device.cupy, grid.shape[:2]
        with self.work.compute:
            values = cupy.zeros(grid.shape, np.float32)
            own, others = cupy.empty((sights, *columns, 4), np.float32), cupy.empty((sights, self._partners, *columns, 2), np.float32)
        return GpuSlab(grid, values, heights, own, others)

    def add(self, slab: GpuSlab, beams: Any, first_beam: int) -> None:
        """Add filtered beams to a volume; see :func:`MITOReconstructionLib.wfbp.backproject.backproject`.

        Parameters
        ----------
        slab : GpuSlab
        beams : array on the GPU, float32, shape (n, rays, rows)
        first_beam : int
        """
        step = len(slab.own)
        with self.work.timed("backprojection", self.work.compute):
            for first in range(0, len(beams), step):
                some = beams[first : first + step]
                for part in _parts(slab):
                    self._tabulate(part, first_beam + first, len(some))
                    self._add(part, some)

    def fill_unseen(self, slab: GpuSlab, value: float) -> int:
        """Set the voxels that some direction does not see, and count them; see :func:`MITOReconstructionLib.wfbp.coverage.fill_unseen`."""
        t, work = self.tables, self.work
        theta = t.theta_first + np.arange(t.half_turn) * t.theta_step
        directions = work.sent(np.stack([np.cos(theta), np.sin(theta)], axis=-1))
        tables = [work.sent(table) for table in (t.reach, t.distance, t.fan_steps, t.axial)]
        plan_numbers = (
            *(np.int32(n) for n in (t.beams, t.half_turn, direction_stride(t), len(t.reach))),
            *(np.float64(n) for n in (t.t_first, t.t_step, t.axial_offset, t.row_middle, t.row_reach)),
            np.float32(value),
        )
        unseen = 0
        for part in _parts(slab):
            (x, y, z), (dx, dy, dz), (nx, ny, nz) = part.grid.origin, part.grid.spacing, part.grid.shape
            counts = work.sent(np.zeros(nx, np.int32))
            numbers = (*(np.int32(n) for n in (nx, ny, nz)), *(np.float64(n) for n in (x, dx, y, dy, z, dz)), *plan_numbers)
            blocks = (-(-nz // (32 * FILLERS[0])), -(-ny // FILLERS[1]), nx)
            with work.timed("coverage", work.compute):
                work.launch("fill_unseen", blocks, (*FILLERS, 1), part.values, counts, directions, *tables, *numbers)
            unseen += int(counts.get(stream=work.compute).sum(dtype=np.int64))
        return unseen

    def _tabulate(self, slab: GpuSlab, first_beam: int, count: int) -> None:
        t, sights = self.tables, self._sights
        (x, y, _), (dx, dy, dz) = slab.grid.origin, slab.grid.spacing
        nx, ny, _ = slab.grid.shape
        numbers = (
            *(np.int32(n) for n in (nx, ny)),
            *(np.float64(n) for n in (x, dx, y, dy)),
            np.float32(dz),
            *(np.int32(n) for n in (first_beam, t.beams, t.half_turn, self._partners)),
            *sights.numbers,
            sights.per_half,
            sights.limit,
        )
        blocks = (-(-ny // SIGHT_THREADS), nx, count)
        self.work.launch("tabulate_sights", blocks, (SIGHT_THREADS, 1, 1), slab.own, slab.others, *self._tables, slab.heights, *numbers)

    def _add(self, slab: GpuSlab, beams: Any) -> None:
        t = self.tables
        nx, ny, nz = slab.grid.shape
        count, rays, rows = beams.shape
        numbers = (
            *(np.int32(n) for n in (nx, ny, nz, count, self._partners, rays, rows)),
            np.float32(t.theta_step),
            self._sights.limit,
        )
        blocks = (-(-nz // (LANES * VOXELS)), -(-ny // COLUMNS), nx)
        self.work.launch("backproject", blocks, (LANES, COLUMNS, 1), slab.values, beams, slab.own, slab.others, *numbers)


def _parts(slab: GpuSlab) -> Iterator[GpuSlab]:
    """A volume in parts along x, in which a launch has a block of threads for each x; nearly always the whole."""
    nx, ny, nz = slab.grid.shape
    if nx <= MOST_BLOCKS:
        yield slab
        return
    for first in range(0, nx, MOST_BLOCKS):
        last = min(first + MOST_BLOCKS, nx)
        yield slab._replace(grid=slab.grid.region((first, 0, 0), (last, ny, nz)), values=slab.values[first:last])


def filtered_backprojection(
    device: CudaBackend,
    scan: Scan,
    views: NDArray[np.intp],
    plan: ParallelPlan,
    ramp: RampFilter,
    tables: BeamTables,
    grid: VolumeGrid,
    fill_value: float,
    monitor: Monitor,
) -> tuple[NDArray[np.float32], int, dict[str, Any]]:
    """Reconstruct on a GPU.

    Parameters
    ----------
    device : CudaBackend
    scan : Scan
    views : int array, shape (n,)
        The scan's views that ``plan`` was made for.
    plan, ramp, tables, grid : ParallelPlan, RampFilter, BeamTables, VolumeGrid
    fill_value : float
        Of voxels that some direction does not see, in 1/mm.
    monitor : Monitor

    Returns
    -------
    volume : float32, shape grid.shape, 1/mm
    unseen : int
        Number of these voxels.
    facts : dict
        ``slabs``, ``beams_at_a_time``, ``bytes`` on the GPU, and ``seconds`` of the parts, which overlap: reading by the
        computer, copying to the GPU, rebinning, filtering, backprojection and coverage on it.

    Raises
    ------
    InputError
        When a projection holds a NaN or an infinity, naming its view.
    WorkError
        When the GPU's memory does not suffice, or it fails.
    Cancelled
        When the run was asked to stop.
    """
    volume, unseen = np.empty(grid.shape, dtype=np.float32), 0
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
                part = _part(monitor, number, len(slabs))
                unseen += _reconstruct_slab(stream, backprojection, slab, fill_value, volume[:, :, first:last], part)
        finally:
            work.finish()
            device.release()
    seconds = {name: round(value, 3) for name, value in work.seconds.items()}
    return volume, unseen, {"slabs": len(slabs), "beams_at_a_time": sizes.block, "bytes": sizes.nbytes, "seconds": seconds}


def _reconstruct_slab(
    stream: GpuBeams, backprojection: GpuBackprojection, grid: VolumeGrid, fill_value: float, out: NDArray[np.float32], monitor: Monitor
) -> int:
    """Write a slab of the volume to ``out``, and count its unseen voxels."""
    first, last = beams_seeing(stream.plan, grid)
    slab = backprojection.slab(grid, stream.sizes.sights)
    for start, beams in stream.blocks(first, last, monitor):
        backprojection.add(slab, beams, start)
        monitor.report(STEP, (start + len(beams) - first) / (last - first))
    unseen = backprojection.fill_unseen(slab, fill_value)
    compute = stream.work.compute
    if out.flags.c_contiguous:
        slab.values.get(stream=compute, out=out)
        return unseen
    step = max(1, PIECE // (4 * grid.shape[1] * grid.shape[2]))
    for x in range(0, grid.shape[0], step):
        out[x : x + step] = slab.values[x : x + step].get(stream=compute)
    return unseen


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
