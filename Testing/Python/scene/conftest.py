"""A small scan of a ball in a cylinder, whose projections are known in closed form, and scenes to show it in."""

from __future__ import annotations

import math

import numpy as np
import pytest

from MITOReconstructionLib.geometry import Detector, ScanGeometry, VolumeGrid

pytest.importorskip("slicer", reason="needs slicer-core")


class BallScan:
    """What the scene asks of a scan; a ball off the axis, so that no mirror image is like it."""

    def __init__(self, *, curvature_radius: float = 503.0, detector_radius: float = 0.0, radius: float = 14.0) -> None:
        self.name = 'Pine 16; "disk" 1'
        half = 0.46521 if math.isfinite(curvature_radius) else 230.0
        turns = 3.0
        angles = np.linspace(0.4, 0.4 + turns * 2 * math.pi, 241)
        z = 40.0 + 106.56 * (angles - angles[0]) / (2 * math.pi)
        detector = Detector(130, 40, -half, half, -34.5, 34.5, curvature_radius)
        self.geometry = ScanGeometry(angles, z, 503.0, detector_radius, detector)
        self.ball = np.array([52.0, -17.0, 203.0])
        self.radius = radius
        self.default_grid = VolumeGrid((-110.0, -100.0, 100.0), (110.0, 100.0, 300.0), (55, 40, 50))
        self.asked: list[int] = []

    def projection(self, view: int):
        self.asked.append(view)
        source, directions = self.geometry.rays(view)
        to_ball = self.ball - source
        along = directions @ to_ball
        chord = 2 * np.sqrt(np.maximum(0.0, self.radius**2 - (to_ball @ to_ball - along**2)))
        return np.asarray(0.05 * chord, dtype=np.float32)

    def volume(self):
        x, y, z = np.meshgrid(*(self.default_grid.centres(axis) for axis in range(3)), indexing="ij")
        ball = (x - self.ball[0]) ** 2 + (y - self.ball[1]) ** 2 + (z - self.ball[2]) ** 2 <= self.radius**2
        return np.where(ball, 0.05, 0.02 * (np.hypot(x, y) < 90)).astype(np.float32)

    def view_that_sees_the_ball(self) -> int:
        """A view whose axial position is nearest to the ball's."""
        return int(np.argmin(np.abs(self.geometry.axial_positions - self.ball[2])))


@pytest.fixture
def ball_scan():
    return BallScan()


@pytest.fixture
def make_ball_scan():
    return BallScan


@pytest.fixture
def scene():
    from MITOReconstructionLib.scene import new_scene

    made = new_scene()
    yield made
    made.Clear(1)


@pytest.fixture
def scan_scene(scene, ball_scan):
    from MITOReconstructionLib.scene import ScanScene

    return ScanScene(scene, ball_scan)


@pytest.fixture
def node_ids():
    def ids(scene) -> list[str]:
        return sorted(scene.GetNthNode(i).GetID() for i in range(scene.GetNumberOfNodes()))

    return ids
