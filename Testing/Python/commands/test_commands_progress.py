"""Progress: a bar on a terminal, nothing in a pipe, lines of JSON in a file."""

from __future__ import annotations

import io
import json
import os
import subprocess
import sys

import pytest

from MITOReconstructionLib.commands.bar import ProgressBar, clock
from MITOReconstructionLib.commands.output import aligned, mebibytes
from MITOReconstructionLib.monitor import Progress


class Terminal(io.StringIO):
    encoding = "utf-8"

    def isatty(self) -> bool:
        return True


def shown_on_a_screen(text: str) -> list[str]:
    """What stays on a terminal: carriage returns go back to the start of a line and overwrite it."""
    lines = []
    for written in text.split("\n"):
        line: list[str] = []
        for part in written.split("\r"):
            line[: len(part)] = part
        lines.append("".join(line).rstrip())
    return lines


def test_steps_stay_with_their_time_and_the_bar_goes():
    stream = Terminal()
    with ProgressBar(stream) as bar:
        for fraction in (0.0, 0.5, 1.0):
            bar(Progress("one", fraction, 0.0))
        bar(Progress("two", 0.25, 0.0))
    assert [step for step, _ in bar.steps] == ["one", "two"]
    lines = shown_on_a_screen(stream.getvalue())
    assert [line.split(":")[0] for line in lines] == ["one", "two", ""]
    assert "░" in stream.getvalue()
    assert "%" in stream.getvalue()


def test_a_failure_leaves_an_empty_line():
    stream = Terminal()

    def fail():
        with ProgressBar(stream) as bar:
            bar(Progress("one", 0.5, 0.0))
            raise ValueError("no")

    with pytest.raises(ValueError, match="no"):
        fail()
    assert shown_on_a_screen(stream.getvalue()) == [""]


def test_iteration_residual_and_a_terminal_without_unicode():
    stream = Terminal()
    stream.encoding = "ascii"
    with ProgressBar(stream) as bar:
        bar(Progress("landweber", 0.5, 3.0, iteration=5, residual=0.125))
    assert "iteration 5, residual 0.125" in stream.getvalue()
    assert stream.getvalue().isascii()


def test_a_narrow_terminal_is_not_overrun(monkeypatch):
    monkeypatch.setenv("COLUMNS", "24")
    stream = Terminal()
    with ProgressBar(stream) as bar:
        bar(Progress("a step with a very long name indeed", 0.5, 0.0))
    assert max(len(part) for part in stream.getvalue().split("\r")[:2]) <= 23


def test_nothing_is_written_where_there_is_no_terminal():
    stream = io.StringIO()
    with ProgressBar(stream) as bar:
        bar(Progress("one", 0.5, 0.0))
    assert stream.getvalue() == ""
    assert [step for step, _ in bar.steps] == ["one"]


def test_clocks_sizes_and_tables():
    assert [clock(s) for s in (0.4, 61, 3723)] == ["0:00", "1:01", "1:02:03"]
    assert [mebibytes(n) for n in (5, 2048, 3 * 2**20, 2**31)] == ["5 bytes", "2.0 KiB", "3.0 MiB", "2.0 GiB"]
    assert aligned([("a", "bb"), ("ccc", "d"), ("alone and long",)]) == ["a    bb", "ccc  d", "alone and long"]


def test_silent_in_a_pipe(process, tmp_path, sample):
    outcome = process("reconstruct", sample, "--output", tmp_path / "x.nrrd")
    assert (outcome.status, outcome.err) == (0, "")
    assert len(outcome.out.splitlines()) <= 2


@pytest.mark.skipif(sys.platform == "win32", reason="needs a pseudo terminal")
def test_a_bar_on_a_terminal(program, tmp_path, sample):
    import pty

    start, env = program
    ours, theirs = pty.openpty()
    words = [*start, "reconstruct", sample, "--output", tmp_path / "x.nrrd"]
    with subprocess.Popen([str(word) for word in words], env=env, stdout=subprocess.PIPE, stderr=theirs) as run:
        os.close(theirs)
        seen = b""
        while True:
            try:
                part = os.read(ours, 4096)
            except OSError:  # the other side is gone
                break
            if not part:
                break
            seen += part
        out = run.stdout.read().decode()
    os.close(ours)
    text = seen.decode().replace("\r\n", "\n")
    assert run.returncode == 0
    assert "x.nrrd" in out
    assert "%" in text
    lines = shown_on_a_screen(text)
    assert any(line.startswith("filtered backprojection: ") and line.endswith(" s") for line in lines), lines
    assert lines[-1] == ""


def test_progress_as_json_lines(cli, tmp_path, sample):
    watched = tmp_path / "p.jsonl"
    assert cli("reconstruct", sample, "--output", tmp_path / "x.nrrd", "--progress", watched).status == 0
    entries = [json.loads(line) for line in watched.read_text().splitlines()]
    assert entries[-1]["state"] == "done"
    assert all({"step", "fraction", "seconds"} <= set(entry) for entry in entries[:-1])
    assert {"filtered backprojection", "write"} <= {entry["step"] for entry in entries[:-1]}


def test_progress_says_when_it_failed(cli, one_error, tmp_path, sample):
    watched = tmp_path / "p.jsonl"
    one_error(cli("reconstruct", sample, "--output", tmp_path / "x.nii", "--progress", watched), 2)
    last = json.loads(watched.read_text().splitlines()[-1])
    assert last["state"] == "failed"
    assert ".nrrd" in last["message"]


def test_nothing_but_a_progress_file_is_overwritten_by_progress(cli, one_error, tmp_path, sample):
    precious = tmp_path / "metadata.json"
    precious.write_text("{}")
    one_error(cli("reconstruct", sample, "--output", tmp_path / "x.nrrd", "--progress", precious), 2, "--progress", ".jsonl")
    assert precious.read_text() == "{}"


def test_a_progress_file_that_cannot_be_made(cli, one_error, tmp_path, sample):
    one_error(cli("reconstruct", sample, "--output", tmp_path / "x.nrrd", "--progress", tmp_path / "no" / "p.jsonl"), 2, "p.jsonl")
