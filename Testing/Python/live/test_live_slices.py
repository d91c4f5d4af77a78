"""Planes of a phantom against the truth, and against the volume of filtered backprojection."""

from __future__ import annotations

import math
import tracemalloc

import numpy as np
import pytest
from live_cases import GRID, MU, CountingScan, attenuation, axial, flat, scan_of
from scipy import ndimage

from MITOReconstructionLib import Scan, mito_geometry, reconstruct
from MITOReconstructionLib.geometry import Detector, ScanGeometry
from MITOReconstructionLib.live import LiveSettings, Plane
from MITOReconstructionLib.live.level import Level, plane_sums
from MITOReconstructionLib.live.once import reconstruct_slice
from MITOReconstructionLib.wfbp.backproject import beam_tables
from MITOReconstructionLib.wfbp.plan import ParallelPlan
from MITOReconstructionLib.wfbp.planes import BeamStore, add_directions

ORIGIN = np.array(GRID.origin)
EXACT = 1e-4
"""What equal to rounding means here: a part of the attenuation."""


def cuts() -> dict[str, tuple[Plane, tuple[object, ...]]]:
    """Planes whose pixels are voxel centres, and the voxels."""
    n, m = GRID.shape[0], GRID.shape[2]
    every, diagonal = np.arange(n), (1, 1, 0)
    return {
        "axial": (Plane(ORIGIN + np.array([0, 0, 15.0]), (1, 0, 0), (0, 1, 0), (n, n), 3.0), (slice(None), slice(None), 5)),
        "sagittal": (Plane(ORIGIN + np.array([60.0, 0, 0]), (0, 1, 0), (0, 0, 1), (n, m), 3.0), (20, slice(None), slice(None))),
        "coronal": (Plane(ORIGIN + np.array([0, 120.0, 0]), (1, 0, 0), (0, 0, 1), (n, m), 3.0), (slice(None), 40, slice(None))),
        "oblique": (Plane(ORIGIN, diagonal, (0, 0, 1), (n, m), (3.0 * 2**0.5, 3.0)), (every, every, slice(None))),
    }


CASES = {
    "helix": {"turns": 3.0},
    "low pitch, wobbling": {"pitch": 55.0, "turns": 4.0, "wobble": 4.0},
    "falling angles": {"turns": 3.0, "direction": -1},
    "cylinder not centred": {"turns": 3.0, "detector_radius": 200.0, "curvature_radius": 800.0},
    "flat": {"turns": 3.0, "curvature_radius": math.inf},
    "circle": {"pitch": 0.0, "turns": 1.0},
}


@pytest.mark.usefixtures("column_kernel")
@pytest.mark.parametrize("name", CASES)
def test_pixels_at_voxel_centres_are_those_of_the_volume(name: str) -> None:
    scan = scan_of(mito_geometry(12, centre=0.0, **CASES[name]))
    expected = reconstruct(scan, grid=GRID).array
    for plane, voxels in cuts().values():
        image = reconstruct_slice(scan, plane).image
        assert image.shape == plane.shape
        assert np.abs(image - expected[voxels]).max() < EXACT * MU


@pytest.mark.parametrize("name", cuts())
def test_the_axes_can_be_exchanged_and_turned(scan: Scan, name: str) -> None:
    plane, _ = cuts()[name]
    n, m = plane.shape
    image = reconstruct_slice(scan, plane).image
    exchanged = Plane(plane.origin, plane.v, plane.u, (m, n), plane.spacing[::-1])
    back = Plane(plane.position(n - 1, 0), -np.array(plane.u), plane.v, plane.shape, plane.spacing)
    assert np.abs(reconstruct_slice(scan, exchanged).image.T - image).max() < EXACT * MU
    assert np.abs(reconstruct_slice(scan, back).image[::-1] - image).max() < EXACT * MU


def oblique(spacing: float = 1.0) -> Plane:
    u = np.array([0.8, 0.5, 0.33])
    v = np.cross(np.cross(u, (-0.4, 0.7, 0.1)), u)
    return Plane.centred((4.0, -6.0, 1.0), u, v, (100, 90), spacing)


def test_an_oblique_plane_is_the_plane_cut_from_the_volume(scan: Scan) -> None:
    """Away from edges, where the volume can be interpolated: RMSE at most 0.3% of the attenuation."""
    plane = oblique()
    fine = reconstruct(scan, grid=GRID.from_bounds((-80, -80, -30), (80, 80, 30), spacing=1.5))
    index = (plane.positions() - fine.grid.origin) / fine.grid.spacing
    cut = ndimage.map_coordinates(fine.array, np.moveaxis(index, -1, 0), order=1)
    within = flat(plane, 6.0) & np.all((index > 1) & (index < np.array(fine.grid.shape) - 2), axis=-1)
    error = (reconstruct_slice(scan, plane).image - cut)[within] / MU
    assert within.sum() > 2000
    assert np.sqrt(np.mean(error**2)) < 0.003


