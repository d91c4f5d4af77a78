"""What runs on the workers of a cluster."""

from __future__ import annotations

import threading
import time
from collections.abc import Sequence
from dataclasses import replace
from typing import Any

import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.errors import Cancelled, InputError
from MITOReconstructionLib.jobs.reconstruct import run_request
from MITOReconstructionLib.jobs.request import Request
from MITOReconstructionLib.monitor import Monitor, Progress
from MITOReconstructionLib.version import __version__

__all__ = ["TOPIC", "Label", "Part", "cut_part", "other_versions", "reconstruct_part"]

TOPIC = "mito-reconstruction"
"""Where tasks tell how far they are."""

INTERVAL = 1.0
"""Seconds between the reports of a task."""

POLL = 0.05

Label = tuple[str, int, int]
"""Name of a run, number of an order in it, and number of a part of that order."""

Part = tuple[NDArray[np.float32], dict[str, Any]]
"""Some slices of a volume, indexed [z, y, x], and their provenance."""

_BUSY = threading.Lock()
"""Held by the task that works: each takes all cores, and the memory for one was foreseen."""


class _Teller:
    """Sends a task's reports to whoever follows the run, and stops the task when it is not wanted any more.

    The fraction that counts is that of ``step``, which has the method's name; compiling and the like come before it.
    """

    def __init__(self, label: Label, step: str) -> None:
        from distributed import get_worker

        self._worker = get_worker()
        self._key = self._worker.get_current_task()
        self._label, self._step = label, step.lower()
        self._next = 0.0

    @property
    def address(self) -> str:
        """The worker's."""
        return str(self._worker.address)

    def __call__(self, progress: Progress) -> None:
        task = self._worker.state.tasks.get(self._key)
        if task is None or task.state == "cancelled":
            raise Cancelled("The task was cancelled.")
        if time.monotonic() >= self._next:
            self._next = time.monotonic() + INTERVAL
            run, order, part = self._label
            fraction = progress.fraction if progress.step.lower() == self._step else 0.0
            self._worker.log_event(TOPIC, {"run": run, "order": order, "part": part, "fraction": fraction})


def reconstruct_part(order: dict[str, Any], slices: tuple[int, int] | None, label: Label, step: str, version: str) -> Part:
    """A task: reconstruct some slices, or all. Gives them as [z, y, x], and their provenance."""
    tell = _Teller(label, step)
    if version != __version__:
        raise other_versions([f"{tell.address} has {__version__}"], version)
    monitor = Monitor(tell)
    while not _BUSY.acquire(timeout=POLL):
        monitor.report("waiting", 0.0)
    try:
        request = Request.from_dict(order)
        if slices:
            nx, ny, _ = request.grid.shape
            request = replace(request, grid=request.grid.region((0, 0, slices[0]), (nx, ny, slices[1])))
        volume = run_request(request, monitor)
    finally:
        _BUSY.release()
    return np.ascontiguousarray(volume.array.T), volume.provenance


def cut_part(whole: Part, first: int, last: int) -> Part:
    """A task: some slices of a volume that was reconstructed in one piece, so that no message is too large."""
    return whole[0][first:last], whole[1]


def other_versions(others: Sequence[str], version: str) -> InputError:
    """The error about workers that have this library in other versions, or not; ``others`` says which have what."""
    return InputError(
        "cluster",
        expected=f"MITOReconstructionLib {version}, as here, on the scheduler and every worker",
        found="; ".join(others),
        remedy="Install that version there with its extra [cluster], and start them again.",
    )
