"""Volumes written slab by slab: the file is that of the whole, or there is none."""

from __future__ import annotations

from pathlib import Path

import nrrd
import numpy as np
import pytest

from MITOReconstructionLib.errors import InputError, WorkError
from MITOReconstructionLib.export import load_volume, save_volume, slabs, volume_in_slabs
from MITOReconstructionLib.geometry import VolumeGrid

GRID = VolumeGrid((-80.0, -200.0, 92.44), (-77.0, -198.0, 94.44), (6, 5, 4))
VALUES = np.random.default_rng(0).random(GRID.shape, dtype=np.float32)


def test_slabs_make_the_file_of_the_whole(tmp_path: Path) -> None:
    told = {"sample": "Luleå", "seconds": 0.0, "report": {}}
    with volume_in_slabs(tmp_path / "slabs.nrrd", GRID, told) as file:
        for first, last in ((0, 1), (1, 3), (3, 4)):
            file.add(VALUES[:, :, first:last])
        file.provenance["seconds"] = 12.5
        file.provenance["report"] = {"unseen_voxels": 123456789}
    save_volume(tmp_path / "whole.nrrd", VALUES, GRID, {**told, "seconds": 12.5, "report": {"unseen_voxels": 123456789}})
    one, other = (load_volume(tmp_path / name) for name in ("slabs.nrrd", "whole.nrrd"))
    np.testing.assert_array_equal(one[0], other[0])
    assert one[1:] == other[1:]
    samples, header = nrrd.read(str(tmp_path / "slabs.nrrd"))
    np.testing.assert_array_equal(samples, VALUES)
    np.testing.assert_allclose(header["space origin"], GRID.origin)


@pytest.mark.parametrize("shape", [(6, 5, 5), (5, 6, 2), (6, 5), (30, 4)])
def test_what_is_no_slab_is_refused_and_nothing_is_left(tmp_path: Path, shape: tuple[int, ...]) -> None:
    with (
        pytest.raises(InputError, match=r"slab: expected shape \(6, 5, n\), n at most 4"),
        volume_in_slabs(tmp_path / "a.nrrd", GRID, {}) as file,
    ):
        file.add(np.zeros(shape, dtype=np.float32))
    assert list(tmp_path.iterdir()) == []


def test_a_volume_with_slabs_missing_gets_no_name(tmp_path: Path) -> None:
    with pytest.raises(WorkError, match="not whole: 1 of 4 slices are missing"), volume_in_slabs(tmp_path / "a.nrrd", GRID, {}) as file:
        file.add(VALUES[:, :, :3])
    assert list(tmp_path.iterdir()) == []


def written(path: Path, note: int) -> None:
    """Write a volume whose provenance grows to a note of that length."""
    with volume_in_slabs(path, GRID, {"note": "x"}) as file:
        file.add(VALUES)
        file.provenance["note"] = "x" * note


@pytest.mark.parametrize("spare", [1, 0, -100])
def test_a_provenance_that_has_grown_too_long(tmp_path: Path, spare: int) -> None:
    with pytest.raises(WorkError, match="provenance does not fit"):
        written(tmp_path / "a.nrrd", 1 + slabs.RESERVE - spare)
    assert list(tmp_path.iterdir()) == []


def test_a_provenance_that_just_fits(tmp_path: Path) -> None:
    written(tmp_path / "a.nrrd", 1 + slabs.RESERVE - 2)
    array, _, told = load_volume(tmp_path / "a.nrrd")
    np.testing.assert_array_equal(array, VALUES)
    assert len(told["note"]) == slabs.RESERVE - 1


def half(path: Path) -> None:
    """Fail for another reason after half of the slices."""
    with volume_in_slabs(path, GRID, {}) as file:
        file.add(VALUES[:, :, :2])
        raise KeyError("something else")


def test_a_failure_in_between_leaves_the_old_file(tmp_path: Path) -> None:
    (tmp_path / "a.nrrd").write_text("old")
    with pytest.raises(KeyError):
        half(tmp_path / "a.nrrd")
    assert (tmp_path / "a.nrrd").read_text() == "old"
    assert len(list(tmp_path.iterdir())) == 1
