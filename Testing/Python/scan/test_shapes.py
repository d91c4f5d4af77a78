"""Chords and volumes of single shapes against arithmetic of their own."""

import math

import numpy as np
import pytest

from MITOReconstructionLib.errors import InputError
from MITOReconstructionLib.geometry import Detector, ScanGeometry, VolumeGrid
from MITOReconstructionLib.scan.line_integrals import _project_views, project, sample
from MITOReconstructionLib.scan.shapes import Cone, Cylinder, Ellipsoid, Phantom, pack, rotation_about

STEPS = 50_000

SHAPES = {
    "ball": Ellipsoid((10.0, -20.0, 5.0), (40.0, 40.0, 40.0), 0.02),
    "ellipsoid": Ellipsoid((0.0, 15.0, -5.0), (60.0, 20.0, 8.0), 0.03, rotation_about((1, 2, 3), 0.9)),
    "needle": Ellipsoid((30.0, 0.0, 0.0), (0.8, 60.0, 25.0), -0.01, rotation_about((0, 0, 1), 0.4)),
    "upright cylinder": Cylinder((5.0, 5.0, -15.0), (5.0, 5.0, 20.0), 50.0, 0.02),
    "leaning cylinder": Cylinder((-30.0, 10.0, -20.0), (40.0, -20.0, 25.0), 18.0, 0.02),
    "oblique cylinder": Cylinder((-10.0, 0.0, -30.0), (25.0, 12.0, 30.0), 40.0, 0.02, normal=(0, 0, 1), first=(1, 1, 0), aspect=0.7),
    "cone": Cone((-20.0, 0.0, -25.0), (10.0, 5.0, 28.0), 45.0, 12.0, 0.02),
    "cone with a tip": Cone((0.0, 0.0, 0.0), (70.0, 20.0, 15.0), 0.0, 14.0, 0.02),
    "oblique cone": Cone((-5.0, 8.0, -20.0), (60.0, 30.0, 10.0), 4.0, 15.0, 0.02, normal=(1, 0.3, 0), first=(0, 0, 1), aspect=0.8),
    "blunt cone": Cone((0.0, 0.0, 4.0), (0.0, 0.0, -2.0), 5.0, 70.0, 0.02),
}


def indicator(shape, points):
    """Which points are inside, from the shape's own parameters and not from its affine map."""
    if isinstance(shape, Ellipsoid):
        own = (points - np.array(shape.centre)) @ np.array(shape.rotation)
        return ((own / np.array(shape.semi_axes)) ** 2).sum(axis=-1) <= 1
    start, axis, normal, first = (np.array(v) for v in (shape.start, np.subtract(shape.end, shape.start), shape.normal, shape.first))
    r0, r1 = (shape.radius, shape.radius) if isinstance(shape, Cylinder) else (shape.start_radius, shape.end_radius)
    share = (points - start) @ normal / (axis @ normal)
    offset = points - (start + share[..., None] * axis)
    section = np.hypot(offset @ first, offset @ np.cross(normal, first) / shape.aspect)
    return (share >= 0) & (share <= 1) & (section <= r0 + share * (r1 - r0))


def geometry(detector_radius=0.0, curvature=300.0, views=5, columns=9, rows=7):
    wide = 0.35 if math.isfinite(curvature) else 0.35 * (300.0 + detector_radius)
    detector = Detector(columns, rows, -wide, wide, -30.0, 30.0, curvature)
    angles = np.linspace(0.3, 5.9, views)
    return ScanGeometry(angles, np.linspace(-25.0, 25.0, views), 300.0, detector_radius, detector)


def numeric(shape, scan, view, length=900.0):
    source, directions = scan.rays(view)
    s = (np.arange(STEPS) + 0.5) * (length / STEPS)
    result = np.zeros(directions.shape[:2])
    for index in np.ndindex(*result.shape):
        result[index] = np.count_nonzero(indicator(shape, source + s[:, None] * directions[index])) * (length / STEPS)
    return shape.attenuation * result


