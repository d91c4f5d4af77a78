"""Reconstructing several samples in one go, here and on a cluster."""

from __future__ import annotations

import json
import shutil
import signal
import subprocess
import time
from pathlib import Path

import numpy as np
import pytest

import MITOReconstructionLib as mito
from MITOReconstructionLib.jobs import cluster_connection

SHAPE = ("--shape", 12, 11, 10)


@pytest.fixture
def data(tmp_path: Path, sample: Path) -> Path:
    """A data folder of two samples, one of them with other values."""
    folder = tmp_path / "data"
    for name, factor in (("oak", 1.0), ("pine", 0.5)):
        shutil.copytree(sample, folder / name)
        np.save(folder / name / "sinogram.npy", factor * np.load(sample / "sinogram.npy"))
    (folder / "samples.json").write_text(json.dumps([{"folder": name, "name": name} for name in ("pine", "oak")]))
    return folder


def names(folder: Path) -> list[str]:
    return sorted(path.name for path in folder.iterdir())


def test_the_samples_of_a_data_folder_on_a_cluster_as_here(cli, cluster, data, tmp_path):
    assert cli("reconstruct", data, "--output", tmp_path / "here", *SHAPE).status == 0
    outcome = cli("reconstruct", data, "--output", tmp_path / "there", "--scheduler", cluster.address, *SHAPE)
    assert (outcome.status, outcome.err) == (0, "")
    for name in ("oak", "pine"):
        assert f"{tmp_path / 'there' / name}.nrrd: 12 x 11 x 10 voxels" in outcome.out
        here, there = (mito.Volume.load(tmp_path / place / f"{name}.nrrd") for place in ("here", "there"))
        assert here.grid == there.grid
        assert np.abs(here.array - there.array).max() < 1e-6
        assert there.provenance["sample"] == str(data / name)
    assert names(tmp_path / "here") == names(tmp_path / "there") == ["oak.nrrd", "pine.nrrd"]


def test_samples_by_name_into_a_folder_that_exists(cli, cluster, data, tmp_path):
    target = tmp_path / "volumes"
    target.mkdir()
    (target / "notes.txt").write_text("mine")
    words = [data / "pine", data / "oak", "--output", target, "--method", "adjoint", "--scheduler", cluster.address, *SHAPE]
    assert cli("reconstruct", *words).status == 0
    assert names(target) == ["notes.txt", "oak.nrrd", "pine.nrrd"]
    oak, pine = (mito.Volume.load(target / f"{name}.nrrd").array for name in ("oak", "pine"))
    assert np.abs(oak - 2 * pine).max() < 1e-4 * oak.max()


@pytest.mark.parametrize(
    ("samples", "output", "texts"),
    [
        (["data"], "x.nrrd", ("a folder, for several samples",)),
        (["data/oak", "data/pine"], "data/oak/metadata.json", ("a folder, for several samples",)),
        (["data/oak", "data"], "out", ("folders of different names", "oak")),
        (["data/oak", "data/pine"], "no/out", ("Make it first",)),
        (["data/oak", "data/birch"], "out", ("birch", "no such folder")),
    ],
)
def test_what_cannot_be_done_in_one_go(cli, one_error, data, tmp_path, monkeypatch, samples, output, texts):
    monkeypatch.chdir(tmp_path)
    before = sorted(tmp_path.rglob("*"))
    one_error(cli("reconstruct", *samples, "--output", output), 2, *texts)
    assert sorted(tmp_path.rglob("*")) == before


def test_no_scheduler_there(cli, one_error, data, tmp_path, monkeypatch):
    monkeypatch.setattr(cluster_connection, "CONNECT", 0.3)
    words = ["reconstruct", data, "--output", tmp_path / "out", "--scheduler", "127.0.0.1:1"]
    one_error(cli(*words), 2, "scheduler 127.0.0.1:1", "no answer", "dask scheduler")
    assert not (tmp_path / "out").exists()


@pytest.mark.parametrize("number", [signal.SIGINT, signal.SIGTERM])
def test_a_signal_cancels_the_tasks_and_leaves_nothing(program, cluster, data, tmp_path, number):
    start, env = program
    target, progress = tmp_path / "out", tmp_path / "progress.jsonl"
    words = ["reconstruct", data, "--output", target, "--scheduler", cluster.address, "--shape", 300, 300, 240, "--progress", progress]
    run = subprocess.Popen([*start, *map(str, words)], env=env, stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True)
    try:
        deadline = time.monotonic() + 300.0
        while not (progress.exists() and "on the cluster" in progress.read_text()):
            assert run.poll() is None
            assert time.monotonic() < deadline
            time.sleep(0.05)
        run.send_signal(number)
        out, err = run.communicate(timeout=300)
    finally:
        run.kill()
    assert (run.returncode, out, err) == (130, "", "cancelled; nothing half-written was left behind\n")
    assert not target.exists()
    assert json.loads(progress.read_text().splitlines()[-1])["state"] == "cancelled"
