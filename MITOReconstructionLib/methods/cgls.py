"""Conjugate gradients on the least squares problem."""

from __future__ import annotations

import math
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.methods.iterative import IterativeParameters, iterate, iterations, start, start_volume, wants_fbp
from MITOReconstructionLib.methods.registry import Method, Problem, Result, register
from MITOReconstructionLib.methods.system import System

__all__ = ["CGLS", "CGLSParameters"]

RENEW = 20
"""Iterations after which the gradient is computed anew from the data, so that rounding errors do not pile up."""

RENEW_BOUND = 5
"""The same with non-negativity, which takes effect then."""


@dataclass(frozen=True)
class CGLSParameters(IterativeParameters):
    """Parameters of CGLS."""

    iterations: int = iterations(4)
    start: str = start("fbp")


class _Search:
    """The state of conjugate gradients: volumes alone, no array of the data's size.

    x : where we are; s : A'(p - A x); d : the direction; q : A'A d.
    """

    def __init__(self, system: System, x: NDArray[np.float32]) -> None:
        self.system, self.x = system, x
        self.s, self.d, self.q = np.zeros_like(x), np.zeros_like(x), np.zeros_like(x)
        self.gamma = self.misfit = self.measured = 0.0

    def renew(self) -> None:
        """Compute gradient and residual from the data, and search along the gradient."""
        self.s[...] = 0.0
        self.misfit, self.measured = self.system.add_gradient(self.x, self.s)
        self.d[...] = self.s
        self.gamma = _dot(self.s, self.s)

    def advance(self) -> None:
        """One step: x moves along d to the least residual."""
        if self.gamma == 0.0:
            return
        curvature = self._apply()
        if not curvature > 0.0:
            self.gamma = 0.0
            return
        alpha = self.gamma / curvature
        _add(self.x, alpha, self.d)
        _add(self.s, -alpha, self.q)
        self.misfit = max(0.0, self.misfit - alpha * self.gamma)
        before, self.gamma = self.gamma, _dot(self.s, self.s)
        self.d *= np.float32(self.gamma / before)
        self.d += self.s

    def _apply(self) -> float:
        """Compute q = A'A d; give back ||A d||^2."""
        self.q[...] = 0.0
        (buffer,) = self.system.buffers(1)
        square = 0.0
        for index in self.system.blocks():
            projected = self.system.forward(self.d, index, buffer[: len(index)])
            square += float(np.vdot(projected, projected))
            self.system.add_adjoint(projected, index, self.q)
        return square


def run(problem: Problem, parameters: CGLSParameters) -> Result:
    """Conjugate gradients on A'A x = A'p.

    Hestenes, Stiefel, 'Methods of conjugate gradients for solving linear systems', J. Res. Natl. Bur. Stand. 49 (1952) 409. The
    residual p - A x, as large as all the projections, is not kept: the gradient A'(p - A x) follows by recursion from A'A d, its
    norm from ||r||^2 - alpha gamma, and both are computed anew from the data every now and then (residual replacement; van der
    Vorst, Ye, SIAM J. Sci. Comput. 22 (2000) 835). So an iteration takes one forward and one back projection, reads no data, and
    memory is four volumes.

    With ``non_negative`` the iteration starts again from the clipped volume every few iterations.

    Returns
    -------
    Result
        Attenuation in 1/mm. The report holds the relative residual ||p - A x|| / ||p|| after each iteration.

    Raises
    ------
    InputError, WorkError, Cancelled
        As :class:`System` and :func:`iterate`, and :meth:`Scan.read` of the projections.
    """
    with System(problem, context=parameters.context, start=wants_fbp(problem, parameters)) as system:
        search = _Search(system, start_volume(system, parameters))
        every = RENEW_BOUND if parameters.non_negative else RENEW

        def step(number: int) -> tuple[float, float]:
            if number % every == 0:
                if parameters.non_negative:
                    np.maximum(search.x, 0, out=search.x)
                search.renew()
            search.advance()
            return search.misfit, search.measured

        report = iterate(system, parameters, "CGLS", search.x, step, clip=False)
    if parameters.non_negative:
        np.maximum(search.x, 0, out=search.x)
    return Result(search.x, report)


def _dot(a: NDArray[np.float32], b: NDArray[np.float32]) -> float:
    """The inner product; slab by slab in float32, over them in float64."""
    return math.fsum(float(np.vdot(one, other)) for one, other in zip(a, b, strict=True))


def _add(a: NDArray[np.float32], factor: float, b: NDArray[np.float32]) -> None:
    """Add ``factor`` b to a, slab by slab, so that no volume is made for the product."""
    for one, other in zip(a, b, strict=True):
        one += np.float32(factor) * other


CGLS = register(
    Method(
        name="cgls",
        title="CGLS",
        help="Conjugate gradients on the squared residual: the fewest iterations; stop early where there is noise.",
        unit="1/mm",
        parameters=CGLSParameters,
        run=run,
        volumes=4,
    )
)
