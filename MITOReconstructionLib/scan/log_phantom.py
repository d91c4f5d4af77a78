"""A softwood log as computed tomography shows it: rings about a curved pith, knots, bark, a check and a decayed pocket.

The stem is a chain of pieces with horizontal faces. In each piece every layer of wood is one oblique cone, nested in the
next layer outwards and adding the difference between the two layers, so neighbouring pieces join without gaps.
Attenuations follow green pine at about 100 kV: wet sapwood near 0.020 per mm, dry heartwood 0.012 to 0.017, knots 0.025.
"""

from __future__ import annotations

import math
from collections.abc import Iterator
from dataclasses import dataclass
from typing import Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.errors import InputError
from MITOReconstructionLib.scan.shapes import Cone, Ellipsoid, Phantom, Shape, Vector

__all__ = ["log"]

PITH, CAMBIUM, INNER_BARK, OUTER_BARK = 0.0070, 0.0125, 0.0185, 0.0120
HEART_EARLY, HEART_LATE = 0.0118, 0.0172
SAP_EARLY, SAP_LATE = 0.0188, 0.0216
HEARTWOOD = 0.66
"""Radius of the heartwood as a part of the wood's radius."""
CHECKS = (5.35, 2.55)
"""Directions of the drying cracks in radians."""
UP: Vector = (0.0, 0.0, 1.0)


class Layer(NamedTuple):
    """A layer of the stem: its outer radius as a part of the stem's, and its attenuation in 1/mm."""

    outer: float
    value: float


def log(
    radius: float = 92.0,
    length: float = 680.0,
    *,
    centre: Vector = (12.0, -9.0, 277.0),
    rings: int = 18,
    pieces: int | None = None,
    wander: float = 7.0,
    seed: int = 16,
) -> Phantom:
    """A softwood log that stands along z.

    Parameters
    ----------
    radius : float, optional
        Mean radius over the bark at half height in mm.
    length : float, optional
        mm; the default reaches beyond what a default scan sees, as real logs do.
    centre : 3 float, optional
        Middle of the log in mm.
    rings : int, optional
        Growth rings.
    pieces : int, optional
        Straight pieces that the curved stem is made of; by default one per 48 mm.
    wander : float, optional
        How far the pith strays sideways, in mm.
    seed : int, optional
        The same seed gives the same log.

    Returns
    -------
    Phantom
        Its attenuation is nowhere negative.

    Raises
    ------
    InputError
        When a length is not positive, a count is below 1, or the bark and rings leave no room for each other.
    """
    for name, value in (("radius", radius), ("length", length), ("rings", rings), ("pieces", 1 if pieces is None else pieces)):
        if not (math.isfinite(value) and value > 0):
            raise InputError(f"log {name}", expected="a number above 0", found=f"{value}", remedy="Correct it.")
    if seed < 0:
        raise InputError("log seed", expected="a whole number of at least 0", found=f"{seed}", remedy="Choose another seed.")
    if radius < 1.2 * rings:
        raise InputError(
            "log rings",
            expected=f"at most {int(radius / 1.2)} for a radius of {radius:g} mm",
            found=f"{rings}",
            remedy="Ask for fewer rings.",
        )
    levels = np.linspace(
        centre[2] - length / 2, centre[2] + length / 2, (max(1, round(length / 48.0)) if pieces is None else int(pieces)) + 1
    )
    stem = _Stem.grown(radius, centre, wander, levels, int(rings), seed)
    draws = [np.random.default_rng([seed, part]) for part in range(1, 6)]
    shapes: list[Shape] = [
        *_stem_pieces(stem, _layers(stem, draws[0])),
        *_compression_wood(stem),
        *_moisture(stem, draws[1]),
        *_bark_scales(stem, draws[2]),
        *_whorls(stem, draws[3]),
        *_check(stem, CHECKS[0], (-0.42, 0.12), (0.11, 0.97)),
        *_check(stem, CHECKS[1], (-0.34, 0.06), (0.08, 0.58)),
        *_decay(stem, draws[4]),
    ]
    return Phantom("log", tuple(shapes), reference=0.02)


