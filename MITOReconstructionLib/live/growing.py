"""Scans whose projections arrive while the scan runs."""

from __future__ import annotations

import os
from collections.abc import Callable

import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.geometry import ScanGeometry, VolumeGrid

__all__ = ["GrowingScan", "open_growing"]


class GrowingScan:
    """A scan of known geometry whose views come one by one; :class:`LiveSlices` takes it in place of a :class:`Scan`.

    Parameters
    ----------
    geometry : ScanGeometry
        Of the finished scan.
    name : str, optional
    grid : VolumeGrid, optional
        The default grid; by default the field of view at the detector's resolution.
    folder : path, optional
        Where the views are kept, in a file that goes with this object; by default they are kept in memory.
    """

    def __init__(
        self, geometry: ScanGeometry, *, name: str = "scan", grid: VolumeGrid | None = None, folder: str | os.PathLike[str] | None = None
    ) -> None:
        raise NotImplementedError

    def add_view(self, index: int, projection: NDArray[np.floating]) -> None:
        """Take one view, shape (columns, rows), from any thread and in any order; InputError where it does not fit or came before."""
        raise NotImplementedError

    @property
    def arrived(self) -> int:
        """How many views are there, counted from the first without a gap."""
        raise NotImplementedError

    @property
    def finished(self) -> bool:
        """Whether all views are there."""
        raise NotImplementedError

    def subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Have ``listener`` called, in the thread that adds, whenever views have come; the function given back ends that."""
        raise NotImplementedError

    def close(self) -> None:
        """Let go of the views."""
        raise NotImplementedError


def open_growing(folder: str | os.PathLike[str], *, name: str | None = None) -> GrowingScan:
    """Open a sample folder whose sinogram.npy still grows; the other files are those of the finished scan.

    The header of sinogram.npy may state the final shape or any smaller number of views; what counts is how long the file is. It is
    looked at whenever :attr:`GrowingScan.arrived` is asked for, which the engine does a few times a second.
    """
    raise NotImplementedError
