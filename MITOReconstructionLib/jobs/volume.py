"""A reconstructed volume with its grid and how it came to be."""

from __future__ import annotations

import os
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.export import load_volume, save_volume
from MITOReconstructionLib.geometry import VolumeGrid

__all__ = ["Volume"]


@dataclass(frozen=True, eq=False)
class Volume:
    """A volume.

    array : float32, shape grid.shape, axes x, y, z;
    grid : VolumeGrid;
    provenance : how it came to be, JSON-ready: sample, method, parameters, views,
    grid, backend, backend_name, version, seconds, report.
    """

    array: NDArray[np.float32]
    grid: VolumeGrid
    provenance: dict[str, Any] = field(default_factory=dict)

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write an NRRD file that loads in Slicer in the right place, the provenance in its key/value pairs.

        Raises
        ------
        InputError
            When the folder does not exist or the suffix is another.
        WorkError
            When writing fails; nothing is left under the name.
        """
        save_volume(path, self.array, self.grid, self.provenance)

    @classmethod
    def load(cls, path: str | os.PathLike[str]) -> Volume:
        """Read an axis-aligned NRRD volume.

        Raises
        ------
        InputError
            Naming the file and what is wrong with it.
        """
        return cls(*load_volume(path))
