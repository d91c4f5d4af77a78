"""The part of a rectangle that a beam sees in the plane of rotation."""

from __future__ import annotations

import math

import numpy as np
from numpy.typing import ArrayLike, NDArray

from MITOReconstructionLib.errors import InputError

__all__ = ["Wedge", "box_corners"]


class Wedge:
    """The parts of rectangles inside a wedge whose tip is at the origin; one row of corners in turn for each rectangle.

    distances, fans : of the corners of each part: in mm, NaN where there is none, and angles;
    nearest : a distance in mm that no point of the part falls below.
    """

    def __init__(self, along: NDArray[np.float64], across: NDArray[np.float64], edges: tuple[float, float]) -> None:
        slack = 1e-12
        fan, distance = np.arctan2(across, along), np.hypot(across, along)
        inside = (fan >= edges[0] - slack) & (fan <= edges[1] + slack)
        fans, distances = [fan], [np.where(inside, distance, np.nan)]
        step_along, step_across = np.roll(along, -1, axis=1) - along, np.roll(across, -1, axis=1) - across
        with np.errstate(all="ignore"):  # sides without length, or nearly
            for edge in edges:
                sin, cos = math.sin(edge), math.cos(edge)
                share = (along * sin - across * cos) / (step_across * cos - step_along * sin)
                crossing = (along + share * step_along) * cos + (across + share * step_across) * sin
                distances.append(np.where((share >= -slack) & (share <= 1 + slack) & (crossing > 0), crossing, np.nan))
                fans.append(np.full(along.shape, edge))
            foot = -(along * step_along + across * step_across) / (step_along**2 + step_across**2)
        foot = np.clip(np.nan_to_num(foot), 0.0, 1.0)
        border = np.min(np.hypot(along + foot * step_along, across + foot * step_across), axis=1)
        turn = along * step_across - across * step_along  # one sign all round where the tip is inside
        self.distances, self.fans = np.concatenate(distances, axis=1), np.concatenate(fans, axis=1)
        self.nearest = np.where(np.all(turn >= 0, axis=1) | np.all(turn <= 0, axis=1), 0.0, border)


def box_corners(minimum: ArrayLike, maximum: ArrayLike) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """The two corners of a box as arrays.

    Raises
    ------
    InputError
        When they are not finite or a maximum lies below its minimum.
    """
    corners = []
    for name, values in (("box minimum", minimum), ("box maximum", maximum)):
        try:
            corner = np.array(values, dtype=np.float64)
        except (TypeError, ValueError):
            corner = np.empty(0)
        if corner.shape != (3,) or not np.all(np.isfinite(corner)):
            raise InputError(name, expected="three finite lengths in mm", found=repr(values), remedy="Give the outer edges along x, y, z.")
        corners.append(corner)
    if np.any(corners[0] > corners[1]):
        found = f"{corners[0].tolist()} to {corners[1].tolist()}"
        raise InputError("box", expected="a minimum not above the maximum", found=found, remedy="Give the edges in rising order.")
    return corners[0], corners[1]
