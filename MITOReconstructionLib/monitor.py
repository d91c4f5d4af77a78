"""How work that takes a while reports its progress and learns that it should stop."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from dataclasses import asdict, dataclass
from typing import TYPE_CHECKING, Any

from MITOReconstructionLib.errors import Cancelled, InputError

if TYPE_CHECKING:
    import numpy as np
    from numpy.typing import NDArray

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
    preview : callable, optional
        Called by iterative methods as ``preview(iteration, volume)`` in the thread that works, with the number of iterations done
        and the volume as it is then: float32, axes x, y, z, 1/mm, read-only, and valid during the call only; copy it to keep it.
    preview_every : int
        Iterations from one preview to the next.

    Raises
    ------
    InputError
        When ``preview_every`` is below 1.
    """

    def __init__(
        self,
        report: Callable[[Progress], object] | None = None,
        *,
        preview: Callable[[int, NDArray[np.float32]], object] | None = None,
        preview_every: int = 1,
    ) -> None:
        if preview_every < 1:
            raise InputError("preview_every", expected="at least 1", found=str(preview_every), remedy="Give a number of iterations.")
        self._report = report
        self._preview, self._preview_every = preview, preview_every
        self._finish = threading.Event()
        self._start = time.monotonic()
        self._stop = threading.Event()

    def cancel(self) -> None:
        """Ask the run to stop; from any thread."""
        self._stop.set()

    @property
    def cancelled(self) -> bool:
        """Whether the run was asked to stop."""
        return self._stop.is_set()

    def finish(self) -> None:
        """Ask an iterative method to end after the iteration it is in and give what it has; from any thread."""
        self._finish.set()

    @property
    def finishing(self) -> bool:
        """Whether the run was asked to end with what it has."""
        return self._finish.is_set()

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

    def inner(self, step: str) -> Monitor:
        """A monitor for a run that is a step of this one: it reports under the step's name, stops with this one, shows nothing."""

        def report(progress: Progress) -> None:
            self.report(step, progress.fraction)

        monitor = Monitor(report)
        monitor._stop = self._stop
        return monitor

    def part(self, name: str) -> Monitor:
        """A monitor for a run that is one of several: it adds the name to its steps', stops with this one, shows nothing."""

        def report(progress: Progress) -> None:
            self.report(f"{progress.step}, {name}", progress.fraction, iteration=progress.iteration, residual=progress.residual)

        monitor = Monitor(report)
        monitor._stop, monitor._finish = self._stop, self._finish
        return monitor

    def show(self, iteration: int, volume: NDArray[np.float32]) -> None:
        """Hand out the volume after so many iterations where the caller wants to see it.

        Raises
        ------
        Cancelled
            When the run was asked to stop.
        """
        self.check()
        if self._preview is not None and iteration % self._preview_every == 0:
            view = volume.view()
            view.setflags(write=False)
            self._preview(iteration, view)
            self.check()
