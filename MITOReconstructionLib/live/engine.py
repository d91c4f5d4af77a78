"""Live slices: planes are requested from the thread of the interface and reconstructed in the background."""

from __future__ import annotations

import atexit
import itertools
import os
import time
import weakref
from collections.abc import Callable, Sequence
from types import TracebackType

from MITOReconstructionLib.errors import InputError, WorkError
from MITOReconstructionLib.live.gpu import LiveDevice
from MITOReconstructionLib.live.level import plan_of
from MITOReconstructionLib.live.levels import Levels
from MITOReconstructionLib.live.once import default_cache
from MITOReconstructionLib.live.plane import Plane
from MITOReconstructionLib.live.plugins import PluginStep
from MITOReconstructionLib.live.pyramid import BinnedScan
from MITOReconstructionLib.live.request import ContextRequest, Request
from MITOReconstructionLib.live.result import ContextVolume, LiveStatus, SliceResult
from MITOReconstructionLib.live.settings import LiveSettings
from MITOReconstructionLib.live.worker import Worker, running
from MITOReconstructionLib.projectors.backends import AUTO, Backend
from MITOReconstructionLib.scan import Scan

__all__ = ["LiveSlices"]

END_SECONDS = 10.0
"""That a thread may take to end when the interpreter ends."""

SCRIPT = "\0script "
"""Begins the keys of :meth:`LiveSlices.reconstruct`, which nobody else sees."""