@pytest.mark.parametrize("plane", [axial(), oblique(), Plane.centred((0, 0, 0), (0, 1, 0), (0, 0, 1), (64, 40), 2.0)])
def test_planes_against_the_truth(scan: Scan, plane: Plane) -> None:
    error = (reconstruct_slice(scan, plane).image - attenuation(plane.positions()))[flat(plane, 6.0)] / MU
    assert error.size > 500
    assert np.sqrt(np.mean(error**2)) < 0.006
    assert abs(error.mean()) < 0.002


@pytest.mark.parametrize("shape", [(1, 1), (1, 130), (130, 1), (3, 300), (129, 2)])
def test_planes_of_any_shape(scan: Scan, shape: tuple[int, int]) -> None:
    """Tiles of pixels have no seams: any part of a plane is the same as in the whole."""
    whole = Plane((-60.0, -50.0, 3.0), (1, 0, 0), (0, 1, 0), (130, 300), 0.4)
    image = reconstruct_slice(scan, whole).image
    part = reconstruct_slice(scan, Plane(whole.origin, whole.u, whole.v, shape, whole.spacing)).image
    assert np.abs(part - image[: shape[0], : shape[1]]).max() < EXACT * MU


def test_pixels_wide_apart_and_beyond_the_field_of_view(scan: Scan) -> None:
    """Close to the source and behind it nothing is seen from every direction; near the axis all is as in a fine plane."""
    wide = Plane.centred((0.0, 0.0, 0.0), (1, 0, 0), (0, 1, 0), (41, 41), 40.0)
    image = reconstruct_slice(scan, wide, LiveSettings(fill_value=-1.0)).image
    radius = np.hypot(*np.moveaxis(wide.positions()[..., :2], -1, 0))
    assert np.all(image[radius > scan.geometry.field_of_view_radius + 1] == -1.0)
    inner = Plane(wide.position(16, 16), wide.u, wide.v, (9, 9), 40.0)
    assert np.abs(image[16:25, 16:25] - reconstruct_slice(scan, inner, LiveSettings(fill_value=-1.0)).image).max() < EXACT * MU


def test_pixels_that_are_not_seen_hold_the_fill_value(scan: Scan) -> None:
    low, high = float(scan.geometry.axial_positions.min()), float(scan.geometry.axial_positions.max())
    plane = Plane.centred((0.0, 0.0, 0.5 * (low + high)), (1, 0, 0), (0, 0, 1), (20, 200), 3.0)
    image = reconstruct_slice(scan, plane, LiveSettings(fill_value=7.0)).image
    z = plane.positions()[0, :, 2]
    assert np.all(image[:, (z < low - 40) | (z > high + 40)] == 7.0)
    assert np.all(image[:, np.abs(z) < 30] != 7.0)


def test_only_views_that_see_the_plane_are_read(scan: Scan) -> None:
    counting = CountingScan(scan)
    plane = axial(0.0)
    reconstruct_slice(counting, plane)
    heights = scan.geometry.axial_positions[sorted(set(counting.views_read))]
    radius = float(np.hypot(*np.moveaxis(plane.positions()[..., :2], -1, 0)).max())
    detector = scan.geometry.detector
    reach = 0.5 * 1.3 * detector.height * (scan.geometry.source_radius + radius) / scan.geometry.source_to_detector
    fan = 2 * abs(scan.geometry.pitch) * detector.column_max / (2 * math.pi)
    assert np.abs(heights).max() < 1.15 * reach + 2 * fan
    assert len(set(counting.views_read)) < 0.6 * scan.geometry.views


def test_a_cache_that_is_too_small_for_the_plane_makes_it_in_parts(scan: Scan) -> None:
    plane = Plane.centred((3.0, 0.0, 0.0), (0, 1, 0), (0, 0, 1), (40, 90), 3.0)
    beam = 2 * 195 * 29
    whole = reconstruct_slice(scan, plane, LiveSettings(fill_value=-1.0)).image
    part = reconstruct_slice(scan, plane, LiveSettings(fill_value=-1.0), cache_bytes=6 * 16 * beam).image
    assert np.array_equal(part == -1.0, whole == -1.0)
    assert np.abs(part - whole).max() < EXACT * MU


def test_planes_in_a_batch(scan: Scan) -> None:
    level = Level(scan, LiveSettings(), 1 << 40)
    while level.fill(0, level.plan.beams):
        pass
    planes = [axial(z) for z in (-9.0, 0.0, 9.0)]
    sums = [plane_sums(plane) for plane in planes]
    add_directions(sums, level.cache.store, level.tables, (0, level.plan.beams), 0, level.tables.half_turn)
    for plane, made in zip(planes, sums, strict=True):
        assert np.abs(made.image - reconstruct_slice(scan, plane).image).max() < EXACT * MU


@pytest.mark.usefixtures("column_kernel")
def test_a_range_of_views(scan: Scan) -> None:
    views = slice(40, 800)
    expected = reconstruct(scan, grid=GRID, views=views).array[:, :, 5]
    image = reconstruct_slice(scan, cuts()["axial"][0], LiveSettings(first_view=40, last_view=800)).image
    assert np.abs(image - expected).max() < EXACT * MU


