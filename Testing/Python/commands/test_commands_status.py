"""Every way that a command can end: its exit status, and one line on standard error where it is not 0."""

from __future__ import annotations

import importlib
import json
import shutil
import signal
import subprocess
import sys
import time

import pytest

from MITOReconstructionLib.commands import entry, main
from MITOReconstructionLib.commands.parser import COMMANDS
from MITOReconstructionLib.commands.signals import held, stoppable, stops
from MITOReconstructionLib.errors import Cancelled, InputError, MissingPackageError, WorkError
from MITOReconstructionLib.monitor import Monitor

posix = pytest.mark.skipif(sys.platform == "win32", reason="signals and limits of POSIX")


def left_in(folder):
    return sorted(path.name for path in folder.iterdir())


# ---- 2: what people give ---------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("words", "texts"),
    [
        ([], ("expected a command", "reconstruct", "--help")),
        (["reconstuct"], ("reconstuct", "reconstruct", "simulate")),
        (["simulate", "x", "--phantom", "cat"], ("--phantom", "log", "shepp-logan", "defrise", "cylinder")),
        (["simulate", "x", "--scale", "0"], ("--scale", "above 0")),
        (["simulate", "x", "--scale", "two"], ("--scale", "finite number", "'two'")),
        (["simulate", "x", "--pitch", "nan"], ("--pitch", "finite number")),
        (["simulate", "x", "--noise", "1e30"], ("--noise", "at most 1e+18")),
        (["simulate", "x", "--seed", "-1"], ("--seed", "at least 0")),
        (["simulate", "x", "--sca", "6"], ("--sca",)),
        (["simulate"], ("FOLDER",)),
        (["simulate", "no/such/folder"], ("no/such/folder", "Make it first")),
        (["samples", "nowhere"], ("nowhere", "no such folder")),
        (["info", "nowhere"], ("nowhere", "expected a sample folder", "no such folder", "sinogram.npy")),
        (["reconstruct", "nowhere"], ("--output",)),
        (["reconstruct", "nowhere", "--output", "x.nrrd"], ("nowhere", "no such folder")),
        (["reconstruct", "nowhere", "--output", "x.nii"], ("--output x.nii", ".nrrd")),
        (["reconstruct", "nowhere", "--output", "no/x.nrrd"], ("--output no/x.nrrd", "Make it first")),
        (["reconstruct", "s", "--output", "x.nrrd", "--method", "magic"], ("--method", "fbp", "landweber", "'magic'")),
        (["reconstruct", "s", "--output", "x.nrrd", "--parameter", "filter_type"], ("--parameter", "NAME=VALUE")),
        (["reconstruct", "s", "--output", "x.nrrd", "--parameter", "a=1", "--parameter", "a=2"], ("--parameter a", "second")),
        (["reconstruct", "s", "--output", "x.nrrd", "--parameter", "colour=red"], ("colour", "filter_type", "padding")),
        (["reconstruct", "s", "--output", "x.nrrd", "--parameter", "filter_type=Blur"], ("filter_type", "Ram-Lak", "Hann")),
        (["reconstruct", "s", "--output", "x.nrrd", "--backend", "abacus"], ("--backend", "auto", "cpu", "astra")),
        (["reconstruct", "s", "--output", "x.nrrd", "--views", "5"], ("--views", "FIRST:LAST", "'5'")),
        (["reconstruct", "s", "--output", "x.nrrd", "--min", "0", "0"], ("--min", "3 arguments")),
        (["reconstruct", "s", "--output", "x.nrrd", "--shape", "4", "4", "4", "--spacing", "1"], ("--spacing", "--shape", "not allowed")),
        (["reconstruct", "s", "--output", "x.nrrd", "--shape", "4", "0", "4"], ("--shape", "at least 1")),
        (["geometry", "s", "--output", "x.obj"], ("--output x.obj", ".json", ".npz", ".vtp")),
        (["projection", "s", "first", "--output", "x.nrrd"], ("INDEX", "whole number", "'first'")),
        (["project", "nowhere.nrrd", "--geometry-of", "s", "--output", "x"], ("sample folder", "no such folder")),
        (["scene", "s", "--output", "x.zip"], ("--output x.zip", ".mrb")),
        (["scene", "s", "--output", "x.mrb", "--picture", "x.jpg"], ("--picture x.jpg", ".png")),
    ],
)
def test_bad_input_is_two_and_one_line(cli, one_error, tmp_path, monkeypatch, words, texts):
    monkeypatch.chdir(tmp_path)
    one_error(cli(*words), 2, *texts)
    assert left_in(tmp_path) == []


