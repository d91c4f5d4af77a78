"""What 'Reload and Test' and CTest check in the application: a small scan, reconstructed, as a volume in the scene."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import slicer.util

from MITOReconstructionLib.geometry import VolumeGrid
from MITOReconstructionLib.scan.phantoms import cylinder
from MITOReconstructionLib.scan.simulation import mito_geometry, simulate

__all__ = ["check_cylinder"]

ATTENUATION, RADIUS, MIDDLE = 0.02, 40.0, 277.0
GRID = VolumeGrid((-60.0, -60.0, MIDDLE - 6.0), (60.0, 60.0, MIDDLE + 6.0), (40, 40, 4))


def check_cylinder(logic: Any) -> None:
    """A cylinder comes out as one, where it was, in the scene.

    Parameters
    ----------
    logic : MITOReconstructionLogic
        Closed afterwards.

    Raises
    ------
    AssertionError
        When a value is not what it should be.
    """
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:  # Windows keeps mapped files
        folder = Path(place) / "cylinder"
        simulate(folder, cylinder(RADIUS, 680.0, attenuation=ATTENUATION), mito_geometry(scale=16, turns=3.0))
        scan = logic.open_scan(folder)
        volume = logic.reconstruct(scan, grid=GRID, method="fbp")
        node = logic.show_volume(volume, scan)
        logic.close()
        voxels = slicer.util.arrayFromVolume(node)  # indexed [z, y, x]
        inside, outside = float(voxels[1:3, 16:24, 16:24].mean()), float(abs(voxels[1:3, 18:22, 0:4].mean()))
    if abs(inside - ATTENUATION) > 0.05 * ATTENUATION or outside > 0.1 * ATTENUATION:
        raise AssertionError(f"expected {ATTENUATION} inside and 0 outside of the cylinder; found {inside:g} and {outside:g}")