class LiveSlices:
    """Planes of a scan, each reconstructed when it is asked for: a preview first, then the final image.

    Every method can be called from any thread and returns at once, but for :meth:`wait`, :meth:`reconstruct` and :meth:`close`.
    The work is done in a thread of this object. For each key the newest request counts: an older one is given up within
    milliseconds, and at rest every key has its final image. Only of two previews in a row that would be given up the second one is
    made and shown, so that something is seen while a view is dragged; ``SliceResult.plane`` says of where. Several scans: one object
    each.

    Parameters
    ----------
    scan : Scan
        A :class:`GrowingScan` is one.
    settings : LiveSettings, optional
    plugins : sequence of PluginStep, optional
        Applied to every image, in this order.
    cache_bytes : int, optional
        How much the filtered beams may take, in memory or in a file; by default a quarter of the memory that is free, at most 4 GiB.
    cache_folder : path, optional
        Keep the filtered beams in a file in this folder, deleted in the end, in place of memory.
    backend : str or Backend
        "cuda" is an NVIDIA GPU, "auto" one where there is one, else the CPU. Where the GPU fails, or its memory does not suffice, the
        slices go on on the CPU; :meth:`status` says which it is, and why.
    callback : callable, optional
        Called as ``callback(result)`` with every result, in the engine's thread: it should return soon, and must not call
        :meth:`wait`, :meth:`reconstruct` or :meth:`close`. Results go to :meth:`poll` all the same.

    Raises
    ------
    InputError
        When the scan cannot be reconstructed by filtered backprojection, a setting does not fit it, the cache is too small for
        two blocks of beams, or there is no such backend or folder.
    MissingPackageError
        When what the backend needs is not installed.
    WorkError
        When the cache's file cannot be made.

    Examples
    --------
    >>> import MITOReconstructionLib as mito
    >>> scan = mito.open_scan("data/pine_16_1")                                                     # doctest: +SKIP
    >>> with mito.LiveSlices(scan) as live:                                                         # doctest: +SKIP
    ...     plane = mito.Plane.centred((25, -90, 277), (1, 0, 0), (0, 0, 1), (400, 400), 0.5)
    ...     image = live.reconstruct(plane).image
    ...     live.change(mito.LiveSettings(filter_type="Hann"))
    ...     smooth = live.reconstruct(plane).image
    """

    def __init__(
        self,
        scan: Scan,
        settings: LiveSettings | None = None,
        *,
        plugins: Sequence[PluginStep] = (),
        cache_bytes: int | None = None,
        cache_folder: str | os.PathLike[str] | None = None,
        backend: str | Backend = AUTO,
        callback: Callable[[SliceResult], object] | None = None,
    ) -> None:
        device = LiveDevice(backend)
        self.scan = scan
        limit = default_cache() if cache_bytes is None else int(cache_bytes)
        binned, finer = BinnedScan(scan), BinnedScan(scan, 2, keep=False)
        between = finer if binned.bins[0] > finer.bins[0] > 1 else None
        chosen = settings or LiveSettings()

        def build(settings: LiveSettings) -> Levels:
            return Levels(scan, binned, between, settings, limit, cache_folder, device)

        self._count = itertools.count(1)
        self._worker = Worker(scan, chosen, tuple(plugins), build, callback, device)
        weakref.finalize(self, self._worker.close, wait=False).atexit = False  # an engine that nobody has any more

    # ---- what is asked for -----------------------------------------------------------------------------------------------

    def request(self, key: str, plane: Plane) -> None:
        """Ask for a plane; a request under the same key before is given up. The key's results come by :meth:`poll`.

        Raises
        ------
        WorkError
            When the engine is closed.
        """
        with self._worker.changed:
            self._require_open()
            request = Request(key, plane, time.perf_counter())
            old = self._worker.requests.pop(key, None)  # so that the newest one is the last
            if old is not None:
                request.instead_of(old)
            self._worker.requests[key] = request
            self._worker.changed.notify_all()

    def forget(self, key: str) -> None:
        """No longer reconstruct what was requested or pinned under a key; an unknown key is no fault."""
        with self._worker.changed:
            self._worker.requests.pop(key, None)
            self._worker.results.pop(key, None)
            self._worker.changed.notify_all()

    def pin(self, key: str) -> str:
        """Keep the plane that is requested under ``key`` now, whatever is requested later, and give the new key it has.

        The pinned plane follows the settings like any other, and gives a result soon. :meth:`forget` ends it.

        Raises
        ------
        InputError
            When nothing is requested under that key.
        """
        with self._worker.changed:
            planes = self.planes
            if key not in planes:
                known = ", ".join(planes) or "no plane at all"
                raise InputError("key", expected=f"one of {known}", found=repr(key), remedy="Request a plane under that key first.")
            pinned = next(name for name in (f"{key} pinned {n}" for n in itertools.count(1)) if name not in planes)
            self.request(pinned, planes[key])
        return pinned

    @property
    def planes(self) -> dict[str, Plane]:
        """The planes that are kept up to date, by key, the one asked for last at the end."""
        with self._worker.changed:
            return {key: request.plane for key, request in self._worker.requests.items() if not key.startswith(SCRIPT)}

    @property
    def settings(self) -> LiveSettings:
        """The settings as they are."""
        return self._worker.settings

    def change(self, settings: LiveSettings) -> None:
        """Reconstruct every plane, and the context volume, with other settings; each is given anew, preview and final.

        Raises
        ------
        InputError
            When the settings do not fit the scan; nothing has changed then.
        WorkError
            When the engine is closed.
        """
        plan_of(self.scan, settings, self.scan.geometry.views)
        with self._worker.changed:
            self._require_open()
            if settings == self._worker.settings:
                return
            self._worker.settings = settings
            now = time.perf_counter()
            for key, old in self._worker.requests.items():
                self._worker.requests[key] = request = Request(key, old.plane, now)
                request.instead_of(old)
            if self._worker.context_request is not None:
                self._worker.context_request = ContextRequest(self._worker.context_request.voxels)
            self._worker.changed.notify_all()

    @property
    def plugins(self) -> tuple[PluginStep, ...]:
        """The plugins as they are, in the order in which they are applied."""
        return self._worker.plugins

    def process(self, plugins: Sequence[PluginStep]) -> None:
        """Put every plane through other plugins; what is reconstructed already is processed anew, not reconstructed."""
        with self._worker.changed:
            self._worker.plugins = tuple(plugins)
            for request in self._worker.requests.values():
                request.reprocess = request.image is not None
            self._worker.changed.notify_all()

    def request_context(self, voxels: int = 128) -> None:
        """Ask for a low-resolution volume of the whole scan, ``voxels`` along its longest axis; see :meth:`context`.

        It is made anew when the settings change, and of a growing scan when a tenth more has come and at its end.

        Raises
        ------
        InputError
            When ``voxels`` is not within 8 to 512.
        """
        if not 8 <= voxels <= 512:
            raise InputError("voxels", expected="a number within 8 to 512", found=str(voxels), remedy="128 is usual.")
        with self._worker.changed:
            self._require_open()
            self._worker.context_request = ContextRequest(int(voxels))
            self._worker.changed.notify_all()

    # ---- what has come ---------------------------------------------------------------------------------------------------

    def poll(self) -> list[SliceResult]:
        """The results since the last call, oldest first; of each key the newest only. Never waits."""
        with self._worker.changed:
            found = [result for key, result in self._worker.results.items() if not key.startswith(SCRIPT)]
            for result in found:
                del self._worker.results[result.key]
        return found

    def context(self) -> ContextVolume | None:
        """The newest context volume, or None where none was asked for or it is not ready. Never waits."""
        return self._worker.context

    def status(self) -> LiveStatus:
        """How far the work is. Never waits."""
        return self._worker.status()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until everything that was asked for is there; whether it is, after at most ``timeout`` seconds."""
        with self._worker.changed:
            return self._worker.changed.wait_for(lambda: self._worker.closed or not self._worker.busy, timeout) and not self._worker.closed

    def reconstruct(self, plane: Plane) -> SliceResult:
        """For scripts: wait for the final image of a plane.

        Raises
        ------
        WorkError
            When the scan or a plugin failed, or the engine was closed meanwhile.
        """
        key = f"{SCRIPT}{next(self._count)}"
        worker = self._worker

        def there() -> bool:
            return worker.closed or (key in worker.results and worker.results[key].level == "final")

        try:
            self.request(key, plane)
            with worker.changed:
                worker.changed.wait_for(there)
                result = worker.results.get(key)
        finally:
            self.forget(key)
        if result is None or result.level != "final":
            raise WorkError("The engine of live slices was closed before the slice was there.")
        if result.error:
            raise WorkError(result.error)
        return result

    def close(self, *, wait: bool = True) -> None:
        """End the work and let go of the cache; can be called again.

        Parameters
        ----------
        wait : bool, optional
            Whether to wait for the end of the thread: some tens of milliseconds, but as long as a plugin or a disk takes that is
            busy. Without waiting, the cache goes when the thread ends, and what it is at may still come.
        """
        self._worker.close(wait=wait)

    def _require_open(self) -> None:
        if self._worker.closed:
            raise WorkError("This engine of live slices is closed.")

    def __enter__(self) -> LiveSlices:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()


@atexit.register
def _close_all() -> None:
    """No thread may be inside a kernel when the interpreter ends; one that hangs in somebody's Python function may."""
    workers = list(running())
    for worker in workers:
        worker.close(wait=False)
    for worker in workers:
        worker.join(END_SECONDS)
