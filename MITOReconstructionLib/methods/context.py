"""What lies outside the grid: reconstructed coarsely, so that its shadow can be taken off the data.

A region smaller than the object is the normal case. Its iterative reconstruction would have to explain with the region's voxels
what the rest of the object left in the projections. So the rest is reconstructed first by filtered backprojection on a coarse
grid, projected, and subtracted; Ziegler, Nielsen, Grass, 'Iterative reconstruction of a region of interest for transmission
tomography', Med. Phys. 35 (2008) 1317.
"""

from __future__ import annotations

import math
from dataclasses import replace
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.errors import Diverged, InputError
from MITOReconstructionLib.geometry import ScanGeometry, VolumeGrid
from MITOReconstructionLib.methods.averaged import AveragedScan
from MITOReconstructionLib.methods.fbp import FBP, FBPParameters
from MITOReconstructionLib.methods.registry import Problem, get
from MITOReconstructionLib.projectors import backends
from MITOReconstructionLib.wfbp.plan import ParallelPlan

__all__ = ["Part", "Surroundings", "context_grid", "make_context"]

VOXELS = 192**3
"""At most about that many coarse voxels."""

UNSEEN = float(np.float32(-3e38))
AIR = 0.1
"""Share of the object's attenuation below which a voxel counts as air."""

NEGLIGIBLE = 0.002
"""Share of the object below which what is outside of the grid is left there."""

SPARSE = 3.0
"""Voxels between neighbouring beams at the edge of the field of view, above which FBP has streaks that need refinement."""

PIXEL, TURN, LEAST = 0.6, 0.75, 16
"""For filtered backprojection on the coarse grid pixels are averaged up to so many voxels at the axis, views up to so many at the
edge of the field of view; at least LEAST columns and rows are left."""

SHELL = 1.5
"""Thickness of the shell in coarse voxels."""

REFINEMENT: dict[str, object] = {"iterations": 8, "context": False, "non_negative": True}
CAREFUL: dict[str, object] = {**REFINEMENT, "subsets": 1, "relaxation": 0.9}
"""Taken where the refinement diverges: ordered subsets may, where views are few; one step for all views at a time does not."""

GROWN = 1.2
"""A refinement whose residual ends at so many times its smallest has begun to diverge."""


class Part(NamedTuple):
    """A part of the object outside of the region.

    grid : VolumeGrid;
    array : float32, shape grid.shape, 1/mm; zero where another part or the region lies.
    """

    grid: VolumeGrid
    array: NDArray[np.float32]


class Surroundings(NamedTuple):
    """What :func:`make_context` found.

    parts : tuple of Part, empty where there is nothing to take off;
    reason : a few words for the report;
    inside : float32, shape grid.shape, 1/mm: filtered backprojection of the region, or None where it did not come by itself.
    """

    parts: tuple[Part, ...]
    reason: str
    inside: NDArray[np.float32] | None = None


def make_context(problem: Problem, geometry: ScanGeometry, *, start: bool = False) -> Surroundings:
    """Reconstruct what the views that see the grid see outside of it: a shell about it in its own voxels, the rest coarsely.

    Where the views are so few that filtered backprojection has streaks, which would be subtracted as if they were there, total
    variation takes its volume from there; the coarse one has voxels enough then, and there is no shell.

    Parameters
    ----------
    problem : Problem
        All its views are used for the reconstruction.
    geometry : ScanGeometry
        Of the views that see the grid.
    start : bool
        Whether filtered backprojection of the region itself is wanted too.

    Raises
    ------
    InputError
        When a projection holds a NaN or an infinity.
    Cancelled
        When the run was asked to stop.
    """
    problem = replace(problem, initial=None, monitor=problem.monitor.inner("surroundings"))
    coarse = context_grid(problem.grid, geometry)
    if coarse is None:
        return Surroundings((), "the grid covers all that its views see")
    try:
        plan = ParallelPlan(problem.geometry)
    except InputError as error:
        return Surroundings((), f"no filtered backprojection of the surroundings: {error}")
    sparse = plan.theta_step * geometry.field_of_view_radius > SPARSE * max(*coarse.spacing[:2], plan.t_step)
    hole = problem.grid
    parts: list[Part] = []
    inside = None
    if not sparse and max(a / b for a, b in zip(coarse.spacing, hole.spacing, strict=True)) > 1.2:
        hole = _padded(problem.grid, coarse)
        around = _reconstruct(problem, plan, hole, extend=False)
        if start and _filter(plan, hole) == FBPParameters(fill_value=UNSEEN):
            inside = _inside(around, problem.grid)
        _extend(around)
        parts = _shell(around, hole, problem.grid)
        del around
        coarse = context_grid(hole, geometry) or coarse
    array, note = _reconstruct(*((problem, plan) if sparse else _averaged(problem, plan, coarse)), coarse), ""
    if sparse:
        array, note = _refined(replace(problem, grid=coarse, initial=array), array)
    air = AIR * float(np.quantile(np.abs(array[::2, ::2, ::2]), 0.99))
    if _mass(_cut(array.copy(), coarse, problem.grid), air) <= NEGLIGIBLE * _mass(array, air):
        return Surroundings((), "nothing but air outside the grid", inside)
    note = "taken off, from {} x {} x {} voxels".format(*coarse.shape) + note
    return Surroundings((*parts, Part(coarse, _cut(array, coarse, hole))), note, inside)


