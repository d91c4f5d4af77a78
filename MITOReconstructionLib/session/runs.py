"""The runs of a session: a queue, what has become of each, and what they bring into the scene meanwhile. Without Qt."""

from __future__ import annotations

import time
from collections.abc import Callable, Iterator
from typing import Any

from MITOReconstructionLib.errors import Cancelled, MITOError
from MITOReconstructionLib.jobs import Job, Preview, Queue, Volume
from MITOReconstructionLib.monitor import Progress
from MITOReconstructionLib.scan import Scan
from MITOReconstructionLib.scene.host import Node, Scene
from MITOReconstructionLib.scene.plots import ResidualPlot, charted
from MITOReconstructionLib.scene.preview import PreviewPart
from MITOReconstructionLib.session.names import free_name
from MITOReconstructionLib.session.time_left import TimeLeft

__all__ = ["Run", "Runs"]

WAIT_SECONDS = 0.05
PREVIEW_SHARE = 0.25
"""Of the main thread's time, at most, that showing previews may take."""


class Run:
    """One reconstruction that was asked for.

    Attributes
    ----------
    name : str
        Of its volume.
    sample : str
        Name of the scan.
    job : Job or None
        None once it has ended and its volume is in the scene: then nothing of it is held twice.
    state : str
        "waiting", "running", "cancelling", "done", "failed" or "cancelled".
    error : str
        Why it failed, and what went wrong with its previews.
    residuals : list of (int, float)
        Iterations and relative residuals so far.
    node : str
        ID of the volume node that it made.
    preview : PreviewPart or None
    plot : ResidualPlot or None
    """

    def __init__(self, scan: Scan, name: str, **options: Any) -> None:
        self.name, self.sample = name, scan.name
        self.residuals: list[tuple[int, float]] = []
        self.error, self.node = "", ""
        self.preview: PreviewPart | None = None
        self.plot: ResidualPlot | None = None
        self.scan: Scan | None = scan
        self.left: float | None = None
        self._time_left, self._seen = TimeLeft(), None
        self._end = ""
        self.cancelling = self.forgotten = False
        self.next_preview = 0.0
        listen: Callable[[Progress], object] = options.pop("on_progress", None) or (lambda _progress: None)
        residuals = self.residuals

        def hear(progress: Progress) -> None:
            if progress.residual is not None and progress.iteration is not None:
                residuals.append((progress.iteration, progress.residual))
            listen(progress)

        self.job: Job | None = Job(scan, name=name, on_progress=hear, **options)

    @property
    def state(self) -> str:
        """What has become of it."""
        if self.job is None:
            return self._end
        return "cancelling" if self.cancelling and self.job.state == "running" else self.job.state

    @property
    def over(self) -> bool:
        """Whether it has ended and what it brought is in the scene."""
        return self.job is None

    @property
    def progress(self) -> Progress | None:
        """Its latest report; None before the first and after the end."""
        return None if self.job is None else self.job.progress

    def look(self) -> None:
        """Foretell the end of the step that it is in: seconds, or None, in ``left``."""
        progress = self.progress
        if progress is not None and progress is not self._seen:
            self._seen = progress  # type: ignore[assignment]
            self.left = self._time_left.of(progress)

    def let_go(self) -> Job | None:
        """Keep only how it ended; the job is returned."""
        job, self.job, self.scan, self.left = self.job, None, None, None
        if job is not None:
            self._end = job.state
            if job.error is not None and not isinstance(job.error, Cancelled):
                self.error = str(job.error)
        return job


