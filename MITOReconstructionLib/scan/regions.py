"""Regions: named boxes of a scan, each with its own voxels and views, and what of space a scan covers."""

from __future__ import annotations

import dataclasses
import math
from collections.abc import Iterable, Sequence
from dataclasses import dataclass
from typing import Any, NamedTuple, Protocol

import numpy as np

from MITOReconstructionLib.errors import InputError
from MITOReconstructionLib.geometry import ScanGeometry, VolumeGrid
from MITOReconstructionLib.geometry.detector import real
from MITOReconstructionLib.scan.dataset import axial_range

__all__ = ["UNMOVED", "Coverage", "Region", "Three", "coverage", "fit", "proposed_views"]

Three = tuple[float, float, float]
"""Lengths in mm along x, y, z."""

UNMOVED = 1e-3
"""Bounds that differ by less, in mm, are the same: ROI nodes keep positions in single precision."""


class HasGeometry(Protocol):
    """What has to be known of a scan here."""

    @property
    def geometry(self) -> ScanGeometry:
        """Where source and detector are."""

    @property
    def default_grid(self) -> VolumeGrid:
        """The grid that a reconstruction is made on by default."""


class Coverage(NamedTuple):
    """What a scan covers.

    minimum, maximum : edges in mm that no region may leave;
    spacing : voxel sides in mm, axes x, y, z, of a region whose voxels nobody has set: those of the scan's default grid;
    views : number of views.
    """

    minimum: Three
    maximum: Three
    spacing: Three
    views: int


def coverage(scan: HasGeometry) -> Coverage:
    """What a scan covers: the box about its field of view over its axial range, and its default grid where that is larger.

    Laterally the field of view is the cylinder that every view sees, or the ring that they see together where the fan
    lies beside the rotation axis. Axially it is :func:`MITOReconstructionLib.scan.dataset.axial_range`, where each
    voxel is seen over half a turn or more.
    """
    geometry, grid = scan.geometry, scan.default_grid
    radius = geometry.field_of_view_radius
    if radius == 0.0:
        radius = geometry.source_radius * math.sin(max(abs(angle) for angle in geometry.fan_angles))
    low, high = axial_range(geometry)
    minimum = np.minimum(grid.minimum, (-radius, -radius, low))
    maximum = np.maximum(grid.maximum, (radius, radius, high))
    return Coverage(_three(minimum), _three(maximum), grid.spacing, geometry.views)


