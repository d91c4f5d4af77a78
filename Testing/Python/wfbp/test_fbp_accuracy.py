"""FBP on exact projections: the figures that the project promises, on phantoms whose truth is known."""

from __future__ import annotations

import math

import numpy as np
import pytest

from MITOReconstructionLib import Scan, VolumeGrid, mito_geometry, reconstruct
from MITOReconstructionLib.geometry import Detector, ScanGeometry
from MITOReconstructionLib.scan.line_integrals import project, sample
from MITOReconstructionLib.scan.phantoms import defrise, shepp_logan
from MITOReconstructionLib.scan.shapes import Cylinder, Ellipsoid, Phantom, rotation_about

MU = 0.02


def ellipsoids() -> Phantom:
    """A large ellipsoid with inserts, at z = 0."""
    rng = np.random.default_rng(3)
    shapes: list[Ellipsoid] = [Ellipsoid((5.0, -8.0, 0.0), (100.0, 90.0, 170.0), MU)]
    for _ in range(6):
        centre = tuple(rng.uniform(-45, 45, 3))
        turn = rotation_about((0.0, 0.0, 1.0), rng.uniform(0, 3))
        shapes.append(Ellipsoid(centre, tuple(rng.uniform(12, 25, 3)), rng.choice([-0.004, 0.003]), turn))
    return Phantom("ellipsoids", tuple(shapes))


CASES = {
    "1.54 detector heights a turn": ({"pitch": 106.56, "turns": 3.5}, 0.8),
    "0.8 detector heights a turn": ({"pitch": 55.0, "turns": 5.0}, 0.8),
    "wobbling": ({"pitch": 106.56, "turns": 3.5, "wobble": 4.0}, 0.8),
    "jumping from view to view": ({"pitch": 106.56, "turns": 3.5, "jumps": 4.0}, 0.8),
    "falling angles": ({"pitch": 106.56, "turns": 3.5, "direction": -1}, 0.8),
    "cylinder not centred": ({"pitch": 106.56, "turns": 3.5, "detector_radius": 200.0, "curvature_radius": 800.0}, 1.5),
    "flat": ({"pitch": 106.56, "turns": 3.5, "curvature_radius": math.inf}, 1.5),
    "circle": ({"pitch": 0.0, "turns": 1.0}, 1.5),
}


@pytest.fixture(scope="module")
def truth() -> tuple[VolumeGrid, np.ndarray, np.ndarray]:
    grid = VolumeGrid.from_bounds((-111, -111, -24), (111, 111, 24), spacing=3.0)
    phantom = ellipsoids()
    x, y, z = np.meshgrid(*(grid.centres(axis) for axis in range(3)), indexing="ij")
    inside = ((x - 5) / 97) ** 2 + ((y + 8) / 87) ** 2 + (z / 170) ** 2 < 1  # a voxel in from the surface; the inserts' edges count
    return grid, sample(phantom, grid, 4), inside


@pytest.mark.parametrize("name", CASES)
def test_error_inside_the_object(name: str, truth: tuple[VolumeGrid, np.ndarray, np.ndarray]) -> None:
    """RMSE within what is promised, in % of the attenuation, and bias within 0.1%."""
    options, limit = CASES[name]
    grid, expected, inside = truth
    jumps = options.get("jumps", 0.0)
    smooth = mito_geometry(6, centre=0.0, **{key: value for key, value in options.items() if key != "jumps"})
    axial = smooth.axial_positions + np.random.default_rng(1).uniform(-jumps, jumps, smooth.views)
    geometry = ScanGeometry(smooth.angles, axial, smooth.source_radius, smooth.detector_radius, smooth.detector)
    scan = Scan.from_arrays(project(ellipsoids(), geometry), geometry)
    volume = reconstruct(scan, grid=grid)
    error = 100 * (volume.array - expected)[inside] / MU
    assert np.sqrt(np.mean(error**2)) < limit
    assert abs(error.mean()) < 0.1


def medical(pitch: float) -> ScanGeometry:
    """A medical scanner: source 595 mm, detector 1085.6 mm from it, 256 x 64 pixels over 32 degrees."""
    height = 64 * 1.0947
    turns = 1.7 + 1.2 / pitch
    angles = np.arange(round(turns * 360)) * 2 * math.pi / 360
    axial = pitch * height * 595.0 / 1085.6 * (angles / (2 * math.pi) - turns / 2)
    half = math.radians(16)
    return ScanGeometry(angles, axial, 595.0, 490.6, Detector(256, 64, -half, half, -height / 2, height / 2, 1085.6))


