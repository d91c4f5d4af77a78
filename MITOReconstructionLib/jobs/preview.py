"""Previews of a run: what an iterative method has so far, handed to whoever looks, at a rate that the looker sets.

A run has one place for a preview. The next one is made when the last one was taken out of it, and not sooner than
:data:`PREVIEW_SECONDS` after it; so previews can neither pile up nor slow a run down. A large volume is thinned first.
"""

from __future__ import annotations

import json
import math
import threading
import time
from collections.abc import Callable
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.errors import WorkError
from MITOReconstructionLib.files import replacing
from MITOReconstructionLib.geometry import VolumeGrid

__all__ = ["PREVIEW_SECONDS", "PREVIEW_VOXELS", "Post", "Preview", "Previewer", "read_preview", "thin", "write_preview"]

PREVIEW_SECONDS = 0.5
"""Least time from one preview to the next."""

PREVIEW_VOXELS = 8 << 20
"""Most voxels of a preview (32 MiB)."""

_LONGEST_HEAD = 1 << 12


@dataclass(frozen=True, eq=False)
class Preview:
    """What a run has after some of its iterations.

    array : float32, shape grid.shape, axes x, y, z, 1/mm;
    grid : VolumeGrid of the preview, coarser than the run's where that is large;
    iteration : how many iterations were done.
    """

    array: NDArray[np.float32]
    grid: VolumeGrid
    iteration: int


def thin(volume: NDArray[np.float32], grid: VolumeGrid, iteration: int, voxels: int = PREVIEW_VOXELS) -> Preview:
    """A copy of a volume with every n-th voxel along each axis, n as small as ``voxels`` allows.

    Parameters
    ----------
    volume : float32, shape grid.shape, axes x, y, z
    grid : VolumeGrid
    iteration : int
        How many iterations were done.
    voxels : int
        Most voxels of the preview.
    """
    step = max(1, math.ceil((volume.size / voxels) ** (1 / 3)))
    while math.prod(-(-count // step) for count in volume.shape) > voxels:
        step += 1
    array = np.array(volume[::step, ::step, ::step], dtype=np.float32, order="C")
    if step == 1:
        return Preview(array, grid, iteration)
    sides = [step * side for side in grid.spacing]
    low = [first - side / 2 for first, side in zip(grid.origin, sides, strict=True)]
    high = [edge + count * side for edge, count, side in zip(low, array.shape, sides, strict=True)]
    return Preview(array, VolumeGrid.from_bounds(low, high, shape=array.shape), iteration)


class Post:
    """The one place for a preview, between the thread that works and the one that looks."""

    def __init__(self) -> None:
        self._lock = threading.Lock()
        self._waiting: Preview | None = None

    @property
    def empty(self) -> bool:
        """Whether the next preview is wanted."""
        return self._waiting is None

    def put(self, preview: Preview) -> None:
        """Put a preview in, in the place of one that was not taken."""
        with self._lock:
            self._waiting = preview

    def take(self) -> Preview | None:
        """Take the preview out, where there is one."""
        with self._lock:
            preview, self._waiting = self._waiting, None
        return preview


class Previewer:
    """The ``preview`` of a Monitor: hands previews on where one is wanted and it is time.

    What goes wrong does not end the run: it is told once, and there are no previews from then on.

    Parameters
    ----------
    grid : VolumeGrid
        Of the run.
    wanted : callable
        Whether the next preview is wanted.
    hand_on : callable
        Called with a :class:`Preview`.
    failed : callable
        Called once with a sentence where ``hand_on`` raised an OSError, WorkError or MemoryError.
    """

    def __init__(
        self, grid: VolumeGrid, wanted: Callable[[], bool], hand_on: Callable[[Preview], object], failed: Callable[[str], object]
    ) -> None:
        self._grid, self._wanted, self._hand_on, self._failed = grid, wanted, hand_on, failed
        self._next = 0.0
        self._broken = False

    def __call__(self, iteration: int, volume: NDArray[np.float32]) -> None:
        """Take the volume after so many iterations."""
        if self._broken or time.monotonic() < self._next or volume.shape != self._grid.shape or not self._wanted():
            return
        try:
            self._hand_on(thin(volume, self._grid, iteration))
        except (OSError, WorkError, MemoryError) as error:
            self._broken = True
            self._failed(f"No more previews of this run: {str(error) or 'not enough memory'}")
        self._next = time.monotonic() + PREVIEW_SECONDS


def write_preview(path: Path, preview: Preview) -> None:
    """Write a preview so that it is there whole or not at all: a line of JSON and then the voxels, float32, C order.

    Raises
    ------
    WorkError
        When writing fails, for example because the disk is full; nothing is left behind.
    """
    head = {"iteration": preview.iteration, "grid": preview.grid.to_dict()}
    with replacing(path) as temporary, temporary.open("wb") as file:
        file.write(json.dumps(head).encode() + b"\n")
        _write_voxels(file, preview.array)


def _write_voxels(file: BinaryIO, array: NDArray[np.float32]) -> None:
    file.write(np.ascontiguousarray(array, dtype=np.float32).data)


def read_preview(path: Path) -> Preview:
    """Read what :func:`write_preview` wrote.

    Raises
    ------
    WorkError
        When it cannot be read, or is no preview.
    """
    try:
        with path.open("rb") as file:
            head = json.loads(file.readline(_LONGEST_HEAD))
            grid = VolumeGrid.from_dict(head["grid"])
            array = np.fromfile(file, dtype=np.float32)
        return Preview(array.reshape(grid.shape), grid, int(head["iteration"]))
    except (OSError, ValueError, KeyError, TypeError) as error:
        raise WorkError(f"{path}: is no preview that can be read: {error}.") from error
