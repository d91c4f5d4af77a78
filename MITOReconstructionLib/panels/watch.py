"""Follows a run from the main thread, by a timer."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt

__all__ = ["Watch"]

POLL_MILLISECONDS = 30

YIELD_SECONDS = 0.02
"""Where Slicer's main thread keeps Python's lock while it waits for events, threads advance only while Python code of the
main thread waits: so each look at a run waits for a moment."""


class Watch:
    """Calls back while a job or task runs, and once at its end.

    Parameters
    ----------
    on_end : callable
        Called with the job that has ended.
    on_progress : callable, optional
        Called with the job while it runs.
    """

    def __init__(self, on_end: Callable[[Any], object], on_progress: Callable[[Any], object] | None = None) -> None:
        self._on_end, self._on_progress = on_end, on_progress
        self.job: Any = None
        self._timer = qt.QTimer()
        self._timer.setInterval(POLL_MILLISECONDS)
        self._timer.connect("timeout()", self._look)

    def follow(self, job: Any) -> None:
        """Begin with a job that was started."""
        self.job = job
        self._timer.start()

    def stop(self) -> None:
        """No longer look."""
        self._timer.stop()
        self.job = None

    def _look(self) -> None:
        job = self.job
        if job is None:
            return
        if not job.wait(YIELD_SECONDS):
            if self._on_progress is not None and job.progress is not None:
                self._on_progress(job)
            return
        self.stop()
        self._on_end(job)
