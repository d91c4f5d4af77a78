"""The detector: a grid of square or rectangular pixels on a cylinder or on a plane."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.errors import InputError

__all__ = ["Detector"]


@dataclass(frozen=True)
class Detector:
    """Columns and rows of pixels on a cylinder whose axis is parallel to z, or on a plane.

    Parameters
    ----------
    columns, rows : int
        Pixel counts along the fan and along the axis.
    column_min, column_max : float
        Outer edges of the column range. On a cylinder the angle about the cylinder's own axis, in radians (for a
        cylinder centred on the source this is the fan angle); on a plane the position in mm. Zero is on the line
        from the source through the rotation axis.
    row_min, row_max : float
        Outer edges of the row range in mm, relative to the source's axial position.
    curvature_radius : float
        Radius of the cylinder in mm; ``math.inf`` for a flat detector.

    Raises
    ------
    InputError
        When a count is below one, an edge is not finite, or a range is empty.
    """

    columns: int
    rows: int
    column_min: float
    column_max: float
    row_min: float
    row_max: float
    curvature_radius: float = math.inf

    def __post_init__(self) -> None:
        for name in ("columns", "rows"):
            value = getattr(self, name)
            if isinstance(value, bool) or not isinstance(value, (int, np.integer)) or value < 1:
                raise InputError(
                    f"detector {name}", expected="a whole number of at least 1", found=repr(value), remedy="Correct the pixel count."
                )
            object.__setattr__(self, name, int(value))
        for low, high in (("column_min", "column_max"), ("row_min", "row_max")):
            minimum, maximum = real(getattr(self, low)), real(getattr(self, high))
            if not (math.isfinite(minimum) and math.isfinite(maximum) and minimum < maximum):
                raise InputError(
                    f"detector {low}, {high}",
                    expected="two finite numbers, the first one smaller",
                    found=f"{getattr(self, low)!r}, {getattr(self, high)!r}",
                    remedy="Give the outer edges of the detector in rising order.",
                )
            object.__setattr__(self, low, minimum)
            object.__setattr__(self, high, maximum)
        radius = real(self.curvature_radius)
        if not radius > 0.0:
            raise InputError(
                "detector curvature_radius",
                expected="a positive length in mm, or infinity for a flat detector",
                found=repr(self.curvature_radius),
                remedy="Give the radius of the detector cylinder.",
            )
        object.__setattr__(self, "curvature_radius", radius)
        if not self.is_flat and max(abs(self.column_min), abs(self.column_max)) >= math.pi / 2:
            raise InputError(
                "detector column_min, column_max",
                expected="angles within +-pi/2 rad for a curved detector",
                found=f"{self.column_min:g}, {self.column_max:g}",
                remedy="Give angles in radians, not in degrees or mm.",
            )

    @property
    def is_flat(self) -> bool:
        """Whether the detector is a plane."""
        return math.isinf(self.curvature_radius)

    @property
    def column_pitch(self) -> float:
        """Distance between neighbouring columns: radians on a cylinder, mm on a plane."""
        return (self.column_max - self.column_min) / self.columns

    @property
    def row_pitch(self) -> float:
        """Distance between neighbouring rows in mm."""
        return (self.row_max - self.row_min) / self.rows

    @property
    def pixel_size(self) -> tuple[float, float]:
        """Width (along the fan, on the surface) and height of a pixel in mm."""
        width = self.column_pitch if self.is_flat else self.column_pitch * self.curvature_radius
        return width, self.row_pitch

    @property
    def height(self) -> float:
        """Axial extent in mm."""
        return self.row_max - self.row_min

    def column_centres(self) -> NDArray[np.float64]:
        """Column coordinates of the pixel centres, shape (columns,), in the unit of ``column_min``."""
        return self.column_min + (np.arange(self.columns, dtype=np.float64) + 0.5) * self.column_pitch

    def row_centres(self) -> NDArray[np.float64]:
        """Row coordinates of the pixel centres, shape (rows,), in mm."""
        return self.row_min + (np.arange(self.rows, dtype=np.float64) + 0.5) * self.row_pitch

    def surface(self, column: NDArray[np.float64], distance: float) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """In-plane position of column coordinates, seen from the source.

        Parameters
        ----------
        column : array of any shape
            Column coordinates in the unit of ``column_min``.
        distance : float
            Distance from the source to the detector's midpoint in mm.

        Returns
        -------
        across, along : arrays shaped as ``column``
            mm across and along the line from the source through the rotation axis.
        """
        if self.is_flat:
            return np.asarray(column, dtype=np.float64), np.full(np.shape(column), float(distance))
        rho = self.curvature_radius
        return rho * np.sin(column), distance - rho + rho * np.cos(column)

    def column_at_fan_angle(self, fan_angle: NDArray[np.float64], distance: float) -> NDArray[np.float64]:
        """Column coordinate at which a ray of the given fan angle meets the detector.

        The inverse of :meth:`surface`: with the cylinder's axis at ``e = distance - rho`` from the source, the law
        of sines in the triangle source, cylinder axis, pixel gives ``column = fan + asin(e sin(fan) / rho)``. NaN
        where the ray passes the cylinder by.
        """
        fan = np.asarray(fan_angle, dtype=np.float64)
        if self.is_flat:
            return distance * np.tan(fan)
        offset = distance - self.curvature_radius
        with np.errstate(invalid="ignore"):
            return fan + np.arcsin(offset * np.sin(fan) / self.curvature_radius)


def real(value: object) -> float:
    """A real number as float, NaN for anything else (a text is no number here)."""
    if isinstance(value, (str, bytes, bool)):
        return math.nan
    try:
        return float(value)  # type: ignore[arg-type]
    except (TypeError, ValueError, OverflowError):
        return math.nan
