"""Simulated sample folders hold what the format says, and nothing half-written stays."""

import json
import math

import numpy as np
import pytest

from MITOReconstructionLib.errors import Cancelled, InputError
from MITOReconstructionLib.geometry import VolumeGrid
from MITOReconstructionLib.monitor import Monitor
from MITOReconstructionLib.scan.dataset import open_scan
from MITOReconstructionLib.scan.line_integrals import project
from MITOReconstructionLib.scan.phantoms import cylinder, shepp_logan
from MITOReconstructionLib.scan.simulation import axial_wobble, default_grid, mito_geometry, poisson_noise, simulate

PHANTOM = shepp_logan(60.0)


def small(**changes):
    return mito_geometry(**{"scale": 40, "turns": 1.5, "views_per_turn": 12, **changes})


def test_the_scanner_at_full_and_at_one_sixth_resolution():
    real, sixth = mito_geometry(), mito_geometry(6)
    assert (real.detector.columns, real.detector.rows) == (1560, 230)
    assert real.detector.pixel_size == pytest.approx((0.3, 0.3), rel=1e-4)
    assert (real.views, real.views_per_turn) == (11988, pytest.approx(2664))
    assert (real.source_radius, real.detector_radius, real.detector.curvature_radius) == (503.0, 0.0, 503.0)
    assert real.fan_angles == pytest.approx((-0.46521, 0.46521))
    assert (sixth.detector.columns, sixth.detector.rows, sixth.views) == (260, 38, 1998)
    assert sixth.detector.pixel_size == pytest.approx((1.8, 1.8), rel=1e-4)
    for scan in (real, sixth):
        assert scan.pitch == pytest.approx(106.56)
        grid = default_grid(cylinder(), scan)
        assert (grid.minimum[2], grid.maximum[2]) == pytest.approx((92.44, 461.81), abs=2.5)
    assert default_grid(cylinder(), real).spacing == pytest.approx((0.5, 0.5, 0.5))


def test_a_circle_and_falling_angles_and_a_start():
    circle = small(pitch=0.0, turns=1.0)
    assert circle.is_circular
    assert circle.views == 12
    falling = small(direction=-1, start_angle=0.5)
    assert falling.angles[0] == 0.5
    assert np.all(np.diff(falling.angles) < 0)
    assert falling.pitch == pytest.approx(106.56)


@pytest.mark.parametrize(
    ("detector_radius", "curvature"), [(0.0, math.inf), (500.0, math.inf), (490.6, 993.6), (490.6, 700.0), (490.6, None)]
)
def test_other_detectors_keep_the_beam(detector_radius, curvature):
    scan = small(detector_radius=detector_radius, curvature_radius=curvature, source_radius=503.0)
    assert scan.fan_angles == pytest.approx((-0.46521, 0.46521))
    assert scan.detector.height * 503.0 / scan.source_to_detector == pytest.approx(small().detector.height)