@dataclass(frozen=True)
class _Stem:
    """The course of the stem: where the centre and the outline of a layer are at a height.

    Between neighbouring ``levels`` both are straight, so that what is placed on an outline lies on the pieces' surface.
    ``phases`` are random angles; ``lean`` is the direction in which the pith is off the middle of the stem, less pi;
    ``borders`` are the outer radii of the rings and ``bark`` the thickness of the bark, as parts of the radius.
    """

    radius: float
    centre: Vector
    wander: float
    levels: NDArray[np.float64]
    phases: tuple[float, ...]
    borders: tuple[float, ...]
    bark: float = 0.068

    @classmethod
    def grown(cls, radius: float, centre: Vector, wander: float, levels: NDArray[np.float64], rings: int, seed: int) -> _Stem:
        """Draw a stem at random."""
        random = np.random.default_rng([seed, 0])
        phases = random.uniform(0, 2 * math.pi, 10).tolist()
        index = np.arange(rings)
        width = (1.4 * np.exp(-index / (0.22 * rings)) + 0.8) * np.exp(random.normal(0.0, 0.30, rings))
        borders = np.cumsum(width) / width.sum() * (1.0 - cls.bark)
        return cls(radius, centre, wander, levels, tuple(phases), tuple(borders.tolist()))

    @property
    def length(self) -> float:
        """mm."""
        return float(self.levels[-1] - self.levels[0])

    @property
    def wood(self) -> float:
        """Radius of the wood as a part of the stem's."""
        return 1.0 - self.bark

    @property
    def heart(self) -> float:
        """Radius of the heartwood as a part of the stem's."""
        return max([b for b in self.borders if b <= HEARTWOOD * self.wood], default=self.borders[0])

    @property
    def lean(self) -> float:
        """Direction from the middle of the outline to the side with the wider rings, in radians."""
        return self.phases[6]

    def height(self, part: float) -> float:
        """z at a part of the length, -0.5 to 0.5."""
        return self.centre[2] + part * self.length

    def axis(self, part: float, z: float) -> Vector:
        """Centre of the outline at ``part`` of the radius, at height z; ``part`` 0 is the pith."""
        (low, high), share = self._piece(z)
        a, b = self._bend(part, low), self._bend(part, high)
        return a[0] + share * (b[0] - a[0]), a[1] + share * (b[1] - a[1]), z

    def outline(self, part: float, z: float) -> float:
        """Radius in mm of the outline at ``part`` of the stem's radius, along its longer axis."""
        (low, high), share = self._piece(z)
        return self._swell(part, low) * (1.0 - share) + self._swell(part, high) * share

    def shape(self, part: float) -> tuple[Vector, float]:
        """Direction of the longer axis of the outline at ``part``, and the shorter over the longer."""
        turn = self.phases[5] + 0.9 * part
        aspect = 1.0 - 0.055 * part + 0.006 * math.sin(31.0 * part + self.phases[7])
        return (math.cos(turn), math.sin(turn), 0.0), aspect

    def point(self, part: float, azimuth: float, z: float) -> NDArray[np.float64]:
        """A point on the outline at ``part``, in the direction ``azimuth`` from its centre."""
        first, aspect = self.shape(part)
        angle = azimuth - math.atan2(first[1], first[0])
        r = self.outline(part, z) / math.hypot(math.cos(angle), math.sin(angle) / aspect)
        return np.array(self.axis(part, z)) + r * np.array([math.cos(azimuth), math.sin(azimuth), 0.0])

    def cone(self, part: float, low: float, high: float, value: float) -> Cone:
        """The inside of the outline at ``part`` between two heights of one piece."""
        first, aspect = self.shape(part)
        ends = self.axis(part, low), self.axis(part, high)
        return Cone(*ends, self.outline(part, low), self.outline(part, high), value, normal=UP, first=first, aspect=aspect)

    def _piece(self, z: float) -> tuple[tuple[float, float], float]:
        i = min(max(int(np.searchsorted(self.levels, z, side="right")) - 1, 0), len(self.levels) - 2)
        low, high = float(self.levels[i]), float(self.levels[i + 1])
        return (low, high), (z - low) / (high - low)

    def _bend(self, part: float, z: float) -> tuple[float, float]:
        h, p = 2 * math.pi * (z - self.centre[2]), self.phases
        follow = self.wander * (1.0 - 0.6 * part)
        x = follow * (math.sin(h / 610.0 + p[0]) + 0.2 * math.sin(h / 290.0 + p[1])) + 0.008 * self.radius * math.sin(24.0 * part + p[8])
        y = follow * (math.sin(h / 690.0 + p[2]) + 0.2 * math.sin(h / 310.0 + p[3])) + 0.008 * self.radius * math.sin(27.0 * part + p[9])
        off = 0.075 * self.radius * (part - 1.0)
        return self.centre[0] + x + off * math.cos(self.lean), self.centre[1] + y + off * math.sin(self.lean)

    def _swell(self, part: float, z: float) -> float:
        h = z - self.centre[2]
        swell = 0.006 * math.sin(2 * math.pi * h / 190.0 + self.phases[4])
        return self.radius * part * 1.025 * (1.0 - 0.00009 * h + swell * part)