def flat_error(phantom: Phantom, pitch: float) -> tuple[float, float]:
    """RMSE and 99th percentile of the error in HU where nothing changes within two voxels, inside the object."""
    grid = VolumeGrid((-128, -128, -19.2), (128, 128, 19.2), (128, 128, 32))
    expected = sample(phantom, grid, 3)
    windows = np.lib.stride_tricks.sliding_window_view(expected, (5, 5, 5))
    flat = np.ptp(windows.reshape(*windows.shape[:3], -1), axis=-1) < 2e-6
    core = (slice(2, -2),) * 3
    geometry = medical(pitch)
    volume = reconstruct(Scan.from_arrays(project(phantom, geometry, subrays=(2, 2)), geometry), grid=grid)
    error = 1000 * (volume.array - expected)[core][flat & (expected[core] > MU / 4)] / MU
    assert len(error) > 2000
    return float(np.sqrt(np.mean(error**2))), float(np.quantile(np.abs(error), 0.99))


@pytest.mark.parametrize("pitch", [1.0, 1.5])
def test_shepp_logan_in_flat_regions(pitch: float) -> None:
    """At most what XCIST's three-dimensionally weighted FBP reaches: 0.26 HU."""
    assert flat_error(shepp_logan(100.0, centre=(0.0, 0.0, 0.0), contrast="kak-slaney"), pitch)[0] < 0.26


def test_defrise_disks_in_flat_regions() -> None:
    """At most what XCIST reaches: RMSE 0.42 HU, 99th percentile 1.7 HU."""
    rmse, high = flat_error(defrise(80.0, centre=(0.0, 0.0, 0.0), thickness=6.0, spacing=15.0), 1.0)
    assert rmse < 0.42
    assert high < 1.7


def test_uniform_cylinder_reads_its_attenuation() -> None:
    geometry = mito_geometry(6, centre=0.0, turns=3.0)
    phantom = Phantom("cylinder", (Cylinder((10.0, 5.0, -400.0), (10.0, 5.0, 400.0), 80.0, MU),))
    grid = VolumeGrid.from_bounds((-30, -30, -10), (50, 40, 10), spacing=2.0)
    volume = reconstruct(Scan.from_arrays(project(phantom, geometry), geometry), grid=grid)
    assert volume.array.mean() == pytest.approx(MU, rel=1e-3)
    assert np.abs(volume.array / MU - 1).max() < 0.01


def test_far_from_the_axis_at_high_pitch_there_are_no_holes() -> None:
    """At 1.54 heights a turn the beams leave gaps beyond 168 mm from the axis; the outermost rows close them."""
    geometry = mito_geometry(6, centre=0.0, turns=3.5)
    knots = tuple(
        Ellipsoid((185 * math.cos(a), 185 * math.sin(a), 9 * a - 27), (12.0, 12.0, 16.0), -0.006) for a in np.arange(0.0, 6.2, 0.6)
    )
    phantom = Phantom("wide", (Ellipsoid((0.0, 0.0, 0.0), (208.0, 208.0, 700.0), MU), *knots))
    grid = VolumeGrid.from_bounds((-222, -222, -54), (222, 222, 54), spacing=4.0)
    volume = reconstruct(Scan.from_arrays(project(phantom, geometry), geometry), grid=grid)
    x, y, _ = np.meshgrid(*(grid.centres(axis) for axis in range(3)), indexing="ij")
    radius = np.hypot(x, y)
    assert volume.provenance["report"]["row_extension"] == pytest.approx(0.12, abs=0.02)
    assert np.all(volume.array[radius < 222] != 0)  # unseen voxels would hold exactly 0
    assert 0 < volume.provenance["report"]["unseen_voxels"] <= np.count_nonzero(radius >= 222)
    error = 100 * (volume.array - sample(phantom, grid, 3)) / MU
    outer = (radius > 170) & (radius < 204)
    assert np.sqrt(np.mean(error[outer] ** 2)) < 1.6
    assert abs(error[outer].mean()) < 0.2


def test_axial_positions_that_wobble_leave_no_holes() -> None:
    """A wobble makes the local pitch higher than the mean one: the gaps are wider, and closed as well."""
    steady = mito_geometry(6, centre=0.0, turns=3.5)
    wobble = 4.0 * np.sin(steady.angles)
    geometry = ScanGeometry(steady.angles, steady.axial_positions + wobble, steady.source_radius, steady.detector_radius, steady.detector)
    phantom = Phantom("wide", (Ellipsoid((0.0, 0.0, 0.0), (195.0, 195.0, 400.0), MU),))
    grid = VolumeGrid.from_bounds((-200, -200, -40), (200, 200, 40), spacing=5.0)
    volume = reconstruct(Scan.from_arrays(project(phantom, geometry), geometry), grid=grid)
    x, y, _ = np.meshgrid(*(grid.centres(axis) for axis in range(3)), indexing="ij")
    assert volume.provenance["report"]["row_extension"] == pytest.approx(0.25, abs=0.02)
    error = 100 * (volume.array / MU - 1)[np.hypot(x, y) < 185]
    assert np.sqrt(np.mean(error**2)) < 0.5
    assert np.abs(error).max() < 5
