"""Which voxels every direction of half a turn sees."""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.geometry import VolumeGrid
from MITOReconstructionLib.parallel import KERNELS
from MITOReconstructionLib.wfbp.backproject import COMPILE, BeamTables, seen

__all__ = ["fill_unseen"]

DIRECTIONS = 240
"""Least number of directions of half a turn that are looked at."""


def fill_unseen(volume: NDArray[np.float32], grid: VolumeGrid, tables: BeamTables, value: float) -> int:
    """Set the voxels that some direction of half a turn does not see to a value, and count them.

    Parameters
    ----------
    volume : float32, shape grid.shape, C order
        Changed in place.
    grid : VolumeGrid
    tables : BeamTables
    value : float
        In 1/mm.

    Returns
    -------
    int
        Number of voxels set.
    """
    with KERNELS:
        stride = max(1, tables.half_turn // DIRECTIONS)
        return int(_fill_unseen(volume, np.array(grid.origin), np.array(grid.spacing), tables, stride, np.float32(value)))


@numba.njit(parallel=True, **COMPILE)
def _fill_unseen(volume: Any, origin: Any, spacing: Any, tables: Any, stride: int, value: float) -> int:
    nx, ny, nz = volume.shape
    rays = len(tables.reach)
    unseen = 0
    for ix in numba.prange(nx):
        x = origin[0] + ix * spacing[0]
        covered, now = np.empty(nz, np.uint8), np.empty(nz, np.uint8)
        for iy in range(ny):
            y = origin[1] + iy * spacing[1]
            covered[:] = 1
            for direction in range(0, tables.half_turn, stride):
                theta = tables.theta_first + direction * tables.theta_step
                t = x * math.cos(theta) + y * math.sin(theta)
                depth = y * math.cos(theta) - x * math.sin(theta)
                now[:] = 0
                sign = 1.0
                for beam in range(direction, tables.beams, tables.half_turn):
                    place = (sign * t - tables.t_first) / tables.t_step
                    if place >= 0.0 and place <= rays - 1:
                        first, last = seen(place, sign * depth, beam, origin[2], spacing[2], nz, tables)[2:]
                        for k in range(first, last):
                            now[k] = 1
                    sign = -sign
                for k in range(nz):
                    covered[k] &= now[k]
            for k in range(nz):
                if covered[k] == 0:
                    volume[ix, iy, k] = value
                    unseen += 1
    return unseen
