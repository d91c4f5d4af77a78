# mypy: disable-error-code="no-untyped-def,no-untyped-call"
"""Compiled kernels of the CPU projector: separable footprints, rectangular along z, in both directions.

Long, Fessler, Balter, '3D forward and back-projection for X-ray CT using separable footprints', IEEE TMI 29 (2010)
1839. For one voxel column (x, y) and one view:

* across the fan, the projections of the column's four corners onto the detector are the corners of a trapezoid; its
  integral over each detector column, times the in-plane chord through the voxel (their amplitude A1), is the weight of
  that detector column;
* along the axis, which is parallel to the detector's rows, a voxel's edges fall on v = (z - zs) L / l, with l the
  in-plane distance from the source to the voxel's centre and L that to the detector along the same ray. A pixel takes
  the part of its height that the voxel covers. So one line along z is resampled onto another by overlaps of intervals,
  whichever direction one goes;
* the length that a ray gains by its cone angle, sqrt(L^2 + v^2) / L, is applied to whole detector images.

Forward and back call the same functions for weights and positions, and overlap is symmetric in its two intervals:
they are transposes by construction. All code is in one file because numba's cache notices changes in that file only.
"""

from __future__ import annotations

import math

import numba
import numpy as np

from MITOReconstructionLib.projectors.cpu_layout import Scratch, View

__all__ = ["back_views", "forward_views"]

# No 'reassoc': the split of positions into a high and a low part must stay as written.
FAST = {"contract", "nsz", "arcp"}
TILE = 8  # voxel columns along x and y that are worked on together
SPLIT = 2048.0  # the high part of a step is a multiple of 1 / SPLIT: exact in float32 up to positions of 8192
NEAR = 1e-6  # voxels nearer to the source plane than this part of the source radius are outside the beam
FAR = 1e6  # columns; corners further out are taken to be there
MASK = np.int32(0x3FFFFFFF)  # tells the compiler that an index is not negative

device = numba.njit(nogil=True, fastmath=FAST, error_model="numpy")
kernel = numba.njit(parallel=True, nogil=True, cache=True, fastmath=FAST, error_model="numpy")


# ---- across the fan ----------------------------------------------------------------------------------------------------


@device
def column_position(lay, across, along):
    """Where a ray meets the detector, in columns from its left edge; FAR to the left or right where it is not in front."""
    if along <= NEAR * lay.source_radius:
        return math.nan
    if lay.curvature_radius == 0.0:
        column = lay.distance * across / along
    else:
        column = math.atan(across / along)
        offset = lay.distance - lay.curvature_radius
        if offset != 0.0:
            sine = offset * across / (lay.curvature_radius * math.sqrt(across * across + along * along))
            column += math.asin(min(1.0, max(-1.0, sine)))
    return min(FAR, max(-FAR, (column - lay.column_min) / lay.column_pitch))


@device
def in_beam(lay, view, x, y):
    """mm across and along the line from the source through the rotation axis, seen from the source."""
    return x * view.cosine + y * view.sine, lay.source_radius - x * view.sine + y * view.cosine


@device
def project_corners(lay, view, x_first, y_first, corners):
    """Column positions of a tile's corners, NaN behind the source, into ``corners``; returns the smallest and the largest."""
    low = math.inf
    high = -math.inf
    for i in range(TILE + 1):
        x = lay.x_min + (x_first + i) * lay.dx
        for j in range(TILE + 1):
            y = lay.y_min + (y_first + j) * lay.dy
            position = column_position(lay, *in_beam(lay, view, x, y))
            corners[i, j] = position
            if position < low:
                low = position
            if position > high:
                high = position
    return low, high


@device
def trapezoid(u, t0, t1, t2, t3):
    """Integral from minus infinity to u of the trapezoid of height 1 with corners t0 <= t1 <= t2 <= t3."""
    if u <= t0:
        return 0.0
    if u < t1:
        return 0.5 * (u - t0) * (u - t0) / (t1 - t0)
    if u <= t2:
        return u - 0.5 * (t0 + t1)
    if u < t3:
        return 0.5 * (t3 + t2 - t1 - t0) - 0.5 * (t3 - u) * (t3 - u) / (t3 - t2)
    return 0.5 * (t3 + t2 - t1 - t0)


