# mypy: disable-error-code="no-untyped-def,no-untyped-call"
"""Compiled kernels of the CPU projector: separable footprints, rectangular along z, in both directions.

Long, Fessler, Balter, '3D forward and back-projection for X-ray CT using separable footprints', IEEE TMI 29 (2010)
1839. For one voxel column (x, y) and one view:

* across the fan, the projections of the column's four corners onto the detector are the corners of a trapezoid; its
  integral over each detector column, times the in-plane chord through the voxel (their amplitude A1), is the weight of
  that detector column (:mod:`.cpu_footprints`);
* along the axis, which is parallel to the detector's rows, a voxel's edges fall on v = (z - zs) L / l, with l the
  in-plane distance from the source to the voxel's centre and L that to the detector along the same ray. A pixel takes
  the part of its height that the voxel covers. So one line along z is resampled onto another by overlaps of intervals,
  whichever direction one goes (:mod:`.cpu_resample`);
* the length that a ray gains by its cone angle, sqrt(L^2 + v^2) / L, is applied to whole detector images.

Forward and back call the same functions for weights and positions, and overlap is symmetric in its two intervals:
they are transposes by construction.
"""

from __future__ import annotations

import numba
import numpy as np

from MITOReconstructionLib.projectors.cpu_footprints import (
    BASE,
    COUNT,
    FACTOR,
    ORIGIN,
    ROW_FIRST,
    ROW_LAST,
    SHARE_COLUMNS,
    SHARES,
    STEP,
    T0,
    T1,
    T2,
    T3,
    TABLE,
    TILE,
    VOXEL_FIRST,
    VOXEL_LAST,
    column_weights,
    footprints,
)
from MITOReconstructionLib.projectors.cpu_lanes import COMPILE, LANES, add, fetch, load, multiply_add, read, scale, store, write
from MITOReconstructionLib.projectors.cpu_layout import Scratch, View
from MITOReconstructionLib.projectors.cpu_resample import AFTER, BEFORE, aligned, close, copy_run, overlaps, whole_vectors

__all__ = ["back_views", "forward_views"]

device, kernel = numba.njit(**COMPILE), numba.njit(parallel=True, cache=True, **COMPILE)

LEAST = 4  # weights that are written for each footprint
AHEAD = 2  # voxel columns that are fetched into the cache before they are worked on


@device
def scratch(columns, inputs, outputs):
    """Working memory of one thread, for lines of so many inputs and outputs."""
    line = aligned(BEFORE + inputs + LANES + AFTER)
    line[:BEFORE] = np.float32(0.0)
    return Scratch(
        np.empty(TABLE), np.empty(SHARES, np.float32), np.empty(columns + LEAST, np.float32), line, aligned(whole_vectors(outputs) + LANES)
    )


@device
def fetch_run(volume, first, count):
    """Begin to bring a run of voxels into the cache."""
    for k in range(0, count + LANES, LANES):
        fetch(volume, first + k)


