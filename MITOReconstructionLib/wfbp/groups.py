"""Neighbouring beams that are resampled onto the layers together.

Seen from a point, neighbouring beams differ in which ray passes through it, by the point's depth times the sine of the angle
between them. That is the same for a whole ray on a layer, because layers have a depth. So the rays of a few beams that meet
on a layer can be added before they are resampled along z, and from there on the work is that of one beam. It is the first
step of the fast backprojections that add neighbouring directions on coarse grids, as Basu and Bresler, 'O(N^2 log N) filtered
backprojection reconstruction algorithm for tomography', IEEE Trans. Image Process. 9 (2000) 1760.

What is left out is that the sources of those beams differ a little in height. That points of a ray differ in their distance to
them, and so in the row that sees them, is made up for by whole rows. :func:`beams_together` bounds both.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.geometry import VolumeGrid
from MITOReconstructionLib.wfbp.backproject import COMPILE, BeamTables
from MITOReconstructionLib.wfbp.lanes import LANES, load, multiply_add, prefetch, store, zero
from MITOReconstructionLib.wfbp.lattice import layer_distance

__all__ = ["CHUNK", "MOST", "Rays", "add_rays", "beams_together", "group_end", "group_taps"]

MOST = 4
"""Beams that are taken together at most."""

SAMPLES = 1.7
"""Rays, or rows, across a voxel at most in what follows: larger voxels get no wider bounds than those of that size."""

RISE = 0.25
"""Part of a voxel's height by which the source of one of the beams is higher or lower than the middle of all, at most."""

TILT = 0.01
"""Part of the source radius by which a point on the outermost ray is nearer to the source of one of the beams than to the middle."""

ASIDE = 0.12
"""Part of a voxel by which a ray lies aside where it meets a layer, at most, because several layers share a sum."""

FAR = 0.03
"""Angle in rad between neighbouring beams beyond which none are taken together (209 a turn).

Rays are interpolated by a cubic kernel here and linearly elsewhere. With 120 views a turn the two differ by 0.2 to 0.3% of the object
where it is flat, with 444 by 0.1%; scans of few views are quick anyway.
"""

SHARP = -0.65
"""Slope of the cubic convolution kernel between rays one ray from its middle (Keys 1981 has -0.5): flat for longer."""

CHUNK = 32
"""Rays that are added up at a time, so that they stay in a core's first cache."""

AHEAD = 3
"""Rays that are fetched before they are added: a beam's rows come from memory, and the processor does not foresee them."""

SURELY = 0.4
"""Rows by which rows lie higher, up to which they are surely not moved by a whole one."""

FRACTIONS = 64
"""Places between two rays for which the kernel is tabulated."""


class Rays(NamedTuple):
    """Beams that are worked on together.

    flat : samples of all beams, float32 [(beam * rays + ray) * rows + row];
    first, number : first of those that are worked on, and how many;
    rows : of the detector;
    layers : how many neighbouring layers take the same sum of the beams' rays.
    """

    flat: NDArray[np.float32]
    first: int
    number: int
    rows: int
    layers: int


class Taps(NamedTuple):
    """Which rays are added.

    first : first samples of four rays of each beam;
    kernel : place in :data:`KERNEL` of their four weights, of each beam;
    moved : by how many rows sixteen rows lie higher in a beam, [beam * parts + part];
    sin, cos_off : sine, and one less the cosine, of the angle from the middle to each beam.
    """

    first: NDArray[np.int64]
    kernel: NDArray[np.int64]
    moved: NDArray[np.int64]
    sin: NDArray[np.float64]
    cos_off: NDArray[np.float64]


