"""Samples whose recording was aborted, on the command line."""

from __future__ import annotations

import json
import os
import shutil

import numpy as np
import pytest

from MITOReconstructionLib.jobs import Volume


@pytest.fixture
def aborted(tmp_path, sample):
    """A folder with so many views, a little more than there are, and how many there should be."""
    folder = tmp_path / "aborted"
    shutil.copytree(sample, folder)
    planned = len(np.load(folder / "angles.npy"))
    views = 3 * planned // 4
    path = folder / "sinogram.npy"
    header, item = 128, np.load(path, mmap_mode="r")[0].nbytes
    os.truncate(path, header + views * item + item // 2)
    return folder, views, planned


def test_it_is_refused_and_then_taken_as_far_as_it_goes(cli, one_error, tmp_path, aborted):
    folder, views, planned = aborted
    target = tmp_path / "x.nrrd"
    one_error(cli("reconstruct", folder, "--output", target), 2, "the file is truncated", f"{views} of {planned}", f"--recorded {views}")
    assert not target.exists()
    outcome = cli("reconstruct", folder, "--output", target, "--recorded", views, "--spacing", 8)
    assert (outcome.status, outcome.err) == (0, "")
    assert outcome.out.splitlines()[1] == f"the recording was aborted: {views} of {planned} views"
    provenance = Volume.load(target).provenance
    assert (provenance["views"], provenance["recorded_views"], provenance["planned_views"]) == (f"0:{views}", views, planned)
    told = json.loads(cli("info", folder, "--recorded", views, "--json").out)
    assert (told["recorded_views"], told["planned_views"]) == (views, planned)
    assert any(f"the last {planned - views} are missing" in text for text in told["warnings"])
    words = ("--origin", "-20", "-20", "220", "--u", 1, 0, 0, "--v", 0, 1, 0, "--shape", 4, 4, "--spacing", 10)
    assert cli("slice", folder, *words, "--output", tmp_path / "slice.nrrd", "--recorded", views).status == 0
    assert cli("projection", folder, -1, "--output", tmp_path / "last.nrrd", "--recorded", views).status == 0


def test_numbers_that_do_not_fit(cli, one_error, tmp_path, aborted, sample):
    folder, views, _ = aborted
    target = tmp_path / "x.nrrd"
    one_error(cli("reconstruct", folder, "--output", target, "--recorded", views + 1), 2, "sinogram.npy", f"1 to {views}", f"{views + 1}")
    one_error(cli("reconstruct", folder, "--output", target, "--recorded", 0), 2, "--recorded", "at least 1")
    several = cli("reconstruct", folder, sample, "--output", tmp_path / "volumes", "--recorded", views)
    one_error(several, 2, "--recorded", "one sample", "2 samples")
    assert sorted(path.name for path in tmp_path.iterdir()) == ["aborted"]
