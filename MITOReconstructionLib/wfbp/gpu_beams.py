"""Filtered parallel beams of a scan on a GPU, block by block, with reading, copying and computing at the same time.

There are two streams of work on the GPU: copies, and computations. Views are read into one of two page-locked buffers and
copied from there to one of two buffers on the GPU, while the computations of the block before still run; events keep
either side from overwriting what the other has not done with.
"""

from __future__ import annotations

import time
from collections.abc import Iterator
from concurrent.futures import ThreadPoolExecutor
from contextlib import contextmanager
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from MITOReconstructionLib.monitor import Monitor
from MITOReconstructionLib.parallel import cores
from MITOReconstructionLib.projectors.cupy_gpu import CudaBackend
from MITOReconstructionLib.scan import Scan
from MITOReconstructionLib.wfbp.filters import RampFilter
from MITOReconstructionLib.wfbp.gpu_sizes import GpuSizes
from MITOReconstructionLib.wfbp.plan import ParallelPlan
from MITOReconstructionLib.wfbp.rebin import cubic_weights

__all__ = ["KERNELS", "LANES", "VOXELS", "GpuBeams", "GpuWork", "Mailbox"]

LANES, VOXELS = 32, 8
"""Threads along z, and voxels of each, LANES apart; together the voxels along z that a block of threads has."""

OPTIONS = ("--std=c++17", "--use_fast_math", f"-DLANES={LANES}", f"-DVOXELS={VOXELS}")

KERNELS = ("place_views", "rebin", "tabulate_sights", "backproject", "fill_unseen", "mark_tiles", "add_planes", "finish_planes")
"""Those of ``kernels.cu``."""

READERS = 8
"""Threads at most that read views."""

TILE = (64, 4)
"""Threads of a block along rows, and along columns or rays."""


class GpuWork:
    """Kernels, the two streams, and how long the parts of a run took.

    Parameters
    ----------
    device : CudaBackend
    """

    def __init__(self, device: CudaBackend) -> None:
        self.device = device
        cuda = device.cupy.cuda
        module = device.compile(Path(__file__).with_name("kernels.cu").read_text(encoding="utf-8"), OPTIONS)
        self._kernels = {name: module.get_function(name) for name in KERNELS}
        self.compute, self.copies = cuda.Stream(non_blocking=True), cuda.Stream(non_blocking=True)
        self.seconds = dict.fromkeys(("read", "copy", "rebin", "filter", "backprojection", "coverage"), 0.0)
        self._running: list[tuple[str, Any, Any]] = []

    def launch(self, name: str, grid: tuple[int, int, int], block: tuple[int, int, int], *arguments: Any) -> None:
        """Start a kernel on the stream of computations."""
        with self.compute:
            self._kernels[name](grid, block, arguments)

    @contextmanager
    def timed(self, part: str, stream: Any) -> Iterator[None]:
        """Count what is put on a stream meanwhile to a part of the run."""
        begin, end = self.device.cupy.cuda.Event(), self.device.cupy.cuda.Event()
        begin.record(stream)
        yield
        end.record(stream)
        self._running.append((part, begin, end))

    def collect(self) -> None:
        """Add up the times of what is done."""
        left = []
        for part, begin, end in self._running:
            if end.done:
                self.seconds[part] += self.device.cupy.cuda.get_elapsed_time(begin, end) / 1e3
            else:
                left.append((part, begin, end))
        self._running = left

    def finish(self) -> None:
        """Wait for everything that was started."""
        self.copies.synchronize()
        self.compute.synchronize()
        self.collect()

    def sent(self, array: NDArray[Any]) -> Any:
        """A copy of an array on the GPU."""
        with self.compute:
            return self.device.cupy.asarray(np.ascontiguousarray(array))


class Mailbox:
    """A page-locked buffer and its copy on the GPU."""

    def __init__(self, work: GpuWork, shape: tuple[int, ...], dtype: DTypeLike) -> None:
        self._work = work
        self.host = work.device.pinned(shape, dtype)
        with work.compute:
            self._array = work.device.cupy.empty(shape, dtype)
        self._arrived, self._read = work.device.cupy.cuda.Event(), work.device.cupy.cuda.Event()
        self._read.record(work.compute)

    def wait(self) -> None:
        """Wait until ``host`` may be overwritten."""
        self._arrived.synchronize()

    def send(self, count: int) -> Any:
        """Copy the first items; what is computed from now on finds them in the array that is returned."""
        self._work.copies.wait_event(self._read)
        part = self._array[:count]
        with self._work.timed("copy", self._work.copies):
            part.set(self.host[:count], stream=self._work.copies)
        self._arrived.record(self._work.copies)
        self._work.compute.wait_event(self._arrived)
        return part

    def done(self) -> None:
        """What was put on the stream of computations so far was all that needs the array."""
        self._read.record(self._work.compute)