def _kernel() -> NDArray[np.float32]:
    """Weights of four neighbouring rays for a place between the two middle ones, shape (FRACTIONS + 1, 4)."""
    x = np.arange(FRACTIONS + 1)[:, None] / FRACTIONS + np.array([1.0, 0.0, -1.0, -2.0])
    d = np.abs(x)
    near = (SHARP + 2) * d**3 - (SHARP + 3) * d**2 + 1
    far = SHARP * (d**3 - 5 * d**2 + 8 * d - 4)
    weights: NDArray[np.float32] = np.where(d <= 1, near, far).astype(np.float32).reshape(-1)
    return weights


KERNEL = _kernel()


def beams_together(tables: BeamTables, grid: VolumeGrid, rows: int) -> tuple[int, int]:
    """How many beams can be taken together for a volume, and for how many layers their sum is the same.

    They are those whose numbers, divided by the first, have the same whole part; so with layers and the second.

    Parameters
    ----------
    tables : BeamTables
    grid : VolumeGrid
        Its spacing counts, not where it lies: a region is reconstructed as the whole is.
    rows : int
        Rows of the detector.
    """
    row = tables.row_pitch * tables.radius / tables.nearest
    rise = 2.0 * float(np.max(np.abs(np.diff(tables.axial))))  # a ray's source moves by up to twice the beams' angle
    widest = max(abs(tables.t_first), abs(tables.t_first + (len(tables.reach) - 1) * tables.t_step))
    apart = tables.radius * layer_distance(rows)
    width, height = min(*grid.spacing[:2], SAMPLES * tables.t_step), min(grid.spacing[2], SAMPLES * row)
    count = MOST if tables.theta_step <= FAR else 1
    while count > 1:
        off = 0.5 * (count - 1)
        aside = off * tables.theta_step
        if off * rise <= RISE * height and aside * widest <= TILT * tables.radius:
            return count, 1 + int(2.0 * ASIDE * width / (aside * apart))
        count //= 2
    return 1, 1


@numba.njit(**COMPILE)
def group_end(beam, together, tables):  # type: ignore[no-untyped-def]
    """The beam after those that are taken together with ``beam``: all of them have, or lack, partners in the same half turns."""
    last = beam - beam % together + together - 1
    half, after = tables.half_turn, tables.beams - 1
    return last + 1 if beam // half == last // half and (after - beam) // half == (after - last) // half else beam + 1


