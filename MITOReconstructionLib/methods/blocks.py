"""Going through a scan's views in blocks, forward and back, without ever holding all projections."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.methods.registry import Problem
from MITOReconstructionLib.scan import Scan

__all__ = ["add_adjoint", "view_blocks"]

BLOCK_BYTES = 64 << 20


def view_blocks(problem: Problem) -> Iterator[tuple[slice, NDArray[np.float32]]]:
    """Give the measured projections as (slice into the problem's views, float32 (n, columns, rows)), in order.

    The array of a block is overwritten by the next.

    Raises
    ------
    InputError
        When a projection holds a NaN or an infinity, naming its view.
    Cancelled
        When the run was asked to stop.
    """
    detector = problem.geometry.detector
    size = max(1, BLOCK_BYTES // (4 * detector.columns * detector.rows))
    buffer = np.empty((min(size, len(problem.views)), detector.columns, detector.rows), dtype=np.float32)
    for first in range(0, len(problem.views), size):
        problem.monitor.check()
        views = problem.views[first : first + size]
        yield slice(first, first + len(views)), _read(problem.scan, views, buffer[: len(views)])


def add_adjoint(problem: Problem, projections: NDArray[np.float32], views: slice, volume: NDArray[np.float32]) -> None:
    """Add A' of some views' projections to a volume."""
    problem.backend.back(projections, problem.grid, problem.geometry, volume, views=views, accumulate=True)


def _read(scan: Scan, views: NDArray[np.intp], out: NDArray[np.float32]) -> NDArray[np.float32]:
    """Read views, neighbours together."""
    breaks = np.flatnonzero(np.diff(views) != 1) + 1
    for start, stop in zip([0, *breaks], [*breaks, len(views)], strict=True):
        scan.read(int(views[start]), int(views[stop - 1]) + 1, out[start:stop])
    return out
