"""Least squares with total variation."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.methods.iterative import (
    IterativeParameters,
    Relaxation,
    iterate,
    iterations,
    relaxation,
    start,
    start_volume,
    wants_fbp,
)
from MITOReconstructionLib.methods.os_sart import ordered_subsets
from MITOReconstructionLib.methods.parameters import parameter
from MITOReconstructionLib.methods.registry import Method, Problem, Result, register
from MITOReconstructionLib.methods.system import System
from MITOReconstructionLib.methods.total_variation import Denoiser, momentum

__all__ = ["TV", "TVParameters"]

INNER = 8
"""Iterations of the denoiser after each step; its dual field stays from step to step."""


@dataclass(frozen=True)
class TVParameters(IterativeParameters, Relaxation):
    """Parameters of total variation."""

    iterations: int = iterations(20)
    relaxation: float = relaxation(1.0)
    non_negative: bool = parameter(True, "Keep the attenuation from falling below zero.")
    weight: float = parameter(
        0.07, "Weight of the total variation, relative: with w, a single voxel that stands out by about 5 w of the object's attenuation "
        "is flattened, whatever the number of views, the voxel size and the unit. More with noise or few views.", minimum=0.0,
    )  # fmt: skip
    subsets: int = parameter(4, "Number of subsets of the views; the volume is updated after each. 1 converges for sure.", minimum=1)
    start: str = start("fbp")


def run(problem: Problem, parameters: TVParameters) -> Result:
    """Minimise |p - A x|^2 / 2 + weight d m TV(x) by FISTA with ordered subsets.

    d is the mean of the diagonal of A'A, by Hutchinson's estimate on random signs, and m the attenuation of the object, from the
    steepest descent step v: sum v^2 / sum |v|. So the weight means the same whatever the units, views and voxels are.

    Beck, Teboulle, 'A fast iterative shrinkage-thresholding algorithm for linear inverse problems', SIAM J. Imaging Sci. 2 (2009)
    183; Kim, Ramani, Fessler, 'Combining ordered subsets and momentum for accelerated X-ray CT image reconstruction', IEEE Trans.
    Med. Imaging 34 (2015) 167. Memory is six volumes.

    Returns
    -------
    Result
        Attenuation in 1/mm. The report holds the relative residual ||p - A x|| / ||p|| that the subsets met in each iteration.

    Raises
    ------
    InputError, WorkError, Cancelled
        As :class:`System` and :func:`iterate`, and :meth:`Scan.read` of the projections.
    """
    with System(problem, context=parameters.context, start=wants_fbp(problem, parameters)) as system:
        norm = system.norm_squared()
        subsets = ordered_subsets(system.geometry.views, parameters.subsets)
        threshold = parameters.weight * _scale(system)
        search = _Search(system, parameters, start_volume(system, parameters), norm, threshold, subsets)
        report = iterate(system, parameters, "Total variation", search.x, search.step, clip=False)
    return Result(search.x, {**report, "norm_squared": norm, "subsets": len(subsets)})


class _Search:
    """The state of FISTA: x where we are, y where the next gradient is taken, v for the gradient."""

    def __init__(
        self,
        system: System,
        parameters: TVParameters,
        x: NDArray[np.float32],
        norm: float,
        threshold: float,
        subsets: list[NDArray[np.intp]],
    ) -> None:
        self.system, self.subsets = system, subsets
        self.length = parameters.relaxation / norm
        self.weight = threshold * self.length
        self.x, self.y, self.v = x, x.copy(), np.empty_like(x)
        self.denoiser = Denoiser(system.grid, non_negative=parameters.non_negative)
        self.t = 1.0

    def step(self, _: int) -> tuple[float, float]:
        """Go through all subsets once; give back ||p - A x||^2 and ||p||^2 as they were met."""
        misfit = measured = 0.0
        for index in self.subsets:
            self.v[...] = 0.0
            part = self.system.add_gradient(self.y, self.v, index)
            misfit, measured = misfit + part[0], measured + part[1]
            with np.errstate(over="ignore", invalid="ignore"):  # where it diverges; the residual tells
                np.multiply(self.v, np.float32(self.length * self.system.geometry.views / len(index)), out=self.v)
                np.add(self.v, self.y, out=self.v)
            self.denoiser.denoise(self.v, self.weight, self.y, INNER)
            before, self.t = self.t, 0.5 + math.sqrt(0.25 + self.t * self.t)
            momentum(self.x, self.y, (before - 1.0) / self.t)
        return misfit, measured


def _scale(system: System) -> float:
    """What a relative weight of 1 stands for, in mm: the mean diagonal of A'A times the object's attenuation."""
    gradient = np.zeros(system.grid.shape, dtype=np.float32)
    system.monitor.report("weights", 0.0)
    system.add_gradient(np.zeros_like(gradient), gradient)
    signs = np.random.default_rng(0).integers(0, 2, gradient.shape, dtype=np.int8).astype(np.float32)
    signs -= np.float32(0.5)
    signs *= np.float32(2.0)
    (buffer,) = system.buffers(1)
    along = diagonal = 0.0
    for index in system.blocks():
        part = buffer[: len(index)]
        diagonal += float(np.vdot(part, system.forward(signs, index, part)))
        along += float(np.vdot(part, system.forward(gradient, index, part)))
    system.monitor.report("weights", 1.0)
    total = float(np.abs(gradient).sum())
    if along == 0.0 or total == 0.0:
        return 0.0
    square = float(np.vdot(gradient, gradient))
    return diagonal / system.grid.size * (square / along) * square / total


TV = register(
    Method(
        name="tv",
        title="Total variation",
        help="Least squares with total variation: smooth regions and sharp edges out of few or noisy views.",
        unit="1/mm",
        parameters=TVParameters,
        run=run,
        volumes=6,
    )
)
