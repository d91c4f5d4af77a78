"""Previews of a job, in this process and from a subprocess: whole ones only, at the looker's rate, and nothing left behind."""

from __future__ import annotations

import os
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from job_grids import GRID, GRID_CUBIC

from MITOReconstructionLib import Scan, VolumeGrid
from MITOReconstructionLib.errors import InputError, WorkError
from MITOReconstructionLib.jobs import Job, Preview
from MITOReconstructionLib.jobs import preview as module
from MITOReconstructionLib.jobs.preview import Post, Previewer, read_preview, thin, write_preview

both = pytest.mark.parametrize("process", [False, True], ids=["thread", "process"])


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(module, "PREVIEW_SECONDS", 0.0)


def until(found: Callable[[], object], seconds: float = 300.0) -> object:
    deadline = time.monotonic() + seconds
    while not (value := found()):
        assert time.monotonic() < deadline
        time.sleep(0.002)
    return value


# ---- through jobs ------------------------------------------------------------------------------------------------------


@both
@pytest.mark.usefixtures("often", "exchange")
def test_previews_come_whole_and_in_order(ball: Scan, faulty: str, process: bool) -> None:
    job = Job(ball, grid=GRID_CUBIC, method=faulty, parameters={"how": "shows_on"}, process=process, preview_every=2)
    job.start()
    seen: list[Preview] = [until(job.take_preview) for _ in range(2)]  # type: ignore[misc]
    job.cancel()
    assert job.wait(300)
    assert job.state == "cancelled"
    assert job.take_preview() is None
    numbers = [preview.iteration for preview in seen]
    assert numbers == sorted(set(numbers))
    for preview in seen:
        assert preview.iteration % 2 == 0
        assert preview.grid == GRID_CUBIC
        np.testing.assert_array_equal(preview.array, np.full(GRID_CUBIC.shape, preview.iteration, np.float32))


@both
@pytest.mark.usefixtures("often", "exchange")
def test_one_that_is_not_taken_holds_the_next_back(ball: Scan, faulty: str, process: bool) -> None:
    job = Job(ball, grid=GRID, method=faulty, parameters={"how": "shows_on"}, process=process, preview_every=1)
    job.start()
    until(job.take_preview)
    waiting = until(lambda: job._post._waiting)
    until(lambda: job.progress is not None and job.progress.iteration >= waiting.iteration + 250)  # type: ignore[attr-defined, operator]
    assert job.take_preview() is waiting
    job.cancel()
    assert job.wait(300)


@both
@pytest.mark.usefixtures("exchange")
def test_nobody_looks_and_none_is_made(ball: Scan, faulty: str, process: bool, exchange: Path) -> None:
    job = Job(ball, grid=GRID, method=faulty, parameters={"how": "shows_on"}, process=process)
    job.start()
    until(lambda: job.progress is not None and (job.progress.iteration or 0) >= 5)
    assert job.take_preview() is None
    assert not list(exchange.rglob("preview*"))
    job.cancel()
    assert job.wait(300)


@both
@pytest.mark.usefixtures("exchange")
def test_the_end_takes_the_last_preview_with_it(ball: Scan, faulty: str, process: bool) -> None:
    job = Job(ball, grid=GRID, method=faulty, parameters={"how": "shows"}, process=process, preview_every=1)
    job.start()
    assert float(job.result(300).array.max()) == 0.25
    assert (job.take_preview(), job.preview_error) == (None, "")


@pytest.mark.usefixtures("exchange")
@pytest.mark.skipif(os.name != "posix", reason="ends processes by signals")
def test_killed_while_a_preview_is_written(ball: Scan, faulty: str) -> None:
    job = Job(ball, grid=GRID_CUBIC, method=faulty, parameters={"how": "killed_in_a_preview"}, process=True, preview_every=1)
    job.start()
    with pytest.raises(WorkError, match="SIGKILL"):
        job.result(300)
    assert job.take_preview() is None


