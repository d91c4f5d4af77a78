"""Jobs one after another."""

from __future__ import annotations

import threading
import time
from collections import deque

from MITOReconstructionLib.errors import InputError
from MITOReconstructionLib.jobs.job import Job

__all__ = ["Queue"]


class Queue:
    """Runs jobs one after another, in the order in which they were added; a job that fails does not stop the next.

    It may be used from any thread. The next job starts after the callbacks about the end of the one before.
    """

    def __init__(self) -> None:
        self._changed = threading.Condition(threading.RLock())
        self._waiting: deque[Job] = deque()
        self._current: Job | None = None

    @property
    def jobs(self) -> tuple[Job, ...]:
        """The jobs that have not ended, the running one first."""
        with self._changed:
            return tuple(job for job in (self._current, *self._waiting) if job is not None)

    def add(self, job: Job) -> Job:
        """Add a job, which starts at once where nothing else runs; it is returned.

        Raises
        ------
        InputError
            When the job was started or cancelled before, or is in the queue already.
        """
        with self._changed:
            if job.state != "waiting" or job in self._waiting:
                found = "one that is in the queue" if job in self._waiting else f"one that is {job.state}"
                raise InputError("job", expected="a job that waits", found=found, remedy="Make a new job.")
            self._waiting.append(job)
        job.when_ended(self._next)
        self._next(None)
        return job

    def cancel(self, job: Job) -> None:
        """Cancel one job; those behind it move up."""
        job.cancel()

    def cancel_all(self) -> None:
        """Cancel every job, the last one first, so that none is started in between."""
        for job in reversed(self.jobs):
            job.cancel()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until no job is left, at most for ``timeout`` seconds; whether none is."""
        deadline = None if timeout is None else time.monotonic() + timeout
        with self._changed:
            while self._current is not None or self._waiting:
                rest = None if deadline is None else deadline - time.monotonic()
                if rest is not None and rest <= 0.0:
                    return False
                self._changed.wait(rest)
        return True

    def _next(self, ended: Job | None) -> None:
        """Take a job that has ended out, and start the first that waits where none runs."""
        with self._changed:
            if ended is not None and ended in self._waiting:
                self._waiting.remove(ended)
            if self._current is ended:
                self._current = None
            while self._current is None and self._waiting:
                job = self._waiting.popleft()
                if job.start_if_waiting():
                    self._current = job
            self._changed.notify_all()
