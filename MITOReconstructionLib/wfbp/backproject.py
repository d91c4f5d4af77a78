"""Backprojection of filtered parallel beams with normalised row weights (weighted FBP).

Stierstorfer et al., 'Weighted FBP: a simple approximate 3D FBP algorithm for multislice spiral CT with good dose
usage for arbitrary pitch', Phys. Med. Biol. 49 (2004) 2209. The weight favours small cone angles, as Tang et al.,
'A three-dimensional-weighted cone beam filtered backprojection (CB-FBP) algorithm', Phys. Med. Biol. 51 (2006) 855.
"""

from __future__ import annotations

import math
from typing import Any, NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.geometry import VolumeGrid
from MITOReconstructionLib.parallel import KERNELS
from MITOReconstructionLib.wfbp.plan import ParallelPlan

__all__ = ["COMPILE", "LEAST", "SOFTNESS", "BeamTables", "backproject", "beam_tables", "beams_seeing", "seen"]

COMPILE: dict[str, Any] = {"cache": True, "fastmath": True, "error_model": "numpy", "nogil": True}
"""Without numpy's error model every division is a branch, and no loop that divides is vectorised."""

SOFTNESS = np.float32(0.03)
"""Where the row weight stops growing towards the middle row: it is (1 - q^2)^4 / (q^2 + SOFTNESS)."""

LEAST = np.float32(1e-7)
"""Added to the row weight, so that a voxel seen at the detector's very edge alone is still seen."""


class BeamTables(NamedTuple):
    """What the kernels need to know of a plan; a tuple, because numba takes it apart.

    beams, half_turn : numbers of beams in all and in half a turn;
    theta_first, theta_step : rad;
    t_first, t_step : mm;
    fan_steps : fan angle of each ray in units of ``theta_step``, shape (rays,);
    reach : in-plane distance in mm from the source to the point of each ray nearest to the axis, shape (rays,);
    distance : in-plane distance in mm from the source to the detector along each ray, shape (rays,);
    axial, axial_offset : axial position in mm at angle ``theta_first + (i - axial_offset) theta_step``;
    partners : first and last (exclusive) number of half turns by which a beam that shares voxels with this one may be
        away, shape (beams, 2);
    row_middle, row_half : middle and half of the row range in mm;
    row_reach : how far from the middle a voxel may lie in mm, the outermost row standing for what is beyond it;
    row_pitch : mm;
    radius : of the source's circle in mm;
    nearest : least of ``distance``;
    bow : ``distance`` as a polynomial in the square of the ray's distance from the axis, shape (5,);
    travel : how far the source moves along z at most while it turns by the fan angle, in mm.
    """

    beams: int
    half_turn: int
    theta_first: float
    theta_step: float
    t_first: float
    t_step: float
    fan_steps: NDArray[np.float64]
    reach: NDArray[np.float64]
    distance: NDArray[np.float64]
    axial: NDArray[np.float64]
    axial_offset: float
    partners: NDArray[np.int64]
    row_middle: float
    row_half: float
    row_reach: float
    row_pitch: float
    radius: float
    nearest: float
    bow: NDArray[np.float64]
    travel: float


def beam_tables(plan: ParallelPlan) -> BeamTables:
    """Tabulate a plan for the kernels."""
    geometry, detector = plan.geometry, plan.geometry.detector
    first, axial = plan.axial_table
    return BeamTables(
        plan.beams,
        plan.half_turn,
        plan.theta_first,
        plan.theta_step,
        float(plan.t[0]),
        plan.t_step,
        plan.fan_angles / plan.theta_step,
        geometry.source_radius * np.cos(plan.fan_angles),
        plan.distances,
        axial,
        (plan.theta_first - first) / plan.theta_step,
        _partners(plan),
        0.5 * (detector.row_min + detector.row_max),
        0.5 * detector.height,
        0.5 * detector.height * (1.0 + plan.row_extension),
        detector.row_pitch,
        geometry.source_radius,
        float(plan.distances.min()),
        _bow(plan),
        _travel(plan),
    )