def test_the_folder_holds_what_the_format_says(tmp_path):
    scan = small()
    folder = simulate(tmp_path / "sample", PHANTOM, scan, block=5)
    assert sorted(p.name for p in folder.iterdir()) == [
        "angles.npy", "axial_positions.npy", "metadata.json", "shifts.npy", "sinogram.npy",
    ]  # fmt: skip
    sinogram, angles, axial, shifts = (np.load(folder / f"{n}.npy") for n in ("sinogram", "angles", "axial_positions", "shifts"))
    assert (sinogram.dtype, sinogram.shape) == (np.float32, (18, 39, 6))
    assert sinogram.flags.c_contiguous
    assert np.array_equal(sinogram, project(PHANTOM, scan))
    assert (angles.dtype, axial.dtype, shifts.dtype) == (np.float64,) * 3
    assert angles.min() >= 0.0
    assert angles.max() < 2 * math.pi
    assert np.unwrap(angles) == pytest.approx(scan.angles)
    assert np.array_equal(axial, scan.axial_positions)
    assert np.array_equal(shifts, np.zeros((18, 3)))
    metadata = json.loads((folder / "metadata.json").read_text())
    grid = default_grid(PHANTOM, scan)
    expected = {
        "GEOMETRY_ENGINE": "ODL",
        "GEOMETRY_NAME": "ConeBeamGeometry",
        "DET_NPX_X": 39,
        "DET_NPX_Z": 6,
        "DET_PIX_SIZE": pytest.approx(12.0, rel=1e-4),
        "DET_X_MIN": pytest.approx(-0.46521),
        "DET_X_MAX": pytest.approx(0.46521),
        "DET_Z_MIN": pytest.approx(-36.0),
        "DET_Z_MAX": pytest.approx(36.0),
        "SRC_RADIUS": 503.0,
        "DET_RADIUS": 0.0,
        "DET_CURVATURE_RADIUS": 503.0,
        "ROTATION_AXIS": [0, 0, 1],
        "REC_PIC_SIZE": pytest.approx(20.0),
        "SINOGRAM_MIN": float(sinogram.min()),
        "SINOGRAM_MAX": float(sinogram.max()),
    }
    for k, axis in enumerate("XYZ"):
        expected |= {f"REC_NPX_{axis}": grid.shape[k], f"REC_MIN_{axis}": grid.minimum[k], f"REC_MAX_{axis}": grid.maximum[k]}
    assert metadata == expected


@pytest.mark.parametrize(
    "changes",
    [{}, {"direction": -1}, {"pitch": 0.0}, {"curvature_radius": math.inf, "detector_radius": 400.0}, {"start_angle": -1e-20}],
)
def test_what_was_simulated_is_what_is_opened(tmp_path, changes):
    scan = small(**changes)
    opened = open_scan(simulate(tmp_path / "s", PHANTOM, scan))
    again = opened.geometry
    assert again.detector == scan.detector
    assert (again.source_radius, again.detector_radius) == (scan.source_radius, scan.detector_radius)
    assert again.axial_positions == pytest.approx(scan.axial_positions)
    assert again.angles - again.angles[0] == pytest.approx(scan.angles - scan.angles[0])
    assert opened.default_grid == default_grid(PHANTOM, scan)


def test_shifts_and_axial_positions_add_up_to_the_geometry(tmp_path):
    scan = small(wobble=2.0, seed=7)
    shifts = axial_wobble(scan.views, 2.0, seed=7)
    assert 0.5 < np.abs(shifts[:, 2]).max() <= 2.0
    assert not shifts[:, :2].any()
    folder = simulate(tmp_path / "s", PHANTOM, scan, shifts=shifts)
    assert np.load(folder / "axial_positions.npy") == pytest.approx(small().axial_positions)
    assert open_scan(folder).geometry.axial_positions == pytest.approx(scan.axial_positions)
    assert np.array_equal(np.load(folder / "sinogram.npy"), project(PHANTOM, scan))


def test_a_grid_of_ones_own_and_subrays(tmp_path):
    grid = VolumeGrid((-10, -10, 250), (10, 10, 300), (4, 4, 10))
    folder = simulate(tmp_path / "s", PHANTOM, small(), grid=grid, subrays=(2, 3))
    assert open_scan(folder).default_grid == grid
    assert np.array_equal(np.load(folder / "sinogram.npy"), project(PHANTOM, small(), subrays=(2, 3)))


def test_noise_has_the_mean_and_variance_of_counting():
    integrals = np.full((40, 80, 80), 1.0, dtype=np.float32)
    poisson_noise(integrals, 1e4, seed=1)
    count, n = 1e4 * math.exp(-1.0), integrals.size
    assert integrals.mean(dtype=np.float64) == pytest.approx(1.0 + 1 / (2 * count), abs=5 / math.sqrt(count * n))
    assert integrals.var(dtype=np.float64) == pytest.approx(1 / count, rel=5 * math.sqrt(2 / n) + 2 / count)
    assert abs(np.corrcoef(integrals[0].ravel(), integrals[1].ravel())[0, 1]) < 0.06


