# mypy: disable-error-code="no-untyped-def,no-untyped-call"
"""Where a tile of voxel columns falls on the detector in one view: compiled functions, for many columns at a time.

Everything is computed in double precision, in loops without branches over a table that has one field after the other: so
the compiler knows that fields do not overlap, and vectorises them.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from MITOReconstructionLib.projectors.cpu_lanes import COMPILE, read, write

__all__ = [
    "BASE",
    "COUNT",
    "FACTOR",
    "FIELDS",
    "ORIGIN",
    "ROW_FIRST",
    "ROW_LAST",
    "SHARES",
    "SHARE_COLUMNS",
    "STEP",
    "TABLE",
    "TILE",
    "TILE_COLUMNS",
    "VOXEL_FIRST",
    "VOXEL_LAST",
    "column_weights",
    "footprints",
]  # fmt: skip

device = numba.njit(**COMPILE)

TILE = 16  # voxel columns along x and y that are worked on together
TILE_COLUMNS = TILE * TILE
CORNERS = (TILE + 1) ** 2
SHARE_COLUMNS = 16  # detector columns of a footprint whose shares are tabulated; those of wider ones are found one by one
SHARES = SHARE_COLUMNS * TILE_COLUMNS  # length of the table of shares
NEAR = 1e-6  # voxels nearer to the source plane than this part of the source radius are outside the beam
FAR = 1e6  # columns; corners further out are taken to be there
TINY = 1e-30

# Where the fields of a table begin. Those of columns have TILE_COLUMNS items, those of corners CORNERS, rounded up.
FIELDS = 16
T0, T1, T2, T3, BASE, COUNT, FACTOR, ORIGIN, STEP, ROW_FIRST, ROW_LAST, VOXEL_FIRST, VOXEL_LAST, LEFT, FRONT = (
    number * TILE_COLUMNS for number in range(15)
)
ACROSS, ALONG, POSITION = (FIELDS * TILE_COLUMNS + number * 2 * TILE_COLUMNS for number in range(3))
TABLE = (FIELDS + 6) * TILE_COLUMNS  # length of a table


@device
def fan_angle(across, along):
    """Arctangent of across / along, along > 0, without a branch; to 1e-13.

    From where the tangent is tan(pi / 8) and tan(3 pi / 8) on it is turned by pi / 4 and by pi / 2; what is left is a
    polynomial, (atan(t) / t - 1) / t^2 interpolated in t^2 at Chebyshev's nodes from 0 to tan(pi / 8)^2.
    """
    size = abs(across)
    middle, steep = size > 0.41421356237309503 * along, size > 2.414213562373095 * along
    top = -along if steep else (size - along if middle else size)
    bottom = size if steep else (size + along if middle else along)
    turn = 0.5 * math.pi if steep else (0.25 * math.pi if middle else 0.0)
    t = top / bottom
    z = t * t
    p = 0.0329550335073051 * z - 0.06027208138362333
    p = p * z + 0.07604778111647267
    p = p * z - 0.09084099500343992
    p = p * z + 0.111108195829253
    p = p * z - 0.142857081068135
    p = p * z + 0.1999999994981976
    p = p * z - 0.3333333333326614
    angle = turn + (t + t * z * p)
    return angle if across >= 0.0 else -angle


@device
def clipped(value, low, high):
    """A value held between two others."""
    return min(high, max(low, value))


@device
def place_corners(lay, view, x_first, y_first, table):
    """Field POSITION: where the tile's corners fall, in detector columns from the left edge; NaN behind the source."""
    x, y = lay.x_min + x_first * lay.dx, lay.y_min + y_first * lay.dy
    for i in range(TILE + 1):
        across = (x + i * lay.dx) * view.cosine + y * view.sine
        along = lay.source_radius - (x + i * lay.dx) * view.sine + y * view.cosine
        for j in range(TILE + 1):
            table[ACROSS + i * (TILE + 1) + j] = across + j * (lay.dy * view.sine)
            table[ALONG + i * (TILE + 1) + j] = along + j * (lay.dy * view.cosine)
    distance, radius, pitch, low = lay.distance, lay.curvature_radius, lay.column_pitch, lay.column_min
    offset, least = distance - radius, NEAR * lay.source_radius
    if radius == 0.0:
        for n in range(CORNERS):
            table[POSITION + n] = distance * table[ACROSS + n] / table[ALONG + n]
    elif offset == 0.0:
        for n in range(CORNERS):
            table[POSITION + n] = fan_angle(table[ACROSS + n], table[ALONG + n])
    else:
        for n in range(CORNERS):
            across, along = table[ACROSS + n], table[ALONG + n]
            sine = clipped(offset * across / (radius * math.sqrt(across * across + along * along)), -1.0, 1.0)
            table[POSITION + n] = fan_angle(across, along) + fan_angle(sine, math.sqrt(1.0 - sine * sine))
    for n in range(CORNERS):
        position = clipped((table[POSITION + n] - low) / pitch, -FAR, FAR)
        table[POSITION + n] = position if table[ALONG + n] > least else math.nan


@device
def trapezoid(u, t0, t1, t2, t3):
    """Integral from minus infinity to u of the trapezoid of height 1 with corners t0 <= t1 <= t2 <= t3; without a branch."""
    rise = clipped(u - t0, 0.0, t1 - t0)
    fall = clipped(t3 - u, 0.0, t3 - t2)
    ends = rise * rise / max(t1 - t0, TINY) - fall * fall / max(t3 - t2, TINY)
    return 0.5 * (ends + (t3 - t2)) + clipped(u - t1, 0.0, t2 - t1)


