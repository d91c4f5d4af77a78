"""The resolutions that a scan is worked on at, under one set of settings."""

from __future__ import annotations

import os

import numpy as np

from MITOReconstructionLib.errors import InputError
from MITOReconstructionLib.live.level import Level
from MITOReconstructionLib.live.pyramid import BinnedScan
from MITOReconstructionLib.live.settings import LiveSettings
from MITOReconstructionLib.scan import Scan
from MITOReconstructionLib.wfbp.shared import beams_key, lend

__all__ = ["Levels"]

UNLIMITED = 1 << 62


class Levels:
    """The scan itself, and a binned one for previews and the context volume.

    Parameters
    ----------
    scan : Scan
    binned : BinnedScan
        Of the same scan; it outlives the settings.
    settings : LiveSettings
    limit : int
        Bytes for the scan's own beams; those of the binned one are few, and all kept in memory.
    folder : path, optional
        Where to keep the scan's own beams in place of memory.

    Raises
    ------
    InputError
        As :class:`Level`.
    """

    def __init__(self, scan: Scan, binned: BinnedScan, settings: LiveSettings, limit: int, folder: str | os.PathLike[str] | None) -> None:
        self.settings = settings
        self.full = Level(scan, settings, limit, folder)
        try:
            self.coarse = Level(binned, settings, UNLIMITED, views=scan.geometry.views, stride=binned.stride, bin=binned.bins[0])
        except InputError:  # too few views once most are left out
            self.coarse = self.full
        self._end_lending = None
        if not settings.tilt and not settings.axis_offset:
            key = beams_key(scan, self.full.views, settings.filter_type, settings.frequency_scaling, True)
            self._end_lending = lend(key, self.full.cache)

    def ready(self, level: Level, arrived: int) -> tuple[int, int]:
        """First and last (exclusive) beam of a level that are used when so many views are there."""
        return level.ready(arrived, self.settings.mode != "continuous")

    def fill_ahead(self, arrived: int, middle: float) -> bool:
        """Filter some beams that nobody has asked for yet: the binned ones, then those about ``middle`` (mm along z) as far as there
        is room; false where nothing is left to do.

        Raises
        ------
        InputError
            When the scan cannot be read.
        """
        first, last = self.coarse.ready(arrived, False)
        if self.coarse is not self.full and self.coarse.fill(first, last):
            return True
        full = self.full
        first, last = full.ready(arrived, False)
        if last <= first:
            return False
        heights = full.plan.axial_at(full.plan.theta(np.arange(first, last)))
        centre = first + int(np.argmin(np.abs(heights - middle)))
        half = (full.cache.capacity - 2 * full.block) // 2
        return full.fill(max(first, centre - half), min(last, centre + half)) if full.cache.room else False

    def rest(self) -> None:
        """Let go of the memory that only filtering needs."""
        self.coarse.rest()
        self.full.rest()

    def close(self) -> None:
        """Let go of everything."""
        if self._end_lending is not None:
            self._end_lending()
        self.coarse.close()
        self.full.close()
