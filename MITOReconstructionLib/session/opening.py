"""Opening samples, complete or still being recorded, without Qt."""

from __future__ import annotations

import contextlib
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.errors import Incomplete, InputError
from MITOReconstructionLib.geometry import ScanGeometry, VolumeGrid
from MITOReconstructionLib.live import GrowingScan, open_growing
from MITOReconstructionLib.scan import Scan, open_scan
from MITOReconstructionLib.scene.host import Scene
from MITOReconstructionLib.scene.scan_scene import ScanScene

__all__ = ["open_sample", "require_complete", "show_first"]

TRIED_VIEWS = 9
"""Views of which one must be readable for a sample to be shown."""


def open_sample(folder: str | Path, name: str | None, *, growing: bool = False, recorded: int | None = None) -> Scan:
    """Open a sample, or one that is still being recorded where ``growing`` allows that; ``recorded`` as of open_scan.

    Raises
    ------
    InputError
        When it cannot be read. Where nothing is wrong but that views are lacking, the remedy names the ways out.
    """
    try:
        return open_scan(folder, name=name, recorded=recorded)
    except InputError as error:
        if growing:
            with contextlib.suppress(InputError):
                return open_growing(folder, name=name)
        if not isinstance(error, Incomplete):
            raise
        views = f"{error.there} of {error.planned} views"
        remedy = (
            f"If it is still being recorded ({views} so far), tick 'Still being recorded' and load it again; if its recording was "
            "aborted, do the same, and then press 'Use what is there'; else copy it again."
        )
        raise InputError(error.where, expected=error.expected, found=error.found, remedy=remedy) from error


def require_complete(scan: Scan) -> None:
    """Raise an InputError where views of a scan are still to come."""
    if isinstance(scan, GrowingScan) and scan.arrived < scan.geometry.views:
        raise InputError(
            f"scan {scan.name}", expected="all views", found=f"{scan.arrived} of {scan.geometry.views}, for it is still being recorded",
            remedy="Reconstruct it when it is complete; live slices show what there is. If no more will come, press 'Use what is there'.",
        )  # fmt: skip


def show_first(scene: Scene, scan: Scan, view: int | None = None) -> ScanScene:
    """Show a scan at a view, by default the first one that can be read; before any has come, with an empty projection.

    Raises
    ------
    InputError
        When there is no such view, or its projection cannot be read.
    """
    if isinstance(scan, GrowingScan) and scan.arrived == 0:
        shown = ScanScene(scene, _Blank(scan))
        shown.scan = scan
        return shown
    return ScanScene(scene, scan, view=_first_view(scan) if view is None else view)


class _Blank:
    """A scan with empty projections, to be shown before its first view has come."""

    def __init__(self, scan: Scan) -> None:
        self._scan = scan

    @property
    def name(self) -> str:
        """As the scan's."""
        return self._scan.name

    @property
    def geometry(self) -> ScanGeometry:
        """As the scan's."""
        return self._scan.geometry

    @property
    def default_grid(self) -> VolumeGrid:
        """As the scan's."""
        return self._scan.default_grid

    def projection(self, _view: int, /) -> NDArray[np.float32]:
        """Zeros, float32, shape (columns, rows)."""
        return np.zeros(self._scan.projections.shape[1:], dtype=np.float32)


def _first_view(scan: Scan) -> int:
    """The first view, or one of some others where it cannot be read.

    Raises
    ------
    InputError
        When none of them can.
    """
    fault: InputError | None = None
    for view in np.unique(np.linspace(0, scan.geometry.views - 1, TRIED_VIEWS).astype(int)):
        try:
            scan.projection(int(view))
        except InputError as error:
            fault = fault or error
        else:
            return int(view)
    raise fault or InputError("views", expected="at least one", found="none", remedy="Choose another sample.")
