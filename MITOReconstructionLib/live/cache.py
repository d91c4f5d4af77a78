"""Filtered beams, kept in blocks as far as there is room."""

from __future__ import annotations

import os
import threading
from collections.abc import Iterable
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.errors import InputError
from MITOReconstructionLib.files import mebibytes
from MITOReconstructionLib.live.places import BLOCK, Places
from MITOReconstructionLib.live.scratch import delete, scratch_array
from MITOReconstructionLib.wfbp.planes import BeamStore, store_beams

__all__ = ["BeamCache"]


class BeamCache:
    """Filtered beams as 16-bit numbers, each beam with its own scale, in memory or in a file.

    A number of 16 bits keeps a beam to 1 / 65,000 of its largest value. What that does to a slice is far below 0.1% of its values:
    Testing/Python/live/test_cache.py measures it. Beams are written by one thread; any other may :meth:`take` some.

    Parameters
    ----------
    beams, rays, rows : int
        Shape of all the beams.
    limit : int
        Bytes that they may take.
    folder : path, optional
        Keep them in a file in this folder, which is deleted in the end; in memory by default.

    Raises
    ------
    InputError
        When there is no room for two blocks, or no such folder.
    WorkError
        When the file cannot be made, or the disk has no room for it.
    """

    def __init__(self, beams: int, rays: int, rows: int, limit: int, folder: str | os.PathLike[str] | None = None) -> None:
        self.beams, self.beam_bytes = beams, 2 * rays * rows
        block_bytes = BLOCK * self.beam_bytes
        count = min(limit // block_bytes, -(-beams // BLOCK))
        if count < min(2, -(-beams // BLOCK)):
            raise InputError(
                "cache_bytes", expected=f"at least {mebibytes(2 * block_bytes)}, two blocks of beams", found=mebibytes(limit),
                remedy="Give it more room.",
            )  # fmt: skip
        self.capacity = count * BLOCK
        self._lock = threading.Lock()
        self._file: Path | None = None
        size = self.capacity * rays * rows
        if folder is None:
            flat = np.empty(size + 1, np.int16)  # the last value has one behind it
        else:
            flat, self._file = scratch_array("cache_folder", folder, (size + 1,), np.int16, prefix=".mito-beams-", what="a cache")
        values = flat[:size].reshape(self.capacity, rays, rows)
        self._places = Places(beams, count, f"The cache of {mebibytes(self.limit)} is full of beams that are in use.")
        self.store = BeamStore(values, np.zeros(self.capacity, np.float32), self._places.slots)

    @property
    def nbytes(self) -> int:
        """Bytes of the beams that are held."""
        return self._places.blocks * BLOCK * self.beam_bytes

    @property
    def limit(self) -> int:
        """Bytes that all the blocks take when every one is used."""
        return self.capacity * self.beam_bytes

    @property
    def room(self) -> bool:
        """Whether a block can be put in without another one having to go."""
        return self._places.room

    @property
    def held_beams(self) -> int:
        """Number of beams that are there."""
        return int(np.count_nonzero(self.store.slots >= 0))

    def here(self, first: int = 0, last: int | None = None) -> NDArray[np.bool_]:
        """Which of the beams ``first`` to ``last`` (exclusive) are there."""
        return self._places.here(first, last)

    def hold(self, beams: Iterable[int]) -> None:
        """Keep these beams' blocks, once written, until the next call; they count as used now."""
        with self._lock:
            self._places.hold(beams)

    def write(self, first: int, beams: NDArray[np.float32]) -> None:
        """Put in beams from ``first`` on, float32, shape (n, rays, rows); where there is no room the block used longest ago goes.

        Raises
        ------
        WorkError
            When every block is held.
        """
        with self._lock:
            done = 0
            while done < len(beams):
                beam = first + done
                count = min(len(beams) - done, BLOCK - beam % BLOCK)
                slot = self._places.slot(beam)
                store_beams(beams[done : done + count], self.store.values[slot : slot + count], self.store.scales[slot : slot + count])
                self.store.slots[beam : beam + count] = np.arange(slot, slot + count)
                done += count

    def take(self, first: int, last: int, out: NDArray[np.float32]) -> bool:
        """Write the beams ``first`` to ``last`` (exclusive) to ``out``, float32, shape (n, rays, rows); false where one is not there."""
        with self._lock:
            slots = self.store.slots[first:last]
            if len(slots) != last - first or np.any(slots < 0):
                return False
            for number, slot in enumerate(slots):
                np.multiply(self.store.values[slot], self.store.scales[slot], out=out[number])
            return True

    def copy(self, first: int, last: int, out: NDArray[np.int16]) -> tuple[NDArray[np.intp], NDArray[np.float32]]:
        """Write those of the beams ``first`` to ``last`` (exclusive) that are there to the beginning of ``out``, as they are kept.

        Returns
        -------
        beams : int, shape (n,)
            Which ones.
        scales : float32, shape (n,)
        """
        with self._lock:
            beams = first + np.flatnonzero(self.here(first, last))
            slots = self.store.slots[beams]
            for number, slot in enumerate(slots):
                out[number] = self.store.values[slot]
            return beams, self.store.scales[slots]

    def clear(self) -> None:
        """Forget every beam."""
        with self._lock:
            self._places.clear()

    def close(self) -> None:
        """Forget every beam for good, and delete the file."""
        self.clear()
        with self._lock:
            self.store = BeamStore(np.empty((0, 0, 0), np.int16), np.empty(0, np.float32), self.store.slots)
            if self._file is not None:
                delete(self._file)  # what is mapped of it goes with the last array
                self._file = None
