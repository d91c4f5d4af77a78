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
from MITOReconstructionLib.wfbp.backproject import COMPILE, BeamTables

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
    most = tables.beams // tables.half_turn + 1
    angles = tables.theta_first + np.arange(0, tables.half_turn, stride) * tables.theta_step
    sines, cosines = np.sin(angles), np.cos(angles)
    unseen = 0
    for ix in numba.prange(nx):
        x = origin[0] + ix * spacing[0]
        covered = np.ones((ny, nz), np.bool_)
        ranges = np.empty((most, 2, ny), np.int32)
        begins, ends = np.empty(most, np.int64), np.empty(most, np.int64)
        for number in range(len(angles)):
            beams, sign = 0, 1.0
            for beam in range(number * stride, tables.beams, tables.half_turn):
                turn = (sign * sines[number], sign * cosines[number])
                _column_ranges(ranges[beams], beam, (x, origin[1], spacing[1], origin[2], spacing[2]), turn, nz, tables)
                beams += 1
                sign = -sign
            for iy in range(ny):
                count = 0
                for beam in range(beams):
                    first, last = ranges[beam, 0, iy], ranges[beam, 1, iy]
                    if first < last:
                        count = _insert(begins, ends, count, first, last)
                reached = 0
                for place in range(count):
                    for k in range(reached, begins[place]):
                        covered[iy, np.uintp(k)] = False
                    reached = max(reached, ends[place])
                for k in range(reached, nz):
                    covered[iy, np.uintp(k)] = False
        for iy in range(ny):
            for k in range(nz):
                if not covered[iy, k]:
                    volume[ix, iy, k] = value
                    unseen += 1
    return unseen


@numba.njit(**COMPILE)
def _column_ranges(ranges: Any, beam: int, line: Any, turn: Any, nz: int, tables: Any) -> None:
    """First and last (exclusive) voxel that a beam sees of each column of a line along y; int32, shape (2, columns).

    As :func:`.backproject.seen`, with one division in the place of five: they are what takes the time.
    """
    x, y_first, y_step, z_first, z_step = line
    sin, cos = turn
    reaches, distances, fans, axial = tables.reach, tables.distance, tables.fan_steps, tables.axial
    most = len(reaches) - 1
    rays_per_mm, voxels_per_mm = 1.0 / tables.t_step, 1.0 / z_step
    place_first, place_step = (x * cos + y_first * sin - tables.t_first) * rays_per_mm, y_step * sin * rays_per_mm
    depth_first, depth_step = y_first * cos - x * sin, y_step * cos
    low, high = (tables.row_middle - tables.row_reach) * voxels_per_mm, (tables.row_middle + tables.row_reach) * voxels_per_mm
    begin = beam + tables.axial_offset
    for iy in range(ranges.shape[1]):
        place = place_first + place_step * iy
        ray = np.uintp(min(max(int(place), 0), most - 1))
        after = ray + np.uintp(1)
        share = place - np.float64(ray)
        reach = reaches[ray] + share * (reaches[after] - reaches[ray])
        along = reach + depth_first + depth_step * iy
        if place < 0.0 or place > most or along <= 1e-3 * reach:
            ranges[0, iy] = ranges[1, iy] = 0
            continue
        distance = distances[ray] + share * (distances[after] - distances[ray])
        position = begin + fans[ray] + share * (fans[after] - fans[ray])
        index = np.uintp(int(position))
        source = axial[index] + (position - np.float64(index)) * (axial[index + np.uintp(1)] - axial[index])
        height, shrunk = (source - z_first) * voxels_per_mm, along / distance
        ranges[0, iy] = math.ceil(min(max(height + low * shrunk, 0.0), np.float64(nz)))
        ranges[1, iy] = math.floor(min(max(height + high * shrunk, -1.0), nz - 1.0)) + 1


@numba.njit(**COMPILE)
def _insert(begins: Any, ends: Any, count: int, first: int, last: int) -> int:
    """Put a range into the list sorted by its beginning; the new length."""
    place = count
    while place > 0 and begins[place - 1] > first:
        begins[place], ends[place] = begins[place - 1], ends[place - 1]
        place -= 1
    begins[place], ends[place] = first, last
    return count + 1
