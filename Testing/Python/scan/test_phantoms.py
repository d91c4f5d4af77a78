"""The phantoms are what their names promise."""

import itertools
import math

import numpy as np
import pytest

from MITOReconstructionLib.errors import InputError
from MITOReconstructionLib.geometry import VolumeGrid
from MITOReconstructionLib.scan.line_integrals import project, sample
from MITOReconstructionLib.scan.log_phantom import OUTER_BARK
from MITOReconstructionLib.scan.phantoms import PHANTOMS, cylinder, defrise, log, make_phantom, shepp_logan
from MITOReconstructionLib.scan.shapes import Cone
from MITOReconstructionLib.scan.simulation import mito_geometry


def slice_at(phantom, z, spacing=0.5):
    low, high = phantom.box
    return VolumeGrid.from_bounds((low[0], low[1], z), (high[0], high[1], z + spacing), spacing=spacing)


def value_at(phantom, point):
    low = np.array(point) - 0.01
    return sample(phantom, VolumeGrid.from_bounds(low, low + 0.02, shape=(1, 1, 1)), 1).item()


def layers(phantom):
    """The cones of the stem, inside out, piece by piece; each piece ends with the outer bark."""
    pieces, piece = [], []
    for shape in phantom.shapes:
        if not isinstance(shape, Cone):
            break
        piece.append(shape)
        if shape.attenuation == OUTER_BARK:
            pieces.append(piece)
            piece = []
    return pieces


@pytest.mark.parametrize("seed", [0, 3, 16, 17, 40])
def test_the_log_is_nowhere_negative_nor_absurdly_dense(seed):
    phantom = log(seed=seed)
    low, high = (np.array(v) for v in phantom.box)
    volume = sample(phantom, VolumeGrid.from_bounds(low - 1, high + 1, spacing=(1.1, 1.1, 3.0)), 1)
    assert volume.min() >= -1e-4
    assert volume.max() < 0.038
    assert np.percentile(volume[volume > 0.003], 99.9) < 0.031


def test_the_log_is_the_same_for_the_same_seed_only():
    assert log(seed=3) == log(seed=3)
    assert log(seed=3) != log(seed=4)


def test_the_log_fits_the_scanner_and_outgrows_the_scan():
    low, high = log().box
    scan = mito_geometry(6)
    assert max(math.hypot(x, y) for x in (low[0], high[0]) for y in (low[1], high[1])) < scan.field_of_view_radius
    beam = (scan.axial_positions.min() - 34.5 * 1.3, scan.axial_positions.max() + 34.5 * 1.3)
    assert low[2] < beam[0]
    assert high[2] > beam[1]


@pytest.mark.parametrize("seed", [0, 16, 23])
def test_layers_are_nested_and_pieces_join(seed):
    pieces = layers(log(seed=seed))
    assert len(pieces) == 14
    azimuth = np.linspace(0, 2 * math.pi, 48, endpoint=False)
    for piece, above in itertools.pairwise(pieces):
        assert all(a.end == b.start and a.end_radius == b.start_radius for a, b in zip(piece, above, strict=True))
    for piece in pieces[::4]:
        for inner, outer in itertools.pairwise(piece):
            first, second = np.array(inner.first[:2]), np.array([-inner.first[1], inner.first[0]])
            edge = inner.start_radius * (np.cos(azimuth)[:, None] * first + inner.aspect * np.sin(azimuth)[:, None] * second)
            offset = edge + np.array(inner.start[:2]) - np.array(outer.start[:2])
            along, across = offset @ outer.first[:2], offset @ np.array([-outer.first[1], outer.first[0]])
            assert np.all(np.hypot(along, across / outer.aspect) < outer.start_radius)


def test_the_pith_wanders_and_the_stem_tapers_and_is_not_round():
    phantom = log()
    pieces = layers(phantom)
    pith = np.array([piece[0].start for piece in pieces])
    assert np.ptp(pith[:, :2], axis=0).max() > 5.0
    assert pieces[0][-1].start_radius > pieces[-1][-1].end_radius + 3.0
    assert all(0.9 < piece[-1].aspect < 0.97 for piece in pieces)
    bark = np.array([piece[-1].start for piece in pieces])
    assert np.linalg.norm(bark - pith, axis=1).max() > 4.0


def radial_profile(phantom, z, azimuth):
    """Attenuation every quarter millimetre outwards from the pith."""
    pith = np.array([[*piece[0].start] for piece in layers(phantom)])
    centre = np.array([np.interp(z, pith[:, 2], pith[:, k]) for k in range(2)])
    low = centre - 110.0
    grid = VolumeGrid.from_bounds((*low, z), (*(centre + 110.0), z + 0.2), spacing=(0.25, 0.25, 0.2))
    plane = sample(phantom, grid, 2)[:, :, 0]
    r = np.arange(0, 105, 0.25)
    index = np.rint((np.stack([np.cos(azimuth) * r, np.sin(azimuth) * r]) + 110.0) / 0.25 - 0.5).astype(int)
    return r, plane[index[0], index[1]]


@pytest.mark.parametrize("rings", [12, 18, 25])
def test_rings_show_as_bright_and_dark_along_a_radius(rings):
    phantom = log(rings=rings)
    counts = []
    for azimuth in (0.6, 1.9, 3.6, 4.4):
        _, profile = radial_profile(phantom, 262.0, azimuth)
        wood = profile[8 : np.flatnonzero(profile > 0.003)[-1] - 30]
        step = np.sign(np.diff(wood)) * (np.abs(np.diff(wood)) > 4e-4)
        step = step[step != 0]
        counts.append(np.count_nonzero((step[:-1] > 0) & (step[1:] < 0)))
    assert np.median(counts) == pytest.approx(rings, abs=4)


