"""Rays, the detector as a mesh, the values derived from a helix, selections of views, and what is refused."""

from __future__ import annotations

import copy
import json
import math
import pickle

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from MITOReconstructionLib.errors import InputError
from MITOReconstructionLib.geometry import Detector, ScanGeometry

QUICK = settings(max_examples=50, deadline=None, derandomize=True)
TURN = 2 * math.pi
SHAPES = {
    "centred": (503.0, 0.0, 503.0),
    "centre before the source": (500.0, 300.0, 700.0),
    "centre behind the source": (500.0, 300.0, 1200.0),
    "flat": (500.0, 300.0, math.inf),
}
shapes = pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)


def helix(shape=(503.0, 0.0, 503.0), *, views=40, step=0.3, pitch=106.56, columns=(-0.41, 0.23), counts=(6, 5)):
    source_radius, detector_radius, curvature = shape
    scale = 500.0 if math.isinf(curvature) else 1.0
    detector = Detector(*counts, columns[0] * scale, columns[1] * scale, -30.0, 41.0, curvature)
    angles = 0.7 + step * np.arange(views)
    return ScanGeometry(angles, 40.0 + pitch * np.abs(angles - 0.7) / TURN, source_radius, detector_radius, detector)


# ---- rays and mesh -------------------------------------------------------------------------------------------------


@shapes
@pytest.mark.parametrize("view", [0, 17, -1])
def test_rays_are_unit_vectors_that_hit_the_pixels(shape, view):
    geometry = helix(shape)
    source, directions = geometry.rays(view)
    assert directions.shape == (6, 5, 3)
    assert np.abs(np.linalg.norm(directions, axis=-1) - 1).max() < 1e-14
    points = geometry.detector_points(view)[0]
    length = np.linalg.norm(points - source, axis=-1, keepdims=True)
    assert np.abs(source + length * directions - points).max() < 1e-9
    assert np.hypot(*source[:2]) == pytest.approx(geometry.source_radius)
    assert source[2] == geometry.axial_positions[view]


def test_where_the_first_view_is():
    geometry = ScanGeometry([0.0], [7.0], 503.0, 100.0, Detector(3, 1, -0.3, 0.3, -5, 5, 603.0))
    assert geometry.sources()[0] == pytest.approx([0, -503, 7])
    points = geometry.detector_points()[0, :, 0]
    assert points[1] == pytest.approx([0, 100, 7])
    assert points[2] == pytest.approx([603 * math.sin(0.2), -503 + 603 * math.cos(0.2), 7])  # columns rise towards +x


@shapes
def test_the_mesh_reaches_the_corners_and_its_texture_follows_columns_and_rows(shape):
    geometry = helix(shape)
    d = geometry.detector
    mesh = geometry.detector_mesh(3, columns=8, rows=2)
    assert mesh.points.shape == (9, 3, 3)
    assert mesh.texture.shape == (9, 3, 2)
    for i, column in ((0, d.column_min), (-1, d.column_max)):
        for j, row in ((0, d.row_min), (-1, d.row_max)):
            across, along = d.surface(np.array(column), geometry.source_to_detector)
            phi = geometry.angles[3]
            forward, side = np.array([-math.sin(phi), math.cos(phi), 0]), np.array([math.cos(phi), math.sin(phi), 0])
            corner = geometry.sources(3)[0] + along * forward + across * side + np.array([0, 0, row])
            assert mesh.points[i, j] == pytest.approx(corner, abs=1e-9)
            assert mesh.texture[i, j].tolist() == [0.0 if i == 0 else 1.0, 0.0 if j == 0 else 1.0]
    assert mesh.texture[:, 1, 0] == pytest.approx(np.linspace(0, 1, 9))
    assert mesh.texture[4, :, 1].tolist() == [0.0, 0.5, 1.0]
    fine = geometry.detector_mesh(3, columns=6 * 2, rows=5 * 2)  # every second corner from the first is a pixel's centre
    assert np.abs(fine.points[1::2, 1::2] - geometry.detector_points(3)[0]).max() < 1e-9
    assert fine.texture[1, 1] == pytest.approx([0.5 / 6, 0.5 / 5])


