"""Which voxels every direction of half a turn sees."""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.geometry import VolumeGrid
from MITOReconstructionLib.monitor import Monitor
from MITOReconstructionLib.parallel import KERNELS
from MITOReconstructionLib.wfbp.backproject import COMPILE, BeamTables, seen

__all__ = ["direction_stride", "fill_unseen"]

DIRECTIONS = 120
"""Least number of directions of half a turn that are looked at."""

SLAB = 10_000_000
"""Voxels that are looked at before the next look at whether to stop."""


def fill_unseen(volume: NDArray[np.float32], grid: VolumeGrid, tables: BeamTables, value: float, monitor: Monitor | None = None) -> int:
    """Set the voxels that some direction of half a turn does not see to a value, and count them.

    Parameters
    ----------
    volume : float32, shape grid.shape, C order
        Changed in place.
    grid : VolumeGrid
    tables : BeamTables
    value : float
        In 1/mm.
    monitor : Monitor, optional
        Told how far the work is.

    Returns
    -------
    int
        Number of voxels set.

    Raises
    ------
    Cancelled
        When the run was asked to stop.
    """
    watch = monitor or Monitor()
    stride = direction_stride(tables)
    slab = max(1, SLAB // (grid.shape[1] * grid.shape[2]))
    unseen = 0
    for first in range(0, grid.shape[0], slab):
        watch.report("coverage", first / grid.shape[0])
        origin = np.array(grid.origin)
        origin[0] += first * grid.spacing[0]
        with KERNELS:
            unseen += _fill_unseen(volume[first : first + slab], origin, np.array(grid.spacing), tables, stride, np.float32(value))
    watch.report("coverage", 1.0)
    return unseen


def direction_stride(tables: BeamTables) -> int:
    """From one direction that is looked at to the next, in beams."""
    return max(1, tables.half_turn // DIRECTIONS)


@numba.njit(parallel=True, **COMPILE)
def _fill_unseen(volume: Any, origin: Any, spacing: Any, tables: Any, stride: int, value: float) -> int:
    nx, ny, nz = volume.shape
    rays = len(tables.reach)
    most = tables.beams // tables.half_turn + 1
    unseen = 0
    for ix in numba.prange(nx):
        x = origin[0] + ix * spacing[0]
        covered = np.empty(nz, np.bool_)
        begins, ends = np.empty(most, np.int64), np.empty(most, np.int64)
        for iy in range(ny):
            y = origin[1] + iy * spacing[1]
            covered[:] = True
            for direction in range(0, tables.half_turn, stride):
                theta = tables.theta_first + direction * tables.theta_step
                t = x * math.cos(theta) + y * math.sin(theta)
                depth = y * math.cos(theta) - x * math.sin(theta)
                count, sign = 0, 1.0
                for beam in range(direction, tables.beams, tables.half_turn):
                    place = (sign * t - tables.t_first) / tables.t_step
                    if place >= 0.0 and place <= rays - 1:
                        first, last = seen(place, sign * depth, beam, origin[2], spacing[2], nz, tables)[2:]
                        if first < last:
                            count = _insert(begins, ends, count, first, last)
                    sign = -sign
                reached = 0
                for number in range(count):
                    covered[reached : begins[number]] = False
                    reached = max(reached, ends[number])
                covered[reached:] = False
            for k in range(nz):
                if not covered[k]:
                    volume[ix, iy, k] = value
                    unseen += 1
    return unseen


@numba.njit(**COMPILE)
def _insert(begins: Any, ends: Any, count: int, first: int, last: int) -> int:
    """Put a range into the list sorted by its beginning; the new length."""
    place = count
    while place > 0 and begins[place - 1] > first:
        begins[place], ends[place] = begins[place - 1], ends[place - 1]
        place -= 1
    begins[place], ends[place] = first, last
    return count + 1