def test_heartwood_sapwood_bark_and_air_follow_each_other():
    r, profile = radial_profile(log(), 262.0, 3.6)
    edge = r[np.flatnonzero(profile > 0.003)[-1]]
    heart, sap, bark = (profile[(r > a * edge) & (r < b * edge)].mean() for a, b in ((0.1, 0.5), (0.75, 0.9), (0.97, 0.995)))
    assert 0.0125 < heart < 0.0155
    assert 0.019 < sap < 0.022
    assert bark < 0.75 * sap
    assert profile[0] < 0.009
    assert profile[-1] == 0.0


def test_knots_start_at_the_pith_and_climb_outwards_to_the_bark():
    phantom = log()
    knots = [s for s in phantom.shapes if isinstance(s, Cone) and abs(s.normal[2]) < 1e-9 and s.attenuation > 0.004]
    assert len(knots) > 40
    assert all(s.end[2] > s.start[2] for s in knots)
    plane = sample(phantom, slice_at(phantom, 290.0), 1)[:, :, 0]
    assert 0.005 < np.count_nonzero(plane > 0.0245) / np.count_nonzero(plane > 0.003) < 0.2
    between = sample(phantom, slice_at(phantom, 262.0), 1)[:, :, 0]
    assert np.count_nonzero(between > 0.0245) < 0.1 * np.count_nonzero(plane > 0.0245)


def test_the_check_is_nearly_air_and_the_rot_is_thinner_than_heartwood():
    phantom = log()
    checks = [s for s in phantom.shapes if isinstance(s, Cone) and s.aspect < 0.1]
    middle = max(checks, key=lambda s: s.start_radius)
    assert value_at(phantom, np.add(middle.start, middle.end) / 2) < 0.0085
    plane = sample(phantom, slice_at(phantom, 345.0), 1)[:, :, 0]
    _, sound = radial_profile(phantom, 345.0, 3.6)
    assert np.percentile(plane[plane > 0.003], 0.3) < 0.6 * sound[40:160].mean()


def test_a_shorter_and_thinner_log_is_still_a_log():
    phantom = log(radius=40.0, length=120.0, rings=8, centre=(0.0, 0.0, 0.0), seed=2)
    low, high = (np.array(v) for v in phantom.box)
    volume = sample(phantom, VolumeGrid.from_bounds(low, high, spacing=1.0), 1)
    assert volume.min() >= -1e-4
    assert volume.max() < 0.04
    assert 35 < (high[0] - low[0]) / 2 < 50


def test_shepp_logan_values_and_size():
    phantom = shepp_logan(100.0, centre=(0, 0, 0))
    at = {point: value_at(phantom, point) for point in [(0, 0, 0), (0, 90, 0), (0, 0, 60), (22, 0, 0), (0, 35, -15), (80, 0, 0)]}
    assert list(at.values()) == pytest.approx([0.004, 0.02, 0.004, 0.0, 0.006, 0.0], abs=1e-8)
    assert phantom.box[1] == pytest.approx((69.0, 92.0, 81.0))
    classic = shepp_logan(50.0, centre=(1, 2, 3), contrast="kak-slaney")
    assert value_at(classic, (1, 2, 3)) == pytest.approx(0.02 * 1.02, abs=1e-8)
    assert value_at(classic, (1 + 11, 2, 3)) == pytest.approx(0.02, abs=1e-8)


def test_defrise_is_a_stack_of_disks():
    phantom = defrise(80.0, centre=(0, 0, 10.0), thickness=6.0, spacing=15.0, count=5)
    column = sample(phantom, VolumeGrid((-1, -1, -40), (1, 1, 60), (1, 1, 200)), 1)[0, 0]
    assert np.count_nonzero(column == np.float32(0.02)) == 5 * 12
    assert np.count_nonzero(column) == 60
    assert phantom.box == (pytest.approx((-80, -80, -23)), pytest.approx((80, 80, 43)))


def test_a_centred_cylinder_looks_the_same_from_everywhere():
    scan = mito_geometry(12, turns=1.0)
    views = project(cylinder(90.0, 2000.0), scan)
    assert np.ptp(views, axis=0).max() < 1e-5
    assert views.max() == pytest.approx(2 * 90 * 0.02, rel=1e-2)


def test_phantoms_are_found_by_name():
    assert set(PHANTOMS) == {"log", "shepp-logan", "defrise", "cylinder"}
    assert make_phantom("cylinder", radius=5.0).box[1][0] == pytest.approx(5.0)
    with pytest.raises(InputError, match="one of log, shepp-logan, defrise, cylinder; found 'tree'"):
        make_phantom("tree")


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: log(radius=0), "log radius"),
        (lambda: log(radius=20.0, rings=30), "at most 16"),
        (lambda: log(seed=-1), "log seed"),
        (lambda: shepp_logan(contrast="none"), "kak-slaney or modified"),
        (lambda: defrise(thickness=20.0), "at most the spacing of 15 mm; found 20"),
        (lambda: defrise(count=0), "defrise count"),
    ],
)
def test_bad_input_is_named(make, text):
    with pytest.raises(InputError, match=text):
        make()