@pytest.mark.parametrize("counts", [(0, 1), (4, 0), (-1, 2)])
def test_a_mesh_without_quadrilaterals(counts):
    with pytest.raises(InputError, match=r"detector mesh: expected at least 1 x 1 quadrilaterals; found"):
        helix().detector_mesh(0, columns=counts[0], rows=counts[1])


# ---- derived values ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("step", [0.3, -0.3])
@pytest.mark.parametrize("pitch", [106.56, -20.0])
def test_the_pitch_counts_in_the_order_of_the_views(step, pitch):
    geometry = helix(step=step, pitch=pitch)
    assert geometry.pitch == pytest.approx(pitch, abs=1e-9)
    assert geometry.angle_step == pytest.approx(step)
    assert geometry.turns == pytest.approx(39 * 0.3 / TURN)
    assert geometry.views_per_turn == pytest.approx(TURN / 0.3)
    assert not geometry.is_circular
    assert geometry.select(slice(None, None, -1)).pitch == pytest.approx(-pitch, abs=1e-9)
    assert geometry.select([20, 3, 39, 30, 11, 33]).pitch == pytest.approx(pitch, abs=1e-9)


def test_the_pitch_of_uneven_views_is_a_least_squares_fit():
    rng = np.random.default_rng(4)
    angles, axial = np.sort(rng.uniform(0, 20, 30)), np.sort(rng.uniform(0, 300, 30))
    geometry = ScanGeometry(angles, axial, 503.0, 0.0, helix().detector)
    assert geometry.pitch == pytest.approx(np.polyfit(angles / TURN, axial, 1)[0])


def test_one_view_turns_nowhere():
    geometry = helix(views=1)
    assert (geometry.views, geometry.turns, geometry.pitch, geometry.angle_step) == (1, 0.0, 0.0, 0.0)
    assert geometry.views_per_turn == math.inf
    assert geometry.is_circular
    assert ScanGeometry([1.0, 1.0], [0.0, 50.0], 503.0, 0.0, helix().detector).pitch == 0.0


def test_circular_means_to_a_thousandth_of_a_row():
    row = helix().detector.row_pitch
    for spread, circular in ((0.0, True), (0.0009 * row, True), (0.0011 * row, False)):
        axial = np.linspace(0, spread, 40)
        assert ScanGeometry(helix().angles, axial, 503.0, 0.0, helix().detector).is_circular is circular


@shapes
@pytest.mark.parametrize("columns", [(-0.41, 0.23), (-0.3, 0.3), (0.05, 0.4)])
def test_fan_angles_and_field_of_view_against_brute_force(shape, columns):
    geometry = helix(shape, columns=columns)
    d = geometry.detector
    edge = geometry.detector_points(5, columns=np.linspace(d.column_min, d.column_max, 1001), rows=[0.0])[0, :, 0]
    source = geometry.sources(5)[0]
    to_axis, to_edge = -source[:2] / np.hypot(*source[:2]), (edge - source)[:, :2]
    fans = np.arctan2(to_edge @ [to_axis[1], -to_axis[0]], to_edge @ to_axis)
    assert geometry.fan_angles == pytest.approx((fans.min(), fans.max()), abs=1e-12)
    assert np.all(np.diff(fans) > 0)

    def seen_whole(radius):
        turn = np.linspace(0, TURN, 2001)
        to = radius * np.stack([np.cos(turn), np.sin(turn)], axis=1) - source[:2]
        fan = np.arctan2(to @ [to_axis[1], -to_axis[0]], to @ to_axis)
        return fan.min() >= fans.min() and fan.max() <= fans.max()

    radius = geometry.field_of_view_radius
    if columns[0] > 0:
        assert radius == 0.0
        assert not seen_whole(1.0)
    else:
        assert seen_whole(0.999 * radius)
        assert not seen_whole(1.001 * radius)


