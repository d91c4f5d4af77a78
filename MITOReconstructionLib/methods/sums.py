"""Weights from the row and column sums of A."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.methods.system import Index, System

__all__ = ["RowWeights", "column_weights"]


class RowWeights:
    """One over the length in mm that a ray has within the grid; kept as :class:`~MITOReconstructionLib.methods.kept.Kept` says.

    A length below the smallest voxel side counts as that: rays that only touch the grid's edge would get weights without bound.
    """

    def __init__(self, system: System) -> None:
        self._system = system
        self._least = np.float32(min(system.grid.spacing))
        self._ones = np.ones(system.grid.shape, dtype=np.float32)
        self._kept = system.keep("weights", self._fill)
        if self._kept.place != "nowhere":
            self._ones = np.empty((0, 0, 0), dtype=np.float32)
        (self._buffer,) = system.buffers(1)

    def weigh(self, index: Index, residual: NDArray[np.float32]) -> None:
        """Multiply the projections of some views by their weights."""
        residual *= self._kept.read(index, self._buffer[: len(index)])

    def _fill(self, index: Index, out: NDArray[np.float32]) -> None:
        self._system.forward(self._ones, index, out)
        np.maximum(out, self._least, out=out)
        np.reciprocal(out, out=out)


def column_weights(system: System, subsets: Sequence[Index] | None = None) -> NDArray[np.float32]:
    """One over the sum of all that reaches a voxel, A' 1 in mm, float32, shape grid.shape; 0 where nothing does.

    With subsets of views the largest of their sums counts: one volume serves them all, and none takes too long a step.
    """
    monitor = system.monitor
    (buffer,) = system.buffers(1)
    buffer[...] = 1.0
    largest = np.zeros(system.grid.shape, dtype=np.float32)
    groups = [np.arange(system.geometry.views)] if subsets is None else subsets
    part = largest if len(groups) == 1 else np.empty_like(largest)
    for number, group in enumerate(groups):
        monitor.report("weights", number / len(groups))
        if part is not largest:
            part[...] = 0.0
        for index in system.blocks(group):
            system.add_adjoint(buffer[: len(index)], index, part)
        if part is not largest:
            np.maximum(largest, part, out=largest)
    monitor.report("weights", 1.0)
    weak = largest <= 1e-6 * float(largest.max())
    with np.errstate(divide="ignore"):
        np.reciprocal(largest, out=largest)
    largest[weak] = 0.0
    return largest