@device
def all_zero(volume, first, count):
    """Whether a run of voxels adds nothing: within a hole, or where a volume was clipped."""
    if read(volume, first + count // 2) != np.float32(0.0):  # as nearly always
        return False
    k = first
    while k < first + count and read(volume, k) == np.float32(0.0):
        k += 1
    return k == first + count


@device
def weigh(table, shares, n, factor, first, last, weights):
    """Weights of the detector columns first..last that column ``n`` of a tile falls on; returns the first and their number.

    Where there are fewer than LEAST, zeros follow.
    """
    base, count = int(table[BASE + n]), int(table[COUNT + n])
    start, stop = max(first, base), min(last, base + count)
    corners = table[T0 + n], table[T1 + n], table[T2 + n], table[T3 + n]
    place = shares.ctypes.data + 4 * n if count <= SHARE_COLUMNS else 0
    column_weights(base, corners, place, factor, start, stop, weights)
    for c in range(stop - start, LEAST):
        write(weights, c, np.float32(0.0))
    return start, stop - start


@device
def spread(line, count, weights, columns, image, place, stride):
    """Add a line, times a weight each, to neighbouring columns of an image, whole vectors from ``place`` on."""
    for c in range(columns):
        weight, column = read(weights, c), place + c * stride
        for k in range(0, count, LANES):
            store(image, column + k, multiply_add(load(line, k), weight, load(image, column + k)))


@device
def combine(values, place, stride, weights, columns, count, line):
    """Sum of neighbouring columns' rows, each times its weight, into a buffer; whole vectors from ``place`` on."""
    second, third = place + min(1, columns - 1) * stride, place + min(2, columns - 1) * stride
    fourth = place + min(3, columns - 1) * stride
    w0, w1, w2, w3 = read(weights, 0), read(weights, 1), read(weights, 2), read(weights, 3)
    for k in range(0, count, LANES):  # nearly all have at most four, and a loop over them costs more than one too many
        left = multiply_add(load(values, second + k), w1, scale(load(values, place + k), w0))
        right = multiply_add(load(values, fourth + k), w3, scale(load(values, third + k), w2))
        store(line, BEFORE + k, add(left, right))
    for c in range(4, columns):
        weight, column = read(weights, c), place + c * stride
        for k in range(0, count, LANES):
            store(line, BEFORE + k, multiply_add(load(values, column + k), weight, load(line, BEFORE + k)))
    close(line, whole_vectors(count))


@device
def accumulate(out, count, volume, begin):
    """Add the first of a line to a run of voxels."""
    full = count // LANES * LANES
    for k in range(0, full, LANES):
        store(volume, begin + k, add(load(volume, begin + k), load(out, k)))
    for k in range(full, count):
        write(volume, begin + k, read(volume, begin + k) + read(out, k))


# ---- voxel columns, either way ------------------------------------------------------------------------------------------


def tile_function(forward):
    """The function for a tile of voxel columns, compiled for one direction: a branch at each column would cost 8%."""

    @device
    def project_tile(volume, shape, lay, view, x_first, y_first, first, last, image, memory):
        """Add a tile to the detector columns first..last, which an image holds, of one view; or, the way back, those to the tile."""
        nx, ny, nz = shape
        table, shares = memory.table, memory.shares
        weights, line, out = memory.weights.ctypes.data, memory.line.ctypes.data, memory.out.ctypes.data
        if not footprints(lay, view, nz, x_first, y_first, first, last, table, shares):
            return
        stride = whole_vectors(lay.rows)
        for i in range(min(TILE, nx - x_first)):
            for j in range(min(TILE, ny - y_first)):
                n = i * TILE + j
                if table[COUNT + n] == 0.0:
                    continue
                step, k0 = table[STEP + n], int(table[VOXEL_FIRST + n])
                voxels, begin = int(table[VOXEL_LAST + n]) - k0, ((x_first + i) * ny + y_first + j) * nz + k0
                fetch_run(volume, begin + AHEAD * nz, voxels)
                if forward and all_zero(volume, begin, voxels):
                    continue
                row = int(table[ROW_FIRST + n]) // LANES * LANES
                rows = int(table[ROW_LAST + n]) - row
                factor = table[FACTOR + n] / step if forward else table[FACTOR + n]
                column, columns = weigh(table, shares, n, factor, first, last, weights)
                place = (column - first) * stride + row
                if forward:
                    copy_run(volume, begin, voxels, line)
                    overlaps(line, voxels, table[ORIGIN + n] + row * step - k0, step, rows, out)
                    spread(out, rows, weights, columns, image, place, stride)
                else:
                    combine(image, place, stride, weights, columns, rows, line)
                    overlaps(line, whole_vectors(rows), (k0 - table[ORIGIN + n]) / step - row, 1.0 / step, voxels, out)
                    accumulate(out, voxels, volume, begin)

    return project_tile


forward_tile, back_tile = tile_function(forward=True), tile_function(forward=False)


# ---- forward ------------------------------------------------------------------------------------------------------------


@device
def share_of(columns, part, parts):
    """First and last (exclusive) of a range of columns that one of the parts is."""
    begin, width = columns[0], columns[1] - columns[0]
    return begin + width * part // parts, begin + width * (part + 1) // parts


@device
def put(image, first, last, cone, low, high, target, accumulate):
    """Write the columns low..high of a view: those that an image holds, times the cone-angle factor, and zeros beside them."""
    rows = target.shape[1]
    for c in range(low, high):
        if first <= c < last:
            line = image[(c - first) * whole_vectors(rows) :]
            for r in range(rows):
                value = line[r] * cone[c, r]
                target[c, r] = target[c, r] + value if accumulate else value
        elif not accumulate:
            target[c] = np.float32(0.0)


@kernel
def forward_views(volume, shape, lay, sines, cosines, heights, columns, order, group, parts, cone, out, accumulate):
    """Project a volume onto views; in parallel over groups of views or, where those are few, over ``parts`` of the columns.

    volume float32 (voxels,), of the shape [x, y, z]; sines, cosines, heights float64 (views,); columns int64 (views, 2),
    see :class:`~MITOReconstructionLib.projectors.cpu_layout.Plan`; order int64 (tasks' views), of which a task takes
    ``group``, to read the volume once for them; cone float32 (columns, rows); out float32 (views, columns, rows), overwritten
    or added to.
    """
    nx, ny, nz = shape
    for task in numba.prange((len(order) + group - 1) // group * parts):
        part, chosen = task % parts, order[task // parts * group : (task // parts + 1) * group]
        most = 0
        for number in chosen:
            first, last = share_of(columns[number], part, parts)
            most = max(most, last - first)
        size = most * whole_vectors(lay.rows)
        images = aligned(len(chosen) * size)
        images[:] = np.float32(0.0)
        memory = scratch(most, nz, lay.rows)
        for tile in range(((nx + TILE - 1) // TILE) * ((ny + TILE - 1) // TILE)):
            x, y = tile // ((ny + TILE - 1) // TILE) * TILE, tile % ((ny + TILE - 1) // TILE) * TILE
            for n in range(len(chosen)):
                number, image = chosen[n], images.ctypes.data + 4 * n * size
                first, last = share_of(columns[number], part, parts)
                view = View(sines[number], cosines[number], heights[number])
                forward_tile(volume.ctypes.data, shape, lay, view, x, y, first, last, image, memory)
        for n in range(len(chosen)):
            first, last = share_of(columns[chosen[n]], part, parts)
            low, high = first if part else 0, last if part + 1 < parts else lay.columns
            put(images[n * size : (n + 1) * size], first, last, cone, low, high, out[chosen[n]], accumulate)


# ---- back ---------------------------------------------------------------------------------------------------------------


@kernel
def back_views(values, lay, sines, cosines, heights, columns, volume, shape):
    """Add views, made ready, to a volume; in parallel over tiles of voxel columns.

    values float32 (views, columns, rows), see :func:`~MITOReconstructionLib.projectors.cpu_prepare.prepare_views`; sines,
    cosines, heights float64 (views,); columns int64 (views, 2), of which ``values`` holds the first ones; volume float32
    (voxels,), of the shape [x, y, z], added to.
    """
    nx, ny, nz = shape
    tiles_y = (ny + TILE - 1) // TILE
    size = values.shape[1] * values.shape[2]
    for tile in numba.prange(((nx + TILE - 1) // TILE) * tiles_y):
        memory = scratch(lay.columns, lay.rows, nz)
        x, y = (tile // tiles_y) * TILE, (tile % tiles_y) * TILE
        for n in range(len(heights)):
            view, image = View(sines[n], cosines[n], heights[n]), values.ctypes.data + 4 * n * size
            back_tile(volume.ctypes.data, shape, lay, view, x, y, columns[n, 0], columns[n, 1], image, memory)
