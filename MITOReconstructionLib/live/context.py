"""A small volume of the whole scan, in steps of some milliseconds."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.geometry import VolumeGrid
from MITOReconstructionLib.live.level import Level
from MITOReconstructionLib.scan import Scan, covered_grid
from MITOReconstructionLib.wfbp.backproject import backproject
from MITOReconstructionLib.wfbp.coverage import fill_unseen

__all__ = ["context_grid", "reconstruct_context"]

STEP = 8
"""Beams in a step."""


def context_grid(scan: Scan, voxels: int) -> VolumeGrid:
    """The field of view over the height that the scan covers, ``voxels`` along its longest side."""
    whole = covered_grid(scan.geometry)
    sides = [high - low for low, high in zip(whole.minimum, whole.maximum, strict=True)]
    return covered_grid(scan.geometry, spacing=max(sides) / voxels)


def reconstruct_context(
    level: Level, grid: VolumeGrid, ready: tuple[int, int], fill_value: float
) -> Generator[None, None, NDArray[np.float32]]:
    """Reconstruct a grid from the beams ``ready``, first and last (exclusive); yields after each step, returns float32 [x, y, z]."""
    volume = np.zeros(grid.shape, dtype=np.float32)
    first, last = ready
    if first == last:
        volume[...] = fill_value
        return volume
    tables = level.within(ready)
    rays, rows = level.cache.store.values.shape[1:]
    beams = np.empty((STEP, rays, rows), dtype=np.float32)
    for start in range(first, last, STEP):
        part = beams[: min(STEP, last - start)]
        while not level.cache.take(start, start + len(part), part):
            level.fill(start, last, computer=True)
            yield
        backproject(volume, grid, part, start - first, tables)
        yield
    fill_unseen(volume, grid, tables, fill_value)
    return volume