class GpuBeams:
    """Reads views, sorts them into parallel beams and filters these, on a GPU; as :class:`BeamStream` does on a CPU.

    Parameters
    ----------
    work : GpuWork
    scan : Scan
    views : int array, shape (n,)
        The scan's views that ``plan`` was made for, in its geometry's order.
    plan : ParallelPlan
    ramp : RampFilter
    sizes : GpuSizes
    """

    def __init__(self, work: GpuWork, scan: Scan, views: NDArray[np.intp], plan: ParallelPlan, ramp: RampFilter, sizes: GpuSizes) -> None:
        self.work, self.scan, self.plan, self.ramp, self.sizes = work, scan, plan, ramp, sizes
        detector = plan.geometry.detector
        taps, weights = cubic_weights(plan.columns, detector.columns)
        cosine = plan.distances[:, None] / np.hypot(plan.distances[:, None], detector.row_centres())
        self._views, self._moved = views[plan.order], plan.axial - plan.smooth_axial
        self._tables = [work.sent(taps.astype(np.int32)), work.sent(weights), work.sent(cosine.astype(np.float32))]
        self._row_shifts = work.sent(np.asarray(plan.row_shifts, dtype=np.float64))
        self._response = work.sent(ramp.response[None, :, None])
        self._boxes = [Mailbox(work, (sizes.chunk, detector.columns, detector.rows), np.float32) for _ in range(2)]
        self._shifts = [Mailbox(work, (sizes.chunk,), np.float64) for _ in range(2)]
        self._positions = [Mailbox(work, (sizes.block, len(plan.t)), np.float64) for _ in range(2)]
        with work.compute:
            # one beam more, since with a single row the kernel looks at the value behind the last, times 0
            self._beams = work.device.cupy.zeros((sizes.block + 1, len(plan.t), detector.rows), np.float32)
        self._ring: Any = None
        self._loaded, self._turn = (0, 0), 0

    def blocks(self, first: int, last: int, monitor: Monitor) -> Iterator[tuple[int, Any]]:
        """Give the beams ``first`` to ``last`` (exclusive) as (index of the first, array on the GPU (beams, rays, rows)) blocks.

        The array of a block is ready on the stream of computations, and is overwritten there by the next.

        Raises
        ------
        InputError
            When a projection holds a NaN or an infinity, naming its view.
        Cancelled
            When the run was asked to stop.
        """
        block, detector = self.sizes.block, self.plan.geometry.detector
        starts = range(first, last, block)
        spans = [self.plan.view_span(start, min(start + block, last)) for start in starts]
        capacity = max((high - low for low, high in spans), default=0)
        if self._ring is None or len(self._ring) < capacity:
            self._ring = None  # before there is another
            with self.work.compute:
                self._ring = self.work.device.cupy.empty((capacity, detector.columns, detector.rows), np.float32)
        self._loaded = (0, 0)
        done: list[Any] = []
        with ThreadPoolExecutor(min(READERS, cores()), "read views") as readers:
            for start, (low, high) in zip(starts, spans, strict=True):
                monitor.check()
                count = min(block, last - start)
                self._load(low, high, readers, monitor)
                self._rebin(start, count, low, high)
                self._filter(count)
                yield start, self._beams[:count]
                done.append(self.work.device.cupy.cuda.Event())
                done[-1].record(self.work.compute)
                if len(done) > 2:  # so that a run stops soon after it was asked to
                    done.pop(0).synchronize()
                self.work.collect()

    def _load(self, low: int, high: int, readers: ThreadPoolExecutor, monitor: Monitor) -> None:
        """Have the positions ``low`` to ``high`` (exclusive) in the ring; those there already stay."""
        begin, end = self._loaded
        at = max(low, end) if begin <= low < end else low
        detector = self.plan.geometry.detector
        capacity = len(self._ring)
        while at < high:
            monitor.check()
            count = min(self.sizes.chunk, high - at)
            box, shifts = self._boxes[self._turn], self._shifts[self._turn]
            self._turn = 1 - self._turn
            box.wait()
            shifts.wait()
            begun = time.perf_counter()
            wanted = np.arange(at, at + count) % len(self._views)
            shifts.host[:count] = self._moved[wanted]
            list(readers.map(lambda n, views=self._views[wanted], out=box.host: self._read(views[n], out[n : n + 1]), range(count)))
            self.work.seconds["read"] += time.perf_counter() - begun
            views, moved = box.send(count), shifts.send(count)
            numbers = (np.int32(count), np.int32(detector.columns), np.int32(detector.rows), np.int32(at % capacity), np.int32(capacity))
            with self.work.timed("rebin", self.work.compute):
                grid = (_parts(detector.rows, TILE[0]), _parts(detector.columns, TILE[1]), count)
                self.work.launch("place_views", grid, (*TILE, 1), views, self._ring, moved, self._row_shifts, *numbers)
            box.done()
            shifts.done()
            at += count
        self._loaded = (low, high)

    def _read(self, view: int, out: NDArray[np.float32]) -> None:
        self.scan.read(int(view), int(view) + 1, out)

    def _rebin(self, start: int, count: int, low: int, high: int) -> None:
        """Sort the views of a block into its beams."""
        box = self._positions[0]
        self._positions.reverse()
        box.wait()
        angles = self.plan.theta(np.arange(start, start + count))[:, None] + self.plan.fan_angles
        box.host[:count] = np.clip(self.plan.positions(angles.ravel()).reshape(angles.shape), low, high - 1)
        positions = box.send(count)
        detector, rays = self.plan.geometry.detector, len(self.plan.t)
        numbers = (np.int32(n) for n in (count, rays, detector.rows, detector.columns, len(self._ring)))
        with self.work.timed("rebin", self.work.compute):
            grid = (_parts(detector.rows, TILE[0]), _parts(rays, TILE[1]), count)
            self.work.launch("rebin", grid, (*TILE, 1), self._ring, positions, *self._tables, self._beams, *numbers)
        box.done()

    def _filter(self, count: int) -> None:
        """Filter a block's beams along their rays, in place."""
        transforms, length = self.work.device.cupy.fft, self.ramp.length
        with self.work.timed("filter", self.work.compute), self.work.compute:
            for first in range(0, count, self.sizes.group):
                part = self._beams[first : min(first + self.sizes.group, count)]
                spectrum = transforms.rfft(part, n=length, axis=1)
                spectrum *= self._response
                part[...] = transforms.irfft(spectrum, n=length, axis=1)[:, : part.shape[1]]


def _parts(count: int, size: int) -> int:
    """How many blocks of that size cover so many."""
    return -(-count // size)
