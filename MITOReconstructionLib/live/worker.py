"""The thread behind live slices: it does the most urgent step, looks at what is wanted now, and does the next one."""

from __future__ import annotations

import itertools
import os
import threading
import time
import weakref
from collections.abc import Callable, Iterator
from dataclasses import replace

import numpy as np

from MITOReconstructionLib.live.arrivals import Arrivals
from MITOReconstructionLib.live.context import context_grid, reconstruct_context
from MITOReconstructionLib.live.gpu import LiveDevice
from MITOReconstructionLib.live.levels import Levels
from MITOReconstructionLib.live.plugins import PluginStep
from MITOReconstructionLib.live.request import ContextRequest, Request, sentence
from MITOReconstructionLib.live.result import ContextVolume, LiveStatus, SliceResult
from MITOReconstructionLib.live.settings import LiveSettings
from MITOReconstructionLib.live.task import enlarge, preview_factor, reconstruct_plane
from MITOReconstructionLib.monitor import Monitor
from MITOReconstructionLib.projectors.cupy_gpu import DeviceError
from MITOReconstructionLib.scan import Scan
from MITOReconstructionLib.wfbp.warm import compile_kernels, compile_plane_kernels

__all__ = ["Worker", "running"]

GROWTH = 0.1
"""Share of the scan's beams that have to come before the context volume is made anew."""


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
    device : LiveDevice
        What the levels compute on.
    """

    def __init__(
        self,
        scan: Scan,
        settings: LiveSettings,
        plugins: tuple[PluginStep, ...],
        build: Callable[[LiveSettings], Levels],
        callback: Callable[[SliceResult], object] | None,
        device: LiveDevice,
    ) -> None:
        self.changed = threading.Condition()
        self.settings, self.plugins = settings, plugins
        self.requests: dict[str, Request] = {}
        self.results: dict[str, SliceResult] = {}
        self.context_request: ContextRequest | None = None
        self.context: ContextVolume | None = None
        self.closed = False
        self._scan, self._build, self._callback, self._device = scan, build, callback, device
        self._levels: Levels | None = build(settings)
        self._error = ""
        self._numbers = itertools.count(1)
        self._active: Request | None = None
        self._context_turn = True
        self._shown = True
        self._compiling = False
        self._process = os.getpid()
        self._ahead = True
        self._middle = float(np.mean(scan.geometry.axial_positions))
        self._arrivals = Arrivals(scan, self.changed)
        self._thread = threading.Thread(target=self._run, name="live slices", daemon=True)
        _workers.add(self)
        self._thread.start()

    # ---- for the engine --------------------------------------------------------------------------------------------------

    @property
    def busy(self) -> bool:
        """Whether something that was asked for is not there yet."""
        context = self.context_request is not None and not self.context_request.done
        slices = any(request.stage != "done" or request.reprocess for request in self.requests.values())
        return context or slices or self._arrivals.unseen

    def status(self) -> LiveStatus:
        """How far the work is."""
        with self.changed:
            levels, arrived, lost = self._levels, self._arrivals.arrived, self._arrivals.error
            views, busy, error = self._scan.geometry.views, self.busy, self._error or (lost and sentence(lost)) or ""
            if levels is None:
                return LiveStatus(busy, 0, 0, 0, 0, 0, views, arrived, error, self._compiling, self._device.description)
            full = levels.full
            first, last = levels.ready(full, arrived)
            cache, words = full.cache, (error, self._compiling, self._device.description)
            beams, ready, held = full.plan.beams, last - first, int(np.count_nonzero(full.here()))
            return LiveStatus(busy, beams, ready, held, cache.nbytes, cache.limit, views, arrived, *words)

    @property
    def alive(self) -> bool:
        """Whether the thread runs, in this process."""
        return self._process == os.getpid() and self._thread.is_alive()

    def join(self, timeout: float | None = None) -> None:
        """Wait for the end of the thread; from within it, do nothing."""
        if threading.current_thread() is not self._thread:
            self._thread.join(timeout)

    def close(self, *, wait: bool = True) -> None:
        """End the work, and wait for the end of the thread where that is wanted."""
        self._arrivals.close()
        with self.changed:
            self.closed = True
            self.changed.notify_all()
        if wait:
            self.join()

    # ---- the thread ------------------------------------------------------------------------------------------------------

    def _run(self) -> None:
        try:
            self._compile()
            while True:
                self._look()
                with self.changed:
                    if self.closed:
                        return
                    job = self._choose()
                    if job is None:
                        self.changed.wait(self._arrivals.patience)
                        continue
                try:
                    job()
                except DeviceError as error:
                    self._leave_gpu(error)
                except Exception as error:  # noqa: BLE001 - whatever it is, the engine lives on
                    self._give_up(error)
        finally:
            levels, self._levels = self._levels, None
            if levels is not None:
                levels.close()
            self._device.close()
            with self.changed:
                self.closed = True
                self.changed.notify_all()

    def _compile(self) -> None:
        """Have the kernels compiled before anything is timed or shown."""
        self._compiling = True
        try:
            compile_kernels(Monitor())
            if not self.closed:
                compile_plane_kernels()
                self._device.prepare()
        except Exception as error:  # noqa: BLE001 - it is met again, and told, where a slice needs them
            self._error = sentence(error)
        self._compiling = False

    def _look(self) -> None:
        """Whether more of the scan has come, or less: a file that is shorter than it was is that of another recording."""
        found = self._arrivals.look()
        if found is None:
            return
        anew = found[1] < self._arrivals.arrived
        if anew and self._levels is not None:
            self._levels.forget()
        with self.changed:
            if anew:
                self._begin_anew()
            if self._arrivals.take(found):
                self._ahead = True
                self._renew()
            self.changed.notify_all()

    def _begin_anew(self) -> None:
        """Have everything made anew, from its preview on."""
        for request in self.requests.values():
            request.restart()
        if self.context_request is not None:
            self.context_request = ContextRequest(self.context_request.voxels)

    def _renew(self) -> None:
        """Have what was made from fewer views than there are now, or failed, made anew."""
        levels = self._levels
        if levels is None or not self._arrivals.growing:
            return
        ready, beams = levels.ready(levels.full, self._arrivals.arrived), levels.full.plan.beams
        now = time.perf_counter()
        for request in self.requests.values():
            if request.stage == "done" and not request.complete and request.ready != ready:
                request.again(now)
        context = self.context_request
        if context is not None and context.done:
            more = abs(ready[1] - ready[0] - (context.ready[1] - context.ready[0]))
            if more >= GROWTH * beams or (more and ready == (0, beams)):
                self.context_request = ContextRequest(context.voxels)

    def _choose(self) -> Callable[[], None] | None:
        """The most urgent step: previews, the newest first; then final images and the context volume in turn; then what may be wanted."""
        levels = self._levels
        unseen = not self._shown and any((request.before or request).stage == "preview" for request in self.requests.values())
        if levels is None or (levels.settings != self.settings and not unseen):
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
        levels = self._levels
        with self.changed:
            settings = self.settings
            for request in self.requests.values():
                request.restart()
        self._ahead, self._active, self._error, self._shown = True, None, "", False
        if levels is not None and replace(levels.settings, mode=settings.mode, fill_value=settings.fill_value) == settings:
            levels.settings = settings
            return
        self._levels = None
        if levels is not None:
            levels.close()
        try:
            self._levels = self._build(settings)
        except Exception as error:  # noqa: BLE001 - no room, for example; the next request tries again
            self._give_up(error)

    def _leave_gpu(self, error: DeviceError) -> None:
        """Go on with the CPU, where the beams that were filtered are kept too; what is under way begins anew."""
        with self.changed:
            for request in self.requests.values():
                for one in (request, request.before):
                    if one is not None:
                        one.task = None
            if self.context_request is not None:
                self.context_request.task = None
        if self._levels is not None:
            self._levels.leave_gpu()
        self._device.give_up(error)

    def _give_up(self, error: Exception) -> None:
        """Let everything that is wanted fail."""
        self._error, self._ahead = sentence(error), False
        with self.changed:
            waiting = [request for request in self.requests.values() if request.stage != "done" or request.reprocess]
            if self.context_request is not None:
                self.context_request.done = True
            self.changed.notify_all()
        for request in waiting:
            self._fail(request, error)

    def _advance(self, request: Request, levels: Levels) -> None:
        """Do a step of a slice."""
        try:
            if request.stage == "between" and request.task is None and not levels.worth_it(request.plane, self._arrivals.arrived):
                request.stage = "final"
            level = levels.at(request.stage)
            factor = 1 if request.stage == "final" else preview_factor(level, request.plane)
            if request.task is None:
                request.ready = levels.ready(level, self._arrivals.arrived)
                plane = request.plane.coarser(factor) if factor > 1 else request.plane
                request.task = reconstruct_plane(level, plane, request.ready, levels.settings.fill_value, request.seconds)
                self._middle, self._ahead = request.plane.centre[2], True
            try:
                next(request.task)
                return
            except StopIteration as end:
                image, complete = end.value
            image = enlarge(image, request.plane.shape, factor)
        except DeviceError:
            raise
        except Exception as error:  # noqa: BLE001 - a file that was cut, a disk that is full: the engine lives on
            if levels.settings != self.settings:  # other settings may be without that fault
                self._shown = True
            else:
                self._fail(request, error)
            return
        request.image = image
        request.level = "final" if request.stage == "final" else "preview"
        request.complete = complete and request.stage == "final"
        self._error = ""
        self._give(request, levels.after(request.stage))

    def _reprocess(self, request: Request) -> None:
        request.since = time.perf_counter()
        self._give(request, request.stage)

    def _fail(self, request: Request, error: Exception) -> None:
        self._error = sentence(error)
        request.task, request.image, request.level, request.complete = None, None, "final", False
        self._give(request, "done")

    def _give(self, request: Request, stage: str) -> None:
        """Put the image through the plugins and give it out, if it is still wanted; then the request is at ``stage``."""
        plugins, self._shown = self.plugins, True
        result = request.result(plugins, next(self._numbers), self._error)
        if self._callback is not None and self._wanted(request):
            try:
                self._callback(result)
            except (Exception, SystemExit) as fault:  # noqa: BLE001 - a fault of the listener's
                self._error = f"callback: {sentence(fault)}"
        with self.changed:
            if self._wanted(request):
                self.results.pop(request.key, None)
                self.results[request.key] = result
            newest = self.requests.get(request.key)
            if newest is not None and newest.before is request:
                newest.before = None
            if stage != request.stage:  # only now, so that whoever takes its place meanwhile knows that it was under way
                request.stage, request.task = stage, None
            request.reprocess = self.plugins is not plugins and request.image is not None
            self._renew()
            self.changed.notify_all()

    def _wanted(self, request: Request) -> bool:
        with self.changed:
            newest = self.requests.get(request.key)
            return newest is not None and (newest is request or newest.before is request)

    def _advance_context(self, context: ContextRequest, levels: Levels) -> None:
        """Do a step of the context volume."""
        start = time.perf_counter()
        try:
            if context.task is None:
                context.ready = levels.ready(levels.full, self._arrivals.arrived)
                ready = levels.ready(levels.coarse, self._arrivals.arrived)
                grid = context_grid(self._scan, context.voxels)
                context.task = reconstruct_context(levels.coarse, grid, ready, levels.settings.fill_value)
            try:
                next(context.task)
                context.seconds += time.perf_counter() - start
                return
            except StopIteration as end:
                array = end.value
        except DeviceError:
            raise
        except Exception as error:  # noqa: BLE001 - as for slices
            self._error = sentence(error)
            with self.changed:
                context.done = True
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
            self._ahead = levels.fill_ahead(self._arrivals.arrived, self._middle)
        except DeviceError:
            raise
        except Exception as error:  # noqa: BLE001 - it is met again, and told, where a slice needs these views
            self._error, self._ahead = sentence(error), False
        if not self._ahead:
            levels.rest()


_workers: weakref.WeakSet[Worker] = weakref.WeakSet()


def running() -> Iterator[Worker]:
    """The workers whose threads run, also those that nobody else knows any more."""
    return (worker for worker in list(_workers) if worker.alive)
