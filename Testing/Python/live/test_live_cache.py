"""The cache of filtered beams: exactness, bounds, files."""

from __future__ import annotations

import errno
import os
import time
from pathlib import Path

import numpy as np
import pytest
from live_cases import MU, CountingScan, attenuation, axial, flat

from MITOReconstructionLib import InputError, Monitor, Scan, WorkError, mito_geometry
from MITOReconstructionLib.live import GrowingScan, LiveSettings, LiveSlices, SliceResult
from MITOReconstructionLib.live.cache import BeamCache
from MITOReconstructionLib.live.level import Level, plan_of, plane_sums
from MITOReconstructionLib.live.once import reconstruct_slice
from MITOReconstructionLib.live.places import BLOCK
from MITOReconstructionLib.live.pyramid import BinnedScan
from MITOReconstructionLib.wfbp.backproject import backproject
from MITOReconstructionLib.wfbp.planes import store_beams
from MITOReconstructionLib.wfbp.stream import BeamStream

RAYS, ROWS = 7, 5
BYTES = 2 * RAYS * ROWS


def beams(count: int, seed: int = 0) -> np.ndarray:
    return np.random.default_rng(seed).normal(size=(count, RAYS, ROWS)).astype(np.float32)


def test_16_bits_change_a_slice_by_far_less_than_a_thousandth(scan: Scan) -> None:
    """The same sums from float32 beams and from those of the cache."""
    from MITOReconstructionLib import VolumeGrid

    level = Level(scan, LiveSettings(), 1 << 40)
    plane = axial(spacing=2.0)
    grid = VolumeGrid((-64.0, -64.0, 0.5), (64.0, 64.0, 2.5), (64, 64, 1))
    exact = np.zeros(grid.shape, np.float32)
    stream = BeamStream(scan, level.views, level.plan, level._ramp)
    for start, part in stream.blocks(0, level.plan.beams, Monitor()):
        backproject(exact, grid, part, start, level.tables)
    image = reconstruct_slice(scan, plane).image
    assert np.abs(image - exact[:, :, 0]).max() < 1e-4 * MU
    assert attenuation(plane.positions())[flat(plane, 3.0)].size > 500


def test_a_beam_is_kept_to_a_65000th_of_its_largest_value() -> None:
    given = beams(40) * np.logspace(-6, 6, 40, dtype=np.float32)[:, None, None]
    given[3] = 0.0
    values, scales = np.empty(given.shape, np.int16), np.empty(40, np.float32)
    store_beams(given, values, scales)
    largest = np.abs(given).max(axis=(1, 2))
    error = np.abs(values * scales[:, None, None] - given).max(axis=(1, 2))
    assert np.all(error <= largest / 65_000)
    assert not values[3].any()


def test_the_block_used_longest_ago_goes() -> None:
    cache = BeamCache(10 * BLOCK, RAYS, ROWS, 3 * BLOCK * BYTES)
    for block in range(3):
        cache.write(block * BLOCK, beams(BLOCK, block))
    cache.hold(range(BLOCK))  # the first one is used again
    cache.hold(())
    cache.write(5 * BLOCK, beams(BLOCK, 5))
    assert list(cache.here()[::BLOCK]) == [True, False, True, False, False, True, False, False, False, False]
    assert cache.nbytes == cache.limit == 3 * BLOCK * BYTES
    assert not cache.room


def test_what_is_held_stays() -> None:
    cache = BeamCache(10 * BLOCK, RAYS, ROWS, 2 * BLOCK * BYTES)
    cache.hold(range(2 * BLOCK))
    for block in range(2):
        cache.write(block * BLOCK, beams(BLOCK, block))
    with pytest.raises(WorkError, match="full of beams that are in use"):
        cache.write(2 * BLOCK, beams(BLOCK))
    assert cache.here(0, 2 * BLOCK).all()


