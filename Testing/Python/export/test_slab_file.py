"""A volume written slab by slab is the file that is written at once."""

from __future__ import annotations

from pathlib import Path

import nrrd
import numpy as np
import pytest

from MITOReconstructionLib import VolumeGrid, load_volume
from MITOReconstructionLib.errors import InputError, WorkError
from MITOReconstructionLib.export.slab_file import SPARE, save_in_slabs

GRID = VolumeGrid((-2.0, 0.0, 5.0), (0.0, 6.0, 12.0), (4, 6, 7))
VOLUME = np.random.default_rng(7).standard_normal(GRID.shape).astype(np.float32)
BY_Z = np.ascontiguousarray(VOLUME.T)


def test_slabs_in_any_order_and_again(tmp_path: Path) -> None:
    path = tmp_path / "volume.nrrd"
    with save_in_slabs(path, GRID, {"sample": "oak", "report": {"unseen_voxels": 1}}) as file:
        file.write(4, BY_Z[4:])
        file.write(0, np.zeros((2, 6, 4)))
        file.write(1, BY_Z[1:4])
        file.write(0, BY_Z[:1])
        file.provenance["report"] = {"unseen_voxels": 123456, "note": "x" * 3000}
        assert not path.exists()
    array, grid, provenance = load_volume(path)
    assert np.array_equal(array, VOLUME)
    assert grid == GRID
    assert provenance == {"sample": "oak", "report": {"unseen_voxels": 123456, "note": "x" * 3000}}
    assert np.array_equal(nrrd.read(str(path))[0], VOLUME)
    assert [entry.name for entry in tmp_path.iterdir()] == ["volume.nrrd"]


def test_slices_that_are_missing(tmp_path: Path) -> None:
    with pytest.raises(WorkError, match="5 of 7 slices"), save_in_slabs(tmp_path / "volume.nrrd", GRID) as file:
        file.write(2, BY_Z[2:4])
    assert list(tmp_path.iterdir()) == []


def test_a_provenance_that_outgrows_its_room(tmp_path: Path) -> None:
    def write() -> None:
        with save_in_slabs(tmp_path / "volume.nrrd", GRID) as file:
            file.write(0, BY_Z)
            file.provenance["report"] = "x" * SPARE

    with pytest.raises(WorkError, match="provenance grew"):
        write()
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(("first", "shape"), [(0, (2, 4, 6)), (6, (2, 6, 4)), (-1, (2, 6, 4)), (0, (6, 4)), (0, (0, 6, 4))])
def test_a_slab_that_does_not_lie_on_the_grid(tmp_path: Path, first: int, shape: tuple[int, ...]) -> None:
    with (
        pytest.raises(InputError, match=r"\(slices, 6, 4\) within 7 slices.*z, y, x"),
        save_in_slabs(tmp_path / "volume.nrrd", GRID) as file,
    ):
        file.write(first, np.zeros(shape, dtype=np.float32))
    assert list(tmp_path.iterdir()) == []


def test_an_older_file_stays_until_the_new_one_is_whole(tmp_path: Path) -> None:
    path = tmp_path / "volume.nrrd"
    path.write_text("older")
    with pytest.raises(KeyError), save_in_slabs(path, GRID):
        raise KeyError
    assert path.read_text() == "older"
    with pytest.raises(InputError, match=r"\.nrrd"), save_in_slabs(tmp_path / "volume.raw", GRID):
        pass
