"""Filtered parallel beams of a scan, block by block, so that memory does not grow with the scan."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import closing, contextmanager
from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.monitor import Monitor
from MITOReconstructionLib.parallel import KERNELS
from MITOReconstructionLib.scan import Scan
from MITOReconstructionLib.wfbp.filters import RampFilter
from MITOReconstructionLib.wfbp.plan import ParallelPlan
from MITOReconstructionLib.wfbp.rebin import cubic_weights, gather_beams, move_rows, spread_views

__all__ = ["BeamStream", "StreamSeconds", "stream_bytes"]

STEP_BYTES = 24 << 20
"""Views are read, and beams made and filtered, in steps of this size or a little less, whatever the size of a block."""

AHEAD_BYTES = 256 << 20
"""How much of the file the system is told to have ready."""


@dataclass
class StreamSeconds:
    """Where the time went.

    reading : in the thread that reads ahead, moving rows included;
    waiting : for that thread;
    rebinning, filtering : on all cores.
    """

    reading: float = 0.0
    waiting: float = 0.0
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
        views = max(1, STEP_BYTES // (4 * detector.columns * detector.rows))
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
    """Bytes that :meth:`BeamStream.blocks` holds: the rays' rings, two steps of views, and a block of beams."""
    if first >= last:
        return 0
    detector, layout = plan.geometry.detector, _Layout.make(plan, first, last, block)
    views = 2 * layout.views_at_once * detector.columns
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
        self._line = np.empty(3 * detector.rows + 4, dtype=np.float32)

    def blocks(self, first: int, last: int, monitor: Monitor) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Give the beams ``first`` to ``last`` (exclusive) as (index of the first, float32 (beams, rays, rows)) blocks.

        The array of a block is overwritten by the next. Views are read once each, in the order of rising angle, by a
        thread that is a step ahead.

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
        beams = np.empty((min(self.block, last - first), len(self.plan.t), detector.rows), dtype=np.float32)
        start = first
        reader = self._read_ahead([batch for step in layout.steps for batch in layout.batches(step)], layout.views_at_once)
        with closing(reader):
            for step in layout.steps:
                monitor.check()
                for _ in layout.batches(step):
                    position, order, views = next(reader)
                    monitor.check()
                    with KERNELS, self.seconds.measured("rebinning"):
                        spread_views(views, order, position, self._columns, self._weights, layout.starts, layout.sizes, rings)
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

    def _read_ahead(self, batches: list[tuple[int, int]], most: int) -> Generator[tuple[int, NDArray[np.int64], NDArray[np.float32]]]:
        """Give batches of positions as (first, index of each into the views, views), while a thread reads the next one."""
        detector = self.plan.geometry.detector
        buffers = [np.empty((most, detector.columns, detector.rows), dtype=np.float32) for _ in range(min(2, len(batches)))]
        ahead = AHEAD_BYTES // buffers[0][0].nbytes
        with ThreadPoolExecutor(1, "reading views") as thread:
            pending = thread.submit(self._read, *batches[0], buffers[0])
            announced = batches[0][1]
            for number, (first, last) in enumerate(batches):
                with self.seconds.measured("waiting"):
                    order = pending.result()
                if number + 1 < len(batches):
                    pending = thread.submit(self._read, *batches[number + 1], buffers[(number + 1) % 2])
                    begin, announced = announced, max(announced, min(batches[-1][1], batches[number + 1][1] + ahead))
                    thread.submit(self._announce, begin, announced)
                yield first, order, buffers[number % 2][: last - first]

    def _announce(self, first: int, last: int) -> None:
        """Have the positions ``first`` to ``last`` (exclusive) brought from the disk while something else is done."""
        if first < last:
            views = self._views[np.arange(first, last) % len(self._views)]
            self.scan.announce(int(views.min()), int(views.max()) + 1)

    def _read(self, first: int, last: int, out: NDArray[np.float32]) -> NDArray[np.int64]:
        """Read the positions ``first`` to ``last`` (exclusive) in the order of the file; the index of each into ``out``."""
        with self.seconds.measured("reading"):
            positions = np.arange(first, last) % len(self._views)
            rank = np.argsort(self._views[positions], kind="stable")
            views = self._views[positions[rank]]
            ends = [*(np.flatnonzero(np.diff(views) != 1) + 1), len(views)]
            for begin, end in zip([0, *ends[:-1]], ends, strict=True):
                self.scan.read(int(views[begin]), int(views[begin]) + int(end - begin), out[begin:end])
            for view, moved in zip(out, self._moved[positions[rank]], strict=False):
                if moved:
                    move_rows(view, moved * self.plan.row_shifts, self._line)
            return np.argsort(rank, kind="stable").astype(np.int64)