def _bow(plan: ParallelPlan) -> NDArray[np.float64]:
    """Distances from the source to the detector as a polynomial of four powers of t^2."""
    if np.ptp(plan.distances) < 1e-9 * plan.distances[0]:
        return np.array([plan.distances[0], 0.0, 0.0, 0.0, 0.0])
    return np.asarray(np.polynomial.Polynomial.fit(plan.t**2, plan.distances, 4).convert().coef, dtype=np.float64)


def backproject(
    volume: NDArray[np.float32],
    grid: VolumeGrid,
    beams: NDArray[np.float32],
    first_beam: int,
    tables: BeamTables,
) -> None:
    """Add filtered beams to a volume.

    Parameters
    ----------
    volume : float32, shape grid.shape, C order
        Added to, in 1/mm.
    grid : VolumeGrid
    beams : float32, shape (n, rays, rows), C order
        Filtered parallel beams ``first_beam`` to ``first_beam + n`` (exclusive), in 1/mm per radian.
    first_beam : int
    tables : BeamTables
    """
    with KERNELS:
        _backproject(volume, np.array(grid.origin), np.array(grid.spacing), beams, first_beam, tables)


def beams_seeing(plan: ParallelPlan, grid: VolumeGrid) -> tuple[int, int]:
    """First and last (exclusive) beam that can see a part of the grid; the source's height bounds it from both sides."""
    middle, reach = _source_heights(plan)
    near = np.flatnonzero((middle + reach >= grid.minimum[2]) & (middle - reach <= grid.maximum[2]))
    return (int(near[0]), int(near[-1]) + 1) if near.size else (0, 0)


def _source_heights(plan: ParallelPlan) -> tuple[NDArray[np.float64], float]:
    """Source height at every beam's middle, and how far from it in z a voxel of that beam can be, in mm."""
    middle = plan.axial_at(plan.theta(np.arange(plan.beams)))
    detector = plan.geometry.detector
    farthest = 2 * plan.geometry.source_radius / float(plan.distances.min()) * (1 + plan.row_extension)
    return middle, farthest * max(abs(detector.row_min), abs(detector.row_max)) + 2 * _travel(plan)


