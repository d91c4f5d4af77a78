"""Ordered-subsets SART."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.methods.iterative import (
    IterativeParameters,
    Relaxation,
    descend,
    iterate,
    iterations,
    relaxation,
    start_volume,
    wants_fbp,
)
from MITOReconstructionLib.methods.parameters import parameter
from MITOReconstructionLib.methods.registry import Method, Problem, Result, register
from MITOReconstructionLib.methods.sums import RowWeights, column_weights
from MITOReconstructionLib.methods.system import System

__all__ = ["OS_SART", "OSSARTParameters", "ordered_subsets"]

GOLDEN = 0.6180339887498949


@dataclass(frozen=True)
class OSSARTParameters(IterativeParameters, Relaxation):
    """Parameters of OS-SART."""

    iterations: int = iterations(10)
    relaxation: float = relaxation(1.0)
    subsets: int = parameter(
        10, "Number of subsets of the views; the volume is updated after each. More are faster and noisier; 1 is SIRT.", minimum=1
    )


def ordered_subsets(views: int, subsets: int) -> list[NDArray[np.intp]]:
    """Indices of every ``subsets``-th view from each of the first views on, far from each other one after the other.

    The order is that of the fractional parts of multiples of the golden ratio.
    """
    count = min(subsets, views)
    order = np.argsort((np.arange(count) * GOLDEN) % 1.0)
    return [np.arange(int(first), views, count) for first in order]


def run(problem: Problem, parameters: OSSARTParameters) -> Result:
    """SIRT with the views of one subset at a time.

    Censor, Elfving, 'Block-iterative algorithms with diagonally scaled oblique projections for the linear feasibility problem',
    SIAM J. Matrix Anal. Appl. 24 (2002) 40; Wang, Jiang, 'Ordered-subset simultaneous algebraic reconstruction techniques
    (OS-SART)', J. X-Ray Sci. Technol. 12 (2004) 169.

    Returns
    -------
    Result
        Attenuation in 1/mm. The report holds the relative residual that the subsets met in each iteration.

    Raises
    ------
    InputError, WorkError, Cancelled
        As :class:`System` and :func:`iterate`, and :meth:`Scan.read` of the projections.
    """
    with System(problem, context=parameters.context, weights=True, start=wants_fbp(problem, parameters)) as system:
        subsets = ordered_subsets(system.geometry.views, parameters.subsets)
        rows = RowWeights(system)
        columns = column_weights(system, subsets)
        columns *= np.float32(parameters.relaxation)
        volume = start_volume(system, parameters)
        update = np.empty_like(volume)

        def step(_: int) -> tuple[float, float]:
            misfit = measured = 0.0
            for index in subsets:
                part = descend(system, volume, update, columns, index, rows.weigh)
                misfit, measured = misfit + part[0], measured + part[1]
                if parameters.non_negative:
                    np.maximum(volume, 0, out=volume)
            return misfit, measured

        report = iterate(system, parameters, "OS-SART", volume, step)
    return Result(volume, {**report, "subsets": len(subsets)})


OS_SART = register(
    Method(
        name="os-sart",
        title="OS-SART",
        help="SIRT with a part of the views at a time: a good volume after few iterations.",
        unit="1/mm",
        parameters=OSSARTParameters,
        run=run,
        volumes=4,
    )
)
