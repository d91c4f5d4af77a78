"""A single slice, without an engine."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.jobs.machine import available_memory
from MITOReconstructionLib.live.gpu import LiveDevice
from MITOReconstructionLib.live.level import Level
from MITOReconstructionLib.live.plane import Plane
from MITOReconstructionLib.live.settings import LiveSettings
from MITOReconstructionLib.live.task import reconstruct_plane
from MITOReconstructionLib.monitor import Monitor
from MITOReconstructionLib.projectors.backends import AUTO, Backend
from MITOReconstructionLib.scan import Scan

__all__ = ["MOST_CACHE", "SingleSlice", "default_cache", "reconstruct_slice"]

MOST_CACHE = 4 << 30


class SingleSlice(NamedTuple):
    """A slice: float32, shape plane.shape, indexed [i, j], in 1/mm; the seconds of each part of the work; and what computed it."""

    image: NDArray[np.float32]
    seconds: dict[str, float]
    backend: str


def default_cache() -> int:
    """Bytes that filtered beams may take where nothing is said: a quarter of the memory that is free, at most 4 GiB."""
    return min(MOST_CACHE, (available_memory() or 2 * MOST_CACHE) // 4)


def reconstruct_slice(
    scan: Scan,
    plane: Plane,
    settings: LiveSettings | None = None,
    *,
    cache_bytes: int | None = None,
    backend: str | Backend = AUTO,
    monitor: Monitor | None = None,
) -> SingleSlice:
    """Reconstruct one plane and forget everything else; for more of them :class:`LiveSlices` keeps what was filtered.

    Parameters
    ----------
    scan : Scan
    plane : Plane
    settings : LiveSettings, optional
    cache_bytes : int, optional
        How much filtered beams may take; :func:`default_cache` by default.
    backend : str or Backend
        "cuda" is an NVIDIA GPU, "auto" one where there is one, else the CPU.
    monitor : Monitor, optional

    Raises
    ------
    InputError
        When the scan cannot be reconstructed or read, a setting does not fit it, or the cache is too small.
    MissingPackageError
        When what the backend needs is not installed.
    WorkError
        When the GPU's memory does not suffice, or it fails.
    Cancelled
        When the run was asked to stop.
    """
    chosen, watch = settings or LiveSettings(), monitor or Monitor()
    device = LiveDevice(backend)
    level = Level(scan, chosen, default_cache() if cache_bytes is None else cache_bytes, None, device)
    seconds: dict[str, float] = {}
    task = reconstruct_plane(level, plane, (0, level.plan.beams), chosen.fill_value, seconds)
    filtered = 0.0
    try:
        wanted = max(1, level.beams_of(plane))
        while True:
            filtered = max(filtered, min(1.0, np.count_nonzero(level.here()) / wanted))
            watch.report("slice", 0.9 * filtered)
            next(task)
    except StopIteration as end:
        watch.report("slice", 1.0)
        return SingleSlice(end.value[0], seconds, device.description)
    finally:
        task.close()
        level.close()
        device.close()
