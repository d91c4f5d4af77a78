"""The work on one slice, in steps of some milliseconds between which it can be put aside or given up."""

from __future__ import annotations

import time
from collections.abc import Generator, Iterator

import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.live.gpu import GpuPlane
from MITOReconstructionLib.live.level import Level, plane_sums
from MITOReconstructionLib.live.places import BLOCK
from MITOReconstructionLib.live.plane import Plane
from MITOReconstructionLib.wfbp.planes import PlaneSums, add_directions, finish

__all__ = ["CpuPlane", "enlarge", "preview_factor", "reconstruct_plane"]

STEP_UPDATES = 3_000_000
"""Pixels times directions in a step of backprojection: some ten milliseconds."""

Image = tuple[NDArray[np.float32], bool]


class CpuPlane:
    """A plane that is worked on on the CPU.

    step : pixels times directions in a step;
    room : blocks of beams that can be there at a time;
    seeing : bool, shape (beams,): which beams see the plane.
    """

    step = STEP_UPDATES

    def __init__(self, level: Level, sums: PlaneSums) -> None:
        self._level, self._sums = level, sums
        self.room = level.cache.capacity // BLOCK - 1
        self.seeing = level.seeing(sums)

    def here(self) -> NDArray[np.bool_]:
        """Which beams can be added."""
        return self._level.cache.here()

    def hold(self, beams: NDArray[np.intp]) -> None:
        """Keep these beams."""
        self._level.cache.hold(beams)

    def fetch(self, _wanted: NDArray[np.intp]) -> Iterator[None]:
        """Nothing: what the computer has is where it is needed."""
        return iter(())

    def add(self, wanted: NDArray[np.intp] | None, ready: tuple[int, int], first: int, last: int, *, check: bool) -> None:
        """Add directions, of all the beams or those that are wanted."""
        store = self._level.cache.store
        if wanted is not None:
            slots = np.full_like(store.slots, -1)
            slots[wanted] = store.slots[wanted]
            store = store._replace(slots=slots)
        add_directions([self._sums], store, self._level.tables, ready, first, last, check=check)

    def finish(self, fill_value: float) -> None:
        """Write the image."""
        self._level.cache.hold(())
        finish(self._sums, fill_value)


def reconstruct_plane(
    level: Level, plane: Plane, ready: tuple[int, int], fill_value: float, seconds: dict[str, float]
) -> Generator[None, None, Image]:
    """Reconstruct a plane: first the beams that see it and are not there are filtered, then they are backprojected.

    Parameters
    ----------
    level : Level
    plane : Plane
    ready : (int, int)
        First and last (exclusive) beam that there is.
    fill_value : float
        Of the pixels that are not seen from every direction.
    seconds : dict
        What "filter" and "backproject" have taken is added here.

    Yields
    ------
    None
        After each step.

    Returns
    -------
    image : float32, shape plane.shape, in 1/mm
    complete : bool
        Whether every beam of the scan that sees the plane was ready.
    """
    sums, half_turn = plane_sums(plane), level.tables.half_turn
    on_gpu = level.on_gpu()
    work = CpuPlane(level, sums) if on_gpu is None else GpuPlane(on_gpu, level.cache, sums)
    seeing = work.seeing
    complete = not (seeing[: ready[0]].any() or seeing[ready[1] :].any())
    seeing[: ready[0]] = False
    seeing[ready[1] :] = False
    yield
    parts = _parts(np.unique(np.flatnonzero(seeing) // BLOCK), work.room)
    for number, part in enumerate(parts):
        wanted = _beams(part, ready)
        first = 0
        while first < half_turn:
            yield from _fill(level, work, wanted, seconds)
            start = time.perf_counter()
            last = min(first + max(1, work.step // plane.pixels), half_turn)
            work.add(wanted if len(parts) > 1 else None, ready, first, last, check=number == 0)
            seconds["backproject"] = seconds.get("backproject", 0.0) + time.perf_counter() - start
            first = last
            yield
    start = time.perf_counter()
    work.finish(fill_value)
    seconds["backproject"] = seconds.get("backproject", 0.0) + time.perf_counter() - start
    return sums.image, complete


def _parts(blocks: NDArray[np.intp], room: int) -> list[NDArray[np.intp]]:
    """The blocks in parts that fit the cache; at least one part."""
    return np.array_split(blocks, max(1, -(-len(blocks) // max(1, room))))


def _beams(blocks: NDArray[np.intp], ready: tuple[int, int]) -> NDArray[np.intp]:
    """The beams of blocks that are ready."""
    beams = (blocks[:, None] * BLOCK + np.arange(BLOCK)).ravel()
    return beams[(beams >= ready[0]) & (beams < ready[1])]


def _fill(level: Level, work: CpuPlane | GpuPlane, wanted: NDArray[np.intp], seconds: dict[str, float]) -> Iterator[None]:
    """Have all of these beams where they are needed."""
    while not work.here()[wanted].all():
        work.hold(wanted)
        yield from work.fetch(wanted)
        for run in np.split(wanted, np.flatnonzero(np.diff(wanted) > 1) + 1):
            more = True
            while more:
                start = time.perf_counter()
                more = level.fill(int(run[0]), int(run[-1]) + 1)
                seconds["filter"] = seconds.get("filter", 0.0) + time.perf_counter() - start
                yield


def preview_factor(level: Level, plane: Plane) -> int:
    """How many pixels of a plane to take together, so that they are about as wide as the rays of the level are apart."""
    return max(1, round(level.plan.t_step / min(plane.spacing)))


def enlarge(image: NDArray[np.float32], shape: tuple[int, int], factor: int) -> NDArray[np.float32]:
    """An image of ``Plane.coarser(factor)`` on the pixels of the plane itself, by linear interpolation; float32, of that shape."""
    if factor == 1:
        return image
    for axis in (0, 1):
        place = np.clip((np.arange(shape[axis]) - 0.5 * (factor - 1)) / factor, 0.0, image.shape[axis] - 1.0)
        below = np.minimum(place.astype(np.intp), max(image.shape[axis] - 2, 0))
        share = (place - below).astype(np.float32)
        share = share[:, None] if axis == 0 else share[None, :]
        above = np.minimum(below + 1, image.shape[axis] - 1)
        left = image.take(below, axis=axis)
        image = left + share * (image.take(above, axis=axis) - left)
    return np.ascontiguousarray(image)
