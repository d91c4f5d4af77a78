"""Weights from the row and column sums of A."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from MITOReconstructionLib.geometry import VolumeGrid
from MITOReconstructionLib.methods.narrow import flattened
from MITOReconstructionLib.methods.system import Index, System

__all__ = ["RowWeights", "column_weights"]


class RowWeights:
    """The weights of the rays, from a system that was made with them."""

    def __init__(self, system: System) -> None:
        if system.weights is None:
            raise ValueError("the system was made without weights")
        self._kept = system.weights
        (self._buffer,) = system.buffers(1)

    def weigh(self, index: Index, residual: NDArray[np.float32]) -> None:
        """Multiply the projections of some views by their weights."""
        residual *= self._kept.read(index, self._buffer[: len(index)])


def column_weights(system: System, subsets: Sequence[Index] | None = None) -> NDArray[np.float32]:
    """One over the sum of all that reaches a voxel, A' 1 in mm, float32, shape grid.shape; 0 where nothing does.

    With subsets of views the largest of their sums counts: one volume serves them all, and none takes too long a step. A large grid's
    sums are taken in wider voxels; each voxel gets the largest nearby, so that none takes too long a step there either.
    """
    monitor = system.monitor
    (buffer,) = system.buffers(1)
    buffer[...] = 1.0
    grid, flat = system.grid, flattened(system.grid)
    largest = np.zeros(flat.shape, dtype=np.float32)
    groups = [np.arange(system.geometry.views)] if subsets is None else subsets
    part = largest if len(groups) == 1 else np.empty_like(largest)
    for number, group in enumerate(groups):
        monitor.report("weights", number / len(groups))
        if part is not largest:
            part[...] = 0.0
        for index in system.blocks(group):
            system.add_flat_adjoint(buffer[: len(index)], index, part)
        if part is not largest:
            np.maximum(largest, part, out=largest)
    monitor.report("weights", 1.0)
    if flat.shape != grid.shape:
        largest = _fine(largest, grid)
    weak = largest <= 1e-6 * float(largest.max())
    with np.errstate(divide="ignore"):
        np.reciprocal(largest, out=largest)
    largest[weak] = 0.0
    return largest


def _fine(sums: NDArray[np.float32], grid: VolumeGrid) -> NDArray[np.float32]:
    """Sums over rays in flat voxels as those of the grid's own: the largest of a voxel and its neighbours, by volume."""
    sums = ndimage.maximum_filter(sums, size=(3, 3, 1), mode="nearest")
    sums *= np.float32(sums.size / grid.size)
    x, y = ((np.arange(n) * flat + flat // 2) // n for n, flat in zip(grid.shape[:2], sums.shape[:2], strict=True))
    return np.ascontiguousarray(sums[np.ix_(x, y)])