@device
def column_weights(corners, i, j, height, first, last, weights):
    """Weights of the detector columns that voxel column (i, j) of a tile falls on, within first..last.

    Returns the first such column and their number; 0 where there is none.
    """
    a, b = corners[i, j], corners[i, j + 1]
    c, d = corners[i + 1, j], corners[i + 1, j + 1]
    if math.isnan(a + b + c + d):
        return 0, 0
    low_ab, high_ab = min(a, b), max(a, b)
    low_cd, high_cd = min(c, d), max(c, d)
    t0, t3 = min(low_ab, low_cd), max(high_ab, high_cd)
    inner, outer = max(low_ab, low_cd), min(high_ab, high_cd)
    t1, t2 = min(inner, outer), max(inner, outer)
    start = max(first, math.floor(t0))
    stop = min(last, math.ceil(t3))
    if start >= stop:
        return 0, 0
    before = trapezoid(float(start), t0, t1, t2, t3)
    for column in range(start, stop):
        after = trapezoid(float(column + 1), t0, t1, t2, t3)
        weights[column - start] = height * (after - before)
        before = after
    return start, stop - start


@device
def row_scale(lay, across, along):
    """mm along z, at the distance of a point in the beam, for one mm of row height: l / L."""
    if lay.curvature_radius == 0.0:
        return along / lay.distance
    distance = math.sqrt(across * across + along * along)
    offset = lay.distance - lay.curvature_radius
    sine = offset * across / distance
    reach = math.sqrt(max(0.0, lay.curvature_radius * lay.curvature_radius - sine * sine))
    return distance / (offset * along / distance + reach)


@device
def meet(lay, view, voxels, ix, iy, i, j, first, last, corners, weights):
    """Where voxel column (ix, iy), corner (i, j) of its tile, meets the detector columns first..last; for both directions.

    Returns the first detector column and their number, 0 where it meets none; the ranges of rows and of voxels that
    overlap; and origin and step: row edge r is at origin + r step, in voxels from the bottom of the voxel column. The
    detector columns' weights, the in-plane chord in mm times their share in the footprint, go into ``weights``.
    """
    x, y = lay.x_min + (ix + 0.5) * lay.dx, lay.y_min + (iy + 0.5) * lay.dy
    across, along = in_beam(lay, view, x, y)
    if along <= NEAR * lay.source_radius:
        return 0, 0, 0, 0, 0, 0, 0.0, 1.0
    scale = row_scale(lay, across, along) / lay.dz
    origin, step = (view.height - lay.z_min) / lay.dz + lay.row_min * scale, lay.row_pitch * scale
    r0, r1, k0, k1 = overlap(origin, step, lay.rows, voxels)
    if k0 >= k1:
        return 0, 0, 0, 0, 0, 0, 0.0, 1.0
    to_x, to_y = abs(x - lay.source_radius * view.sine), abs(y + lay.source_radius * view.cosine)
    chord = math.sqrt(across * across + along * along) * min(lay.dx / max(to_x, 1e-30), lay.dy / max(to_y, 1e-30))
    column, columns = column_weights(corners, i, j, chord, first, last, weights)
    return column, columns, r0, r1, k0, k1, origin, step


# ---- along the axis -----------------------------------------------------------------------------------------------------


@device
def overlap(origin, step, rows, voxels):
    """First and last (exclusive) row and voxel that overlap, where row edge r is at voxel position origin + r step."""
    row_first = max(0, math.floor(max(-origin / step, -1.0)))
    row_last = min(rows, math.ceil(min((voxels - origin) / step, rows + 1.0)))
    if row_first >= row_last:
        return 0, 0, 0, 0
    voxel_first = max(0, math.floor(origin + row_first * step))
    voxel_last = min(voxels, math.ceil(origin + row_last * step))
    return row_first, row_last, voxel_first, voxel_last


@device
def resample_fine(source, start, step, count, index, share, line):
    """Overlap sums where outputs are no longer than inputs (step <= 1): at most two inputs each, no prefix sum.

    line[k] = sum over i of source[i] times the length that [start + k step, start + (k + 1) step] and [i, i + 1] share.
    """
    size = len(source)
    head = 0
    while head < count and start + head * step < 0.0:
        part = min(step, max(0.0, start + (head + 1) * step))
        line[head] = np.float32(part) * source[0]
        head += 1
    # Not quite to the last input, so that no rounding makes the vectorised part look beyond it.
    tail = max(head, min(count, math.ceil((size - 1 - 1e-6 * size - start) / step)))
    base = math.floor(start + head * step)
    if tail > head:
        blend(source[base:], start + head * step - base, step, index, share, line[head:tail])
    for k in range(tail, count):
        low, high = start + k * step, min(float(size), start + (k + 1) * step)
        line[k] = np.float32(max(0.0, high - max(low, size - 1.0))) * source[size - 1]
        if size > 1:
            line[k] += np.float32(max(0.0, min(high, size - 1.0) - low)) * source[size - 2]


