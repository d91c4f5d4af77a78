"""What iterative methods share: their parameters, where they start, and the loop."""

from __future__ import annotations

import math
from collections.abc import Callable
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.errors import Diverged, InputError
from MITOReconstructionLib.methods.fbp import FBP, FBPParameters
from MITOReconstructionLib.methods.parameters import Parameters, parameter
from MITOReconstructionLib.methods.registry import Problem
from MITOReconstructionLib.methods.system import System
from MITOReconstructionLib.wfbp.plan import ParallelPlan

__all__ = [
    "Iterations",
    "IterativeParameters",
    "Relaxation",
    "descend",
    "iterate",
    "iterations",
    "relaxation",
    "start",
    "start_volume",
    "wants_fbp",
]

RISE = 2.0
"""An iteration whose residual has grown to so many times its smallest, and beyond its first, diverges."""


def iterations(default: int) -> Any:
    """The parameter ``iterations``, with a method's own default."""
    return parameter(default, "Number of iterations; each goes through all the views once.", minimum=1, aliases=("niter",))


def relaxation(default: float) -> Any:
    """The parameter ``relaxation``, with a method's own default."""
    return parameter(
        default,
        "Length of a step, relative: 1 stands for 1 / ||A||^2.",
        above=0.0,
        below=2.0,
        aliases=("omega",),
        reason="Steps are relative to 1 / ||A||^2; the iteration diverges from 2 on, so choose a value between 0 and 2.",
    )


def start(default: str) -> Any:
    """The parameter ``start``, with a method's own default."""
    return parameter(
        default,
        "Where to start: from zero, or from filtered backprojection where the views allow it; a volume given to start from goes before.",
        choices=("zero", "fbp"),
    )


@dataclass(frozen=True)
class Iterations(Parameters):
    """Of every iterative method; first, so that it is shown first."""

    iterations: int = iterations(50)


@dataclass(frozen=True)
class Relaxation(Iterations):
    """Of the methods that take steps of a given length."""

    relaxation: float = relaxation(1.0)


@dataclass(frozen=True)
class IterativeParameters(Iterations):
    """Of every iterative method."""

    non_negative: bool = parameter(False, "Keep the attenuation from falling below zero.")
    start: str = start("zero")
    context: bool = parameter(
        True, "Take off the projections what lies outside the grid, after a coarse filtered backprojection; without it a region "
        "smaller than the object gets artefacts.",
    )  # fmt: skip
    stop_residual: float = parameter(
        0.0, "Stop when the residual ||p - A x|| / ||p|| has fallen to this; 0 goes through all iterations.", minimum=0.0, below=1.0
    )
    stop_change: float = parameter(
        0.0, "Stop when an iteration changes the residual by less than this part of it; 0 goes through all iterations.",
        minimum=0.0, below=1.0,
    )  # fmt: skip


def wants_fbp(problem: Problem, parameters: IterativeParameters) -> bool:
    """Whether a run will start from filtered backprojection."""
    return problem.initial is None and parameters.start == "fbp"


def start_volume(system: System, parameters: IterativeParameters) -> NDArray[np.float32]:
    """A new volume to start from, float32, shape grid.shape: the given one, FBP, or zero; the system's report says which.

    Raises
    ------
    InputError
        When the given volume has another shape or is not finite.
    """
    problem, shape = system.problem, system.grid.shape
    if problem.initial is not None:
        given = np.array(problem.initial, dtype=np.float32)
        if given.shape != shape or not math.isfinite(float(given.sum(dtype=np.float64))):
            raise InputError(
                "initial volume",
                expected=f"finite numbers of shape (x, y, z) = {shape}, as the grid has",
                found=f"shape {given.shape}" if given.shape != shape else "NaN or infinity",
                remedy="Resample or correct the volume, or start from zero.",
            )
        system.report["start"] = "given"
        return given
    system.report["start"] = parameters.start
    if system.inside is not None:
        inside, system.inside = system.inside, None
        return inside
    if parameters.start == "fbp":
        try:
            ParallelPlan(problem.geometry)
        except InputError as error:
            system.report["start"] = f"zero; no filtered backprojection: {error}"
        else:
            return FBP.run(problem, FBPParameters()).array
    return np.zeros(shape, dtype=np.float32)


