"""A sample folder becomes a scan: what is read, in which order and unit, lazily; and every fault is named."""

from __future__ import annotations

import math
import os
import re
import shutil
import subprocess
import sys
import textwrap
from pathlib import Path

import numpy as np
import pytest

from MITOReconstructionLib.errors import InputError
from MITOReconstructionLib.geometry import Detector, ScanGeometry, VolumeGrid
from MITOReconstructionLib.scan.dataset import Scan, axial_range, covered_grid, open_scan

ROOT = Path(__file__).parents[3]
FILES = ["sinogram.npy", "angles.npy", "axial_positions.npy", "shifts.npy", "metadata.json"]
PER_VIEW = ["angles", "axial_positions", "shifts"]


def error_of(call, *arguments, **options) -> str:
    with pytest.raises(InputError) as caught:
        call(*arguments, **options)
    return str(caught.value)


# ---- what is read --------------------------------------------------------------------------------------------------


def test_a_good_folder(make_sample, sample_arrays):
    folder = make_sample()
    scan = open_scan(str(folder))
    assert (scan.name, scan.folder, scan.warnings) == ("pine", folder, ())
    assert open_scan(folder, name="Pine 16").name == "Pine 16"
    g = scan.geometry
    assert (g.views, g.source_radius, g.detector_radius, g.detector) == (6, 503.0, 0.0, scan.metadata.detector)
    assert g.axial_positions.tolist() == (np.linspace(0, 50, 6) + 0.25 * np.arange(6)).tolist()  # shifts of 1000 in x and y ignored
    assert scan.default_grid == VolumeGrid((-40, -30, 0), (40, 30, 50), (8, 6, 5))
    block = scan.read(1, 4)
    assert block.dtype == np.float32
    assert block.tolist() == sample_arrays["sinogram"][1:4].tolist()
    assert scan.projection(-1).tolist() == sample_arrays["sinogram"][5].tolist()
    assert scan.read(6, 6).shape == (0, 4, 3)


@pytest.mark.parametrize("direction", [1, -1])
@pytest.mark.parametrize("start", [0.0, 5.0, -4.0])
def test_angles_are_unwrapped_up_and_down(make_sample, direction, start):
    angles = start + direction * 3.0 * np.arange(6)
    unwrapped = open_scan(make_sample(angles=np.mod(angles, 2 * np.pi))).geometry.angles
    assert np.diff(unwrapped) == pytest.approx(np.full(5, direction * 3.0))
    assert unwrapped[0] == pytest.approx(start % (2 * np.pi))


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8", ">f8"])
def test_every_precision_and_byte_order(make_sample, sample_arrays, dtype):
    arrays = {name: array.astype(dtype) for name, array in sample_arrays.items()}
    scan = open_scan(make_sample(**arrays))
    assert scan.geometry.angles == pytest.approx(5.0 + np.arange(6), abs=1e-6)
    assert scan.projections.dtype == np.dtype(dtype)
    assert scan.projections.tolist() == sample_arrays["sinogram"].tolist()
    out = np.empty((2, 4, 3), dtype=np.float32)
    assert scan.read(3, 5, out=out) is out
    assert out.tolist() == sample_arrays["sinogram"][3:5].tolist()


def test_the_projections_are_a_read_only_map(make_sample):
    scan = open_scan(make_sample())
    assert isinstance(scan.projections, np.memmap)
    with pytest.raises(ValueError, match="read-only"):
        scan.projections[0, 0, 0] = 1.0
    scan.read(0, 1)[...] = 7.0  # a copy
    assert scan.projections[0, 0, 0] == 0.0


def test_old_files_take_the_axial_range_from_the_trajectory(make_sample, sample_arrays):
    views = 24
    arrays = {
        "sinogram": np.zeros((views, 4, 3), dtype=np.float32),
        "angles": np.mod(0.5 * np.arange(views), 2 * np.pi),
        "axial_positions": 100 + 10.0 * np.arange(views),
        "shifts": np.zeros((views, 3)),
    }
    scan = open_scan(make_sample(keys=dict.fromkeys(("REC_NPX_Z", "REC_MIN_Z", "REC_MAX_Z", "ROTATION_AXIS"), ...), **arrays))
    half = 10.0 * math.pi / 0.5  # half a turn's advance
    assert scan.geometry.pitch == pytest.approx(2 * half)
    assert axial_range(scan.geometry) == pytest.approx((100 + half, 330 - half))
    grid = scan.default_grid
    assert grid.minimum[2] == pytest.approx(100 + half)
    assert grid.spacing == pytest.approx((10.0, 10.0, 10.0))
    assert 330 - half - 10.0 < grid.maximum[2] <= 330 - half
    assert (grid.minimum[:2], grid.maximum[:2]) == ((-40, -30), (40, 30))


