"""Primitive shapes that simulated objects are made of, and the object made of them.

Every shape is a ball or a truncated cone of unit size in its own coordinates ``q``, placed by an affine map
``p = centre + frame q`` (columns of ``frame`` in mm):

* ellipsoid: ``|q| <= 1``;
* cone and cylinder: ``hypot(q0, q1) <= w0 + w1 q2`` and ``|q2| <= 1``.

A line stays a line under an affine map, so the chord of a ray through any of them comes from one quadratic.
"""

from __future__ import annotations

import math
from collections.abc import Sequence
from dataclasses import dataclass
from typing import NamedTuple, Protocol

import numpy as np
from numpy.typing import ArrayLike, NDArray

from MITOReconstructionLib.errors import InputError

__all__ = ["Cone", "Cylinder", "Ellipsoid", "Phantom", "Placed", "Shape", "pack", "rotation_about"]

Vector = tuple[float, float, float]
Matrix = tuple[Vector, Vector, Vector]

IDENTITY: Matrix = ((1.0, 0.0, 0.0), (0.0, 1.0, 0.0), (0.0, 0.0, 1.0))

PACKED_WIDTH = 23
"""Numbers for one shape in the array that :func:`pack` makes."""


class Placed(NamedTuple):
    """A shape in its own coordinates, see the module's text.

    frame : float64, shape (3, 3), columns in mm;
    centre : float64, shape (3,), mm;
    is_cone : whether it is a truncated cone rather than a ball;
    w0, w1 : radius of the cone at its middle, and its growth towards its end, in units of the frame's columns.
    """

    frame: NDArray[np.float64]
    centre: NDArray[np.float64]
    is_cone: bool
    w0: float
    w1: float


class Shape(Protocol):
    """What the simulation asks of a shape."""

    @property
    def attenuation(self) -> float:
        """What the shape adds to the attenuation inside it, in 1/mm; may be negative."""
        ...

    def placed(self) -> Placed:
        """The affine map that makes the shape out of a unit ball or cone."""
        ...


def rotation_about(axis: Sequence[float], angle: float) -> Matrix:
    """The rotation by ``angle`` (radians, right-handed) about ``axis``, as rows of a matrix (Rodrigues' formula).

    Raises
    ------
    InputError
        When the axis has no direction.
    """
    x, y, z = _direction("rotation axis", axis)
    s, c = math.sin(angle), math.cos(angle)
    k = 1.0 - c
    return (
        (c + x * x * k, x * y * k - z * s, x * z * k + y * s),
        (y * x * k + z * s, c + y * y * k, y * z * k - x * s),
        (z * x * k - y * s, z * y * k + x * s, c + z * z * k),
    )


@dataclass(frozen=True)
class Ellipsoid:
    """A solid ellipsoid.

    Parameters
    ----------
    centre : 3 float
        mm.
    semi_axes : 3 float
        Half extents along the shape's own axes in mm.
    attenuation : float
        Added inside, in 1/mm; may be negative.
    rotation : 3 x 3 float, optional
        Rows of the matrix that turns the shape's own axes into x, y, z.

    Raises
    ------
    InputError
        When a number is not finite, a half extent is not positive, or the matrix is no rotation.
    """

    centre: Vector
    semi_axes: Vector
    attenuation: float
    rotation: Matrix = IDENTITY

    def __post_init__(self) -> None:
        object.__setattr__(self, "centre", _vector("ellipsoid centre", self.centre))
        object.__setattr__(self, "semi_axes", _vector("ellipsoid semi_axes", self.semi_axes))
        object.__setattr__(self, "attenuation", _finite("ellipsoid attenuation", self.attenuation))
        _positive("ellipsoid semi_axes", *self.semi_axes)
        matrix = np.array(self.rotation, dtype=np.float64)
        if matrix.shape != (3, 3) or not np.allclose(matrix @ matrix.T, np.eye(3), atol=1e-9):
            raise InputError(
                "ellipsoid rotation",
                expected="an orthogonal 3 x 3 matrix",
                found=repr(self.rotation),
                remedy="Make it with rotation_about().",
            )
        object.__setattr__(self, "rotation", tuple(tuple(float(v) for v in row) for row in matrix))

    def placed(self) -> Placed:
        """The affine map that makes the ellipsoid out of a unit ball."""
        return Placed(np.array(self.rotation) * np.array(self.semi_axes), np.array(self.centre), False, 1.0, 0.0)


