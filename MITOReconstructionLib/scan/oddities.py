"""What is odd about the files of a sample without making it unusable, as sentences; and angles that cannot be radians."""

from __future__ import annotations

import math
import os
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.errors import InputError
from MITOReconstructionLib.geometry import ScanGeometry, VolumeGrid
from MITOReconstructionLib.scan.npy import ArrayFile

__all__ = ["oddities", "require_radians"]

LARGEST_STEP = 3 * math.pi
"""Radians from one view to the next: angles modulo 2 pi step by less, and so do those that go on without end."""

MANY_TURNS = 100.0
"""Radians; that a scan turns further is possible, that somebody gave degrees is likelier."""

TIMES = 20.0
"""A step this many times as large as the others is a jump."""

LEAST_TURN = math.radians(5.0)
"""Turns of the scanner from one view to the next that are smaller are no gap."""


def require_radians(path: Path, angles: NDArray[np.float64]) -> None:
    """Refuse angles that step as radians never do, whether they are modulo 2 pi or not.

    Raises
    ------
    InputError
        Naming the view, and degrees as what they may be.
    """
    steps = np.abs(np.diff(angles))
    if steps.size and steps.max() > LARGEST_STEP:
        view = int(steps.argmax())
        raise InputError(
            path,
            expected="angles in radians",
            found=f"a step of {angles[view + 1] - angles[view]:g} from view {view} to view {view + 1}, values up to {angles.max():g}",
            remedy="Convert degrees with numpy.radians; or correct the view.",
        )


def oddities(
    folder: Path,
    sinogram: ArrayFile,
    angles: NDArray[np.float64],
    geometry: ScanGeometry,
    grid: VolumeGrid,
    planned: int | None = None,
) -> list[str]:
    """What a person should know before trusting a scan.

    Parameters
    ----------
    folder : Path
        Of the sample.
    sinogram : ArrayFile
    angles : float64, shape (views,)
        As the file has them, radians.
    geometry : ScanGeometry
    grid : VolumeGrid
        The default one.
    planned : int, optional
        Where the recording was aborted the number of views that there should have been.

    Returns
    -------
    list of str
        A sentence for each; it names the file.
    """
    found = []
    rest = os.path.getsize(sinogram.path) - sinogram.nbytes
    if planned is not None:
        missing = f"{geometry.views} of {planned} views, the last {planned - geometry.views} are missing"
        found.append(f"{sinogram.path}: the recording was aborted: {missing}.")
    elif rest > 0:
        found.append(f"{sinogram.path}: {rest} bytes more than its header says; they are left out.")
    if np.ptp(angles) > MANY_TURNS:
        found.append(
            f"{folder / 'angles.npy'}: {angles.min():g} to {angles.max():g} rad are {np.ptp(angles) / (2 * math.pi):.1f} turns. "
            "If these are degrees, convert them with numpy.radians."
        )
    gap = _jump(geometry.angles, LEAST_TURN)
    if gap is not None:
        turned, usual = (math.degrees(step) for step in gap[1:])
        found.append(
            f"{folder / 'angles.npy'}: the scan turns by {turned:.4g} degrees from view {gap[0]} to view {gap[0] + 1}, "
            f"by {usual:.4g} otherwise. Are views missing there?"
        )
    gap = _jump(geometry.axial_positions, 2 * geometry.detector.row_pitch)
    if gap is not None:
        found.append(
            f"{folder / 'axial_positions.npy'}: with the shifts the scan moves by {gap[1]:.4g} mm from view {gap[0]} to view {gap[0] + 1}, "
            f"by {gap[2]:.4g} mm otherwise. Are views missing there, or positions wrong?"
        )
    return found + _unseen(folder, geometry, grid)


def _jump(values: NDArray[np.float64], least: float) -> tuple[int, float, float] | None:
    """The view before the largest step that is out of line, that step, and the usual one; None where all are alike."""
    steps = np.diff(values)
    if not steps.size:
        return None
    usual = float(np.median(steps))
    off = np.abs(steps - usual)
    view = int(off.argmax())
    return (view, float(steps[view]), usual) if off[view] > max(TIMES * abs(usual), least) else None


def _unseen(folder: Path, geometry: ScanGeometry, grid: VolumeGrid) -> list[str]:
    """A sentence where the default volume lies above or below everything that any view sees."""
    reach = (geometry.source_radius + geometry.field_of_view_radius) / geometry.source_to_detector
    low = float(geometry.axial_positions.min()) + min(0.0, geometry.detector.row_min * reach)
    high = float(geometry.axial_positions.max()) + max(0.0, geometry.detector.row_max * reach)
    if grid.minimum[2] < high and grid.maximum[2] > low:
        return []
    return [
        f"{folder / 'metadata.json'}: the default volume is at z {grid.minimum[2]:g} to {grid.maximum[2]:g} mm, "
        f"but the views see {low:g} to {high:g} mm. Check REC_MIN_Z and REC_MAX_Z, or reconstruct a region."
    ]
