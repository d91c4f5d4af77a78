"""Which place of a store each block of beams has."""

from __future__ import annotations

from collections import OrderedDict
from collections.abc import Iterable

import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.errors import WorkError

__all__ = ["BLOCK", "Places"]

BLOCK = 16
"""Beams in a block."""


class Places:
    """Gives blocks of beams their places; where there is none left the block used longest ago goes. Not for several threads at once.

    Parameters
    ----------
    beams : int
        Number of all beams.
    count : int
        Number of places, each for a block.
    full : str
        What to say where every block is held.

    Attributes
    ----------
    slots : int64, shape (beams,)
        Where each beam lies, -1 for those that are not there.
    """

    def __init__(self, beams: int, count: int, full: str) -> None:
        self.slots = np.full(beams, -1, np.int64)
        self._count, self._full = count, full
        self.clear()

    def clear(self) -> None:
        """Forget every beam."""
        self._free = list(range(self._count))[::-1]
        self._blocks: OrderedDict[int, int] = OrderedDict()
        self._held: set[int] = set()
        self.slots[:] = -1

    @property
    def room(self) -> bool:
        """Whether a block can be put in without another one having to go."""
        return bool(self._free)

    @property
    def blocks(self) -> int:
        """Number of blocks that have a place."""
        return len(self._blocks)

    def here(self, first: int = 0, last: int | None = None) -> NDArray[np.bool_]:
        """Which of the beams ``first`` to ``last`` (exclusive) are there."""
        return np.asarray(self.slots[first:last] >= 0)

    def hold(self, beams: Iterable[int]) -> None:
        """Keep these beams' blocks until the next call; they count as used now."""
        held = {int(beam) // BLOCK for beam in beams}
        self._held = held
        for block in held & set(self._blocks):
            self._blocks.move_to_end(block)

    def welcome(self, beam: int) -> bool:
        """Whether a beam has a place, is held, or finds room without another one having to go."""
        return self.room or beam // BLOCK in self._blocks or beam // BLOCK in self._held

    def slot(self, beam: int) -> int:
        """Where a beam is to be put; its block gets a place where it has none.

        Raises
        ------
        WorkError
            When every block is held.
        """
        return self._place(beam // BLOCK) * BLOCK + beam % BLOCK

    def _place(self, block: int) -> int:
        if block in self._blocks:
            self._blocks.move_to_end(block)
            return self._blocks[block]
        if not self._free:
            oldest = next((number for number in self._blocks if number not in self._held), None)
            if oldest is None:
                raise WorkError(self._full)
            self._free.append(self._blocks.pop(oldest))
            self.slots[oldest * BLOCK : (oldest + 1) * BLOCK] = -1
        self._blocks[block] = self._free.pop()
        return self._blocks[block]