@dataclass(frozen=True)
class Cone:
    """A truncated cone between two parallel end planes, straight or oblique, of circular or elliptic section.

    Parameters
    ----------
    start, end : 3 float
        Centres of the two end faces in mm.
    start_radius, end_radius : float
        Radii of the end faces in mm; one of them may be 0.
    attenuation : float
        Added inside, in 1/mm; may be negative.
    normal : 3 float, optional
        Normal of the end planes, by default the axis (a straight cone). Another normal shears the cone: pieces
        with the same normal share their faces exactly, so that a chain of them has neither gaps nor overlaps.
    first : 3 float, optional
        The direction in the end planes that ``start_radius`` and ``end_radius`` are measured along.
    aspect : float, optional
        Radius across ``first`` over the radius along it.

    Raises
    ------
    InputError
        When a number is not finite, a radius is negative or both are 0, the ends coincide or lie in one end plane,
        or ``first`` is parallel to the normal.
    """

    start: Vector
    end: Vector
    start_radius: float
    end_radius: float
    attenuation: float
    normal: Vector | None = None
    first: Vector | None = None
    aspect: float = 1.0

    def __post_init__(self) -> None:
        object.__setattr__(self, "start", _vector("cone start", self.start))
        object.__setattr__(self, "end", _vector("cone end", self.end))
        for name in ("start_radius", "end_radius", "attenuation", "aspect"):
            object.__setattr__(self, name, _finite(f"cone {name}", getattr(self, name)))
        _positive("cone aspect", self.aspect)
        _positive("cone radius", max(self.start_radius, self.end_radius))
        if min(self.start_radius, self.end_radius) < 0.0:
            raise InputError(
                "cone radius",
                expected="lengths of at least 0 mm",
                found=f"{self.start_radius:g} and {self.end_radius:g}",
                remedy="Correct the radii.",
            )
        axis = np.subtract(self.end, self.start)
        length = float(np.linalg.norm(axis))
        _positive("cone length", length)
        normal = np.array(_direction("cone normal", axis if self.normal is None else self.normal))
        if abs(float(normal @ axis)) < 1e-9 * length:
            raise InputError(
                "cone normal",
                expected="a normal along which the two ends differ",
                found=f"{self.normal}",
                remedy="Turn the normal towards the axis.",
            )
        first = _across(normal) if self.first is None else np.array(_direction("cone first", self.first))
        first = first - (first @ normal) * normal
        if float(np.linalg.norm(first)) < 1e-9:
            raise InputError("cone first", expected="a direction across the normal", found=f"{self.first}", remedy="Choose another one.")
        object.__setattr__(self, "first", tuple((first / np.linalg.norm(first)).tolist()))
        object.__setattr__(self, "normal", tuple(normal.tolist()))

    def placed(self) -> Placed:
        """The affine map that makes the cone out of one with unit section and ``|q2| <= 1``."""
        start, end, first = np.array(self.start), np.array(self.end), np.array(self.first)
        second = np.cross(np.array(self.normal), first) * self.aspect
        scale = max(self.start_radius, self.end_radius)
        frame = np.stack([first * scale, second * scale, (end - start) / 2], axis=-1)
        middle = (self.start_radius + self.end_radius) / (2 * scale)
        return Placed(frame, (start + end) / 2, True, middle, (self.end_radius - self.start_radius) / (2 * scale))


@dataclass(frozen=True)
class Cylinder:
    """A finite cylinder; a :class:`Cone` whose two faces are alike, with the same parameters and errors.

    Parameters
    ----------
    start, end : 3 float
        Centres of the two end faces in mm.
    radius : float
        mm, along ``first``.
    attenuation : float
        Added inside, in 1/mm; may be negative.
    normal, first, aspect : optional
        As for :class:`Cone`.
    """

    start: Vector
    end: Vector
    radius: float
    attenuation: float
    normal: Vector | None = None
    first: Vector | None = None
    aspect: float = 1.0

    def __post_init__(self) -> None:
        cone = self._cone()
        for name in ("start", "end", "attenuation", "normal", "first", "aspect"):
            object.__setattr__(self, name, getattr(cone, name))
        object.__setattr__(self, "radius", cone.start_radius)

    def _cone(self) -> Cone:
        return Cone(self.start, self.end, self.radius, self.radius, self.attenuation, self.normal, self.first, self.aspect)

    def placed(self) -> Placed:
        """The affine map that makes the cylinder out of one of unit radius and ``|q2| <= 1``."""
        return self._cone().placed()


