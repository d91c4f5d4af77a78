"""The thread behind live slices: it does the most urgent step, looks at what is wanted now, and does the next one."""

from __future__ import annotations

import itertools
import threading
import time
from collections.abc import Callable, Generator
from dataclasses import replace

import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.live.context import context_grid, reconstruct_context
from MITOReconstructionLib.live.growing import GrowingScan
from MITOReconstructionLib.live.levels import Levels
from MITOReconstructionLib.live.plane import Plane
from MITOReconstructionLib.live.plugins import PluginStep, run_steps
from MITOReconstructionLib.live.result import ContextVolume, Level, LiveStatus, SliceResult
from MITOReconstructionLib.live.settings import LiveSettings
from MITOReconstructionLib.live.task import Image, enlarge, preview_factor, reconstruct_plane
from MITOReconstructionLib.scan import Scan

__all__ = ["ContextRequest", "Request", "Worker"]

LOOK_SECONDS = 0.2
"""How often a growing file is looked at."""

GROWTH = 0.1
"""Share of the scan's beams that have to come before the context volume is made anew."""


class Request:
    """A plane that is wanted, and how far it is: "preview", "between" (a better one, where it is worth it), "final", then "done"."""

    def __init__(self, key: str, plane: Plane, since: float) -> None:
        self.key, self.plane, self.since = key, plane, since
        self.stage = "preview"
        self.task: Generator[None, None, Image] | None = None
        self.seconds: dict[str, float] = {}
        self.ready = (0, 0)
        self.image: NDArray[np.float32] | None = None
        self.level: Level = "preview"
        self.complete = False
        self.reprocess = False
        self.failed = False
        self.given_up = False
        self.before: Request | None = None

    def instead_of(self, old: Request) -> None:
        """Take the place of an older request of the same key.

        A preview under way is given up, but not two in a row: the second one is brought to its end and shown first. Else nothing
        would be shown during a drag whose requests come faster than previews are made.
        """
        if old.stage != "preview":
            return
        self.before, self.given_up = old.before, old.given_up
        if self.before is None and old.task is not None:
            self.before, self.given_up = (old, False) if old.given_up else (None, True)

    def again(self, since: float) -> None:
        """Make the final image anew, because more of the scan has come."""
        self.stage, self.task, self.since, self.seconds = "final", None, since, {}


class ContextRequest:
    """The context volume that is wanted."""

    def __init__(self, voxels: int) -> None:
        self.voxels = voxels
        self.done, self.failed = False, False
        self.task: Generator[None, None, NDArray[np.float32]] | None = None
        self.ready = (0, 0)
        self.seconds = 0.0