def test_oddities_come_along_as_warnings(make_sample):
    folder = make_sample(keys={"DET_PIX_SIZE": 50.0})
    assert open_scan(folder).warnings == ()
    (warning, other) = open_scan(make_sample("odd", keys={"DET_PIX_SIZE": 40.0})).warnings
    assert warning.endswith("metadata.json: DET_PIX_SIZE is 40 mm, but the columns are 50.3 mm apart; the latter is used.")
    assert "the rows are 50.3 mm apart" in other


def test_a_relative_folder_is_read_from_anywhere(make_sample, tmp_path, monkeypatch):
    make_sample()
    monkeypatch.chdir(tmp_path)
    scan = open_scan("pine")
    monkeypatch.chdir("/")
    assert scan.read(0, 1)[0, 0, 1] == 0.125


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
def test_sixteen_gibibytes_are_opened_at_once_and_read_in_little_memory(make_sample, tmp_path):
    views, columns, rows = 11_985, 1_560, 230
    arrays = {
        "angles": np.mod(0.00236 * np.arange(views), 2 * np.pi),
        "axial_positions": np.linspace(0, 480, views),
        "shifts": np.zeros((views, 3)),
    }
    folder = make_sample(keys={"DET_NPX_X": columns, "DET_NPX_Z": rows}, **arrays)
    with (folder / "sinogram.npy").open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": (views, columns, rows)})
        whole = file.tell() + 4 * views * columns * rows
        file.truncate(whole)
    assert whole > 16 * 2**30
    program = f"""
        import time
        from pathlib import Path
        from MITOReconstructionLib.scan.dataset import open_scan
        peak = lambda: int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) // 1024
        before, start = peak(), time.process_time()
        scan = open_scan({str(folder)!r})
        opened, seconds = peak(), time.process_time() - start
        for first in range(0, views := scan.geometry.views, views // 9):
            assert not scan.read(first, first + 5).any()
        print(opened - before, seconds, peak() - before)
    """
    result = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=True, cwd=ROOT)
    opening, seconds, reading = (float(word) for word in result.stdout.split())
    assert opening < 20  # MiB
    assert seconds < 2.0  # of the processor
    assert reading < 60  # five views are 7 MiB


# ---- values that are none ------------------------------------------------------------------------------------------


@pytest.mark.parametrize("value", [np.nan, np.inf, -np.inf])
@pytest.mark.parametrize("where", ["disk", "disk, float64", "memory"])
def test_a_value_that_is_none_is_named_when_it_is_met(make_sample, sample_arrays, value, where):
    sinogram = sample_arrays["sinogram"].astype("f8" if "64" in where else "f4")
    sinogram[4, 2, 1] = sinogram[4, 3, 0] = value
    scan = open_scan(make_sample(sinogram=sinogram))
    place = f"{scan.folder / 'sinogram.npy'}"
    if where == "memory":
        scan, place = Scan.from_arrays(sinogram, scan.geometry), "projections"
    assert scan.read(0, 4).shape == (4, 4, 3)
    assert scan.projection(5)[0, 0] == 7.5
    text = (
        f"{place}: view 4: expected finite line integrals; found {value} in 2 pixels, the first at column 2, row 1. "
        "Repair the view (for example from its neighbours), or leave it out of the view range."
    )
    assert error_of(scan.read, 2, 6) == text
    assert error_of(scan.projection, 4) == text


def test_opposite_infinities_do_not_cancel_and_large_values_raise_no_alarm(make_sample, sample_arrays):
    sinogram = sample_arrays["sinogram"]
    sinogram[1] = 3e38
    sinogram[2] = -3e38
    sinogram[3, :2] = np.array([np.inf, -np.inf])[:, None]
    scan = open_scan(make_sample(sinogram=sinogram))
    assert scan.read(0, 3)[1:, 0, 0].tolist() == [np.float32(3e38), np.float32(-3e38)]
    assert "view 3: expected finite line integrals; found inf in 6 pixels" in error_of(scan.read, 0, 6)


@pytest.mark.parametrize("where", ["disk", "memory"])
def test_a_float64_beyond_float32_is_named_and_no_warning(make_sample, sample_arrays, where):
    sinogram = sample_arrays["sinogram"].astype(np.float64)
    sinogram[1, 0, 0] = 1e300
    scan = open_scan(make_sample(sinogram=sinogram))
    if where == "memory":
        scan = Scan.from_arrays(sinogram, scan.geometry)
    assert "view 1: expected finite line integrals; found inf in 1 pixels" in error_of(scan.read, 0, 2)


