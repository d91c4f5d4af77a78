"""A volume written slab by slab, for one that does not fit into memory."""

from __future__ import annotations

import os
from collections.abc import Iterator, Mapping
from contextlib import contextmanager
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.errors import InputError, WorkError
from MITOReconstructionLib.export.volume import require_nrrd_suffix, volume_header, write_slabs
from MITOReconstructionLib.files import replacing
from MITOReconstructionLib.geometry import VolumeGrid

__all__ = ["SlabFile", "volume_in_slabs"]

RESERVE = 8192
"""Bytes of the head that are left for what is known only at the end."""


class SlabFile:
    """An NRRD volume on its way; x is its fastest axis, so that a slab along z is contiguous. Made by :func:`volume_in_slabs`.

    provenance : goes into the head when everything is written; it may have changed until then.
    """

    def __init__(self, stream: BinaryIO, grid: VolumeGrid, provenance: Mapping[str, Any]) -> None:
        self.provenance = dict(provenance)
        self._stream, self._grid, self._done = stream, grid, 0
        self._head = len(volume_header(grid, provenance)) + RESERVE
        stream.seek(self._head)

    def add(self, array: NDArray[np.float32]) -> None:
        """Write the next slab: float32, shape (x, y, n), axes x, y, z.

        Raises
        ------
        InputError
            When its shape is not that of a slab that is still missing.
        """
        nx, ny, nz = self._grid.shape
        if array.ndim != 3 or array.shape[:2] != (nx, ny) or self._done + array.shape[2] > nz:
            raise InputError(
                "slab",
                expected=f"shape ({nx}, {ny}, n), n at most {nz - self._done}",
                found=f"shape {array.shape}",
                remedy="Give the slabs of the grid in the order of rising z.",
            )
        write_slabs(self._stream, array)
        self._done += array.shape[2]

    def end(self) -> None:
        """Write the head.

        Raises
        ------
        WorkError
            When slabs are missing, or the provenance has grown too long.
        """
        head = volume_header(self._grid, self.provenance)
        spare = self._head - len(head)
        if self._done != self._grid.shape[2] or spare < 2:
            missing = f"{self._grid.shape[2] - self._done} of {self._grid.shape[2]} slices are missing"
            raise WorkError(f"The volume is not whole: {missing if spare >= 2 else 'its provenance does not fit into its head'}.")
        magic, rest = head.split(b"\n", 1)
        self._stream.seek(0)
        self._stream.write(magic + b"\n#" + b" " * (spare - 2) + b"\n" + rest)


@contextmanager
def volume_in_slabs(path: str | os.PathLike[str], grid: VolumeGrid, provenance: Mapping[str, Any]) -> Iterator[SlabFile]:
    """Give a :class:`SlabFile`; when all slabs are there the file gets its name, else nothing is left.

    Parameters
    ----------
    path : path
        Ends in ``.nrrd``.
    grid : VolumeGrid
        Of the whole volume.
    provenance : mapping
        As far as it is known; what is added later must be short.

    Raises
    ------
    InputError
        When ``path`` cannot be used.
    WorkError
        When writing fails, for example because the disk is full, or slabs are missing.
    """
    with replacing(require_nrrd_suffix(path)) as temporary, temporary.open("wb") as stream:
        file = SlabFile(stream, grid, provenance)
        yield file
        file.end()
