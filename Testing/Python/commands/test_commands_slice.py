"""The command ``slice``."""

from __future__ import annotations

import nrrd
import numpy as np
import pytest

import MITOReconstructionLib as mito

WORDS = ("--u", 1, 0, 0, "--v", 0, 0, 1, "--shape", 9, 7, "--spacing", 2)


@pytest.mark.usefixtures("column_kernel")
def test_a_slice_is_the_plane_of_the_volume(cli, tmp_path, sample):
    """Placed where it is, and equal to the voxels at its pixels."""
    grid = mito.open_scan(sample).default_grid
    target, whole = tmp_path / "s.nrrd", tmp_path / "v.nrrd"
    assert cli("reconstruct", sample, "--output", whole, "--parameter", "filter_type=Hann").status == 0
    side = grid.spacing[0]
    words = ("--u", 1, 0, 0, "--v", 0, 0, 2, "--shape", grid.shape[0], grid.shape[2], "--spacing", side)
    origin = (grid.origin[0], grid.centres(1)[4], grid.origin[2])
    outcome = cli("slice", sample, "--origin", *origin, *words, "--output", target, "--parameter", "filter_type=Hann", "--backend", "cpu")
    assert outcome.status == 0, outcome.err
    assert outcome.out.startswith(f"{target}: {grid.shape[0]} x {grid.shape[2]} pixels of ")
    data, header = nrrd.read(str(target))
    assert data.shape == (grid.shape[0], grid.shape[2], 1)
    assert header["space"] == "right-anterior-superior"
    assert np.allclose(header["space origin"], origin)
    assert np.allclose(header["space directions"][:2], [(side, 0, 0), (0, 0, side)])
    volume = mito.load_volume(whole)[0]
    assert np.abs(data[:, :, 0] - volume[:, 4]).max() < 1e-4 * volume.max()
    assert "Hann" in header["settings"]
    assert header["backend"] == "CPU"


def test_views_and_progress(cli, tmp_path, sample):
    views = mito.open_scan(sample).geometry.views
    words = ("--origin", -8, 0, 0, *WORDS, "--output", tmp_path / "s.nrrd", "--progress", tmp_path / "p.jsonl")
    assert cli("slice", sample, *words, "--views", f"1:{views}").status == 0
    lines = (tmp_path / "p.jsonl").read_text().splitlines()
    assert '"done"' in lines[-1]
    assert any('"slice"' in line for line in lines)


@pytest.mark.parametrize(
    ("words", "text"),
    [
        (("--origin", 0, 0, 0, "--u", 1, 0, 0, "--v", 1, 0, 0, *WORDS[8:]), "--u, --v: expected two directions at right angles"),
        (("--origin", 0, 0, 0, "--u", 0, 0, 0, *WORDS[4:]), "--u: expected a direction"),
        (("--origin", 0, 0, 0, *WORDS[:-1], -1), "--spacing: expected one or two positive lengths"),
        (("--origin", 0, 0, *WORDS), "--origin: expected 3 arguments"),
        (("--origin", 0, 0, 0, *WORDS, "--parameter", "filter_type=Box"), "live setting filter_type: expected one of Ram-Lak"),
        (("--origin", 0, 0, 0, *WORDS, "--views", "0:2"), "at least half a turn"),
    ],
)
def test_faults_are_one_line_and_leave_nothing(cli, tmp_path, sample, words, text):
    outcome = cli("slice", sample, *words, "--output", tmp_path / "s.nrrd")
    assert outcome.status == 2
    assert text in outcome.err
    assert outcome.err.count("\n") == 1
    assert not list(tmp_path.iterdir())
