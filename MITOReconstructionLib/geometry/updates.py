"""Voxels that views see: how much work a projection or backprojection is."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.geometry.grid import VolumeGrid
from MITOReconstructionLib.geometry.scan_geometry import ScanGeometry

__all__ = ["count_updates"]


def count_updates(geometry: ScanGeometry, grid: VolumeGrid, views: NDArray[np.integer]) -> tuple[float, float]:
    """How many columns of voxels along z, and how many voxels, views see in all; estimated from samples of views and voxels.

    Parameters
    ----------
    geometry : ScanGeometry
    grid : VolumeGrid
    views : int, shape (n,), n at least 1
        Indices of views.

    Returns
    -------
    columns, voxels : float
        Each counted once for every view that sees a part of the column, or the centre of the voxel.
    """
    detector, distance = geometry.detector, geometry.source_to_detector
    some = views[np.linspace(0, len(views) - 1, min(len(views), 48)).astype(int)]
    sampled = [np.linspace(0, n - 1, min(n, 24)).astype(int) for n in grid.shape]  # and not all centres: the grid may be absurd
    centres = [low + (index + 0.5) * side for low, index, side in zip(grid.minimum, sampled, grid.spacing, strict=True)]
    x, y = (part.ravel() for part in np.meshgrid(centres[0], centres[1], indexing="ij"))
    sin, cos = np.sin(geometry.angles[some])[:, None], np.cos(geometry.angles[some])[:, None]
    along, across = geometry.source_radius - x * sin + y * cos, x * cos + y * sin
    fan = np.clip(np.arctan2(across, along), *geometry.fan_angles)
    inside = (along > 0.0) & (np.abs(fan - np.arctan2(across, along)) < 1e-9)
    far, near = detector.surface(detector.column_at_fan_angle(fan, distance), distance)
    reach = np.maximum(np.hypot(along, across), 1e-6) / np.hypot(far, near)
    height = geometry.axial_positions[some][:, None, None]
    row = (centres[2] - height) / reach[..., None]
    seen = inside[..., None] & (row >= detector.row_min) & (row <= detector.row_max)
    voxels = len(views) * grid.size * float(seen.mean())
    return len(views) * grid.shape[0] * grid.shape[1] * float(seen.any(axis=2).mean()), voxels
