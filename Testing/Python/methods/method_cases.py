"""A phantom whose truth is known, and scans of it."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np

from MITOReconstructionLib import Scan, VolumeGrid, mito_geometry
from MITOReconstructionLib.scan.line_integrals import project, sample
from MITOReconstructionLib.scan.shapes import Ellipsoid, Phantom, rotation_about

MU = 0.02


class Known(NamedTuple):
    """A scan of a phantom, a slab of it, and what is right: inside marks voxels at least one in from the surface."""

    scan: Scan
    grid: VolumeGrid
    truth: np.ndarray
    inside: np.ndarray
    phantom: Phantom

    def error(self, array: np.ndarray) -> float:
        """RMSE inside the object in % of its attenuation."""
        return 100 / MU * float(np.sqrt(np.mean((array - self.truth)[self.inside] ** 2)))


def ellipsoids() -> Phantom:
    rng = np.random.default_rng(3)
    shapes: list[Ellipsoid] = [Ellipsoid((5.0, -8.0, 0.0), (100.0, 90.0, 170.0), MU)]
    for _ in range(6):
        turn = rotation_about((0.0, 0.0, 1.0), rng.uniform(0, 3))
        shapes.append(Ellipsoid(tuple(rng.uniform(-45, 45, 3)), tuple(rng.uniform(12, 25, 3)), rng.choice([-0.004, 0.003]), turn))
    return Phantom("ellipsoids", tuple(shapes))


def known(scale: int, half_height: float, spacing: float) -> Known:
    phantom, geometry = ellipsoids(), mito_geometry(scale, centre=0.0, pitch=106.56, turns=3.5)
    grid = VolumeGrid.from_bounds((-114, -114, -half_height), (114, 114, half_height), spacing=spacing)
    x, y, z = np.meshgrid(*(grid.centres(axis) for axis in range(3)), indexing="ij")
    inside = ((x - 5) / (100 - spacing)) ** 2 + ((y + 8) / (90 - spacing)) ** 2 + (z / (170 - spacing)) ** 2 < 1
    scan = Scan.from_arrays(project(phantom, geometry, subrays=(2, 2)), geometry)
    return Known(scan, grid, sample(phantom, grid, 4), inside, phantom)
