"""A volume that is written slab by slab, in whatever order the slabs come, into one NRRD file."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Iterator, Mapping
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.errors import InputError, WorkError
from MITOReconstructionLib.export.volume import require_nrrd_suffix, volume_header, write_slabs
from MITOReconstructionLib.files import replacing
from MITOReconstructionLib.geometry import VolumeGrid

__all__ = ["SlabFile", "save_in_slabs"]

SPARE = 8192
"""Bytes of the head that are kept free for what the provenance grows by while slabs are written."""


class SlabFile:
    """An NRRD volume being written. Made by :func:`save_in_slabs`.

    z is the slowest axis of the file, so a slab is one run of bytes. Writing a slab again changes nothing.

    provenance : key/value pairs; they may be changed until the end, and grow by :data:`SPARE` bytes or a little less.
    """

    def __init__(self, stream: BinaryIO, grid: VolumeGrid, provenance: Mapping[str, Any]) -> None:
        self._stream, self._grid = stream, grid
        self.provenance = dict(provenance)
        self._head = len(self._header()) + SPARE
        self._written = np.zeros(grid.shape[2], dtype=bool)
        stream.truncate(self._head + grid.nbytes)

    def write(self, first: int, slab: NDArray[np.floating]) -> None:
        """Write slices from ``first`` on.

        Parameters
        ----------
        first : int
            Index of the slab's first slice along z.
        slab : float array, shape (slices, y, x)
            Indexed [z, y, x], as the file is; 1/mm or the method's unit.

        Raises
        ------
        InputError
            When the slab does not lie on the grid.
        """
        nx, ny, nz = self._grid.shape
        last = first + slab.shape[0]
        if slab.ndim != 3 or slab.shape[1:] != (ny, nx) or not 0 <= first < last <= nz:
            raise InputError(
                "slab",
                expected=f"an array of shape (slices, {ny}, {nx}) within {nz} slices",
                found=f"shape {slab.shape} from slice {first} on",
                remedy="Give the axes in the order z, y, x.",
            )
        self._stream.seek(self._head + 4 * nx * ny * first)
        write_slabs(self._stream, slab.T)
        self._written[first:last] = True

    def finish(self) -> None:
        """Write the head, once all slabs are there.

        Raises
        ------
        WorkError
            When slices are missing, or the provenance has outgrown its room.
        """
        missing = int(np.count_nonzero(~self._written))
        if missing:
            raise WorkError(f"{missing} of {len(self._written)} slices of the volume were not written.")
        header = self._header()
        rest = self._head - len(header) - 2
        if rest < 0:
            raise WorkError(f"The provenance grew by more than {SPARE} bytes while the volume was written.")
        self._stream.seek(0)
        self._stream.write(header[:-1] + b"#" + b" " * rest + b"\n" + header[-1:])  # a comment before the blank line at the end
        self._stream.flush()

    def _header(self) -> bytes:
        return volume_header(self._grid, self.provenance)


@contextlib.contextmanager
def save_in_slabs(path: str | os.PathLike[str], grid: VolumeGrid, provenance: Mapping[str, Any] | None = None) -> Iterator[SlabFile]:
    """Write a volume slab by slab, as :func:`MITOReconstructionLib.export.save_volume` does at once.

    It comes under its name when the context is left without an exception; else nothing is left.

    Parameters
    ----------
    path : path
        Ends in ``.nrrd``.
    grid : VolumeGrid
    provenance : mapping, optional

    Raises
    ------
    InputError
        When ``path`` cannot be used.
    WorkError
        When writing fails, or slices are missing in the end.
    """
    with replacing(require_nrrd_suffix(path)) as temporary, temporary.open("r+b") as stream:
        slabs = SlabFile(stream, grid, provenance or {})
        yield slabs
        slabs.finish()
