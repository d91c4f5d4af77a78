"""A phantom whose attenuation at any point is known, its scan, and planes through it."""

from __future__ import annotations

import threading

import numpy as np

from MITOReconstructionLib import Scan, VolumeGrid
from MITOReconstructionLib.geometry import ScanGeometry
from MITOReconstructionLib.live import Plane
from MITOReconstructionLib.scan.line_integrals import project
from MITOReconstructionLib.scan.shapes import Ellipsoid, Phantom, rotation_about

MU = 0.02
GRID = VolumeGrid.from_bounds((-96, -96, -24), (96, 96, 24), spacing=3.0)


def phantom() -> Phantom:
    """A large ellipsoid with inserts, at z = 0."""
    rng = np.random.default_rng(7)
    shapes: list[Ellipsoid] = [Ellipsoid((5.0, -8.0, 0.0), (80.0, 72.0, 170.0), MU)]
    for _ in range(6):
        turn = rotation_about((0.0, 0.0, 1.0), rng.uniform(0, 3))
        shapes.append(Ellipsoid(tuple(rng.uniform(-40, 40, 3)), tuple(rng.uniform(12, 22, 3)), rng.choice([-0.004, 0.003]), turn))
    return Phantom("ellipsoids", tuple(shapes))


def attenuation(points: np.ndarray) -> np.ndarray:
    """The phantom's attenuation at points of shape (..., 3), in 1/mm."""
    total = np.zeros(points.shape[:-1])
    for shape in phantom().shapes:
        placed = shape.placed()
        total += shape.attenuation * (((points - placed.centre) @ np.linalg.inv(placed.frame).T) ** 2).sum(axis=-1).__le__(1.0)
    return total


def flat(plane: Plane, distance: float) -> np.ndarray:
    """Pixels about which nothing changes within a distance in mm, inside the object."""
    here = attenuation(plane.positions())
    same = here > MU / 4
    for step in np.vstack([np.eye(3), -np.eye(3), *(np.array(s)[None] / 3**0.5 for s in np.ndindex(2, 2, 2) if any(s))]) * distance:
        for sign in (1, -1):
            same &= attenuation(plane.positions() + sign * step) == here
    return same


def scan_of(geometry: ScanGeometry) -> Scan:
    """The phantom's scan."""
    return Scan.from_arrays(project(phantom(), geometry), geometry)


class CountingScan(Scan):
    """A scan that says which views were read."""

    def __init__(self, scan: Scan) -> None:
        super().__init__(scan.name, scan.geometry, scan.default_grid, scan.projections)
        object.__setattr__(self, "views_read", [])

    views_read: list[int]

    def read(self, first: int, last: int, out: np.ndarray | None = None) -> np.ndarray:
        self.views_read.extend(range(first, last))
        return super().read(first, last, out)


class Gate:
    """Holds the engine's thread in a callback or a plugin until it is opened."""

    def __init__(self) -> None:
        self.entered, self.opened = threading.Event(), threading.Event()

    def __call__(self, *_: object) -> None:
        self.entered.set()
        if not self.opened.wait(300):
            raise TimeoutError("nobody opened the gate")


def axial(z: float = 1.5, *, shape: tuple[int, int] = (64, 64), spacing: float = 3.0) -> Plane:
    return Plane.centred((0.0, 0.0, z), (1, 0, 0), (0, 1, 0), shape, spacing)
