"""The row weight at the nodes of the lattice, from which the layers take theirs."""

from __future__ import annotations

import math

import numba
import numpy as np

from MITOReconstructionLib.wfbp.backproject import COMPILE, LEAST, SOFTNESS, ray_at, seen_on
from MITOReconstructionLib.wfbp.lanes import LANES, add, load, row_weight, share, store

__all__ = ["BLOCK", "ROOM", "magnification", "node_weights"]

BLOCK = 96
"""Voxels of a column that are worked on at a time; a multiple of LANES."""

NEGLIGIBLE = 1e-4
"""Share of the row weight below which it is taken to be none."""

ROOM = 1.06
"""How much more than a tile's own columns its nodes may see, as they lie up to two layers or a node's distance beyond it."""


@numba.njit(**COMPILE)
def magnification(level, lattice):  # type: ignore[no-untyped-def]
    """Magnification of a level."""
    half = 0.5 * (level - lattice.base) * lattice.step
    return lattice.middle * (half + math.sqrt(half * half + 1.0))


@numba.njit(**COMPILE)
def node_weights(first_node, nodes, turn, turns, ray, count, beam, tile, tables, lattice):  # type: ignore[no-untyped-def]
    """Normalised row weights times the beams' angle at some rays and magnifications: [magnification, ray, voxel]."""
    halves = _halves(ray, count, beam, tile, tables)
    weights, total = np.zeros(turns * nodes * BLOCK, np.float32), np.empty(turns * BLOCK, np.float32)
    span, sizes, turn_step = np.empty((turns, 2), np.int64), np.empty(turns), nodes * BLOCK
    for n in range(turns):
        sizes[n] = magnification((turn + n) * lattice.every, lattice)
    for j in range(nodes):
        node = lattice.nodes[first_node + j]
        _own(weights, total, span, sizes, j * BLOCK, turn_step, node, beam, tile, tables)
        for half in range(halves[0], halves[1]):
            if half != 0:
                _add_partner(total, span, sizes, node, beam, half, tile, tables)
        theta_step, least = np.float32(tables.theta_step), np.float32(NEGLIGIBLE * tables.theta_step)
        for n in range(turns):
            o = n * turn_step + j * BLOCK
            for k in range(span[n, 0], span[n, 1], LANES):
                store(weights, o + k, share(load(weights, o + k), load(total, n * BLOCK + k), theta_step, least))
    return weights


@numba.njit(**COMPILE)
def _own(weights, total, span, sizes, at, turn_step, node, beam, tile, tables):  # type: ignore[no-untyped-def]
    """Row weights of the beam itself on a ray, for each magnification, to ``weights`` and ``total``; where they are to ``span``."""
    softness, least, z_step = np.float32(SOFTNESS), np.float32(LEAST), tile.spacing[2]
    source, reach, distance = ray_at(float(node), beam, tables)
    per_half = 1.0 / tables.row_half
    for n in range(len(sizes)):
        depth = tables.distance[node] / sizes[n] - tables.reach[node]
        scale, first, last = seen_on(source, reach, distance, depth, tile.z, z_step, tile.tall, tables)
        span[n, 0] = first // LANES * LANES
        span[n, 1] = min((last + LANES - 1) // LANES * LANES, BLOCK) if first < last else span[n, 0]
        low, high = np.float32(np.int32(first)), np.float32(np.int32(last))
        step = np.float32(scale * z_step * per_half)
        start = np.float32(((tile.z - source) * scale - tables.row_middle) * per_half)
        o = at + n * turn_step
        for k in range(span[n, 0], span[n, 1], LANES):
            weight = row_weight(np.float32(np.int32(k)), low, high, start, step, softness, least)
            store(weights, o + k, weight)
            store(total, n * BLOCK + k, weight)


@numba.njit(**COMPILE)
def _add_partner(total, span, sizes, node, beam, half, tile, tables):  # type: ignore[no-untyped-def]
    """Add to ``total`` the row weights of the same ray from the beam that is some half turns away."""
    other, rays = beam + half * tables.half_turn, len(tables.reach)
    if other < -0.5 or other > tables.beams - 0.5:
        return
    sign = 1.0 if half % 2 == 0 else -1.0
    place = (sign * (tables.t_first + node * tables.t_step) - tables.t_first) / tables.t_step
    if place < -1e-6 or place > rays - 1 + 1e-6:
        return
    softness, least, z_step, per_half = np.float32(SOFTNESS), np.float32(LEAST), tile.spacing[2], 1.0 / tables.row_half
    source, reach, distance = ray_at(place, other, tables)
    for n in range(len(sizes)):
        depth = tables.distance[node] / sizes[n] - tables.reach[node]
        scale, first, last = seen_on(source, reach, distance, sign * depth, tile.z, z_step, tile.tall, tables)
        if first >= last:
            continue
        low, high = np.float32(np.int32(first)), np.float32(np.int32(last))
        step = np.float32(scale * z_step * per_half)
        start = np.float32(((tile.z - source) * scale - tables.row_middle) * per_half)
        o = n * BLOCK
        for k in range(max(span[n, 0], first // LANES * LANES), min(span[n, 1], last), LANES):
            weight = row_weight(np.float32(np.int32(k)), low, high, start, step, softness, least)
            store(total, o + k, add(load(total, o + k), weight))


@numba.njit(**COMPILE)
def _halves(ray, count, beam, tile, tables):  # type: ignore[no-untyped-def]
    """First and last (exclusive) number of half turns by which a beam that sees voxels of the tile may be away."""
    bottom, top = tile.z, tile.z + (tile.tall - 1) * tile.spacing[2]
    dx, dy = (tile.wide - 1) * tile.spacing[0], (tile.deep - 1) * tile.spacing[1]
    away = math.hypot(max(abs(tile.x), abs(tile.x + dx)), max(abs(tile.y), abs(tile.y + dy)))
    room = ROOM * (abs(tables.row_middle) + tables.row_reach) * (tables.radius + away) / tables.nearest
    low, high = 0, 1
    for half in range(tables.partners[int(beam), 0], tables.partners[int(beam), 1]):
        other = beam + half * tables.half_turn
        if other < -0.5 or other > tables.beams - 0.5:
            continue
        for j in (ray, ray + count // 2, ray + count - 1):
            steps = tables.fan_steps[j] if half % 2 == 0 else -tables.fan_steps[j]
            index = min(max(0, int(other + tables.axial_offset + steps)), len(tables.axial) - 1)
            if bottom - room <= tables.axial[index] + tables.travel and tables.axial[index] - tables.travel <= top + room:
                low, high = min(low, half), max(high, half + 1)
    return low, high
