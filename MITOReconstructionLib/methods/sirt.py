"""Simultaneous iterative reconstruction."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np

from MITOReconstructionLib.methods.iterative import IterativeParameters, Relaxation, descend, iterate, iterations, start_volume, wants_fbp
from MITOReconstructionLib.methods.registry import Method, Problem, Result, register
from MITOReconstructionLib.methods.sums import RowWeights, column_weights
from MITOReconstructionLib.methods.system import System

__all__ = ["SIRT", "SIRTParameters"]


@dataclass(frozen=True)
class SIRTParameters(IterativeParameters, Relaxation):
    """Parameters of SIRT."""

    iterations: int = iterations(100)


def run(problem: Problem, parameters: SIRTParameters) -> Result:
    """Iterate x <- x + relaxation C A' R (p - A x), with R and C one over the row and the column sums of A.

    Gilbert, 'Iterative methods for the three-dimensional reconstruction of an object from projections', J. Theor. Biol. 36
    (1972) 105, in the form of Gregor, Benson, 'Computational analysis and improvement of SIRT', IEEE Trans. Med. Imaging 27
    (2008) 918. The largest eigenvalue of C A' R A is 1, so that the step needs no norm and a relaxation below 2 converges.

    Returns
    -------
    Result
        Attenuation in 1/mm. The report holds the relative residual ||p - A x|| / ||p|| before each iteration.

    Raises
    ------
    InputError, WorkError, Cancelled
        As :class:`System` and :func:`iterate`, and :meth:`Scan.read` of the projections.
    """
    with System(problem, context=parameters.context, weights=True, start=wants_fbp(problem, parameters)) as system:
        rows = RowWeights(system)
        columns = column_weights(system)
        columns *= np.float32(parameters.relaxation)
        volume = start_volume(system, parameters)
        update = np.empty_like(volume)
        report = iterate(system, parameters, "SIRT", volume, lambda _: descend(system, volume, update, columns, weigh=rows.weigh))
    return Result(volume, report)


SIRT = register(
    Method(
        name="sirt",
        title="SIRT",
        help="Simultaneous iterative reconstruction: steps weighted by the lengths of rays and the views of voxels. Steady with noise.",
        unit="1/mm",
        parameters=SIRTParameters,
        run=run,
        volumes=4,
    )
)