# ---- selections ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("views", "expected"),
    [
        (None, list(range(10))),
        (slice(2, 8, 3), [2, 5]),
        (slice(-3, None), [7, 8, 9]),
        (slice(8, 100), [8, 9]),
        (slice(None, None, -4), [9, 5, 1]),
        (4, [4]),
        (-1, [9]),
        (np.int32(3), [3]),
        ([3, -10, 9], [3, 0, 9]),
        (np.array([7, 1], dtype=np.uint64), [7, 1]),
        (range(3), [0, 1, 2]),
        ([i % 4 == 1 for i in range(10)], [1, 5, 9]),
        ([], []),
        (slice(5, 5), []),
    ],
)
def test_selections_of_views(views, expected):
    geometry = helix(views=10)
    assert geometry.view_indices(views).tolist() == expected
    assert geometry.view_indices(views).dtype == np.intp
    if expected:
        chosen = geometry.select(views)
        assert chosen.angles.tolist() == geometry.angles[expected].tolist()
        assert chosen.sources().tolist() == geometry.sources(views).tolist()
        assert chosen.detector == geometry.detector
    else:
        with pytest.raises(InputError, match="views: expected indices from 0 to 9, or 10 booleans; found none"):
            geometry.select(views)


@pytest.mark.parametrize(
    ("views", "found"),
    [
        (10, "10 to 10"),
        ([0, -11], "-11 to 0"),
        ([True, False], "bool of shape (2,)"),
        (np.array([], dtype=bool), "bool of shape (0,)"),
        (True, "bool of shape (1,)"),
        (1.0, "float64 of shape (1,)"),
        ([[1, 2]], "int64 of shape (1, 2)"),
        ("all", "<U3 of shape (1,)"),
        ([[1], [1, 2]], "lists of different lengths"),
        (slice(None, None, 0), "slice(None, None, 0)"),
        (slice(0.5, 3), "slice(0.5, 3, None)"),
        (10**30, "object of shape (1,)"),
    ],
)
def test_views_that_are_none_of_this_scan(views, found):
    with pytest.raises(InputError) as caught:
        helix(views=10).view_indices(views)
    assert str(caught.value) == f"views: expected indices from 0 to 9, or 10 booleans; found {found}. Choose views of this scan."


# ---- frozen, equal, written ----------------------------------------------------------------------------------------


def copies(geometry):
    yield ScanGeometry(geometry.angles, geometry.axial_positions, geometry.source_radius, geometry.detector_radius, geometry.detector)
    yield pickle.loads(pickle.dumps(geometry))
    yield copy.deepcopy(geometry)
    yield ScanGeometry.from_dict(json.loads(json.dumps(geometry.to_dict(), allow_nan=False)))


@shapes
def test_copies_are_equal_and_frozen(shape):
    geometry = helix(shape)
    for other in copies(geometry):
        assert other == geometry
        assert hash(other) == hash(geometry)
        assert not other.angles.flags.writeable
        assert not other.axial_positions.flags.writeable
    with pytest.raises(ValueError, match="read-only"):
        geometry.angles[0] = 1.0
    with pytest.raises(AttributeError):
        geometry.source_radius = 1.0


def test_the_arrays_are_copies():
    angles = np.arange(3.0)
    geometry = ScanGeometry(angles, np.zeros(3), 503, 0, helix().detector)
    angles[0] = 9.0
    assert geometry.angles.tolist() == [0.0, 1.0, 2.0]
    assert type(geometry.source_radius) is float


def test_what_differs_is_not_equal():
    geometry = helix()
    others = [
        helix(pitch=1.0),
        helix(step=0.2),
        helix((504.0, 0.0, 503.0)),
        helix((503.0, 1.0, 503.0)),
        helix(counts=(6, 4)),
        helix(views=39),
    ]
    assert len({geometry, *others}) == 7
    assert geometry != "geometry"
    zero, minus_zero = (ScanGeometry([value, 1.0], [value, 2.0], 503.0, 0.0, geometry.detector) for value in (0.0, -0.0))
    assert zero == minus_zero
    assert hash(zero) == hash(minus_zero)


