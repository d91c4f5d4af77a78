"""Regions: what they refuse, how they are put inside of a scan, their voxels and views, and their files."""

from __future__ import annotations

import json
import math
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from MITOReconstructionLib.errors import InputError, WorkError
from MITOReconstructionLib.geometry import VolumeGrid
from MITOReconstructionLib.scan.region_files import read_regions, write_regions
from MITOReconstructionLib.scan.regions import Coverage, Region, coverage, fit, proposed_views
from MITOReconstructionLib.scan.simulation import mito_geometry

QUICK = settings(max_examples=100, deadline=None, derandomize=True)
COVERED = Coverage((-80.0, -200.0, 92.5), (130.0, 20.0, 461.5), (0.5, 0.5, 1.0), 1000)
KNOT = Region("Knot", (-10.0, -60.0, 200.0), (30.0, -20.0, 240.0))
lengths = st.floats(-1000.0, 1000.0, allow_nan=False)


# ---- what they are ---------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("fields", "word"),
    [
        ({"name": "  "}, "name of a region"),
        ({"name": 3}, "name of a region"),
        ({"minimum": (0.0, 0.0)}, "minimum"),
        ({"minimum": "abc"}, "minimum"),
        ({"maximum": (1.0, math.nan, 1.0)}, "maximum"),
        ({"maximum": (math.inf, 1.0, 1.0)}, "maximum"),
        ({"maximum": (-50.0, -20.0, 240.0)}, "bounds along x"),
        ({"spacing": (1.0, 0.0, 1.0)}, "spacing"),
        ({"spacing": (1.0, math.nan, 1.0)}, "spacing"),
        ({"spacing": "2"}, "spacing"),
        ({"spacing": (2.0, 2.0)}, "spacing"),
        ({"shape": (0, 1, 1)}, "shape"),
        ({"shape": (1.5, 1, 1)}, "shape"),
        ({"spacing": (1.0, 1.0, 1.0), "shape": (2, 2, 2)}, "found both"),
        ({"views": (5, 5)}, "views"),
        ({"views": (-1, 5)}, "views"),
        ({"views": (1.0, 5.0)}, "views"),
        ({"views": (True, 5)}, "views"),
        ({"views": 7}, "views"),
    ],
)
def test_what_is_no_region_is_refused(fields: dict[str, Any], word: str) -> None:
    with pytest.raises(InputError, match=word):
        Region(**{"name": "a", "minimum": KNOT.minimum, "maximum": KNOT.maximum, **fields})


def test_the_voxels_follow_the_box() -> None:
    assert KNOT.grid(COVERED.spacing).shape == (80, 80, 40)
    assert KNOT.change(maximum=(40.0, -20.0, 240.0)).grid(COVERED.spacing).shape == (100, 80, 40)
    coarse = KNOT.change(spacing=(4.0, 4.0, 3.0))
    assert (coarse.grid(COVERED.spacing).shape, coarse.grid(COVERED.spacing).spacing) == ((10, 10, 13), (4.0, 4.0, 3.0))
    assert KNOT.change(spacing=4).spacing == (4.0, 4.0, 4.0)
    counted = coarse.change(shape=(7, 8, 9))
    assert (counted.spacing, counted.grid(COVERED.spacing)) == (None, VolumeGrid(KNOT.minimum, KNOT.maximum, (7, 8, 9)))
    assert counted.change(spacing=(1.0, 1.0, 1.0)).shape is None
    assert counted.change(shape=None).grid(COVERED.spacing).shape == (80, 80, 40)
    with pytest.raises(InputError, match="minimun"):
        KNOT.change(minimun=(0, 0, 0))


def test_a_voxel_larger_than_the_box_is_the_box() -> None:
    assert KNOT.change(spacing=(100.0, 8.0, 100.0)).grid(COVERED.spacing) == VolumeGrid(KNOT.minimum, KNOT.maximum, (1, 5, 1))


@QUICK
@given(st.tuples(*[st.floats(0.1, 50.0)] * 3))
def test_the_grid_stays_in_the_box_and_all_but_fills_it(spacing: tuple[float, float, float]) -> None:
    grid = KNOT.grid(spacing)
    assert grid.minimum == KNOT.minimum
    for axis in range(3):
        gap = KNOT.maximum[axis] - grid.maximum[axis]
        assert 0.0 <= gap < grid.spacing[axis]


