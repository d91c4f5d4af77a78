"""metadata.json: every key is checked, and an error names file, key, expected and found."""

from __future__ import annotations

import json
import math

import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from MITOReconstructionLib.errors import InputError
from MITOReconstructionLib.scan.dataset import open_scan
from MITOReconstructionLib.scan.metadata import read_metadata

LENGTHS = ["DET_PIX_SIZE", "SRC_RADIUS", "REC_PIC_SIZE"]
EDGES = ["DET_X_MIN", "DET_X_MAX", "DET_Z_MIN", "DET_Z_MAX", *(f"REC_{end}_{axis}" for end in ("MIN", "MAX") for axis in "XYZ")]
COUNTS = ["DET_NPX_X", "DET_NPX_Z", "REC_NPX_X", "REC_NPX_Y", "REC_NPX_Z"]
NUMBERS = [*LENGTHS, *EDGES, *COUNTS, "DET_RADIUS"]
AXIAL = ["REC_NPX_Z", "REC_MIN_Z", "REC_MAX_Z"]


@pytest.fixture
def path_of(tmp_path, metadata):
    """Write metadata.json with other keys, or left out where they are Ellipsis."""

    def write(**keys):
        path = tmp_path / "metadata.json"
        path.write_text(json.dumps({key: value for key, value in {**metadata, **keys}.items() if value is not ...}), encoding="utf-8")
        return path

    return write


def error_of(path) -> str:
    with pytest.raises(InputError) as caught:
        read_metadata(path)
    return str(caught.value)


def test_a_good_file(path_of, metadata):
    found = read_metadata(path_of())
    d = found.detector
    assert (d.columns, d.rows, d.column_min, d.column_max, d.row_min, d.row_max) == (4, 3, -0.2, 0.2, -75.45, 75.45)
    assert (d.curvature_radius, found.source_radius, found.detector_radius, found.voxel_size) == (503.0, 503.0, 0.0, 10.0)
    assert found.lateral == ((-40.0, 40.0, 8), (-30.0, 30.0, 6))
    assert found.axial == (0.0, 50.0, 5)
    assert found.value_range is None
    assert found.warnings == ()
    assert found.raw == metadata


# ---- keys ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("key", ["GEOMETRY_ENGINE", "GEOMETRY_NAME", "DET_CURVATURE_RADIUS", *(k for k in NUMBERS if k not in AXIAL)])
def test_a_missing_key_is_named(path_of, key):
    path = path_of(**{key: ...})
    text = error_of(path)
    assert text.startswith(f"{path}: {key}: expected ")
    assert text.endswith("; found no such key. Add the key, or export the scan again.")


@pytest.mark.parametrize(
    ("key", "value", "expected"),
    [
        ("SRC_RADIUS", 1e300, "a number from -1e+09 to 1e+09"),
        ("SRC_RADIUS", 1e-300, "a length of at least 1e-09 mm"),
        ("DET_RADIUS", 1e308, "a number from -1e+09 to 1e+09"),
        ("DET_Z_MIN", -1e300, "a number from -1e+09 to 1e+09"),
        ("DET_X_MAX", -0.2 + 1e-12, "a number above DET_X_MIN = -0.2 by at least 1e-09"),
        ("DET_CURVATURE_RADIUS", 1e-300, "a length from 1e-09 to 1e+09 mm, or null for a flat detector"),
        ("REC_MAX_X", 1e308, "a number from -1e+09 to 1e+09"),
    ],
)
def test_numbers_of_no_scanner_are_named(path_of, key, value, expected):
    text = error_of(path_of(**{key: value}))
    assert f"{key}: expected {expected}; found " in text


@pytest.mark.parametrize("value", ["5", None, True, [5], {}, math.nan, math.inf, -math.inf, 10**400])
@pytest.mark.parametrize("key", NUMBERS)
def test_what_is_no_number_is_named(path_of, key, value):
    path, shown = path_of(**{key: value}), json.dumps(value)
    shown = shown if len(shown) <= 80 else shown[:80] + " ..."
    assert error_of(path) == f"{path}: {key}: expected a finite number; found {shown}. Correct the file, or export the scan again."


