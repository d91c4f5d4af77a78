"""The difference of two volumes."""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.errors import InputError
from MITOReconstructionLib.geometry import VolumeGrid
from MITOReconstructionLib.jobs import Volume

__all__ = ["difference", "same_grid"]

TOLERANCE = 1e-3
"""Of a voxel, that edges of grids may differ by and still be the same."""


def same_grid(a: VolumeGrid, b: VolumeGrid) -> bool:
    """Whether two grids have the same voxels."""
    apart = TOLERANCE * min(*a.spacing, *b.spacing)
    return a.shape == b.shape and bool(np.allclose([a.minimum, a.maximum], [b.minimum, b.maximum], rtol=0.0, atol=apart))


def difference(a: Volume, b: Volume, names: tuple[str, str] = ("a", "b")) -> Volume:
    """a - b, on the voxels of a whose centres are within b, which is resampled linearly where its voxels are others.

    Parameters
    ----------
    a, b : Volume
    names : (str, str)
        Of the two, for the provenance and for errors.

    Returns
    -------
    Volume
        Its provenance has both provenances, as ``minuend`` and ``subtrahend``, and says under ``resampled`` whether b was.

    Raises
    ------
    InputError
        When they have no place in common.
    """
    array, grid, resampled = a.array - b.array if a.array.shape == b.array.shape else a.array, a.grid, "no: the voxels are the same"
    if not same_grid(a.grid, b.grid):
        ranges = [_inside(a.grid, b.grid, axis) for axis in range(3)]
        if any(first >= last for first, last in ranges):
            raise InputError(
                f"difference of {names[0]} and {names[1]}",
                expected="volumes with a place in common",
                found=f"{_bounds(a.grid)} and {_bounds(b.grid)}",
                remedy="Choose another volume.",
            )
        grid = _part(a.grid, ranges)
        array = a.array[tuple(slice(*each) for each in ranges)] - _resampled(b, grid)
        resampled = f"{names[1]}, linearly, from voxels of {_sides(b.grid)} mm to those of {names[0]}, of {_sides(a.grid)} mm"
    told: dict[str, Any] = {
        "sample": a.provenance.get("sample", ""),
        "method": "difference",
        "unit": a.provenance.get("unit", "1/mm"),
        "grid": grid.to_dict(),
        "minuend": {"name": names[0], **a.provenance},
        "subtrahend": {"name": names[1], **b.provenance},
        "resampled": resampled,
    }
    return Volume(np.ascontiguousarray(array, dtype=np.float32), grid, told)


def _centres(grid: VolumeGrid, axis: int) -> NDArray[np.float64]:
    return grid.origin[axis] + grid.spacing[axis] * np.arange(grid.shape[axis], dtype=np.float64)


def _inside(grid: VolumeGrid, other: VolumeGrid, axis: int) -> tuple[int, int]:
    """First and last (exclusive) voxel along an axis whose centre is between the edges of another grid."""
    slack = TOLERANCE * grid.spacing[axis]
    within = np.flatnonzero((_centres(grid, axis) >= other.minimum[axis] - slack) & (_centres(grid, axis) <= other.maximum[axis] + slack))
    return (int(within[0]), int(within[-1]) + 1) if within.size else (0, 0)


def _part(grid: VolumeGrid, ranges: list[tuple[int, int]]) -> VolumeGrid:
    low = [edge + first * side for edge, side, (first, _) in zip(grid.minimum, grid.spacing, ranges, strict=True)]
    high = [edge + last * side for edge, side, (_, last) in zip(grid.minimum, grid.spacing, ranges, strict=True)]
    return VolumeGrid.from_bounds(low, high, shape=[last - first for first, last in ranges])


def _resampled(volume: Volume, grid: VolumeGrid) -> NDArray[np.float32]:
    """A volume at the centres of another grid: linear between its own centres, and constant from the outermost ones to its edges."""
    array = volume.array
    for axis in range(3):
        place = (_centres(grid, axis) - volume.grid.origin[axis]) / volume.grid.spacing[axis]
        place = np.clip(place, 0.0, volume.grid.shape[axis] - 1.0)
        below = np.minimum(place.astype(np.intp), max(volume.grid.shape[axis] - 2, 0))
        above = np.minimum(below + 1, volume.grid.shape[axis] - 1)
        share = (place - below).astype(np.float32).reshape([-1 if k == axis else 1 for k in range(3)])
        array = array.take(below, axis) * (1 - share) + array.take(above, axis) * share
    return array


def _sides(grid: VolumeGrid) -> str:
    return " x ".join(f"{side:.4g}" for side in grid.spacing)


def _bounds(grid: VolumeGrid) -> str:
    ends = ", ".join(f"{axis} {low:g} to {high:g}" for axis, low, high in zip("xyz", grid.minimum, grid.maximum, strict=True))
    return f"{ends} mm"
