"""Landweber iteration."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.errors import InputError, WorkError
from MITOReconstructionLib.methods.blocks import add_adjoint, view_blocks
from MITOReconstructionLib.methods.parameters import Parameters, parameter
from MITOReconstructionLib.methods.registry import Method, Problem, Result, register
from MITOReconstructionLib.projectors.norm import norm_squared

__all__ = ["LANDWEBER", "LandweberParameters"]


@dataclass(frozen=True)
class LandweberParameters(Parameters):
    """Parameters of Landweber iteration."""

    iterations: int = parameter(50, "Number of iterations.", minimum=1, aliases=("niter",))
    relaxation: float = parameter(
        1.0,
        "Length of a step, relative: 1 stands for 1 / ||A||^2.",
        above=0.0,
        below=2.0,
        aliases=("omega",),
        reason="Steps are relative to 1 / ||A||^2; the iteration diverges from 2 on, so choose a value between 0 and 2.",
    )
    non_negative: bool = parameter(False, "Set negative values to zero after every iteration.")


def run(problem: Problem, parameters: LandweberParameters) -> Result:
    """Iterate x <- x + relaxation / ||A||^2 A'(p - A x) from x = 0.

    Landweber, 'An iteration formula for Fredholm integral equations of the first kind', Amer. J. Math. 73 (1951) 615.

    Returns
    -------
    Result
        Attenuation in 1/mm. The report holds the relative residual ||p - A x|| / ||p|| before each iteration.

    Raises
    ------
    InputError
        When no view sees the grid, or a projection holds a NaN or an infinity.
    WorkError
        When the iteration diverges, naming the iteration.
    Cancelled
        When the run was asked to stop.
    """
    monitor = problem.monitor
    monitor.report("norm of the projector", 0.0)
    norm = norm_squared(problem.geometry, problem.grid, problem.backend)
    if norm == 0.0:
        raise InputError(
            "grid", expected="a box that the views see", found="no view that sees it", remedy="Move the box or choose other views."
        )
    volume = np.zeros(problem.grid.shape, dtype=np.float32)
    residuals: list[float] = []
    for iteration in range(parameters.iterations):
        update, residual = _gradient(problem, volume, iteration, parameters.iterations)
        residuals.append(residual)
        if not np.isfinite(residual):
            raise WorkError(f"Landweber diverged at iteration {iteration}: the residual is {residual}. Choose a smaller relaxation.")
        update *= np.float32(parameters.relaxation / norm)
        volume += update
        if parameters.non_negative:
            np.maximum(volume, 0, out=volume)
        monitor.report("Landweber", (iteration + 1) / parameters.iterations, iteration=iteration + 1, residual=residual)
    return Result(volume, {"residuals": residuals, "norm_squared": norm})


def _gradient(problem: Problem, volume: NDArray[np.float32], iteration: int, iterations: int) -> tuple[NDArray[np.float32], float]:
    """A'(p - A x) and the relative residual ||p - A x|| / ||p||."""
    update = np.zeros_like(volume)
    misfit = measured = 0.0
    for views, projections in view_blocks(problem):
        measured += float(np.vdot(projections, projections))
        projections -= problem.backend.forward(volume, problem.grid, problem.geometry, views=views)
        misfit += float(np.vdot(projections, projections))
        add_adjoint(problem, projections, views, update)
        done = iteration + views.stop / len(problem.views)
        problem.monitor.report("Landweber", done / iterations, iteration=iteration + 1)
    return update, float(np.sqrt(misfit / measured)) if measured else 0.0


LANDWEBER = register(
    Method(
        name="landweber",
        title="Landweber",
        help="Gradient descent on the squared residual; slow but steady, regularised by stopping early.",
        unit="1/mm",
        parameters=LandweberParameters,
        run=run,
    )
)
