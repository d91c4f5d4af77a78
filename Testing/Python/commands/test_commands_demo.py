"""The demo and the scene command: every file is there, opens, and shows what it should."""

from __future__ import annotations

import json
import struct

import numpy as np
import pytest

import MITOReconstructionLib as mito
from MITOReconstructionLib.commands import demo
from MITOReconstructionLib.errors import WorkError
from MITOReconstructionLib.geometry import VolumeGrid

pytest.importorskip("slicer", reason="needs slicer-core")


def test_a_demo_leaves_everything_and_may_be_repeated(cli, one_error, tmp_path, opengl):
    folder = tmp_path / "demo"
    outcome = cli("demo", "--size", "tiny", "--output", folder, "--progress", tmp_path / "p.jsonl")
    assert (outcome.status, outcome.err) == (0, "")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["demo", "p.jsonl"]
    assert {path.name for path in folder.iterdir()} == set(demo.FILES)
    for name in demo.FILES:
        assert str(folder / name) in outcome.out
    for step in ("simulate", "filtered backprojection", "scene", "picture", "together"):
        assert step in outcome.out
    volume, grid, provenance = mito.load_volume(folder / "volume.nrrd")
    scan = mito.open_scan(folder / "sample")
    assert grid == scan.default_grid
    assert provenance["sample"] == str(folder / "sample")
    assert 0.01 < volume[grid.shape[0] // 2 - 2 : grid.shape[0] // 2 + 2, grid.shape[1] // 2, grid.shape[2] // 2].mean() < 0.03
    assert mito.load_geometry(folder / "geometry.json").views == scan.geometry.views
    assert struct.unpack(">II", (folder / "scene.png").read_bytes()[16:24]) == (1600, 1200)
    assert json.loads((tmp_path / "p.jsonl").read_text().splitlines()[-1])["state"] == "done"
    assert cli("demo", "--size", "tiny", "--output", folder).status == 0
    (folder / "mine.txt").write_text("mine")
    one_error(cli("demo", "--size", "tiny", "--output", folder), 2, "something there already")
    assert (folder / "mine.txt").exists()


def test_a_scene_with_a_volume_and_a_picture(cli, tmp_path, sample, opengl):
    from MITOReconstructionLib.scene import load_scene

    target, picture = tmp_path / "s.mrb", tmp_path / "s.png"
    outcome = cli("scene", sample, "--volume", f"{sample}.nrrd", "--output", target, "--picture", picture)
    assert outcome.status == 0, outcome.err
    assert outcome.out.split() == [str(target), str(picture)]
    scene = load_scene(target)
    assert scene.GetNumberOfNodesByClass("vtkMRMLScalarVolumeNode") >= 1
    assert picture.read_bytes()[:4] == b"\x89PNG"
    scene.Clear(1)


def test_no_opengl_is_three_before_the_work(cli, one_error, tmp_path, monkeypatch):
    def fail():
        raise WorkError("VTK could not draw. On Debian and Ubuntu install libegl1, libegl-mesa0 and libgl1-mesa-dri.")

    monkeypatch.setattr("MITOReconstructionLib.scene.offscreen.require_opengl", fail)
    one_error(cli("demo", "--output", tmp_path / "demo"), 3, "libegl1", "libegl-mesa0", "libgl1-mesa-dri")
    assert list(tmp_path.iterdir()) == []


def test_the_comparison_with_the_truth():
    grid = VolumeGrid((0, 0, 0), (20, 20, 20), (20, 20, 20))
    truth = np.full(grid.shape, 0.02, dtype=np.float32)
    noise = np.random.default_rng(0).normal(0, 0.001, grid.shape).astype(np.float32)
    found = demo.compare(truth + noise + np.float32(0.0002), truth, grid)
    assert found.bias == pytest.approx(1.0, abs=0.2)
    assert found.rmse == pytest.approx(np.hypot(5.0, 1.0), abs=0.2)
    assert found.smooth_rmse == pytest.approx(np.hypot(5.0 / np.sqrt(27), 1.0), abs=0.2)