@dataclass(frozen=True)
class Phantom:
    """An object whose line integrals and attenuation are known exactly: the sum of its shapes.

    Parameters
    ----------
    name : str
        What people call it.
    shapes : sequence of Shape
        Attenuations add up where shapes overlap.
    bounds : pair of 3 float, optional
        Smallest and largest x, y, z of the object in mm; by default of all its shapes.
    reference : float, optional
        A typical attenuation in 1/mm, for display windows and relative errors.

    Raises
    ------
    InputError
        When there is no shape.
    """

    name: str
    shapes: tuple[Shape, ...]
    bounds: tuple[Vector, Vector] | None = None
    reference: float = 0.02

    def __post_init__(self) -> None:
        object.__setattr__(self, "shapes", tuple(self.shapes))
        if not self.shapes:
            raise InputError("phantom shapes", expected="at least one shape", found="none", remedy="Add a shape.")
        low, high = _bounds(self.shapes) if self.bounds is None else self.bounds
        object.__setattr__(self, "bounds", (_vector("phantom bounds", low), _vector("phantom bounds", high)))

    @property
    def box(self) -> tuple[Vector, Vector]:
        """Smallest and largest x, y, z of the object in mm; ``bounds`` where they were given."""
        low, high = self.bounds  # type: ignore[misc]
        return low, high


def pack(shapes: Sequence[Shape]) -> NDArray[np.float64]:
    """Put shapes into one array for the compiled kernels.

    Returns
    -------
    float64, shape (len(shapes), 23)
        Per shape: 0 whether it is a cone; 1 attenuation in 1/mm; 2..10 the inverse of its frame, row by row;
        11..13 centre; 14, 15 w0 and w1; 16..18 centre x, y and radius of a circle about its shadow on the x-y plane;
        19, 20 smallest and largest z; 21, 22 half extents along x and y about 16, 17.
    """
    packed = np.empty((len(shapes), PACKED_WIDTH))
    for row, shape in zip(packed, shapes, strict=True):
        frame, centre, is_cone, w0, w1 = placed = shape.placed()
        low, high = _extent(placed)
        half = np.maximum(centre - low, high - centre)
        section = frame[:2, :2] if is_cone else frame[:2]
        spread = math.sqrt(float(np.linalg.eigvalsh(section @ section.T)[-1]))
        if is_cone:
            spread = spread * (w0 + abs(w1)) + math.hypot(frame[0, 2], frame[1, 2])
        row[0], row[1] = float(is_cone), shape.attenuation
        row[2:11] = np.linalg.inv(frame).ravel()
        row[11:14] = centre
        row[14:16] = w0, w1
        row[16:19] = centre[0], centre[1], min(spread, math.hypot(half[0], half[1]))
        row[19:23] = low[2], high[2], half[0], half[1]
    return packed


def _extent(placed: Placed) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """Smallest and largest x, y, z of a shape."""
    frame, centre = placed.frame, placed.centre
    if not placed.is_cone:
        half = np.sqrt((frame**2).sum(axis=1))
        return centre - half, centre + half
    section = np.hypot(frame[:, 0], frame[:, 1])
    ends = [(centre + side * frame[:, 2], section * (placed.w0 + side * placed.w1)) for side in (-1, 1)]
    return np.min([c - r for c, r in ends], axis=0), np.max([c + r for c, r in ends], axis=0)


def _bounds(shapes: Sequence[Shape]) -> tuple[Vector, Vector]:
    extents = [_extent(shape.placed()) for shape in shapes]
    low, high = np.min([e[0] for e in extents], axis=0), np.max([e[1] for e in extents], axis=0)
    return tuple(low.tolist()), tuple(high.tolist())


def _across(normal: NDArray[np.float64]) -> NDArray[np.float64]:
    axis = np.zeros(3)
    axis[int(np.argmin(np.abs(normal)))] = 1.0
    return np.asarray(np.cross(normal, axis))


def _finite(name: str, value: float) -> float:
    number = float(value)
    if not math.isfinite(number):
        raise InputError(name, expected="a finite number", found=f"{value}", remedy="Correct it.")
    return number


def _vector(name: str, values: ArrayLike) -> Vector:
    array = np.asarray(values, dtype=np.float64)
    if array.shape != (3,) or not np.all(np.isfinite(array)):
        raise InputError(name, expected="three finite numbers", found=repr(values), remedy="Give one number for each of x, y, z.")
    x, y, z = array.tolist()
    return x, y, z


def _direction(name: str, values: ArrayLike) -> Vector:
    vector = np.array(_vector(name, values))
    length = float(np.linalg.norm(vector))
    _positive(f"{name} length", length)
    x, y, z = (vector / length).tolist()
    return x, y, z


def _positive(name: str, *values: float) -> None:
    if not min(values) > 0.0:
        raise InputError(name, expected="more than 0", found=f"{min(values):g}", remedy="Correct it.")
