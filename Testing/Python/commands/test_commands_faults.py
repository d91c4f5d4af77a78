"""What goes wrong around a command: killed processes, names of all kinds, places that cannot be written."""

from __future__ import annotations

import json
import os
import shutil
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest

from MITOReconstructionLib import __main__ as program_of_all
from MITOReconstructionLib.jobs import Volume

posix = pytest.mark.skipif(sys.platform == "win32", reason="signals, pipes and limits of POSIX")


def left_in(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


@posix
def test_a_killed_run_leaves_no_volume_and_the_next_one_what_it_left(cli, tmp_path, program, sample):
    start, env = program
    words = ["reconstruct", sample, "--output", tmp_path / "x.nrrd", "--spacing", "0.7", "--slabs", "8"]  # many seconds
    with subprocess.Popen([*start, *map(str, words)], env=env, stdout=subprocess.DEVNULL) as run:
        while run.poll() is None and not list(tmp_path.glob(".x-*.nrrd")):
            time.sleep(0.002)
        run.kill()
    assert run.returncode == -9
    (left,) = left_in(tmp_path)
    assert left.startswith(".x-")
    assert cli("reconstruct", sample, "--output", tmp_path / "x.nrrd", "--spacing", "20").status == 0
    assert left_in(tmp_path) == ["x.nrrd"]


@pytest.mark.parametrize("name", ["prüfling 日本 😀", "new\nline", "-dash %s {x} $HOME 'quoted\""])
def test_names_of_all_kinds(cli, one_error, tmp_path, sample, name):
    if sys.platform == "win32" and set(name) & set('\n"'):
        pytest.skip("no name on Windows")
    folder, target = tmp_path / name, tmp_path / f"{name}.nrrd"
    shutil.copytree(sample, folder)
    assert cli("reconstruct", folder, "--output", target, "--spacing", "30")[0] == 0
    assert Volume.load(target).provenance["sample"] == str(folder)
    assert left_in(tmp_path) == sorted([name, f"{name}.nrrd"])
    (folder / "metadata.json").unlink()
    one_error(cli("reconstruct", folder, "--output", target), 2, "metadata.json", "no such file")


def test_what_describes_samples_is_not_written_over(cli, one_error, tmp_path, sample):
    folder = tmp_path / "sample"
    shutil.copytree(sample, folder)
    (tmp_path / "samples.json").write_text("[]")
    before = (folder / "metadata.json").read_bytes()
    for target in (folder / "metadata.json", tmp_path / "samples.json"):
        one_error(cli("geometry", folder, "--output", target), 2, f"--output {target}", "a file that describes samples")
    assert (folder / "metadata.json").read_bytes() == before
    assert (tmp_path / "samples.json").read_text() == "[]"
    assert cli("geometry", folder, "--output", tmp_path / "metadata.json").status == 0  # where there is none yet


@posix
def test_places_that_are_no_files(cli, one_error, tmp_path, sample):
    os.mkfifo(tmp_path / "pipe.nrrd")
    one_error(cli("reconstruct", sample, "--output", tmp_path / "pipe.nrrd"), 2, "pipe.nrrd", "a pipe or a device")
    (tmp_path / "link.nrrd").symlink_to("/dev/null")
    one_error(cli("projection", sample, 0, "--output", tmp_path / "link.nrrd"), 2, "link.nrrd", "a pipe or a device")
    long = tmp_path / ("x" * 300 + ".nrrd")
    one_error(cli("reconstruct", sample, "--output", long), 2, str(long), "Choose a shorter name")
    one_error(cli("reconstruct", sample, sample.parent, "--output", tmp_path / ("y" * 300)), 2, "y" * 300, "Choose a shorter name")
    one_error(cli("simulate", tmp_path / ("y" * 300)), 2, "y" * 300, "Choose a shorter name")
    one_error(cli("info", tmp_path / ("y" * 300)), 2, "y" * 300)
    one_error(cli("reconstruct", tmp_path / ("y" * 300), "--output", tmp_path / "x.nrrd"), 2, "y" * 300)
    assert left_in(tmp_path) == ["link.nrrd", "pipe.nrrd"]


@posix
def test_progress_may_go_into_a_pipe(cli, tmp_path, sample):
    pipe = tmp_path / "progress.jsonl"
    os.mkfifo(pipe)
    heard: list[str] = []
    reader = threading.Thread(target=lambda: heard.extend(pipe.read_text().splitlines()), daemon=True)
    reader.start()
    assert cli("reconstruct", sample, "--output", tmp_path / "x.nrrd", "--spacing", 30, "--progress", pipe).status == 0
    reader.join(300)
    assert json.loads(heard[-1])["state"] == "done"
    assert pipe.is_fifo()


def test_a_folder_for_several_volumes_that_cannot_be_made(cli, one_error, tmp_path, sample, monkeypatch):
    monkeypatch.setattr(os, "access", lambda path, mode: Path(path) != tmp_path)  # of a disk that is read-only, or another's
    several = cli("reconstruct", sample.parent, "--output", tmp_path / "volumes")
    one_error(several, 2, "--output", "folder that can be written into", "no permission in")
    assert left_in(tmp_path) == []


@posix
def test_a_full_disk_ends_a_scene_in_one_line(tmp_path, process, one_error, sample):
    pytest.importorskip("slicer.util", reason="needs slicer-core")
    import resource

    def little_room():
        resource.setrlimit(resource.RLIMIT_FSIZE, (2_000, 2_000))

    outcome = process("scene", sample, "--output", tmp_path / "x.mrb", preexec_fn=little_room)
    one_error(outcome, 3, "x.mrb: the scene could not be written", "are free there")
    assert len(outcome.err) < 1000
    assert left_in(tmp_path) == []


def test_volumes_that_cannot_be_projected(cli, one_error, tmp_path, sample):
    path = tmp_path / "x.nrrd"
    whole = Path(f"{sample}.nrrd").read_bytes()
    volume = Volume.load(f"{sample}.nrrd")
    volume.array[1, 2, 3] = np.nan
    volume.save(path)
    one_error(cli("project", path, "--geometry-of", sample, "--output", tmp_path / "s"), 2, "x.nrrd", "1 that are NaN or infinite")
    sizes = b"sizes: %d %d %d" % volume.grid.shape
    for count, texts in ((2_000_000, ("32000000000000000000 bytes of samples",)), (3 << 30, ("grid shape", "at most 2147483647 voxels"))):
        assert whole.count(sizes) == 1
        path.write_bytes(whole.replace(sizes, b"sizes: %d %d %d" % (count, count, count)))
        one_error(cli("project", path, "--geometry-of", sample, "--output", tmp_path / "s"), 2, "x.nrrd", *texts)
    assert left_in(tmp_path) == ["x.nrrd"]


@pytest.mark.parametrize(
    ("words", "texts"),
    [
        (["--parameter", "fill_value=1e300"], ("fill_value", "at most 3.4e+38 in size", "1e+300")),
        (["--min", "-1e308", "0", "0", "--max", "1e308", "10", "300"], ("grid bounds along x", "-1e+308 to 1e+308 mm")),
    ],
)
def test_numbers_too_large_to_compute_with(cli, one_error, tmp_path, sample, words, texts):
    one_error(cli("reconstruct", sample, "--output", tmp_path / "x.nrrd", *words), 2, *texts)
    assert left_in(tmp_path) == []


def test_ctrl_c_before_anything_is_begun(capsys, monkeypatch):
    def interrupted() -> int:
        raise KeyboardInterrupt

    monkeypatch.setattr("MITOReconstructionLib.commands.main", interrupted)
    assert program_of_all.main() == 130
    assert capsys.readouterr() == ("", "cancelled before anything was begun\n")
