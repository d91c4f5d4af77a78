"""The part of a problem that a method needs: the columns that see the grid, and flat voxels where nothing varies along x and y."""

from __future__ import annotations

import math

import numpy as np

from MITOReconstructionLib.geometry import Detector, ScanGeometry, VolumeGrid
from MITOReconstructionLib.projectors.cpu_layout import columns_seeing

__all__ = ["flattened", "narrowed"]

LEAST, FACTOR = 32, 4
"""Flat grids have at least so many voxels along x and y, as wide as so many of the grid's; a grid with fewer than twice as many stays."""


def narrowed(geometry: ScanGeometry, grid: VolumeGrid) -> tuple[tuple[int, int], ScanGeometry]:
    """The first and the last (exclusive) column on which the grid falls in some view, and the scan with these columns alone.

    There is room for one voxel around the grid, for projectors that interpolate between voxels.
    """
    room = VolumeGrid(
        tuple(a - d for a, d in zip(grid.minimum, grid.spacing, strict=True)),  # type: ignore[arg-type]
        tuple(b + d for b, d in zip(grid.maximum, grid.spacing, strict=True)),  # type: ignore[arg-type]
        grid.shape,
    )
    d, ranges = geometry.detector, columns_seeing(geometry, room, np.arange(geometry.views))
    low = min(int(ranges[:, 0].min()), d.columns - 1)
    high = max(int(ranges[:, 1].max()), low + 1)
    if (low, high) == (0, d.columns):
        return (low, high), geometry
    left, right = (d.column_min + number * d.column_pitch for number in (low, high))
    detector = Detector(high - low, d.rows, left, right, d.row_min, d.row_max, d.curvature_radius)
    return (low, high), ScanGeometry(geometry.angles, geometry.axial_positions, geometry.source_radius, geometry.detector_radius, detector)


def flattened(grid: VolumeGrid) -> VolumeGrid:
    """The same box in voxels up to :data:`FACTOR` times as wide along x and y.

    For volumes of ones and sums over rays: they take a tenth of the time there, and lengths of rays are the same.
    """
    x, y = (n if n < 2 * LEAST else max(LEAST, math.ceil(n / FACTOR)) for n in grid.shape[:2])
    return VolumeGrid(grid.minimum, grid.maximum, (x, y, grid.shape[2]))
