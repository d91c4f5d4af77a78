"""Slices on an NVIDIA GPU: filtered beams are kept there as on the computer, 16 bits a value, and planes are added up there.

Views are rebinned and filtered on the GPU too. The computer's cache stays the store of all beams; what the GPU has room for is
copied there once and stays, and what a plane needs beyond that is sent part by part.
"""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from functools import cached_property

import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.live.cache import BeamCache
from MITOReconstructionLib.live.places import BLOCK, Places
from MITOReconstructionLib.monitor import Monitor
from MITOReconstructionLib.projectors.backends import FBP, Backend, choose_backend
from MITOReconstructionLib.projectors.cupy_gpu import CudaBackend, DeviceError
from MITOReconstructionLib.scan import Scan
from MITOReconstructionLib.wfbp.backproject import BeamTables
from MITOReconstructionLib.wfbp.filters import RampFilter
from MITOReconstructionLib.wfbp.gpu_beams import GpuBeams, GpuWork, Mailbox
from MITOReconstructionLib.wfbp.gpu_planes import GpuBeamStore, GpuPlanes
from MITOReconstructionLib.wfbp.gpu_sizes import CHUNK, RESERVE, GpuSizes, stream_bytes, views_at_a_time
from MITOReconstructionLib.wfbp.plan import ParallelPlan
from MITOReconstructionLib.wfbp.planes import PlaneSums

__all__ = ["GpuLevel", "GpuPlane", "LiveDevice"]

USE = 0.7
"""Part of the free memory that the beams of a level may take; the rest is for the other levels and the planes."""

STEP_UPDATES = 1 << 28
"""Pixels times directions in a step of backprojection: a few milliseconds, twenty on a small GPU."""

GROUP = 8
"""Beams that are filtered at a time."""


class LiveDevice:
    """What an engine of live slices computes on: a GPU, until that fails, or the CPU.

    Nothing is done on the GPU, and no kernel is compiled, before it is needed.

    Parameters
    ----------
    backend : str or Backend
        As of :func:`~MITOReconstructionLib.projectors.backends.choose_backend`.

    Raises
    ------
    InputError
        When there is no such backend, it does no filtered backprojection, or finds no device.
    MissingPackageError
        When its package is not installed.
    """

    def __init__(self, backend: str | Backend) -> None:
        chosen = choose_backend(backend, FBP)
        self.gpu = chosen if isinstance(chosen, CudaBackend) else None
        self.description = chosen.description if self.gpu is not None else "CPU"

    @cached_property
    def work(self) -> GpuWork:
        """The GPU's kernels and streams."""
        if self.gpu is None:
            raise DeviceError("There is no GPU in use.")
        return GpuWork(self.gpu)

    def working(self) -> contextlib.AbstractContextManager[None]:
        """Turns the GPU's errors into a DeviceError."""
        return contextlib.nullcontext() if self.gpu is None else self.gpu.working("live slices")

    def prepare(self) -> None:
        """Have the GPU's kernels compiled; where that fails, use the CPU."""
        if self.gpu is not None:
            try:
                with self.working():
                    _ = self.work
            except DeviceError as error:
                self.give_up(error)

    def give_up(self, error: DeviceError) -> None:
        """Use the CPU from now on, and say why. What is on the GPU has to be let go of before."""
        self.close()
        self.gpu, self.description = None, f"CPU, because the GPU cannot be used: {error}"

    def close(self) -> None:
        """Give the GPU's memory back."""
        if self.gpu is not None and "work" in self.__dict__:
            with contextlib.suppress(DeviceError), self.working():
                self.work.finish()
                self.gpu.release()
            del self.__dict__["work"]


