"""Backprojection in two steps: every ray onto layers of equal magnification, then voxel columns from four of those.

A beam's ray passes voxel columns at different distances from the source, and each column sees its rows at another
magnification. Looked up voxel by voxel that is slow: no processor gathers as fast as it adds. But columns of equal
magnification need the same samples, there are few magnifications between which the rows differ by more than one, and between
two of these interpolating is as good as between rows. So each ray of a tile of columns is resampled to the voxels' z once for
each of a few layers, and weighted there; a column then adds up four neighbours (two rays, two layers), voxel by voxel in the
order in which they lie in memory. It needs no symmetry: any pitch, any axial positions, any region.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.geometry import VolumeGrid
from MITOReconstructionLib.parallel import KERNELS
from MITOReconstructionLib.wfbp.aligned import aligned_line
from MITOReconstructionLib.wfbp.backproject import COMPILE, BeamTables
from MITOReconstructionLib.wfbp.groups import Rays, beams_together, group_end
from MITOReconstructionLib.wfbp.lanes import LANES, load, multiply_add, store
from MITOReconstructionLib.wfbp.lattice import FIELD, layer_distance, layer_lattice
from MITOReconstructionLib.wfbp.node_weights import BLOCK, ROOM, node_weights
from MITOReconstructionLib.wfbp.plan import ParallelPlan
from MITOReconstructionLib.wfbp.resample import resample

__all__ = ["backproject_layers", "layers_suit"]

TILE = 64
"""Voxel columns along x and y that are worked on at a time: their sums and the layers stay in a core's cache."""

SEGMENT = 16
"""Columns of a line that are looked at together for which rays of which layers they need."""

WIDE = 0.7
"""Distance of the outermost ray from the axis, as a part of the source's, up to which there are few layers."""

COARSE = 8.0
"""Rays and layers to a voxel column above which a look-up in each column is the faster way."""


class Tile(NamedTuple):
    """Voxels that are worked on at a time: x, y, z of the first in mm, spacing in mm, and how many there are."""

    x: float
    y: float
    z: float
    spacing: NDArray[np.float64]
    wide: int
    deep: int
    tall: int


class Work(NamedTuple):
    """Work space of a thread.

    sums : of the tile's voxels, float32 [(column of x * TILE + column of y) * BLOCK + voxel];
    layers : resampled rays, float32 [(layer * rays + ray) * BLOCK + voxel];
    place, level : ray, counted from the tile's first, and level (:class:`Lattice`) of each column, float32 [x * TILE + y];
    limits : first and last (exclusive) y of each x that the beam sees.
    """

    sums: NDArray[np.float32]
    layers: NDArray[np.float32]
    place: NDArray[np.float32]
    level: NDArray[np.float32]
    limits: NDArray[np.int64]


def layers_suit(plan: ParallelPlan, grid: VolumeGrid) -> bool:
    """Whether :func:`backproject_layers` can be used, and is the faster way."""
    rows = plan.geometry.detector.rows
    apart = plan.geometry.source_radius * layer_distance(rows)  # along a ray, in mm
    narrow = float(np.abs(plan.t).max()) <= WIDE * plan.geometry.source_radius
    return narrow and rows >= 2 and grid.spacing[0] * grid.spacing[1] <= COARSE * plan.t_step * apart