@pytest.mark.usefixtures("exchange")
@pytest.mark.skipif(os.name != "posix", reason="limits the size of files")
def test_no_disk_for_previews_and_the_run_goes_on(ball: Scan, faulty: str) -> None:
    job = Job(ball, grid=GRID_CUBIC, method=faulty, parameters={"how": "no_disk_for_previews"}, process=True, preview_every=1)
    job.start()
    assert float(job.result(300).array.max()) == 0.25
    assert job.preview_error.startswith("No more previews of this run: ")
    assert "preview.raw: could not be written: File too large" in job.preview_error


@pytest.mark.usefixtures("exchange")
def test_a_real_method_shows_what_it_has(ball: Scan) -> None:
    job = Job(ball, grid=GRID_CUBIC, method="landweber", parameters={"iterations": 100000}, preview_every=1)
    job.start()
    preview = until(job.take_preview)
    job.cancel()
    assert job.wait(300)
    assert float(preview.array.max()) > 0.0  # type: ignore[attr-defined]


def test_the_number_of_iterations_is_checked(ball: Scan) -> None:
    with pytest.raises(InputError, match="preview_every: expected at least 0; found -1"):
        Job(ball, preview_every=-1)


# ---- parts -------------------------------------------------------------------------------------------------------------


def test_a_large_volume_is_thinned_where_it_is() -> None:
    grid = VolumeGrid((0.0, -4.0, 10.0), (7.0, 4.0, 22.0), (7, 8, 6))
    x, y, z = (grid.origin[axis] + grid.spacing[axis] * np.arange(grid.shape[axis]) for axis in range(3))
    volume = (x[:, None, None] + 100 * y[None, :, None] + 10000 * z[None, None, :]).astype(np.float32)
    for most, shape in ((1000, (7, 8, 6)), (60, (4, 4, 3)), (3, (1, 2, 1))):
        small = thin(volume, grid, 7, most)
        assert small.array.shape == small.grid.shape == shape
        x, y, z = (small.grid.origin[axis] + small.grid.spacing[axis] * np.arange(shape[axis]) for axis in range(3))
        np.testing.assert_allclose(small.array, x[:, None, None] + 100 * y[None, :, None] + 10000 * z[None, None, :], rtol=1e-6)
    assert not np.shares_memory(thin(volume, grid, 1).array, volume)


def test_not_more_often_than_allowed(monkeypatch: pytest.MonkeyPatch) -> None:
    clock, got = [100.0], []
    monkeypatch.setattr(module.time, "monotonic", lambda: clock[0])
    previewer = Previewer(GRID, lambda: True, got.append, pytest.fail)
    volume = np.zeros(GRID.shape, np.float32)
    for number in range(20):
        previewer(number, volume)
        clock[0] += 0.125
    assert [preview.iteration for preview in got] == [0, 4, 8, 12, 16]


def test_what_fails_is_told_once() -> None:
    told: list[str] = []

    def fail(_preview: Preview) -> None:
        raise MemoryError

    previewer = Previewer(GRID, lambda: True, fail, told.append)
    for number in range(3):
        previewer(number, np.zeros(GRID.shape, np.float32))
    assert told == ["No more previews of this run: not enough memory"]


@pytest.mark.parametrize("content", [b"", b"{}\n", b"not JSON\n", b'{"iteration": 1, "grid": {}}\n'])
def test_what_is_no_preview_is_refused(tmp_path: Path, content: bytes) -> None:
    (tmp_path / "preview.raw").write_bytes(content)
    with pytest.raises(WorkError, match="no preview that can be read"):
        read_preview(tmp_path / "preview.raw")


def test_a_file_that_is_cut_short_is_refused(tmp_path: Path) -> None:
    path = tmp_path / "preview.raw"
    write_preview(path, thin(np.ones(GRID.shape, np.float32), GRID, 4))
    assert read_preview(path).iteration == 4
    path.write_bytes(path.read_bytes()[:-4])
    with pytest.raises(WorkError, match="no preview that can be read"):
        read_preview(path)


def test_the_newest_one_is_kept() -> None:
    post = Post()
    one, two = (thin(np.ones(GRID.shape, np.float32), GRID, n) for n in (1, 2))
    post.put(one)
    post.put(two)
    assert not post.empty
    assert (post.take(), post.take()) == (two, None)
