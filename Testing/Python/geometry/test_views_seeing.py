"""Which views see a box, against a dense sampling of the box: none is missed, and hardly one is reported in vain."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from MITOReconstructionLib.errors import InputError
from MITOReconstructionLib.geometry import Detector, ScanGeometry

QUICK = settings(max_examples=50, deadline=None, derandomize=True)
TURN = 2 * math.pi
DETECTORS = {
    "centred": (503.0, 0.0, (-0.46, 0.46), (-34.5, 34.5), 503.0),
    "centred, asymmetrical": (503.0, 0.0, (-0.46, 0.1), (-20.0, 41.0), 503.0),
    "centre before the source": (500.0, 300.0, (-0.5, 0.6), (-50.0, 50.0), 700.0),
    "centre far before the source": (500.0, 300.0, (-0.8, 0.7), (-50.0, 50.0), 200.0),
    "centre behind the source": (500.0, 300.0, (-0.3, 0.3), (-50.0, 50.0), 1200.0),
    "flat": (500.0, 300.0, (-400.0, 380.0), (-60.0, 50.0), math.inf),
    "all rows above the source": (503.0, 0.0, (-0.46, 0.46), (10.0, 60.0), 503.0),
    "all rows below the source": (500.0, 300.0, (-400.0, 380.0), (-60.0, -20.0), math.inf),
    "beside the axis": (503.0, 0.0, (0.1, 0.5), (-34.5, 34.5), 503.0),
}


def helix(name, views=48):
    source_radius, detector_radius, columns, rows, curvature = DETECTORS[name]
    angles = 0.3 + 2.5 * TURN * np.arange(views) / views
    return ScanGeometry(angles, 90.0 * angles / TURN, source_radius, detector_radius, Detector(8, 4, *columns, *rows, curvature))


def sampled(low, high, count):
    return np.stack(np.meshgrid(*[np.linspace(a, b, count) for a, b in zip(low, high, strict=True)], indexing="ij"), -1).reshape(-1, 3)


def sees(geometry, points):
    """Whether each view sees each point: meet the detector by geometry of its own, shape (views, points)."""
    d, midpoint = geometry.detector, geometry.source_to_detector
    result = np.empty((geometry.views, len(points)), dtype=bool)
    for view, source in enumerate(geometry.sources()):
        forward = np.array([-source[0], -source[1]]) / geometry.source_radius
        side = np.array([forward[1], -forward[0]])
        ray = points - source
        along, across, length = ray[:, :2] @ forward, ray[:, :2] @ side, np.hypot(ray[:, 0], ray[:, 1])
        with np.errstate(divide="ignore", invalid="ignore"):
            unit = np.stack([along, across], -1) / length[:, None]
            if d.is_flat:
                reach = midpoint / unit[:, 0]
                column = reach * unit[:, 1]
            else:  # the far crossing of the ray with the circle about (centre, 0)
                centre = midpoint - d.curvature_radius
                half = centre * unit[:, 0]
                reach = half + np.sqrt(half**2 - centre**2 + d.curvature_radius**2)
                column = np.arctan2(reach * unit[:, 1], reach * unit[:, 0] - centre)
            row = ray[:, 2] * reach / length
        inside = (column >= d.column_min) & (column <= d.column_max) & (row >= d.row_min) & (row <= d.row_max)
        result[view] = inside & (along > 0)
    return result


def box_strategy():
    corner = st.tuples(st.floats(-450, 450), st.floats(-450, 450), st.floats(-150, 350))
    size = st.tuples(st.floats(0, 300), st.floats(0, 300), st.floats(0, 200))
    return st.tuples(corner, size).map(lambda box: (np.array(box[0]), np.array(box[0]) + np.array(box[1])))


@pytest.mark.parametrize("name", DETECTORS)
@QUICK
@given(box=box_strategy())
def test_no_view_that_sees_a_box_is_missed(name, box):
    geometry = helix(name)
    seen = sees(geometry, sampled(*box, 9)).any(axis=1)
    missed = np.flatnonzero(seen & ~geometry.views_seeing(*box))
    assert not missed.size, f"views {missed.tolist()}"


@pytest.mark.parametrize("name", DETECTORS)
def test_hardly_a_view_is_reported_in_vain(name):
    """Of the views reported for small boxes nearly all hold a sampled point; the rest see less than a sampling step.

    Where all rows are on one side of the source, the nearest point of a box is only estimated.
    """
    one_sided = "all rows" in name
    geometry, rng = helix(name), np.random.default_rng(8)
    reported = in_vain = beyond = possible = 0
    for _ in range(40):
        low = rng.uniform((-200, -200, -50), (180, 180, 250))
        size = rng.uniform(2.0, 60.0, 3)
        told = geometry.views_seeing(low, low + size)
        seen = sees(geometry, sampled(low, low + size, 13)).any(axis=1)
        margin = 0.06 * size
        nearly = sees(geometry, sampled(low - margin, low + size + margin, 15)).any(axis=1)
        reported, in_vain, beyond = reported + told.sum(), in_vain + (told & ~seen).sum(), beyond + (told & ~nearly).sum()
        possible += len(told)
        assert not np.any(seen & ~told)
    assert 0.02 < reported / possible < 0.6
    assert in_vain <= (0.04 if one_sided else 0.01) * reported
    assert beyond <= (0.03 if one_sided else 0.002) * reported


def test_single_points_are_decided_exactly():
    rng = np.random.default_rng(9)
    points = rng.uniform((-300, -300, -100), (300, 300, 300), (400, 3))
    for name in ("centred", "centre behind the source", "centre far before the source", "flat", "beside the axis"):
        geometry = helix(name)
        told = np.array([geometry.views_seeing(point, point) for point in points]).T
        assert np.array_equal(told, sees(geometry, points)), name


def test_the_box_about_the_axis_is_seen_by_the_views_at_its_height():
    geometry = helix("centred", views=200)
    told = geometry.views_seeing((-1, -1, 100), (1, 1, 110))
    expected = (geometry.axial_positions > 100 - 34.5) & (geometry.axial_positions < 110 + 34.5)
    away = np.min(np.abs(geometry.axial_positions[:, None] - [65.5, 144.5]), axis=1) > 0.1  # of the limits, as 1 mm is not 0
    assert away.sum() > 190
    assert np.array_equal(told[away], expected[away])
    assert geometry.views_seeing((-1e4, -1e4, -1e4), (1e4, 1e4, 1e4)).all()
    assert not geometry.views_seeing((-1, -1, 1000), (1, 1, 1010)).any()


def test_a_box_with_the_source_inside_is_seen_and_one_behind_it_is_not():
    geometry = ScanGeometry([0.0], [0.0], 503.0, 0.0, Detector(8, 4, -0.4, 0.4, -30, 30, 503.0))
    assert geometry.views_seeing((-5, -510, -1), (5, -500, 1)).tolist() == [True]
    assert geometry.views_seeing((-5, -510, 2), (5, -500, 3)).tolist() == [False]  # above the beam, which is thin here
    assert geometry.views_seeing((-500, -700, -30), (500, -504, 30)).tolist() == [False]
    assert geometry.views_seeing((-5, 400, -50), (5, 450, -40)).tolist() == [True]  # behind the detector, in the beam


def test_the_nearest_side_of_a_box_counts_for_rows_that_are_all_above_the_source():
    geometry = ScanGeometry([0.0], [0.0], 503.0, 0.0, Detector(8, 4, -0.46, 0.46, 50.0, 60.0, 503.0))
    # the box's side runs across the beam 53 mm from the source, where the beam begins 5.3 mm up; its corners are outside
    assert geometry.views_seeing((-500, -450, 4.0), (500, 0, 5.5)).tolist() == [True]
    assert geometry.views_seeing((-500, -450, 4.0), (500, 0, 5.2)).tolist() == [False]


@pytest.mark.parametrize(
    ("low", "high", "text"),
    [
        ((0, 0), (1, 1), "box minimum: expected three finite lengths in mm; found (0, 0)"),
        ((0, 0, 0), (1, 1, math.nan), "box maximum: expected three finite lengths in mm; found (1, 1, nan)"),
        ((0, 0, -math.inf), (1, 1, 1), "box minimum: expected three finite lengths in mm; found (0, 0, -inf)"),
        (None, (1, 1, 1), "box minimum: expected three finite lengths in mm; found None"),
        ((0, 2, 0), (1, 1, 1), "box: expected a minimum not above the maximum; found [0.0, 2.0, 0.0] to [1.0, 1.0, 1.0]"),
    ],
)
def test_boxes_that_are_none(low, high, text):
    with pytest.raises(InputError) as caught:
        helix("centred").views_seeing(low, high)
    assert str(caught.value).startswith(text)