def backproject_layers(
    volume: NDArray[np.float32], grid: VolumeGrid, beams: NDArray[np.float32], first_beam: int, tables: BeamTables
) -> None:
    """Add filtered beams to a volume; as :func:`MITOReconstructionLib.wfbp.backproject.backproject`, and faster.

    Columns farther from the axis than any ray, which some directions cannot see, are left as they are.

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
    lattice = layer_lattice(tables, beams.shape[2])
    together, shared = beams_together(tables, grid, beams.shape[2])
    workers = numba.get_num_threads()
    with KERNELS:
        _backproject(volume, np.array(grid.origin), np.array(grid.spacing), beams, first_beam, together, shared, tables, lattice, workers)


@numba.njit(parallel=True, **COMPILE)
def _backproject(volume, origin, spacing, beams, first_beam, together, shared, tables, lattice, workers):  # type: ignore[no-untyped-def]
    nx, ny, nz = volume.shape
    across, along, up = (nx + TILE - 1) // TILE, (ny + TILE - 1) // TILE, (nz + BLOCK - 1) // BLOCK
    flat, voxels = beams.reshape(-1), volume.reshape(-1)
    for worker in numba.prange(workers):
        work = Work(
            aligned_line(TILE * TILE * BLOCK),
            aligned_line(2048 * BLOCK),
            np.empty(TILE * TILE, np.float32),
            np.empty(TILE * TILE, np.float32),
            np.empty((TILE, 2), np.int64),
        )
        work.sums[:] = 0.0
        for item in range(worker, across * along * up, workers):
            block, tile = divmod(item, across * along)  # a block's tiles are shared evenly: few blocks are seen at a time
            ix, iy, iz = (tile // along) * TILE, (tile % along) * TILE, block * BLOCK
            part = Tile(
                origin[0] + ix * spacing[0],
                origin[1] + iy * spacing[1],
                origin[2] + iz * spacing[2],
                spacing,
                min(TILE, nx - ix),
                min(TILE, ny - iy),
                min(BLOCK, nz - iz),
            )
            base, held = (ix * ny + iy) * nz + iz, False
            number = 0
            while number < beams.shape[0]:
                end = min(beams.shape[0], group_end(first_beam + number, together, tables) - first_beam)
                rays = Rays(flat, number, end - number, beams.shape[2], shared)
                middle = first_beam + 0.5 * (number + end - 1)
                held = _beams(part, work, rays, middle, tables, lattice, voxels, base, ny * nz, nz, held) or held
                number = end
            if held:
                _copy(work.sums, voxels, base, ny * nz, nz, part, False)


@numba.njit(**COMPILE)
def _beams(tile, work, beams, beam, tables, lattice, voxels, base, x_step, y_step, held):  # type: ignore[no-untyped-def]
    """Add beams to a tile's sums, which are fetched from the volume before, unless held; whether they see any of it.

    They are seen from where the middle one is, which may be between two.
    """
    theta = tables.theta_first + beam * tables.theta_step
    sin, cos = math.sin(theta), math.cos(theta)
    dx, dy = (tile.wide - 1) * tile.spacing[0], (tile.deep - 1) * tile.spacing[1]
    t_low = tile.x * cos + tile.y * sin + min(0.0, dx * cos) + min(0.0, dy * sin)
    t_high = tile.x * cos + tile.y * sin + max(0.0, dx * cos) + max(0.0, dy * sin)
    low, high = (t_low - tables.t_first) / tables.t_step, (t_high - tables.t_first) / tables.t_step
    rays = len(tables.reach)
    if high < 0.0 or low > rays - 1:
        return False
    first_node = lattice.node[min(max(0, int(low)), rays - 2)]
    nodes = lattice.node[max(min(rays - 1, int(high) + 1), 1)] + 2 - first_node
    ray = lattice.nodes[first_node]
    count = lattice.nodes[first_node + nodes - 1] - ray + 1
    heights, rise, fall = _heights(ray, count, beam, tile.z, tables)
    deepest = tile.y * cos - tile.x * sin + max(0.0, -dx * sin) + max(0.0, dy * cos)
    room = ROOM * (abs(tables.row_middle) + tables.row_reach) * (tables.radius + deepest) / tables.nearest
    if rise > room or fall + (tile.tall - 1) * tile.spacing[2] < -room:
        return False
    least, greatest = _levels(work, tile, cos, sin, ray, count, tables, lattice)
    if greatest <= 0.0:
        return False
    bottom, number_of_layers = int(least), int(greatest) + 2 - int(least)
    turn = bottom // lattice.every
    turns = (bottom + number_of_layers - 2) // lattice.every + 2 - turn
    weights = node_weights(first_node, nodes, turn, turns, ray, count, beam, tile, tables, lattice)
    first, last = _range(weights)
    if first > last:
        return False
    begin, end = first // LANES * LANES, (last // LANES + 1) * LANES
    span = _spans(work, tile.wide, bottom, number_of_layers, count)
    needed = number_of_layers * count * BLOCK
    layers = work.layers if needed <= len(work.layers) else aligned_line(needed)
    places = (ray, first_node, nodes, turn, bottom, begin, end)
    resample(layers, beams, heights, weights, span, places, tile.spacing[2], tables, lattice)
    if not held:
        _copy(work.sums, voxels, base, x_step, y_step, tile, True)
    _add(work, layers, tile.wide, np.float32(bottom), number_of_layers, count, begin, end)
    return True


@numba.njit(**COMPILE)
def _range(weights):  # type: ignore[no-untyped-def]
    """First and last voxel where there is any weight."""
    largest = np.zeros(BLOCK, np.float32)
    for o in range(0, len(weights), BLOCK):
        for k in range(BLOCK):
            largest[k] = max(largest[k], weights[np.uintp(o) + np.uintp(k)])
    first, last = 0, BLOCK - 1
    while first <= last and largest[first] <= 0.0:
        first += 1
    while last >= first and largest[last] <= 0.0:
        last -= 1
    return first, last


@numba.njit(**COMPILE)
def _copy(sums, voxels, base, x_step, y_step, tile, get):  # type: ignore[no-untyped-def]
    """Get a tile's voxels, or put them back."""
    tall = tile.tall
    whole = tall // LANES * LANES
    for i in range(tile.wide):
        for j in range(tile.deep):
            a, o = base + i * x_step + j * y_step, (i * TILE + j) * BLOCK
            if get:
                for k in range(0, whole, LANES):
                    store(sums, o + k, load(voxels, a + k))
                for k in range(whole, tall):
                    sums[o + k] = voxels[a + k]
            else:
                for k in range(0, whole, LANES):
                    store(voxels, a + k, load(sums, o + k))
                for k in range(whole, tall):
                    voxels[a + k] = sums[o + k]