@pytest.mark.parametrize("value", [np.nan, np.inf])
def test_only_the_third_shift_counts(make_sample, sample_arrays, value):
    shifts = sample_arrays["shifts"]
    shifts[2, :2] = value
    assert np.isfinite(open_scan(make_sample(shifts=shifts)).geometry.axial_positions).all()
    shifts[3:5, 2] = value
    folder = make_sample("other", shifts=shifts)
    text = f"{folder / 'shifts.npy'}: expected finite numbers; found {value} at view 3 (2 such values). "
    assert error_of(open_scan, folder) == text + "Correct the value, or export the scan again."


@pytest.mark.parametrize("value", [np.nan, -np.inf])
@pytest.mark.parametrize("name", ["angles", "axial_positions"])
def test_angles_and_positions_are_finite(make_sample, sample_arrays, name, value):
    sample_arrays[name][2] = value
    folder = make_sample()
    assert error_of(open_scan, folder).startswith(f"{folder / name}.npy: expected finite numbers; found {value} at view 2 (1 such values).")


def test_positions_whose_sum_is_none_are_told_with_the_folder(make_sample):
    folder = make_sample(axial_positions=np.full(6, 1.7e308), shifts=np.full((6, 3), 1.7e308))
    assert error_of(open_scan, folder).startswith(f"{folder}: axial_positions: expected finite numbers; found inf at view 0.")


# ---- files at fault ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FILES)
def test_a_missing_file_is_named(make_sample, name):
    folder = make_sample()
    (folder / name).unlink()
    text = error_of(open_scan, folder)
    assert text.startswith(f"{folder / name}: expected ")
    assert "; found no such file. " in text


def test_a_sample_folder_that_is_missing_or_a_file(tmp_path):
    path = tmp_path / "pine"
    text = "expected a sample folder; found {}. Choose the folder that holds sinogram.npy and metadata.json."
    assert error_of(open_scan, path) == f"{path}: {text.format('no such folder')}"
    path.touch()
    assert error_of(open_scan, path) == f"{path}: {text.format('a file')}"
    assert error_of(open_scan, "null\0").endswith(text.format("no such folder"))


@pytest.mark.parametrize(
    ("name", "shape", "axes"),
    [
        ("angles", (5,), "(6) for axes (views)"),
        ("axial_positions", (7,), "(6) for axes (views)"),
        ("shifts", (6, 2), "(6, 3) for axes (views, components)"),
        ("shifts", (3, 6), "(6, 3) for axes (views, components)"),
    ],
)
def test_arrays_of_another_length(make_sample, name, shape, axes):
    folder = make_sample(**{name: np.zeros(shape)})
    assert error_of(open_scan, folder) == (
        f"{folder / name}.npy: expected shape {axes}, as the sinogram has it; found shape {shape}. "
        "Copy the sample's files from one and the same scan."
    )


@pytest.mark.parametrize("shape", [(6, 3, 4), (6, 4, 4), (6, 5, 3), (1, 1, 1)])
def test_a_sinogram_that_is_not_of_the_detector(make_sample, shape):
    folder = make_sample(sinogram=np.zeros(shape))
    assert error_of(open_scan, folder) == (
        f"{folder / 'sinogram.npy'}: expected shape (views, 4, 3), as DET_NPX_X and DET_NPX_Z in metadata.json say; found shape {shape}. "
        "Copy the sample's files from one and the same scan; the axes are view, column, row."
    )


@pytest.mark.parametrize("name", ["sinogram", *PER_VIEW])
@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda a: a.astype(np.int32), "found dtype int32."),
        (lambda a: a.astype(complex), "found dtype complex128."),
        (lambda a: a.astype(np.float16), "found dtype float16."),
        (lambda a: a[:0], "found shape (0"),
        (lambda a: a[None], "found shape (1, 6"),
        (lambda a: a.astype(object), "found pickled Python objects, which are never loaded."),
    ],
)
def test_each_array_is_checked(make_sample, sample_arrays, name, change, found):
    folder = make_sample(**{name: change(sample_arrays[name])})
    text = error_of(open_scan, folder)
    assert text.startswith(f"{folder / name}.npy: expected ")
    assert found in text


@pytest.mark.parametrize("name", ["sinogram", *PER_VIEW])
@pytest.mark.parametrize(("keep", "found"), [(0, "an empty file"), (50, "a file that is none"), (-1, "bytes: the file is truncated")])
def test_each_array_is_whole(make_sample, name, keep, found):
    path = make_sample() / f"{name}.npy"
    os.truncate(path, keep % path.stat().st_size if keep else 0)
    text = error_of(open_scan, path.parent)
    assert text.startswith(f"{path}: expected ")
    assert found in text


