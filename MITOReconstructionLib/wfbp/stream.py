"""Filtered parallel beams of a scan, block by block, so that memory does not grow with the scan."""

from __future__ import annotations

from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.monitor import Monitor
from MITOReconstructionLib.parallel import KERNELS
from MITOReconstructionLib.scan import Scan
from MITOReconstructionLib.wfbp.filters import RampFilter
from MITOReconstructionLib.wfbp.plan import ParallelPlan
from MITOReconstructionLib.wfbp.rebin import cubic_weights, move_rows, rebin

__all__ = ["BeamStream"]


class BeamStream:
    """Reads views, sorts them into parallel beams and filters these.

    Parameters
    ----------
    scan : Scan
    views : int array, shape (n,)
        The scan's views that ``plan`` was made for, in its geometry's order.
    plan : ParallelPlan
    ramp : RampFilter or None
        None leaves the beams unfiltered.
    block : int
        Beams at a time.
    """

    def __init__(self, scan: Scan, views: NDArray[np.intp], plan: ParallelPlan, ramp: RampFilter | None, *, block: int = 32) -> None:
        self.scan, self.plan, self.ramp, self.block = scan, plan, ramp, block
        self._views = views[plan.order]
        detector = plan.geometry.detector
        self._columns, self._weights = cubic_weights(plan.columns, detector.columns)
        rows = detector.row_centres()
        self._cosine = (plan.distances[:, None] / np.hypot(plan.distances[:, None], rows)).astype(np.float32)
        self._moved = plan.axial - plan.smooth_axial
        self._line = np.empty(detector.rows, dtype=np.float32)
        self._loaded = (0, 0)
        self._ring = np.empty((0, detector.columns, detector.rows), dtype=np.float32)

    def blocks(self, first: int, last: int, monitor: Monitor) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Give the beams ``first`` to ``last`` (exclusive) as (index of the first, float32 (beams, rays, rows)) blocks.

        The array of a block is overwritten by the next.

        Raises
        ------
        InputError
            When a projection holds a NaN or an infinity, naming its view.
        Cancelled
            When the run was asked to stop.
        """
        if first >= last:
            return
        spans = [self.plan.view_span(start, min(start + self.block, last)) for start in range(first, last, self.block)]
        capacity = max(high - low for low, high in spans)
        detector = self.plan.geometry.detector
        self._ring = np.empty((capacity, detector.columns, detector.rows), dtype=np.float32)
        self._loaded = (0, 0)
        beams = np.empty((self.block, len(self.plan.t), detector.rows), dtype=np.float32)
        for start, (low, high) in zip(range(first, last, self.block), spans, strict=True):
            monitor.check()
            count = min(self.block, last - start)
            self._load(low, high, monitor)
            part = beams[:count]
            theta = self.plan.theta(np.arange(start, start + count))
            angles = theta[:, None] + self.plan.fan_angles
            positions = self.plan.positions(angles.ravel()).reshape(angles.shape)
            with KERNELS:
                rebin(self._ring, np.clip(positions, low, high - 1), self._columns, self._weights, self._cosine, part)
            monitor.check()
            if self.ramp is not None:
                self.ramp.apply(part)
            yield start, part

    def _load(self, low: int, high: int, monitor: Monitor) -> None:
        """Have the positions ``low`` to ``high`` (exclusive) in the ring; those there already stay."""
        begin, end = self._loaded
        for position in range(max(low, end) if begin <= low < end else low, high):
            monitor.check()
            slot = position % len(self._ring)
            view = int(self._views[position % len(self._views)])
            self.scan.read(view, view + 1, self._ring[slot : slot + 1])
            moved = float(self._moved[position % len(self._views)])
            if moved:
                move_rows(self._ring[slot], moved * self.plan.row_shifts, self._line)
        self._loaded = (low, high)
