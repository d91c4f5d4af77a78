"""Planes and settings: their values, and faults that are named."""

from __future__ import annotations

from dataclasses import replace

import numpy as np
import pytest

from MITOReconstructionLib import InputError, LiveSettings, Plane


def test_where_the_pixels_are() -> None:
    plane = Plane((1, 2, 3), (0, 2, 0), (0, 0, -5), (3, 4), (0.5, 2))
    assert plane.u == (0.0, 1.0, 0.0)
    assert plane.v == (0.0, 0.0, -1.0)
    assert plane.normal == (-1.0, 0.0, 0.0)
    assert plane.positions().shape == (3, 4, 3)
    assert np.allclose(plane.positions()[2, 3], (1, 3, -3))
    assert np.allclose(plane.matrix() @ (2, 3, 0, 1), (1, 3, -3, 1))
    assert np.linalg.det(plane.matrix()[:3, :3]) > 0
    assert plane.bounds() == ((1.0, 2.0, -3.0), (1.0, 3.0, 3.0))
    assert plane.pixels == 12
    assert hash(plane) == hash(Plane((1, 2, 3), (0, 1, 0), (0, 0, -1), [3, 4], (0.5, 2.0)))


def test_a_plane_about_its_middle_and_a_coarser_one() -> None:
    plane = Plane.centred((5, 6, 7), (1, 1, 0), (0, 0, 1), (101, 40), 0.7)
    assert np.allclose(plane.centre, (5, 6, 7))
    coarse = plane.coarser(4)
    assert coarse.shape == (26, 10)
    assert coarse.spacing == pytest.approx((2.8, 2.8))
    first = plane.positions()[:4, :4].reshape(-1, 3).mean(axis=0)
    assert np.allclose(coarse.origin, first)


def test_parts_of_one_plane() -> None:
    plane = Plane((1, 2, 10), u=(1, 0, 0), v=(0, 1, 0), shape=(30, 20), spacing=0.5)
    turned = Plane((-50, 7, 10), u=(0.6, 0.8, 0), v=(0.8, -0.6, 0), shape=(3, 3), spacing=2.0)
    assert plane.is_coplanar(turned)
    assert turned.is_coplanar(plane)
    assert not plane.is_coplanar(replace(turned, origin=(-50, 7, 10.01)))
    assert not plane.is_coplanar(replace(plane, v=(0, 1, 0.01)))


@pytest.mark.parametrize(
    ("change", "text"),
    [
        ({"origin": (0, 0)}, r"plane origin: expected three finite numbers; found \(0, 0\)"),
        ({"origin": (0, 0, np.nan)}, "plane origin: expected three finite numbers"),
        ({"origin": "abc"}, "plane origin: expected three finite numbers"),
        ({"u": (0, 0, 0)}, "plane u: expected a direction"),
        ({"v": (1, 1, 0)}, "plane u, v: expected two directions at right angles; found an angle of 45 degrees"),
        ({"v": (1, 0, 0)}, "found an angle of 0 degrees"),
        ({"shape": (0, 3)}, "plane shape: expected two whole numbers of at least 1"),
        ({"shape": (2.5, 3)}, "plane shape"),
        ({"shape": 7}, "plane shape"),
        ({"shape": (1 << 20, 1 << 20)}, "at most 67108864 pixels in all"),
        ({"spacing": 0.0}, "plane spacing: expected one or two positive lengths in mm; found 0.0"),
        ({"spacing": 1e-300}, r"plane spacing: expected lengths in mm from 1e-09 to 1e\+09; found 1e-300"),
        ({"spacing": (1, 2, 3)}, "plane spacing"),
        ({"spacing": "wide"}, "plane spacing"),
    ],
)
def test_faults_of_a_plane(change: dict[str, object], text: str) -> None:
    with pytest.raises(InputError, match=text):
        Plane(**{"origin": (0, 0, 0), "u": (1, 0, 0), "v": (0, 1, 0), "shape": (2, 2), "spacing": 1.0, **change})


def test_settings_are_described_like_parameters_of_a_method() -> None:
    described = {entry["name"]: entry for entry in LiveSettings.describe()}
    assert set(described) >= {"filter_type", "frequency_scaling", "first_view", "last_view", "axis_offset", "tilt", "mode", "fill_value"}
    assert all(entry["help"] for entry in described.values())
    assert LiveSettings.from_dict(LiveSettings(tilt=2).to_dict()) == LiveSettings(tilt=2.0)
    assert LiveSettings().view_range(40) == (0, 40)
    assert LiveSettings(first_view=3, last_view=9).view_range(40) == (3, 9)
    with pytest.raises(InputError, match=r"live setting tilt: expected a number in deg at least -10 and at most 10; found 30.0"):
        LiveSettings(tilt=30.0)
    with pytest.raises(InputError, match="live setting mode: expected one of continuous, last complete turn"):
        LiveSettings(mode="never")
    with pytest.raises(InputError, match="live setting first_view, last_view: expected a range within 0 to 5"):
        LiveSettings(first_view=7).view_range(5)