def test_the_repr_says_what_matters():
    assert repr(helix()) == (
        "ScanGeometry(40 views, 1.86 turns, pitch 106.6 mm, source 503 mm, detector 0 mm, 6 x 5 pixels, curvature radius 503 mm)"
    )
    assert "curvature radius inf mm" in repr(helix(SHAPES["flat"]))


@QUICK
@given(st.lists(st.tuples(st.floats(-1e6, 1e6), st.floats(-1e6, 1e6)), min_size=1, max_size=5), st.floats(1e-3, 1e6), st.floats(0, 1e6))
def test_every_number_survives_json(views, source_radius, detector_radius):
    angles, axial = zip(*views, strict=True)
    geometry = ScanGeometry(angles, axial, source_radius, detector_radius, Detector(2, 3, -1 / 3, 0.1, -0.7, 1e-3, math.inf))
    assert ScanGeometry.from_dict(json.loads(json.dumps(geometry.to_dict()))) == geometry


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"angles": []}, "angles: expected one number for each view; found an array of shape (0,)"),
        ({"angles": [[1.0]]}, "angles: expected one number for each view; found an array of shape (1, 1)"),
        ({"angles": 1.0}, "angles: expected one number for each view; found an array of shape ()"),
        ({"angles": ["a", "b"]}, "angles: expected one number for each view; found could not convert string to float: 'a'"),
        ({"angles": [0.0, math.nan]}, "angles: expected finite numbers; found nan at view 1"),
        ({"axial_positions": [math.inf, 0.0]}, "axial_positions: expected finite numbers; found inf at view 0"),
        ({"axial_positions": [0.0]}, "axial_positions: expected one value for each of the 2 angles; found 1 values"),
        ({"source_radius": 0}, "source_radius: expected a positive length in mm; found 0."),
        ({"source_radius": math.inf}, "source_radius: expected a positive length in mm; found inf."),
        ({"source_radius": "503"}, "source_radius: expected a positive length in mm; found '503'."),
        ({"source_radius": None}, "source_radius: expected a positive length in mm; found None."),
        ({"detector_radius": -503}, "detector_radius: expected a length in mm that puts the detector in front of the source; found -503."),
        (
            {"detector_radius": math.nan},
            "detector_radius: expected a length in mm that puts the detector in front of the source; found nan.",
        ),
    ],
)
def test_what_is_no_geometry(changes, text):
    fields = {"angles": [0.0, 1.0], "axial_positions": [0.0, 1.0], "source_radius": 503.0, "detector_radius": 0.0, **changes}
    with pytest.raises(InputError) as caught:
        ScanGeometry(**fields, detector=helix().detector)
    assert str(caught.value).startswith(text)


def test_columns_behind_the_source_are_refused():
    detector = Detector(6, 5, -1.5, 1.5, -30.0, 30.0, 5000.0)
    with pytest.raises(InputError, match=r"columns in front of the source; found columns from -1\.5 to 1\.5 that reach behind it"):
        ScanGeometry([0.0], [0.0], 503.0, 0.0, detector)


@pytest.mark.parametrize(
    ("edit", "text"),
    [
        (lambda d: d.pop("angles"), "geometry: expected an entry 'angles'; found no such entry"),
        (lambda d: d["detector"].pop("rows"), "geometry: expected the keys that ScanGeometry.to_dict writes; found"),
        (lambda d: d["detector"].pop("curvature_radius"), "geometry: expected an entry 'curvature_radius'"),
        (lambda d: d["detector"].update(colour="red"), "geometry: expected the keys that ScanGeometry.to_dict writes; found"),
        (lambda d: d.update(detector=None), "geometry: expected the keys that ScanGeometry.to_dict writes; found"),
    ],
)
def test_dicts_that_are_no_geometry(edit, text):
    data = helix().to_dict()
    edit(data)
    with pytest.raises(InputError) as caught:
        ScanGeometry.from_dict(data)
    assert str(caught.value).startswith(text)