def _layers(stem: _Stem, random: np.random.Generator) -> list[Layer]:
    """The stem from the pith outwards: earlywood, transition and latewood of every ring, then the bark."""
    pith = min(0.02, 0.3 * stem.borders[0])
    layers = [Layer(pith, PITH)]
    for inner, outer in zip((pith, *stem.borders[:-1]), stem.borders, strict=True):
        late_share = float(np.clip(random.normal(0.30, 0.06), 0.18, 0.45))
        year = float(np.clip(random.normal(0.0, 0.0005), -0.0008, 0.0008))
        wet = outer > stem.heart
        early, late = (SAP_EARLY, SAP_LATE) if wet else (HEART_EARLY, HEART_LATE)
        if inner < 0.2:  # juvenile wood has less contrast
            late -= 0.0015
        steps = [(1.0 - late_share, early), (1.0, late)]
        if not wet:
            steps = [(1.0 - late_share - 0.2, early), (1.0 - late_share, (early + late) / 2), (1.0, late)]
        layers += [Layer(inner + (outer - inner) * share, value + year) for share, value in steps]
    bark = stem.bark
    edges = (0.14, CAMBIUM), (0.48, INNER_BARK), (1.0, OUTER_BARK)
    return layers + [Layer(stem.wood + share * bark, value) for share, value in edges]


def _stem_pieces(stem: _Stem, layers: list[Layer]) -> Iterator[Shape]:
    outside = [layer.value for layer in layers[1:]] + [0.0]
    for low, high in zip(stem.levels[:-1].tolist(), stem.levels[1:].tolist(), strict=True):
        for layer, beyond in zip(layers, outside, strict=True):
            yield stem.cone(layer.outer, low, high, layer.value - beyond)


def _compression_wood(stem: _Stem) -> Iterator[Shape]:
    """A denser crescent on the side away from which the pith has moved, between two outlines that touch."""
    outer, inner = 0.60, 0.53
    for low, high in zip(stem.levels[:-1].tolist(), stem.levels[1:].tolist(), strict=True):
        whole = stem.cone(outer, low, high, 0.0022)
        yield whole
        ends = []
        for end, z in ((whole.start, low), (whole.end, high)):
            gap = (outer - inner) * stem.outline(1.0, z) * 0.8
            ends.append((end[0] - gap * math.cos(stem.lean), end[1] - gap * math.sin(stem.lean), z))
        scale = inner / outer
        radii = whole.start_radius * scale, whole.end_radius * scale
        yield Cone(ends[0], ends[1], *radii, -0.0022, normal=UP, first=whole.first, aspect=whole.aspect)


