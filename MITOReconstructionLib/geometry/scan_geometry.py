"""Where source and detector are in every view of a scan.

The formulas and their signs are those of Docs/conventions.md; Testing/Python/geometry compares them with ODL's
``ConeBeamGeometry``.
"""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import ArrayLike, NDArray

from MITOReconstructionLib.errors import InputError
from MITOReconstructionLib.geometry.detector import Detector, real
from MITOReconstructionLib.geometry.wedge import Wedge, box_corners

__all__ = ["DetectorMesh", "ScanGeometry", "Views"]

Views = slice | int | ArrayLike | None
"""A selection of views: a slice, one index, an array of indices or of booleans, or None for all."""


class DetectorMesh(NamedTuple):
    """The detector surface of one view as a structured patch of quadrilaterals.

    points : float64, shape (columns + 1, rows + 1, 3), corners in mm;
    texture : float64, shape (columns + 1, rows + 1, 2), texture coordinates in 0..1 along columns and rows.
    """

    points: NDArray[np.float64]
    texture: NDArray[np.float64]


@dataclass(frozen=True, eq=False)
class ScanGeometry:
    """Source and detector positions of every view. Frozen: the arrays are read-only copies.

    Parameters
    ----------
    angles : array, shape (views,)
        Rotation angle of each view in radians, unwrapped; may rise or fall.
    axial_positions : array, shape (views,)
        Position of source and detector along z in mm.
    source_radius : float
        Distance from the rotation axis (the z axis) to the source in mm.
    detector_radius : float
        Distance from the rotation axis to the detector's midpoint in mm; may be 0.
    detector : Detector
        Pixels and shape of the detector.

    Raises
    ------
    InputError
        When an array is not one-dimensional, empty, not finite or of another length than the other, or a radius is
        out of range.
    """

    angles: NDArray[np.float64]
    axial_positions: NDArray[np.float64]
    source_radius: float
    detector_radius: float
    detector: Detector

    def __post_init__(self) -> None:
        for name in ("angles", "axial_positions"):
            object.__setattr__(self, name, _per_view(name, getattr(self, name)))
        if len(self.angles) != len(self.axial_positions):
            raise InputError(
                "axial_positions",
                expected=f"one value for each of the {len(self.angles)} angles",
                found=f"{len(self.axial_positions)} values",
                remedy="Give as many axial positions as angles.",
            )
        source, midpoint = real(self.source_radius), real(self.detector_radius)
        if not (math.isfinite(source) and source > 0.0):
            raise InputError(
                "source_radius", expected="a positive length in mm", found=repr(self.source_radius), remedy="Correct the source's distance."
            )
        if not (math.isfinite(midpoint) and source + midpoint > 0.0):
            raise InputError(
                "detector_radius", expected="a length in mm that puts the detector in front of the source",
                found=repr(self.detector_radius), remedy="Correct the detector's distance.",
            )  # fmt: skip
        object.__setattr__(self, "source_radius", source)
        object.__setattr__(self, "detector_radius", midpoint)
        edges = np.array([self.detector.column_min, self.detector.column_max])
        if np.any(self.detector.surface(edges, self.source_to_detector)[1] <= 0.0):
            raise InputError(
                "detector column range",
                expected="columns in front of the source",
                found=f"columns from {edges[0]:g} to {edges[1]:g} that reach behind it",
                remedy="Check the column range and the curvature radius.",
            )

    def __eq__(self, other: object) -> bool:
        if not isinstance(other, ScanGeometry):
            return NotImplemented
        return (
            self.source_radius == other.source_radius
            and self.detector_radius == other.detector_radius
            and self.detector == other.detector
            and np.array_equal(self.angles, other.angles)
            and np.array_equal(self.axial_positions, other.axial_positions)
        )

    def __hash__(self) -> int:
        arrays = ((self.angles + 0.0).tobytes(), (self.axial_positions + 0.0).tobytes())  # -0.0 equals 0.0
        return hash((self.source_radius, self.detector_radius, self.detector, *arrays))

    def __reduce__(self) -> tuple[object, ...]:
        return ScanGeometry, (self.angles, self.axial_positions, self.source_radius, self.detector_radius, self.detector)

    def __repr__(self) -> str:
        d = self.detector
        return (
            f"ScanGeometry({self.views} views, {self.turns:.2f} turns, pitch {self.pitch:.4g} mm, source {self.source_radius:g} mm, "
            f"detector {self.detector_radius:g} mm, {d.columns} x {d.rows} pixels, curvature radius {d.curvature_radius:g} mm)"
        )

    # ---- the helix -------------------------------------------------------------------------------------------------

    @property
    def views(self) -> int:
        """Number of views."""
        return len(self.angles)

    @property
    def source_to_detector(self) -> float:
        """Distance from the source to the detector's midpoint in mm."""
        return self.source_radius + self.detector_radius

    @property
    def turns(self) -> float:
        """Turns between the first and the last view."""
        return abs(float(self.angles[-1] - self.angles[0])) / (2 * math.pi)

    @cached_property
    def angle_step(self) -> float:
        """Mean rotation from one view to the next in radians; negative where the angles fall; 0 for a single view."""
        return float(self.angles[-1] - self.angles[0]) / (self.views - 1) if self.views > 1 else 0.0

    @property
    def views_per_turn(self) -> float:
        """Mean number of views in one turn; infinity where nothing turns."""
        return 2 * math.pi / abs(self.angle_step) if self.angle_step else math.inf

    @cached_property
    def pitch(self) -> float:
        """Axial advance per turn in mm, by least squares over all views.

        Positive where z rises in the order of the views, whichever way they turn; 0 where nothing turns.
        """
        direction = -1.0 if self.angles[-1] < self.angles[0] else 1.0
        turn = direction * (self.angles - self.angles[0]) / (2 * math.pi)
        turn = turn - turn.mean()
        spread = float(turn @ turn)
        return float(turn @ (self.axial_positions - self.axial_positions.mean())) / spread if spread else 0.0

    @cached_property
    def is_circular(self) -> bool:
        """Whether every view has the same axial position, to a thousandth of a detector row."""
        return float(np.ptp(self.axial_positions)) <= 1e-3 * self.detector.row_pitch

    # ---- positions -------------------------------------------------------------------------------------------------

    def view_indices(self, views: Views = None) -> NDArray[np.intp]:
        """The indices that a selection of views stands for, shape (n,).

        Raises
        ------
        InputError
            When an index is outside the scan, or a boolean selection has another length.
        """
        if views is None:
            return np.arange(self.views)
        if isinstance(views, slice):
            try:
                return np.arange(self.views)[views]
            except (TypeError, ValueError) as error:
                raise self._no_views(str(views)) from error
        try:
            chosen = np.atleast_1d(np.asarray(views))
        except ValueError as error:
            raise self._no_views("lists of different lengths") from error
        if chosen.dtype == bool and chosen.shape == (self.views,):
            return np.flatnonzero(chosen)
        if chosen.shape == (0,) and chosen.dtype != bool:  # an empty list is of float64 to numpy
            return np.empty(0, dtype=np.intp)
        if not np.issubdtype(chosen.dtype, np.integer) or chosen.ndim != 1:
            found = f"{chosen.dtype} of shape {chosen.shape}"
        elif chosen.size and not (-self.views <= chosen.min() and chosen.max() < self.views):
            found = f"{chosen.min()} to {chosen.max()}"
        else:
            return np.asarray(np.arange(self.views)[chosen], dtype=np.intp)
        raise self._no_views(found)

    def _no_views(self, found: str) -> InputError:
        return InputError(
            "views",
            expected=f"indices from 0 to {self.views - 1}, or {self.views} booleans",
            found=found,
            remedy="Choose views of this scan.",
        )

    def sources(self, views: Views = None) -> NDArray[np.float64]:
        """Source positions, shape (n, 3), in mm."""
        index = self.view_indices(views)
        phi = self.angles[index]
        return np.stack([self.source_radius * np.sin(phi), -self.source_radius * np.cos(phi), self.axial_positions[index]], axis=-1)

    def detector_points(
        self, views: Views = None, *, columns: ArrayLike | None = None, rows: ArrayLike | None = None
    ) -> NDArray[np.float64]:
        """Points on the detector surface, shape (n, len(columns), len(rows), 3), in mm.

        Parameters
        ----------
        views : selection of views, optional
        columns : array, optional
            Column coordinates (radians on a cylinder, mm on a plane); pixel centres by default.
        rows : array, optional
            Row coordinates in mm; pixel centres by default.
        """
        index = self.view_indices(views)
        column = self.detector.column_centres() if columns is None else np.atleast_1d(np.asarray(columns, dtype=np.float64))
        row = self.detector.row_centres() if rows is None else np.atleast_1d(np.asarray(rows, dtype=np.float64))
        across, along = self.detector.surface(column, self.source_to_detector)
        sin, cos = np.sin(self.angles[index])[:, None], np.cos(self.angles[index])[:, None]
        points = np.empty((len(index), len(column), len(row), 3))
        points[..., 0] = (self.source_radius * sin - along * sin + across * cos)[..., None]
        points[..., 1] = (-self.source_radius * cos + along * cos + across * sin)[..., None]
        points[..., 2] = self.axial_positions[index][:, None, None] + row
        return points

    def rays(self, view: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Rays of one view, from the source to every pixel centre.

        Returns
        -------
        source : shape (3,), in mm
        directions : shape (columns, rows, 3), unit vectors
        """
        source = self.sources(view)[0]
        directions = self.detector_points(view)[0] - source
        directions /= np.linalg.norm(directions, axis=-1, keepdims=True)
        return source, directions

    def detector_mesh(self, view: int, *, columns: int = 32, rows: int = 1) -> DetectorMesh:
        """The detector surface of one view, out to its edges, as ``columns`` x ``rows`` quadrilaterals; InputError where that is none."""
        if columns < 1 or rows < 1:
            raise InputError(
                "detector mesh", expected="at least 1 x 1 quadrilaterals", found=f"{columns} x {rows}", remedy="Ask for a finer mesh."
            )
        d = self.detector
        column = np.linspace(d.column_min, d.column_max, columns + 1)
        row = np.linspace(d.row_min, d.row_max, rows + 1)
        texture = np.stack(np.meshgrid(np.linspace(0, 1, columns + 1), np.linspace(0, 1, rows + 1), indexing="ij"), axis=-1)
        return DetectorMesh(self.detector_points(view, columns=column, rows=row)[0], texture)

    # ---- what is seen ----------------------------------------------------------------------------------------------

    @cached_property
    def fan_angles(self) -> tuple[float, float]:
        """Angles at the source, in the plane of rotation, of the two outer column edges, in radians."""
        d = self.detector
        across, along = d.surface(np.array([d.column_min, d.column_max]), self.source_to_detector)
        low, high = np.arctan2(across, along)
        return float(low), float(high)

    @property
    def field_of_view_radius(self) -> float:
        """Radius in mm of the cylinder about the rotation axis that every view sees; 0 where the axis is not seen."""
        low, high = self.fan_angles
        return max(0.0, self.source_radius * math.sin(min(-low, high, math.pi / 2)))

    def views_seeing(self, minimum: ArrayLike, maximum: ArrayLike) -> NDArray[np.bool_]:
        """Which views have a part of a box within their beam.

        Parameters
        ----------
        minimum, maximum : array of 3
            Outer edges of the box in mm.

        Returns
        -------
        array of bool, shape (views,)

        Raises
        ------
        InputError
            When the box is not finite or a maximum lies below its minimum.

        Notes
        -----
        The beam is taken as a cone without end, also behind the detector. In the plane of rotation it is a wedge and
        the box a rectangle. A point at in-plane distance l from the source, where the detector is at distance L, is
        hit by rows within z + [row_min, row_max] l / L. Over the part of the rectangle inside the wedge l / L is
        greatest at a corner of that part, because it is convex; its smallest value, which counts only for a detector
        that lies above or below the source altogether, is estimated from below.
        """
        low, high = box_corners(minimum, maximum)
        sin, cos = np.sin(self.angles)[:, None], np.cos(self.angles)[:, None]
        x, y = np.array([low[0], high[0], high[0], low[0]]), np.array([low[1], low[1], high[1], high[1]])
        wedge = Wedge(self.source_radius - x * sin + y * cos, x * cos + y * sin, self.fan_angles)
        spread = wedge.distances / self._reach(np.clip(wedge.fans, *self.fan_angles))
        reach = self._reach(np.array([*self.fan_angles, 0.0 if self.fan_angles[0] < 0.0 < self.fan_angles[1] else self.fan_angles[0]]))
        near = wedge.nearest / reach.max()
        far = np.max(np.where(np.isnan(spread), 0.0, spread), axis=1)
        d = self.detector
        bottom = np.minimum(d.row_min * far, d.row_min * near)
        top = np.maximum(d.row_max * far, d.row_max * near)
        seen = ~np.all(np.isnan(spread), axis=1)
        return np.asarray(seen & (self.axial_positions + bottom <= high[2]) & (self.axial_positions + top >= low[2]), dtype=np.bool_)

    def _reach(self, fan: NDArray[np.float64]) -> NDArray[np.float64]:
        """In-plane distance from the source to the detector along rays of these fan angles in mm."""
        across, along = self.detector.surface(self.detector.column_at_fan_angle(fan, self.source_to_detector), self.source_to_detector)
        return np.hypot(across, along)

    # ---- parts and copies ------------------------------------------------------------------------------------------

    def select(self, views: Views) -> ScanGeometry:
        """The geometry of some of the views, in the order given.

        Raises
        ------
        InputError
            When the selection is empty or leaves the scan.
        """
        index = self.view_indices(views)
        if not index.size:
            raise self._no_views("none")
        return ScanGeometry(self.angles[index], self.axial_positions[index], self.source_radius, self.detector_radius, self.detector)

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready description; an infinite curvature radius is None. :meth:`from_dict` reads it back."""
        d = self.detector
        return {
            "angles": self.angles.tolist(),
            "axial_positions": self.axial_positions.tolist(),
            "source_radius": self.source_radius,
            "detector_radius": self.detector_radius,
            "detector": {
                "columns": d.columns,
                "rows": d.rows,
                "column_min": d.column_min,
                "column_max": d.column_max,
                "row_min": d.row_min,
                "row_max": d.row_max,
                "curvature_radius": None if d.is_flat else d.curvature_radius,
            },
        }

    @classmethod
    def from_dict(cls, data: dict[str, Any]) -> ScanGeometry:
        """Read what :meth:`to_dict` wrote.

        Raises
        ------
        InputError
            When a key is missing or unknown, or a value is out of range.
        """
        try:
            detector = dict(data["detector"])
            if detector["curvature_radius"] is None:
                detector["curvature_radius"] = math.inf
            return cls(data["angles"], data["axial_positions"], data["source_radius"], data["detector_radius"], Detector(**detector))
        except KeyError as error:
            raise InputError(
                "geometry", expected=f"an entry {error}", found="no such entry", remedy="Take what ScanGeometry.to_dict gave."
            ) from error
        except TypeError as error:
            raise InputError(
                "geometry", expected="the keys that ScanGeometry.to_dict writes", found=str(error), remedy="Take what it gave."
            ) from error


def _per_view(name: str, values: ArrayLike) -> NDArray[np.float64]:
    try:
        array = np.array(values, dtype=np.float64)
    except (TypeError, ValueError) as error:
        raise InputError(name, expected="one number for each view", found=str(error), remedy="Give an array of numbers.") from error
    if array.ndim != 1 or array.size == 0:
        raise InputError(
            name, expected="one number for each view", found=f"an array of shape {array.shape}", remedy="Give at least one view."
        )
    bad = np.flatnonzero(~np.isfinite(array))
    if bad.size:
        raise InputError(
            name, expected="finite numbers", found=f"{array[bad[0]]} at view {bad[0]}", remedy="Correct or leave out that view."
        )
    array.setflags(write=False)
    return array
