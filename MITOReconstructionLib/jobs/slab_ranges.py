"""Cutting a volume along z into slabs that can be reconstructed on their own."""

from __future__ import annotations

import itertools
import math

from MITOReconstructionLib.geometry import ScanGeometry, VolumeGrid

__all__ = ["SLAB_BYTES", "slab_ranges", "slab_starts"]

SLAB_BYTES = 128 << 20
"""Bytes of a slab at most, wherever a slice is not larger."""


def slab_ranges(grid: VolumeGrid, geometry: ScanGeometry, machines: int) -> list[tuple[int, int]]:
    """Ranges of slices, first and last (exclusive), in the order of z, for so many machines.

    Neighbouring slabs see many views in common, and each reads, sorts and filters these for itself. So slabs are about as high as
    the detector appears at the axis, of which three or so for each machine balance the load; but there is at least one for each
    machine, and none takes more than :data:`SLAB_BYTES`.

    Parameters
    ----------
    grid : VolumeGrid
        To be cut.
    geometry : ScanGeometry
    machines : int
        How many slabs are worked on at a time.
    """
    height = geometry.detector.height * geometry.source_radius / geometry.source_to_detector
    natural = math.ceil((grid.maximum[2] - grid.minimum[2]) / height - 1e-6)
    count = max(machines, min(natural, 3 * machines), math.ceil(grid.nbytes / SLAB_BYTES))
    count = max(1, min(grid.shape[2], count))
    return slab_starts(grid.shape[2], count)


def slab_starts(slices: int, count: int) -> list[tuple[int, int]]:
    """``count`` ranges of nearly the same length that make up ``slices``."""
    edges = [number * slices // count for number in range(count + 1)]
    return list(itertools.pairwise(edges))
