"""A sparse fan of rays from the source to the edge of the detector, and outlines of the detector in other views."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.geometry import ScanGeometry
from MITOReconstructionLib.scene.host import Scene
from MITOReconstructionLib.scene.looks import LOOKS
from MITOReconstructionLib.scene.parts import ModelPart, cell_array

__all__ = ["DetectorOutlines", "RaysModel", "detector_edges"]


def _edge_columns(geometry: ScanGeometry, count: int) -> NDArray[np.float64]:
    return np.linspace(geometry.detector.column_min, geometry.detector.column_max, count)


def detector_edges(geometry: ScanGeometry, views: NDArray[np.intp], columns: NDArray[np.float64]) -> NDArray[np.float64]:
    """Points around the detector's edge, shape (views, 2 * columns, 3): along its bottom, and back along its top."""
    rows = np.array([geometry.detector.row_min, geometry.detector.row_max])
    both = geometry.detector_points(views, columns=columns, rows=rows)
    return np.concatenate([both[:, :, 0], both[:, ::-1, 1]], axis=1)


class RaysModel(ModelPart):
    """Lines from the source to the detector's corners and to points between them on its long edges.

    Parameters
    ----------
    scene : vtkMRMLScene
    scan : str
        Name of the scan.
    geometry : ScanGeometry
    across : int, optional
        Rays to each of the long edges.
    """

    def __init__(self, scene: Scene, scan: str, geometry: ScanGeometry, *, across: int = 5) -> None:
        self._geometry = geometry
        self._columns = _edge_columns(geometry, across)
        ends = np.arange(1, 2 * across + 1)
        lines = cell_array(np.stack([np.zeros_like(ends), ends], axis=1))
        super().__init__(scene, scan, "rays", self._positions(0), lines=lines)
        self.display.SetLighting(False)
        self.look(LOOKS["rays"])

    def _positions(self, view: int) -> NDArray[np.float64]:
        index = np.array([view])
        return np.concatenate([self._geometry.sources(index), detector_edges(self._geometry, index, self._columns)[0]])

    def show(self, view: int) -> None:
        """Move the rays to a view."""
        self.move(self._positions(view))


class DetectorOutlines(ModelPart):
    """Outlines of the detector in ``count`` views spread over the views around the current one."""

    def __init__(self, scene: Scene, scan: str, geometry: ScanGeometry, *, count: int = 5, across: int = 17) -> None:
        self._geometry = geometry
        self._columns = _edge_columns(geometry, across)
        self.count = count
        around = 2 * across
        loop = np.concatenate([np.arange(around), [0]])
        loops = loop[None, :] + around * np.arange(count)[:, None]
        super().__init__(scene, scan, "detector outlines", self._positions(0, 0), lines=cell_array(loops))
        self.display.SetLighting(False)
        self.look(LOOKS["outlines"])
        self.visible = False

    def _positions(self, first: int, last: int) -> NDArray[np.float64]:
        views = np.round(np.linspace(first, last, self.count)).astype(np.intp)
        return detector_edges(self._geometry, views, self._columns).reshape(-1, 3)

    def show(self, first: int, last: int) -> None:
        """Show the outlines of views ``first`` to ``last``, both included."""
        self.move(self._positions(first, last))
