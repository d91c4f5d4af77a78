"""Forward and back against the whole matrix of weights, written down from the formulas, where counts and places are unusual."""

from __future__ import annotations

import math

import numpy as np
import pytest

from MITOReconstructionLib.geometry import Detector, ScanGeometry, VolumeGrid
from MITOReconstructionLib.projectors.cpu import back, forward

ANGLES, HEIGHTS = [0.4, -2.5, 7.1], [3.0, -2.0, 0.5]


def scan(detector: Detector, views: int = 3) -> ScanGeometry:
    return ScanGeometry(ANGLES[:views], HEIGHTS[:views], 500.0, 300.0, detector)


def curved(columns: int, rows: int, radius: float = 700.0, height: float = 80.0) -> Detector:
    return Detector(columns, rows, -0.25, 0.3, -height / 2, height / 2, radius)


CUBE = VolumeGrid((-40, -50, -20), (60, 40, 25), (5, 6, 7))
CASES = {
    "one row": (scan(curved(40, 1)), CUBE),
    "one row that the grid lies within": (scan(curved(40, 1, height=4000.0)), CUBE),
    "one column": (scan(curved(1, 20)), CUBE),
    "one pixel, one view, one voxel": (scan(curved(1, 1), 1), VolumeGrid((-40, -50, -20), (60, 40, 25), (1, 1, 1))),
    "a whole vector of rows": (scan(curved(9, 16)), CUBE),
    "one row more than a vector": (scan(curved(9, 17)), CUBE),
    "a line of voxels along z": (scan(curved(30, 33)), VolumeGrid((3, 4, -200), (5, 6, 200), (1, 1, 700))),
    "voxels much taller than rows": (scan(curved(12, 200)), VolumeGrid((-40, -50, -300), (60, 40, 300), (3, 2, 4))),
    "voxels much wider than columns": (scan(curved(400, 3)), VolumeGrid((-40, -50, -20), (60, 40, 25), (2, 1, 3))),
    "one voxel more than a tile": (scan(curved(30, 5)), VolumeGrid((-40, -50, -20), (60, 40, 25), (17, 16, 2))),
    "beside the detector": (scan(curved(30, 5)), VolumeGrid((100, -50, -20), (330, 40, 25), (9, 6, 3))),
    "about the source": (scan(curved(30, 5)), VolumeGrid((-600, -700, -20), (620, 40, 25), (7, 8, 3))),
    "above the beam but for a part": (scan(curved(30, 20)), VolumeGrid((-40, -50, 20), (60, 40, 300), (5, 6, 20))),
    "a narrow cylinder": (scan(curved(30, 20, 300.0)), CUBE),
    "a flat detector off the centre": (scan(Detector(30, 20, 20.0, 150.0, 10.0, 60.0)), CUBE),
}


def trapezoid(u: np.ndarray, t: np.ndarray) -> np.ndarray:
    """Integral from minus infinity to u of the trapezoid of height 1 with these corners."""
    points = np.union1d(u, t)
    height = np.interp(points, t, [0.0, 1.0, 1.0, 0.0], left=0.0, right=0.0)
    total = np.concatenate([[0.0], np.cumsum(np.diff(points) * (height[1:] + height[:-1]) / 2)])
    return np.interp(u, points, total)


def weights(geometry: ScanGeometry, grid: VolumeGrid, view: int) -> np.ndarray:
    """The matrix of a view, shape (columns, rows, x, y, z): separable footprints, rectangular along z."""
    d, sine, cosine = geometry.detector, math.sin(geometry.angles[view]), math.cos(geometry.angles[view])
    radius, distance = geometry.source_radius, geometry.source_to_detector
    x_edges, y_edges, z_edges = (np.linspace(grid.minimum[axis], grid.maximum[axis], grid.shape[axis] + 1) for axis in range(3))
    matrix = np.zeros((d.columns, d.rows, *grid.shape))
    for i, j in np.ndindex(grid.shape[:2]):
        x, y = (edges.ravel() for edges in np.meshgrid(x_edges[i : i + 2], y_edges[j : j + 2]))
        across, along = x * cosine + y * sine, radius - x * sine + y * cosine
        if along.min() <= 0.0:
            continue
        corners = (d.column_at_fan_angle(np.arctan2(across, along), distance) - d.column_min) / d.column_pitch
        if np.isnan(corners).any():
            continue
        share = np.diff(trapezoid(np.arange(d.columns + 1.0), np.sort(corners)))
        x, y = x.mean(), y.mean()
        dx, dy = abs(x - radius * sine), abs(y + radius * cosine)
        to_source = math.hypot(dx, dy)
        chord = to_source * min(grid.spacing[0] / max(dx, 1e-9), grid.spacing[1] / max(dy, 1e-9))
        fan = math.atan2(x * cosine + y * sine, radius - x * sine + y * cosine)
        reach = math.hypot(*d.surface(d.column_at_fan_angle(np.array(fan), distance), distance))
        rows = geometry.axial_positions[view] + (d.row_min + np.arange(d.rows + 1) * d.row_pitch) * to_source / reach
        shared = np.minimum(rows[1:, None], z_edges[1:]) - np.maximum(rows[:-1, None], z_edges[:-1])
        matrix[:, :, i, j] = chord * share[:, None, None] * np.maximum(shared, 0.0) / (rows[1] - rows[0])
    reach = np.hypot(*d.surface(d.column_centres(), distance))
    return matrix * np.hypot(1.0, d.row_centres() / reach[:, None])[:, :, None, None, None]


@pytest.mark.parametrize("case", CASES)
def test_forward_and_back_are_the_matrix_and_its_transpose(case: str) -> None:
    geometry, grid = CASES[case]
    rng = np.random.default_rng(21)
    x = rng.random(grid.shape, dtype=np.float32)
    y = rng.random((geometry.views, geometry.detector.columns, geometry.detector.rows), dtype=np.float32)
    matrices = [weights(geometry, grid, view) for view in range(geometry.views)]
    projected = np.stack([np.tensordot(matrix, x, 3) for matrix in matrices])
    returned = sum(np.tensordot(y[view], matrix, 2) for view, matrix in enumerate(matrices))
    assert projected.any()
    np.testing.assert_allclose(forward(x, grid, geometry), projected, atol=2e-5 * projected.max())
    np.testing.assert_allclose(back(y, grid, geometry), returned, atol=2e-5 * returned.max())
