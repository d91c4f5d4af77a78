"""Planes that are reconstructed: a rectangle of pixels anywhere in space."""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass

import numpy as np
from numpy.typing import ArrayLike, NDArray

from MITOReconstructionLib.errors import InputError

__all__ = ["Plane"]

Vector = tuple[float, float, float]

MOST_PIXELS = 1 << 26
"""Pixels that a plane has at most: a quarter of a gibibyte."""

SMALLEST = 1e-9
"""A pixel's side in mm that can still be computed with."""


@dataclass(frozen=True)
class Plane:
    """A rectangle of pixels in space. Its images are float32 arrays of shape ``shape``, indexed [i, j].

    The centre of pixel (i, j) is ``origin + i * spacing[0] * u + j * spacing[1] * v``.

    Parameters
    ----------
    origin : 3 float
        Centre of pixel (0, 0) in mm, in the sample's frame (RAS).
    u, v : 3 float
        Directions of the two axes. Made unit vectors; they must be at right angles to each other.
    shape : 2 int
        Pixel counts (n, m) along u and v.
    spacing : float or 2 float
        Distance between neighbouring pixels along u and v in mm.

    Raises
    ------
    InputError
        When a number is not finite, an axis has no direction, the axes are not at right angles (to 1e-3 rad), a count is
        below one or the pixels are too many, or a spacing is not positive.

    Examples
    --------
    >>> plane = Plane((0, 0, 10), u=(1, 0, 0), v=(0, 1, 0), shape=(3, 2), spacing=0.5)
    >>> plane.normal
    (0.0, 0.0, 1.0)
    >>> plane.centre
    (0.5, 0.25, 10.0)
    """

    origin: Vector
    u: Vector
    v: Vector
    shape: tuple[int, int]
    spacing: tuple[float, float]

    def __post_init__(self) -> None:
        origin = _vector("plane origin", self.origin)
        u, v = np.array(_direction("plane u", self.u)), np.array(_direction("plane v", self.v))
        if abs(float(u @ v)) > 1e-3:
            raise InputError(
                "plane u, v",
                expected="two directions at right angles",
                found=f"an angle of {math.degrees(math.acos(max(-1.0, min(1.0, float(u @ v))))):.4g} degrees",
                remedy="Correct one of them.",
            )
        v = v - (u @ v) * u
        object.__setattr__(self, "origin", origin)
        object.__setattr__(self, "u", _plain(u))
        object.__setattr__(self, "v", _plain(v / np.linalg.norm(v)))
        object.__setattr__(self, "shape", _counts(self.shape))
        object.__setattr__(self, "spacing", _sides(self.spacing))

    @classmethod
    def centred(
        cls, centre: Sequence[float], u: Sequence[float], v: Sequence[float], shape: Sequence[int], spacing: float | Sequence[float]
    ) -> Plane:
        """A plane whose middle is at ``centre`` (mm); the other arguments and the errors are those of the class."""
        start = cls(centre, u, v, shape, spacing)  # type: ignore[arg-type]
        middle = np.subtract(start.centre, start.origin)
        return cls(_plain(np.array(start.origin) - middle), start.u, start.v, start.shape, start.spacing)

    @property
    def normal(self) -> Vector:
        """The unit vector u x v."""
        return _plain(np.cross(self.u, self.v))

    @property
    def steps(self) -> NDArray[np.float64]:
        """Steps from a pixel to its neighbours along u and along v in mm, shape (2, 3)."""
        return np.asarray(np.array([self.u, self.v]) * np.array(self.spacing)[:, None], dtype=np.float64)

    @property
    def centre(self) -> Vector:
        """The middle of the plane in mm."""
        return self.position(0.5 * (self.shape[0] - 1), 0.5 * (self.shape[1] - 1))

    @property
    def pixels(self) -> int:
        """Number of pixels."""
        return self.shape[0] * self.shape[1]

    def position(self, i: float, j: float) -> Vector:
        """Where the (fractional) pixel (i, j) is, in mm."""
        return _plain(np.array(self.origin) + np.array([i, j]) @ self.steps)

    def positions(self) -> NDArray[np.float64]:
        """Pixel centres, shape (n, m, 3), in mm."""
        i, j = np.meshgrid(np.arange(self.shape[0]), np.arange(self.shape[1]), indexing="ij")
        return np.asarray(np.array(self.origin) + np.stack([i, j], axis=-1) @ self.steps)

    def bounds(self) -> tuple[Vector, Vector]:
        """Smallest and largest x, y, z of the pixel centres in mm."""
        n, m = self.shape
        corners = np.array([self.position(i, j) for i in (0, n - 1) for j in (0, m - 1)])
        return _plain(corners.min(axis=0)), _plain(corners.max(axis=0))

    def is_coplanar(self, other: Plane) -> bool:
        """Whether the other plane is a part of the same infinite plane: to a thousandth of a pixel at its middle."""
        turned = float(np.linalg.norm(np.cross(self.normal, other.normal)))
        apart = abs(float(np.subtract(other.centre, self.centre) @ np.array(self.normal)))
        return turned < 1e-6 and apart < 1e-3 * min(self.spacing)

    def matrix(self) -> NDArray[np.float64]:
        """From pixel indices to mm: the 4 x 4 matrix of (i, j, k, 1), k along the normal; its spacing is the smaller one of the plane's.

        The IJK-to-RAS matrix of a one-slice volume node whose array is ``image.T[np.newaxis]``.
        """
        matrix = np.eye(4)
        matrix[:3, :2] = self.steps.T
        matrix[:3, 2] = np.array(self.normal) * min(self.spacing)
        matrix[:3, 3] = self.origin
        return matrix

    def coarser(self, factor: int) -> Plane:
        """The plane over the same rectangle with pixels ``factor`` times as wide, at least one along each axis."""
        shape = tuple(max(1, -(-count // factor)) for count in self.shape)
        corner = self.position(0.5 * (factor - 1), 0.5 * (factor - 1))
        return Plane(corner, self.u, self.v, shape, tuple(side * factor for side in self.spacing))  # type: ignore[arg-type]


def _plain(values: NDArray[np.float64]) -> Vector:
    x, y, z = (float(value) + 0.0 for value in values)
    return x, y, z


def _vector(name: str, values: ArrayLike) -> Vector:
    try:
        array = np.asarray(values, dtype=np.float64)
    except (TypeError, ValueError):
        array = np.empty(0)
    if array.shape != (3,) or not np.all(np.isfinite(array)):
        raise InputError(name, expected="three finite numbers", found=repr(values), remedy="Give one number for each of x, y, z.")
    return _plain(array)


def _direction(name: str, values: ArrayLike) -> Vector:
    vector = np.array(_vector(name, values))
    length = float(np.linalg.norm(vector))
    if not length > 1e-12:
        raise InputError(name, expected="a direction", found=repr(values), remedy="Give a vector that is not zero.")
    return _plain(vector / length)


def _counts(values: Sequence[int]) -> tuple[int, int]:
    try:
        counts = tuple(values)
    except TypeError:
        counts = ()
    right = len(counts) == 2 and all(isinstance(n, (int, np.integer)) and not isinstance(n, bool) and n >= 1 for n in counts)
    if not right or math.prod(counts) > MOST_PIXELS:
        raise InputError(
            "plane shape",
            expected=f"two whole numbers of at least 1, at most {MOST_PIXELS} pixels in all",
            found=repr(values),
            remedy="Give the pixel counts along u and v.",
        )
    return int(counts[0]), int(counts[1])


def _sides(values: float | Sequence[float]) -> tuple[float, float]:
    try:
        sides = np.asarray(values, dtype=np.float64)
        sides = np.broadcast_to(sides, (2,)) if sides.ndim == 0 else sides
    except (TypeError, ValueError):
        sides = np.empty(0)
    if sides.shape != (2,) or not np.all(sides > 0.0) or not np.all(sides < np.inf):
        raise InputError(
            "plane spacing", expected="one or two positive lengths in mm", found=repr(values), remedy="Give the pixel's sides."
        )
    if not SMALLEST <= sides.min() <= sides.max() <= 1.0 / SMALLEST:
        expected = f"lengths in mm from {SMALLEST:g} to {1.0 / SMALLEST:g}"
        raise InputError("plane spacing", expected=expected, found=repr(values), remedy="Give the pixel's sides.")
    return float(sides[0]), float(sides[1])
