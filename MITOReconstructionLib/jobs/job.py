"""A run of a method in the background: in a thread of this process, or as a subprocess."""

from __future__ import annotations

import atexit
import contextlib
import logging
import os
import threading
import weakref
from collections.abc import Callable, Mapping
from pathlib import Path
from typing import Any, Literal

import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.errors import Cancelled, InputError, MITOError, WorkError
from MITOReconstructionLib.geometry import VolumeGrid
from MITOReconstructionLib.geometry.scan_geometry import Views
from MITOReconstructionLib.jobs.child import Looker, reconstruct_in_child
from MITOReconstructionLib.jobs.estimate import require_fit
from MITOReconstructionLib.jobs.failures import summary
from MITOReconstructionLib.jobs.preview import Post, Preview, Previewer
from MITOReconstructionLib.jobs.reconstruct import run_request
from MITOReconstructionLib.jobs.request import Request
from MITOReconstructionLib.jobs.volume import Volume
from MITOReconstructionLib.methods import Parameters
from MITOReconstructionLib.monitor import Monitor, Progress
from MITOReconstructionLib.projectors.backends import AUTO, Backend
from MITOReconstructionLib.scan import Scan

__all__ = ["ENDS", "Job", "State"]

State = Literal["waiting", "running", "done", "failed", "cancelled"]
ENDS = ("done", "failed", "cancelled")

_log = logging.getLogger(__name__)
_running: weakref.WeakSet[Job] = weakref.WeakSet()


