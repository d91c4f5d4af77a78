"""Where the layers of equal magnification and the nodes of the row weight lie: the same for every part of a volume.

Were they chosen for each part that is worked on, a region would differ from the cut of the whole, by what interpolating
between other neighbours comes to.
"""

from __future__ import annotations

import math
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.wfbp.backproject import BeamTables

__all__ = ["FIELD", "Lattice", "layer_distance", "layer_lattice"]

ROWS = 1.15
"""By how many rows neighbouring layers differ at the detector's upper and lower edge; half as many half-way to there."""

EDGE = 0.02
"""By how much of the half detector height neighbouring layers differ at most."""

TURN = 0.02
"""By how much of the half detector height the layers differ at most between which the row weight is taken to be linear."""

NODE = 0.005
"""By how much of the half detector height the rays differ at most between which the row weight is taken to be linear."""

FIELD = 1.01
"""Distance from the axis, as a multiple of the outermost ray's, beyond which no column is seen from all sides: left out."""


class Lattice(NamedTuple):
    """Layers and nodes; a tuple, because numba takes it apart.

    A magnification m, in row mm per mm, is at level base + (m / middle - middle / m) / step, nearly a logarithm, and each
    whole level is a layer. The row weight is worked out at some of them, and at some rays, and is linear between these.

    middle : magnification of level ``base``;
    base : a whole number, so that no level is below 0;
    step : what is divided by;
    every : from one layer that has nodes to the next;
    nodes : rays that have nodes, the first and the last of all among them, shape (nodes,);
    node : number of the last node that is not beyond a ray, and of the last but one for the last ray, shape (rays,);
    share : how far a ray is from this node to the next, shape (rays,).
    """

    middle: float
    base: float
    step: float
    every: int
    nodes: NDArray[np.int64]
    node: NDArray[np.int64]
    share: NDArray[np.float32]


def layer_distance(rows: int) -> float:
    """Ratio of the magnifications of neighbouring layers, less one, for a detector of this many rows."""
    return min(2 * ROWS / max(rows, 1), EDGE)


def layer_lattice(tables: BeamTables, rows: int) -> Lattice:
    """The lattice of a plan, for a detector of ``rows`` rows."""
    outermost = max(abs(tables.t_first), abs(tables.t_first + (len(tables.reach) - 1) * tables.t_step))
    field = min(FIELD * outermost / tables.radius, 0.999)
    middle = tables.nearest / (tables.radius * math.sqrt(1.0 - field * field))
    off_centre = tables.row_half / (abs(tables.row_middle) + tables.row_half)  # rows farther from the source's height differ more
    step = 2.0 * off_centre * layer_distance(rows)
    least = tables.nearest / (tables.radius * (1.0 + field)) / middle
    base = math.ceil((1.0 / least - least) / step) + 2.0
    nodes = _nodes(tables, field * tables.radius)
    rays = np.arange(len(tables.reach))
    node = np.minimum(np.searchsorted(nodes, rays, side="right") - 1, len(nodes) - 2)
    share = (rays - nodes[node]) / (nodes[node + 1] - nodes[node])
    every = max(1, math.floor(TURN / layer_distance(rows) + 1e-6))
    return Lattice(middle, base, step, every, nodes, node, share.astype(np.float32))


def _nodes(tables: BeamTables, field: float) -> NDArray[np.int64]:
    """Rays between which the row weight changes little within ``field`` mm from the axis."""
    rays = len(tables.reach)
    nearest = tables.reach - np.sqrt(np.maximum(field**2 - (tables.t_first + np.arange(rays) * tables.t_step) ** 2, 0.0))
    greatest = (tables.distance / nearest)[:-1]
    rise = float(np.max(np.abs(np.diff(tables.axial)))) * np.abs(np.diff(tables.fan_steps)) * greatest / tables.row_half
    bend = np.abs(np.diff(tables.reach)) * 2 * greatest / tables.nearest
    passed = np.concatenate(([0.0], np.cumsum(rise + bend))) / NODE
    begun = np.flatnonzero(np.diff(np.floor(passed)) > 0) + 1
    other = -2 * tables.t_first / tables.t_step  # ray r runs the same way as ray other - r half a turn later
    ends = np.array([math.floor(other), math.ceil(other), math.floor(other) - rays + 1, math.ceil(other) - rays + 1])
    if abs(other - round(other)) < 1e-5 and round(other) == rays - 1:
        ends = ends[:0]  # all have partners
    kept = np.concatenate(([0, rays - 1], begun, ends - 1, ends, ends + 1))
    return np.unique(kept[(kept >= 0) & (kept < rays)]).astype(np.int64)