def descend(
    system: System,
    volume: NDArray[np.float32],
    update: NDArray[np.float32],
    length: np.float32 | NDArray[np.float32],
    index: NDArray[np.intp] | None = None,
    weigh: Callable[[NDArray[np.intp], NDArray[np.float32]], object] | None = None,
) -> tuple[float, float]:
    """One step of a gradient descent, x <- x + length A' W (b - A x) over some views.

    Parameters
    ----------
    system : System
    volume, update : float32, shape grid.shape
        x, changed in place, and room for the step.
    length : float32, or float32 of shape grid.shape
        Of the step, in 1/mm^2 where W has no unit, or of each voxel's.
    index, weigh
        The views and W, as of :meth:`System.add_gradient`.

    Returns
    -------
    misfit, measured : float
        As of :meth:`System.add_gradient`, before the step.
    """
    update[...] = 0.0
    squares = system.add_gradient(volume, update, index, weigh)
    np.multiply(update, length, out=update)
    np.add(volume, update, out=volume)
    return squares


def iterate(
    system: System,
    parameters: IterativeParameters,
    title: str,
    volume: NDArray[np.float32],
    step: Callable[[int], tuple[float, float]],
    *,
    clip: bool = True,
    passes: int = 1,
) -> dict[str, Any]:
    """Take steps until it is time to stop, and tell the monitor after each.

    Parameters
    ----------
    system : System
    parameters : IterativeParameters
    title : str
        The method's, for progress and errors.
    volume : float32, shape grid.shape
        What ``step`` changes in place; handed to the monitor as a preview.
    step : callable
        Called with the iteration's number from 0; returns what it met, ||p - A x||^2 and ||p||^2.
    clip : bool
        Whether non-negativity is left to this loop.
    passes : int
        How often a step goes through all views, for the progress within a step.

    Returns
    -------
    dict
        For the report: ``residuals``, ``iterations`` done, and why it ``stopped``: "iterations", "residual", "change" or "caller".

    Raises
    ------
    Diverged
        A WorkError that names the iteration.
    Cancelled
        When the run was asked to stop and keep nothing.
    """
    monitor, total = system.monitor, parameters.iterations
    residuals: list[float] = []
    stopped = "iterations"
    for number in range(total):
        _tick(system, title, number, total, passes)
        misfit, measured = step(number)
        residual = math.sqrt(misfit / measured) if measured else 0.0
        residuals.append(residual)
        if clip and parameters.non_negative:
            np.maximum(volume, 0, out=volume)
        _require_sane(title, number, residuals, volume)
        monitor.report(title, (number + 1) / total, iteration=number + 1, residual=residual)
        monitor.show(number + 1, volume)
        reason = _reason_to_stop(parameters, residuals) or ("caller" if monitor.finishing else "")
        if reason:
            stopped = reason
            break
    return {**system.report, "residuals": residuals, "iterations": len(residuals), "stopped": stopped}


def _tick(system: System, title: str, number: int, total: int, passes: int) -> None:
    """Have the system report how much of this iteration is done."""
    done = 0.0

    def tick(share: float) -> None:
        nonlocal done
        done += share / passes
        system.monitor.report(title, (number + min(done, 1.0)) / total, iteration=number + 1)

    system.tick = tick


def _require_sane(title: str, number: int, residuals: list[float], volume: NDArray[np.float32]) -> None:
    last = residuals[-1]
    growing = last > residuals[0] and last > RISE * min(residuals)
    if not math.isfinite(last) or growing or not math.isfinite(float(volume.sum())):
        raise Diverged(
            f"{title} diverged at iteration {number + 1}: the relative residual is {last:.3g} after {residuals[0]:.3g} at first. "
            "Choose a smaller relaxation, or fewer subsets where the method has them."
        )


def _reason_to_stop(parameters: IterativeParameters, residuals: list[float]) -> str:
    if residuals[-1] <= parameters.stop_residual and parameters.stop_residual > 0.0:
        return "residual"
    if len(residuals) > 1 and abs(residuals[-1] - residuals[-2]) < parameters.stop_change * residuals[-2]:
        return "change"
    return ""
