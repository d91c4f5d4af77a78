"""One resolution at which slices are reconstructed: a scan, its plan, and the filtered beams that are kept."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.live.cache import BeamCache
from MITOReconstructionLib.live.gpu import GpuLevel, LiveDevice
from MITOReconstructionLib.live.places import BLOCK
from MITOReconstructionLib.live.plane import Plane
from MITOReconstructionLib.live.pyramid import TiltedScan, shifted_axis
from MITOReconstructionLib.live.settings import LiveSettings
from MITOReconstructionLib.monitor import Monitor
from MITOReconstructionLib.scan import Scan
from MITOReconstructionLib.wfbp.backproject import BeamTables, beam_tables
from MITOReconstructionLib.wfbp.filters import RampFilter
from MITOReconstructionLib.wfbp.plan import ParallelPlan
from MITOReconstructionLib.wfbp.planes import PlaneSums, beams_seeing_plane
from MITOReconstructionLib.wfbp.stream import BeamStream

__all__ = ["Level", "plan_of", "plane_sums"]

STEP_SAMPLES = 800_000
"""Samples of beams that are filtered in a step, so that steps stay short."""


def plan_of(scan: Scan, settings: LiveSettings, views: int, stride: int = 1) -> tuple[ParallelPlan, NDArray[np.intp]]:
    """The plan that the settings make of a scan, and the views in it.

    Parameters
    ----------
    scan : Scan
        Every ``stride``-th view of the one that the settings are meant for, which has ``views`` views.
    settings : LiveSettings
    views, stride : int

    Raises
    ------
    InputError
        When the views do not fit the scan or cannot be reconstructed.
    """
    first, last = settings.view_range(views)
    chosen = np.arange(-(-first // stride), -(-last // stride))
    return ParallelPlan(shifted_axis(scan.geometry.select(chosen), settings.axis_offset)), chosen


class Level:
    """Filtered beams of a scan at one resolution, made on demand.

    Parameters
    ----------
    scan : Scan
    settings : LiveSettings
    limit : int
        Bytes for the beams.
    folder : path, optional
        Where to keep them in place of memory.
    device : LiveDevice, optional
        What computes; the CPU by default.
    views, stride, bin : int
        The scan is every ``stride``-th view of the one that the settings are meant for, which has ``views`` views (by default the scan
        itself), and its columns are ``bin`` of that one's.

    Raises
    ------
    InputError
        When the settings do not fit the scan, it cannot be reconstructed, or there is no room for two blocks of beams.
    """

    def __init__(
        self,
        scan: Scan,
        settings: LiveSettings,
        limit: int,
        folder: str | os.PathLike[str] | None = None,
        device: LiveDevice | None = None,
        *,
        views: int | None = None,
        stride: int = 1,
        bin: int = 1,
    ) -> None:
        self.stride = stride
        self.plan, self.views = plan_of(scan, settings, views or scan.geometry.views, stride)
        self.tables = beam_tables(self.plan)
        rays, rows = len(self.plan.t), scan.geometry.detector.rows
        scaling = min(1.0, settings.frequency_scaling * bin)
        self._ramp = RampFilter.design(rays, self.plan.t_step, settings.filter_type, frequency_scaling=scaling)
        self._source = TiltedScan(scan, math.radians(settings.tilt)) if settings.tilt else scan
        self.block = 1 << (int(min(max(STEP_SAMPLES // (rays * rows), 1), BLOCK)).bit_length() - 1)
        self.cache = BeamCache(self.plan.beams, rays, rows, limit, folder)
        self._device = device
        self._gpu: GpuLevel | None = None
        self._run: Iterator[tuple[int, NDArray[np.float32]]] | None = None
        self._next, self._stop = 0, 0
        fan = self.plan.fan_angles
        theta = self.plan.theta(np.arange(self.plan.beams))
        self._first_position = self.plan.positions(theta + fan[0])
        self._last_position = self.plan.positions(theta + fan[-1])

    def ready(self, arrived: int, whole_turns: bool) -> tuple[int, int]:
        """First and last (exclusive) beam that the first ``arrived`` views of the scan make up.

        Parameters
        ----------
        arrived : int
            Views of the scan that the settings are meant for.
        whole_turns : bool
            Whether to take whole turns only: of a helix all of them, of a circle the last one.
        """
        count = int(np.count_nonzero(self.views * self.stride < arrived))
        beams, turn = self.plan.beams, 2 * self.plan.half_turn
        if count == len(self.views):
            return 0, beams
        rising = self.plan.geometry.angle_step >= 0
        low, high = (0, count - 1) if rising else (len(self.views) - count, len(self.views) - 1)
        there = np.flatnonzero((self._first_position >= low - 1e-9) & ((self._last_position < high) | (high == len(self.views) - 1)))
        if not there.size:
            return 0, 0
        first, last = int(there[0]), int(there[-1]) + 1
        if whole_turns:
            whole = (last - first) // turn * turn
            first, last = (first, first + whole) if rising else (last - whole, last)
            if self.plan.geometry.is_circular and whole:
                first, last = (last - turn, last) if rising else (first, first + turn)
        return first, last

    def on_gpu(self) -> GpuLevel | None:
        """The beams on the GPU; None where the CPU computes.

        Raises
        ------
        DeviceError
            When the GPU has no room, or fails.
        """
        if self._gpu is None and self._device is not None and self._device.gpu is not None:
            with self._device.working():
                self._gpu = GpuLevel(self._device, self._source, self.views, self.plan, self.tables, self._ramp)
        return self._gpu

    def leave_gpu(self) -> None:
        """Let go of what is on the GPU; the beams on the computer stay."""
        self.rest()
        self._gpu = None

    def here(self, first: int = 0, last: int | None = None) -> NDArray[np.bool_]:
        """Which of the beams ``first`` to ``last`` (exclusive) are filtered and kept, on the computer or the GPU."""
        mask, gpu = self.cache.here(first, last), self._gpu  # which may become None in another thread
        return mask if gpu is None else mask | gpu.here(first, last)

    @property
    def capacity(self) -> int:
        """Number of beams that can be kept."""
        return self.cache.capacity if self._gpu is None else max(self.cache.capacity, self._gpu.capacity)

    @property
    def room(self) -> bool:
        """Whether beams can be filtered without others having to go from everywhere."""
        return self.cache.room or (self._gpu is not None and self._gpu.room)

    def seeing(self, sums: PlaneSums) -> NDArray[np.bool_]:
        """Which beams see a plane, shape (beams,)."""
        gpu = self.on_gpu()
        return beams_seeing_plane(sums, self.tables) if gpu is None else gpu.seeing(sums)

    def beams_of(self, plane: Plane) -> int:
        """How many beams see a plane."""
        return int(np.count_nonzero(self.seeing(plane_sums(plane))))

    def fill(self, first: int, last: int, *, computer: bool = False) -> bool:
        """Filter some of the beams ``first`` to ``last`` (exclusive) that are not there yet, from the first of them on; false at the end.

        Parameters
        ----------
        first, last : int
        computer : bool
            Whether they have to be on the computer, also where the GPU has them.

        Raises
        ------
        DeviceError
            When the GPU fails.
        InputError
            When the scan cannot be read.
        WorkError
            When the cache is full of beams that are held.
        """
        gpu, here = self.on_gpu(), self.cache.here if computer else self.here
        lacking = np.flatnonzero(~here(first, last))
        if not lacking.size:
            return False
        start = first + int(lacking[0])
        if self._run is None or start != self._next or start >= self._stop:
            self.rest()  # before the next one takes memory
            after = np.flatnonzero(here(start, last))
            self._stop = start + int(after[0]) if after.size else last
            if gpu is None:
                stream = BeamStream(self._source, self.views, self.plan, self._ramp, block=self.block)
                self._run = stream.blocks(start, self._stop, Monitor())
            else:
                self._run = gpu.beams(start, self._stop)
            self._next = start
        try:
            begin, beams = next(self._run)
        except BaseException:
            self.rest()
            raise
        self.cache.write(begin, beams)
        self._next = begin + len(beams)
        if gpu is not None:
            for block in range(begin // BLOCK, -(-self._next // BLOCK)):
                gpu.keep(self.cache, max(begin, block * BLOCK), min(self._next, (block + 1) * BLOCK))
        return True

    def rest(self) -> None:
        """Let go of the views that are kept for the next beams."""
        self._run = None

    def forget(self) -> None:
        """Forget every beam."""
        self.rest()
        self.cache.clear()
        if self._gpu is not None:
            self._gpu.forget()

    def within(self, ready: tuple[int, int]) -> BeamTables:
        """Tables of the beams ``ready`` alone, counted from the first of them."""
        first, last = ready
        tables = self.tables
        lowest, highest = -(-(first - np.arange(first, last)) // tables.half_turn), -((np.arange(first, last) - last) // tables.half_turn)
        partners = np.stack([np.maximum(tables.partners[first:last, 0], lowest), np.minimum(tables.partners[first:last, 1], highest)], -1)
        return tables._replace(
            beams=last - first,
            theta_first=tables.theta_first + first * tables.theta_step,
            axial_offset=tables.axial_offset + first,
            partners=np.ascontiguousarray(partners),
        )

    def close(self) -> None:
        """Let go of everything."""
        self.leave_gpu()
        self.cache.close()


def plane_sums(plane: Plane) -> PlaneSums:
    """An empty plane to work on."""
    u, v = plane.steps
    return PlaneSums(np.zeros(plane.shape, np.float32), np.zeros(plane.shape, np.uint8), np.array(plane.origin), u, v)
