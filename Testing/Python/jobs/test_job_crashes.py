"""Everything that can happen to a subprocess is a clear failure, and leaves nothing behind."""

from __future__ import annotations

import json
import os
import signal
import stat
import subprocess
import sys
import time
from pathlib import Path

import pytest
from job_grids import GRID, GRID_CUBIC

from MITOReconstructionLib import Scan
from MITOReconstructionLib.errors import WorkError
from MITOReconstructionLib.jobs import Job

pytestmark = [pytest.mark.usefixtures("exchange"), pytest.mark.skipif(os.name != "posix", reason="ends processes by signals")]


def alive(pid: int) -> bool:
    try:
        os.kill(pid, 0)
    except ProcessLookupError:
        return False
    state = Path(f"/proc/{pid}/stat")
    return not (state.exists() and state.read_text().rpartition(")")[2].split()[0] == "Z")


def numbers(note: Path, seconds: float = 300.0) -> list[int]:
    deadline = time.monotonic() + seconds
    while not (note.exists() and note.read_text()):
        assert time.monotonic() < deadline
        time.sleep(0.01)
    return [int(word) for word in note.read_text().split()]


def gone(pids: list[int], seconds: float = 120.0) -> bool:
    deadline = time.monotonic() + seconds
    while any(map(alive, pids)):
        if time.monotonic() > deadline:
            return False
        time.sleep(0.01)
    return True


@pytest.mark.parametrize(
    ("how", "texts"),
    [
        ("killed", ["ended by SIGKILL", "run out of memory", "while at 'sawing'"]),
        ("crashed", ["ended by SIGSEGV", "about to crash", "Segmentation fault"]),
        ("exited", ["ended with exit status 7", "the last line"]),
        ("silent", ["ended while at 'sawing', without a result. It said nothing about it."]),
        ("no_disk", ["volume.raw: could not be written: File too large"]),
        ("half_a_result", ["ended by SIGKILL"]),
        ("short_result", ["left 236 bytes in the place of 240"]),
        ("fails_at_exit", ["ended with exit status 9 after its work was done"]),
    ],
)
def test_the_cause_is_named(ball: Scan, faulty: str, how: str, texts: list[str]) -> None:
    ends: list[str] = []
    grid = GRID_CUBIC if how == "no_disk" else GRID
    job = Job(ball, grid=grid, method=faulty, parameters={"how": how}, process=True, on_end=lambda job: ends.append(job.state))
    job.start()
    with pytest.raises(WorkError) as caught:
        job.result(300)
    for text in texts:
        assert text in str(caught.value)
    assert len(str(caught.value)) < 4000
    assert ends == ["failed"]


def test_garbage_among_the_lines_is_passed_over(ball: Scan, faulty: str) -> None:
    job = Job(ball, grid=GRID, method=faulty, parameters={"how": "garbage"}, process=True)
    job.start()
    assert float(job.result(300).array.max()) == 0.25


def test_an_error_of_the_childs_carries_its_log(ball: Scan, faulty: str) -> None:
    job = Job(ball, grid=GRID, method=faulty, parameters={"how": "bug"}, process=True)
    job.start()
    job.wait(300)
    assert "Traceback" in "".join(job.error.__notes__)  # type: ignore[union-attr]


def script(path: Path, text: str) -> str:
    path.write_text(f"#!/bin/sh\n{text}\n")
    path.chmod(path.stat().st_mode | stat.S_IXUSR)
    return str(path)


@pytest.mark.parametrize(
    ("text", "message"),
    [
        ("echo no protocol; echo at all", "ended, without a result. Its last words:\nno protocol\nat all"),
        ("echo not Python >&2; exit 3", "ended with exit status 3, without a result. Its last words:\nnot Python"),
        ("exec >&-; sleep 1000", "SIGKILL"),
        ("""echo '{"state": "done"}'; exec sleep 1000""", "SIGKILL (as a system does that has run out of memory) after its work"),
        ("sleep 30 & exit 4", "ended with exit status 4"),
        ("""echo '{"state": "failed", "error": {"kind": "InputError"}}'; exit 2""", "what it said about it is not understood"),
    ],
)
def test_an_interpreter_that_is_none(ball: Scan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, text: str, message: str) -> None:
    if "SIGKILL" in message:  # the others end by themselves
        monkeypatch.setattr("MITOReconstructionLib.jobs.child.LINGER", 0.3)
    monkeypatch.setenv("MITO_PYTHON", script(tmp_path / "python", text))
    job = Job(ball, grid=GRID, process=True)
    job.start()
    with pytest.raises(WorkError) as caught:
        job.result(300)
    assert message in str(caught.value)


