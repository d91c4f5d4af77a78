"""How the work of weighted FBP is cut so that it fits on a GPU."""

from __future__ import annotations

import math
from typing import NamedTuple

from MITOReconstructionLib.errors import WorkError
from MITOReconstructionLib.geometry import VolumeGrid
from MITOReconstructionLib.wfbp.backproject import BeamTables, beam_tables, beams_seeing
from MITOReconstructionLib.wfbp.plan import ParallelPlan

__all__ = ["CHUNK", "MOST_BLOCKS", "RESERVE", "GpuSizes", "choose_sizes", "most_partners", "stream_bytes", "views_at_a_time"]

BLOCKS = (64, 32, 16, 8)
"""Beams at a time, the best first: the volume on the GPU is read and written once for each block."""

CHUNK = 64 << 20
"""Bytes of views that are sent at a time; there are two such buffers on either side."""

GROUP = 16
"""Beams that are filtered at a time."""

FOURIER = 6
"""Arrays of the size of GROUP padded beams that a pair of Fourier transforms takes: copies in another order, spectra, work space."""

USE = 0.9
"""Part of the free memory that is used; the rest is for compiled code and for what the pool cannot reuse."""

RESERVE = 96 << 20
"""Bytes for compiled code and tables."""

SIGHTS = 32
"""Beams at most that are backprojected at a time."""

TABLE = 256 << 20
"""Bytes that the table of how these beams see the columns of voxels takes at least, where that many are needed."""

MOST_BLOCKS = 65535
"""Blocks of threads that a launch has along y, and along z, at most."""

SPANS = 64
"""Blocks that are looked at for the number of views that a block needs."""


class GpuSizes(NamedTuple):
    """How the work is cut.

    block : beams at a time;
    group : beams that are filtered at a time;
    sights : beams that are backprojected at a time;
    chunk : views that are sent at a time;
    slices : voxels along z of a slab of the volume; all of them where the volume fits;
    nbytes : on the GPU in all;
    pinned : bytes of page-locked memory in the computer.
    """

    block: int
    group: int
    sights: int
    chunk: int
    slices: int
    nbytes: int
    pinned: int


def choose_sizes(plan: ParallelPlan, grid: VolumeGrid, length: int, free: int) -> GpuSizes:
    """Cut the work so that it fits: the volume in one piece where it can be, and in as large blocks of beams as there is room for.

    Parameters
    ----------
    plan : ParallelPlan
    grid : VolumeGrid
    length : int
        Samples of a padded row, of the ramp filter.
    free : int
        Bytes that are free on the GPU.

    Raises
    ------
    WorkError
        When not even one slice of the volume fits, with what would be needed.
    """
    detector = plan.geometry.detector
    pixels = detector.columns * detector.rows
    chunk = views_at_a_time(plan, CHUNK)
    columns = grid.shape[0] * grid.shape[1]
    slice_bytes, sight_bytes = 4 * columns, columns * (16 + 8 * most_partners(beam_tables(plan)))
    room = int(USE * free) - RESERVE
    best, least = None, 0
    for block in BLOCKS:
        group, sights = min(GROUP, block), max(1, min(SIGHTS, block, max(TABLE, room // 20) // sight_bytes))
        beam = len(plan.t) * detector.rows
        tables = 16 * beam + 32 * len(plan.axial_table[1]) + 64 * plan.beams
        fixed = stream_bytes(plan, beams_seeing(plan, grid), length, block, group, chunk) + sights * sight_bytes + tables
        slices = min(grid.shape[2], (room - fixed) // slice_bytes)
        least = fixed + slice_bytes
        if slices < 1:
            continue
        if slices < grid.shape[2]:
            slices = max(32 * (slices // 32), min(slices, 32))
        pinned = 2 * (4 * pixels * chunk + 8 * block * len(plan.t) + 8 * chunk)
        sizes = GpuSizes(block, group, sights, chunk, slices, fixed + slices * slice_bytes + RESERVE, pinned)
        if best is None or math.ceil(grid.shape[2] / slices) < math.ceil(grid.shape[2] / best.slices):
            best = sizes
    if best is None:
        raise WorkError(
            f"The GPU has {free / 2**30:.2f} GiB of free memory; filtered backprojection of {' x '.join(map(str, grid.shape))} voxels "
            f"needs {(least + RESERVE) / USE / 2**30:.2f} GiB at least. End other programs on the GPU, choose a smaller box, "
            "or use the backend 'cpu'."
        )
    return best


def views_at_a_time(plan: ParallelPlan, nbytes: int) -> int:
    """How many views make up so many bytes, at least one and no more than a launch takes."""
    detector = plan.geometry.detector
    return max(1, min(nbytes // (4 * detector.columns * detector.rows), plan.geometry.views, MOST_BLOCKS))


def stream_bytes(plan: ParallelPlan, beams: tuple[int, int], length: int, block: int, group: int, chunk: int) -> int:
    """What :class:`~MITOReconstructionLib.wfbp.gpu_beams.GpuBeams` takes on the GPU to make beams, first and last (exclusive)."""
    detector, rays = plan.geometry.detector, len(plan.t)
    return (
        4 * detector.columns * detector.rows * (_ring(plan, *beams, block) + 2 * chunk)
        + 4 * (block + 1) * rays * detector.rows
        + 16 * block * rays
        + 4 * FOURIER * group * length * detector.rows
    )


def most_partners(tables: BeamTables) -> int:
    """How many other beams of its direction a beam shares voxels with, at most; at least 1, for a table that is not empty."""
    return max(1, int((tables.partners[:, 1] - tables.partners[:, 0]).max()) - 1)


def _ring(plan: ParallelPlan, first: int, last: int, block: int) -> int:
    """Views that a block of beams needs at most, from some of the blocks."""
    if first >= last:
        return 0
    stride = block * max(1, (last - first) // (block * SPANS))
    spans = (plan.view_span(start, min(start + block, last)) for start in range(first, last, stride))
    return max(high - low for low, high in spans) + 2
