"""The parts of a subprocess run: which interpreter, the leash, exit statuses, errors as JSON."""

from __future__ import annotations

import json
import os
import sys
import threading
from pathlib import Path

import pytest

from MITOReconstructionLib.errors import Cancelled, InputError, MissingPackageError, WorkError
from MITOReconstructionLib.jobs import interpreter, leash
from MITOReconstructionLib.jobs.exchange import CANCEL, CANCEL_FILE, FINISH, FINISH_FILE, HOLD
from MITOReconstructionLib.jobs.failures import describe_error, rebuild_error
from MITOReconstructionLib.jobs.interpreter import child_environment
from MITOReconstructionLib.jobs.leash import Leash
from MITOReconstructionLib.jobs.processes import describe_exit


@pytest.fixture
def slicer(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """The folder of an application that is not Python."""
    folder = tmp_path / "Slicer" / "bin"
    folder.mkdir(parents=True)
    for name in ("MITO_PYTHON", "SLICER_HOME"):
        monkeypatch.delenv(name, raising=False)
    monkeypatch.setenv("PATH", str(tmp_path))
    monkeypatch.setattr(sys, "executable", str(folder / "SlicerApp-real"))
    return folder


def touch(path: Path) -> str:
    path.parent.mkdir(exist_ok=True, parents=True)
    path.touch(mode=0o755)
    return str(path)


def test_python_is_its_own_interpreter(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delenv("MITO_PYTHON", raising=False)
    assert interpreter() == sys.executable
    monkeypatch.setattr(sys, "executable", "/opt/Slicer/bin/PythonSlicer")
    assert interpreter() == "/opt/Slicer/bin/PythonSlicer"


def test_python_slicer_beside_the_application(slicer: Path) -> None:
    expected = touch(slicer / "PythonSlicer")
    assert interpreter() == expected


def test_python_slicer_where_slicer_home_says(slicer: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("SLICER_HOME", str(tmp_path / "home"))
    expected = touch(tmp_path / "home" / "bin" / "PythonSlicer")
    assert interpreter() == expected


def test_python_slicer_on_the_path(slicer: Path, tmp_path: Path) -> None:
    expected = touch(tmp_path / "PythonSlicer")
    assert interpreter() == expected


def test_an_interpreter_that_is_named(slicer: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MITO_PYTHON", "/my/python")
    assert interpreter() == "/my/python"


def test_no_interpreter(slicer: Path) -> None:
    with pytest.raises(InputError, match=r"interpreter: expected Python, or PythonSlicer in .*; found .*SlicerApp-real.*MITO_PYTHON"):
        interpreter()


def test_the_environment_finds_library_and_packages(monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.syspath_prepend(str(tmp_path))
    paths = child_environment()["PYTHONPATH"].split(os.pathsep)
    assert paths[0] == str(tmp_path)
    assert any((Path(path) / "MITOReconstructionLib" / "jobs").is_dir() for path in paths)
    assert any((Path(path) / "numpy").is_dir() for path in paths)
    assert not any((Path(path) / "asyncio").is_dir() for path in paths)


class Held:
    """A leash on a pipe."""

    def __init__(self, folder: Path, monkeypatch: pytest.MonkeyPatch) -> None:
        monkeypatch.setattr(leash, "INTERVAL", 0.005)
        monkeypatch.setattr(leash, "LAST_SECONDS", 0.02)
        self.cancelled, self.finishing, self.abandoned = threading.Event(), threading.Event(), threading.Event()
        self.reader, self.writer = os.pipe()
        self.leash = Leash(folder, self.cancelled.set, self.finishing.set, self.abandoned.set, self.reader)
        self.leash.start()


@pytest.fixture
def held(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Held:
    (tmp_path / "job").mkdir()
    return Held(tmp_path / "job", monkeypatch)


def test_leash_cancels_by_a_line(held: Held) -> None:
    os.write(held.writer, HOLD)
    assert not held.cancelled.wait(0.05)
    os.write(held.writer, CANCEL)
    assert held.cancelled.wait(300)
    held.leash.join(300)
    assert not held.leash.orphaned
    assert not held.abandoned.is_set()


@pytest.mark.parametrize("by_file", [False, True])
def test_leash_says_when_to_finish(held: Held, tmp_path: Path, by_file: bool) -> None:
    os.write(held.writer, HOLD)
    if by_file:
        (tmp_path / "job" / FINISH_FILE).touch()
    else:
        os.write(held.writer, FINISH)
    assert held.finishing.wait(300)
    assert not held.cancelled.is_set()
    os.write(held.writer, CANCEL)
    assert held.cancelled.wait(300)


def test_leash_cancels_by_a_file(held: Held, tmp_path: Path) -> None:
    (tmp_path / "job" / CANCEL_FILE).touch()
    assert held.cancelled.wait(300)
    held.leash.join(300)
    assert not held.abandoned.is_set()


def test_leash_notices_that_the_parent_is_gone(held: Held) -> None:
    os.write(held.writer, HOLD)
    os.close(held.writer)
    assert held.cancelled.wait(300)
    assert held.abandoned.wait(300)
    assert held.leash.orphaned


def test_leash_that_was_never_held_does_not_mind_its_end(held: Held, tmp_path: Path) -> None:
    os.close(held.writer)
    assert not held.cancelled.wait(0.05)
    (tmp_path / "job" / CANCEL_FILE).touch()
    assert held.cancelled.wait(300)


def test_leash_notices_that_its_folder_is_gone(held: Held, tmp_path: Path) -> None:
    (tmp_path / "job").rmdir()
    assert held.cancelled.wait(300)
    assert held.abandoned.wait(300)


@pytest.mark.parametrize(
    ("status", "text"),
    [
        (0, "ended"),
        (3, "ended with exit status 3"),
        (-11, "was ended by SIGSEGV"),
        (139, "was ended by SIGSEGV"),
        (130, "ended with exit status 130"),
        (-9, "was ended by SIGKILL (as a system does that has run out of memory)"),
        (-63, "was ended by signal 63"),
        (0xC0000005, "was ended by an access violation"),
    ],
)
def test_exit_statuses(status: int, text: str) -> None:
    assert describe_exit(status) == text


@pytest.mark.parametrize(
    "error",
    [
        InputError("a", expected="b", found="c", remedy="d"),
        WorkError("e"),
        Cancelled("f"),
        MissingPackageError("g", "h", "i"),
    ],
)
def test_errors_through_json(error: Exception) -> None:
    again = rebuild_error(json.loads(json.dumps(describe_error(error))))
    assert type(again) is type(error)
    assert str(again) == str(error)


def test_other_errors_through_json() -> None:
    again = rebuild_error(describe_error(ZeroDivisionError("by nothing")))
    assert isinstance(again, WorkError)
    assert str(again) == "ZeroDivisionError: by nothing"
    assert "memory" in str(rebuild_error(describe_error(MemoryError())))
