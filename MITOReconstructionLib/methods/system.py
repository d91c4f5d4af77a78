"""A x = b as iterative methods see it: in blocks of views, without the views that miss the grid and what lies outside it."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from types import TracebackType
from typing import Any, Self

import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.errors import InputError
from MITOReconstructionLib.methods.blocks import read_together, views_per_block
from MITOReconstructionLib.methods.context import Surroundings, make_context
from MITOReconstructionLib.methods.kept import Kept
from MITOReconstructionLib.methods.narrow import flattened, narrowed
from MITOReconstructionLib.methods.registry import Problem
from MITOReconstructionLib.projectors.norm import norm_squared
from MITOReconstructionLib.projectors.warm import prepare

__all__ = ["System"]

NORM_LIMIT = 1 << 21

Index = NDArray[np.intp]
Floats = NDArray[np.float32]


class System:
    """The equations that a method solves. A context manager: leaving it removes its temporary file.

    Parameters
    ----------
    problem : Problem
    context : bool
        Whether to take off the data what lies outside the grid; rays that miss the grid then count nothing.
    weights : bool
        Whether the method will weigh the rays, see :attr:`weights`.
    start : bool
        Whether the method will start from filtered backprojection, see :attr:`inside`.

    Attributes
    ----------
    geometry : ScanGeometry
        Of the views that see the grid, and of the columns on which it falls; indices of views count within it.
    inside : float32, shape grid.shape, or None
        The grid's filtered backprojection, where the surroundings took it anyway.
    report : dict
        JSON-ready facts.
    tick : callable
        Called with the share of all views that was just worked on.
    weights : Kept or None
        One over the length in mm that a ray has within the grid, 0 where it misses it. A length below the smallest voxel side
        counts as that: rays that only touch the grid's edge would get weights without bound.

    Raises
    ------
    InputError
        When no view sees the grid.
    """

    def __init__(self, problem: Problem, *, context: bool, weights: bool = False, start: bool = False) -> None:
        self.problem = problem
        self.grid, self.backend, self.monitor = problem.grid, problem.backend, problem.monitor
        seen = np.flatnonzero(problem.geometry.views_seeing(self.grid.minimum, self.grid.maximum))
        if not seen.size:
            raise InputError(
                "grid", expected="a box that the views see", found="no view that sees it", remedy="Move the box or choose other views."
            )
        prepare(self.backend, self.monitor)
        self.index = problem.views[seen]
        geometry = problem.geometry if len(seen) == len(problem.views) else problem.geometry.select(seen)
        self._columns, self.geometry = narrowed(geometry, self.grid)
        self.report: dict[str, Any] = {"views": len(seen)}
        self.tick: Callable[[float], object] = lambda share: None
        self._kept: list[Kept] = []
        self._data: Kept | None = None
        self._ones: Floats | None = None
        around = make_context(problem, geometry, start=start) if context else Surroundings((), "off")
        self._context, self.report["context"], self.inside = around
        del around
        try:
            self.weights = self.keep("weights", self._row_weights) if weights else None
            if self._context:
                self._data = self.keep("surroundings", self._without_context)
                self.report["context_data"] = self._data.place
        except BaseException:
            self.__exit__(None, None, None)
            raise
        if self._data is not None and self._data.place != "nowhere":
            self._context = ()
        if all(kept.place != "nowhere" for kept in self._kept):
            self._ones = None

    def __enter__(self) -> Self:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        for kept in self._kept:
            kept.close()

    def keep(self, title: str, fill: Callable[[Index, Floats], object]) -> Kept:
        """Compute data-sized values and keep them for the time of this run; see :class:`Kept`. ``title`` is for progress."""
        detector = self.geometry.detector
        kept = Kept((self.geometry.views, detector.columns, detector.rows), fill)
        self._kept.append(kept)
        if kept.place != "nowhere":
            try:
                self._fill(kept, title)
            except BaseException:
                kept.close()
                raise
        return kept

    def norm_squared(self) -> float:
        """||A||^2 in mm^2, by power iteration on a problem of at most :data:`NORM_LIMIT` voxels and pixels.

        That is a lower bound, 1% or so below; a hundredth is added, so that a relaxation near 2 does not diverge.

        Raises
        ------
        InputError
            When no pixel sees the grid.
        """
        self.monitor.report("norm of the projector", 0.0)
        norm = norm_squared(self.geometry, self.grid, self.backend, limit=NORM_LIMIT)
        if norm == 0.0:
            raise InputError(
                "grid", expected="a box that the pixels see", found="no ray through it", remedy="Move the box or choose other views."
            )
        return 1.01 * norm

    # ---- A and A' --------------------------------------------------------------------------------------------------

    def forward(self, volume: Floats, index: Index, out: Floats | None = None) -> Floats:
        """A x for some views, shape (n, columns, rows)."""
        return self.backend.forward(volume, self.grid, self.geometry, out, views=index, report=self._check)

    def add_adjoint(self, projections: Floats, index: Index, volume: Floats) -> None:
        """Add A' y of some views to a volume."""
        self.backend.back(projections, self.grid, self.geometry, volume, views=index, accumulate=True, report=self._check)

    def add_flat_adjoint(self, projections: Floats, index: Index, volume: Floats) -> None:
        """As :meth:`add_adjoint`, to a volume on the :func:`~MITOReconstructionLib.methods.narrow.flattened` grid."""
        self.backend.back(projections, flattened(self.grid), self.geometry, volume, views=index, accumulate=True, report=self._check)

    def blocks(self, index: Index | None = None) -> Iterator[Index]:
        """Indices of views, a block at a time; by default all views."""
        chosen = np.arange(self.geometry.views) if index is None else index
        size = views_per_block(self.geometry)
        for first in range(0, len(chosen), size):
            self.monitor.check()
            part = chosen[first : first + size]
            yield part
            self.tick(len(part) / self.geometry.views)

    def buffers(self, count: int) -> list[Floats]:
        """Arrays for the projections of a block of views; cut them with ``[:len(index)]``."""
        detector = self.geometry.detector
        size = min(views_per_block(self.geometry), self.geometry.views)
        return [np.empty((size, detector.columns, detector.rows), dtype=np.float32) for _ in range(count)]

    def data(self, index: Index, out: Floats) -> Floats:
        """b for some views, float32, shape (n, columns, rows), written into ``out``.

        Raises
        ------
        InputError
            When a projection holds a NaN or an infinity, naming its view.
        """
        return self._measured(index, out) if self._data is None else self._data.read(index, out)

    def add_gradient(
        self, volume: Floats, out: Floats, index: Index | None = None, weigh: Callable[[Index, Floats], object] | None = None
    ) -> tuple[float, float]:
        """Add A' W (b - A x) of some views to ``out``.

        Parameters
        ----------
        volume, out : float32, shape grid.shape
        index : int array, optional
            The views; all by default.
        weigh : callable, optional
            W, in place: called as ``weigh(index, residual)``.

        Returns
        -------
        misfit, measured : float
            Squares of the norms ||b - A x|| and ||b|| over these views, without W.
        """
        residual, projected = self.buffers(2)
        misfit = measured = 0.0
        for part in self.blocks(index):
            b = self.data(part, residual[: len(part)])
            measured += _square(b)
            b -= self.forward(volume, part, projected[: len(part)])
            misfit += _square(b)
            if weigh is not None:
                weigh(part, b)
            self.add_adjoint(b, part, out)
        return misfit, measured

    # ---- parts -----------------------------------------------------------------------------------------------------

    def _fill(self, kept: Kept, title: str) -> None:
        (buffer,) = self.buffers(1)
        for index in self.blocks():
            self.monitor.report(title, float(index[0]) / self.geometry.views)
            kept.read(index, buffer[: len(index)])
        self.monitor.report(title, 1.0)

    def _check(self, _: float) -> None:
        self.monitor.check()

    def _measured(self, index: Index, out: Floats) -> Floats:
        return read_together(self.problem.scan, self.index[index], out, self._columns)

    def _without_context(self, index: Index, out: Floats) -> None:
        """The measured projections less the context's; zero where a ray misses the grid."""
        self._measured(index, out)
        around = np.zeros_like(out)
        for grid, array in self._context:
            self.backend.forward(array, grid, self.geometry, around, views=index, accumulate=True, report=self._check)
        out -= around
        met = self._lengths(index) if self.weights is None else self.weights.read(index, np.empty_like(out))
        out[met <= 0.0] = 0.0

    def _row_weights(self, index: Index, out: Floats) -> None:
        missed = self._lengths(index, out) <= 0.0
        np.maximum(out, np.float32(min(self.grid.spacing)), out=out)
        np.reciprocal(out, out=out)
        out[missed] = 0.0

    def _lengths(self, index: Index, out: Floats | None = None) -> Floats:
        """The length in mm that rays have within the grid, A 1."""
        flat = flattened(self.grid)
        if self._ones is None:
            self._ones = np.ones(flat.shape, dtype=np.float32)
        return self.backend.forward(self._ones, flat, self.geometry, out, views=index, report=self._check)


def _square(array: Floats) -> float:
    return float(np.vdot(array, array))
