"""Going through a scan's views in blocks, forward and back, without ever holding all projections."""

from __future__ import annotations

import itertools
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor

import numba
import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.geometry import ScanGeometry
from MITOReconstructionLib.methods.kept import runs
from MITOReconstructionLib.methods.registry import Problem
from MITOReconstructionLib.scan import Scan

__all__ = ["add_adjoint", "read_together", "read_views", "view_blocks", "views_per_block"]

BLOCK_BYTES = 64 << 20


def views_per_block(geometry: ScanGeometry) -> int:
    """Number of views whose projections take :data:`BLOCK_BYTES` or a little less."""
    return max(1, BLOCK_BYTES // (4 * geometry.detector.columns * geometry.detector.rows))


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
    size = views_per_block(problem.geometry)
    buffer = np.empty((min(size, len(problem.views)), detector.columns, detector.rows), dtype=np.float32)
    for first in range(0, len(problem.views), size):
        problem.monitor.check()
        views = problem.views[first : first + size]
        yield slice(first, first + len(views)), read_views(problem.scan, views, buffer[: len(views)])


def add_adjoint(problem: Problem, projections: NDArray[np.float32], views: slice, volume: NDArray[np.float32]) -> None:
    """Add A' of some views' projections to a volume."""
    problem.backend.back(
        projections,
        problem.grid,
        problem.geometry,
        volume,
        views=views,
        accumulate=True,
        report=lambda _: problem.monitor.check(),
    )


def read_views(
    scan: Scan, views: NDArray[np.intp], out: NDArray[np.float32], columns: tuple[int, int] | None = None
) -> NDArray[np.float32]:
    """Read views of a scan into ``out``, float32, shape (n, columns, rows); neighbours together.

    ``columns`` are the first and the last (exclusive) of those wanted; all by default.

    Raises
    ------
    InputError
        When a projection holds a NaN or an infinity, naming its view.
    """
    for first, last in runs(views):
        if columns is None:
            scan.read(int(views[first]), int(views[last - 1]) + 1, out[first:last])
        else:
            scan.read_columns(int(views[first]), int(views[last - 1]) + 1, columns, out[first:last])
    return out


def read_together(scan: Scan, views: NDArray[np.intp], out: NDArray[np.float32], columns: tuple[int, int]) -> NDArray[np.float32]:
    """As :func:`read_views`, on as many threads as there are for kernels."""
    threads = numba.get_num_threads()
    edges = np.linspace(0, len(views), min(len(views), 4 * threads) + 1).round().astype(int).tolist()
    with ThreadPoolExecutor(threads, "reading views") as pool:
        parts = [pool.submit(read_views, scan, views[a:b], out[a:b], columns) for a, b in itertools.pairwise(edges)]
        for part in parts:
            part.result()
    return out
