"""A line with what a run will take, which follows the settings without holding the panel up."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import qt
from slicer.i18n import tr as _

from MITOReconstructionLib.files import mebibytes
from MITOReconstructionLib.jobs import Estimate, estimate
from MITOReconstructionLib.jobs.task import Task
from MITOReconstructionLib.panels.status import Status
from MITOReconstructionLib.panels.watch import Watch
from MITOReconstructionLib.scan import Scan

__all__ = ["EstimateLine", "duration"]

PATIENCE_MILLISECONDS = 150
"""After the last change of a setting."""


def duration(seconds: float) -> str:
    """A time for people."""
    if seconds < 60:
        return f"{max(1, round(seconds))} s"
    minutes = round(seconds / 60)
    return f"{minutes} min" if minutes < 120 else f"{minutes / 60:.1f} h"


class EstimateLine:
    """Says memory and time of the run that is set up, or in red why it cannot run; ``status.label`` is the widget.

    Each Status in ``mirrors`` says the same.
    """

    def __init__(self) -> None:
        self.status = Status("estimate")
        self.mirrors: list[Status] = []
        self.known: Estimate | None = None
        self._wanted: tuple[Scan, dict[str, Any]] | None = None
        self._watch = Watch(self._found)
        self._timer = qt.QTimer()
        self._timer.setInterval(PATIENCE_MILLISECONDS)
        self._timer.setSingleShot(True)
        self._timer.connect("timeout()", self._begin)

    def want(self, scan: Scan | None, options: Mapping[str, Any]) -> None:
        """Say it for these settings, soon."""
        self.known = None
        self._wanted = None if scan is None else (scan, dict(options))
        if scan is None:
            self.close()
            self._say("")
        else:
            self._timer.start()

    def postpone(self, text: str) -> None:
        """Say what has to be waited for first."""
        self.want(None, {})
        self._say(text)

    def fail(self, text: str) -> None:
        """Say why there is nothing to be estimated."""
        self.want(None, {})
        self._fail(text)

    def _say(self, text: str) -> None:
        for status in (self.status, *self.mirrors):
            status.say(text)

    def _fail(self, text: str) -> None:
        for status in (self.status, *self.mirrors):
            status.fail(text)

    def _begin(self) -> None:
        if self._wanted is None or self._watch.job is not None:
            return
        scan, options = self._wanted
        self._wanted = None
        task = Task(lambda _monitor: estimate(scan, **options), "estimate")
        task.start()
        self._watch.follow(task)

    def _found(self, task: Task[Estimate]) -> None:
        if self._wanted is not None:  # the settings were changed meanwhile
            self._begin()
            return
        self.known = task.value
        if task.value is None:
            self._fail(str(task.error))
        elif not task.value.possible:
            self._fail(" ".join(task.value.reasons))
        else:
            self._say(_in_words(task.value))

    def close(self) -> None:
        """Stop the timers."""
        self._timer.stop()
        self._watch.stop()


def _in_words(found: Estimate) -> str:
    text = _("{views} views, {input} in, {output} out, {peak} of memory, about {time}")
    if found.gpu_bytes:
        text = _("{views} views, {input} in, {output} out, {peak} of memory and {gpu} on the GPU, about {time}")
    return str(
        text.format(
            views=found.views,
            input=mebibytes(found.input_bytes),
            output=mebibytes(found.output_bytes),
            peak=mebibytes(found.peak_bytes),
            gpu=mebibytes(found.gpu_bytes),
            time=duration(found.seconds),
        )
    )
