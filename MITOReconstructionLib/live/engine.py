"""Live slices: planes are requested from the thread of the interface and reconstructed in the background."""

from __future__ import annotations

import os
from collections.abc import Callable, Sequence
from types import TracebackType

from MITOReconstructionLib.live.growing import GrowingScan
from MITOReconstructionLib.live.plane import Plane
from MITOReconstructionLib.live.plugins import PluginStep
from MITOReconstructionLib.live.result import ContextVolume, LiveStatus, SliceResult
from MITOReconstructionLib.live.settings import LiveSettings
from MITOReconstructionLib.scan import Scan

__all__ = ["LiveSlices"]


class LiveSlices:
    """Planes of a scan, each reconstructed when it is asked for: a preview first, then the final image.

    Every method can be called from any thread and returns at once, but for :meth:`wait`, :meth:`reconstruct` and :meth:`close`.
    The work is done in a thread of this object. For each key only the newest request counts: an older one is given up within
    milliseconds, and at rest every key has its final image. Several scans: one object each.

    Parameters
    ----------
    scan : Scan or GrowingScan
    settings : LiveSettings, optional
    plugins : sequence of PluginStep, optional
        Applied to every image, in this order.
    cache_bytes : int, optional
        How much the filtered beams may take, in memory or in a file; by default a quarter of the machine's memory, at most 4 GiB.
    cache_folder : path, optional
        Keep the filtered beams in a file in this folder, deleted in the end, in place of memory.
    backend : {"auto", "cpu"}
    callback : callable, optional
        Called as ``callback(result)`` with every result, in the engine's thread: it should return soon, and must not call
        :meth:`wait`, :meth:`reconstruct` or :meth:`close`. Results go to :meth:`poll` all the same.

    Raises
    ------
    InputError
        When the scan cannot be reconstructed by filtered backprojection, a setting does not fit it, or the cache is too small for
        one block of beams.

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
        scan: Scan | GrowingScan,
        settings: LiveSettings | None = None,
        *,
        plugins: Sequence[PluginStep] = (),
        cache_bytes: int | None = None,
        cache_folder: str | os.PathLike[str] | None = None,
        backend: str = "auto",
        callback: Callable[[SliceResult], object] | None = None,
    ) -> None:
        raise NotImplementedError

    # ---- what is asked for -----------------------------------------------------------------------------------------------

    def request(self, key: str, plane: Plane) -> None:
        """Ask for a plane; a request under the same key before is given up. The key's results come by :meth:`poll`."""
        raise NotImplementedError

    def forget(self, key: str) -> None:
        """No longer reconstruct what was requested or pinned under a key; an unknown key is no fault."""
        raise NotImplementedError

    def pin(self, key: str) -> str:
        """Keep the plane that is requested under ``key`` now, whatever is requested later, and give the new key it has.

        The pinned plane follows the settings like any other, and gives a result soon. :meth:`forget` ends it.

        Raises
        ------
        InputError
            When nothing is requested under that key.
        """
        raise NotImplementedError

    @property
    def planes(self) -> dict[str, Plane]:
        """The planes that are kept up to date, by key."""
        raise NotImplementedError

    @property
    def settings(self) -> LiveSettings:
        """The settings as they are."""
        raise NotImplementedError

    def change(self, settings: LiveSettings) -> None:
        """Reconstruct every plane, and the context volume, with other settings; each is given anew, preview and final.

        Raises
        ------
        InputError
            When the settings do not fit the scan; nothing has changed then.
        """
        raise NotImplementedError

    def process(self, plugins: Sequence[PluginStep]) -> None:
        """Put every plane through other plugins; what is reconstructed already is processed anew, not reconstructed."""
        raise NotImplementedError

    def request_context(self, voxels: int = 128) -> None:
        """Ask for a low-resolution volume of the whole scan, ``voxels`` along its longest axis; see :meth:`context`."""
        raise NotImplementedError

    # ---- what has come ---------------------------------------------------------------------------------------------------

    def poll(self) -> list[SliceResult]:
        """The results since the last call, oldest first; of each key the newest only. Never waits."""
        raise NotImplementedError

    def context(self) -> ContextVolume | None:
        """The newest context volume, or None where none was asked for or it is not ready. Never waits."""
        raise NotImplementedError

    def status(self) -> LiveStatus:
        """How far the work is. Never waits."""
        raise NotImplementedError

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until everything that was asked for is there; whether it is, after at most ``timeout`` seconds."""
        raise NotImplementedError

    def reconstruct(self, plane: Plane) -> SliceResult:
        """For scripts: wait for the final image of a plane.

        Raises
        ------
        WorkError
            When the scan or a plugin failed, or the engine was closed meanwhile.
        """
        raise NotImplementedError

    def close(self) -> None:
        """End the work, wait for the thread to end (some tens of milliseconds) and let go of the cache; can be called again."""
        raise NotImplementedError

    def __enter__(self) -> LiveSlices:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