def _travel(plan: ParallelPlan) -> float:
    """How far the source moves along z at most while it turns by the fan angle, in mm."""
    axial = plan.axial_table[1]
    window = math.ceil((plan.fan[1] - plan.fan[0]) / plan.theta_step) + 1
    return max(float(np.max(np.abs(axial[lag:] - axial[:-lag]))) for lag in {1, max(1, window // 2), min(window, len(axial) - 1)})


def _partners(plan: ParallelPlan) -> NDArray[np.int64]:
    """For every beam the range of half turns within which other beams can see the same voxels."""
    middle, reach = _source_heights(plan)
    result = np.zeros((plan.beams, 2), dtype=np.int64)
    most = (plan.beams - 1) // plan.half_turn
    index = np.arange(plan.beams)
    for number in range(-most, most + 1):
        other = index + number * plan.half_turn
        inside = (other >= 0) & (other < plan.beams)
        near = inside & (np.abs(middle[np.clip(other, 0, plan.beams - 1)] - middle) <= 2 * reach)
        result[near, 0] = np.minimum(result[near, 0], number)
        result[near, 1] = np.maximum(result[near, 1], number + 1)
    return result


@numba.njit(**COMPILE)
def seen(place, depth, beam, z_first, z_step, nz, tables):  # type: ignore[no-untyped-def]
    """Where a beam sees a column of voxels: source height, scale from mm to row mm, first and last voxel (exclusive)."""
    source, reach, distance = ray_at(place, beam, tables)
    scale, first, last = seen_on(source, reach, distance, depth, z_first, z_step, nz, tables)
    return source, scale, first, last


@numba.njit(**COMPILE)
def ray_at(place, beam, tables):  # type: ignore[no-untyped-def]
    """A beam's ray that may lie between two: its source's height, and the distances from there to its foot and to the detector."""
    ray = min(int(place), len(tables.reach) - 2)
    share = place - ray
    reach = tables.reach[ray] + share * (tables.reach[ray + 1] - tables.reach[ray])
    distance = tables.distance[ray] + share * (tables.distance[ray + 1] - tables.distance[ray])
    position = beam + tables.axial_offset + tables.fan_steps[ray] + share * (tables.fan_steps[ray + 1] - tables.fan_steps[ray])
    index = int(position)
    return tables.axial[index] + (position - index) * (tables.axial[index + 1] - tables.axial[index]), reach, distance


@numba.njit(**COMPILE)
def seen_on(source, reach, distance, depth, z_first, z_step, nz, tables):  # type: ignore[no-untyped-def]
    """Where a ray sees a column of voxels at some depth: scale from mm to row mm, first and last voxel (exclusive)."""
    along = reach + depth
    if along <= 1e-3 * reach:
        return 1.0, 0, 0
    per_step = 1.0 / z_step
    middle, shrunk = (source - z_first) * per_step, along / distance * per_step
    bottom, top = middle + (tables.row_middle - tables.row_reach) * shrunk, middle + (tables.row_middle + tables.row_reach) * shrunk
    first = math.ceil(min(max(bottom, 0.0), float(nz)))
    last = math.floor(min(max(top, -1.0), nz - 1.0)) + 1
    return distance / along, first, last


@numba.njit(**COMPILE)
def _row_weights(weight, start, step, first, last, add):  # type: ignore[no-untyped-def]
    """Row weights at q = start + step * k, written to or added to items ``first`` to ``last`` (exclusive)."""
    offset = np.uintp(first)
    for k in range(last - first):
        q = start + step * np.float32(np.int32(k))
        s = q * q
        a = max(np.float32(1.0) - s, np.float32(0.0))
        a *= a
        value = a * a / (s + SOFTNESS) + LEAST
        if add:
            weight[np.uintp(k) + offset] += value
        else:
            weight[np.uintp(k) + offset] = value


@numba.njit(**COMPILE)
def _share_of_weight(weight, total, t, depth, beam, halves, first, last, z_first, z_step, tables):  # type: ignore[no-untyped-def]
    """Divide ``weight`` by the sum over all beams of this direction that see a voxel; whether there are others.

    ``halves`` is the range of half turns by which they may be away.
    Item 0 of ``weight`` and ``total`` is voxel ``first``.
    """
    rays = len(tables.reach)
    others = False
    for half in range(halves[0], halves[1]):
        other = beam + half * tables.half_turn
        if half == 0 or other < 0 or other >= tables.beams:
            continue
        sign = 1.0 if half % 2 == 0 else -1.0
        place = (sign * t - tables.t_first) / tables.t_step
        if place < -1e-6 or place > rays - 1 + 1e-6:
            continue
        source, scale, low, high = seen(place, sign * depth, other, z_first, z_step, last, tables)
        low = max(low, first)
        if low >= high:
            continue
        if not others:
            for k in range(last - first):
                total[k] = weight[k]
            others = True
        step = scale * z_step / tables.row_half
        start = ((z_first - source) * scale - tables.row_middle) / tables.row_half + step * low
        _row_weights(total, np.float32(start), np.float32(step), low - first, high - first, True)
    if others:
        for k in range(last - first):
            weight[k] /= total[k]
    return others


@numba.njit(**COMPILE)
def _blend(line, slope, beams, number, ray, share, scale, low, high, margin):  # type: ignore[no-untyped-def]
    """Rows ``low`` to ``high`` between two rays; line[r + margin] is row r, and the outermost rows are repeated."""
    rows = beams.shape[2]
    offset, shift = np.uintp(low), np.uintp(margin)
    for k in range(high - low):
        row = np.uintp(k) + offset
        left = beams[number, ray, row]
        line[row + shift] = scale * (left + share * (beams[number, ray + 1, row] - left))
    first, last = low + margin, high + margin
    if low == 0:
        line[:margin] = line[margin]
        first = 0
    if high == rows:
        line[rows + margin :] = line[rows + margin - 1]
        last = rows + 2 * margin
    for k in range(last - 1 - first):
        row = np.uintp(k) + np.uintp(first)
        slope[row] = line[row + np.uintp(1)] - line[row]


@numba.njit(**COMPILE)
def _add_rows(volume, ix, iy, first, count, line, slope, below, rise, start, step, weight, shared):  # type: ignore[no-untyped-def]
    """Add the line, interpolated at start + step * k, to ``count`` voxels of a column from ``first``."""
    for k in range(count):  # a loop of its own: look-ups are not vectorised, the rest is
        row = np.uintp(np.uint32(np.int32(start + step * np.float32(np.int32(k)))))
        below[k] = line[row]
        rise[k] = slope[row]
    offset = np.uintp(first)
    if shared:
        for k in range(count):
            row = start + step * np.float32(np.int32(k))
            volume[ix, iy, np.uintp(k) + offset] += weight[k] * (below[k] + (row - np.float32(np.int32(row))) * rise[k])
    else:
        for k in range(count):
            row = start + step * np.float32(np.int32(k))
            volume[ix, iy, np.uintp(k) + offset] += below[k] + (row - np.float32(np.int32(row))) * rise[k]


@numba.njit(parallel=True, **COMPILE)
def _backproject(volume, origin, spacing, beams, first_beam, tables):  # type: ignore[no-untyped-def]
    nx, ny, nz = volume.shape
    count, rays, rows = beams.shape
    z_first, z_step = origin[2], spacing[2]
    theta_step = np.float32(tables.theta_step)
    margin = 2 + int(math.ceil((tables.row_reach - tables.row_half) / tables.row_pitch))  # noqa: RUF046 (a float in numba)
    for ix in numba.prange(nx):
        x = origin[0] + ix * spacing[0]
        line, slope = np.zeros(rows + 2 * margin, np.float32), np.zeros(rows + 2 * margin, np.float32)
        weight, total = np.empty(nz, np.float32), np.empty(nz, np.float32)
        below, rise = np.empty(nz, np.float32), np.empty(nz, np.float32)
        for number in range(count):
            beam = first_beam + number
            theta = tables.theta_first + beam * tables.theta_step
            sin, cos = math.sin(theta), math.cos(theta)
            for iy in range(ny):
                y = origin[1] + iy * spacing[1]
                t = x * cos + y * sin
                place = (t - tables.t_first) / tables.t_step
                if place < 0.0 or place > rays - 1:
                    continue
                depth = y * cos - x * sin
                source, scale, first, last = seen(place, depth, beam, z_first, z_step, nz, tables)
                if first >= last:
                    continue
                step = scale * z_step / tables.row_half
                start = ((z_first - source) * scale - tables.row_middle) / tables.row_half + step * first
                _row_weights(weight, np.float32(start), np.float32(step), 0, last - first, False)
                halves = (tables.partners[beam, 0], tables.partners[beam, 1])
                shared = _share_of_weight(weight, total, t, depth, beam, halves, first, last, z_first, z_step, tables)
                # from here in rows: row r lies at r + margin, so that what is beyond the outermost centres is in the line
                half_rows = 0.5 * rows
                start, step = start * half_rows + half_rows - 0.5 + margin, step * half_rows
                low = min(max(0, int(start) - margin - 1), rows - 1)
                high = max(min(rows, int(start + step * (last - first)) - margin + 3), low + 1)
                ray = min(int(place), rays - 2)
                _blend(line, slope, beams, number, ray, np.float32(place - ray), theta_step, low, high, margin)
                _add_rows(
                    volume, ix, iy, first, last - first, line, slope, below, rise, np.float32(start), np.float32(step), weight, shared
                )
