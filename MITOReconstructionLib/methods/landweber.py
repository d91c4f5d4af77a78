"""Landweber iteration."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from MITOReconstructionLib.methods.iterative import IterativeParameters, Relaxation, iterate, iterations, start_volume, wants_fbp
from MITOReconstructionLib.methods.registry import Method, Problem, Result, register
from MITOReconstructionLib.methods.system import System

__all__ = ["LANDWEBER", "LandweberParameters"]


@dataclass(frozen=True)
class LandweberParameters(IterativeParameters, Relaxation):
    """Parameters of Landweber iteration."""

    iterations: int = iterations(50)


def run(problem: Problem, parameters: LandweberParameters) -> Result:
    """Iterate x <- x + relaxation / ||A||^2 A'(p - A x).

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
    with System(problem, context=parameters.context, start=wants_fbp(problem, parameters)) as system:
        norm = system.norm_squared()
        volume = start_volume(system, parameters)
        update = np.empty_like(volume)

        def step(_: int) -> float:
            update[...] = 0.0
            misfit, measured = system.add_gradient(volume, update)
            np.multiply(update, np.float32(parameters.relaxation / norm), out=update)
            np.add(volume, update, out=volume)
            return float(np.sqrt(misfit / measured)) if measured else 0.0

        report = iterate(system, parameters, "Landweber", volume, step)
    return Result(volume, {**report, "norm_squared": norm})


LANDWEBER = register(
    Method(
        name="landweber",
        title="Landweber",
        help="Gradient descent on the squared residual; slow but steady, regularised by stopping early.",
        unit="1/mm",
        parameters=LandweberParameters,
        run=run,
        volumes=3,
    )
)