class GpuLevel:
    """The filtered beams of one resolution on a GPU.

    Parameters
    ----------
    device : LiveDevice
    scan : Scan
    views : int array, shape (n,)
        Of the scan, in the plan.
    plan, tables, ramp : ParallelPlan, BeamTables, RampFilter

    Raises
    ------
    DeviceError
        When the GPU has no room, or fails.
    """

    def __init__(
        self, device: LiveDevice, scan: Scan, views: NDArray[np.intp], plan: ParallelPlan, tables: BeamTables, ramp: RampFilter
    ) -> None:
        detector = plan.geometry.detector
        rays, rows = len(plan.t), detector.rows
        self.device, self.work = device, device.work
        chunk = views_at_a_time(plan, CHUNK // 4)
        sizes = GpuSizes(BLOCK, GROUP, 1, chunk, 0, 0, 0)
        stream = stream_bytes(plan, (0, plan.beams), ramp.length, BLOCK, GROUP, chunk)
        count = self._room(plan.beams, 2 * BLOCK * rays * rows, stream)
        self.capacity = count * BLOCK
        self._places = Places(plan.beams, count, "The GPU's memory is full of beams that are in use.")
        self.planes = GpuPlanes(self.work, plan, tables)
        with self.work.compute:  # the last beam has one behind it
            self._values = self.work.device.cupy.empty((self.capacity + 1, rays, rows), np.int16)
        self._scales = np.zeros(self.capacity, np.float32)
        self._boxes = [Mailbox(self.work, (BLOCK, rays, rows), np.int16) for _ in range(2)]
        self._stream = GpuBeams(self.work, scan, views, plan, ramp, sizes)

    def _room(self, beams: int, block_bytes: int, stream: int) -> int:
        """How many blocks of beams there is room for."""
        free, all_blocks = self.work.device.free_memory(), -(-beams // BLOCK)
        fixed = stream + 2 * block_bytes + RESERVE
        count = min(all_blocks, (int(USE * free) - fixed) // block_bytes)
        if count < min(2, all_blocks):
            raise DeviceError(
                f"It has {free / 2**30:.2f} GiB of free memory; live slices of this scan need "
                f"{(fixed + min(2, all_blocks) * block_bytes) / USE / 2**30:.2f} GiB at least. End other programs on the GPU."
            )
        return count

    @property
    def room(self) -> bool:
        """Whether beams can be put in without others having to go."""
        return self._places.room

    def here(self, first: int = 0, last: int | None = None) -> NDArray[np.bool_]:
        """Which of the beams ``first`` to ``last`` (exclusive) are there."""
        return self._places.here(first, last)

    def hold(self, beams: NDArray[np.intp]) -> None:
        """Keep these beams until the next call."""
        self._places.hold(beams)

    def forget(self) -> None:
        """Forget every beam."""
        self._places.clear()

    def beams(self, first: int, last: int) -> Iterator[tuple[int, NDArray[np.float32]]]:
        """Read, rebin and filter beams: blocks of (index of the first, float32 (beams, rays, rows)) on the computer."""
        blocks = self._stream.blocks(first, last, Monitor())
        while True:
            with self.device.working():
                found = next(blocks, None)
                if found is None:
                    return
                begin, beams = found[0], found[1].get(stream=self.work.compute)
            yield begin, beams

    def keep(self, cache: BeamCache, first: int, last: int) -> None:
        """Copy beams of one block from the computer's cache, where there is room or they are held; one that is not there is left out."""
        if not self._places.welcome(first):
            return
        with self.device.working():
            box = self._boxes[0]
            self._boxes.reverse()
            box.wait()
            beams, scales = cache.copy(first, last, box.host)
            if not len(beams):
                return
            slot, count = self._places.slot(first), len(beams)
            part = box.send(count)
            with self.work.compute:
                for number, beam in enumerate(beams):
                    at = slot + int(beam) - first
                    self._values[at : at + 1] = part[number : number + 1]
            box.done()
            self._scales[slot + beams - first] = scales
            self._places.slots[beams] = slot + beams - first
            self.work.collect()

    def store(self, wanted: NDArray[np.intp] | None) -> GpuBeamStore:
        """The beams for the kernels, all or those that are wanted."""
        slots = self._places.slots.astype(np.int32)
        if wanted is not None:
            chosen = np.full_like(slots, -1)
            chosen[wanted] = slots[wanted]
            slots = chosen
        return GpuBeamStore(self._values, self.work.sent(self._scales), self.work.sent(slots))

    def seeing(self, sums: PlaneSums) -> NDArray[np.bool_]:
        """Which beams see a plane, shape (beams,)."""
        with self.device.working():
            return self.planes.begin([sums]).seeing


class GpuPlane:
    """A plane that is worked on on a GPU; as :class:`~MITOReconstructionLib.live.task.CpuPlane`."""

    step = STEP_UPDATES

    def __init__(self, level: GpuLevel, cache: BeamCache, sums: PlaneSums) -> None:
        self._level, self._cache = level, cache
        with level.device.working():
            self._sums = level.planes.begin([sums])
        self.room = level.capacity // BLOCK - 1
        self.seeing = self._sums.seeing
        self._running: list[object] = []

    def here(self) -> NDArray[np.bool_]:
        """Which beams can be added."""
        return self._level.here()

    def hold(self, beams: NDArray[np.intp]) -> None:
        """Keep these beams."""
        self._level.hold(beams)

    def fetch(self, wanted: NDArray[np.intp]) -> Iterator[None]:
        """Send beams that the computer has to the GPU, a block in a step."""
        lacking = wanted[~self._level.here()[wanted]]
        for block in np.unique(lacking[self._cache.here()[lacking]] // BLOCK):
            self._level.keep(self._cache, int(block) * BLOCK, int(block + 1) * BLOCK)
            yield

    def add(self, wanted: NDArray[np.intp] | None, ready: tuple[int, int], first: int, last: int, *, check: bool) -> None:
        """Start to add directions, and wait for those before."""
        work = self._level.work
        with self._level.device.working():
            self._level.planes.add(self._sums, self._level.store(wanted), ready, first, last, check=check)
            event = work.device.cupy.cuda.Event()
            event.record(work.compute)
            self._running.append(event)
            if len(self._running) > 1:  # so that a slice that is given up leaves little behind
                self._running.pop(0).synchronize()  # type: ignore[attr-defined]

    def finish(self, fill_value: float) -> None:
        """Write the image."""
        with self._level.device.working():
            self._level.planes.finish(self._sums, fill_value)
        self._level.hold(np.empty(0, np.intp))
