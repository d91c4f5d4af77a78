"""The parts of weighted FBP: plan, filter, beams, coverage, and what streaming and regions must not change."""

from __future__ import annotations

import math
import threading

import numpy as np
import pytest
from scipy import fft

from MITOReconstructionLib import InputError, Monitor, Scan, VolumeGrid, mito_geometry, reconstruct
from MITOReconstructionLib.errors import Cancelled
from MITOReconstructionLib.geometry import Detector, ScanGeometry
from MITOReconstructionLib.scan.line_integrals import project
from MITOReconstructionLib.scan.shapes import Ellipsoid, Phantom
from MITOReconstructionLib.wfbp.backproject import beam_tables, beams_seeing
from MITOReconstructionLib.wfbp.coverage import fill_unseen
from MITOReconstructionLib.wfbp.filters import FILTERS, RampFilter
from MITOReconstructionLib.wfbp.plan import ParallelPlan
from MITOReconstructionLib.wfbp.rebin import cubic_weights, move_rows
from MITOReconstructionLib.wfbp.stream import BeamStream

BALL = Phantom("ball", (Ellipsoid((20.0, -10.0, 4.0), (50.0, 40.0, 60.0), 0.02),))


def small(pitch: float = 106.56, turns: float = 2.2, **options: float) -> ScanGeometry:
    return mito_geometry(12, pitch, turns, centre=0.0, **options)


def scan_of(geometry: ScanGeometry) -> Scan:
    return Scan.from_arrays(project(BALL, geometry), geometry)


