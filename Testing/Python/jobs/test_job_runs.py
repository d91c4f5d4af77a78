"""Jobs that go well, are cancelled, or fail on purpose: in this process and as a subprocess alike."""

from __future__ import annotations

import dataclasses
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from job_grids import GRID

from MITOReconstructionLib import Scan, reconstruct
from MITOReconstructionLib.errors import Cancelled, InputError, MissingPackageError, MITOError, WorkError
from MITOReconstructionLib.jobs import Job
from MITOReconstructionLib.monitor import Progress

BOTH = pytest.mark.parametrize("process", [False, True], ids=["thread", "subprocess"])
pytestmark = pytest.mark.usefixtures("exchange")


def until(condition: Any, seconds: float = 300.0) -> None:
    deadline = time.monotonic() + seconds
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.005)


@BOTH
def test_a_job_gives_what_reconstruct_gives(ball: Scan, process: bool) -> None:
    ends: list[tuple[str, str]] = []
    reports: list[Progress] = []
    job = Job(
        ball, grid=GRID, parameters={"filter_type": "Hann"}, views=slice(2, 440), process=process, on_progress=reports.append,
        on_end=lambda job: ends.append((job.state, threading.current_thread().name)),
    )  # fmt: skip
    assert job.state == "waiting"
    job.start()
    volume = job.result(300)
    expected = reconstruct(ball, grid=GRID, parameters={"filter_type": "Hann"}, views=slice(2, 440))
    np.testing.assert_allclose(volume.array, expected.array, rtol=1e-5)
    assert volume.array.dtype == np.float32
    assert volume.array.flags.writeable
    assert volume.grid == GRID
    apart = {"seconds": 0}
    assert {**volume.provenance, **apart} == {**expected.provenance, **apart}
    assert ends == [("done", "job Filtered backprojection")]
    assert job.volume is volume
    assert job.error is None
    assert job.progress == reports[-1]
    assert {"filtered backprojection", "coverage"} <= {report.step for report in reports}
    assert all(0 <= report.fraction <= 1 for report in reports)


@BOTH
def test_the_geometry_is_the_callers(ball: Scan, process: bool) -> None:
    moved = dataclasses.replace(ball.geometry, axial_positions=ball.geometry.axial_positions + 5.0)
    job = Job(dataclasses.replace(ball, geometry=moved), grid=GRID, process=process)
    job.start()
    expected = reconstruct(dataclasses.replace(ball, geometry=moved), grid=GRID)
    np.testing.assert_allclose(job.result(300).array, expected.array, rtol=1e-5)


@BOTH
def test_progress_that_is_not_finite_and_numpy_in_the_report(ball: Scan, faulty: str, process: bool) -> None:
    reports: list[Progress] = []
    job = Job(ball, grid=GRID, method=faulty, process=process, on_progress=reports.append)
    job.start()
    assert np.all(job.result(300).array == 0.25)
    report = reports[0]
    assert (report.step, report.fraction, report.iteration) == ("sawing", 0.5, 3)
    assert report.residual is None if process else np.isnan(report.residual)
    assert job.volume.provenance["report"]["numpy"] == 0.5


@BOTH
@pytest.mark.parametrize(
    ("how", "kind", "text"),
    [
        ("wrong_input", InputError, "the knot: expected a round one; found a square one. Take another tree."),
        ("wrong_work", WorkError, "The saw is blunt."),
        ("no_package", MissingPackageError, "pip install saw"),
        ("bug", WorkError, "KeyError: 'bark'"),
        ("no_memory", WorkError, "Not enough memory"),
        ("wrong_shape", WorkError, "gave an array of shape (1, 2, 3) for a grid of shape (5, 4, 3)"),
    ],
)
def test_errors_arrive_as_they_are(ball: Scan, faulty: str, process: bool, how: str, kind: type[MITOError], text: str) -> None:
    ends: list[str] = []
    job = Job(ball, grid=GRID, method=faulty, parameters={"how": how}, process=process, on_end=lambda job: ends.append(job.state))
    job.start()
    with pytest.raises(kind) as caught:
        job.result(300)
    assert text in str(caught.value)
    assert job.error is caught.value
    assert job.volume is None
    assert ends == ["failed"]
    if isinstance(caught.value, InputError):
        assert (caught.value.where, caught.value.remedy) == ("the knot", "Take another tree.")


@BOTH
def test_cancel_half_way(ball: Scan, faulty: str, process: bool) -> None:
    ends: list[str] = []
    job = Job(ball, grid=GRID, method=faulty, parameters={"how": "slow"}, process=process, on_end=lambda job: ends.append(job.state))
    job.start()
    until(lambda: job.progress is not None)
    job.cancel()
    job.cancel()
    assert job.wait(300)  # it never ends by itself
    assert job.state == "cancelled"
    assert ends == ["cancelled"]
    with pytest.raises(Cancelled):
        job.result()
    job.cancel()
    assert job.state == "cancelled"


