"""The one rule for code that runs on all cores: one parallel kernel at a time.

numba's fall-back threading layer ends the process when two Python threads start parallel kernels at once, and where it
does not, they only get in each other's way. Hold :data:`KERNELS` around every call of a parallel kernel.
"""

from __future__ import annotations

import os
import threading
from collections import deque
from types import TracebackType

__all__ = ["KERNELS", "Turns", "cores"]


class Turns:
    """A lock for ``with`` that threads get in the order in which they came; a thread that has it can take it again.

    ``threading.RLock`` does not say who is next: a thread that takes it again at once may keep another one waiting.
    """

    def __init__(self) -> None:
        self._inner = threading.Lock()
        self._owner: int | None = None
        self._depth = 0
        self._waiting: deque[tuple[int, threading.Lock]] = deque()

    def __enter__(self) -> None:
        me = threading.get_ident()
        with self._inner:
            if self._owner in (None, me):  # it is never free while somebody waits
                self._owner, self._depth = me, self._depth + 1
                return
            turn = threading.Lock()
            turn.acquire()
            entry = me, turn
            self._waiting.append(entry)
        try:
            turn.acquire()
        except BaseException:  # interrupted while it waited, or just when it was its turn
            with self._inner:
                if entry in self._waiting:
                    self._waiting.remove(entry)
                else:
                    self._pass_on()
            raise

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        with self._inner:
            self._depth -= 1
            if self._depth == 0:
                self._pass_on()

    def _pass_on(self) -> None:
        self._owner, self._depth = None, 0
        if self._waiting:
            self._owner, turn = self._waiting.popleft()
            self._depth = 1
            turn.release()


KERNELS = Turns()
"""Held while a parallel kernel runs."""


def cores() -> int:
    """Number of processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
