"""What the commands write, checked by reading it back."""

from __future__ import annotations

import json

import numpy as np
import pytest

import MITOReconstructionLib as mito


def test_simulate_reconstruct_and_compare(cli, tmp_path, sample):
    target = tmp_path / "volume.nrrd"
    outcome = cli("reconstruct", sample, "--output", target, "--parameter", "filter_type=Ram-Lak", "--parameter", "padding=true")
    assert (outcome.status, outcome.err) == (0, "")
    assert str(target) in outcome.out
    assert sorted(path.name for path in tmp_path.iterdir()) == ["volume.nrrd"]
    array, grid, provenance = mito.load_volume(target)
    truth, true_grid, _ = mito.load_volume(f"{sample}.nrrd")
    assert grid == mito.open_scan(sample).default_grid == true_grid
    x, y, _ = np.meshgrid(*(grid.centres(axis) for axis in range(3)), indexing="ij")
    inside = np.hypot(x, y) < 75
    difference = (array - truth)[inside] / 0.02
    assert abs(difference.mean()) < 2e-3
    assert np.sqrt(np.mean(difference**2)) < 0.02
    assert provenance["method"] == "fbp"
    assert provenance["parameters"]["filter_type"] == "Ram-Lak"
    assert provenance["sample"] == str(sample)


def test_a_region_a_view_range_and_negative_numbers(cli, tmp_path, sample):
    target = tmp_path / "part.nrrd"
    words = ["--min", "-20", "-3.5e1", "250.", "--max", "20", "-5", "290", "--spacing", "5", "--views", "-400:-20"]
    assert cli("reconstruct", sample, "--output", target, *words).status == 0
    _, grid, provenance = mito.load_volume(target)
    assert (grid.minimum, grid.maximum, grid.shape) == ((-20, -35, 250), (20, -5, 290), (8, 6, 8))
    views = mito.open_scan(sample).geometry.views
    assert provenance["views"] == f"{views - 400}:{views - 20}"


def test_voxel_counts(cli, tmp_path, sample):
    assert cli("reconstruct", sample, "--output", tmp_path / "x.nrrd", "--shape", 7, 6, 5).status == 0
    _, grid, _ = mito.load_volume(tmp_path / "x.nrrd")
    default = mito.open_scan(sample).default_grid
    assert (grid.shape, grid.minimum, grid.maximum) == ((7, 6, 5), default.minimum, default.maximum)


def test_slabs_make_the_same_volume(cli, tmp_path, sample):
    words = ["reconstruct", sample, "--shape", 7, 6, 9, "--output"]
    assert cli(*words, tmp_path / "whole.nrrd").status == 0
    assert cli(*words, tmp_path / "slabs.nrrd", "--slabs", 4).status == 0
    (whole, grid, told), (slabs, other, also) = (mito.load_volume(tmp_path / f"{name}.nrrd") for name in ("whole", "slabs"))
    np.testing.assert_allclose(slabs, whole, atol=1e-7)
    assert grid == other
    assert {**told, "seconds": 0} == {**also, "seconds": 0}


def test_more_slabs_than_slices(cli, one_error, tmp_path, sample):
    outcome = cli("reconstruct", sample, "--shape", 7, 6, 9, "--output", tmp_path / "a.nrrd", "--slabs", 10)
    one_error(outcome, 2, "slabs", "1 to 9", "found 10")
    assert list(tmp_path.iterdir()) == []


def test_an_older_result_is_replaced_only_by_a_whole_one(cli, tmp_path, sample):
    target = tmp_path / "x.nrrd"
    target.write_text("older")
    assert cli("reconstruct", sample, "--output", target, "--views", "0:3").status == 2
    assert target.read_text() == "older"
    assert cli("reconstruct", sample, "--output", target, "--shape", 4, 4, 4).status == 0
    assert mito.load_volume(target)[1].shape == (4, 4, 4)


def test_info_for_people_and_programs(cli, sample):
    text = cli("info", sample)
    assert (text.status, text.err) == (0, "")
    for part in ("106.6 mm per turn", "detector heights", "130 columns x 19 rows", "default volume", "503 mm", "warnings"):
        assert part in text.out, text.out
    scan = mito.open_scan(sample)
    content = json.loads(cli("info", sample, "--json").out)
    assert content["geometry"]["views"] == scan.geometry.views
    assert content["geometry"]["pitch"] == pytest.approx(106.56)
    assert content["geometry"]["detector"]["curvature_radius"] == 503.0
    assert content["default_grid"]["shape"] == list(scan.default_grid.shape)
    assert content["sinogram"]["bytes"] == scan.projections.nbytes
    assert content["warnings"] == []