# ---- parallel beams --------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("direction", [1, -1])
def test_beams_are_parallel_line_integrals(direction: int) -> None:
    """Unfiltered beams, without the cone weight, are the integrals along their rays: here of a long cylinder's section."""
    geometry = small(direction=direction, turns=1.8)
    tall = Phantom("tall", (Ellipsoid((20.0, -10.0, 0.0), (50.0, 40.0, 1e6), 0.02),))
    scan = Scan.from_arrays(project(tall, geometry), geometry)
    plan = ParallelPlan(geometry)
    stream = BeamStream(scan, np.arange(geometry.views), plan, None, block=7)
    for first, beams in stream.blocks(0, plan.beams, Monitor()):
        theta = plan.theta(np.arange(first, first + len(beams)))[:, None]
        half = np.hypot(50 * np.cos(theta), 40 * np.sin(theta))
        offset = plan.t - (20 * np.cos(theta) - 10 * np.sin(theta))
        chord = 2 * 50 * 40 / half * np.sqrt(np.maximum(0, 1 - (offset / half) ** 2)) * 0.02
        middle = beams[:, :, beams.shape[2] // 2]  # nearly in the plane: the cosine cancels the longer path
        away = np.abs(np.abs(offset) - half) > 3 * plan.t_step
        np.testing.assert_allclose(middle[away], chord[away], atol=4e-3)


def test_half_turn_is_a_whole_number_of_beams() -> None:
    geometry = small()
    plan = ParallelPlan(geometry)
    assert plan.half_turn * plan.theta_step == pytest.approx(math.pi, abs=1e-12)
    assert plan.theta(np.array([plan.half_turn]))[0] - plan.theta(np.array([0]))[0] == pytest.approx(math.pi)
    ends = plan.theta(np.array([0, plan.beams - 1])) + np.array(plan.fan)
    assert ends[0] >= plan.angles[0] - 1e-9
    assert ends[1] <= plan.angles[-1] + 1e-9


def test_full_circle_wraps_round_and_a_short_scan_does_not() -> None:
    circle = ParallelPlan(small(0.0, 1.0))
    assert circle.periodic
    assert circle.beams == 2 * circle.half_turn
    short = ParallelPlan(small(0.0, 0.8))
    assert not short.periodic
    assert short.half_turn <= short.beams < 2 * short.half_turn


def test_rays_beside_a_single_wide_column_are_within_the_tables() -> None:
    """A beam has two rays at least: where there is one column, they lie beyond its centre, by many beams' angle here."""
    angles = np.arange(300, dtype=np.float64) * 0.04
    tables = beam_tables(ParallelPlan(ScanGeometry(angles, angles, 100.0, 0.0, Detector(1, 4, -0.5, 0.5, -3.0, 3.0, 100.0))))
    place = np.array([[0], [tables.beams - 1]]) + tables.axial_offset + tables.fan_steps
    assert np.ptp(tables.fan_steps) > 20
    assert place.min() >= 0
    assert place.max() < len(tables.axial) - 1


def test_angles_that_turn_back_are_refused() -> None:
    geometry = small()
    angles = geometry.angles.copy()
    angles[40] = angles[38]
    bad = ScanGeometry(angles, geometry.axial_positions, 503.0, 0.0, geometry.detector)
    with pytest.raises(InputError, match="rise or fall from view to view"):
        ParallelPlan(bad)


def test_too_short_a_scan_is_refused_with_what_it_needs() -> None:
    with pytest.raises(InputError, match=r"at least half a turn and the fan, 23\d degrees"):
        reconstruct(scan_of(small(0.0, 0.5)))


# ---- filter ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", FILTERS)
def test_response_is_the_windowed_ramp(name: str) -> None:
    ramp = RampFilter.design(200, 1.5, name)
    share = np.arange(len(ramp.response)) / (ramp.length / 2)
    frequency = share / (2 * 1.5)
    window = {
        "Ram-Lak": np.ones_like(share),
        "Shepp-Logan": np.sinc(share / 2),
        "Cosine": np.cos(np.pi * share / 2),
        "Hamming": 0.54 + 0.46 * np.cos(np.pi * share),
        "Hann": 0.5 + 0.5 * np.cos(np.pi * share),
    }[name]
    inner = slice(4, int(0.95 * len(share)))
    np.testing.assert_allclose(ramp.response[inner], (frequency * window)[inner], rtol=0.02, atol=2e-4)


def test_frequency_scaling_cuts_the_band() -> None:
    ramp = RampFilter.design(200, 1.5, "Hann", frequency_scaling=0.5)
    share = np.arange(len(ramp.response)) / (ramp.length / 2)
    assert np.all(ramp.response[share > 0.5] == 0)
    assert ramp.response[np.argmin(np.abs(share - 0.25))] == pytest.approx(0.25 / 3 * 0.5, rel=0.02)


def test_padding_keeps_the_ends_from_wrapping() -> None:
    """With padding the result is the linear convolution with the ramp's kernel; without it, the circular one."""
    rng = np.random.default_rng(0)
    rows = rng.random((1, 31, 2), dtype=np.float32)
    n = np.arange(-30, 31)
    kernel = np.where(n == 0, 0.25, np.where(n % 2 == 0, 0.0, -1 / (np.pi * np.where(n == 0, 1, n)) ** 2))
    expected = np.stack([np.convolve(rows[0, :, k], kernel)[30:61] for k in range(2)], axis=-1)
    padded = rows.copy()
    RampFilter.design(31, 1.0).apply(padded)
    np.testing.assert_allclose(padded[0], expected, atol=2e-6)
    wrapped = rows.copy()
    bare = RampFilter.design(31, 1.0, padding=False)
    bare.apply(wrapped)
    assert bare.length == fft.next_fast_len(31, real=True)
    assert np.abs(wrapped[0] - expected).max() > 1e-3


@pytest.mark.parametrize(("options", "words"), [({"filter_type": "Hanning"}, "one of Ram-Lak"), ({"frequency_scaling": 0.0}, r"\(0, 1\]")])
def test_bad_filters_are_refused(options: dict[str, object], words: str) -> None:
    with pytest.raises(InputError, match=words):
        RampFilter.design(10, 1.0, **options)  # type: ignore[arg-type]


def test_smoother_filters_make_smoother_volumes() -> None:
    rng = np.random.default_rng(0)
    geometry = small(0.0, 1.0)
    noise = Scan.from_arrays(rng.normal(0, 1, (geometry.views, geometry.detector.columns, geometry.detector.rows)).astype("f4"), geometry)
    grid = VolumeGrid.from_bounds((-30, -30, -10), (30, 30, 10), spacing=5.0)
    spread = [float(reconstruct(noise, grid=grid, parameters={"filter_type": name}).array.std()) for name in FILTERS]
    assert spread == sorted(spread, reverse=True)


def test_cubic_weights_reproduce_quadratics() -> None:
    position = np.linspace(2.0, 7.0, 41)
    index, weight = cubic_weights(position, 12)
    np.testing.assert_allclose(weight.sum(axis=1), 1, atol=1e-6)
    np.testing.assert_allclose((weight * (index - 4.0) ** 2).sum(axis=1), (position - 4.0) ** 2, atol=1e-4)


# ---- what must not change the result ----------------------------------------------------------------------------------


def test_a_region_equals_the_same_cut_of_the_whole() -> None:
    scan = scan_of(small())
    grid = VolumeGrid.from_bounds((-90, -90, -30), (90, 90, 30), spacing=6.0)
    whole = reconstruct(scan, grid=grid)
    part = reconstruct(scan, grid=grid.region((5, 9, 3), (21, 22, 8)))
    np.testing.assert_allclose(part.array, whole.array[5:21, 9:22, 3:8], atol=1e-7)


@pytest.mark.parametrize("pitch", [106.56, 30.0, 0.0])
def test_block_size_does_not_change_the_beams(pitch: float) -> None:
    geometry = small(pitch, 1.0 if pitch == 0 else 2.2)
    scan, plan = scan_of(geometry), ParallelPlan(geometry)
    ramp = RampFilter.design(len(plan.t), plan.t_step)
    found = []
    for block in (1, 13, 1000):
        stream = BeamStream(scan, np.arange(geometry.views), plan, ramp, block=block)
        found.append(np.concatenate([beams.copy() for _, beams in stream.blocks(3, plan.beams, Monitor())]))
    np.testing.assert_array_equal(found[0], found[1])
    np.testing.assert_array_equal(found[0], found[2])


def test_falling_angles_are_the_rising_scan_reversed() -> None:
    geometry = small()
    projections = project(BALL, geometry)
    back = ScanGeometry(geometry.angles[::-1], geometry.axial_positions[::-1], 503.0, 0.0, geometry.detector)
    grid = VolumeGrid.from_bounds((-60, -60, -20), (80, 60, 20), spacing=5.0)
    forward = reconstruct(Scan.from_arrays(projections, geometry), grid=grid)
    reversed_ = reconstruct(Scan.from_arrays(projections[::-1], back), grid=grid)
    np.testing.assert_allclose(reversed_.array, forward.array, atol=1e-6)


def test_a_view_range_equals_a_scan_of_those_views() -> None:
    geometry = small(turns=3.0)
    projections = project(BALL, geometry)
    grid = VolumeGrid.from_bounds((-60, -60, -10), (80, 60, 10), spacing=5.0)
    chosen = slice(80, 560)
    ranged = reconstruct(Scan.from_arrays(projections, geometry), grid=grid, views=chosen)
    cut = reconstruct(Scan.from_arrays(projections[chosen], geometry.select(chosen)), grid=grid)
    np.testing.assert_array_equal(ranged.array, cut.array)
    assert ranged.provenance["views"] == "80:560"


def test_every_other_view_still_reconstructs() -> None:
    scan = scan_of(small())
    grid = VolumeGrid((10.0, -20.0, -6.0), (30.0, 0.0, 14.0), (4, 4, 4))
    volume = reconstruct(scan, grid=grid, views=slice(0, None, 2))
    np.testing.assert_allclose(volume.array, 0.02, rtol=0.02)


def test_moving_rows_reproduces_a_smooth_column() -> None:
    rows = np.arange(40, dtype=np.float64)
    shifts = np.array([0.0, 0.3, -2.7, 5.0])
    view = np.tile(np.sin(rows / 6), (4, 1)).astype(np.float32)
    move_rows(view, shifts, np.empty(124, dtype=np.float32))
    for column, shift in zip(view, shifts, strict=True):
        np.testing.assert_allclose(column[8:32], np.sin((rows - shift) / 6)[8:32], atol=2e-3)


def test_even_positions_are_left_exactly_as_they_are() -> None:
    plan = ParallelPlan(small())
    np.testing.assert_array_equal(plan.smooth_axial, plan.axial)


# ---- coverage --------------------------------------------------------------------------------------------------------


def test_unseen_voxels_are_those_that_brute_force_finds() -> None:
    """Every direction of half a turn, every source position: a voxel is covered when each direction sees it once."""
    geometry = small(80.0, 2.0)
    grid = VolumeGrid.from_bounds((-240, -240, -120), (240, 240, 120), spacing=24.0)
    plan = ParallelPlan(geometry)
    volume = np.zeros(grid.shape, dtype=np.float32)
    count = fill_unseen(volume, grid, beam_tables(plan), 7.0)
    x, y, z = np.meshgrid(*(grid.centres(axis) for axis in range(3)), indexing="ij")
    covered = np.ones(grid.shape, dtype=bool)
    d = geometry.detector
    for direction in range(plan.half_turn):
        seen = np.zeros(grid.shape, dtype=bool)
        for beam in range(direction, plan.beams, plan.half_turn):
            theta = plan.theta(np.array([beam]))[0]
            t = x * math.cos(theta) + y * math.sin(theta)
            inside = (t >= plan.t[0]) & (t <= plan.t[-1])
            fan = np.arcsin(np.clip(t / 503.0, -1, 1))
            distance = 503.0 * np.cos(fan) + y * math.cos(theta) - x * math.sin(theta)
            source = np.interp(theta + fan, plan.angles, plan.axial)
            row = (z - source) * 503.0 / np.maximum(distance, 1.0)
            seen |= inside & (row >= d.row_min) & (row <= d.row_max)
        covered &= seen
    differ = (volume == 7.0) != ~covered
    assert differ.mean() < 0.002  # the directions are sampled; only voxels on the border may differ
    assert count == np.count_nonzero(volume == 7.0)
    assert 0.05 < covered.mean() < 0.7


def test_unseen_voxels_are_counted_and_filled() -> None:
    scan = scan_of(small())
    grid = VolumeGrid((-10.0, -10.0, 400.0), (10.0, 10.0, 420.0), (4, 4, 4))
    volume = reconstruct(scan, grid=grid, parameters={"fill_value": -1.0})
    assert volume.provenance["report"]["unseen_voxels"] == 64
    assert np.all(volume.array == -1.0)


def test_beams_that_cannot_see_the_grid_are_left_out() -> None:
    plan = ParallelPlan(small(turns=6.0))
    first, last = beams_seeing(plan, VolumeGrid((-10.0, -10.0, -5.0), (10.0, 10.0, 5.0), (2, 2, 2)))
    assert 0 < first < last < plan.beams
    assert last - first < 0.6 * plan.beams


# ---- faults, cancelling -----------------------------------------------------------------------------------------------


def test_a_nan_is_reported_with_its_view() -> None:
    geometry = small()
    projections = project(BALL, geometry)
    projections[123, 7, 3] = np.nan
    with pytest.raises(InputError, match=r"view 123.*column 7, row 3"):
        reconstruct(Scan.from_arrays(projections, geometry))


def test_cancel_stops_the_run() -> None:
    monitor = Monitor(lambda progress: monitor.cancel() if progress.step.startswith("filtered") else None)
    with pytest.raises(Cancelled):
        reconstruct(scan_of(small()), monitor=monitor)


def test_two_runs_at_once_do_not_disturb_each_other() -> None:
    scan = scan_of(small())
    grid = VolumeGrid.from_bounds((-60, -60, -20), (80, 60, 20), spacing=5.0)
    alone = reconstruct(scan, grid=grid).array
    found: list[np.ndarray] = []
    threads = [threading.Thread(target=lambda: found.append(reconstruct(scan, grid=grid).array)) for _ in range(3)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert len(found) == 3
    for array in found:
        np.testing.assert_array_equal(array, alone)


def test_an_asymmetrical_detector_reconstructs() -> None:
    """Complementary rays are missing where one side of the detector is shorter; nothing is taken from beyond it."""
    angles = np.arange(720) * 2 * math.pi / 360
    detector = Detector(100, 40, -0.15, 0.25, -60.0, 60.0, 503.0)
    geometry = ScanGeometry(angles, 20 * angles / (2 * math.pi) - 20, 503.0, 0.0, detector)
    volume = reconstruct(scan_of(geometry), grid=VolumeGrid((0.0, -20.0, -6.0), (15.0, 0.0, 6.0), (4, 4, 4)))
    np.testing.assert_allclose(volume.array, 0.02, rtol=0.02)