@dataclass(frozen=True)
class Region:
    """A named box with its voxels and its views.

    Parameters
    ----------
    name : str
    minimum, maximum : sequence of 3 float
        Outer edges in mm, axes x, y, z.
    spacing : float or sequence of 3 float, optional
        Voxel sides in mm that were set; then the counts follow the box.
    shape : sequence of 3 int, optional
        Voxel counts that were set; then the sides follow the box. With neither, the voxels are automatic.
    views : pair of int, optional
        First view and the one after the last; without, they are automatic.

    Raises
    ------
    InputError
        When the name is empty, the box has no extent, a number is not finite or out of range, or both spacing and
        shape are given.
    """

    name: str
    minimum: Three
    maximum: Three
    spacing: Three | None = None
    shape: tuple[int, int, int] | None = None
    views: tuple[int, int] | None = None

    def __post_init__(self) -> None:
        if not isinstance(self.name, str) or not self.name.strip():
            raise InputError("name of a region", expected="some text", found=repr(self.name), remedy="Give the region a name.")
        object.__setattr__(self, "name", self.name.strip())
        where = f"region '{self.name}', "
        try:
            box = VolumeGrid(self.minimum, self.maximum, (1, 1, 1) if self.shape is None else self.shape)
        except InputError as error:
            raise InputError(
                where + error.where.removeprefix("grid "), expected=error.expected, found=error.found, remedy=error.remedy
            ) from error
        sides = _sides(self.spacing)
        if self.spacing is not None and sides is None:
            raise InputError(
                where + "spacing",
                expected="one or three positive lengths in mm",
                found=repr(self.spacing),
                remedy="Give the voxel sides, or leave them out.",
            )
        if self.spacing is not None and self.shape is not None:
            raise InputError(
                f"region '{self.name}'", expected="spacing or shape, or neither", found="both", remedy="Give the one that is to stay."
            )
        object.__setattr__(self, "minimum", box.minimum)
        object.__setattr__(self, "maximum", box.maximum)
        object.__setattr__(self, "spacing", sides)
        object.__setattr__(self, "shape", None if self.shape is None else box.shape)
        object.__setattr__(self, "views", None if self.views is None else self._checked(self.views))

    def _checked(self, views: Sequence[int]) -> tuple[int, int]:
        whole = isinstance(views, (tuple, list)) and [isinstance(n, (int, np.integer)) and not isinstance(n, bool) for n in views]
        if whole != [True, True] or not 0 <= views[0] < views[1]:
            raise InputError(
                f"region '{self.name}', views",
                expected="the first view and, larger than it, the one after the last",
                found=repr(views),
                remedy="Give two whole numbers, or leave the views out.",
            )
        return int(views[0]), int(views[1])

    def grid(self, spacing: Sequence[float]) -> VolumeGrid:
        """The voxels; they fill the box but for less than one of them along each axis, and do not leave it.

        Parameters
        ----------
        spacing : sequence of 3 float
            Voxel sides in mm that are taken where none were set.
        """
        if self.shape is not None:
            return VolumeGrid(self.minimum, self.maximum, self.shape)
        extents = [b - a for a, b in zip(self.minimum, self.maximum, strict=True)]
        sides = [min(side, extent) for side, extent in zip(self.spacing or spacing, extents, strict=True)]
        counts = [max(1, math.floor(extent / side + UNMOVED)) for extent, side in zip(extents, sides, strict=True)]
        edges = [min(a + n * side, b) for a, b, n, side in zip(self.minimum, self.maximum, counts, sides, strict=True)]
        return VolumeGrid(self.minimum, _three(edges), (counts[0], counts[1], counts[2]))

    def change(self, **fields: Any) -> Region:
        """The same region but for the fields given; a spacing that is given puts an end to a set shape, and the other way round."""
        if fields.get("spacing") is not None:
            fields.setdefault("shape", None)
        elif fields.get("shape") is not None:
            fields.setdefault("spacing", None)
        unknown = set(fields) - {field.name for field in dataclasses.fields(self)}
        if unknown:
            known = ", ".join(field.name for field in dataclasses.fields(self))
            raise InputError(
                f"region '{self.name}'", expected=f"fields of {known}", found=", ".join(sorted(unknown)), remedy="Correct the name."
            )
        return dataclasses.replace(self, **fields)

    def same_box(self, other: Region) -> bool:
        """Whether the other has the same bounds, to a thousandth of a mm."""
        mine, its = (*self.minimum, *self.maximum), (*other.minimum, *other.maximum)
        return all(abs(a - b) <= UNMOVED for a, b in zip(mine, its, strict=True))

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready description; :meth:`from_dict` reads it back."""
        told = {field.name: getattr(self, field.name) for field in dataclasses.fields(self)}
        return {name: list(value) if isinstance(value, tuple) else value for name, value in told.items() if value is not None}

    @classmethod
    def from_dict(cls, data: Any) -> Region:
        """Read what :meth:`to_dict` wrote.

        Raises
        ------
        InputError
            When an entry is missing, unknown, of another type or out of range.
        """
        names = [field.name for field in dataclasses.fields(cls)]
        if not isinstance(data, dict) or not set(data) <= set(names) or not set(names[:3]) <= set(data):
            found = ", ".join(map(str, data)) or "nothing" if isinstance(data, dict) else type(data).__name__
            raise InputError("region", expected="an object with " + ", ".join(names), found=found, remedy="Correct the entries.")
        return cls(**data)


def fit(region: Region, covered: Coverage, before: Region | None = None) -> Region:
    """The region inside of what is covered.

    A box that was only moved, compared with what it was ``before``, keeps its size; of any other the edges that are
    outside come to the limit. Along each axis at least one automatic voxel stays.
    """
    low, high = np.array(region.minimum), np.array(region.maximum)
    least, most = np.array(covered.minimum), np.array(covered.maximum)
    if before is not None and np.allclose(high - low, np.subtract(before.maximum, before.minimum), rtol=0.0, atol=UNMOVED):
        shift = np.maximum(least - low, 0.0) + np.minimum(most - high, 0.0)
        low, high = low + shift, high + shift
    smallest = np.minimum(covered.spacing, most - least)
    low = np.clip(low, least, most - smallest)
    high = np.clip(high, low + smallest, most)
    views = region.views
    if views is not None:
        first, last = min(views[0], covered.views - 1), min(views[1], covered.views)
        views = (first, max(last, first + 1))
    made = dataclasses.replace(region, minimum=_three(low), maximum=_three(high), views=views)
    return made if not made.same_box(region) or made.views != region.views else region


def proposed_views(box: Region | VolumeGrid, geometry: ScanGeometry) -> tuple[int, int] | None:
    """The first view that sees a box and the one after the last, as ``ScanGeometry.views_seeing`` has it; None where none does."""
    seeing = np.flatnonzero(geometry.views_seeing(box.minimum, box.maximum))
    return (int(seeing[0]), int(seeing[-1]) + 1) if seeing.size else None


def _sides(values: Any) -> Three | None:
    if isinstance(values, (str, bytes)):
        return None
    sides = tuple(real(value) for value in values) if isinstance(values, Iterable) else (real(values),) * 3
    return _three(sides) if len(sides) == 3 and all(0.0 < side < math.inf for side in sides) else None


def _three(values: Sequence[float] | np.ndarray) -> Three:
    x, y, z = (real(value) for value in values)
    return x, y, z
