"""How long a step of a run still takes, from its progress."""

from __future__ import annotations

from MITOReconstructionLib.monitor import Progress

__all__ = ["TimeLeft"]

ENOUGH_SECONDS = 1.0
"""Of a step before its end is foretold."""


class TimeLeft:
    """Is told each progress of a run, in order."""

    def __init__(self) -> None:
        self._step: str | None = None
        self._began = self._first = 0.0

    def of(self, progress: Progress) -> float | None:
        """Seconds left of the step; None as long as nobody can know."""
        if progress.step != self._step or progress.fraction < self._first:
            self._step, self._began, self._first = progress.step, progress.seconds, progress.fraction
        spent, done = progress.seconds - self._began, progress.fraction - self._first
        if spent < ENOUGH_SECONDS or done <= 0.0:
            return None
        return spent / done * (1.0 - progress.fraction)
