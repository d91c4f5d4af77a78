"""The grid of voxels that a volume is sampled on."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.errors import InputError
from MITOReconstructionLib.geometry.detector import real

__all__ = ["VolumeGrid"]

AXES = ("x", "y", "z")

MOST = 2**31 - 1
"""Voxels along an axis, as file formats and widgets can have them."""


@dataclass(frozen=True)
class VolumeGrid:
    """An axis-aligned box of voxels. Bounds are outer edges; voxel centres lie half a voxel inside.

    Parameters
    ----------
    minimum, maximum : sequence of 3 float
        Outer edges in mm, axes x, y, z.
    shape : sequence of 3 int
        Voxel counts, axes x, y, z.

    Raises
    ------
    InputError
        When an edge is not finite, an axis has no extent, or a count is below one or above 2**31 - 1.

    Examples
    --------
    >>> grid = VolumeGrid((0, 0, 0), (4, 4, 2), (4, 4, 1))
    >>> grid.spacing
    (1.0, 1.0, 2.0)
    >>> grid.origin
    (0.5, 0.5, 1.0)
    """

    minimum: tuple[float, float, float]
    maximum: tuple[float, float, float]
    shape: tuple[int, int, int]

    def __post_init__(self) -> None:
        minimum = _three_lengths("minimum", self.minimum)
        maximum = _three_lengths("maximum", self.maximum)
        _require_rising(minimum, maximum)
        counts = _three_whole(self.shape)
        if counts is None or min(counts) < 1:
            raise InputError(
                "grid shape",
                expected="three whole numbers of at least 1",
                found=repr(self.shape),
                remedy="Give the voxel counts along x, y, z.",
            )
        if max(counts) > MOST:
            raise InputError(
                "grid shape",
                expected=f"at most {MOST} voxels along an axis",
                found=f"{max(counts):.4g}" if max(counts) < 1e300 else "more than 1e300",
                remedy="Choose larger voxels or a smaller box.",
            )
        for axis, low, high, count in zip(AXES, minimum, maximum, counts, strict=True):
            if not 0.0 < (high - low) / count < math.inf:
                raise InputError(
                    f"grid bounds along {axis}",
                    expected=f"an extent that {count} voxels divide",
                    found=f"{low:g} to {high:g} mm",
                    remedy="Give bounds in mm.",
                )
        object.__setattr__(self, "minimum", minimum)
        object.__setattr__(self, "maximum", maximum)
        object.__setattr__(self, "shape", counts)

    @classmethod
    def from_bounds(
        cls,
        minimum: Sequence[float],
        maximum: Sequence[float],
        *,
        spacing: float | Sequence[float] | None = None,
        shape: Sequence[int] | None = None,
    ) -> VolumeGrid:
        """Make a grid from its bounds and either a spacing or voxel counts.

        Parameters
        ----------
        minimum, maximum : sequence of 3 float
            Outer edges in mm.
        spacing : float or sequence of 3 float, optional
            Voxel side in mm. Where the extent is no whole multiple of it, the maximum moves to the nearest one,
            and the spacing is kept.
        shape : sequence of 3 int, optional
            Voxel counts; the bounds are kept.

        Raises
        ------
        InputError
            When both or neither of ``spacing`` and ``shape`` are given, or a value is out of range.
        """
        if (spacing is None) == (shape is None):
            raise InputError(
                "grid",
                expected="either spacing or shape",
                found="both" if spacing is not None else "neither",
                remedy="Give exactly one of the two.",
            )
        low, high = _three_lengths("minimum", minimum), _three_lengths("maximum", maximum)
        if shape is not None:
            return cls(low, high, shape)  # type: ignore[arg-type]
        _require_rising(low, high)
        for axis, a, b in zip(AXES, low, high, strict=True):
            if math.isinf(b - a):
                where, found = f"grid bounds along {axis}", f"{a:g} to {b:g} mm"
                raise InputError(where, expected="an extent that is a number", found=found, remedy="Give bounds in mm.")
        side = real(spacing)
        sides = _three_lengths("spacing", spacing if math.isnan(side) else (side,) * 3)  # type: ignore[arg-type]
        ratios = tuple((b - a) / d if d > 0.0 else math.inf for a, b, d in zip(low, high, sides, strict=True))
        if not all(math.isfinite(ratio) for ratio in ratios):
            raise InputError("grid spacing", expected="positive lengths in mm", found=repr(spacing), remedy="Give the voxel side in mm.")
        counts = tuple(max(1, round(ratio)) for ratio in ratios)
        edges = tuple(a + n * d for a, n, d in zip(low, counts, sides, strict=True))
        return cls(low, edges, counts)  # type: ignore[arg-type]

    @property
    def spacing(self) -> tuple[float, float, float]:
        """Voxel sides in mm, axes x, y, z."""
        x, y, z = ((b - a) / n for a, b, n in zip(self.minimum, self.maximum, self.shape, strict=True))
        return x, y, z

    @property
    def origin(self) -> tuple[float, float, float]:
        """Centre of the first voxel in mm."""
        x, y, z = (a + d / 2 for a, d in zip(self.minimum, self.spacing, strict=True))
        return x, y, z

    @property
    def size(self) -> int:
        """Number of voxels."""
        return math.prod(self.shape)

    @property
    def nbytes(self) -> int:
        """Bytes of a float32 volume on this grid."""
        return 4 * self.size

    def centres(self, axis: int) -> NDArray[np.float64]:
        """Voxel centres along one axis (0, 1, 2 for x, y, z) in mm, shape (shape[axis],)."""
        return self.minimum[axis] + (np.arange(self.shape[axis], dtype=np.float64) + 0.5) * self.spacing[axis]

    def region(self, first: Sequence[int], last: Sequence[int]) -> VolumeGrid:
        """The sub-grid of voxels ``first`` to ``last`` (exclusive), on the same voxel centres.

        Raises
        ------
        InputError
            When the range is empty, leaves the grid, or is no voxel indices.
        """
        begin, end = _three_whole(first), _three_whole(last)
        if begin is None or end is None:
            raise InputError(
                "voxel range",
                expected="twice three whole numbers",
                found=f"{first!r} to {last!r}",
                remedy="Give voxel indices along x, y, z.",
            )
        for axis, low, high, count in zip(AXES, begin, end, self.shape, strict=True):
            if not 0 <= low < high <= count:
                raise InputError(
                    f"voxel range along {axis}",
                    expected=f"a non-empty range within 0 to {count}",
                    found=f"{low} to {high}",
                    remedy="Give voxel indices inside the grid.",
                )
        minimum = tuple(a + i * d for a, i, d in zip(self.minimum, begin, self.spacing, strict=True))
        maximum = tuple(a + i * d for a, i, d in zip(self.minimum, end, self.spacing, strict=True))
        counts = tuple(b - a for a, b in zip(begin, end, strict=True))
        return VolumeGrid(minimum, maximum, counts)  # type: ignore[arg-type]

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready description; :meth:`from_dict` reads it back."""
        return {"minimum": list(self.minimum), "maximum": list(self.maximum), "shape": list(self.shape)}

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> VolumeGrid:
        """Read what :meth:`to_dict` wrote.

        Raises
        ------
        InputError
            When a key is missing or its value is out of range.
        """
        try:
            return cls(data["minimum"], data["maximum"], data["shape"])
        except KeyError as error:
            raise InputError(
                "grid", expected=f"an entry {error}", found="no such entry", remedy="Take what VolumeGrid.to_dict gave."
            ) from error


def _require_rising(minimum: Sequence[float], maximum: Sequence[float]) -> None:
    for axis, low, high in zip(AXES, minimum, maximum, strict=True):
        if not low < high:
            raise InputError(
                f"grid bounds along {axis}",
                expected="a minimum below the maximum",
                found=f"{low:g} to {high:g} mm",
                remedy="Give the outer edges in rising order.",
            )


def _three_whole(values: Sequence[int]) -> tuple[int, int, int] | None:
    try:
        counts = tuple(values)
    except TypeError:
        return None
    if len(counts) != 3 or not all(isinstance(n, (int, np.integer)) and not isinstance(n, bool) for n in counts):
        return None
    return int(counts[0]), int(counts[1]), int(counts[2])


def _three_lengths(name: str, values: Sequence[float]) -> tuple[float, float, float]:
    try:
        numbers = tuple(real(v) for v in values) if not isinstance(values, (str, bytes)) else ()
    except TypeError:
        numbers = ()
    if len(numbers) != 3 or not all(math.isfinite(v) for v in numbers):
        raise InputError(
            f"grid {name}", expected="three finite lengths in mm", found=repr(values), remedy="Give one number for each of x, y, z."
        )
    return numbers
