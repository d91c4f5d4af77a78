"""States that one can go back to, and forward again."""

from __future__ import annotations

import time
from collections.abc import Callable
from typing import Generic, TypeVar

__all__ = ["History"]

S = TypeVar("S")

MOST_STEPS = 200

MERGE_SECONDS = 1.0
"""Changes of one and the same thing that follow each other faster are one step."""


class History(Generic[S]):
    """A state, those before it and those that were undone.

    Parameters
    ----------
    state : any
        The first one.
    clock : callable
        Gives seconds.
    """

    def __init__(self, state: S, clock: Callable[[], float] = time.monotonic) -> None:
        self.state = state
        self._undone: list[tuple[str, S]] = []
        self._done: list[tuple[str, S]] = []
        self._clock, self._last = clock, ("", 0.0)

    @property
    def undo_text(self) -> str:
        """What undo takes back; empty where there is nothing."""
        return self._done[-1][0] if self._done else ""

    @property
    def redo_text(self) -> str:
        """What redo does again; empty where there is nothing."""
        return self._undone[-1][0] if self._undone else ""

    def put(self, state: S, text: str, *, merge: str = "") -> None:
        """Go to a new state.

        Parameters
        ----------
        state : any
        text : str
            What was done, for people.
        merge : str, optional
            What was changed: where the step before changed the same a moment ago, the two are one.
        """
        now = self._clock()
        if not (merge and self._done and self._last[0] == merge and now - self._last[1] < MERGE_SECONDS):
            self._done.append((text, self.state))
            del self._done[:-MOST_STEPS]
        self._last = (merge, now)
        self._undone.clear()
        self.state = state

    def replace(self, state: S) -> None:
        """Go to a state that is no step of its own."""
        self.state = state

    def undo(self) -> bool:
        """Go back; whether there was somewhere to go."""
        return self._move(self._done, self._undone)

    def redo(self) -> bool:
        """Go forward again; whether there was somewhere to go."""
        return self._move(self._undone, self._done)

    def _move(self, source: list[tuple[str, S]], target: list[tuple[str, S]]) -> bool:
        if not source:
            return False
        text, state = source.pop()
        target.append((text, self.state))
        self.state, self._last = state, ("", 0.0)
        return True
