"""Landweber iteration."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from MITOReconstructionLib.methods.iterative import IterativeParameters, Relaxation, descend, iterate, iterations, start_volume, wants_fbp
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
    InputError, WorkError, Cancelled
        As :class:`System` and :func:`iterate`, and :meth:`Scan.read` of the projections.
    """
    with System(problem, context=parameters.context, start=wants_fbp(problem, parameters)) as system:
        norm = system.norm_squared()
        length = np.float32(parameters.relaxation / norm)
        volume = start_volume(system, parameters)
        update = np.empty_like(volume)
        report = iterate(system, parameters, "Landweber", volume, lambda _: descend(system, volume, update, length))
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