class Runs:
    """The runs that were asked for, first to last; one goes on at a time.

    Parameters
    ----------
    scene : vtkMRMLScene
    show_volume : callable
        Puts a volume into the scene: ``show_volume(volume, scan, name)`` returns its node.
    changed : callable
        Called when a run was added, has ended or was removed.
    """

    def __init__(self, scene: Scene, show_volume: Callable[[Volume, Scan, str], Node], changed: Callable[[], object]) -> None:
        self._scene, self._show_volume, self._changed = scene, show_volume, changed
        self._queue = Queue()
        self._entries: list[Run] = []

    def __iter__(self) -> Iterator[Run]:
        return iter(tuple(self._entries))

    def __len__(self) -> int:
        return len(self._entries)

    def __getitem__(self, place: int) -> Run:
        return self._entries[place]

    @property
    def going(self) -> Run | None:
        """The run that goes on, or the first one that has something to bring in; None where all are over."""
        return next((run for run in self._entries if not run.over), None)

    def add(self, scan: Scan, name: str, **options: Any) -> Run:
        """Add a run; it starts at once where no other goes on.

        Raises
        ------
        MITOError
            When an option cannot be used.
        """
        run = Run(scan, name, **options)
        self._entries.append(run)
        if run.job is not None:
            self._queue.add(run.job)
        self._changed()
        return run

    def cancel(self, run: Run) -> None:
        """Stop a run, or take it out of the queue; it stays in the list as cancelled."""
        if run.job is not None:
            run.cancelling = True
            run.job.cancel()
            self._changed()

    def cancel_all(self) -> None:
        """Stop every run, the last one first, so that none is started in between."""
        for run in reversed(self._entries):
            if run.job is not None:
                run.cancelling = True
                run.job.cancel()
        self._changed()

    def remove(self, run: Run) -> None:
        """Take a run that is over out of the list, with its chart; its volume stays. One that goes on is cancelled and stays."""
        if not run.over:
            self.cancel(run)
            return
        if run.plot is not None:
            run.plot.remove()
        if run in self._entries:
            self._entries.remove(run)
        self._changed()

    def clear(self) -> None:
        """Take every run that is over out of the list."""
        for run in self:
            if run.over:
                self.remove(run)

    def plot(self, run: Run) -> ResidualPlot:
        """The chart of a run's residuals; it follows the run from then on."""
        if run.plot is not None and not run.plot.alive:
            run.plot.remove()
            run.plot = None
        if run.plot is None:
            run.plot = ResidualPlot(self._scene, run.sample, free_name(run.name, charted(self._scene, run.sample)))
        run.plot.update(run.residuals)
        return run.plot

    # ---- what runs bring ---------------------------------------------------------------------------------------------

    def collect(self) -> list[Run]:
        """Bring previews, residuals and volumes into the scene; to be called again and again, in the main thread.

        Returns
        -------
        list of Run
            Those that have ended since the last call.
        """
        ended = [run for run in self if run.job is not None and run.job.wait(0.0)]
        for run in self:
            run.look()
            if run in ended:
                self._finish(run)
            elif not run.over:
                self._look(run)
            if run.plot is not None and run.plot.alive:
                run.plot.update(run.residuals)
        if ended:
            self._changed()
        return ended

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until every run has ended and is in the scene, at most for ``timeout`` seconds; whether that is so."""
        deadline = None if timeout is None else time.monotonic() + timeout
        while (run := self.going) is not None:
            if run.job is not None and not run.job.wait(WAIT_SECONDS) and deadline is not None and time.monotonic() > deadline:
                return False
            self.collect()
        return True

    def _look(self, run: Run) -> None:
        now = time.monotonic()
        if run.job is None or run.cancelling or now < run.next_preview:
            return
        run.error = run.job.preview_error
        preview = run.job.take_preview()
        if preview is not None:
            self._show_preview(run, preview)
            run.next_preview = time.monotonic() + (time.monotonic() - now) / PREVIEW_SHARE

    def _show_preview(self, run: Run, preview: Preview) -> None:
        if run.preview is not None and not run.preview.alive:
            run.preview.remove()
            run.preview = None
        if run.preview is None:
            run.preview = PreviewPart(self._scene, run.sample, run.name)
        run.preview.show(preview.array, preview.grid, preview.iteration)

    def _finish(self, run: Run) -> None:
        if run.preview is not None:
            run.preview.remove()
            run.preview = None
        scan, forgotten = run.scan, run.forgotten
        job = run.let_go()
        if job is None or job.volume is None or scan is None or forgotten:
            return
        try:
            node = self._show_volume(job.volume, scan, run.name)
            run.node, run.name = node.GetID(), node.GetName()
        except (MITOError, MemoryError) as error:
            run._end, run.error = "failed", str(error) or "There is not enough memory for the volume in the scene."

    # ---- the scene is closed -----------------------------------------------------------------------------------------

    def forget(self) -> None:
        """Cancel everything and bring nothing more into the scene, which was closed; runs that were over leave the list."""
        for run in self:
            run.forgotten = True
            run.preview = run.plot = None
            if run.over:
                self._entries.remove(run)
        self.cancel_all()

    def close(self, seconds: float) -> None:
        """Cancel everything and wait for the end."""
        self.cancel_all()
        self._queue.wait(seconds)
        for run in self:
            run.forgotten = True
        self.collect()
        self._entries.clear()
