"""Files that can be used and should not be trusted: each is a warning that names the file; degrees are refused."""

from __future__ import annotations

import os
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest

from MITOReconstructionLib import InputError, open_scan
from MITOReconstructionLib.jobs.request import Request

MakeSample = Callable[..., Path]

VIEWS, COLUMNS, ROWS = 120, 4, 3
HELIX = {
    "sinogram": np.ones((VIEWS, COLUMNS, ROWS), np.float32),
    "angles": np.mod(0.1 * np.arange(VIEWS), 2 * np.pi),
    "axial_positions": 0.5 * np.arange(VIEWS),
    "shifts": np.zeros((VIEWS, 3)),
}


def with_jump(values: np.ndarray, view: int, by: float) -> np.ndarray:
    return values + np.where(np.arange(VIEWS) > view, by, 0.0)


def test_a_helix_is_not_odd(make_sample: MakeSample) -> None:
    assert open_scan(make_sample(**HELIX)).warnings == ()
    assert open_scan(make_sample("one view", **{name: array[:1] for name, array in HELIX.items()})).warnings == ()


@pytest.mark.parametrize(
    ("arrays", "words"),
    [
        ({"angles": np.degrees(0.1 * np.arange(VIEWS)) * 0.3}, ("angles.npy", "If these are degrees")),
        ({"angles": np.mod(with_jump(0.1 * np.arange(VIEWS), 60, 2.5), 2 * np.pi)}, ("angles.npy", "149 degrees from view 60", "5.73")),
        ({"axial_positions": with_jump(0.5 * np.arange(VIEWS), 7, 300.0)}, ("axial_positions.npy", "300.5 mm from view 7", "0.5 mm")),
        ({"axial_positions": np.full(VIEWS, 900.0)}, ("metadata.json", "z 0 to 50 mm", "REC_MIN_Z")),
    ],
)
def test_what_is_odd_is_a_warning(make_sample: MakeSample, arrays: dict[str, np.ndarray], words: tuple[str, ...]) -> None:
    (told,) = open_scan(make_sample(**{**HELIX, **arrays})).warnings
    assert all(word in told for word in words), told


def test_a_sinogram_with_more_than_its_header_says(make_sample: MakeSample) -> None:
    folder = make_sample(**HELIX)
    with (folder / "sinogram.npy").open("ab") as file:
        file.write(bytes(100))
    (told,) = open_scan(folder).warnings
    assert "sinogram.npy: 100 bytes more" in told


def test_degrees_are_refused(make_sample: MakeSample) -> None:
    with pytest.raises(InputError, match=r"angles\.npy: expected angles in radians; found a step of -35.* from view 62 .*numpy\.radians"):
        open_scan(make_sample(**{**HELIX, "angles": np.mod(np.degrees(0.1 * np.arange(VIEWS)), 360)}))


def test_a_sinogram_that_is_replaced_by_another_kind(make_sample: MakeSample) -> None:
    scan = open_scan(make_sample(**HELIX))
    np.save(scan.folder / "sinogram.npy", HELIX["sinogram"].astype(np.float64))
    with pytest.raises(InputError, match=r"sinogram\.npy: expected float32 of shape .* found another header.* Load the sample again"):
        scan.read(0, 1)


def test_a_sample_that_has_other_views_by_now_is_refused_in_another_process(make_sample: MakeSample) -> None:
    told = Request.make(open_scan(folder := make_sample(**HELIX))).to_dict()
    for name, array in HELIX.items():
        np.save(folder / f"{name}.npy", array[:100])
    with pytest.raises(InputError, match=r"expected shape \(120, 4, 3\), as when the scan was opened; found shape \(100, 4, 3\)"):
        Request.from_dict(told)


@pytest.mark.parametrize("name", ["angles", "axial_positions", "shifts"])
def test_numbers_with_which_nothing_can_be_computed(make_sample: MakeSample, name: str) -> None:
    array = HELIX[name].astype(np.float64)
    array[70] = -1e300
    with pytest.raises(InputError, match=rf"{name}\.npy: expected (numbers from -1e\+09 to 1e\+09|angles in radians)"):
        open_scan(make_sample(**{**HELIX, name: array}))


def test_pipes_are_not_waited_for(make_sample: MakeSample) -> None:
    folder = make_sample(**HELIX)
    (folder / "metadata.json").unlink()
    if not hasattr(os, "mkfifo"):
        pytest.skip("no pipes among files here")
    os.mkfifo(folder / "metadata.json")
    with pytest.raises(InputError, match=r"metadata\.json: expected a JSON object"):
        open_scan(folder)
    other = make_sample("other", **HELIX)
    (other / "angles.npy").unlink()
    os.mkfifo(other / "angles.npy")
    with pytest.raises(InputError, match=r"angles\.npy: expected a \.npy file .*; found a pipe or a device"):
        open_scan(other)


def test_more_voxels_than_any_program_can_have(make_sample: MakeSample) -> None:
    with pytest.raises(InputError, match="REC_NPX_X: expected a whole number of at most 2147483647; found 1e"):
        open_scan(make_sample(keys={"REC_NPX_X": 10**30}, **HELIX))
