"""Filtered beams that somebody holds already, for whoever needs them next."""

from __future__ import annotations

import threading
from collections.abc import Callable, Hashable, Iterator
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.monitor import Monitor
from MITOReconstructionLib.scan import Scan
from MITOReconstructionLib.wfbp.aligned import aligned
from MITOReconstructionLib.wfbp.stream import BeamStream

__all__ = ["Holder", "SharedBeams", "beams_key", "lend"]


class Holder(Protocol):
    """Somebody who holds filtered beams of a plan."""

    def take(self, first: int, last: int, out: NDArray[np.float32]) -> bool:
        """Write the beams ``first`` to ``last`` (exclusive) to ``out``, float32, shape (n, rays, rows); false where one is not there."""
        ...


LENT = 32
"""Beams that are taken from a holder at a time; a whole number of the groups that are backprojected together."""

_lent: dict[Hashable, tuple[Holder, Hashable]] = {}
_lock = threading.Lock()


def beams_key(scan: Scan, views: NDArray[np.intp], filter_type: str, frequency_scaling: float, padding: bool) -> Hashable:
    """What beams are known by: the scan's object, the views, and the filter."""
    return id(scan), views.tobytes(), filter_type, float(frequency_scaling), padding


def lend(key: Hashable, holder: Holder, stamp: Hashable = None) -> Callable[[], None]:
    """Let others take beams from a holder until the function that is given back is called.

    ``stamp`` is the scan's :meth:`~MITOReconstructionLib.scan.Scan.stamp` from before the first beam was made: as soon as the
    scan has another one, nothing is taken any more.
    """
    lent = holder, stamp
    with _lock:
        _lent[key] = lent

    def end() -> None:
        with _lock:
            if _lent.get(key) is lent:
                del _lent[key]

    return end


class SharedBeams:
    """The beams of a stream, taken from a holder where there is one that has them.

    Parameters
    ----------
    stream : BeamStream
    key : hashable
        As :func:`beams_key` gives it.
    """

    def __init__(self, stream: BeamStream, key: Hashable) -> None:
        self.stream = stream
        with _lock:
            lent = _lent.get(key)
        self._holder: Holder | None = lent and lent[0]
        self._stamp: Hashable = lent and lent[1]

    def blocks(self, first: int, last: int, monitor: Monitor) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """As :meth:`BeamStream.blocks`; an InputError also when the file has been cut short since its beams were made."""
        if self._holder is None or first >= last:
            yield from self.stream.blocks(first, last, monitor)
            return
        plan, block = self.stream.plan, min(self.stream.block, LENT)
        taken = aligned((block, len(plan.t), plan.geometry.detector.rows))
        lacking = first
        for start in range(first, last, block):
            part = taken[: min(block, last - start)]
            if self.stream.scan.stamp() == self._stamp and self._holder.take(start, start + len(part), part):
                yield from self.stream.blocks(lacking, start, monitor)
                monitor.check()
                yield start, part
                lacking = start + len(part)
        yield from self.stream.blocks(lacking, last, monitor)