def test_no_photon_counts_as_one():
    integrals = np.full((1, 4, 4), 50.0, dtype=np.float32)
    poisson_noise(integrals, 10.0, seed=0)
    assert integrals == pytest.approx(np.full((1, 4, 4), math.log(10.0)))


def test_noise_depends_on_the_seed_and_not_on_the_block(tmp_path):
    runs = {"a": (4, 3), "b": (4, 18), "c": (4, None), "d": (5, 3)}
    for name, (seed, block) in runs.items():
        simulate(tmp_path / name, PHANTOM, small(), noise_photons=1e4, seed=seed, block=block)
    a, b, c, d = ((tmp_path / name / "sinogram.npy").read_bytes() for name in runs)
    assert a == b == c
    assert a != d
    assert not np.array_equal(np.load(tmp_path / "a" / "sinogram.npy"), project(PHANTOM, small()))


def test_progress_rises_to_one(tmp_path):
    seen = []
    simulate(tmp_path / "s", PHANTOM, small(), block=4, monitor=Monitor(lambda p: seen.append((p.step, p.fraction))))
    assert {step for step, _ in seen} == {"simulate"}
    assert [f for _, f in seen] == pytest.approx([0, 4 / 18, 8 / 18, 12 / 18, 16 / 18, 1])


def test_a_cancelled_run_leaves_nothing(tmp_path):
    monitor = Monitor(lambda p: monitor.cancel() if p.fraction > 0.4 else None)
    with pytest.raises(Cancelled):
        simulate(tmp_path / "s", PHANTOM, small(), block=4, monitor=monitor, name="never")
    assert list(tmp_path.iterdir()) == []


def test_an_existing_sample_is_kept_unless_told(tmp_path):
    folder = simulate(tmp_path / "s", PHANTOM, small())
    before = (folder / "sinogram.npy").read_bytes()
    with pytest.raises(InputError, match="a new or an empty folder"):
        simulate(folder, cylinder(20.0), small())
    assert (folder / "sinogram.npy").read_bytes() == before
    simulate(folder, cylinder(20.0), small(), overwrite=True)
    assert (folder / "sinogram.npy").read_bytes() != before


def test_names_are_entered_in_samples_json(tmp_path):
    for folder, name in (("a", "First"), ("b", "Björk"), ("a", "Again")):
        simulate(tmp_path / folder, PHANTOM, small(), name=name, overwrite=True)
    entries = json.loads((tmp_path / "samples.json").read_text(encoding="utf-8"))
    assert entries == [{"folder": "a", "name": "Again"}, {"folder": "b", "name": "Björk"}]


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"noise_photons": 0.0}, "noise_photons: expected a number above 0; found 0"),
        ({"shifts": np.zeros((3, 3))}, r"shifts: expected finite numbers of shape \(18, 3\); found shape \(3, 3\)"),
        ({"block": 0}, "block: expected a number above 0"),
        ({"subrays": (1, 0)}, "rays per pixel"),
        ({"seed": -1}, "seed: expected a whole number of at least 0"),
        ({"phantom": cylinder(10.0, 20.0, centre=(0.0, 0.0, 900.0))}, "Move the phantom or the scan"),
    ],
)
def test_bad_input_is_named_and_leaves_nothing(tmp_path, changes, text):
    with pytest.raises(InputError, match=text):
        simulate(tmp_path / "s", **{"phantom": PHANTOM, "geometry": small(), **changes})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("changes", [{"scale": 0}, {"turns": -1.0}, {"views_per_turn": 0}, {"direction": 2}])
def test_a_bad_geometry_is_named(changes):
    with pytest.raises(InputError, match=next(iter(changes))):
        small(**changes)