@pytest.mark.parametrize("value", [0, -0.5])
@pytest.mark.parametrize("key", LENGTHS)
def test_lengths_are_positive(path_of, key, value):
    assert f"{key}: expected a positive length in mm; found {value:g}." in error_of(path_of(**{key: value}))


@pytest.mark.parametrize("value", [0, -3, 2.5])
@pytest.mark.parametrize("key", COUNTS)
def test_counts_are_whole_and_positive(path_of, key, value):
    assert f"{key}: expected a whole number of at least 1; found {value:g}." in error_of(path_of(**{key: value}))


def test_a_count_may_be_written_as_a_float(path_of):
    assert read_metadata(path_of(DET_NPX_X=4.0)).detector.columns == 4


def test_the_detector_radius_may_be_0_but_not_negative(path_of):
    assert read_metadata(path_of(DET_RADIUS=0)).detector_radius == 0.0
    assert "DET_RADIUS: expected a length in mm of at least 0; found -1." in error_of(path_of(DET_RADIUS=-1.0))


@pytest.mark.parametrize(("low", "high"), [(a, a.replace("MIN", "MAX")) for a in EDGES if "MIN" in a])
def test_ranges_rise(path_of, low, high):
    text = error_of(path_of(**{low: 0.1, high: 0.1}))
    assert f"{high}: expected a number above {low} = 0.1; found 0.1." in text


@pytest.mark.parametrize(
    ("key", "value", "only"),
    [
        ("GEOMETRY_ENGINE", "ASTRA", "ODL"),
        ("GEOMETRY_NAME", "FanBeamGeometry", "ConeBeamGeometry"),
        ("GEOMETRY_NAME", None, "ConeBeamGeometry"),
    ],
)
def test_an_unknown_geometry(path_of, key, value, only):
    path = path_of(**{key: value})
    assert error_of(path) == (
        f'{path}: {key}: expected "{only}", the only geometry that this program knows; found {json.dumps(value)}. '
        "Use a sample of the MITO format."
    )


@pytest.mark.parametrize("axis", [..., [0, 0, 1], [0.0, 0.0, 1.0], [0, 0, 2], [-0.0, 0, 1e-3]])
def test_rotation_about_z(path_of, axis):
    assert read_metadata(path_of(ROTATION_AXIS=axis)).source_radius == 503.0


@pytest.mark.parametrize(
    "axis",
    [
        [0, 0, -1],
        [1, 0, 0],
        [0, 1e-6, 1],
        [0, 0, 0],
        [0, 0],
        [0, 0, 1, 0],
        [],
        None,
        1,
        "001",
        ["0", "0", "1"],
        [0, 0, True],
        [0, 0, math.nan],
        [0, 0, math.inf],
        {"0": 0, "1": 1, "2": 2},
        [[0], 0, 1],
    ],
)
def test_rotation_about_anything_else(path_of, axis):
    path = path_of(ROTATION_AXIS=axis)
    assert error_of(path).startswith(
        f"{path}: ROTATION_AXIS: expected [0, 0, 1]: only scans about the z axis are known; found {json.dumps(axis)}. "
    )


@pytest.mark.parametrize("value", [None, math.inf])
def test_a_flat_detector(path_of, value):
    found = read_metadata(path_of(DET_CURVATURE_RADIUS=value, DET_X_MIN=-100.6, DET_X_MAX=100.6))
    assert found.detector.is_flat
    assert found.warnings == ()


@pytest.mark.parametrize("value", [0, -503, math.nan, -math.inf, "503", True, [503]])
def test_radii_of_curvature_that_are_none(path_of, value):
    path = path_of(DET_CURVATURE_RADIUS=value)
    text = f"{path}: DET_CURVATURE_RADIUS: expected a positive length in mm, or null for a flat detector; found {json.dumps(value)}. "
    assert error_of(path).startswith(text)


def test_degrees_are_told_with_file_and_keys(path_of):
    path = path_of(DET_X_MIN=-26.6, DET_X_MAX=26.6)
    assert error_of(path) == (
        f"{path}: DET_X_MIN, DET_X_MAX: expected angles within +-pi/2 rad for a curved detector; found -26.6, 26.6. "
        "Give angles in radians, not in degrees or mm."
    )


@pytest.mark.parametrize("key", AXIAL)
def test_old_files_lack_an_axial_key(path_of, key):
    assert read_metadata(path_of(**{key: ...})).axial is None