@pytest.mark.parametrize(
    ("words", "texts"),
    [
        (["--views", "0:100000"], ("--views", "0:100000", "range within 0:")),
        (["--views", "9:3"], ("--views", "9:3")),
        (["--views", "0:3"], ("views", "at least half a turn")),
        (["--min", "0", "0", "900"], ("--min, --max along z", "900")),
        (["--spacing", "-1"], ("--spacing", "positive")),
    ],
)
def test_what_does_not_fit_the_sample_is_two(cli, one_error, tmp_path, sample, words, texts):
    one_error(cli("reconstruct", sample, "--output", tmp_path / "x.nrrd", *words), 2, *texts)
    assert left_in(tmp_path) == []


def test_a_view_that_is_not_there_is_two(cli, one_error, tmp_path, sample):
    one_error(cli("projection", sample, 99999, "--output", tmp_path / "x.nrrd"), 2, "INDEX", "99999")
    one_error(cli("scene", sample, "--view", 99999, "--output", tmp_path / "x.mrb"), 2, "--view", "99999")
    assert left_in(tmp_path) == []


@posix
def test_closed_streams_do_no_harm(program, tmp_path, sample):
    start, env = program
    words = [*start, "reconstruct", str(sample), "--output", str(tmp_path / "x.nrrd"), "--spacing", "20"]
    done = subprocess.run(["sh", "-c", 'exec "$@" >&- 2>&-', "sh", *words], env=env, timeout=200, check=False)
    assert done.returncode == 0
    assert left_in(tmp_path) == ["x.nrrd"]


def test_a_folder_in_the_way_is_two_and_stays(cli, one_error, tmp_path, sample):
    taken = tmp_path / "taken"
    taken.mkdir()
    (taken / "thesis.tex").write_text("years of work")
    one_error(cli("simulate", taken), 2, "taken", "something there already")
    one_error(cli("demo", "--output", taken), 2, "taken", "something there already")
    one_error(cli("project", f"{sample}.nrrd", "--geometry-of", sample, "--output", taken), 2, "taken")
    assert left_in(taken) == ["thesis.tex"]


def test_a_nan_in_a_projection_is_two_and_names_its_view(cli, one_error, tmp_path, sample):
    import numpy as np

    copy = tmp_path / "copy"
    shutil.copytree(sample, copy)
    values = np.load(copy / "sinogram.npy", mmap_mode="r+")
    values[77, 3, 2] = np.nan
    values.flush()
    one_error(cli("reconstruct", copy, "--output", tmp_path / "x.nrrd"), 2, "view 77", "nan", "column 3, row 2")
    assert left_in(tmp_path) == ["copy"]


# ---- 3 and 130: what happens at work ---------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("error", "status", "texts"),
    [
        (InputError("x", expected="a", found="b", remedy="Do c."), 2, ("x: expected a; found b. Do c.",)),
        (WorkError("the disk\nis full"), 3, ("the disk; is full",)),
        (MissingPackageError("slicer-core", "The scene", "pip install slicer-core"), 3, ("pip install slicer-core",)),
        (MemoryError("3 TiB"), 3, ("not enough memory", "3 TiB")),
        (OSError(28, "No space left on device", "/there"), 3, ("/there: No space left on device",)),
        (ZeroDivisionError("by zero"), 3, ("unexpected ZeroDivisionError: by zero", "MITO_DEBUG=1")),
        (Cancelled("stopped"), 130, ("nothing half-written was left behind",)),
        (KeyboardInterrupt(), 130, ("nothing half-written was left behind",)),
    ],
)
def test_each_kind_of_failure(cli, one_error, monkeypatch, error, status, texts):
    def fail(arguments):
        raise error

    monkeypatch.setattr("MITOReconstructionLib.commands.samples.run", fail)
    monkeypatch.delenv("MITO_DEBUG", raising=False)
    one_error(cli("samples", "x"), status, *texts)


def test_debugging_shows_where(cli, monkeypatch):
    monkeypatch.setenv("MITO_DEBUG", "1")
    outcome = cli("info", "nowhere")
    assert outcome.status == 2
    assert "Traceback" in outcome.err
    assert "nowhere: expected a sample folder" in outcome.err.splitlines()[-1]


@posix
def test_a_full_disk_is_three_and_leaves_nothing(tmp_path, process, one_error, sample):
    import resource

    def little_room():
        resource.setrlimit(resource.RLIMIT_FSIZE, (40_000, 40_000))

    outcome = process("reconstruct", sample, "--output", tmp_path / "x.nrrd", preexec_fn=little_room)
    one_error(outcome, 3, "x.nrrd", "File too large")
    one_error(process("simulate", tmp_path / "s", "--scale", "20", "--turns", "1", preexec_fn=little_room), 3, "File too large")
    assert left_in(tmp_path) == []


