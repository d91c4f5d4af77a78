"""Parallel beams from a stream: against the formula, each view read once, faults, cancelling, memory and seconds."""

from __future__ import annotations

import dataclasses
import math
import threading
import tracemalloc
from concurrent.futures import ThreadPoolExecutor
from typing import Any

import numba
import numpy as np
import pytest

from MITOReconstructionLib import InputError, Monitor, Scan, mito_geometry
from MITOReconstructionLib.errors import Cancelled
from MITOReconstructionLib.geometry import ScanGeometry
from MITOReconstructionLib.wfbp import stream as stream_module
from MITOReconstructionLib.wfbp.filters import RampFilter
from MITOReconstructionLib.wfbp.plan import ParallelPlan
from MITOReconstructionLib.wfbp.stream import BeamStream, stream_bytes


def noise(geometry: ScanGeometry) -> Scan:
    shape = (geometry.views, geometry.detector.columns, geometry.detector.rows)
    return Scan.from_arrays(np.random.default_rng(0).random(shape, dtype=np.float32), geometry)


def uneven(pitch: float = 60.0, turns: float = 1.8, direction: int = 1) -> ScanGeometry:
    """Angles that are not equally spaced, on a smooth helix."""
    geometry = mito_geometry(20, pitch, turns, centre=0.0, direction=direction)
    angles = geometry.angles + 0.3 * geometry.angle_step * np.random.default_rng(1).uniform(-1, 1, geometry.views)
    return ScanGeometry(angles, pitch * angles / (2 * math.pi), 503.0, 0.0, geometry.detector)


def by_the_formula(projections: np.ndarray, plan: ParallelPlan) -> np.ndarray:
    """Beams in double precision: linear between views, Keys' cubic between columns, times the cone's cosine."""
    detector = plan.geometry.detector
    data = projections[plan.order].astype(np.float64)
    columns = np.zeros((len(data), len(plan.t), detector.rows))
    whole = np.floor(plan.columns).astype(int)
    for offset in range(-1, 3):
        distance = np.abs(plan.columns - whole - offset)
        near, far = 1.5 * distance**3 - 2.5 * distance**2 + 1, -0.5 * distance**3 + 2.5 * distance**2 - 4 * distance + 2
        weight = np.where(distance <= 1, near, np.where(distance < 2, far, 0.0))
        columns += weight[:, None] * data[:, np.clip(whole + offset, 0, detector.columns - 1)]
    position = plan.positions((plan.theta(np.arange(plan.beams))[:, None] + plan.fan_angles).ravel()).reshape(plan.beams, -1)
    sooner = np.floor(position).astype(int)
    share = (position - sooner)[..., None]
    ray, count = np.arange(len(plan.t)), len(data)
    later = (sooner + 1) % count if plan.periodic else np.minimum(sooner + 1, count - 1)
    beams = (1 - share) * columns[sooner % count, ray] + share * columns[later, ray]
    return beams * (plan.distances[:, None] / np.hypot(plan.distances[:, None], detector.row_centres()))


def beams_of(stream: BeamStream) -> np.ndarray:
    return np.concatenate([beams.copy() for _, beams in stream.blocks(0, stream.plan.beams, Monitor())])


@pytest.mark.parametrize("step_bytes", [1, 40_000, 24 << 20])
@pytest.mark.parametrize("geometry", [uneven(), uneven(direction=-1), mito_geometry(20, 0.0, 1.0), mito_geometry(20, 0.0, 0.9)])
def test_beams_are_what_the_formula_gives(geometry: ScanGeometry, step_bytes: int, monkeypatch: pytest.MonkeyPatch) -> None:
    """With steps of one view and one beam, of a few, and of everything at once."""
    monkeypatch.setattr(stream_module, "STEP_BYTES", step_bytes)
    monkeypatch.setattr(stream_module, "PART_BYTES", step_bytes)
    scan, plan = noise(geometry), ParallelPlan(geometry)
    found = beams_of(BeamStream(scan, np.arange(geometry.views), plan, None, block=9))
    np.testing.assert_allclose(found, by_the_formula(np.asarray(scan.projections), plan), atol=2e-6)


@pytest.mark.parametrize("chosen", [slice(None), slice(None, None, 2)])
@pytest.mark.parametrize("direction", [1, -1])
def test_each_view_is_read_once(direction: int, chosen: slice, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_module, "STEP_BYTES", 40_000)
    monkeypatch.setattr(stream_module, "PART_BYTES", 20_000)
    geometry = uneven(direction=direction)
    scan = noise(geometry)
    views = np.arange(geometry.views)[chosen]
    asked: list[int] = []

    class Watched(Scan):
        def read(self, first: int, last: int, out: np.ndarray | None = None) -> np.ndarray:
            asked.extend(range(first, last))
            return super().read(first, last, out)

    watched = Watched(**{field.name: getattr(scan, field.name) for field in dataclasses.fields(scan)})
    beams_of(BeamStream(watched, views, ParallelPlan(geometry.select(views)), None, block=9))
    assert sorted(asked) == list(views)
    whole = beams_of(BeamStream(scan, views, ParallelPlan(geometry.select(views)), None, block=1000))
    assert np.isfinite(whole).all()