@numba.njit(**COMPILE)
def _heights(ray, count, beam, z, tables):  # type: ignore[no-untyped-def]
    """Height of z above the source of each ray in mm; the least and the greatest of them."""
    heights = np.empty(count, np.float32)
    least, greatest = np.inf, -np.inf
    for j in range(count):
        position = beam + tables.axial_offset + tables.fan_steps[ray + j]
        index = int(position)
        source = tables.axial[index] + (position - index) * (tables.axial[index + 1] - tables.axial[index])
        heights[j] = z - source
        least, greatest = min(least, z - source), max(greatest, z - source)
    return heights, least, greatest


@numba.njit(**COMPILE)
def _levels(work, tile, cos, sin, ray, count, tables, lattice):  # type: ignore[no-untyped-def]
    """Work out ray and level of every column of a tile; the least and the greatest level."""
    square, nearly, none = np.float32(tables.radius * tables.radius), np.float32(1e-3), np.float32(0.0)
    field = np.float32((FIELD * max(abs(tables.t_first), abs(tables.t_first + (len(tables.reach) - 1) * tables.t_step))) ** 2)
    t_step, place_step = np.float32(tile.spacing[1] * sin), np.float32(tile.spacing[1] * sin / tables.t_step)
    depth_step = np.float32(tile.spacing[1] * cos)
    b0, b1, b2 = np.float32(tables.bow[0]), np.float32(tables.bow[1]), np.float32(tables.bow[2])
    b3, b4 = np.float32(tables.bow[3]), np.float32(tables.bow[4])
    last, place, level = np.float32(count - 1), work.place, work.level
    per_middle, per_level, first_level = np.float32(1.0 / lattice.middle), np.float32(1.0 / lattice.step), np.float32(lattice.base)
    one = np.float32(1.0)
    least, greatest = np.float32(3e38), none
    for i in range(tile.wide):
        x = tile.x + i * tile.spacing[0]
        t, depth = x * cos + tile.y * sin, np.float32(tile.y * cos - x * sin)
        place_first, t_first = np.float32((t - tables.t_first) / tables.t_step - ray), np.float32(t)
        o = i * TILE
        for j in range(tile.deep):
            step, p = np.float32(np.int32(j)), np.uintp(o) + np.uintp(j)
            t = t_first + step * t_step
            s = t * t
            reach = np.sqrt(max(square - s, none))
            deep = depth + step * depth_step
            along = reach + deep
            distance = b0 + s * (b1 + s * (b2 + s * (b3 + s * b4)))
            place[p] = place_first + step * place_step
            m = distance * per_middle / max(along, nearly)
            level[p] = first_level + (m - one / m) * per_level if s + deep * deep <= field and along > nearly * reach else none
        first, end = 0, tile.deep
        while first < end and not (place[o + first] >= none and place[o + first] <= last and level[o + first] > none):
            first += 1
        while end > first and not (place[o + end - 1] >= none and place[o + end - 1] <= last and level[o + end - 1] > none):
            end -= 1
        work.limits[i, 0], work.limits[i, 1] = first, end
        for j in range(first, end):
            value = level[np.uintp(o) + np.uintp(j)]
            least, greatest = min(least, value), max(greatest, value)
    return float(least), float(greatest)