# ---- alignment ---------------------------------------------------------------------------------------------------------


def rmse(image: np.ndarray, expected: np.ndarray) -> float:
    return float(np.sqrt(np.mean((image - expected) ** 2))) / MU


@pytest.mark.parametrize("curvature", [None, math.inf])
def test_an_axis_that_is_seen_beside_the_middle_column(curvature: float | None) -> None:
    true = mito_geometry(8, centre=0.0, turns=3.0, curvature_radius=curvature)
    d = true.detector
    offset = 2.4
    shift = offset if d.is_flat else offset / d.curvature_radius
    nominal = Detector(d.columns, d.rows, d.column_min + shift, d.column_max + shift, d.row_min, d.row_max, d.curvature_radius)
    measured = scan_of(true).projections
    stated = Scan.from_arrays(measured, ScanGeometry(true.angles, true.axial_positions, true.source_radius, true.detector_radius, nominal))
    plane = axial(spacing=2.0)
    expected = reconstruct_slice(Scan.from_arrays(measured, true), plane).image
    assert rmse(reconstruct_slice(stated, plane, LiveSettings(axis_offset=offset)).image, expected) < 1e-5
    assert rmse(reconstruct_slice(stated, plane).image, expected) > 0.05


def test_a_detector_that_is_turned_in_its_surface() -> None:
    """Projections resampled as a turned detector measures them; turning back gives what the upright one measured."""
    scan = scan_of(mito_geometry(10, centre=0.0, turns=2.0))
    tilt = math.radians(1.5)
    d = scan.geometry.detector
    width, height = d.pixel_size
    a, w = np.meshgrid(d.column_centres() * d.curvature_radius, d.row_centres(), indexing="ij")
    true_a, true_w = a * math.cos(tilt) - w * math.sin(tilt), a * math.sin(tilt) + w * math.cos(tilt)
    index = np.array([(true_a - a[0, 0]) / width, (true_w - w[0, 0]) / height])
    turned = np.stack([ndimage.map_coordinates(view, index, order=3, mode="nearest") for view in scan.projections])
    measured = Scan.from_arrays(turned.astype(np.float32), scan.geometry)
    plane = Plane.centred((0, 0, 0), (1, 0, 0), (0, 0, 1), (64, 32), 2.0)
    expected = reconstruct_slice(scan, plane).image
    corrected = rmse(reconstruct_slice(measured, plane, LiveSettings(tilt=1.5)).image, expected)
    assert corrected < 0.01
    assert rmse(reconstruct_slice(measured, plane).image, expected) > 3 * corrected
    assert rmse(reconstruct_slice(measured, plane, LiveSettings(tilt=-1.5)).image, expected) > 3 * corrected


def test_a_detector_of_many_more_pixels_than_float32_can_count() -> None:
    """Two pixels so far apart that a beam has 30 million values between them, each also looked up by itself."""
    side, views = 6000, 8
    detector = Detector(side, side, -300.0, 300.0, -300.0, 300.0, math.inf)
    plan = ParallelPlan(ScanGeometry(np.arange(views) * (2 * math.pi / views), np.zeros(views), 600.0, 600.0, detector))
    tables, rays = beam_tables(plan), len(plan.t)
    values, slots = np.zeros((2, rays, side), np.int16), np.full(plan.beams, -1)
    middle = slice(side // 2 - 3, side // 2 + 3)  # what the middle plane's pixels see
    values[0, :, middle] = np.random.default_rng(5).integers(-9000, 9000, (rays, 6))
    slots[1] = 0
    store = BeamStore(values, np.ones(2, np.float32), slots)

    def seen(plane: Plane) -> np.ndarray:
        sums = plane_sums(plane)
        add_directions([sums], store, tables, (0, plan.beams), 0, plan.half_turn)
        return sums.image

    for shift in range(20):
        plane = Plane.centred((0.17 * shift, 0.0, 0.0), (0, 0, 1), (1, 0, 0), (1, 2), (0.1, 250.0))
        alone = [seen(Plane(plane.position(0, j), plane.u, plane.v, (1, 1), plane.spacing))[0, 0] for j in (0, 1)]
        np.testing.assert_allclose(seen(plane)[0], alone, rtol=0, atol=2.0)  # of some hundreds


def test_memory_does_not_grow_with_the_scan() -> None:
    """Beside the cache, whose size is given."""
    peaks = []
    for turns in (2.0, 8.0):
        geometry = mito_geometry(8, centre=0.0, turns=turns)
        views = np.broadcast_to(np.float32(0.5), (geometry.views, geometry.detector.columns, geometry.detector.rows))
        scan = Scan.from_arrays(views, geometry)
        tracemalloc.start()
        reconstruct_slice(scan, axial(0.0, shape=(32, 32), spacing=2.0), cache_bytes=30 * 16 * 2 * 195 * 29)
        peaks.append(tracemalloc.get_traced_memory()[1])
        tracemalloc.stop()
    assert peaks[1] < 1.15 * peaks[0]