@pytest.mark.parametrize("name", SHAPES)
def test_line_integrals_agree_with_counting_points_along_the_ray(name):
    shape, scan = SHAPES[name], geometry(columns=5, rows=5, views=3)
    computed = project(Phantom(name, (shape,)), scan)
    for view in range(scan.views):
        expected = numeric(shape, scan, view)
        assert computed[view] == pytest.approx(expected, abs=0.05 * abs(shape.attenuation))
    assert computed.any()


@pytest.mark.parametrize(("detector_radius", "curvature"), [(0.0, math.inf), (200.0, 500.0), (150.0, 700.0)])
def test_line_integrals_follow_the_detector(detector_radius, curvature):
    scan = geometry(detector_radius, curvature, views=2, columns=5, rows=4)
    shape = SHAPES["leaning cylinder"]
    computed = project(Phantom("", (shape,)), scan)
    assert computed[1] == pytest.approx(numeric(shape, scan, 1), abs=0.05 * 0.02)
    assert computed[1].any()


def axial_scan(z=0.0, rows=1, views=1, half_height=0.5):
    """One column whose middle ray meets the axis at a right angle."""
    detector = Detector(1, rows, -1e-3, 1e-3, -half_height, half_height, 300.0)
    return ScanGeometry(np.arange(views) * 0.7, np.full(views, z), 300.0, 0.0, detector)


@pytest.mark.parametrize(
    ("shape", "length"),
    [
        (Ellipsoid((0, 0, 0), (10, 25, 40), 1.0), 50.0),
        (Cylinder((0, 0, -5), (0, 0, 5), 12.0, 1.0), 24.0),
        (Cylinder((0, -30, 0), (0, 30, 0), 12.0, 1.0), 60.0),
        (Cone((0, 30, 0), (0, -30, 0), 0.0, 12.0, 1.0), 60.0),
        (Cone((0, 0, -10), (0, 0, 10), 10.0, 20.0, 1.0), 30.0),
    ],
)
def test_rays_along_the_axes_of_a_shape(shape, length):
    assert project(Phantom("", (shape,)), axial_scan())[0, 0, 0] == pytest.approx(length, rel=1e-6)


def test_a_ray_in_an_end_face_is_finite_and_a_hair_beyond_it_nothing():
    shape = Cylinder((0, 0, -5), (0, 0, 5), 12.0, 1.0)
    assert 0.0 <= project(Phantom("", (shape,)), axial_scan(z=5.0))[0, 0, 0] <= 24.0
    assert project(Phantom("", (shape,)), axial_scan(z=5.0001))[0, 0, 0] == 0.0
    assert project(Phantom("", (shape,)), axial_scan(z=4.9999))[0, 0, 0] == pytest.approx(24.0)


@pytest.mark.parametrize("gap", [1e-4, -1e-4])
def test_tangent_rays(gap):
    ball = Ellipsoid((0, 0, 20.0 + gap), (20, 20, 20), 1.0)
    expected = 2 * math.sqrt(2 * 20 * -gap) if gap < 0 else 0.0
    assert project(Phantom("", (ball,)), axial_scan())[0, 0, 0] == pytest.approx(expected, rel=1e-3, abs=1e-9)


def test_only_what_is_in_front_of_the_source_counts():
    behind = Ellipsoid((0, -400, 0), (20, 20, 20), 1.0)
    around = Ellipsoid((0, -300, 0), (50, 50, 50), 1.0)
    pipe = Cylinder((0, -350, 0), (0, -270, 0), 10.0, 1.0)
    lengths = [project(Phantom("", (shape,)), axial_scan())[0, 0, 0] for shape in (behind, around, pipe)]
    assert lengths == pytest.approx([0.0, 50.0, 30.0])