def test_info_shows_oddities_and_a_flat_circle(cli, make_sample):
    folder = make_sample(keys={"DET_PIX_SIZE": 1.0, "DET_CURVATURE_RADIUS": None, "DET_X_MIN": -100.0, "DET_X_MAX": 100.0})
    np.save(folder / "axial_positions.npy", np.zeros(6))
    np.save(folder / "shifts.npy", np.zeros((6, 3)))
    text = cli("info", folder).out
    assert "circle" in text
    assert "flat" in text
    assert "DET_PIX_SIZE" in text
    content = json.loads(cli("info", folder, "--json").out)
    assert content["geometry"]["detector"]["curvature_radius"] is None
    assert len(content["warnings"]) == 2


def test_samples(cli, sample):
    data = sample.parent
    assert cli("samples", data).out.split() == ["cylinder", str(sample)]
    assert json.loads(cli("samples", data, "--json").out) == [{"name": "cylinder", "folder": str(sample)}]


@pytest.mark.parametrize("suffix", [".json", ".npz"])
def test_geometry_can_be_read_back(cli, tmp_path, sample, suffix):
    target = tmp_path / f"geometry{suffix}"
    assert cli("geometry", sample, "--output", target, "--views", "3:8").status == 0
    assert mito.load_geometry(target) == mito.open_scan(sample).geometry.select(slice(3, 8))


def test_geometry_as_vtp(cli, tmp_path, sample):
    assert cli("geometry", sample, "--output", tmp_path / "g.vtp").status == 0
    assert (tmp_path / "g.vtp").read_text().startswith("<?xml")


def test_a_projection(cli, tmp_path, sample):
    import nrrd

    target = tmp_path / "p.nrrd"
    assert cli("projection", sample, -2, "--output", target).status == 0
    values, header = nrrd.read(str(target))
    scan = mito.open_scan(sample)
    np.testing.assert_array_equal(values[:, :, 0], scan.projection(scan.geometry.views - 2))
    assert header["sample"] == "cylinder"


def test_project_makes_the_sample_again(cli, tmp_path, sample):
    folder = tmp_path / "again"
    outcome = cli("project", f"{sample}.nrrd", "--geometry-of", sample, "--output", folder, "--backend", "cpu")
    assert (outcome.status, outcome.err) == (0, "")
    first, again = mito.open_scan(sample), mito.open_scan(folder)
    np.testing.assert_allclose(again.geometry.angles - first.geometry.angles, 0.0, atol=1e-12)
    np.testing.assert_allclose(again.geometry.axial_positions, first.geometry.axial_positions)
    middle = first.geometry.views // 2
    a, b = first.projection(middle), again.projection(middle)
    assert np.abs(a - b).mean() < 0.02 * a.max()
    assert sorted(path.name for path in tmp_path.iterdir()) == ["again"]


def test_methods(cli):
    text = cli("methods").out
    content = json.loads(cli("methods", "--json").out)
    assert [method["name"] for method in content][:1] == ["fbp"]
    for method in content:
        assert f"{method['name']}: {method['title']}" in text
        for parameter in method["parameters"]:
            assert f"{parameter['name']}=" in text
            assert {"name", "type", "default", "help"} <= set(parameter)


def test_noise_and_seed(cli, tmp_path):
    words = ["--phantom", "cylinder", "--scale", 30, "--turns", 1, "--pitch", 0, "--noise", "1e3"]
    for name, seed in (("a", 1), ("b", 1), ("c", 2)):
        assert cli("simulate", tmp_path / name, *words, "--seed", seed).status == 0
    a, b, c = (np.load(tmp_path / name / "sinogram.npy") for name in "abc")
    np.testing.assert_array_equal(a, b)
    assert not np.array_equal(a, c)
    assert mito.open_scan(tmp_path / "a").geometry.is_circular


def test_an_unknown_failure_of_a_name_is_no_success(cli, tmp_path, sample):
    (tmp_path / "file").write_text("")
    assert cli("info", tmp_path / "file").status == 2
    assert cli("reconstruct", sample, "--output", tmp_path / "file" / "x.nrrd").status == 2
