"""Filtered parallel beams of a scan, block by block, so that memory does not grow with the scan."""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass
from queue import SimpleQueue

import numba
import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.monitor import Monitor
from MITOReconstructionLib.parallel import KERNELS
from MITOReconstructionLib.scan import Scan
from MITOReconstructionLib.wfbp.aligned import aligned
from MITOReconstructionLib.wfbp.filters import RampFilter
from MITOReconstructionLib.wfbp.plan import ParallelPlan
from MITOReconstructionLib.wfbp.rebin import cubic_weights, gather_beams, move_rows, spread_views

__all__ = ["BeamStream", "StreamSeconds", "stream_bytes"]

STEP_BYTES = 24 << 20
"""Beams are made and filtered in steps of this size or a little less, whatever the size of a block."""

PART_BYTES = 1_500_000
"""Views are read in parts of this size or a little less, or one by one: small enough for a core's cache, where they are looked at next."""

AHEAD_BYTES = 256 << 20
"""How much of the file the system is told to have ready."""

TOLD_BYTES = 16 << 20
"""So much of it at a time: where telling is reading (:meth:`ArrayFile.announce`), who ends a stream does not wait for more."""


@dataclass
class StreamSeconds:
    """Where the time went, on all cores.

    reading : reading views and interpolating between their columns, moving rows included;
    rebinning : interpolating between views;
    filtering : along the rays.
    """

    reading: float = 0.0
    rebinning: float = 0.0
    filtering: float = 0.0

    @contextmanager
    def measured(self, name: str) -> Iterator[None]:
        """Add the time that something takes to the field of that name."""
        begin = time.perf_counter()
        try:
            yield
        finally:
            setattr(self, name, getattr(self, name) + time.perf_counter() - begin)


@dataclass(frozen=True, eq=False)
class _Step:
    """Beams ``first`` to ``last`` (exclusive), and the positions of views, ``end`` exclusive, to be read for them."""

    first: int
    last: int
    begin: int
    end: int