# ---- inside of what is covered ----------------------------------------------------------------------------------------


@QUICK
@given(st.tuples(*[lengths] * 3), st.tuples(*[st.floats(0.001, 900.0)] * 3))
def test_fitted_regions_are_inside_and_stay_as_they_are(low: Any, size: Any) -> None:
    region = Region("a", low, tuple(a + s for a, s in zip(low, size, strict=True)), views=(900, 5000))
    fitted = fit(region, COVERED)
    assert np.all(np.array(fitted.minimum) >= COVERED.minimum)
    assert np.all(np.array(fitted.maximum) <= COVERED.maximum)
    assert np.all(np.subtract(fitted.maximum, fitted.minimum) >= np.array(COVERED.spacing) - 1e-9)
    assert fitted.views == (900, 1000)
    assert fit(fitted, COVERED) == fitted


@QUICK
@given(st.tuples(*[lengths] * 3))
def test_what_is_only_moved_keeps_its_size(shift: Any) -> None:
    moved = KNOT.change(
        minimum=tuple(a + s for a, s in zip(KNOT.minimum, shift, strict=True)),
        maximum=tuple(b + s for b, s in zip(KNOT.maximum, shift, strict=True)),
    )
    fitted = fit(moved, COVERED, KNOT)
    np.testing.assert_allclose(np.subtract(fitted.maximum, fitted.minimum), 40.0, atol=1e-9)
    assert fit(fitted, COVERED).same_box(fitted)


def test_what_a_scan_covers() -> None:
    geometry = mito_geometry(scale=40, turns=4.5)
    grid = VolumeGrid((-80, -250, 100), (130, 20, 700), (10, 10, 10))
    covered = coverage(SimpleNamespace(geometry=geometry, default_grid=grid))
    radius = geometry.field_of_view_radius
    assert covered.minimum == (-radius, -250.0, pytest.approx(geometry.axial_positions.min() + geometry.pitch / 2))
    assert covered.maximum == (radius, radius, 700.0)
    assert (covered.spacing, covered.views) == (grid.spacing, geometry.views)


def test_the_views_that_see_it() -> None:
    geometry = mito_geometry(scale=40, turns=4.5)
    z = float(geometry.axial_positions.mean())
    seen = proposed_views(Region("a", (-5, -5, z - 5), (5, 5, z + 5)), geometry)
    assert seen is not None
    inside = np.flatnonzero(np.abs(geometry.axial_positions - z) < 35.0)
    assert seen[0] <= inside[0] < inside[-1] < seen[1]
    assert seen[1] - seen[0] < geometry.views / 2
    assert proposed_views(Region("a", (-5, -5, z + 5000), (5, 5, z + 5010)), geometry) is None


# ---- files ------------------------------------------------------------------------------------------------------------


def test_regions_come_back_from_their_file(tmp_path: Path) -> None:
    regions = [KNOT, KNOT.change(name="Kvist, övre", spacing=(0.1, 0.2, 0.3)), KNOT.change(name="c", shape=(3, 4, 5), views=(10, 900))]
    write_regions(tmp_path / "a.json", regions, sample="Pine 16")
    assert read_regions(tmp_path / "a.json") == regions
    assert [path.name for path in tmp_path.iterdir()] == ["a.json"]
    told = json.loads((tmp_path / "a.json").read_text(encoding="utf-8"))
    assert (told["sample"], told["version"]) == ("Pine 16", 1)
    for form in (told["regions"], told["regions"][:1], {"regions": told["regions"]}):
        (tmp_path / "b.json").write_text(json.dumps(form))
        assert read_regions(tmp_path / "b.json")[0] == KNOT
    (tmp_path / "b.json").write_text(json.dumps(told["regions"][2]))
    assert read_regions(tmp_path / "b.json") == regions[2:]


OLD = {
    "version": 0,
    "uuid": "12345678-1234-5678-1234-567812345678",
    "center": [10.0, -40.0, 220],
    "size": [40.0, 40.0, 40.0],
    "sinogram_range": [100, 899],
    "resolution": [80, 80, 40],
    "auto_resolution": False,
}
"""A file of the client of CT_GUI_Docker, as its code writes it."""


