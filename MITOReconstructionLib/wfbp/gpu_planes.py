"""Backprojection of filtered parallel beams onto planes on an NVIDIA GPU: what :mod:`.planes` does on a CPU, by ``kernels.cu``."""

from __future__ import annotations

from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.wfbp.backproject import BeamTables
from MITOReconstructionLib.wfbp.coverage import direction_stride
from MITOReconstructionLib.wfbp.gpu_beams import GpuWork
from MITOReconstructionLib.wfbp.gpu_sights import GpuSights
from MITOReconstructionLib.wfbp.plan import ParallelPlan
from MITOReconstructionLib.wfbp.planes import PlaneSums

__all__ = ["GpuBeamStore", "GpuPlaneSums", "GpuPlanes"]

PATCH = 16
"""Pixels along either side of what a block of threads works on."""

BITS = 6
TILE = 1 << BITS
"""Pixels along either side of the tiles for which the beams that see them are looked up; a multiple of PATCH."""

BLOCKS = 2048
"""Blocks of threads that keep a large GPU busy; where the pixels make fewer, the directions are shared out between parts."""

MOST_PARTS = 16

THREADS = 128
"""Threads of a block that looks at directions, or ends pixels."""


class GpuBeamStore(NamedTuple):
    """Filtered beams on a GPU, as :class:`~MITOReconstructionLib.wfbp.planes.BeamStore`.

    values : int16, shape (slots + 1, rays, rows): kernels with a single row look behind the last value, times 0;
    scales : float32, shape (slots,);
    slots : int32, shape (beams,), -1 for beams that are not there.
    """

    values: Any
    scales: Any
    slots: Any


class GpuPlaneSums(NamedTuple):
    """Planes that are being worked on at the same time.

    planes : what is written in the end;
    seeing : bool, shape (beams,): which beams see a part of one of them; few of those that do not are marked too;
    pixels, tiles, across, parts : counts: pixels and tiles of the largest plane, tiles along j, parts of the directions;
    sums, unseen, ranges, places, shapes : on the GPU, see ``kernels.cu``.
    """

    planes: list[PlaneSums]
    seeing: NDArray[np.bool_]
    pixels: int
    tiles: int
    across: int
    parts: int
    sums: Any
    unseen: Any
    ranges: Any
    places: Any
    shapes: Any

    @property
    def pixels_in_all(self) -> int:
        """Pixels of all the planes, each taken as large as the largest."""
        return len(self.planes) * self.pixels


class GpuPlanes:
    """Adds filtered beams to planes on a GPU.

    Parameters
    ----------
    work : GpuWork
    plan : ParallelPlan
    tables : BeamTables
        Of the plan.
    """

    def __init__(self, work: GpuWork, plan: ParallelPlan, tables: BeamTables) -> None:
        self.work, self.tables = work, tables
        self._middle = 0.5 * float(tables.axial.min() + tables.axial.max())
        self._sights = GpuSights(work, plan, tables)
        self._tables = (self._sights.directions, self._sights.rays, self._sights.heights(self._middle))

    def begin(self, planes: list[PlaneSums]) -> GpuPlaneSums:
        """Take up planes, and look up which beams see them."""
        t, work = self.tables, self.work
        cupy = work.device.cupy
        shapes = np.array([plane.image.shape for plane in planes], np.int32)
        n, m = (int(count) for count in shapes.max(axis=0))
        pixels, across, tiles = int(shapes.prod(axis=1, dtype=np.int64).max()), _parts(m, TILE), _parts(n, TILE) * _parts(m, TILE)
        parts = min(MOST_PARTS, t.half_turn, max(1, BLOCKS // (len(planes) * _parts(n, PATCH) * _parts(m, PATCH))))
        places = np.stack([np.concatenate([plane.origin - (0.0, 0.0, self._middle), plane.u, plane.v]) for plane in planes])
        with work.compute:
            sums = cupy.zeros((len(planes), parts, pixels), np.float32)
            unseen, seeing = cupy.zeros((len(planes), pixels), np.int32), cupy.zeros((t.beams,), np.int32)
            ranges = cupy.empty((len(planes), tiles, t.half_turn, 2), np.int32)
        arrays = work.sent(places), work.sent(shapes)
        numbers = (
            *(np.int32(count) for count in (tiles, across, TILE, t.beams, t.half_turn)),
            *self._sights.numbers,
            *(np.float32(length) for length in (t.row_reach, t.row_pitch, t.distance.min())),
        )
        blocks = (tiles, _parts(t.half_turn, THREADS), len(planes))
        work.launch("mark_tiles", blocks, (THREADS, 1, 1), ranges, seeing, *arrays, *self._tables, *numbers)
        seen = seeing.get(stream=work.compute) != 0
        return GpuPlaneSums(planes, seen, pixels, tiles, across, parts, sums, unseen, ranges, *arrays)

    def add(self, sums: GpuPlaneSums, store: GpuBeamStore, ready: tuple[int, int], first: int, last: int, *, check: bool = True) -> None:
        """Start to add the beams of some directions; see :func:`MITOReconstructionLib.wfbp.planes.add_directions`."""
        t, sights = self.tables, self._sights
        rows = store.values.shape[2]
        stride = direction_stride(t) if check else 0
        n, m = (max(plane.image.shape[axis] for plane in sums.planes) for axis in (0, 1))
        share, patches = _parts(last - first, sums.parts), _parts(m, PATCH)
        numbers = (
            *(np.int32(count) for count in (sums.pixels, sums.tiles, sums.across, BITS, patches, sums.parts, share)),
            *(np.int32(count) for count in (first, last, stride, *ready, t.half_turn, rows)),
            *sights.numbers,
            sights.per_half,
            sights.limit,
            np.float32(t.theta_step),
        )
        arrays = (sums.sums, sums.unseen, *store, sums.ranges, sums.places, sums.shapes, *self._tables)
        blocks = (_parts(n, PATCH) * patches, 1, len(sums.planes) * sums.parts)
        with self.work.timed("backprojection", self.work.compute):
            self.work.launch("add_planes", blocks, (PATCH * PATCH, 1, 1), *arrays, *numbers)

    def finish(self, sums: GpuPlaneSums, fill_value: float) -> None:
        """Wait for what was added, and write the images of the planes; a pixel that some direction does not see has that value."""
        work = self.work
        with work.compute:
            images = work.device.cupy.empty((len(sums.planes), sums.pixels), np.float32)
        blocks = (_parts(sums.pixels, THREADS), len(sums.planes), 1)
        numbers = np.int32(sums.pixels), np.int32(sums.parts), np.float32(fill_value)
        work.launch("finish_planes", blocks, (THREADS, 1, 1), images, sums.sums, sums.unseen, *numbers)
        for number, plane in enumerate(sums.planes):
            n, m = plane.image.shape
            images[number, : n * m].get(stream=work.compute, out=plane.image.reshape(-1))
        work.collect()


def _parts(count: int, size: int) -> int:
    """How many pieces of that size cover so many."""
    return -(-count // size)
