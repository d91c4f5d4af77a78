"""Any work in the background that reports through a Monitor: a simulation, an estimate."""

from __future__ import annotations

import threading
from collections.abc import Callable
from typing import Generic, Literal, TypeVar

from MITOReconstructionLib.errors import Cancelled, MITOError, WorkError
from MITOReconstructionLib.jobs.failures import summary
from MITOReconstructionLib.monitor import Monitor, Progress

__all__ = ["Task"]

T = TypeVar("T")


class Task(Generic[T]):
    """Work in a thread of its own. It ends exactly once: done, failed or cancelled; what is read of it is as of a Job.

    Parameters
    ----------
    work : callable
        Called with a Monitor in the thread; what it returns becomes ``value``.
    name : str
        Shown to people.
    """

    def __init__(self, work: Callable[[Monitor], T], name: str = "task") -> None:
        self.name = name
        self.state: Literal["waiting", "running", "done", "failed", "cancelled"] = "waiting"
        self.progress: Progress | None = None
        self.value: T | None = None
        self.error: Exception | None = None
        self._monitor = Monitor(self._report)
        self._thread = threading.Thread(target=self._run, args=(work,), name=f"task {name}", daemon=True)

    def start(self) -> None:
        """Start it; once."""
        self.state = "running"
        self._thread.start()

    def cancel(self) -> None:
        """Ask it to stop; it is still to be waited for."""
        self._monitor.cancel()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the end, at most for ``timeout`` seconds; whether it came."""
        self._thread.join(timeout)
        return not self._thread.is_alive()

    def _report(self, progress: Progress) -> None:
        self.progress = progress

    def _run(self, work: Callable[[Monitor], T]) -> None:
        try:
            self.value = work(self._monitor)
            self._monitor.check()
            self.state = "done"
        except Cancelled as error:
            self.value, self.error, self.state = None, error, "cancelled"
        except MITOError as error:
            self.error, self.state = error, "failed"
        except BaseException as error:  # noqa: BLE001 - whatever it was, the task has ended and says why
            failure = WorkError(f"It failed: {summary(error)}")
            failure.__cause__ = error
            self.error, self.state = failure, "failed"
