"""The parallel beams that a helical or circular cone-beam scan is sorted into."""

from __future__ import annotations

import math
from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from MITOReconstructionLib.errors import InputError
from MITOReconstructionLib.geometry import ScanGeometry

__all__ = ["ParallelPlan"]

FLOATS = NDArray[np.float64]

SMOOTHING = 0.2
"""Standard deviation in radians over which axial positions are averaged where they jump."""

MOST_EXTENSION = 0.3
"""Largest part of its height that the detector is extended by where the pitch is high or the axial positions wobble."""


@dataclass(frozen=True, eq=False)
class ParallelPlan:
    """Which parallel beams (theta, t) the views of a scan make up, and where each is found.

    A ray from rotation angle phi at fan angle b has the in-plane direction (-sin(theta), cos(theta)), theta = phi - b,
    and the signed distance t = R sin(b) from the axis. ``theta`` is sampled at a whole number of beams per half turn,
    so that beams half a turn apart lie on each other; ``t`` at the width of a detector column at the axis.

    Parameters
    ----------
    geometry : ScanGeometry
        Views whose angles rise or fall strictly.

    Raises
    ------
    InputError
        When the angles do not rise or fall strictly, or the views do not make up half a turn of parallel beams.
    """

    geometry: ScanGeometry

    def __post_init__(self) -> None:
        steps = np.diff(self.geometry.angles) * (1 if self.geometry.angle_step >= 0 else -1)
        bad = np.flatnonzero(steps <= 0)
        if bad.size:
            raise InputError(
                "angles",
                expected="angles that rise or fall from view to view",
                found=f"a step of {steps[bad[0]]:g} rad against the sense of rotation after view {bad[0]}",
                remedy="Sort the views, or choose a view range that turns one way.",
            )
        if self.beams < self.half_turn:
            raise InputError(
                "views",
                expected=f"at least half a turn and the fan, {math.degrees(math.pi + self.fan[1] - self.fan[0]):.0f} degrees",
                found=f"{self.geometry.views} views over {360 * self.geometry.turns:.0f} degrees",
                remedy="Choose a larger view range; filtered backprojection needs half a turn of parallel beams.",
            )

    # ---- views in the order of rising angle ------------------------------------------------------------------------

    @cached_property
    def order(self) -> NDArray[np.intp]:
        """View indices in the order of rising angle, shape (views,)."""
        index = np.arange(self.geometry.views)
        return index if self.geometry.angle_step >= 0 else index[::-1]

    @cached_property
    def angles(self) -> FLOATS:
        """Rising angles, shape (views,), in radians."""
        return self.geometry.angles[self.order]

    @cached_property
    def axial(self) -> FLOATS:
        """Axial positions in the order of ``angles``, shape (views,), in mm."""
        return self.geometry.axial_positions[self.order]

    @cached_property
    def smooth_axial(self) -> FLOATS:
        """Axial positions without what jumps from view to view, in the order of ``angles``, shape (views,), in mm.

        Neighbouring views make up a parallel beam together, so their sources have to lie on a smooth curve: a Gaussian
        average over ``SMOOTHING`` about the straight line through all views. Exactly ``axial`` where the two differ by
        less than a fiftieth of a row; else the views are moved onto the curve, see :attr:`row_shifts`.
        """
        line = np.polynomial.Polynomial.fit(self.angles, self.axial, 1)(self.angles) if len(self.angles) > 2 else self.axial
        sigma = SMOOTHING / max(abs(self.geometry.angle_step), 1e-9)
        smooth = line + ndimage.gaussian_filter1d(self.axial - line, sigma, mode="nearest", truncate=3.0)
        if np.max(np.abs(smooth - self.axial)) < 0.02 * self.geometry.detector.row_pitch:
            return self.axial
        return np.asarray(smooth, dtype=np.float64)

    @cached_property
    def row_shifts(self) -> FLOATS:
        """By how many rows each column has to move for each mm that a view's source moves down, shape (columns,).

        Right for points as far from the source as the ray's point nearest to the axis.
        """
        d = self.geometry.detector
        across, along = d.surface(d.column_centres(), self.geometry.source_to_detector)
        fan = np.arctan2(across, along)
        return np.hypot(across, along) / (self.geometry.source_radius * np.cos(fan) * d.row_pitch)

    @cached_property
    def periodic(self) -> bool:
        """Whether the views are one full circle, so that the first follows the last."""
        step = abs(self.geometry.angle_step)
        return self.geometry.is_circular and abs(2 * math.pi - self.geometry.turns * 2 * math.pi - step) < 0.5 * step

    # ---- parallel beams --------------------------------------------------------------------------------------------

    @cached_property
    def fan(self) -> tuple[float, float]:
        """Fan angles of the centres of the outermost columns, in radians."""
        d = self.geometry.detector
        centres = d.column_centres()[[0, -1]]
        across, along = d.surface(centres, self.geometry.source_to_detector)
        low, high = np.arctan2(across, along)
        return float(low), float(high)

    @cached_property
    def half_turn(self) -> int:
        """Number of beams in half a turn."""
        step = abs(self.geometry.angle_step)
        return max(1, round(math.pi / step)) if step else 1

    @property
    def theta_step(self) -> float:
        """Angle between neighbouring beams in radians."""
        return math.pi / self.half_turn

    @property
    def theta_first(self) -> float:
        """Angle of the first beam in radians."""
        return float(self.angles[0]) if self.periodic else float(self.angles[0]) - self.fan[0]

    @cached_property
    def beams(self) -> int:
        """Number of complete parallel beams."""
        if self.periodic:
            return 2 * self.half_turn
        room = float(self.angles[-1]) - self.fan[1] - self.theta_first
        return max(0, math.floor(room / self.theta_step + 1e-9) + 1)

    @cached_property
    def t_step(self) -> float:
        """Distance between neighbouring rays of a beam in mm: a detector column as it appears at the axis."""
        d = self.geometry.detector
        middle = np.array([-0.5, 0.5]) * d.column_pitch + 0.5 * (d.column_min + d.column_max)
        across, along = d.surface(middle, self.geometry.source_to_detector)
        fan = np.arctan2(across, along)
        return float(self.geometry.source_radius * (math.sin(fan[1]) - math.sin(fan[0])))

    @cached_property
    def t(self) -> FLOATS:
        """Signed distances of a beam's rays from the axis, shape (rays,), in mm; within the outermost columns' centres."""
        low, high = (self.geometry.source_radius * math.sin(b) for b in self.fan)
        count = max(2, math.floor((high - low) / self.t_step + 1e-9) + 1)
        return 0.5 * (low + high) + (np.arange(count, dtype=np.float64) - 0.5 * (count - 1)) * self.t_step

    @cached_property
    def fan_angles(self) -> FLOATS:
        """Fan angle of each ray, shape (rays,), in radians."""
        return np.arcsin(self.t / self.geometry.source_radius)

    @cached_property
    def _coordinates(self) -> FLOATS:
        """Column coordinate of each ray on the detector, shape (rays,), in the detector's unit."""
        return self.geometry.detector.column_at_fan_angle(self.fan_angles, self.geometry.source_to_detector)

    @cached_property
    def columns(self) -> FLOATS:
        """Fractional detector column index of each ray, shape (rays,)."""
        d = self.geometry.detector
        return np.clip((self._coordinates - d.column_min) / d.column_pitch - 0.5, 0.0, d.columns - 1.0)

    @cached_property
    def distances(self) -> FLOATS:
        """In-plane distance from the source to the detector along each ray, shape (rays,), in mm."""
        d = self.geometry.detector
        across, along = d.surface(self._coordinates, self.geometry.source_to_detector)
        return np.hypot(across, along)

    def theta(self, beams: NDArray[np.intp]) -> FLOATS:
        """Angles of beams in radians."""
        return self.theta_first + beams.astype(np.float64) * self.theta_step

    def positions(self, angles: FLOATS) -> FLOATS:
        """Fractional position of rotation angles in the order of ``angles``; beyond the ends of a circle it goes on."""
        if not self.periodic:
            return np.asarray(np.interp(angles, self.angles, np.arange(len(self.angles), dtype=np.float64)))
        turn = np.floor((angles - self.angles[0]) / (2 * math.pi))
        known = np.append(self.angles, self.angles[0] + 2 * math.pi)
        inside = np.interp(angles - turn * 2 * math.pi, known, np.arange(len(known), dtype=np.float64))
        return np.asarray(inside + turn * len(self.angles))

    @cached_property
    def axial_table(self) -> tuple[float, FLOATS]:
        """Axial position against rotation angle, as (first angle, values at steps of ``theta_step``)."""
        low, high = self.fan_angles[0], self.fan_angles[-1]  # of the rays: two even where the detector has a single column
        first = self.theta_first + min(0.0, self.fan[0], float(low)) - self.theta_step
        reach = self.theta_first + self.beams * self.theta_step + max(0.0, self.fan[1], float(high)) + self.theta_step
        count = math.ceil((reach - first) / self.theta_step) + 2
        angles = first + np.arange(count) * self.theta_step
        if self.geometry.is_circular:
            return first, np.full(count, float(self.axial.mean()))
        return first, np.interp(angles, self.angles, self.smooth_axial)

    def axial_at(self, angles: FLOATS) -> FLOATS:
        """Axial position in mm at rotation angles, from :attr:`axial_table`."""
        first, axial = self.axial_table
        return np.asarray(np.interp(angles, first + np.arange(len(axial)) * self.theta_step, axial))

    @cached_property
    def row_extension(self) -> float:
        """By how much of its height the detector is taken to be higher, its outermost rows repeated.

        A direction sees a point from two sides, half a turn and twice the fan angle b apart: at a constant pitch the
        sources are pitch (pi + 2 |b|) / 2 pi apart in z, and the two beams together cover height R cos(b) / L. At a high
        pitch, and where the axial positions run unevenly, that leaves gaps far from the axis; as little is added as
        closes them, and no more than ``MOST_EXTENSION``.
        """
        fan = self.fan_angles[np.unique(np.linspace(0, len(self.t) - 1, 65).round().astype(np.intp))]
        apart = abs(self.geometry.pitch) * (math.pi + 2 * np.abs(fan)) / (2 * math.pi)
        paired = np.arange(0, self.beams - self.half_turn, max(1, self.half_turn // 120))
        for theta in self.theta(paired):
            apart = np.maximum(apart, np.abs(self.axial_at(theta + math.pi - fan) - self.axial_at(theta + fan)))
        covered = (
            self.geometry.detector.height * self.geometry.source_radius * np.cos(fan) / np.interp(fan, self.fan_angles, self.distances)
        )
        lacking = float(np.max(apart / covered)) * 1.01 - 1.0
        return min(max(0.0, lacking), MOST_EXTENSION)

    def view_span(self, first: int, last: int) -> tuple[int, int]:
        """Positions in rising order, first and last (exclusive), that the beams ``first`` to ``last`` (exclusive) need.

        On a circle they may be negative or beyond the last view: modulo the number of views.
        """
        theta = self.theta(np.array([first, last - 1]))
        ends = self.positions(theta + np.array([self.fan_angles[0], self.fan_angles[-1]]))
        low, high = math.floor(ends[0]), math.floor(ends[1]) + 2
        return (low, high) if self.periodic else (max(0, low), min(self.geometry.views, high))
