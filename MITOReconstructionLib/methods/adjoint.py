"""The plain adjoint: unfiltered backprojection."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from MITOReconstructionLib.methods.blocks import add_adjoint, view_blocks
from MITOReconstructionLib.methods.parameters import Parameters
from MITOReconstructionLib.methods.registry import Method, Problem, Result, register
from MITOReconstructionLib.projectors.warm import prepare

__all__ = ["ADJOINT", "AdjointParameters"]


@dataclass(frozen=True)
class AdjointParameters(Parameters):
    """The adjoint has no parameters."""


def run(problem: Problem, parameters: AdjointParameters) -> Result:
    """Backproject the projections as they are: A'p, in mm. It inverts nothing; it shows what the data cover.

    Raises
    ------
    InputError
        When a projection holds a NaN or an infinity.
    Cancelled
        When the run was asked to stop.
    """
    prepare(problem.backend, problem.monitor)
    volume = np.zeros(problem.grid.shape, dtype=np.float32)
    problem.monitor.report("backprojection", 0.0)
    for views, projections in view_blocks(problem):
        add_adjoint(problem, projections, views, volume)
        problem.monitor.report("backprojection", views.stop / len(problem.views))
    return Result(volume)


ADJOINT = register(
    Method(
        name="adjoint",
        title="Adjoint",
        help="Unfiltered backprojection, the transpose of the projector. Blurred; shows what the data cover.",
        unit="mm",
        parameters=AdjointParameters,
        run=run,
        volumes=1,
    )
)
