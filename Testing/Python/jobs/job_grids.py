"""Grids of the tests of jobs: a few voxels beside the axis, and cubes that hold the ball."""

from __future__ import annotations

from MITOReconstructionLib import VolumeGrid

GRID = VolumeGrid((0.0, -20.0, -6.0), (20.0, 0.0, 6.0), (5, 4, 3))
GRID_CUBIC = VolumeGrid((-40.0, -40.0, -20.0), (40.0, 40.0, 20.0), (16, 16, 8))