def test_files_of_the_old_client_are_read(tmp_path: Path) -> None:
    path = tmp_path / "roi 1.json"
    path.write_text(json.dumps(OLD))
    assert read_regions(path, views=1000) == [KNOT.change(name="roi 1", shape=(80, 80, 40), views=(100, 900))]
    path.write_text(json.dumps({**OLD, "auto_resolution": True, "sinogram_range": [0, 999]}))
    assert read_regions(path, views=1000) == [KNOT.change(name="roi 1")]
    assert read_regions(path, views=2000) == [KNOT.change(name="roi 1", views=(0, 1000))]


@pytest.mark.parametrize(
    ("change", "word"),
    [
        ({"version": 1}, "version: expected 0; found 1"),
        ({"center": [1, 2]}, "center: expected 3 numbers"),
        ({"center": "1,2,3"}, "center: expected 3 numbers"),
        ({"size": [40, -40, 40]}, "bounds along y"),
        ({"size": [10**400, 40, 40]}, "three finite lengths"),
        ({"sinogram_range": [5.5, 7]}, "sinogram_range: expected 2 whole numbers"),
        ({"sinogram_range": [900, 100]}, "views"),
        ({"resolution": [1, 2, "3"]}, "resolution: expected 3 whole numbers"),
        ({"resolution": [0, 2, 3]}, "shape"),
        ({"auto_resolution": "yes"}, "auto_resolution: expected true or false"),
        ({"size": None}, "size: expected 3 numbers"),
    ],
)
def test_bad_files_of_the_old_client(tmp_path: Path, change: dict[str, Any], word: str) -> None:
    path = tmp_path / "roi.json"
    path.write_text(json.dumps({**OLD, **change}))
    with pytest.raises(InputError, match=word) as error:
        read_regions(path, views=1000)
    assert str(path) in str(error.value)


GOOD = json.dumps({"format": "MITO regions", "version": 1, "regions": [KNOT.to_dict()]})


@pytest.mark.parametrize(
    ("text", "word"),
    [
        ("", "expected JSON"),
        (GOOD[:-20], "expected JSON"),
        (GOOD.replace("200.0", "NaN"), "the number NaN"),
        (GOOD.replace("200.0", "1e999"), "three finite lengths"),
        (GOOD.replace("200.0", "900.0"), "bounds along z"),
        (GOOD.replace("200.0", '"200"'), "minimum"),
        (GOOD.replace("200.0", "true"), "minimum"),
        (GOOD.replace('"version": 1', '"version": 2'), "version 2"),
        (GOOD.replace("MITO regions", "STL"), "format"),
        (GOOD.replace('"name": "Knot", ', ""), "an object with name, minimum"),
        (GOOD.replace('"name"', '"title"'), "an object with name, minimum"),
        ('{"regions": 3}', "a list of regions; found int"),
        ('{"regions": [3]}', "region 0"),
        ("3", "a list of regions"),
        ("[" * 100_000, "expected JSON"),
        ('{"a": 1}', "an object with name"),
    ],
)
def test_bad_files(tmp_path: Path, text: str, word: str) -> None:
    path = tmp_path / "regions.json"
    path.write_text(text)
    with pytest.raises(InputError, match=word) as error:
        read_regions(path)
    assert str(path) in str(error.value)
    assert "\n" not in str(error.value)


def test_files_that_cannot_be_read_or_written(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    with pytest.raises(InputError, match="No such file"):
        read_regions(tmp_path / "none.json")
    (tmp_path / "latin.json").write_bytes(b'[{"name": "\xe5"}]')
    with pytest.raises(InputError, match="expected JSON"):
        read_regions(tmp_path / "latin.json")
    with monkeypatch.context() as small:
        small.setattr("MITOReconstructionLib.scan.region_files.LARGEST", 3)
        with pytest.raises(InputError, match="more than"):
            read_regions(tmp_path / "latin.json")
    with pytest.raises(InputError, match="folder that exists"):
        write_regions(tmp_path / "no" / "a.json", [KNOT])
    write_regions(tmp_path / "a.json", [KNOT])
    monkeypatch.setattr(Path, "write_text", lambda *_arguments, **_more: (_ for _ in ()).throw(OSError(28, "No space left on device")))
    with pytest.raises(WorkError, match="No space left"):
        write_regions(tmp_path / "a.json", [])
    assert read_regions(tmp_path / "a.json") == [KNOT]