@pytest.mark.parametrize("name", ["sinogram", "shifts"])
def test_fortran_order(make_sample, sample_arrays, name):
    folder = make_sample(**{name: np.asfortranarray(sample_arrays[name])})
    assert f"{folder / name}.npy: expected C order (the last axis contiguous); found Fortran order." in error_of(open_scan, folder)


def test_a_file_that_shrinks_or_goes_after_opening(make_sample):
    scan = open_scan(make_sample())
    path = scan.folder / "sinogram.npy"
    os.truncate(path, path.stat().st_size - 10)
    assert scan.read(0, 5).shape == (5, 4, 3)
    assert re.search(r"sinogram\.npy: expected \d+ bytes .* the file is truncated\. Copy it again\.", error_of(scan.read, 0, 6))
    shutil.rmtree(scan.folder)
    assert "expected the file as it was when the scan was opened; found No such file or directory." in error_of(scan.projection, 0)


def test_a_geometry_that_is_none_is_told_with_the_folder(make_sample):
    keys = {"DET_X_MIN": -1.5, "DET_X_MAX": 1.5, "DET_CURVATURE_RADIUS": 5000.0}
    folder = make_sample(keys=keys)
    assert error_of(open_scan, folder).startswith(f"{folder}: detector column range: expected columns in front of the source")


# ---- scans in memory, ranges ---------------------------------------------------------------------------------------


GEOMETRY = ScanGeometry(np.arange(6.0), np.zeros(6), 503.0, 0.0, Detector(4, 3, -0.2, 0.2, -30, 30, 503.0))


@pytest.mark.parametrize("dtype", ["f2", "f4", ">f4", "f8"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_a_scan_in_memory(sample_arrays, dtype, order):
    array = np.array(sample_arrays["sinogram"], dtype=dtype, order=order)
    scan = Scan.from_arrays(array, GEOMETRY, name="made")
    assert (scan.name, scan.folder, scan.metadata, scan.warnings) == ("made", None, None, ())
    assert scan.read(1, 3).tolist() == array[1:3].tolist()
    assert scan.read(1, 3).dtype == np.float32
    assert not scan.projections.flags.writeable
    assert array.flags.writeable
    assert np.shares_memory(scan.projections, array)
    assert "out: expected a writable float32 array of shape (1, 4, 3)" in error_of(scan.read, 0, 1, out=np.zeros((4, 3), np.float32))


@pytest.mark.parametrize(
    ("array", "found"),
    [
        (np.zeros((6, 3, 4)), "float64 of shape (6, 3, 4)"),
        (np.zeros((6, 4, 3), int), "int64 of shape (6, 4, 3)"),
        (np.zeros((6, 4, 3), complex), "complex128 of shape (6, 4, 3)"),
        (None, "object of shape ()"),
    ],
)
def test_arrays_that_are_no_projections(array, found):
    text = f"projections: expected floating-point numbers of shape (views, columns, rows) = (6, 4, 3); found {found}."
    assert error_of(Scan.from_arrays, array, GEOMETRY).startswith(text)


@pytest.mark.parametrize(("first", "last"), [(-1, 2), (0, 7), (4, 3), (7, 7)])
def test_ranges_outside_the_scan(sample_arrays, first, last):
    scan = Scan.from_arrays(sample_arrays["sinogram"], GEOMETRY)
    assert error_of(scan.read, first, last) == f"views: expected a range within 0 to 6; found {first} to {last}. Choose views of this scan."
    assert error_of(scan.projection, 6).startswith("views: expected indices from 0 to 5")


def test_the_default_grid_covers_the_field_of_view():
    grid = covered_grid(GEOMETRY)
    assert grid.spacing == pytest.approx((50.3, 50.3, 50.3))
    assert grid.minimum[:2] == pytest.approx((-503 * math.sin(0.2),) * 2)
    near = (503 - 503 * math.sin(0.2)) / 503
    assert axial_range(GEOMETRY) == pytest.approx((-30 * near, 30 * near))
    assert covered_grid(GEOMETRY, spacing=2.0).spacing == pytest.approx((2.0, 2.0, 2.0))
    chosen = VolumeGrid((0, 0, 0), (1, 1, 1), (1, 1, 1))
    assert Scan.from_arrays(np.zeros((6, 4, 3)), GEOMETRY, grid=chosen).default_grid is chosen


def test_a_fan_beside_the_axis_still_has_a_default_grid():
    geometry = ScanGeometry(np.arange(6.0), np.zeros(6), 503.0, 0.0, Detector(4, 3, 0.1, 0.3, -30, 30, 503.0))
    assert covered_grid(geometry).minimum[:2] == pytest.approx((-503 * math.sin(0.3),) * 2)