@posix
@pytest.mark.parametrize("name", ["SIGINT", "SIGTERM"])
def test_a_signal_is_130_and_leaves_nothing(tmp_path, program, one_error, sample, name):
    start, env = program
    watched = tmp_path / "progress.jsonl"
    words = ["reconstruct", sample, "--output", tmp_path / "x.nrrd", "--spacing", "0.8", "--progress", watched]
    with subprocess.Popen([*start, *map(str, words)], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True) as run:
        while run.poll() is None and "filtered backprojection" not in (watched.read_text() if watched.exists() else ""):
            time.sleep(0.002)
        run.send_signal(getattr(signal, name))
        out, err = run.communicate(timeout=300)
    one_error(type("Outcome", (), {"status": run.returncode, "out": out, "err": err}), 130, "cancelled")
    assert left_in(tmp_path) == ["progress.jsonl"]
    last = json.loads(watched.read_text().splitlines()[-1])
    assert last["state"] == "cancelled"
    assert out == ""


@pytest.fixture
def stop_here():
    """Send this process a signal, and wait until nothing more can come of it."""

    def send():
        signal.raise_signal(signal.SIGINT)
        time.sleep(0.01)

    return send


@posix
def test_a_signal_waits_for_the_end_of_an_import(tmp_path, monkeypatch, stop_here):
    (tmp_path / "slow_to_import.py").write_text("import signal, time\nsignal.raise_signal(signal.SIGINT)\ntime.sleep(0.2)\ndone = True\n")
    monkeypatch.syspath_prepend(str(tmp_path))
    monkeypatch.setattr(sys, "dont_write_bytecode", True)

    def work():
        with stoppable():
            imported.append(importlib.import_module("slow_to_import").done)
            time.sleep(5)

    imported: list[bool] = []
    with pytest.raises(KeyboardInterrupt):
        work()
    assert imported == [True]


@posix
def test_held_work_comes_to_its_end_and_a_monitor_stops_at_its_report(stop_here):
    monitor = Monitor()
    reached: list[str] = []

    def work():
        with stoppable(), stops(monitor), held():
            stop_here()
            reached.append("the end of a piece of work")
            monitor.report("the next", 0.0)

    with pytest.raises(Cancelled):
        work()
    assert reached


@posix
def test_the_second_signal_does_not_interrupt_cleaning_and_the_third_does(stop_here):
    cleaned: list[int] = []

    def work():
        with stoppable():
            try:
                stop_here()
            finally:
                stop_here()
                cleaned.append(1)
                stop_here()
                cleaned.append(2)

    with pytest.raises(KeyboardInterrupt):
        work()
    assert cleaned == [1]


def test_signal_handlers_are_put_back():
    before = signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)
    assert main(["info", "nowhere"]) == 2
    assert (signal.getsignal(signal.SIGINT), signal.getsignal(signal.SIGTERM)) == before


@posix
def test_a_closed_pipe_is_no_failure(program, sample):
    start, env = program
    words = " ".join([*start, "methods", "--json", "|", "true"])
    done = subprocess.run(["bash", "-c", f"set -o pipefail; {words}"], env=env, capture_output=True, text=True, timeout=100, check=False)
    assert (done.returncode, done.stderr) == (0, "")


@posix
def test_a_full_standard_output_is_three(program, one_error):
    start, env = program
    with open("/dev/full", "w") as full:
        done = subprocess.run([*start, "--version"], env=env, stdout=full, stderr=subprocess.PIPE, text=True, timeout=100, check=False)
    assert done.returncode == 3
    assert "No space left" in done.stderr
    assert "Traceback" not in done.stderr


# ---- 0 ---------------------------------------------------------------------------------------------------------------


def test_every_command_has_help(cli):
    listed = cli("--help")
    assert listed.status == 0
    for name in COMMANDS:
        assert name in listed.out
        helped = cli(name, "--help")
        assert (helped.status, helped.err) == (0, "")
        assert "usage: python -m MITOReconstructionLib " + name in helped.out
        assert {"add_arguments", "run"} <= set(importlib.import_module("MITOReconstructionLib.commands." + name).__all__)


def test_help_needs_no_heavy_package(program):
    start, env = program
    code = "import sys; from MITOReconstructionLib.commands import main; main(['--help']); print({'numpy', 'numba'} & set(sys.modules))"
    done = subprocess.run([start[0], "-c", code], env=env, capture_output=True, text=True, timeout=100, check=True)
    assert done.stdout.endswith("set()\n")


def test_the_version(cli):
    import MITOReconstructionLib as mito

    assert cli("--version") == (0, mito.__version__ + "\n", "")


def test_the_statuses_are_those_of_the_documents():
    assert (entry.DONE, entry.BAD_INPUT, entry.FAILED, entry.CANCELLED) == (0, 2, 3, 130)
