"""The plane that a slice view shows, cut to what a scan covers, on pixels that stay where they are while the view moves."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.geometry import VolumeGrid
from MITOReconstructionLib.live import Plane
from MITOReconstructionLib.scene.host import Node

__all__ = ["cut_of_box", "look_at", "plane_of_view"]

MOST_PIXELS = 1024
"""Largest number of pixels along a side."""

ROOM = 1.1
"""Width of a view that :func:`look_at` moves, over what is in it."""

FINEST = -1
"""Powers of two by which the pixels of a view that is zoomed in may differ from the grid's voxels: half of these."""


def plane_of_view(view: Node, grid: VolumeGrid, *, most: int = MOST_PIXELS) -> Plane | None:
    """The part of a slice view's plane that lies in the box of a grid, or None where there is none.

    Its pixels are no wider than the view's own, a power of two of the grid's smallest voxel side, and lie on a lattice
    through the centre of the grid's first voxel: they coincide with voxels where the plane does, and a view that is
    panned shows the same pixels.

    Parameters
    ----------
    view : vtkMRMLSliceNode
    grid : VolumeGrid
        What can be reconstructed; its voxels are the resolution that there is.
    most : int, optional
        Pixels along a side are made wider until there are no more.
    """
    matrix = _array(view.GetXYToRAS())
    steps, corner = matrix[:3, :2].T, matrix[:3, 3]
    sides = np.linalg.norm(steps, axis=1)
    width, height = view.GetDimensions()[:2]
    if min(width, height) < 1 or not np.all(sides > 0) or not np.all(np.isfinite(matrix)):
        return None
    axes = steps / sides[:, None]
    normal = np.cross(*axes)
    seen = cut_of_box(corner, normal, grid)
    if len(seen) == 0:
        return None
    anchor = np.array(grid.origin)
    cut, place = (seen - anchor) @ axes.T, (corner - anchor) @ axes.T
    low = np.maximum(cut.min(axis=0), place)
    high = np.minimum(cut.max(axis=0), place + sides * (np.array([width, height]) - 1))
    if np.any(high <= low):
        return None
    finest = min(grid.spacing)
    side = finest * 2.0 ** max(FINEST, math.floor(math.log2(float(sides.min()) / finest) + 1e-6))
    while np.max(high - low) > (most - 1) * side:
        side *= 2
    first, last = np.ceil(low / side - 1e-6), np.floor(high / side + 1e-6)
    if np.any(last < first):
        return None
    shape = (last - first).astype(int) + 1
    origin = anchor + (first * side) @ axes + normal * float((corner - anchor) @ normal)
    return Plane(tuple(origin), tuple(axes[0]), tuple(axes[1]), (int(shape[0]), int(shape[1])), (side, side))


def look_at(view: Node, grid: VolumeGrid, height: float | None = None) -> None:
    """Move a slice view along and across its plane to the middle of a grid, and zoom so that all of the cut is shown.

    Parameters
    ----------
    view : vtkMRMLSliceNode
    grid : VolumeGrid
    height : float, optional
        In mm along z, within the grid; its middle by default.
    """
    middle = [(low + high) / 2 for low, high in zip(grid.minimum, grid.maximum, strict=True)]
    if height is not None:
        middle[2] = min(max(height, grid.minimum[2]), grid.maximum[2])
    sides = np.array(grid.maximum) - np.array(grid.minimum)
    width, height = view.GetDimensions()[:2]
    was = view.StartModify()
    view.JumpSliceByCentering(*middle)
    extents = np.abs(_array(view.GetSliceToRAS())[:3, :2]).T @ sides
    if min(width, height) > 0 and extents.min() > 0:
        pixel = ROOM * max(extents[0] / width, extents[1] / height)
        view.SetFieldOfView(width * pixel, height * pixel, view.GetFieldOfView()[2])
    view.EndModify(was)


def cut_of_box(point: NDArray[np.float64], normal: NDArray[np.float64], grid: VolumeGrid) -> NDArray[np.float64]:
    """Where the plane through a point meets the edges of a grid's box, shape (n, 3), in mm; empty where it does not.

    Parameters
    ----------
    point, normal : float64, shape (3,)
        In mm; the normal is a unit vector.
    grid : VolumeGrid
    """
    ends = np.array([grid.minimum, grid.maximum])
    found: list[NDArray[np.float64]] = []
    for axis in range(3):
        others = [other for other in range(3) if other != axis]
        for a in (0, 1):
            for b in (0, 1):
                edge = np.empty((2, 3))
                edge[:, axis] = ends[:, axis]
                edge[:, others[0]], edge[:, others[1]] = ends[a, others[0]], ends[b, others[1]]
                before, behind = (edge - point) @ normal
                if min(before, behind) <= 0.0 <= max(before, behind):
                    flat = abs(behind - before) < 1e-12
                    found.extend(edge if flat else [edge[0] + (before / (before - behind)) * (edge[1] - edge[0])])
    return np.array(found).reshape(-1, 3)


def _array(matrix: Node) -> NDArray[np.float64]:
    return np.array([[matrix.GetElement(row, column) for column in range(4)] for row in range(4)])