def test_beams_come_back_as_they_were_across_blocks() -> None:
    cache = BeamCache(4 * BLOCK, RAYS, ROWS, 4 * BLOCK * BYTES)
    given = beams(2 * BLOCK)
    cache.write(BLOCK // 2, given[: BLOCK + 3])
    cache.write(BLOCK // 2 + BLOCK + 3, given[BLOCK + 3 :])
    out = np.empty_like(given)
    assert cache.take(BLOCK // 2, BLOCK // 2 + 2 * BLOCK, out)
    assert np.abs(out - given).max() < np.abs(given).max() / 60_000
    assert not cache.take(0, 1, out[:1])
    assert not cache.take(4 * BLOCK - 1, 4 * BLOCK + 1, out[:2])
    assert cache.held_beams == 2 * BLOCK
    cache.clear()
    assert cache.held_beams == cache.nbytes == 0


def test_a_file_of_beams(tmp_path: Path) -> None:
    cache = BeamCache(4 * BLOCK, RAYS, ROWS, 4 * BLOCK * BYTES, tmp_path)
    (file,) = tmp_path.iterdir()
    assert file.stat().st_size >= 4 * BLOCK * BYTES
    given, out = beams(BLOCK), np.empty((BLOCK, RAYS, ROWS), np.float32)
    cache.write(0, given)
    assert cache.take(0, BLOCK, out)
    assert np.abs(out - given).max() < np.abs(given).max() / 60_000
    cache.close()
    assert not list(tmp_path.iterdir())


def test_a_disk_that_is_full(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def full(*arguments: int) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr("os.posix_fallocate", full, raising=False)
    with pytest.raises(WorkError, match=r"no room for a cache of .*: No space left on device"):
        BeamCache(4 * BLOCK, RAYS, ROWS, 4 * BLOCK * BYTES, tmp_path)
    assert not list(tmp_path.iterdir())


@pytest.fixture(params=["posix_fallocate", "posix_fallocate that cannot", "written"])
def reserving(request: pytest.FixtureRequest, monkeypatch: pytest.MonkeyPatch) -> None:
    """Systems that reserve room, and those where it has to be written."""
    if request.param == "posix_fallocate":
        if not hasattr(os, "posix_fallocate"):
            pytest.skip("this system has none")
    elif request.param == "written":
        monkeypatch.delattr("os.posix_fallocate", raising=False)
    else:

        def cannot(*_: int) -> None:
            raise OSError(errno.EOPNOTSUPP, "Operation not supported")

        monkeypatch.setattr("os.posix_fallocate", cannot, raising=False)


@pytest.mark.usefixtures("reserving")
def test_no_room_is_an_error_and_not_the_end_of_the_process(tmp_path: Path) -> None:
    """A write to a mapped file for which the disk has no room would be a signal that ends everything (SIGBUS)."""
    resource = pytest.importorskip("resource")
    geometry = mito_geometry(24, centre=0.0, turns=1.5)
    nbytes = 4 * geometry.views * geometry.detector.columns * geometry.detector.rows
    growing = GrowingScan(geometry, folder=tmp_path)
    cache = BeamCache(4000, RAYS, ROWS, 4000 * BYTES, tmp_path)
    files = list(tmp_path.iterdir())
    assert len(files) == 2
    assert all(file.stat().st_blocks * 512 >= file.stat().st_size for file in files)  # no holes
    assert sorted(file.stat().st_size for file in files) == sorted([nbytes, 4000 * BYTES + 2])
    growing.close()
    cache.close()
    before = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, before[1]))
    try:
        with pytest.raises(WorkError, match=r"no room for a cache of 273.4 KiB: File too large"):
            BeamCache(4000, RAYS, ROWS, 4000 * BYTES, tmp_path)
        with pytest.raises(WorkError, match=r"no room for the views of .*: File too large"):
            GrowingScan(geometry, folder=tmp_path)
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, before)
    assert not list(tmp_path.iterdir())


def test_a_cache_for_less_than_two_blocks() -> None:
    with pytest.raises(InputError, match=r"cache_bytes: expected at least .*, two blocks of beams; found 10 bytes"):
        BeamCache(100, RAYS, ROWS, 10)
    assert BeamCache(3, RAYS, ROWS, BLOCK * BYTES).capacity == BLOCK  # one block is all there is


def test_the_cache_stays_within_its_bounds_while_planes_move(scan: Scan) -> None:
    level = Level(scan, LiveSettings(), 16 * BLOCK * 2 * 195 * 29)
    before = level.cache.limit
    from MITOReconstructionLib.live.task import reconstruct_plane

    for z in (-40.0, 0.0, 40.0, -40.0):
        plane = axial(z, shape=(20, 20), spacing=4.0)
        for _ in reconstruct_plane(level, plane, (0, level.plan.beams), 0.0, {}):
            assert level.cache.nbytes <= before
        assert level.seeing(plane_sums(plane)).any()
    assert before <= 16 * BLOCK * 2 * 195 * 29


def test_binned_beams_and_views_have_bounds_too(small: Scan, monkeypatch: pytest.MonkeyPatch) -> None:
    """With room for four blocks of binned beams and no view: previews and the context are made in parts, and then the rest is filtered."""
    with LiveSlices(small) as live:
        live.request_context(16)
        expected = live.reconstruct(axial()).image
        assert live.wait(300)
        volume = live.context()
    binned, counting = BinnedScan(small), CountingScan(small)
    rays, rows = len(plan_of(binned, LiveSettings(), small.geometry.views, binned.stride)[0].t), binned.geometry.detector.rows
    monkeypatch.setattr("MITOReconstructionLib.live.levels.COARSE_BYTES", 4 * BLOCK * 2 * rays * rows)
    monkeypatch.setattr("MITOReconstructionLib.live.pyramid.KEPT_BYTES", 1000)
    results: list[SliceResult] = []
    with LiveSlices(counting, callback=results.append) as live:
        live.request_context(16)
        assert np.abs(live.reconstruct(axial()).image - expected).max() < 1e-4 * MU
        assert live.wait(300)
        found, end = live.context(), time.monotonic() + 300
        while (status := live.status()).filtered < 0.9 * status.beams:
            assert time.monotonic() < end
            time.sleep(0.01)
    assert [result.level for result in results] == ["preview", "final"]
    assert found is not None
    assert volume is not None
    assert np.abs(found.array - volume.array).max() < 1e-4 * MU
    unkept = BinnedScan(counting)
    counting.views_read.clear()
    assert np.array_equal(unkept.read(3, 5), unkept.read(3, 5))
    assert counting.views_read == [3 * binned.stride, 4 * binned.stride] * 2
    assert not np.isnan(unkept.read(3, 5)).any()