def test_views_are_announced_before_they_are_read(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_module, "STEP_BYTES", 40_000)
    monkeypatch.setattr(stream_module, "PART_BYTES", 20_000)
    geometry = uneven()
    view_bytes = 4 * geometry.detector.columns * geometry.detector.rows
    monkeypatch.setattr(stream_module, "AHEAD_BYTES", 50 * view_bytes)
    monkeypatch.setattr(stream_module, "ThreadPoolExecutor", lambda _threads, name: ThreadPoolExecutor(1, name))  # in the order asked for
    told: list[tuple[str, int, int]] = []
    monkeypatch.setattr(Scan, "announce", lambda scan, first, last: told.append(("announced", first, last)))
    read = Scan.read
    monkeypatch.setattr(Scan, "read", lambda scan, first, last, out: told.append(("read", first, last)) or read(scan, first, last, out))
    beams_of(BeamStream(noise(geometry), np.arange(geometry.views), ParallelPlan(geometry), None, block=9))
    announced = read_to = 0
    for what, first, last in told:
        if what == "read":
            read_to = max(read_to, last)
        else:
            assert announced == 0 or first == announced  # nothing twice, and nothing left out
            assert read_to <= first or announced == 0  # before anybody waits for it
            assert last <= read_to + 50 + 40_000 // view_bytes
            announced = last
    assert announced == read_to == geometry.views


def test_who_ends_a_stream_does_not_wait_for_all_that_was_announced(monkeypatch: pytest.MonkeyPatch) -> None:
    """Where announcing is reading, it takes long: it is done in parts, and of those only the one that has begun."""
    geometry = uneven()
    view_bytes = 4 * geometry.detector.columns * geometry.detector.rows
    monkeypatch.setattr(stream_module, "TOLD_BYTES", 10 * view_bytes)
    told, begun, end = [], threading.Event(), threading.Event()

    def slow(_scan: Scan, first: int, last: int) -> None:
        told.append(last - first)
        begun.set()
        assert end.wait(300)

    monkeypatch.setattr(Scan, "announce", slow)
    stream = BeamStream(noise(geometry), np.arange(geometry.views), ParallelPlan(geometry), None, block=4)
    blocks = stream.blocks(0, stream.plan.beams, Monitor())
    next(blocks)
    assert begun.wait(300)
    closing = threading.Thread(target=blocks.close)
    shutdown, asked = ThreadPoolExecutor.shutdown, threading.Event()

    def ask(*arguments: Any, **options: Any) -> None:
        asked.set()
        shutdown(*arguments, **options)

    monkeypatch.setattr(ThreadPoolExecutor, "shutdown", ask)
    closing.start()
    assert asked.wait(300)
    end.set()
    closing.join(300)
    assert not closing.is_alive()
    assert told == [10]


@pytest.mark.parametrize("view", [0, 77, -1])
def test_a_nan_names_its_view_and_no_thread_stays(view: int, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_module, "STEP_BYTES", 40_000)
    monkeypatch.setattr(stream_module, "PART_BYTES", 20_000)
    geometry = uneven()
    projections = np.ones((geometry.views, geometry.detector.columns, geometry.detector.rows), dtype=np.float32)
    projections[view, 2, 1] = np.nan
    threads = set(threading.enumerate())
    stream = BeamStream(Scan.from_arrays(projections, geometry), np.arange(geometry.views), ParallelPlan(geometry), None)
    with pytest.raises(InputError, match=rf"view {view % geometry.views}: .*nan in 1 pixels, the first at column 2, row 1"):
        beams_of(stream)
    assert set(threading.enumerate()) <= threads  # those of other tests may end


def test_cancelling_half_way_ends_it_and_the_thread() -> None:
    geometry = uneven()
    stream = BeamStream(noise(geometry), np.arange(geometry.views), ParallelPlan(geometry), None, block=4)
    monitor, threads = Monitor(), set(threading.enumerate())
    blocks = stream.blocks(0, stream.plan.beams, monitor)
    next(blocks)
    monitor.cancel()
    with pytest.raises(Cancelled):
        next(blocks)
    assert set(threading.enumerate()) <= threads  # those of other tests may end


def test_leaving_early_ends_the_thread() -> None:
    geometry = uneven()
    stream = BeamStream(noise(geometry), np.arange(geometry.views), ParallelPlan(geometry), None, block=4)
    threads = set(threading.enumerate())
    blocks = stream.blocks(0, stream.plan.beams, Monitor())
    next(blocks)
    blocks.close()
    assert set(threading.enumerate()) <= threads  # those of other tests may end


def test_it_holds_what_it_says_and_half_a_ring_of_views(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(stream_module, "STEP_BYTES", 200_000)
    monkeypatch.setattr(stream_module, "PART_BYTES", 100_000)
    geometry = mito_geometry(6, 60.0, 2.0, centre=0.0)
    scan, plan = noise(geometry), ParallelPlan(geometry)
    stream = BeamStream(scan, np.arange(geometry.views), plan, None, block=8)
    beams_of(stream)  # compiled, and what is computed once is there
    tracemalloc.start()
    try:
        for _, beams in stream.blocks(0, plan.beams, Monitor()):
            assert len(beams) <= 8
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    said = stream_bytes(plan, 0, plan.beams, 8)
    assert said <= peak <= 1.2 * said
    fan = plan.fan[1] - plan.fan[0]
    views = fan / abs(geometry.angle_step) * 4 * geometry.detector.columns * geometry.detector.rows
    parts_and_block = numba.config.NUMBA_NUM_THREADS * 100_000 + 8 * beams.nbytes // len(beams)
    assert said - parts_and_block < 0.6 * views  # the step of a few views on top of the half


def test_seconds_are_told_for_each_part() -> None:
    geometry = uneven()
    plan = ParallelPlan(geometry)
    stream = BeamStream(noise(geometry), np.arange(geometry.views), plan, RampFilter.design(len(plan.t), plan.t_step))
    assert dataclasses.astuple(stream.seconds) == (0.0, 0.0, 0.0)
    beams_of(stream)
    assert all(0.0 < seconds < math.inf for seconds in dataclasses.astuple(stream.seconds))
