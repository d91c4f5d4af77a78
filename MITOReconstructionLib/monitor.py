"""How work that takes a while reports its progress and learns that it should stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import Any

from MITOReconstructionLib.errors import Cancelled

__all__ = ["Monitor", "Progress"]


@dataclass(frozen=True)
class Progress:
    """One report of a run.

    step : what is being done, a few words for people;
    fraction : how much of this step is done, 0 to 1;
    seconds : since the run began;
    iteration, residual : of iterative methods, else None.
    """

    step: str
    fraction: float
    seconds: float
    iteration: int | None = None
    residual: float | None = None

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready description without the fields that are None."""
        return {name: value for name, value in asdict(self).items() if value is not None}

    def __post_init__(self) -> None:
        for name, kind in (("fraction", float), ("seconds", float), ("iteration", int), ("residual", float)):
            value = getattr(self, name)
            if value is not None:
                object.__setattr__(self, name, kind(value))  # numpy's numbers are not JSON's


class Monitor:
    """Carries reports out of a run, and the wish to stop into it.

    Parameters
    ----------
    report : callable, optional
        Called with each :class:`Progress`, in the thread that works.
    """

    def __init__(self, report: Callable[[Progress], object] | None = None) -> None:
        self._report = report
        self._start = time.monotonic()
        self._stop = threading.Event()

    def cancel(self) -> None:
        """Ask the run to stop; from any thread."""
        self._stop.set()

    @property
    def cancelled(self) -> bool:
        """Whether the run was asked to stop."""
        return self._stop.is_set()

    @property
    def seconds(self) -> float:
        """Seconds since this monitor was made."""
        return time.monotonic() - self._start

    def check(self) -> None:
        """Raise :class:`Cancelled` where the run was asked to stop."""
        if self._stop.is_set():
            raise Cancelled("The run was cancelled.")

    def report(self, step: str, fraction: float, *, iteration: int | None = None, residual: float | None = None) -> None:
        """Report progress and stop where the run was asked to.

        Raises
        ------
        Cancelled
            When the run was asked to stop.
        """
        self.check()
        if self._report is not None:
            self._report(Progress(step, min(1.0, max(0.0, fraction)), self.seconds, iteration, residual))
        self.check()
