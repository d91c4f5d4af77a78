"""Pixels on a cylinder or a plane: their coordinates, where they are, and what is refused."""

from __future__ import annotations

import math

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from MITOReconstructionLib.errors import InputError
from MITOReconstructionLib.geometry import Detector

QUICK = settings(max_examples=50, deadline=None, derandomize=True)


SMALL = {"columns": 4, "rows": 2, "column_min": -0.2, "column_max": 0.6, "row_min": -3.0, "row_max": 5.0, "curvature_radius": 100.0}


def curved(**changes):
    return Detector(**{**SMALL, **changes})


def test_edges_are_edges_and_centres_half_a_pixel_inside():
    d = curved()
    assert d.column_centres() == pytest.approx([-0.1, 0.1, 0.3, 0.5])
    assert d.row_centres() == pytest.approx([-1.0, 3.0])
    assert (d.column_pitch, d.row_pitch, d.height) == pytest.approx((0.2, 4.0, 8.0))
    assert d.pixel_size == pytest.approx((20.0, 4.0))
    flat = Detector(4, 2, -20, 60, -3, 5)
    assert flat.is_flat
    assert not d.is_flat
    assert flat.pixel_size == pytest.approx((20.0, 4.0))
    assert flat.column_centres() == pytest.approx([-10, 10, 30, 50])


def test_the_surface_of_a_cylinder_and_of_a_plane():
    across, along = curved().surface(np.array([0.0, math.pi / 6]), 150.0)
    assert across == pytest.approx([0.0, 50.0])
    assert along == pytest.approx([150.0, 50.0 + 100.0 * math.sqrt(3) / 2])
    across, along = Detector(4, 2, -20, 60, -3, 5).surface(np.array([[-7.0, 3.0]]), 150.0)
    assert across.tolist() == [[-7.0, 3.0]]
    assert along.tolist() == [[150.0, 150.0]]


@QUICK
@given(
    distance=st.floats(50.0, 2000.0),
    radius=st.one_of(st.just(math.inf), st.floats(20.0, 5000.0)),
    share=st.floats(-1.0, 1.0),
)
def test_column_at_fan_angle_is_the_inverse_of_the_surface(distance, radius, share):
    half = distance if math.isinf(radius) else 1.5
    if not math.isinf(radius) and radius > distance:
        half = min(half, 0.99 * math.acos((radius - distance) / radius))  # in front of the source
    d = Detector(4, 2, -half, half, -3, 5, radius)
    column = np.array([share * half])
    across, along = d.surface(column, distance)
    tolerance = 1e-9 * max(half, 1.0 if math.isinf(radius) else radius / distance)
    assert d.column_at_fan_angle(np.arctan2(across, along), distance) == pytest.approx(column, abs=tolerance)


def test_a_ray_that_passes_the_cylinder_by_meets_no_column():
    d = curved(curvature_radius=10.0)
    inside = math.asin(10.0 / 90.0)
    assert np.isnan(d.column_at_fan_angle(np.array([1.01 * inside]), 100.0)).all()
    assert np.isfinite(d.column_at_fan_angle(np.array([0.99 * inside]), 100.0)).all()


@pytest.mark.parametrize("name", ["columns", "rows"])
@pytest.mark.parametrize("value", [0, -3, 2.0, "4", None, True, math.nan])
def test_counts_are_whole_and_positive(name, value):
    with pytest.raises(InputError) as caught:
        curved(**{name: value})
    assert str(caught.value) == f"detector {name}: expected a whole number of at least 1; found {value!r}. Correct the pixel count."


@pytest.mark.parametrize("axis", ["column", "row"])
@pytest.mark.parametrize(
    ("low", "high"), [(0.2, 0.1), (0.1, 0.1), (math.nan, 0.1), (0.1, math.inf), ("-1", 0.1), (None, 0.1), (False, True)]
)
def test_edges_are_finite_and_rise(axis, low, high):
    with pytest.raises(InputError) as caught:
        curved(**{f"{axis}_min": low, f"{axis}_max": high})
    assert str(caught.value).startswith(
        f"detector {axis}_min, {axis}_max: expected two finite numbers, the first one smaller; found {low!r}, {high!r}."
    )


@pytest.mark.parametrize("radius", [0.0, -5.0, math.nan, -math.inf, "503", None])
def test_the_curvature_radius_is_positive(radius):
    with pytest.raises(InputError, match=r"detector curvature_radius: expected a positive length in mm, or infinity for a flat"):
        curved(curvature_radius=radius)


def test_degrees_are_not_taken_for_radians():
    with pytest.raises(InputError, match=r"within \+-pi/2 rad for a curved detector; found -26\.6, 26\.6\. Give angles in radians"):
        curved(column_min=-26.6, column_max=26.6)


def test_numpy_numbers_become_pythons_and_equal_detectors_are_equal():
    d = curved(columns=np.int64(4), column_min=np.float64(-0.2))
    assert d == curved()
    assert hash(d) == hash(curved())
    assert type(d.columns) is int
    assert type(d.column_min) is float
    assert eval(repr(d), {"Detector": Detector}) == d
    assert d != curved(rows=3)
    with pytest.raises(AttributeError):
        d.rows = 5
