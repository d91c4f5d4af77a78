"""What the CPU projector's kernels are told, and what they work in. Plain tuples, since numba takes those.

A change of a field here changes the kernels' types, and so makes numba compile them anew.
"""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.geometry import ScanGeometry, VolumeGrid

__all__ = ["Layout", "Plan", "Scratch", "View", "columns_seeing", "make_plan"]


class Layout(NamedTuple):
    """Everything about grid and detector that does not change from view to view; in mm where nothing else is said."""

    x_min: float
    y_min: float
    z_min: float
    dx: float
    dy: float
    dz: float
    source_radius: float
    distance: float  # source to the detector's midpoint
    curvature_radius: float  # of the detector; 0 where it is flat
    column_min: float  # column coordinates: radians on a cylinder
    column_pitch: float
    columns: int
    row_min: float
    row_pitch: float
    rows: int


class View(NamedTuple):
    """What changes from view to view."""

    sine: float
    cosine: float
    height: float  # axial position in mm


class Scratch(NamedTuple):
    """Working memory of one thread, one array a purpose; unpacked once for a tile, since each access counts references."""

    table: NDArray[np.float64]  # float64 (TABLE,): how a tile's columns meet the detector
    shares: NDArray[np.float32]  # (SHARES,): and what part of each falls on the detector's columns
    weights: NDArray[np.float32]  # (columns + LEAST,): of the detector columns that one voxel column falls on
    line: NDArray[np.float32]  # (BEFORE + inputs + LANES + AFTER,): what is resampled, between zeros
    out: NDArray[np.float32]  # (outputs in whole vectors + LANES,): resampled values


class Plan(NamedTuple):
    """What the kernels are told about grid, detector and views."""

    layout: Layout
    sines: NDArray[np.float64]
    cosines: NDArray[np.float64]
    heights: NDArray[np.float64]
    columns: NDArray[np.int64]
    """First and last (exclusive) detector column that the grid may fall on, shape (views, 2)."""
    cone: NDArray[np.float32]
    """By what a ray is longer than its projection onto the plane of rotation, shape (columns, rows)."""

    def views(self, chosen: slice | NDArray[np.intp]) -> tuple[Layout, *tuple[NDArray[np.float64], ...], NDArray[np.int64]]:
        """Layout, sines, cosines, heights and columns, of some of the views."""
        return self.layout, self.sines[chosen], self.cosines[chosen], self.heights[chosen], self.columns[chosen]


def make_plan(geometry: ScanGeometry, grid: VolumeGrid, index: NDArray[np.intp]) -> Plan:
    """Gather what the kernels need for the views ``index``."""
    d = geometry.detector
    layout = Layout(
        *grid.minimum,
        *grid.spacing,
        geometry.source_radius,
        geometry.source_to_detector,
        0.0 if d.is_flat else d.curvature_radius,
        d.column_min,
        d.column_pitch,
        d.columns,
        d.row_min,
        d.row_pitch,
        d.rows,
    )
    reach = np.hypot(*d.surface(d.column_centres(), geometry.source_to_detector))
    cone = np.hypot(1.0, d.row_centres() / reach[:, None]).astype(np.float32)
    angles = geometry.angles[index]
    sines, cosines = np.sin(angles), np.cos(angles)
    return Plan(layout, sines, cosines, geometry.axial_positions[index], columns_seeing(geometry, grid, index), cone)


def columns_seeing(geometry: ScanGeometry, grid: VolumeGrid, index: NDArray[np.intp]) -> NDArray[np.int64]:
    """First and last (exclusive) of the columns on which a grid may fall in the views ``index``, shape (n, 2).

    They lie between the outermost projections of its four edges along z; all of them where one is behind the source.
    """
    d = geometry.detector
    sines, cosines = np.sin(geometry.angles[index]), np.cos(geometry.angles[index])
    ranges = np.tile(np.array([0, d.columns]), (len(sines), 1))
    x, y = (edge.ravel() for edge in np.meshgrid(*((grid.minimum[axis], grid.maximum[axis]) for axis in (0, 1))))
    across = cosines[:, None] * x + sines[:, None] * y
    along = geometry.source_radius - sines[:, None] * x + cosines[:, None] * y
    if not d.is_flat and abs(geometry.source_to_detector - d.curvature_radius) >= d.curvature_radius:
        return ranges  # the source is outside of the cylinder: columns do not grow with the fan angle all the way
    front = np.flatnonzero((along > 1e-3 * geometry.source_radius).all(axis=1))
    fans = np.arctan2(across[front], along[front])
    columns = (d.column_at_fan_angle(fans, geometry.source_to_detector) - d.column_min) / d.column_pitch
    ranges[front, 0] = np.clip(np.floor(columns.min(axis=1) - 0.5), 0, d.columns)
    ranges[front, 1] = np.clip(np.ceil(columns.max(axis=1) + 0.5), ranges[front, 0], d.columns)
    return ranges
