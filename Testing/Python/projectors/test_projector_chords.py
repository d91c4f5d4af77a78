"""The CPU projector against exact chords through a box and a ball."""

from __future__ import annotations

from collections.abc import Callable

import numpy as np
import pytest
from projector_cases import subray_mean

from MITOReconstructionLib.geometry import Detector, ScanGeometry, VolumeGrid
from MITOReconstructionLib.projectors.cpu import forward


def box_chords(low: np.ndarray, high: np.ndarray) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    def chords(source: np.ndarray, direction: np.ndarray) -> np.ndarray:
        with np.errstate(divide="ignore"):
            one, two = (low - source) / direction, (high - source) / direction
        enter, leave = np.minimum(one, two).max(axis=-1), np.maximum(one, two).min(axis=-1)
        return np.maximum(0.0, leave - np.maximum(enter, 0.0))

    return chords


def ball_chords(centre: np.ndarray, radius: float) -> Callable[[np.ndarray, np.ndarray], np.ndarray]:
    def chords(source: np.ndarray, direction: np.ndarray) -> np.ndarray:
        away = source - centre
        along = direction @ away
        return 2.0 * np.sqrt(np.maximum(0.0, along**2 - away @ away + radius**2))

    return chords


def ball(grid: VolumeGrid, centre: np.ndarray, radius: float, fine: int = 4) -> np.ndarray:
    """Covered part of every voxel."""
    axes = []
    for axis in range(3):
        n = grid.shape[axis] * fine
        axes.append(grid.minimum[axis] + (np.arange(n) + 0.5) * grid.spacing[axis] / fine - centre[axis])
    inside = axes[0][:, None, None] ** 2 + axes[1][:, None] ** 2 + axes[2] ** 2 <= radius**2
    nx, ny, nz = grid.shape
    return inside.reshape(nx, fine, ny, fine, nz, fine).mean(axis=(1, 3, 5))


@pytest.mark.parametrize("shape", [(27, 22, 15), (27, 22, 60), (9, 30, 5)])
def test_a_box_of_voxels_has_the_chords_of_the_box(geometry: ScanGeometry, shape: tuple[int, int, int]) -> None:
    grid = VolumeGrid((-24, -18, -10), (30, 26, 20), shape)
    for view in {0, geometry.views // 2, geometry.views - 1}:
        truth = subray_mean(geometry, view, box_chords(np.array(grid.minimum), np.array(grid.maximum)), 20)
        made = forward(np.ones(shape), grid, geometry, views=view)[0]
        assert np.abs(made - truth).max() <= 0.01 * max(truth.max(), 1.0)
        assert np.linalg.norm(made - truth) <= 3e-3 * max(np.linalg.norm(truth), 1.0)


def test_a_ball_has_the_chords_of_the_ball(geometry: ScanGeometry) -> None:
    centre, radius = np.array([7.0, -11.0, 2.5]), 21.0
    grid = VolumeGrid((-18, -36, -22), (32, 14, 27), (50, 50, 49))
    volume = ball(grid, centre, radius)
    for view in {0, geometry.views // 3, geometry.views - 1}:
        truth = subray_mean(geometry, view, ball_chords(centre, radius), 8)
        made = forward(volume, grid, geometry, views=view)[0]
        # Voxels blur the surface by their side h: a chord at the rim, where it grows like sqrt(2 r h), is off by part of that.
        rim = np.sqrt(2.0 * radius * max(grid.spacing))
        assert np.abs(made - truth).max() <= 0.25 * rim
        assert np.linalg.norm(made - truth) <= 0.008 * max(np.linalg.norm(truth), 1.0)


def test_a_cylinder_reads_its_diameter_times_its_attenuation(centred: ScanGeometry) -> None:
    grid = VolumeGrid((-61, -61, -75), (61, 61, 75), (122, 122, 4))
    x, y = np.meshgrid(grid.centres(0), grid.centres(1), indexing="ij")
    fine = sum((np.hypot(x + a, y + b) <= 60.0) for a in (-0.375, -0.125, 0.125, 0.375) for b in (-0.375, -0.125, 0.125, 0.375))
    volume = np.repeat(0.02 * fine[..., None] / 16, 4, axis=2)
    made = forward(volume, grid, centred, views=[0, 6])
    d = centred.detector
    within = (np.arange(20) + 0.5) / 20 - 0.5
    t = centred.source_radius * np.sin(d.column_centres()[:, None] + d.column_pitch * within)
    cone = np.hypot(1.0, d.row_centres() / d.curvature_radius)
    truth = 0.04 * np.sqrt(np.maximum(0.0, 60.0**2 - t**2)).mean(axis=1)[:, None] * cone
    t = t.mean(axis=1)
    inner = np.abs(t) < 50.0
    np.testing.assert_allclose(made[:, inner], np.broadcast_to(truth[inner], made[:, inner].shape), rtol=2e-3)


@pytest.mark.parametrize("radius", [503.0, 900.0, np.inf])
def test_rays_are_longer_by_their_cone_angle(radius: float) -> None:
    """Through a wide plate, rows far out read 1 / cos of their cone angle more."""
    detector = Detector(9, 40, -0.05, 0.05, 0.0, 300.0, radius) if np.isfinite(radius) else Detector(9, 40, -20.0, 20.0, 0.0, 300.0)
    geometry = ScanGeometry([0.0], [0.0], 503.0, 0.0, detector)
    grid = VolumeGrid((-100, -5, -10), (100, 5, 400), (50, 10, 205))
    made = forward(np.ones(grid.shape), grid, geometry)[0]
    _, directions = geometry.rays(0)
    truth = 10.0 / directions[..., 1]
    assert truth.max() > 1.15 * truth.min()
    np.testing.assert_allclose(made[:, 1:], truth[:, 1:], rtol=1e-3)


@pytest.mark.parametrize("axis", [0, 2])
@pytest.mark.parametrize("shift", [0.37, -1.9])
def test_a_shift_by_part_of_a_pixel_moves_the_centre_of_mass_by_it(axis: int, shift: float) -> None:
    """A small box at the rotation axis, where a column and a row are 0.6 and 0.5 mm wide."""
    geometry = ScanGeometry([0.4], [1.0], 503.0, 0.0, Detector(100, 80, -30 / 503, 30 / 503, -20.0, 20.0, 503.0))
    d = geometry.detector
    across = np.array([np.cos(0.4), np.sin(0.4), 0.0]) if axis == 0 else np.array([0.0, 0.0, 1.0])
    centres = []
    for step in (0.0, shift):
        middle = np.array([0.0, 0.0, 1.0]) + step * across
        grid = VolumeGrid(middle - 4.0, middle + 4.0, (16, 16, 16))
        image = forward(np.ones(grid.shape), grid, geometry)[0].astype(np.float64)
        place = d.column_centres() * 503.0 if axis == 0 else d.row_centres()
        centres.append(float(image.sum(axis=1 if axis == 0 else 0) @ place / image.sum()))
    assert centres[0] == pytest.approx(0.0, abs=0.005)
    assert centres[1] - centres[0] == pytest.approx(shift, rel=0.01)


def test_nothing_comes_from_behind_the_source_or_from_beside_the_beam(centred: ScanGeometry) -> None:
    behind = VolumeGrid((-100, -900, -50), (100, -600, 50), (10, 10, 10))
    one = ScanGeometry([0.0], [0.0], 503.0, 0.0, centred.detector)
    assert not forward(np.ones(behind.shape), behind, one).any()
    beside = VolumeGrid((600, 0, -20), (700, 50, 20), (5, 5, 5))
    assert not forward(np.ones(beside.shape), beside, one).any()