def test_a_turned_scan_sees_the_turned_shape_the_same():
    shape = SHAPES["oblique cone"]
    turn = np.array(rotation_about((0, 0, 1), 1.1))
    moved = {name: tuple(turn @ np.array(getattr(shape, name))) for name in ("start", "end", "normal", "first")}
    turned = Cone(**moved, start_radius=4.0, end_radius=15.0, attenuation=0.02, aspect=0.8)
    scan = geometry()
    later = ScanGeometry(scan.angles + 1.1, scan.axial_positions, 300.0, 0.0, scan.detector)
    assert project(Phantom("", (turned,)), later) == pytest.approx(project(Phantom("", (shape,)), scan), abs=1e-7)


def test_shapes_add_up_and_the_selection_of_views_is_kept():
    scan, shapes = geometry(), tuple(SHAPES.values())
    together = project(Phantom("", shapes), scan)
    apart = sum(project(Phantom("", (shape,)), scan).astype(np.float64) for shape in shapes)
    assert together == pytest.approx(apart, abs=1e-6)
    out = np.empty((2, 9, 7), dtype=np.float32)
    assert project(Phantom("", shapes), scan, [3, 1], out=out) is out
    assert np.array_equal(out, together[[3, 1]])


def test_leaving_shapes_out_early_changes_nothing():
    random = np.random.default_rng(5)
    shapes = []
    for _ in range(60):
        start = random.uniform(-60, 60, 3)
        end = start + random.uniform(-40, 40, 3)
        shapes.append(Cone(start, end, random.uniform(0, 9), random.uniform(1, 9), 0.01))
        shapes.append(Ellipsoid(start, random.uniform(1, 30, 3), 0.01, rotation_about(random.normal(size=3), 1.0)))
    scan = geometry(columns=40, rows=23)
    expected = np.empty((scan.views, 40, 23), dtype=np.float32)
    packed = pack(shapes)
    packed[:, 18], packed[:, 19], packed[:, 20] = 1e5, -1e6, 1e6
    d = scan.detector
    across, along = d.surface(d.column_centres(), 300.0)
    distance = np.hypot(across, along)
    fan = np.stack([across / distance, along / distance, distance], axis=-1)
    gantry = np.stack([np.sin(scan.angles), np.cos(scan.angles), scan.axial_positions], axis=-1)
    _project_views(packed, gantry, 300.0, fan, d.row_min + d.row_pitch / 2, d.row_pitch, 1, 1, expected)
    assert project(Phantom("", shapes), scan) == pytest.approx(expected, abs=1e-6)


def test_subrays_are_the_mean_of_a_finer_detector():
    scan = geometry()
    d = scan.detector
    fine = Detector(d.columns * 3, d.rows * 2, d.column_min, d.column_max, d.row_min, d.row_max, d.curvature_radius)
    phantom = Phantom("", tuple(SHAPES.values()))
    finer = project(phantom, ScanGeometry(scan.angles, scan.axial_positions, 300.0, 0.0, fine))
    mean = finer.reshape(scan.views, d.columns, 3, d.rows, 2).mean(axis=(2, 4), dtype=np.float64)
    assert project(phantom, scan, subrays=(3, 2)) == pytest.approx(mean, abs=1e-6)


VOLUMES = {
    "ball": 4 / 3 * math.pi * 40**3,
    "ellipsoid": 4 / 3 * math.pi * 60 * 20 * 8,
    "leaning cylinder": math.pi * 18**2 * math.sqrt(70**2 + 30**2 + 45**2),
    "oblique cylinder": math.pi * 40**2 * 0.7 * 60,
    "cone": math.pi / 3 * (45**2 + 45 * 12 + 12**2) * math.sqrt(30**2 + 5**2 + 53**2),
    "cone with a tip": math.pi / 3 * 14**2 * math.sqrt(70**2 + 20**2 + 15**2),
    "blunt cone": math.pi / 3 * (5**2 + 5 * 70 + 70**2) * 6,
}


@pytest.mark.parametrize("name", VOLUMES)
def test_sampled_volumes_add_up_to_the_shapes_volume(name):
    phantom = Phantom(name, (SHAPES[name],))
    low, high = np.array(phantom.box)
    grid = VolumeGrid.from_bounds(low - 3, high + 3, spacing=(1.5, 1.7, 2.3))
    total = sample(phantom, grid).sum(dtype=np.float64) * math.prod(grid.spacing)
    assert total == pytest.approx(SHAPES[name].attenuation * VOLUMES[name], rel=3e-3)


