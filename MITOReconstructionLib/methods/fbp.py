"""Weighted filtered backprojection of helical and circular scans."""

from __future__ import annotations

from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.geometry import VolumeGrid
from MITOReconstructionLib.methods.parameters import Parameters, parameter
from MITOReconstructionLib.methods.registry import Method, Problem, Result, register
from MITOReconstructionLib.projectors import backends
from MITOReconstructionLib.projectors.cupy_gpu import CudaBackend
from MITOReconstructionLib.wfbp.backproject import BeamTables, backproject, beam_tables, beams_seeing
from MITOReconstructionLib.wfbp.coverage import fill_unseen
from MITOReconstructionLib.wfbp.filters import FILTERS, RampFilter
from MITOReconstructionLib.wfbp.gpu import filtered_backprojection
from MITOReconstructionLib.wfbp.groups import MOST
from MITOReconstructionLib.wfbp.layers import backproject_layers, layers_suit
from MITOReconstructionLib.wfbp.plan import ParallelPlan
from MITOReconstructionLib.wfbp.shared import SharedBeams, beams_key
from MITOReconstructionLib.wfbp.stream import BeamStream
from MITOReconstructionLib.wfbp.warm import compile_kernels

__all__ = ["FBP", "FBPParameters", "beams_at_a_time"]

MOST_BEAMS, BLOCK_BYTES = 256, 192 << 20
"""Beams that are backprojected by layers at a time, and bytes of them: the fewer, the more often the volume is fetched."""

LARGE = 8_000_000
"""Voxels above which fewer beams are worked on at a time column by column, so that a run stops soon after it was asked to."""


@dataclass(frozen=True)
class FBPParameters(Parameters):
    """Parameters of filtered backprojection."""

    filter_type: str = parameter("Ram-Lak", "Window on the ramp filter: Ram-Lak is the sharpest, Hann the smoothest.", choices=FILTERS)
    frequency_scaling: float = parameter(
        1.0, "Share of the frequency band that is kept; smaller values blur and reduce noise.", above=0.0, maximum=1.0
    )
    padding: bool = parameter(True, "Pad projections with zeros before filtering, so that their ends do not wrap round.")
    fill_value: float = parameter(0.0, "Value of voxels that the scan does not see from every direction.", unit="1/mm")


def beams_at_a_time(plan: ParallelPlan, grid: VolumeGrid) -> int:
    """How many parallel beams are filtered and backprojected together."""
    if layers_suit(plan, grid):
        beam = 4 * len(plan.t) * plan.geometry.detector.rows
        return max(4, min(MOST_BEAMS, BLOCK_BYTES // beam) // MOST) * MOST
    return 8 if grid.size > LARGE else 32


def run(problem: Problem, parameters: FBPParameters) -> Result:
    """Reconstruct by weighted FBP; see :mod:`MITOReconstructionLib.wfbp`.

    Returns
    -------
    Result
        Attenuation in 1/mm. The report counts the voxels that some direction of half a turn does not see
        (``unseen_voxels``), which hold ``fill_value``; where the pitch is high or the axial positions wobble,
        the detector is extended by repeating its outermost
        rows (``row_extension``, a part of its height) as far as it takes to see all of the field of view.
        ``backprojection`` names the kernel that was used.

    Raises
    ------
    InputError
        When the views do not make up half a turn of parallel beams, or a projection holds a NaN.
    WorkError
        When the GPU fails, or has not enough memory.
    Cancelled
        When the run was asked to stop.
    """
    plan = ParallelPlan(problem.geometry)
    monitor, grid = problem.monitor, problem.grid
    ramp = RampFilter.design(
        len(plan.t), plan.t_step, parameters.filter_type, frequency_scaling=parameters.frequency_scaling, padding=parameters.padding
    )
    tables = beam_tables(plan)
    facts: dict[str, Any] = {}
    if isinstance(problem.backend, CudaBackend):
        volume, unseen, facts["gpu"] = filtered_backprojection(
            problem.backend, problem.scan, problem.views, plan, ramp, tables, grid, parameters.fill_value, monitor
        )
    else:
        volume = _on_cpu(problem, parameters, plan, ramp, tables)
        unseen = fill_unseen(volume, grid, tables, parameters.fill_value, monitor)
        facts["backprojection"] = "layers of equal magnification" if layers_suit(plan, grid) else "column by column"
    return Result(
        volume,
        {
            "unseen_voxels": unseen,
            "beams": plan.beams,
            "beams_per_half_turn": plan.half_turn,
            "row_extension": plan.row_extension,
            **facts,
        },
    )


def _on_cpu(problem: Problem, parameters: FBPParameters, plan: ParallelPlan, ramp: RampFilter, tables: BeamTables) -> NDArray[np.float32]:
    """The volume before its unseen voxels are filled, on all cores."""
    monitor, grid = problem.monitor, problem.grid
    compile_kernels(monitor)
    volume = np.zeros(grid.shape, dtype=np.float32)
    first, last = beams_seeing(plan, grid)
    first, last = first // MOST * MOST, min(plan.beams, (last + MOST - 1) // MOST * MOST)  # whole groups, also in a part of the volume
    add = backproject_layers if layers_suit(plan, grid) else backproject
    stream = SharedBeams(
        BeamStream(problem.scan, problem.views, plan, ramp, block=beams_at_a_time(plan, grid)),
        beams_key(problem.scan, problem.views, parameters.filter_type, parameters.frequency_scaling, parameters.padding),
    )
    monitor.report("filtered backprojection", 0.0)
    for start, beams in stream.blocks(first, last, monitor):
        add(volume, grid, beams, start, tables)
        monitor.report("filtered backprojection", (start + len(beams) - first) / (last - first))
    return volume


def join_slabs(reports: list[dict[str, Any]]) -> dict[str, Any]:
    """The report on a volume from those on its slabs: unseen voxels are counted together, the rest is the same in all."""
    return {**reports[0], "unseen_voxels": sum(report["unseen_voxels"] for report in reports)}


FBP = register(
    Method(
        name="fbp",
        title="Filtered backprojection",
        help="Weighted filtered backprojection of helical and circular scans with flat or curved detectors, at any pitch. Fast and direct.",
        unit="1/mm",
        parameters=FBPParameters,
        run=run,
        volumes=1,
        join_slabs=join_slabs,
        purpose=backends.FBP,
    )
)