@numba.njit(**COMPILE)
def add_rays(lines, ray, rays, beams, taps, size, low, high, tables):  # type: ignore[no-untyped-def]
    """Add up the rays that meet on a layer, for ``rays`` neighbouring ones from ``ray`` on: rows ``low`` to ``high`` (exclusive).

    Row r of the ray number n is written to ``lines[n * width + r]``; what follows ``high`` may change too. ``size`` is the layer's
    magnification.
    """
    width, first, kernel, moved, samples = len(lines) // CHUNK, taps.first, taps.kernel, taps.moved, beams.flat
    last, begin, parts = len(tables.reach) - 1, low // LANES * LANES, len(taps.moved) // beams.number
    room = len(samples) - ((beams.first + beams.number) * (last + 1) - 1) * beams.rows  # from a ray's first sample on, at least
    moves, per_size, per_step = _moves(ray, rays, beams, taps, size, begin, high, tables), 1.0 / size, 1.0 / tables.t_step
    if not moves:
        moved[:] = 0
    for n in range(rays):
        for number in range(beams.number):
            place, stretch = _met(ray + n, number, taps, per_size, per_step, tables)
            whole = min(int(place), last - 1)
            kernel[np.uintp(number)] = 4 * int((place - whole) * FRACTIONS + 0.5)
            p, base = np.uintp(4 * number), ((beams.first + number) * (last + 1) + whole) * beams.rows
            first[p] = base - (beams.rows if whole > 0 else 0)
            first[p + np.uintp(1)] = base
            first[p + np.uintp(2)] = base + beams.rows
            first[p + np.uintp(3)] = base + (2 * beams.rows if whole + 1 < last else beams.rows)
            if moves:
                _move(moved, number * parts, begin, high, stretch, beams, tables)
        for number in range(beams.number):
            ahead = first[np.uintp(4 * number + 3)] + AHEAD * beams.rows
            for k in range(begin, high + LANES, LANES):
                prefetch(samples, ahead + k)
        k, line = begin, n * width
        while k < high and k + 2 * LANES <= room:  # two sums at a time, because each has to wait for itself
            a = b = zero()
            for number in range(beams.number):
                at = np.uintp(number * parts + k // LANES)
                ka, kb = k + moved[at], k + LANES + moved[at + np.uintp(1)]
                for i in range(4):
                    at, part = first[np.uintp(4 * number + i)], KERNEL[np.uintp(kernel[np.uintp(number)] + i)]
                    a = multiply_add(load(samples, at + ka), part, a)
                    b = multiply_add(load(samples, at + kb), part, b)
            store(lines, line + k, a)
            store(lines, line + k + LANES, b)
            k += 2 * LANES
        for row in range(k, high):
            value = np.float32(0.0)
            for i in range(4 * beams.number):
                value += KERNEL[kernel[i // 4] + i % 4] * samples[first[i] + row + moved[i // 4 * parts + row // LANES]]
            lines[line + row] = value


@numba.njit(**COMPILE)
def _met(ray, number, taps, per_size, per_step, tables):  # type: ignore[no-untyped-def]
    """Where among a beam's rays a point of a ray and layer lies, and by how much it is seen farther out there, as a part of its row."""
    depth, t = tables.distance[ray] * per_size - tables.reach[ray], tables.t_first + ray * tables.t_step
    last = len(tables.reach) - 1
    place = ray + (depth * taps.sin[number] - t * taps.cos_off[number]) * per_step
    place = min(max(place, 0.0), float(last))
    whole = min(int(place), last - 1)
    near = tables.reach[whole] + depth - t * taps.sin[number] - depth * taps.cos_off[number]
    return place, tables.distance[whole] * per_size / near - 1.0


@numba.njit(**COMPILE)
def _moves(ray, rays, beams, taps, size, begin, high, tables):  # type: ignore[no-untyped-def]
    """Whether rows of some neighbouring rays are to be moved: nearly linear along them, so that the first and the last one tell."""
    middle = 0.5 * (beams.rows - LANES) - tables.row_middle / tables.row_pitch
    farthest = max(abs(begin - middle), abs(high + 2 * LANES - middle))
    for number in range(beams.number):
        for n in (ray, ray + rays - 1):
            _, stretch = _met(n, number, taps, 1.0 / size, 1.0 / tables.t_step, tables)
            if abs(stretch) * farthest > SURELY:
                return True
    return False


@numba.njit(**COMPILE)
def _move(moved, at, begin, high, stretch, beams, tables):  # type: ignore[no-untyped-def]
    """Nearer to the source, the same point is seen farther from the source's height: by whole rows, 16 at a time."""
    middle = 0.5 * (beams.rows - LANES) - tables.row_middle / tables.row_pitch
    for part in range(begin // LANES, (high + 2 * LANES) // LANES):
        off = stretch * (part * LANES - middle)
        shift = int(off + 0.5) if off > 0.0 else -int(0.5 - off)
        moved[np.uintp(at + part)] = max(-part * LANES, min(shift, max(0, beams.rows - LANES - part * LANES)))


@numba.njit(**COMPILE)
def group_taps(beams, tables):  # type: ignore[no-untyped-def]
    """Work space of :func:`add_rays` for some beams."""
    angles = (np.arange(beams.number) - 0.5 * (beams.number - 1)) * tables.theta_step
    return Taps(
        np.empty(4 * beams.number, np.int64),
        np.empty(beams.number, np.int64),
        np.empty(beams.number * (beams.rows // LANES + 6), np.int64),
        np.sin(angles),
        2.0 * np.sin(0.5 * angles) ** 2,
    )