def _moisture(stem: _Stem, random: np.random.Generator) -> Iterator[Shape]:
    """Tongues of wet wood at the edge of the heartwood, and drier patches in the sapwood; two steps each."""
    count = max(4, round(stem.length / 30.0))
    for i in range(count):
        wet = i % 3 != 2
        part = stem.heart - random.uniform(0.02, 0.06) if wet else random.uniform(0.74, 0.88) * stem.wood
        azimuth = random.uniform(0, 2 * math.pi)
        z = stem.height(((i + random.uniform(0, 1)) / count - 0.5) * max(0.2, 1.0 - 170.0 / stem.length))
        axes = (
            stem.radius * random.uniform(0.035, 0.07),
            stem.radius * random.uniform(0.10, 0.26),
            min(random.uniform(30.0, 80.0), 0.12 * stem.length),
        )
        for size in (1.0, 0.65):
            value = 0.0016 if wet else -0.0009
            yield _patch(stem, part, azimuth, z, (axes[0] * size, axes[1] * size, axes[2] * size), value)


def _bark_scales(stem: _Stem, random: np.random.Generator) -> Iterator[Shape]:
    """Plates that stand half out of the bark, and dark seams between its layers."""
    count = max(6, round(stem.length * 0.30))
    room = max(0.2, 1.0 - 70.0 / stem.length)
    for i in range(count):
        z = stem.height(((i + 0.5) / count - 0.5) * room)
        azimuth = i * 2.39996  # the golden angle keeps neighbours in height apart
        if i % 3 == 2:
            axes = (0.009 * stem.radius, stem.radius * random.uniform(0.04, 0.08), random.uniform(8.0, 16.0))
            yield _patch(stem, 1.0 - 0.28 * stem.bark, azimuth, z, axes, -0.0065)
        else:
            axes = (stem.radius * random.uniform(0.016, 0.030), stem.radius * random.uniform(0.06, 0.13), random.uniform(12.0, 28.0))
            yield _patch(stem, 1.0, azimuth + random.normal(0.0, 0.3), z + random.normal(0.0, 8.0), axes, 0.0055)


def _patch(stem: _Stem, part: float, azimuth: float, z: float, semi_axes: Vector, value: float) -> Ellipsoid:
    """An ellipsoid at an outline of the stem, lying along it; half extents outwards, around and along the stem."""
    place = stem.point(part, azimuth, z)
    along = stem.point(part, azimuth, z + 5.0) - stem.point(part, azimuth, z - 5.0)
    around = stem.point(part, azimuth + 0.03, z) - stem.point(part, azimuth - 0.03, z)
    outwards = np.cross(around, along)
    frame = np.stack([outwards, np.cross(along, outwards), along], axis=-1)
    frame /= np.linalg.norm(frame, axis=0)
    x, y, z = place.tolist()
    return Ellipsoid((x, y, z), semi_axes, value, tuple(map(tuple, frame.tolist())))  # type: ignore[arg-type]


def _whorls(stem: _Stem, random: np.random.Generator) -> Iterator[Shape]:
    """Three to six knots every 85 to 125 mm, some of them dead and grown over."""
    z = float(stem.levels[0]) + 25.0 + random.uniform(0.0, 30.0)
    while z < float(stem.levels[-1]) - 0.6 * stem.radius:
        count = int(random.integers(3, 7))
        start = random.uniform(0, 2 * math.pi)
        for i in range(count):
            azimuth = start + 2 * math.pi * (i + random.uniform(-0.18, 0.18)) / count
            thick = stem.radius * random.uniform(0.06, 0.115)
            beside_check = min(abs(math.remainder(azimuth - check, 2 * math.pi)) for check in CHECKS) < 0.4
            dead = random.uniform() < 0.35 and not beside_check
            yield from _knot(stem, z + random.uniform(-4.0, 4.0), azimuth, thick, random.uniform(0.14, 0.42), dead)
        z += random.uniform(85.0, 125.0)