@numba.njit(**COMPILE)
def _spans(work, wide, bottom, layers, count):  # type: ignore[no-untyped-def]
    """First and last (exclusive) ray that the columns of a tile need in each layer."""
    place, level, limits = work.place, work.level, work.limits
    span = np.zeros((layers, 2), np.int64)
    span[:, 0] = count
    for i in range(wide):
        end = limits[i, 1]
        for first in range(limits[i, 0], end, SEGMENT):
            a, b = i * TILE + first, i * TILE + min(first + SEGMENT, end) - 1
            low, high = level[a], level[a]
            for p in range(a + 1, b + 1):
                low, high = min(low, level[np.uintp(p)]), max(high, level[np.uintp(p)])
            ray, last = min(place[a], place[b]), max(place[a], place[b])
            left, right = min(int(ray), count - 2), min(int(last), count - 2) + 2
            for layer in range(int(low) - bottom, min(layers, int(high) + 2 - bottom)):
                span[layer, 0], span[layer, 1] = min(span[layer, 0], left), max(span[layer, 1], right)
    return span


@numba.njit(**COMPILE)
def _add(work, layers, wide, bottom, number, count, begin, end):  # type: ignore[no-untyped-def]
    """Add to every column its two rays in its two layers."""
    one, sums = np.float32(1.0), work.sums
    for i in range(wide):
        for j in range(work.limits[i, 0], work.limits[i, 1]):
            p = i * TILE + j
            at, up = work.place[p], work.level[p] - bottom
            ray, layer = min(np.int64(at), count - 2), min(np.int64(up), number - 2)
            right, upper = at - np.float32(ray), up - np.float32(layer)
            left, lower = one - right, one - upper
            a = (layer * count + ray) * BLOCK
            b, o = a + count * BLOCK, p * BLOCK
            for k in range(begin, end, LANES):
                total = multiply_add(load(layers, a + k), lower * left, load(sums, o + k))
                total = multiply_add(load(layers, a + BLOCK + k), lower * right, total)
                total = multiply_add(load(layers, b + k), upper * left, total)
                store(sums, o + k, multiply_add(load(layers, b + BLOCK + k), upper * right, total))