@device
def place_columns(first, last, table):
    """Fields T0 to T3, BASE and COUNT: the footprints' corners, the first detector column, and how many there are.

    COUNT is 0 where a footprint has no part in first..last or a corner is behind the source. Returns the largest, at most
    SHARE_COLUMNS + 1.
    """
    most = 0.0
    for i in range(TILE):
        for j in range(TILE):
            n, m = i * TILE + j, POSITION + i * (TILE + 1) + j
            a, b, c, d = table[m], table[m + 1], table[m + TILE + 1], table[m + TILE + 2]
            low_ab, high_ab, low_cd, high_cd = min(a, b), max(a, b), min(c, d), max(c, d)
            t0, t3 = min(low_ab, low_cd), max(high_ab, high_cd)
            inner, outer = max(low_ab, low_cd), min(high_ab, high_cd)
            base = np.floor(t0)
            count = np.ceil(t3) - base
            seen = base < last and base + count > first and a + b + c + d == a + b + c + d
            count = count if seen else 0.0
            table[T0 + n], table[T1 + n] = t0 - base, min(inner, outer) - base
            table[T2 + n], table[T3 + n] = max(inner, outer) - base, t3 - base
            table[BASE + n], table[COUNT + n] = base, count
            most = max(most, min(count, SHARE_COLUMNS + 1.0))
    return most


@device
def place_rows(lay, view, voxels, x_first, y_first, table):
    """Fields FACTOR to VOXEL_LAST; COUNT becomes 0 where no row meets the column.

    FACTOR is the in-plane chord in mm. ORIGIN and STEP: row edge r is at origin + r step, in voxels from the bottom of the
    column. The others are the ranges of rows and voxels that overlap.
    """
    for i in range(TILE):
        x = lay.x_min + (x_first + i + 0.5) * lay.dx
        for j in range(TILE):
            y = lay.y_min + (y_first + j + 0.5) * lay.dy
            n = i * TILE + j
            table[LEFT + n] = x * view.cosine + y * view.sine
            table[FRONT + n] = lay.source_radius - x * view.sine + y * view.cosine
            to_x, to_y = abs(x - lay.source_radius * view.sine), abs(y + lay.source_radius * view.cosine)
            table[FACTOR + n] = min(lay.dx / max(to_x, TINY), lay.dy / max(to_y, TINY))
    radius, distance = lay.curvature_radius, lay.distance
    offset = distance - radius
    height, low, pitch, rows, dz = (view.height - lay.z_min) / lay.dz, lay.row_min, lay.row_pitch, float(lay.rows), lay.dz
    for n in range(TILE_COLUMNS):
        across, along = table[LEFT + n], max(table[FRONT + n], NEAR * lay.source_radius)
        away = math.sqrt(across * across + along * along)
        sine = offset * across / away
        reach = offset * along / away + math.sqrt(max(0.0, radius * radius - sine * sine))
        scale = (along / distance if radius == 0.0 else away / reach) / dz
        origin, step = height + low * scale, pitch * scale
        row_first = max(0.0, np.floor(max(-origin / step, -1.0)))
        row_last = min(rows, np.ceil(min((voxels - origin) / step, rows + 1.0)))
        voxel_first = max(0.0, np.floor(origin + row_first * step))
        voxel_last = min(float(voxels), np.ceil(origin + row_last * step))
        table[FACTOR + n] *= away
        table[ORIGIN + n], table[STEP + n] = origin, step
        table[ROW_FIRST + n], table[ROW_LAST + n] = row_first, row_last
        table[VOXEL_FIRST + n], table[VOXEL_LAST + n] = voxel_first, voxel_last
        meets = row_first < row_last and voxel_first < voxel_last and table[FRONT + n] > NEAR * lay.source_radius
        table[COUNT + n] = table[COUNT + n] if meets else 0.0


@device
def footprints(lay, view, voxels, x_first, y_first, first, last, table, shares):
    """Fill a table with how a tile of voxel columns meets the detector columns first..last of a view.

    ``shares`` gets, for the first SHARE_COLUMNS detector columns of each footprint, which part of it falls on them.
    Returns whether there is any.
    """
    place_corners(lay, view, x_first, y_first, table)
    most = place_columns(first, last, table)
    if most == 0.0:
        return False
    place_rows(lay, view, voxels, x_first, y_first, table)
    for c in range(min(SHARE_COLUMNS, int(most))):
        for n in range(TILE_COLUMNS):
            t0, t1, t2, t3 = table[T0 + n], table[T1 + n], table[T2 + n], table[T3 + n]
            before, after = trapezoid(float(c), t0, t1, t2, t3), trapezoid(c + 1.0, t0, t1, t2, t3)
            shares[c * TILE_COLUMNS + n] = np.float32(after - before)
    return True


@device
def column_weights(base, corners, shares, factor, start, stop, weights):
    """Weights of the detector columns start..stop of a footprint that begins at column ``base``: its shares times a factor.

    ``corners`` are T0 to T3, ``shares`` the address of the first of the footprint, which are TILE_COLUMNS apart, or 0 where
    they are not tabulated; ``weights`` the address that they are written to.
    """
    if shares:
        for c in range(start - base, stop - base):
            write(weights, base + c - start, np.float32(factor) * read(shares, c * TILE_COLUMNS))
        return
    t0, t1, t2, t3 = corners
    before = trapezoid(float(start - base), t0, t1, t2, t3)
    for column in range(start, stop):
        after = trapezoid(column + 1.0 - base, t0, t1, t2, t3)
        write(weights, column - start, np.float32(factor * (after - before)))
        before = after