def test_the_range_of_values_is_optional(path_of):
    assert read_metadata(path_of(SINOGRAM_MIN=-0.5, SINOGRAM_MAX=6)).value_range == (-0.5, 6.0)
    assert read_metadata(path_of(SINOGRAM_MIN=0)).value_range is None
    assert "SINOGRAM_MAX: expected a finite number; found null" in error_of(path_of(SINOGRAM_MIN=0, SINOGRAM_MAX=None))
    assert "SINOGRAM_MAX: expected a number of at least SINOGRAM_MIN = 3; found 2." in error_of(path_of(SINOGRAM_MIN=3, SINOGRAM_MAX=2))


def test_contradictions_are_warnings(path_of):
    path = path_of(DET_PIX_SIZE=0.3, REC_NPX_Y=5, REC_MAX_Z=60)
    assert read_metadata(path).warnings == (
        f"{path}: DET_PIX_SIZE is 0.3 mm, but the columns are 50.3 mm apart; the latter is used.",
        f"{path}: DET_PIX_SIZE is 0.3 mm, but the rows are 50.3 mm apart; the latter is used.",
        f"{path}: REC_PIC_SIZE is 10 mm, but REC_MIN_Y, REC_MAX_Y and REC_NPX_Y make 12 mm; the latter is used.",
        f"{path}: REC_PIC_SIZE is 10 mm, but REC_MIN_Z, REC_MAX_Z and REC_NPX_Z make 12 mm; the latter is used.",
    )


# ---- the file ------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"", "a file that is no JSON text (Expecting value: line 1 column 1 (char 0))"),
        (b"{'DET_NPX_X': 4}", "a file that is no JSON text (Expecting property name enclosed in double quotes"),
        (b'{"DET_NPX_X": 4', "a file that is no JSON text (Expecting ',' delimiter"),
        (b"[" * 100_000, "a file that is no JSON text ("),
        (b"[]", "[], which is no object"),
        (b"null", "null, which is no object"),
        (b'"ODL"', '"ODL", which is no object'),
        ('{"GEOMETRY_ENGINE": "Lule\u00e5"}'.encode("latin1"), "a file that is no UTF-8 text (invalid continuation byte)"),
        ("{}".encode("utf-16"), "a file that is no UTF-8 text (invalid start byte)"),
    ],
)
def test_files_that_are_no_json_object(tmp_path, content, found):
    path = tmp_path / "metadata.json"
    path.write_bytes(content)
    text = error_of(path)
    assert text.startswith(f"{path}: expected a JSON object with the keys of the MITO sample format; found {found}")
    assert text.endswith("Correct the file, or export the scan again.")


def test_a_byte_order_mark_does_no_harm(path_of):
    path = path_of()
    path.write_bytes(b"\xef\xbb\xbf" + path.read_bytes())
    assert read_metadata(path).source_radius == 503.0


def test_a_missing_file_and_a_folder(tmp_path):
    path = tmp_path / "metadata.json"
    assert error_of(path).endswith("; found no such file. Choose a sample folder, or copy it completely.")
    path.mkdir()
    assert "Is a directory" in error_of(path)


JSON = st.one_of(
    st.none(),
    st.booleans(),
    st.integers(),
    st.floats(),
    st.text(max_size=5),
    st.lists(st.floats(), max_size=4),
    st.just({}),
    st.sampled_from([10**400, 5e-324, 1e308, -1e308, 1e9, 1e-9]),
)


@settings(
    max_examples=100, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(keys=st.data())
def test_whatever_a_file_holds_the_sample_opens_or_one_error_names_the_folder(tmp_path_factory, make_sample, metadata, keys):
    changes = keys.draw(
        st.dictionaries(st.sampled_from([*metadata, "SINOGRAM_MIN", "SINOGRAM_MAX"]), st.one_of(JSON, st.just(...)), max_size=3)
    )
    folder = make_sample(tmp_path_factory.mktemp("any") / "sample", changes)
    fault = None
    try:
        scan = open_scan(folder)
    except InputError as error:
        fault = error
    if fault is not None:
        assert fault.where.startswith(str(folder))
    else:
        assert min(scan.default_grid.spacing) > 0
        assert math.isfinite(scan.geometry.fan_angles[0])