def _shell(array: NDArray[np.float32], hole: VolumeGrid, grid: VolumeGrid) -> list[Part]:
    """What lies between a padded grid and the region, in six boxes: projecting their voxels takes less time than leaving out zeros."""
    room = tuple((m - n) // 2 for m, n in zip(hole.shape, grid.shape, strict=True))
    parts, first, last = [], [0, 0, 0], list(hole.shape)
    for axis in (2, 1, 0):
        ends = room[axis], hole.shape[axis] - room[axis]
        for low, high in ((0, ends[0]), (ends[1], hole.shape[axis])):
            first[axis], last[axis] = low, high
            box = hole.region((first[0], first[1], first[2]), (last[0], last[1], last[2]))
            parts.append(Part(box, np.ascontiguousarray(array[tuple(slice(a, b) for a, b in zip(first, last, strict=True))])))
        first[axis], last[axis] = ends
    return parts


def _inside(array: NDArray[np.float32], grid: VolumeGrid) -> NDArray[np.float32]:
    """What the padded grid's filtered backprojection is within the region; unseen voxels are 0."""
    part = array[tuple(slice((m - n) // 2, (m + n) // 2) for m, n in zip(array.shape, grid.shape, strict=True))]
    return np.where(part <= 0.5 * UNSEEN, np.float32(0.0), part)


def _averaged(problem: Problem, plan: ParallelPlan, grid: VolumeGrid) -> tuple[Problem, ParallelPlan]:
    """The problem with pixels and views averaged to what the voxels of a coarse grid can tell apart, and its plan."""
    d, geometry = problem.geometry.detector, problem.geometry
    across, along = min(grid.spacing[:2]), grid.spacing[2] * geometry.source_to_detector / geometry.source_radius
    columns = max(min(d.columns, LEAST), math.ceil(d.columns / max(1.0, PIXEL * across / plan.t_step)))
    rows = max(min(d.rows, LEAST), math.ceil(d.rows / max(1.0, PIXEL * along / d.row_pitch)))
    group = max(1, int(TURN * across / (plan.theta_step * geometry.field_of_view_radius)))
    if geometry.is_circular:  # so that a full circle stays one
        group = next(n for n in range(group, 0, -1) if geometry.views % n == 0)
    if float(np.max(np.abs(plan.axial - plan.smooth_axial))) > 0.25 * PIXEL * grid.spacing[2]:
        group = 1
    if (group, columns, rows) == (1, d.columns, d.rows):
        return problem, plan
    try:
        scan = AveragedScan(problem.scan, problem.views, geometry, group=group, columns=columns, rows=rows)
        averaged = ParallelPlan(scan.geometry)
    except InputError:  # barely half a turn of parallel beams
        return problem, plan
    return replace(problem, scan=scan, views=np.arange(scan.geometry.views), geometry=scan.geometry), averaged


def _reconstruct(problem: Problem, plan: ParallelPlan, grid: VolumeGrid, *, extend: bool = True) -> NDArray[np.float32]:
    """Filtered backprojection that, extended, goes on beyond the range that the scan covers along z; else UNSEEN there."""
    backend = problem.backend
    if backend.name != "cpu":  # the projector's GPU does no FBP, another package may
        backend = backends.choose_backend(backends.AUTO, backends.FBP)
    array = FBP.run(replace(problem, grid=grid, backend=backend), _filter(plan, grid)).array
    if extend:
        _extend(array)
    return array


def _refined(problem: Problem, array: NDArray[np.float32]) -> tuple[NDArray[np.float32], str]:
    """A volume after total variation, and a few words where that had to go slowly, or where it did not get anywhere."""
    method = get("tv")
    for parameters, note in ((REFINEMENT, ""), (CAREFUL, ", refined without subsets, with which it diverged")):
        try:
            found = method.run(problem, method.parameters.from_dict(dict(parameters)))
        except Diverged:
            continue
        if found.report["residuals"][-1] <= GROWN * min(found.report["residuals"]):
            return found.array, note
    return array, ", not refined, for that diverged"


def _mass(array: NDArray[np.float32], air: float) -> float:
    """The sum of what stands out from air."""
    return math.fsum(float(np.abs(slab[np.abs(slab) > air]).sum()) for slab in array)


def _padded(grid: VolumeGrid, coarse: VolumeGrid) -> VolumeGrid:
    """The grid with so many voxels more on every side that a coarse voxel outside holds nothing from inside the region."""
    counts = [math.ceil(SHELL * wide / fine) for wide, fine in zip(coarse.spacing, grid.spacing, strict=True)]
    return VolumeGrid(
        tuple(a - n * d for a, n, d in zip(grid.minimum, counts, grid.spacing, strict=True)),  # type: ignore[arg-type]
        tuple(a + n * d for a, n, d in zip(grid.maximum, counts, grid.spacing, strict=True)),  # type: ignore[arg-type]
        tuple(m + 2 * n for m, n in zip(grid.shape, counts, strict=True)),  # type: ignore[arg-type]
    )


def context_grid(grid: VolumeGrid, geometry: ScanGeometry) -> VolumeGrid | None:
    """The coarse grid over the field of view and the axial range that the rays through a grid can reach.

    The grid's box is a whole number of coarse voxels wide, so that it can be cut out; only where it is narrower than a
    coarse voxel it lies in the middle of one.

    Returns
    -------
    VolumeGrid or None
        None where the grid covers all of that.
    """
    radius = geometry.field_of_view_radius
    slope = np.array([geometry.detector.row_min, geometry.detector.row_max]) / geometry.source_to_detector
    reach = slope[:, None] * (geometry.source_radius + np.array([-radius, radius]))
    low = (-radius, -radius, float(geometry.axial_positions.min() + min(0.0, reach.min())))
    high = (radius, radius, float(geometry.axial_positions.max() + max(0.0, reach.max())))
    factor = 1.0
    for _ in range(8):
        axes = [_axis(*edges, factor) for edges in zip(grid.minimum, grid.maximum, grid.spacing, low, high, strict=True)]
        count = math.prod(n for _, _, n in axes)
        if count <= VOXELS:
            break
        factor *= 1.02 * (count / VOXELS) ** (1 / 3)
    coarse = VolumeGrid(tuple(a for a, _, _ in axes), tuple(b for _, b, _ in axes), tuple(n for _, _, n in axes))  # type: ignore[arg-type]
    inside = all(a >= b - 1e-9 for a, b in zip(coarse.minimum, grid.minimum, strict=True)) and all(
        a <= b + 1e-9 for a, b in zip(coarse.maximum, grid.maximum, strict=True)
    )
    return None if inside else coarse


def _axis(first: float, last: float, spacing: float, low: float, high: float, factor: float) -> tuple[float, float, int]:
    """Edges and number of coarse voxels along one axis: the region's own, and whole ones on either side."""
    extent, step = last - first, factor * spacing
    count = round(extent / step)
    if count:
        step = extent / count
    else:  # a region narrower than a voxel lies in the middle of one
        first, last, count = 0.5 * (first + last - step), 0.5 * (first + last + step), 1
    below = max(0, math.ceil((first - low) / step - 1e-6))
    above = max(0, math.ceil((high - last) / step - 1e-6))
    return first - below * step, last + above * step, below + count + above


def _filter(plan: ParallelPlan, grid: VolumeGrid) -> FBPParameters:
    """A ramp filter that leaves out what the coarse voxels cannot hold."""
    ratio = max(grid.spacing[:2]) / plan.t_step
    if ratio <= 1.7:
        return FBPParameters(fill_value=UNSEEN)
    return FBPParameters(filter_type="Hann", frequency_scaling=min(1.0, 1.5 / ratio), fill_value=UNSEEN)


def _cut(array: NDArray[np.float32], grid: VolumeGrid, hole: VolumeGrid) -> NDArray[np.float32]:
    """Take the box of another grid out of an array on ``grid``, in place: every voxel keeps the part that lies outside."""
    shares = []
    for axis in range(3):
        edges = grid.minimum[axis] + np.arange(grid.shape[axis] + 1) * grid.spacing[axis]
        overlap = np.minimum(edges[1:], hole.maximum[axis]) - np.maximum(edges[:-1], hole.minimum[axis])
        share = np.clip(overlap / grid.spacing[axis], 0.0, 1.0)
        share[share > 1.0 - 1e-6] = 1.0
        shares.append(share.astype(np.float32))
    inside = shares[1][:, None] * shares[2]
    for slab, share in zip(array, shares[0], strict=True):
        if share > 0.0:
            slab *= 1.0 - share * inside
    return array


def _extend(array: NDArray[np.float32]) -> None:
    """Repeat the first and the last seen voxel of every column along z beyond them; an unseen column is air."""
    for slab in array:
        seen = slab > 0.5 * UNSEEN
        some = seen.any(axis=1)
        first, last = seen.argmax(axis=1), seen.shape[1] - 1 - seen[:, ::-1].argmax(axis=1)
        nearest = np.clip(np.arange(seen.shape[1]), first[:, None], last[:, None])
        slab[...] = np.where(some[:, None], np.take_along_axis(slab, nearest, axis=1), 0.0)
        slab[slab <= 0.5 * UNSEEN] = 0.0  # a gap between two seen parts