def test_an_interpreter_that_is_missing(ball: Scan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MITO_PYTHON", str(tmp_path / "python"))
    job = Job(ball, grid=GRID, process=True)
    job.start()
    with pytest.raises(WorkError, match=r"could not be started: .*python: No such file or directory"):
        job.result(300)


@pytest.mark.parametrize("launcher", [False, True])
def test_cancel_ends_what_does_not_listen(ball: Scan, faulty: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, launcher: bool) -> None:
    if launcher:  # as PythonSlicer: the interpreter is a child of what was started
        monkeypatch.setenv("MITO_PYTHON", script(tmp_path / "python", f'"{sys.executable}" "$@"'))
    note = tmp_path / "numbers"
    job = Job(ball, grid=GRID, method=faulty, parameters={"how": "deaf", "note": str(note)}, process=True)
    job.start()
    pids = numbers(note)
    assert len(pids) == 2
    job.cancel()
    assert job.wait(300)
    assert job.state == "cancelled"
    assert gone(pids)


def test_killed_behind_a_launcher(ball: Scan, faulty: str, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MITO_PYTHON", script(tmp_path / "python", f'"{sys.executable}" "$@"\nexit $?'))
    job = Job(ball, grid=GRID, method=faulty, parameters={"how": "killed"}, process=True)
    job.start()
    with pytest.raises(WorkError, match="ended by SIGKILL"):
        job.result(300)


PARENT = """
import os, sys, time
from MITOReconstructionLib import open_scan
from MITOReconstructionLib.jobs import Job
import json
job = Job(open_scan(sys.argv[1]), method="faulty", parameters={"how": "slow", "note": sys.argv[2]}, process=True, folder=sys.argv[3])
job.start()
deadline = time.monotonic() + 300
while time.monotonic() < deadline and not (sys.argv[4] == "ends" and os.path.exists(sys.argv[2]) and os.path.getsize(sys.argv[2])):
    time.sleep(0.05)
"""


@pytest.mark.parametrize("how", ["is killed", "ends"])
def test_a_child_whose_parent_is_gone_ends_and_cleans_up(ball: Scan, faulty: str, tmp_path: Path, exchange: Path, how: str) -> None:
    note = tmp_path / "numbers"
    arguments = [str(ball.folder), str(note), str(exchange), how]
    with subprocess.Popen(
        [sys.executable, "-c", PARENT, *arguments], env={**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    ) as parent:
        pids = numbers(note)
        assert len(list(exchange.iterdir())) == 1
        if how == "is killed":
            parent.send_signal(signal.SIGKILL)
        parent.wait(300)
    assert gone(pids)
    deadline = time.monotonic() + 120.0
    while list(exchange.iterdir()) and time.monotonic() < deadline:
        time.sleep(0.01)


def test_the_childs_own_lines(ball: Scan, exchange: Path) -> None:
    """What stands on standard output is what ProgressWriter writes, whoever reads it."""
    from MITOReconstructionLib.jobs.request import Request

    folder = exchange / "job"
    folder.mkdir()
    (folder / "request.json").write_text(json.dumps(Request.make(ball, grid=GRID).to_dict()))
    command = [sys.executable, "-m", "MITOReconstructionLib.jobs.worker", str(folder / "request.json")]
    environment = {**os.environ, "PYTHONPATH": os.pathsep.join(sys.path)}
    done = subprocess.run(command, capture_output=True, text=True, timeout=300, env=environment, stdin=subprocess.DEVNULL, check=True)
    lines = [json.loads(line) for line in done.stdout.splitlines()]
    assert {"step", "fraction", "seconds"} <= set(lines[0])
    assert set(lines[-1]) == {"state", "message", "seconds"}
    assert lines[-1]["state"] == "done"
    assert sorted(path.name for path in folder.iterdir()) == ["provenance.json", "request.json", "volume.raw"]
    for path in folder.iterdir():
        path.unlink()
    folder.rmdir()