@pytest.mark.parametrize("name", SHAPES)
def test_sampled_voxels_agree_with_counting_points_in_them(name):
    shape = SHAPES[name]
    grid = VolumeGrid((-50, -40, -26), (50, 40, 26), (20, 16, 13))
    parts = (np.arange(9) + 0.5) / 9 - 0.5
    axes = [(grid.centres(k)[:, None] + parts * grid.spacing[k]).ravel() for k in range(3)]
    inside = indicator(shape, np.stack(np.meshgrid(*axes, indexing="ij"), axis=-1))
    expected = shape.attenuation * inside.reshape(20, 9, 16, 9, 13, 9).mean(axis=(1, 3, 5))
    difference = np.abs(sample(Phantom("", (shape,)), grid, 9) - expected) / abs(shape.attenuation)
    assert difference.max() < 0.12
    assert difference.mean() < 0.008
    assert inside.any()


def test_a_part_of_a_grid_is_sampled_as_in_the_whole():
    phantom = Phantom("", tuple(SHAPES.values()))
    grid = VolumeGrid((-60, -60, -40), (60, 60, 40), (40, 30, 20))
    whole, part = sample(phantom, grid, 2), sample(phantom, grid.region((7, 3, 5), (20, 29, 6)), 2)
    assert part == pytest.approx(whole[7:20, 3:29, 5:6], abs=1e-8)


def test_bounds_hold_the_shapes_closely():
    for name, shape in SHAPES.items():
        low, high = (np.array(v) for v in Phantom(name, (shape,)).box)
        random = np.random.default_rng(1)
        points = random.uniform(low - 5, high + 5, (400_000, 3))
        inside = points[indicator(shape, points)]
        assert np.all(inside >= low), name
        assert np.all(inside <= high), name
        assert np.all(inside.min(axis=0) - low < 0.12 * (high - low)), name


@pytest.mark.parametrize(
    ("make", "text"),
    [
        (lambda: Ellipsoid((0, 0, 0), (1, 0, 1), 1.0), "semi_axes: expected more than 0; found 0"),
        (lambda: Ellipsoid((0, 0), (1, 1, 1), 1.0), "ellipsoid centre: expected three finite numbers"),
        (lambda: Ellipsoid((0, 0, 0), (1, 1, 1), math.nan), "attenuation: expected a finite number"),
        (lambda: Ellipsoid((0, 0, 0), (1, 1, 1), 1.0, ((1, 0, 0), (0, 2, 0), (0, 0, 1))), "rotation_about"),
        (lambda: Cone((0, 0, 0), (0, 0, 0), 1, 1, 1.0), "cone length: expected more than 0"),
        (lambda: Cone((0, 0, 0), (0, 0, 1), 0, 0, 1.0), "cone radius: expected more than 0"),
        (lambda: Cone((0, 0, 0), (0, 0, 1), -1, 1, 1.0), "found -1 and 1"),
        (lambda: Cone((0, 0, 0), (0, 0, 1), 1, 1, 1.0, normal=(1, 0, 0)), "Turn the normal towards the axis"),
        (lambda: Cylinder((0, 0, 0), (0, 0, 1), 1, 1.0, first=(0, 0, 2)), "across the normal"),
        (lambda: Phantom("", ()), "at least one shape"),
        (lambda: rotation_about((0, 0, 0), 1.0), "rotation axis"),
        (lambda: project(Phantom("", (SHAPES["ball"],)), geometry(), subrays=(0, 1)), "rays per pixel: expected whole numbers"),
        (lambda: project(Phantom("", (SHAPES["ball"],)), geometry(), out=np.empty((1, 2, 3), np.float32)), "float32 of shape"),
    ],
)
def test_bad_input_is_named(make, text):
    with pytest.raises(InputError, match=text):
        make()
