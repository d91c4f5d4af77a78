"""Running commands in this process and in another one, and a small sample to run them on."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path
from typing import NamedTuple

import pytest

from MITOReconstructionLib.commands import main

ROOT = Path(__file__).parents[3]


class Outcome(NamedTuple):
    status: int
    out: str
    err: str


@pytest.fixture
def cli(capsys):
    """Run a command in this process."""

    def run(*words: object) -> Outcome:
        capsys.readouterr()
        status = main([str(word) for word in words])
        return Outcome(status, *capsys.readouterr())

    return run


def environment(**changes: str) -> dict[str, str]:
    path = os.pathsep.join([str(ROOT), os.environ.get("PYTHONPATH", "")]).rstrip(os.pathsep)
    return {**os.environ, "PYTHONPATH": path, "PYTHONWARNINGS": "error", **changes}


@pytest.fixture
def program():
    """The words that start the program in another process, and its environment."""
    return [sys.executable, "-m", "MITOReconstructionLib"], environment()


@pytest.fixture
def process(program):
    """Run a command in another process, to its end."""

    def run(*words: object, **keywords) -> Outcome:
        start, env = program
        done = subprocess.run([*start, *map(str, words)], env=env, capture_output=True, text=True, timeout=200, check=False, **keywords)
        return Outcome(done.returncode, done.stdout, done.stderr)

    return run


@pytest.fixture(scope="session")
def sample(tmp_path_factory) -> Path:
    """A small scan of a cylinder on a helix; not to be written to."""
    folder = tmp_path_factory.mktemp("data") / "cylinder"
    assert main(["simulate", str(folder), "--phantom", "cylinder", "--scale", "12", "--turns", "2.5", "--truth", f"{folder}.nrrd"]) == 0
    return folder


@pytest.fixture
def one_error():
    """Check that an outcome is a failure with that status, told in one line without a traceback."""

    def check(outcome: Outcome, status: int, *texts: str) -> None:
        assert outcome.status == status, outcome
        assert outcome.err.count("\n") == 1, outcome.err
        assert outcome.err.endswith("\n")
        assert "Traceback" not in outcome.err
        for text in texts:
            assert text in outcome.err
        assert outcome.err.startswith("cancelled" if status == 130 else "error: ")

    return check
