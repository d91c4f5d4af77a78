"""Rays of a few beams, resampled along z onto layers of equal magnification and weighted."""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.wfbp.aligned import aligned_line
from MITOReconstructionLib.wfbp.backproject import COMPILE
from MITOReconstructionLib.wfbp.groups import CHUNK, add_rays, group_taps
from MITOReconstructionLib.wfbp.lanes import LANES, PICKS, blend, gather_line, load, multiply, pick_line, pick_long_line, store
from MITOReconstructionLib.wfbp.node_weights import BLOCK, magnification

__all__ = ["resample"]


class Line(NamedTuple):
    """How rows lie under voxels: first and last (exclusive) voxel, rows, mm to a row and a voxel, row at the source's height."""

    begin: int
    end: int
    rows: int
    row_pitch: float
    z_step: float
    middle: float


class Node(NamedTuple):
    """Row weights of layers at some rays, float32 [(layer * nodes + node) * BLOCK + voxel]; number of the first node, and nodes."""

    lines: NDArray[np.float32]
    first: int
    number: int


@numba.njit(**COMPILE)
def resample(layers, beams, heights, weights, span, places, z_step, tables, lattice):  # type: ignore[no-untyped-def]
    """Resample the rays of some beams onto the layers, and weight them.

    ``layers`` is float32 [(layer * rays + ray) * BLOCK + voxel]; ``span`` has the first and last (exclusive) ray that each layer needs,
    ``places`` the first ray, first node, nodes, first turn of nodes, bottom layer, and first and last (exclusive) voxel.
    """
    first_ray, first_node, nodes, _, bottom, begin, end = places
    number, width = len(span), beams.rows + 4 * LANES
    node = Node(_lines(weights, number, places, lattice), first_node, nodes)
    middle = 0.5 * (beams.rows - 1) - tables.row_middle / tables.row_pitch
    line = Line(begin, end, beams.rows, tables.row_pitch, z_step, middle)
    if beams.number == 1:
        for layer in range(number):
            base = (beams.first * len(tables.reach) + first_ray + span[layer, 0]) * beams.rows
            size = magnification(bottom + layer, lattice)
            _resample(layers, layer, size, span[layer], beams.flat, base, beams.rows, heights, first_ray, line, node, lattice)
        return
    summed, taps, some = aligned_line(CHUNK * width), group_taps(beams, tables), np.empty(2, np.int64)
    summed[:] = 0.0
    for j in range(span[:, 0].min(), span[:, 1].max(), CHUNK):  # all layers of some rays, while these are in a core's cache
        layer = 0
        while layer < number:  # neighbouring layers take the same sum of the beams' rays
            part = (bottom + layer) // beams.layers * beams.layers
            end_layer = min(number, part + beams.layers - bottom)
            first, stop = max(j, span[layer:end_layer, 0].min()), min(j + CHUNK, span[layer:end_layer, 1].max())
            if first < stop:
                least, greatest = magnification(bottom + layer, lattice), magnification(bottom + end_layer - 1, lattice)
                size = magnification(part + 0.5 * (beams.layers - 1), lattice)
                low, high = _rows(heights[first:stop], least, greatest, line)
                add_rays(summed, first_ray + first, stop - first, beams, taps, size, low, high, tables)
                for each in range(layer, end_layer):
                    some[0], some[1] = max(first, span[each, 0]), min(stop, span[each, 1])
                    own, base = magnification(bottom + each, lattice), (some[0] - first) * width
                    _resample(layers, each, own, some, summed, base, width, heights, first_ray, line, node, lattice)
            layer = end_layer


@numba.njit(**COMPILE)
def _lines(weights, number, places, lattice):  # type: ignore[no-untyped-def]
    """Row weights of each layer at some rays, from those that have nodes: float32 [(layer * nodes + node) * BLOCK + voxel]."""
    _, _, nodes, turn, bottom, begin, end = places
    lines = aligned_line(number * nodes * BLOCK)
    for layer in range(number):
        below, between = divmod(bottom + layer - turn * lattice.every, lattice.every)
        upwards = np.float32(between / lattice.every)
        for o in range(0, nodes * BLOCK, BLOCK):
            for k in range(o + begin, o + end, LANES):
                a = below * nodes * BLOCK + k
                b = a + nodes * BLOCK if between else a
                store(lines, layer * nodes * BLOCK + k, blend(load(weights, a), load(weights, b), upwards))
    return lines


@numba.njit(**COMPILE)
def _rows(heights, least, greatest, line):  # type: ignore[no-untyped-def]
    """First and last (exclusive) row that some rays need at magnifications from ``least`` to ``greatest``."""
    low, high = heights.min() + line.begin * line.z_step, heights.max() + line.end * line.z_step
    low = min(low * least, low * greatest) / line.row_pitch + line.middle
    high = max(high * least, high * greatest) / line.row_pitch + line.middle
    first = min(max(0.0, low), line.rows - 2.0)
    return int(first), int(max(first + 2.0, min(high + 2.0, float(line.rows))))


@numba.njit(**COMPILE)
def _resample(layers, layer, size, some, samples, base, width, heights, first_ray, line, node, lattice):  # type: ignore[no-untyped-def]
    """Resample some rays, first and last (exclusive), onto a layer, and weight them; the first begins at ``samples[base]``."""
    count, begin, end, weights = len(heights), line.begin, line.end, node.lines
    first, last, nodes = some[0], some[1], layer * node.number
    scale, middle, step = np.float32(size / line.row_pitch), np.float32(line.middle), np.float32(size * line.z_step / line.row_pitch)
    limit = np.float32((line.rows - 1) * (1.0 - 1e-6))  # so that there is a sample after the whole part of it
    for j in range(first, last):
        start = heights[j] * scale + middle
        o, ray = (layer * count + j) * BLOCK, base + (j - first) * width
        number = lattice.node[first_ray + j] - node.first
        a = (nodes + min(number, node.number - 2)) * BLOCK
        share = lattice.share[first_ray + j] if number < node.number - 1 else np.float32(1.0)
        room = len(samples) - ray - line.rows
        if PICKS and step < 1.999 and room >= 2 * LANES:
            for k in range(begin, end, LANES):
                values = pick_line(samples, ray, start + step * np.float32(np.int32(k)), step, limit)
                store(layers, o + k, multiply(values, blend(load(weights, a + k), load(weights, a + BLOCK + k), share)))
        elif PICKS and step < 3.999 and room >= 4 * LANES:
            for k in range(begin, end, LANES):
                values = pick_long_line(samples, ray, start + step * np.float32(np.int32(k)), step, limit)
                store(layers, o + k, multiply(values, blend(load(weights, a + k), load(weights, a + BLOCK + k), share)))
        else:
            for k in range(begin, end, LANES):
                values = gather_line(samples, ray, start + step * np.float32(np.int32(k)), step, limit)
                store(layers, o + k, multiply(values, blend(load(weights, a + k), load(weights, a + BLOCK + k), share)))
