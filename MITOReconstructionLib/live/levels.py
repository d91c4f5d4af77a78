"""The resolutions that a scan is worked on at, under one set of settings."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Hashable

import numpy as np

from MITOReconstructionLib.errors import InputError
from MITOReconstructionLib.live.gpu import LiveDevice
from MITOReconstructionLib.live.level import Level, plane_sums
from MITOReconstructionLib.live.plane import Plane
from MITOReconstructionLib.live.pyramid import BinnedScan
from MITOReconstructionLib.live.settings import LiveSettings
from MITOReconstructionLib.scan import Scan
from MITOReconstructionLib.wfbp.shared import beams_key, lend

__all__ = ["Levels"]

COARSE_BYTES = 1 << 30
"""Bytes that the beams of the binned scan take at most. Those of a MITO scan of 4.5 turns take 35 MiB."""

WORTH = 0.1
"""Share of half a turn of beams that has to be lacking for an image in between to be worth making."""


class Levels:
    """The scan itself, a binned one for previews and the context volume, and where the scan is large one in between.

    Parameters
    ----------
    scan : Scan
    binned : BinnedScan
        Of the same scan; it outlives the settings.
    between : BinnedScan or None
        A finer one, for better previews while the scan's own beams are filtered.
    settings : LiveSettings
    limit : int
        Bytes for the scan's own beams and an eighth of it for those in between; those of the binned one are few, and kept beside them.
    folder : path, optional
        Where to keep the scan's own beams in place of memory.
    device : LiveDevice, optional
        What computes; the CPU by default.

    Raises
    ------
    InputError
        As :class:`Level`.
    """

    def __init__(
        self,
        scan: Scan,
        binned: BinnedScan,
        between: BinnedScan | None,
        settings: LiveSettings,
        limit: int,
        folder: str | os.PathLike[str] | None,
        device: LiveDevice | None = None,
    ) -> None:
        self.settings, self._binned, views = settings, binned, scan.geometry.views
        coarse, middle = None, None
        with contextlib.suppress(InputError):  # too few views once most are left out
            coarse = Level(binned, settings, COARSE_BYTES, None, device, views=views, stride=binned.stride, bin=binned.bins[0])
        if between is not None:
            with contextlib.suppress(InputError):  # too few views, or no room for two blocks
                middle = Level(between, settings, limit // 8, None, device, views=views, stride=between.stride, bin=between.bins[0])
        self.full = Level(scan, settings, limit if between is None else limit - limit // 8, folder, device)  # last: it may have a file
        self.coarse, self.middle = coarse or self.full, middle
        self._end_lending = None
        if not settings.tilt and not settings.axis_offset:
            key = beams_key(scan, self.full.views, settings.filter_type, settings.frequency_scaling, True)
            stamp: Hashable = object()  # of a file that has been cut short: nobody takes anything
            with contextlib.suppress(InputError):
                stamp = scan.stamp()
            self._end_lending = lend(key, self.full.cache, stamp)

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
        if self.coarse is not self.full and self.coarse.room and self.coarse.fill(first, last):
            return True
        full = self.full
        first, last = full.ready(arrived, False)
        if last <= first:
            return False
        heights = full.plan.axial_at(full.plan.theta(np.arange(first, last)))
        centre = first + int(np.argmin(np.abs(heights - middle)))
        half = (full.capacity - 2 * full.block) // 2
        return full.fill(max(first, centre - half), min(last, centre + half)) if full.room else False

    def at(self, stage: str) -> Level:
        """The level of a stage: "preview", "between" or "final"."""
        if stage == "preview":
            return self.coarse
        return self.middle if stage == "between" and self.middle is not None else self.full

    def after(self, stage: str) -> str:
        """The stage that follows: of a preview one in between where there is one, then the final one, then "done"."""
        if stage == "preview" and self.middle is not None:
            return "between"
        return "done" if stage == "final" else "final"

    def worth_it(self, plane: Plane, arrived: int) -> bool:
        """Whether so many beams have to be filtered for a plane's final image that one in between is worth making first."""
        seeing = self.full.seeing(plane_sums(plane))
        first, last = self.ready(self.full, arrived)
        return int(np.count_nonzero(seeing[first:last] & ~self.full.here(first, last))) > WORTH * self.full.tables.half_turn

    def rest(self) -> None:
        """Let go of the memory that only filtering needs."""
        for level in (self.coarse, self.middle, self.full):
            if level is not None:
                level.rest()

    def forget(self) -> None:
        """Forget everything that was read: it is another recording's."""
        for level in (self.coarse, self.middle, self.full):
            if level is not None:
                level.forget()
        self._binned.forget()

    def leave_gpu(self) -> None:
        """Let go of what is on the GPU."""
        for level in (self.coarse, self.middle, self.full):
            if level is not None:
                level.leave_gpu()

    def close(self) -> None:
        """Let go of everything."""
        if self._end_lending is not None:
            self._end_lending()
        for level in (self.coarse, self.middle, self.full):
            if level is not None:
                level.close()