@dataclass(frozen=True, eq=False)
class _Layout:
    """The steps of a run, where the ring of each ray begins, and how long it is; shape (rays,)."""

    steps: tuple[_Step, ...]
    starts: NDArray[np.int64]
    sizes: NDArray[np.int64]
    views_at_once: int

    @classmethod
    def make(cls, plan: ParallelPlan, first: int, last: int, block: int) -> _Layout:
        detector = plan.geometry.detector
        views = max(1, PART_BYTES // (4 * detector.columns * detector.rows))
        beams = max(1, STEP_BYTES // (4 * len(plan.t) * detector.rows))
        begins = [b for start in range(first, last, block) for b in range(start, min(start + block, last), beams)]
        steps: list[_Step] = []
        sizes = np.ones(len(plan.t), dtype=np.int64)
        for begin, end in zip(begins, [*begins[1:], last], strict=True):
            low, high = plan.view_span(begin, end)
            earliest = np.floor(plan.positions(plan.theta(np.array([begin])) + plan.fan_angles)).astype(np.int64)
            read = steps[-1].end if steps else low
            steps.append(_Step(begin, end, max(low, read), max(high, read)))
            sizes = np.maximum(sizes, steps[-1].end - np.clip(earliest, low, high - 1))
        views = min(views, max(step.end - step.begin for step in steps))
        return cls(tuple(steps), np.cumsum(sizes) - sizes, sizes, max(1, views))

    def batches(self, step: _Step) -> list[tuple[int, int]]:
        """The positions that are read for a step, in parts that are read at once."""
        return [(begin, min(begin + self.views_at_once, step.end)) for begin in range(step.begin, step.end, self.views_at_once)]


def stream_bytes(plan: ParallelPlan, first: int, last: int, block: int) -> int:
    """Bytes that :meth:`BeamStream.blocks` holds: the rays' rings, what each thread reads at a time, and a block of beams."""
    if first >= last:
        return 0
    detector, layout = plan.geometry.detector, _Layout.make(plan, first, last, block)
    views = int(numba.config.NUMBA_NUM_THREADS) * layout.views_at_once * detector.columns
    return 4 * detector.rows * (int(layout.sizes.sum()) + views + min(block, last - first) * len(plan.t))


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

    Attributes
    ----------
    seconds : StreamSeconds
        Where the time of :meth:`blocks` went, so far.
    """

    def __init__(self, scan: Scan, views: NDArray[np.intp], plan: ParallelPlan, ramp: RampFilter | None, *, block: int = 32) -> None:
        self.scan, self.plan, self.ramp, self.block = scan, plan, ramp, block
        self.seconds = StreamSeconds()
        self._views = views[plan.order]
        detector = plan.geometry.detector
        self._columns, self._weights = cubic_weights(plan.columns, detector.columns)
        rows = detector.row_centres()
        self._cosine = (plan.distances[:, None] / np.hypot(plan.distances[:, None], rows)).astype(np.float32)
        self._moved = plan.axial - plan.smooth_axial

    def blocks(self, first: int, last: int, monitor: Monitor) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Give the beams ``first`` to ``last`` (exclusive) as (index of the first, float32 (beams, rays, rows)) blocks.

        The array of a block is overwritten by the next. Views are read once each, in the order of rising angle, on all
        cores; the system is told ahead what comes next, so that the disk works meanwhile.

        Raises
        ------
        InputError
            When a projection holds a NaN or an infinity, naming its view.
        Cancelled
            When the run was asked to stop.
        """
        if first >= last:
            return
        layout = _Layout.make(self.plan, first, last, self.block)
        detector = self.plan.geometry.detector
        rings = np.empty((int(layout.sizes.sum()), detector.rows), dtype=np.float32)
        beams = aligned((min(self.block, last - first), len(self.plan.t), detector.rows))
        start = first
        readers = _Readers(self, layout, rings)
        with closing(readers):
            for step in layout.steps:
                monitor.check()
                with self.seconds.measured("reading"):
                    readers.read(step, monitor)
                self._make_beams(step, layout, rings, beams[step.first - start : step.last - start])
                if step.last - start == self.block or step.last == last:
                    yield start, beams[: step.last - start]
                    start = step.last

    def _make_beams(self, step: _Step, layout: _Layout, rings: NDArray[np.float32], out: NDArray[np.float32]) -> None:
        low, high = self.plan.view_span(step.first, step.last)
        angles = self.plan.theta(np.arange(step.first, step.last))[:, None] + self.plan.fan_angles
        positions = np.clip(self.plan.positions(angles.ravel()).reshape(angles.shape), low, high - 1)
        with KERNELS, self.seconds.measured("rebinning"):
            gather_beams(rings, layout.starts, layout.sizes, positions, self._cosine, out)
        if self.ramp is not None:
            with self.seconds.measured("filtering"):
                self.ramp.apply(out)

    def _announce(self, first: int, last: int) -> None:
        """Have the positions ``first`` to ``last`` (exclusive) brought from the disk while something else is done."""
        views = self._views[np.arange(first, last) % len(self._views)]
        self.scan.announce(int(views.min()), int(views.max()) + 1)

    def _spread(self, first: int, last: int, end: int, buffer: NDArray[np.float32], layout: _Layout, rings: NDArray[np.float32]) -> None:
        """Read the positions ``first`` to ``last`` (exclusive), in the order of the file, and put them into the rings.

        ``end`` is the position behind the last one of this step.
        """
        positions = np.arange(first, last) % len(self._views)
        rank = np.argsort(self._views[positions], kind="stable")
        views = self._views[positions[rank]]
        ends = [*(np.flatnonzero(np.diff(views) != 1) + 1), len(views)]
        for low, high in zip([0, *ends[:-1]], ends, strict=True):
            self.scan.read(int(views[low]), int(views[low]) + int(high - low), buffer[low:high])
        line = np.empty(3 * buffer.shape[2] + 4, dtype=np.float32)
        for view, moved in zip(buffer, self._moved[positions[rank]], strict=False):
            if moved:
                move_rows(view, moved * self.plan.row_shifts, line)
        order = np.argsort(rank, kind="stable").astype(np.int64)
        spread_views(buffer, order, first, end, self._columns, self._weights, layout.starts, layout.sizes, rings)


class _Readers:
    """Threads that read views for a stream, as many as there are for kernels; to be closed."""

    def __init__(self, stream: BeamStream, layout: _Layout, rings: NDArray[np.float32]) -> None:
        self._stream, self._layout, self._rings = stream, layout, rings
        detector = stream.plan.geometry.detector
        threads = numba.get_num_threads()
        self._threads = ThreadPoolExecutor(threads, "reading views")
        self._buffers: SimpleQueue[NDArray[np.float32]] = SimpleQueue()
        for _ in range(threads):
            self._buffers.put(np.empty((layout.views_at_once, detector.columns, detector.rows), dtype=np.float32))
        view_bytes = 4 * detector.columns * detector.rows
        self._ahead, self._told, self._closed = AHEAD_BYTES // view_bytes, max(1, TOLD_BYTES // view_bytes), False
        self._announced, self._end = layout.steps[0].end, layout.steps[-1].end

    def read(self, step: _Step, monitor: Monitor) -> None:
        """Read the views of a step, unless cancelled; then the disk is set to work on the next ones, for which nobody waits."""
        parts = [self._threads.submit(self._part, *batch, step.end) for batch in self._layout.batches(step)]
        for part in parts:
            part.result()
            monitor.check()
        begin, self._announced = self._announced, max(self._announced, min(self._end, step.end + self._ahead))
        if begin < self._announced:
            self._threads.submit(self._announce, begin, self._announced)

    def _announce(self, first: int, last: int) -> None:
        for begin in range(first, last, self._told):
            if self._closed:
                return
            self._stream._announce(begin, min(begin + self._told, last))

    def _part(self, first: int, last: int, end: int) -> None:
        buffer = self._buffers.get()
        try:
            self._stream._spread(first, last, end, buffer, self._layout, self._rings)
        finally:
            self._buffers.put(buffer)

    def close(self) -> None:
        """End the threads; what they have not begun they leave."""
        self._closed = True
        self._threads.shutdown(cancel_futures=True)