@BOTH
def test_finish_half_way_keeps_what_there_is(ball: Scan, process: bool) -> None:
    """Many iterations from a given volume, ended after a few."""
    begin = np.full(GRID.shape, 0.01, dtype=np.float32)
    parameters = {"iterations": 100_000, "context": False}
    job = Job(ball, grid=GRID, method="landweber", parameters=parameters, backend="cpu", initial=begin, process=process)
    job.start()
    until(lambda: job.progress is not None and (job.progress.iteration or 0) > 2)
    job.finish()
    volume = job.result(300)
    assert volume.provenance["report"]["stopped"] == "caller"
    assert 2 < volume.provenance["report"]["iterations"] < 100_000
    once = reconstruct(ball, grid=GRID, method="landweber", parameters={**parameters, "iterations": 1}, backend="cpu", initial=begin)
    zero = reconstruct(ball, grid=GRID, method="landweber", parameters={**parameters, "iterations": 1}, backend="cpu")
    first = volume.provenance["report"]["residuals"][0]
    assert first == pytest.approx(once.provenance["report"]["residuals"][0], rel=1e-4)
    assert first < zero.provenance["report"]["residuals"][0]


def test_an_initial_volume_of_another_shape(ball: Scan) -> None:
    with pytest.raises(InputError, match=r"initial volume: expected finite numbers of shape \(x, y, z\) = \(5, 4, 3\)"):
        Job(ball, grid=GRID, method="landweber", initial=np.zeros((1, 2, 3)))


def test_cancel_while_the_subprocess_still_starts(ball: Scan, faulty: str) -> None:
    job = Job(ball, grid=GRID, method=faulty, parameters={"how": "slow"}, process=True)
    job.start()
    time.sleep(0.1)
    job.cancel()
    assert job.wait(300)
    assert job.state == "cancelled"


def test_cancelled_before_it_starts(ball: Scan) -> None:
    ends: list[str] = []
    job = Job(ball, grid=GRID, on_end=lambda job: ends.append(job.state))
    job.cancel()
    assert job.state == "cancelled"
    assert job.wait(0)
    assert ends == ["cancelled"]
    with pytest.raises(InputError, match="expected a job that waits; found one that is cancelled"):
        job.start()


def test_once_cancelled_it_is_never_done(ball: Scan) -> None:
    job: Job = Job(ball, grid=GRID, on_progress=lambda report: report.fraction == 1.0 and report.step == "coverage" and job.cancel())
    job.start()
    assert job.wait(300)
    assert job.state == "cancelled"
    assert job.volume is None


def test_it_is_started_once(ball: Scan) -> None:
    job = Job(ball, grid=GRID)
    job.start()
    with pytest.raises(InputError, match="expected a job that waits"):
        job.start()
    assert job.wait(300)


@BOTH
def test_what_a_progress_callback_raises_ends_the_job(ball: Scan, process: bool) -> None:
    def stumble(report: Progress) -> None:
        raise ZeroDivisionError("stumbled")

    job = Job(ball, grid=GRID, process=process, on_progress=stumble)
    job.start()
    with pytest.raises(WorkError, match="ZeroDivisionError: stumbled"):
        job.result(300)


def test_what_an_end_callback_raises_is_logged(ball: Scan, caplog: pytest.LogCaptureFixture) -> None:
    heard: list[str] = []

    def stumble(job: Job) -> None:
        assert job.wait(1)  # does not wait for itself
        raise ZeroDivisionError

    job = Job(ball, grid=GRID, on_end=stumble)
    job.when_ended(lambda job: heard.append(job.state))
    job.start()
    assert job.wait(300)
    assert job.state == "done"
    assert "callback about the end" in caplog.text
    job.when_ended(lambda job: heard.append("late"))
    assert heard == ["done", "late"]


def test_waiting_has_a_limit(ball: Scan, faulty: str) -> None:
    job = Job(ball, grid=GRID, method=faulty, parameters={"how": "slow"})
    job.start()
    assert not job.wait(0.02)
    with pytest.raises(TimeoutError, match="'Faulty' is still running"):
        job.result(0.02)
    job.cancel()
    assert job.wait(300)


def test_a_scan_in_memory_is_no_subprocess(ball: Scan) -> None:
    loose = Scan.from_arrays(np.asarray(ball.projections), ball.geometry, name="loose")
    with pytest.raises(InputError, match=r"scan: expected a scan on disk.*found the scan 'loose' in memory.*write_sample"):
        Job(loose, grid=GRID, process=True)


@pytest.mark.parametrize("options", [{"method": "x"}, {"views": []}, {"parameters": {"x": 1}}, {"parameters": 5}])
def test_bad_arguments_are_refused_at_once(ball: Scan, options: dict[str, Any]) -> None:
    with pytest.raises(InputError):
        Job(ball, **options)


def test_another_folder_for_the_exchange(ball: Scan, tmp_path: Path) -> None:
    job = Job(ball, grid=GRID, process=True, folder=tmp_path / "nowhere")
    job.start()
    with pytest.raises(WorkError, match=r"nowhere: no folder could be made there"):
        job.result(300)
