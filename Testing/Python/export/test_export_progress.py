"""Progress as JSON lines."""

from __future__ import annotations

import json
from pathlib import Path

import pytest

from MITOReconstructionLib.errors import Cancelled, InputError, WorkError
from MITOReconstructionLib.export import ProgressWriter
from MITOReconstructionLib.monitor import Monitor, Progress


def lines(path: Path) -> list[dict]:
    return [json.loads(line, parse_constant=lambda name: pytest.fail(name)) for line in path.read_text().splitlines()]


def test_reports_are_there_at_once_and_the_end_is_last(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    with ProgressWriter(path) as progress:
        monitor = Monitor(progress)
        monitor.report("back-projecting", 0.5)
        first = lines(path)
        monitor.report("iterating", 1.0, iteration=3, residual=0.25)
    assert [entry["fraction"] for entry in first] == [0.5]
    entries = lines(path)
    assert entries[0]["step"] == "back-projecting"
    assert (entries[1]["iteration"], entries[1]["residual"]) == (3, 0.25)
    assert entries[2]["state"] == "done"
    assert entries[2]["message"] == ""
    assert entries[2]["seconds"] >= 0
    assert len(entries) == 3


@pytest.mark.parametrize(
    ("error", "state", "message"),
    [
        (Cancelled("The run was cancelled."), "cancelled", "The run was cancelled."),
        (KeyboardInterrupt(), "cancelled", "The run was cancelled."),
        (WorkError("No memory."), "failed", "No memory."),
        (ZeroDivisionError(), "failed", "ZeroDivisionError"),
    ],
)
def test_how_a_run_ended(tmp_path: Path, error: BaseException, state: str, message: str) -> None:
    path = tmp_path / "p.jsonl"
    with pytest.raises(type(error)), ProgressWriter(path):
        raise error
    (entry,) = lines(path)
    assert (entry["state"], entry["message"]) == (state, message)


def test_numbers_that_are_not_finite_are_null(tmp_path: Path) -> None:
    path = tmp_path / "p.jsonl"
    with ProgressWriter(path) as progress:
        progress(Progress("iterating", 0.1, 1.0, 1, float("nan")))
    assert lines(path)[0]["residual"] is None


def test_faults_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"p\.jsonl: expected a file that can be written; found No such file or directory"):
        ProgressWriter(tmp_path / "none" / "p.jsonl").__enter__()
    with pytest.raises(InputError, match=r"found Is a directory"):
        ProgressWriter(tmp_path).__enter__()
    with pytest.raises(WorkError, match=r"only be written inside of"):
        ProgressWriter(tmp_path / "p.jsonl")(Progress("a", 0.0, 0.0))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_is_a_work_error() -> None:
    with (
        pytest.raises(WorkError, match=r"/dev/full: progress could not be written: No space left on device"),
        ProgressWriter("/dev/full") as p,
    ):
        p(Progress("a", 0.0, 0.0))


@pytest.mark.skipif(not Path("/dev/full").exists(), reason="needs a device that is always full")
def test_a_full_disk_does_not_hide_why_the_run_failed() -> None:
    with pytest.raises(ZeroDivisionError), ProgressWriter("/dev/full"):
        raise ZeroDivisionError