class Worker:
    """Does the work of an engine. Everything public is read and changed with :attr:`changed` held.

    Parameters
    ----------
    scan : Scan
    settings : LiveSettings
    plugins : tuple of PluginStep
    build : callable
        Makes the :class:`Levels` of some settings.
    callback : callable or None
        Told every result.
    """

    def __init__(
        self,
        scan: Scan,
        settings: LiveSettings,
        plugins: tuple[PluginStep, ...],
        build: Callable[[LiveSettings], Levels],
        callback: Callable[[SliceResult], object] | None,
    ) -> None:
        self.changed = threading.Condition()
        self.settings, self.plugins = settings, plugins
        self.requests: dict[str, Request] = {}
        self.results: dict[str, SliceResult] = {}
        self.context_request: ContextRequest | None = None
        self.context: ContextVolume | None = None
        self.closed = False
        self._scan, self._build, self._callback = scan, build, callback
        self._levels: Levels | None = build(settings)
        self._error = ""
        self._numbers = itertools.count(1)
        self._active: Request | None = None
        self._context_turn = True
        self._ahead = True
        self._middle = float(np.mean(scan.geometry.axial_positions))
        self._growing = scan if isinstance(scan, GrowingScan) else None
        self._arrived = self._growing.arrived if self._growing is not None else scan.geometry.views
        self._looked = time.perf_counter()
        self._news, self._news_seen = 0, 0
        self._unsubscribe = self._growing.subscribe(self._poke) if self._growing is not None else None
        self._thread = threading.Thread(target=self._run, name="live slices", daemon=True)
        self._thread.start()

    # ---- for the engine --------------------------------------------------------------------------------------------------

    @property
    def busy(self) -> bool:
        """Whether something that was asked for is not there yet."""
        context = self.context_request is not None and not self.context_request.done
        slices = any(request.stage != "done" or request.reprocess for request in self.requests.values())
        return context or slices or self._news != self._news_seen

    def status(self) -> LiveStatus:
        """How far the work is."""
        with self.changed:
            levels, arrived = self._levels, self._arrived
            views, busy, error = self._scan.geometry.views, self.busy, self._error
            if levels is None:
                return LiveStatus(busy, 0, 0, 0, 0, 0, views, arrived, error)
            full = levels.full
            first, last = levels.ready(full, arrived)
            cache = full.cache
            return LiveStatus(busy, full.plan.beams, last - first, cache.held_beams, cache.nbytes, cache.limit, views, arrived, error)

    def close(self) -> None:
        """End the work and wait for the end of the thread."""
        if self._unsubscribe is not None:
            self._unsubscribe()
        with self.changed:
            self.closed = True
            self.changed.notify_all()
        if threading.current_thread() is not self._thread:
            self._thread.join()

    # ---- the thread ------------------------------------------------------------------------------------------------------

    def _poke(self) -> None:
        with self.changed:
            self._news += 1
            self.changed.notify_all()

    def _run(self) -> None:
        try:
            while True:
                self._look()
                with self.changed:
                    if self.closed:
                        return
                    job = self._choose()
                    if job is None:
                        waits = self._growing is not None and not self._growing.finished
                        self.changed.wait(LOOK_SECONDS if waits else None)
                        continue
                job()
        finally:
            levels, self._levels = self._levels, None
            if levels is not None:
                levels.close()
            with self.changed:
                self.closed = True
                self.changed.notify_all()

    def _look(self) -> None:
        """Whether more of the scan has come."""
        now, news = time.perf_counter(), self._news
        if self._growing is None or (news == self._news_seen and now - self._looked < LOOK_SECONDS):
            return
        self._looked = now
        arrived = self._arrived
        try:
            arrived = self._growing.arrived
        except Exception as error:  # noqa: BLE001 - whatever is wrong with the source, the slices stay
            self._error = _sentence(error)
        with self.changed:
            self._news_seen = news
            if arrived != self._arrived:
                self._arrived, self._ahead = arrived, True
                self._renew()
            self.changed.notify_all()

    def _renew(self) -> None:
        """Have what was made from fewer views than there are now made anew."""
        levels = self._levels
        if levels is None or self._growing is None:
            return
        ready, beams = levels.ready(levels.full, self._arrived), levels.full.plan.beams
        now = time.perf_counter()
        for request in self.requests.values():
            if request.stage == "done" and not request.complete and not request.failed and request.ready != ready:
                request.again(now)
        context = self.context_request
        if context is not None and context.done and not context.failed:
            more = abs(ready[1] - ready[0] - (context.ready[1] - context.ready[0]))
            if more >= GROWTH * beams or (more and ready == (0, beams)):
                self.context_request = ContextRequest(context.voxels)

    def _choose(self) -> Callable[[], None] | None:
        """The most urgent step: previews, the newest first; then final images and the context volume in turn; then what may be wanted."""
        levels = self._levels
        if levels is None or levels.settings != self.settings:
            return self._rebuild if levels is not None or self.busy else None
        waiting = [request for request in reversed(self.requests.values()) if request.stage != "done" or request.reprocess]
        for request in waiting:
            if request.reprocess:
                return lambda: self._reprocess(request)
        previews = [request.before or request for request in waiting if request.stage == "preview"]
        if previews:
            return lambda: self._advance(previews[0], levels)
        context = self.context_request
        self._context_turn = not self._context_turn or not waiting
        if context is not None and not context.done and self._context_turn:
            return lambda: self._advance_context(context, levels)
        between = [request for request in waiting if request.stage == "between"]
        if between:
            return lambda: self._advance(between[0], levels)
        if waiting:
            if self._active not in waiting:
                self._active = waiting[0]
            active = self._active
            return lambda: self._advance(active, levels)
        if context is not None and not context.done:
            return lambda: self._advance_context(context, levels)
        self._active = None
        return (lambda: self._fill_ahead(levels)) if self._ahead else None

    def _rebuild(self) -> None:
        """Take other settings into use."""
        settings, levels = self.settings, self._levels
        self._ahead, self._active, self._error = True, None, ""
        if levels is not None and replace(levels.settings, mode=settings.mode, fill_value=settings.fill_value) == settings:
            levels.settings = settings
            return
        self._levels = None
        if levels is not None:
            levels.close()
        try:
            self._levels = self._build(settings)
        except Exception as error:  # noqa: BLE001 - no room, for example; the next request tries again
            with self.changed:
                waiting = [request for request in self.requests.values() if request.stage != "done"]
                if self.context_request is not None:
                    self.context_request.done = True
            for request in waiting:
                self._fail(request, error)

    def _advance(self, request: Request, levels: Levels) -> None:
        """Do a step of a slice."""
        try:
            if request.stage == "between" and request.task is None and not levels.worth_it(request.plane, self._arrived):
                request.stage = "final"
            level = levels.at(request.stage)
            factor = 1 if request.stage == "final" else preview_factor(level, request.plane)
            if request.task is None:
                request.ready = levels.ready(level, self._arrived)
                plane = request.plane.coarser(factor) if factor > 1 else request.plane
                request.task = reconstruct_plane(level, plane, request.ready, levels.settings.fill_value, request.seconds)
                self._middle, self._ahead = request.plane.centre[2], True
            try:
                next(request.task)
                return
            except StopIteration as end:
                image, complete = end.value
        except Exception as error:  # noqa: BLE001 - a file that was cut, a disk that is full: the engine lives on
            self._fail(request, error)
            return
        request.task = None
        request.image = enlarge(image, request.plane.shape, factor)
        request.level = "final" if request.stage == "final" else "preview"
        request.complete = complete and request.stage == "final"
        self._error = ""
        self._give(request, levels.after(request.stage))

    def _reprocess(self, request: Request) -> None:
        request.since = time.perf_counter()
        self._give(request, request.stage)

    def _fail(self, request: Request, error: Exception) -> None:
        self._error = _sentence(error)
        request.task, request.image, request.level, request.complete, request.failed = None, None, "final", False, True
        self._give(request, "done")

    def _give(self, request: Request, stage: str) -> None:
        """Put the image through the plugins and give it out, if it is still wanted; then the request is at ``stage``."""
        plugins = self.plugins
        result = self._result(request, plugins)
        if self._callback is not None and self._wanted(request):
            try:
                self._callback(result)
            except Exception as fault:  # noqa: BLE001 - a fault of the listener's
                self._error = f"callback: {_sentence(fault)}"
        with self.changed:
            if self._wanted(request):
                self.results.pop(request.key, None)
                self.results[request.key] = result
            newest = self.requests.get(request.key)
            if newest is not None and newest.before is request:
                newest.before = None
            request.stage = stage
            request.reprocess = self.plugins is not plugins and request.image is not None
            self._renew()
            self.changed.notify_all()

    def _wanted(self, request: Request) -> bool:
        with self.changed:
            newest = self.requests.get(request.key)
            return newest is not None and (newest is request or newest.before is request)

    def _result(self, request: Request, plugins: tuple[PluginStep, ...]) -> SliceResult:
        seconds, error = dict(request.seconds), self._error if request.image is None else ""
        values: dict[str, float] = {}
        image: NDArray[np.float32] = np.zeros(request.plane.shape, np.float32) if request.image is None else request.image
        image.setflags(write=False)
        if request.image is not None:
            image, values, spent, error = run_steps(image, plugins)
            seconds |= spent
            values |= {"mean": float(image.mean()), "minimum": float(image.min()), "maximum": float(image.max())}
        seconds["total"] = time.perf_counter() - request.since
        number = next(self._numbers)
        return SliceResult(request.key, request.plane, image, request.level, request.complete, number, seconds, values, error)

    def _advance_context(self, context: ContextRequest, levels: Levels) -> None:
        """Do a step of the context volume."""
        start = time.perf_counter()
        try:
            if context.task is None:
                context.ready = levels.ready(levels.full, self._arrived)
                ready = levels.ready(levels.coarse, self._arrived)
                grid = context_grid(self._scan, context.voxels)
                context.task = reconstruct_context(levels.coarse, grid, ready, levels.settings.fill_value)
            try:
                next(context.task)
                context.seconds += time.perf_counter() - start
                return
            except StopIteration as end:
                array = end.value
        except Exception as error:  # noqa: BLE001 - as for slices
            self._error = _sentence(error)
            with self.changed:
                context.done = context.failed = True
                self.changed.notify_all()
            return
        array.setflags(write=False)
        context.seconds += time.perf_counter() - start
        complete = context.ready == (0, levels.full.plan.beams)
        volume = ContextVolume(context_grid(self._scan, context.voxels), array, next(self._numbers), complete, context.seconds)
        with self.changed:
            context.done, context.task = True, None
            if self.context_request is context:
                self.context = volume
            self._renew()
            self.changed.notify_all()

    def _fill_ahead(self, levels: Levels) -> None:
        try:
            self._ahead = levels.fill_ahead(self._arrived, self._middle)
        except Exception as error:  # noqa: BLE001 - it is met again, and told, where a slice needs these views
            self._error, self._ahead = _sentence(error), False
        if not self._ahead:
            levels.rest()


def _sentence(error: Exception) -> str:
    text = " ".join(str(error).split())
    return text if text and isinstance(error, (ValueError, RuntimeError)) else f"{type(error).__name__}: {text}".rstrip(": ")