@device
def locate(start, step, first, last, index, share):
    """Split positions start + k step, k = first..last (exclusive), into whole numbers and the rest.

    The step is a sum of a part with few digits, whose products are exact, and a small one: the rest is then right to
    float32's last digit wherever the position is. Its own loop, without look-ups, so that the compiler vectorises it.
    """
    high = np.float32(math.floor(step * SPLIT + 0.5) / SPLIT)
    low = np.float32(step - math.floor(step * SPLIT + 0.5) / SPLIT)
    origin = np.float32(start)
    for k in range(first, last):
        number = np.float32(np.int32(k))
        coarse = number * high
        fine = number * low + origin
        whole = np.int32(coarse + fine)
        index[k] = whole
        share[k] = (coarse - np.float32(whole)) + fine


@device
def blend(source, start, step, index, share, line):
    """The inner part of :func:`resample_fine`: both inputs exist for every output; 0 <= start < 1."""
    locate(start, step, 0, len(line), index, share)
    width = np.float32(step)
    excess = np.float32(step - 1.0)
    for k in range(len(line)):
        i = index[k] & MASK
        left = source[i]
        line[k] = width * left + max(share[k] + excess, np.float32(0.0)) * (source[i + np.int32(1)] - left)


@device
def resample_coarse(sums, size, mean, start, step, count, index, share, edges, line):
    """Overlap sums where outputs are longer than inputs (step >= 1), by look-up in prefix sums.

    sums[i] is the sum of the first i inputs, each less ``mean``, for i = 0..size; and once more for size + 1.
    """
    locate(start, step, 1, count, index, share)
    for k in range(1, count):
        i = index[k] & MASK
        left = sums[i]
        edges[k] = left + share[k] * (sums[i + np.int32(1)] - left)
    bottom, top = max(0.0, start), min(float(size), start + count * step)
    edges[0] = edge_value(sums, bottom)
    edges[count] = edge_value(sums, top)
    whole = np.float32(mean * step)
    for k in range(count):
        line[k] = (edges[k + 1] - edges[k]) + whole
    line[0] -= np.float32(mean * (bottom - start))
    line[count - 1] -= np.float32(mean * (start + count * step - top))


@device
def edge_value(sums, position):
    """Linear look-up in prefix sums."""
    index = math.floor(position)
    return sums[index] + (position - index) * (sums[index + 1] - sums[index])


# ---- forward ------------------------------------------------------------------------------------------------------------


@device
def forward_line(voxels, start, step, count, index, share, edges, line, sums):
    """Resample a run of voxels onto rows."""
    if step <= 1.0:
        resample_fine(voxels, start, step, count, index, share, line)
        return
    total = 0.0
    for k in range(len(voxels)):
        sums[k] = total
        total += voxels[k]
    sums[len(voxels)] = total
    sums[len(voxels) + 1] = total
    resample_coarse(sums, len(voxels), 0.0, start, step, count, index, share, edges, line)