def _knot(stem: _Stem, z: float, azimuth: float, thick: float, rise: float, dead: bool) -> Iterator[Shape]:
    """A branch from the pith: it climbs steeply at first and flattens outwards; pieces share vertical faces.

    ``thick`` is its radius in mm where it leaves the heartwood, ``rise`` its mean climb per mm outwards.
    """
    out = np.array([math.cos(azimuth), math.sin(azimuth), 0.0])
    pith = np.array(stem.axis(0.0, z))
    middle = stem.outline(1.0, z) * rise * 0.8
    heart, wood, bark = (
        _distance(stem, np.array(stem.axis(0.0, z + middle * part)), azimuth, part) for part in (stem.heart, stem.wood, 1.0)
    )
    stops = [0.03 * wood, 0.30 * wood, heart]
    radii = [0.12 * thick, 0.62 * thick, thick]
    values = [0.0095, 0.0095]
    if dead:
        stops += [0.5 * (heart + wood), 0.5 * (heart + wood) + 0.4 * thick]
        radii += [0.92 * thick, 0.35 * thick]
        values += [0.0030, 0.0030]
    else:
        stops += [wood, 0.99 * bark]
        radii += [1.05 * thick, 1.07 * thick]
        values += [0.0045, 0.0090]
    points = [tuple((pith + d * out + (0.0, 0.0, d * rise * (1.25 - 0.35 * d / wood))).tolist()) for d in stops]
    kept: dict[str, Any] = {"normal": tuple(out.tolist()), "first": UP, "aspect": 0.88}
    for i, value in enumerate(values):
        ends, r0, r1 = (points[i], points[i + 1]), radii[i], radii[i + 1]
        yield Cone(*ends, r0, r1, value, **kept)
        yield Cone(*ends, 0.16 * r0, 0.16 * r1, -0.0040, **kept)
        if dead and i > 0:  # bark grown in around the dead part
            yield Cone(*ends, (1.0 if i == 1 else 1.18) * r0, 1.18 * r1, -0.0050, **kept)
            yield Cone(*ends, r0, r1, 0.0050, **kept)


def _distance(stem: _Stem, pith: NDArray[np.float64], azimuth: float, part: float) -> float:
    """How far the outline at ``part`` is from the pith in the direction ``azimuth``, by a fixed-point search."""
    direction = azimuth
    for _ in range(3):
        gap = stem.point(part, direction, float(pith[2])) - pith
        direction += azimuth - math.atan2(gap[1], gap[0])
        direction = math.remainder(direction, 2 * math.pi)
    return float(np.hypot(gap[0], gap[1]))


def _check(stem: _Stem, azimuth: float, heights: tuple[float, float], parts: tuple[float, float]) -> Iterator[Shape]:
    """A drying crack: a thin lens in the heartwood that follows the pith and closes at both ends."""
    out = np.array([math.cos(azimuth), math.sin(azimuth), 0.0])
    reach = 0.94 * stem.heart * stem.radius
    middle, half = reach * (parts[0] + parts[1]) / 2, reach * (parts[1] - parts[0]) / 2
    share = np.linspace(-1.0, 1.0, 13)
    levels = stem.height(heights[0]) + (share + 1.0) / 2 * (heights[1] - heights[0]) * stem.length
    radii = half * np.sqrt(1.0 - share**2)
    points = [np.array(stem.axis(0.0, z)) + out * (middle - 0.9 * (half - r)) for z, r in zip(levels.tolist(), radii.tolist(), strict=True)]
    first = tuple(out.tolist())
    for i in range(len(share) - 1):
        ends = tuple(points[i].tolist()), tuple(points[i + 1].tolist())
        yield Cone(*ends, float(radii[i]), float(radii[i + 1]), -0.88 * HEART_EARLY, normal=UP, first=first, aspect=0.045)


def _decay(stem: _Stem, random: np.random.Generator) -> Iterator[Shape]:
    """A pocket of rot in the heartwood: overlapping ellipsoids of lower attenuation."""
    azimuth, middle = 1.15, stem.height(0.10)
    for i in range(14):
        size = stem.radius * random.uniform(0.05, 0.12)
        axes = (size * random.uniform(0.5, 0.9), size, size * random.uniform(1.5, 2.6))
        part = stem.heart * random.uniform(0.42, 0.78)
        yield _patch(stem, part, azimuth + random.uniform(-0.35, 0.35), middle + (i - 6.5) * 0.06 * stem.radius, axes, -0.0019)
