"""Scans whose recording was aborted: refused as they are, and opened as far as they go where that is said."""

from __future__ import annotations

import json
import os
import pickle
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from MITOReconstructionLib import InputError, Monitor, Scan, VolumeGrid, mito_geometry, open_scan, reconstruct, simulate
from MITOReconstructionLib.errors import Incomplete
from MITOReconstructionLib.jobs.reconstruct import run_request
from MITOReconstructionLib.jobs.request import Request
from MITOReconstructionLib.scan.phantoms import cylinder

MakeSample = Callable[..., Path]

HEADER = 128
TURNS, SCALE = 3.0, 40.0


def cut(folder: Path, views: int, *, extra: int = 0, header: int | None = None) -> Path:
    """Leave so many views of a sinogram and some bytes more; the header may say another number."""
    path = folder / "sinogram.npy"
    array, content = np.load(path), path.read_bytes()
    assert len(content) == HEADER + array.nbytes
    if header is not None:
        with path.open("wb") as file:
            np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": (header, *array.shape[1:])})
            assert file.write(content[HEADER:])
    os.truncate(path, HEADER + views * array[0].nbytes + extra)
    return folder


@pytest.fixture(scope="module", params=["rising", "sinking"])
def whole(request: pytest.FixtureRequest, tmp_path_factory: pytest.TempPathFactory) -> Scan:
    """A complete scan."""
    folder = tmp_path_factory.mktemp("whole") / "disk"
    geometry = mito_geometry(SCALE, 106.56 if request.param == "rising" else -106.56, TURNS)
    return open_scan(simulate(folder, cylinder(60.0), geometry))


@pytest.fixture
def aborted(whole: Scan, tmp_path: Path) -> Path:
    """The same, aborted after about two of its three turns."""
    folder = tmp_path / "disk"
    folder.mkdir()
    for path in whole.folder.iterdir():
        (folder / path.name).write_bytes(path.read_bytes())
    return cut(folder, 2 * whole.geometry.views // 3, extra=7)


@pytest.mark.parametrize(
    ("views", "header", "found", "remedy"),
    [
        (4, None, "sinogram.npy: expected 416 bytes .* the file is truncated", "Copy it again"),
        (4, 4, r"angles.npy: expected shape \(4\) .* found shape \(6,\)", "Copy the sample's files from one and the same scan"),
        (4, 9, "sinogram.npy: expected 560 bytes .* the file is truncated", "Copy it again"),
    ],
)
def test_what_is_not_said_to_be_aborted_is_refused_with_the_way_out(
    make_sample: MakeSample, views: int, header: int | None, found: str, remedy: str
) -> None:
    folder = cut(make_sample(), views, header=header)
    words = r"Or, if its recording was aborted, open the 4 of 6 views that are there: recorded=4 \(--recorded 4 on the command line\)\."
    with pytest.raises(Incomplete, match=f"{found}.*{remedy}\\. {words}") as caught:
        open_scan(folder)
    assert (caught.value.there, caught.value.planned) == (4, 6)
    assert str(pickle.loads(pickle.dumps(caught.value))) == str(caught.value)
    scan = open_scan(folder, recorded=4)
    np.testing.assert_array_equal(scan.read(0, 4), np.arange(48, dtype=np.float32).reshape(4, 4, 3) / 8)


def test_other_faults_are_no_aborted_recording(make_sample: MakeSample) -> None:
    for number, (views, arrays) in enumerate([(0, {}), (4, {"angles": np.arange(5.0)}), (6, {"shifts": np.full((6, 3), np.nan)})]):
        with pytest.raises(InputError, match=r"(sinogram|angles|shifts)\.npy") as caught:
            open_scan(cut(make_sample(f"s{number}", **arrays), views))
        assert "aborted" not in str(caught.value)


@pytest.mark.parametrize("recorded", [0, -1, 5, True, 2.0, "4"])
def test_numbers_of_views_that_are_none(make_sample: MakeSample, recorded: Any) -> None:
    folder = cut(make_sample(), 4, extra=5)
    words = rf"recorded views: expected a whole number from 1 to 4, the views that are there of 6; found {recorded!r}\. Give the number"
    with pytest.raises(InputError, match=words):
        open_scan(folder, recorded=recorded)


def test_nothing_was_recorded(make_sample: MakeSample) -> None:
    with pytest.raises(InputError, match="recorded views: expected at least one view; found none"):
        open_scan(cut(make_sample(), 0), recorded=1)


def test_all_views_are_an_ordinary_scan(make_sample: MakeSample) -> None:
    folder = make_sample()
    scan, same = open_scan(folder), open_scan(folder, recorded=6)
    assert same.geometry == scan.geometry
    assert same.default_grid == scan.default_grid
    assert (same.warnings, same.planned_views, same.recording) == (scan.warnings, None, {})


def test_an_aborted_scan_is_the_first_views_of_the_whole_one(whole: Scan, aborted: Path) -> None:
    views, planned = 2 * whole.geometry.views // 3, whole.geometry.views
    scan = open_scan(aborted, recorded=views)
    assert scan.geometry == whole.geometry.select(slice(0, views))
    np.testing.assert_array_equal(scan.projections, whole.projections[:views])
    assert scan.recording == {"recorded_views": views, "planned_views": planned}
    assert scan.warnings == (
        f"{aborted / 'sinogram.npy'}: the recording was aborted: {views} of {planned} views, the last {planned - views} are missing.",
    )
    box, full = scan.default_grid, whole.default_grid
    assert box.spacing == pytest.approx(full.spacing)
    assert (box.minimum[:2], box.maximum[:2]) == (full.minimum[:2], full.maximum[:2])
    rising = scan.geometry.axial_positions[-1] > scan.geometry.axial_positions[0]
    kept, lost = (0, 1) if rising else (1, 0)
    ends, all_ends = (box.minimum[2], box.maximum[2]), (full.minimum[2], full.maximum[2])
    assert ends[kept] == all_ends[kept]
    assert abs(ends[lost] - all_ends[lost]) > 30.0
    with pytest.raises(InputError, match="views"):
        scan.read(views - 1, views + 1)


def test_it_is_reconstructed_as_far_as_it_goes(whole: Scan, aborted: Path) -> None:
    views = 2 * whole.geometry.views // 3
    request = Request.make(open_scan(aborted, recorded=views))
    volume = run_request(Request.from_dict(json.loads(json.dumps(request.to_dict()))), Monitor())  # as another process does it
    assert {name: volume.provenance[name] for name in ("views", "recorded_views", "planned_views")} == {
        "views": f"0:{views}", "recorded_views": views, "planned_views": whole.geometry.views,
    }  # fmt: skip
    expected = reconstruct(whole, grid=volume.grid, views=slice(0, views))
    np.testing.assert_allclose(volume.array, expected.array, atol=1e-7)
    assert volume.array[tuple(n // 2 for n in volume.grid.shape)] == pytest.approx(0.02, rel=0.1)
    assert "planned_views" not in expected.provenance


def test_a_default_volume_without_axial_range_follows_the_views_that_there_are(make_sample: MakeSample) -> None:
    folder = cut(make_sample(keys={"REC_MIN_Z": ...}), 3)
    metadata = json.loads((folder / "metadata.json").read_text())
    assert "REC_MIN_Z" not in metadata
    scan = open_scan(folder, recorded=3)
    alone = Scan.from_arrays(scan.projections, scan.geometry)
    assert scan.default_grid.minimum[2] == alone.default_grid.minimum[2]
    assert isinstance(scan.default_grid, VolumeGrid)