@device
def all_zero(voxels):
    """Whether a run of voxels adds nothing: within a hole, or where a volume was clipped."""
    if voxels[len(voxels) // 2] != np.float32(0.0):  # as nearly always
        return False
    found = np.int32(0)
    for k in range(len(voxels)):
        found |= np.int32(voxels[k] != np.float32(0.0))
    return found == 0


@device
def spread(line, count, weights, scale, image, column, columns, row):
    """Add a line, times a weight each, to neighbouring columns of an image."""
    for c in range(columns):
        weight = np.float32(weights[c] * scale)
        target = image[column + c, row : row + count]
        for k in range(count):
            target[k] += weight * line[k]


@device
def forward_tile(volume, lay, view, x_first, y_first, first, image, scratch):
    """Add a tile of voxel columns to the detector columns first..first + len(image) of one view."""
    nx, ny, nz = volume.shape
    last = first + len(image)
    corners, weights, index, share, edges, line, sums = scratch
    low, high = project_corners(lay, view, x_first, y_first, corners)
    if high <= first or low >= last:
        return
    for ix in range(x_first, min(nx, x_first + TILE)):
        for iy in range(y_first, min(ny, y_first + TILE)):
            column, columns, r0, r1, k0, k1, origin, step = meet(
                lay, view, nz, ix, iy, ix - x_first, iy - y_first, first, last, corners, weights
            )
            if columns > 0 and not all_zero(volume[ix, iy, k0:k1]):
                forward_line(volume[ix, iy, k0:k1], origin + r0 * step - k0, step, r1 - r0, index, share, edges, line, sums)
                spread(line, r1 - r0, weights, 1.0 / step, image, column - first, columns, r0)


@kernel
def forward_views(volume, lay, sines, cosines, heights, order, parts, cone, out, accumulate):
    """Project a volume onto views; in parallel over views and, where those are few, over ``parts`` of the columns.

    volume float32 [x, y, z]; sines, cosines, heights float64 (views,); order int64 (tasks' views); cone float32
    (columns, rows); out float32 (views, columns, rows), overwritten or added to.
    """
    nx, ny, nz = volume.shape
    for task in numba.prange(len(order) * parts):
        number = order[task // parts]
        first = lay.columns * (task % parts) // parts
        last = lay.columns * (task % parts + 1) // parts
        image = np.zeros((last - first, lay.rows), np.float32)
        scratch = Scratch(
            np.empty((TILE + 1, TILE + 1)), np.empty(last - first), np.empty(lay.rows + 1, np.int32),
            np.empty(lay.rows + 1, np.float32), np.empty(lay.rows + 1), np.empty(lay.rows, np.float32), np.empty(nz + 2),
        )  # fmt: skip
        for x in range(0, nx, TILE):
            for y in range(0, ny, TILE):
                forward_tile(volume, lay, View(sines[number], cosines[number], heights[number]), x, y, first, image, scratch)
        for c in range(first, last):
            target = out[number, c]
            for r in range(lay.rows):
                value = image[c - first, r] * cone[c, r]
                target[r] = target[r] + value if accumulate else value


# ---- back ---------------------------------------------------------------------------------------------------------------


@device
def combine(image, column, columns, weights, first, count, line):
    """line[k] = sum of neighbouring columns' values from row ``first`` on, each times its weight."""
    c = 0
    while c < columns:
        s0 = image[column + c, first : first + count]
        w0 = np.float32(weights[c])
        if columns - c >= 2:
            s1 = image[column + c + 1, first : first + count]
            w1 = np.float32(weights[c + 1])
            if c == 0:
                for k in range(count):
                    line[k] = w0 * s0[k] + w1 * s1[k]
            else:
                for k in range(count):
                    line[k] += w0 * s0[k] + w1 * s1[k]
        elif c == 0:
            for k in range(count):
                line[k] = w0 * s0[k]
        else:
            for k in range(count):
                line[k] += w0 * s0[k]
        c += 2


@device
def back_line(values, sums, means, column, columns, weights, row, rows, start, step, count, index, share, edges, line, source):
    """Resample a run of rows of neighbouring columns, each times its weight, onto voxels."""
    if step <= 1.0:
        combine(values, column, columns, weights, row, rows, source)
        resample_fine(source[:rows], start, step, count, index, share, line)
        return
    combine(sums, column, columns, weights, row, rows + 1, source)
    source[rows + 1] = source[rows]
    mean = 0.0
    for c in range(columns):
        mean += weights[c] * means[column + c]
    resample_coarse(source, rows, mean, start, step, count, index, share, edges, line)


@device
def back_tile(volume, lay, view, x_first, y_first, values, sums, means, scratch):
    """Add one view to a tile of voxel columns."""
    nx, ny, nz = volume.shape
    corners, weights, index, share, edges, line, source = scratch
    low, high = project_corners(lay, view, x_first, y_first, corners)
    if high <= 0 or low >= lay.columns:
        return
    for ix in range(x_first, min(nx, x_first + TILE)):
        for iy in range(y_first, min(ny, y_first + TILE)):
            column, columns, r0, r1, k0, k1, origin, step = meet(
                lay, view, nz, ix, iy, ix - x_first, iy - y_first, 0, lay.columns, corners, weights
            )  # fmt: skip
            if columns > 0:
                start = (k0 - origin) / step - r0
                back_line(
                    values, sums, means, column, columns, weights, r0, r1 - r0, start, 1.0 / step, k1 - k0,
                    index, share, edges, line, source,
                )  # fmt: skip
                target = volume[ix, iy, k0:k1]
                for k in range(k1 - k0):
                    target[k] += line[k]


@kernel
def back_views(values, sums, means, lay, sines, cosines, heights, volume):
    """Add views, made ready, to a volume; in parallel over tiles of voxel columns.

    values, sums, means: see :func:`~MITOReconstructionLib.projectors.cpu_prepare.prepare_views`; sines, cosines,
    heights float64 (views,); volume float32 [x, y, z], added to.
    """
    nx, ny, nz = volume.shape
    tiles_y = (ny + TILE - 1) // TILE
    for tile in numba.prange(((nx + TILE - 1) // TILE) * tiles_y):
        scratch = Scratch(
            np.empty((TILE + 1, TILE + 1)), np.empty(lay.columns), np.empty(nz + 1, np.int32), np.empty(nz + 1, np.float32),
            np.empty(nz + 1, np.float32), np.empty(nz, np.float32), np.empty(lay.rows + 2, np.float32),
        )  # fmt: skip
        for n in range(len(heights)):
            back_tile(
                volume, lay, View(sines[n], cosines[n], heights[n]), (tile // tiles_y) * TILE, (tile % tiles_y) * TILE,
                values[min(n, len(values) - 1)], sums[min(n, len(sums) - 1)], means[n], scratch,
            )  # fmt: skip