class Job:
    """A method to be run on a scan in the background. It ends exactly once: done, failed or cancelled.

    Everything about it may be called and read from any thread. The callbacks are called in the thread that works, one
    at a time, and not in the main thread: a widget polls ``progress`` and ``state`` from a timer instead.

    Parameters
    ----------
    scan, grid, method, parameters, views, backend, initial
        As of :func:`MITOReconstructionLib.reconstruct`.
    process : bool
        Whether it runs as a subprocess, which can crash without harm and can always be stopped; the scan must be on disk.
    folder : path, optional
        Where a subprocess and this process exchange files, which are removed again; the volume must fit there. By
        default the system's folder for temporary files.
    name : str
        Shown to people; by default the method's title.
    preview_every : int
        Iterations of an iterative method from one preview to the next, for :meth:`take_preview`; 0 makes none.
    on_progress : callable, optional
        Called with each :class:`Progress`. What it raises makes the job fail.
    on_end : callable, optional
        Called once with the job, when ``state``, ``volume`` and ``error`` are final and nothing of the run is left. A job
        that is cancelled before it was started ends in the thread that cancels it.

    Raises
    ------
    InputError
        When an argument cannot be used; what only shows while running ends the job as failed instead.
    """

    def __init__(
        self,
        scan: Scan,
        *,
        grid: VolumeGrid | None = None,
        method: str = "fbp",
        parameters: Mapping[str, Any] | Parameters | None = None,
        views: Views = None,
        backend: str | Backend = AUTO,
        initial: Volume | NDArray[np.floating] | None = None,
        process: bool = False,
        folder: str | os.PathLike[str] | None = None,
        name: str = "",
        preview_every: int = 0,
        on_progress: Callable[[Progress], object] | None = None,
        on_end: Callable[[Job], object] | None = None,
    ) -> None:
        self.request = Request.make(scan, grid=grid, method=method, parameters=parameters, views=views, backend=backend, initial=initial)
        if process:
            self.request.to_dict()  # refuses what no other process can open
        if preview_every < 0:
            raise InputError("preview_every", expected="at least 0", found=str(preview_every), remedy="Give 0 for no previews.")
        self.process = process
        self.name = name or self.request.method.title
        self._folder = None if folder is None else Path(folder)
        self._on_progress = on_progress
        self._listeners: list[Callable[[Job], object]] = [on_end] if on_end is not None else []
        self._lock = threading.Lock()
        self._ended = threading.Event()
        self._post, self._preview_every = Post(), preview_every
        self._preview_error = ""
        self._monitor = Monitor(self._report)
        self._worker: threading.Thread | None = None
        self._state: State = "waiting"
        self._progress: Progress | None = None
        self._volume: Volume | None = None
        self._error: Exception | None = None

    # ---- what is known ---------------------------------------------------------------------------------------------

    @property
    def state(self) -> State:
        """One of "waiting", "running", "done", "failed", "cancelled"; the last three are final."""
        return self._state

    @property
    def progress(self) -> Progress | None:
        """The latest report, None before the first."""
        return self._progress

    @property
    def volume(self) -> Volume | None:
        """The volume, once the job is done."""
        return self._volume

    @property
    def error(self) -> Exception | None:
        """What it failed with (InputError, WorkError, MissingPackageError), or Cancelled; else None."""
        return self._error

    @property
    def preview_error(self) -> str:
        """Why there are no more previews, where something went wrong with them; the run goes on without."""
        return self._preview_error

    def take_preview(self) -> Preview | None:
        """The newest preview, once; the next one is made only when it was taken. None where there is none yet, or no more."""
        return None if self._state != "running" else self._post.take()

    def result(self, timeout: float | None = None) -> Volume:
        """Wait for the end and give the volume.

        Raises
        ------
        MITOError
            The job's ``error`` where it failed or was cancelled.
        TimeoutError
            When it has not ended after ``timeout`` seconds.
        """
        if not self.wait(timeout):
            raise TimeoutError(f"The job '{self.name}' is still {self.state} after {timeout:g} seconds.")
        if self._volume is None:
            raise self._error or WorkError(f"The job '{self.name}' ended as {self.state}.")
        return self._volume

    # ---- what can be done ------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start it. What cannot fit into memory, or onto the disk, ends it as failed with an InputError that says so.

        Raises
        ------
        InputError
            When it was started or cancelled before.
        """
        if not self.start_if_waiting():
            raise InputError("job", expected="a job that waits", found=f"one that is {self.state}", remedy="Make a new job.")

    def start_if_waiting(self) -> bool:
        """Start it where it still waits; whether it did."""
        with self._lock:
            if self._state != "waiting":
                return False
            self._state = "running"
            self._monitor = Monitor(self._report)  # its clock begins now
            if self._preview_every and not self.process:
                self._monitor.previews(self._previewer(), self._preview_every)
            self._worker = threading.Thread(target=self._run, name=f"job {self.name}", daemon=True)
        _running.add(self)
        try:
            self._worker.start()
        except RuntimeError as error:  # Python is ending, or the system has no more threads
            self._end(None, WorkError(f"The job could not be started: {error}."))
        return True

    def cancel(self) -> None:
        """Stop it; it is still to be waited for. Once this was called before the end, the job ends as cancelled."""
        with self._lock:
            if self._state in ENDS:
                return
            self._monitor.cancel()
            waits, self._state = self._state == "waiting", "running"
        if waits:
            self._end(None, Cancelled("The job was cancelled before it was started."))

    def finish(self) -> None:
        """Have an iterative method end after the iteration that it is in, as done, with what it has."""
        self._monitor.finish()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait for the end, and for the callbacks about it, at most for ``timeout`` seconds; whether it has ended.

        Called by a callback, it does not wait for that callback.
        """
        if threading.current_thread() is self._worker:
            return self._state in ENDS
        return self._ended.wait(timeout)

    def when_ended(self, callback: Callable[[Job], object]) -> None:
        """Have something called with the job after its end, as ``on_end`` is; at once where it has ended."""
        with self._lock:
            if self._state not in ENDS:
                self._listeners.append(callback)
                return
        _notify(callback, self)

    # ---- the thread that works -------------------------------------------------------------------------------------

    def _report(self, progress: Progress) -> None:
        self._progress = progress
        if self._on_progress is not None:
            self._on_progress(progress)

    def _previewer(self) -> Previewer:
        return Previewer(self.request.grid, lambda: self._post.empty, self._post.put, self._no_more_previews)

    def _no_more_previews(self, why: str) -> None:
        self._preview_error = why

    def _run(self) -> None:
        try:
            self._end(self._work(), None)
        except MITOError as error:
            self._end(None, error)
        except BaseException as error:  # noqa: BLE001 - whatever it was, the job has ended and says why
            failure = WorkError(f"The run failed: {summary(error)}")
            failure.__cause__ = error
            self._end(None, failure)
        finally:
            _running.discard(self)

    def _work(self) -> Volume:
        request = self.request
        self._monitor.check()
        if self.process:
            require_fit(request, self._folder)
            looker = Looker(self._post, self._preview_every, self._no_more_previews) if self._preview_every else None
            return reconstruct_in_child(request, self._monitor, self._report, folder=self._folder, looker=looker)
        return run_request(request, self._monitor)

    def _end(self, volume: Volume | None, error: Exception | None) -> None:
        with self._lock:
            if self._state in ENDS:
                return
            if self._monitor.cancelled and not isinstance(error, Cancelled):
                volume, error = None, Cancelled("The run was cancelled.")
            self._volume, self._error = volume, error
            self._state = "done" if error is None else "cancelled" if isinstance(error, Cancelled) else "failed"
            self._worker = threading.current_thread()
            listeners = list(self._listeners)
        self._post.take()  # nobody gets it any more
        for listener in listeners:
            _notify(listener, self)
        self._ended.set()


def _notify(callback: Callable[[Job], object], job: Job) -> None:
    try:
        callback(job)
    except Exception:  # noqa: BLE001 - the job has ended all the same
        _log.exception("a callback about the end of the job '%s' failed", job.name)


@atexit.register
def _cancel_all() -> None:
    """Leave no subprocess and no file behind when Python ends."""
    jobs = list(_running)
    for job in jobs:
        job.cancel()
    for job in jobs:
        with contextlib.suppress(RuntimeError):
            job.wait(2.0)
