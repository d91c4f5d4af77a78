"""Geometries and grids that the projector suite runs over, and exact chords averaged over pixels."""

from __future__ import annotations

import math
from collections.abc import Callable

import numpy as np

from MITOReconstructionLib.geometry import Detector, ScanGeometry, VolumeGrid

VIEWS = 16
ANGLES = np.linspace(0.3, 0.3 + 3 * math.pi, VIEWS)
HELIX = np.linspace(-25.0, 25.0, VIEWS)
WOBBLE = HELIX + np.random.default_rng(5).uniform(-2.0, 2.0, VIEWS)
CENTRED = Detector(100, 23, -0.46521, 0.46521, -34.5, 34.5, 503.0)

GEOMETRIES: dict[str, ScanGeometry] = {
    "centred": ScanGeometry(ANGLES, HELIX, 503.0, 0.0, CENTRED),
    "uncentred far": ScanGeometry(ANGLES, HELIX, 500.0, 300.0, Detector(90, 21, -0.4, 0.3, -30.0, 40.0, 700.0)),
    "uncentred near": ScanGeometry(ANGLES, HELIX, 500.0, 100.0, Detector(90, 21, -0.3, 0.4, -30.0, 40.0, 700.0)),
    "flat": ScanGeometry(ANGLES, HELIX, 500.0, 300.0, Detector(90, 60, -200.0, 150.0, -45.0, 60.0)),
    "circle": ScanGeometry(ANGLES, np.full(VIEWS, 3.0), 503.0, 0.0, CENTRED),
    "falling": ScanGeometry(-ANGLES, HELIX, 503.0, 0.0, CENTRED),
    "wobbling": ScanGeometry(ANGLES, WOBBLE, 503.0, 0.0, CENTRED),
    "one view": ScanGeometry([0.7], [1.0], 503.0, 0.0, CENTRED),
}

GRIDS: dict[str, VolumeGrid] = {
    "coarse along z": VolumeGrid((-50, -60, -30), (60, 50, 30), (33, 29, 19)),
    "fine along z": VolumeGrid((-50, -60, -30), (60, 50, 30), (20, 35, 110)),
    "off the axis": VolumeGrid((35, -80, -11), (91, -20, 17), (18, 20, 9)),
    "around the source": VolumeGrid((-700, -600, -200), (650, 620, 210), (31, 33, 27)),
}


def subray_mean(geometry: ScanGeometry, view: int, chords: Callable[[np.ndarray, np.ndarray], np.ndarray], rays: int) -> np.ndarray:
    """Mean of exact chords over rays x rays rays in each pixel, shape (columns, rows)."""
    d = geometry.detector
    column = d.column_min + (np.arange(d.columns * rays) + 0.5) * d.column_pitch / rays
    row = d.row_min + (np.arange(d.rows * rays) + 0.5) * d.row_pitch / rays
    source = geometry.sources([view])[0]
    direction = geometry.detector_points([view], columns=column, rows=row)[0] - source
    direction /= np.linalg.norm(direction, axis=-1, keepdims=True)
    return chords(source, direction).reshape(d.columns, rays, d.rows, rays).mean(axis=(1, 3))
