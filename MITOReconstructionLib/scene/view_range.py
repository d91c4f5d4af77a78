"""The first and the last position of source and detector of a range of views, and the way of the source between them."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.geometry import ScanGeometry
from MITOReconstructionLib.scene.host import Scene, numpy_support, vtk
from MITOReconstructionLib.scene.parts import ModelPart, cell_array
from MITOReconstructionLib.scene.rays import detector_edges

__all__ = ["VIEW_RANGE", "ViewRangeModel"]

VIEW_RANGE = "view range"
"""The part of a scan that the model is."""

ACROSS = 17
"""Points along each long edge of the detector."""

ALONG = 257
"""Points of the source's way."""


class ViewRangeModel(ModelPart):
    """At either end of a range of views a ball at the source, the detector's outline and rays to its corners; a line between.

    Parameters
    ----------
    scene : vtkMRMLScene
    scan : str
        Name of the scan.
    geometry : ScanGeometry
    """

    def __init__(self, scene: Scene, scan: str, geometry: ScanGeometry) -> None:
        self._geometry = geometry
        self._columns = np.linspace(geometry.detector.column_min, geometry.detector.column_max, ACROSS)
        ball = vtk.vtkSphereSource()
        ball.SetRadius(geometry.source_radius / 60)
        ball.SetThetaResolution(16)
        ball.SetPhiResolution(12)
        ball.SetOutputPointsPrecision(vtk.vtkAlgorithm.DOUBLE_PRECISION)
        ball.Update()
        shape = ball.GetOutput()
        self._ball = numpy_support.vtk_to_numpy(shape.GetPoints().GetData()).astype(np.float64)
        triangles = numpy_support.vtk_to_numpy(shape.GetPolys().GetConnectivityArray()).reshape(-1, 3)
        both = cell_array(np.concatenate([triangles, triangles + len(self._ball)]))
        positions = self._positions(0, geometry.views - 1)
        super().__init__(scene, scan, VIEW_RANGE, positions, lines=cell_array(self._lines()), polygons=both)
        self.display.SetLighting(False)
        self.style(colour=(0.2, 0.9, 0.85), opacity=0.9, line_width=2.0)
        self.visible = False

    def _lines(self) -> NDArray[np.intp]:
        """Pairs of points: outlines and corner rays at both ends, and the source's way."""
        around = np.arange(2 * ACROSS)
        start, pairs = 2 * len(self._ball), []
        for end in range(2):
            source = start + end * (1 + len(around))
            edge = source + 1 + around
            pairs.append(np.stack([edge, np.roll(edge, -1)], axis=1))
            corners = edge[[0, ACROSS - 1, ACROSS, 2 * ACROSS - 1]]
            pairs.append(np.stack([np.full(4, source), corners], axis=1))
        way = start + 2 * (1 + len(around)) + np.arange(ALONG)
        pairs.append(np.stack([way[:-1], way[1:]], axis=1))
        return np.concatenate(pairs)

    def _positions(self, first: int, last: int) -> NDArray[np.float64]:
        ends = np.array([first, last])
        sources, edges = self._geometry.sources(ends), detector_edges(self._geometry, ends, self._columns)
        at = np.linspace(first, last, ALONG)
        below = np.clip(np.floor(at).astype(np.intp), 0, self._geometry.views - 1)
        above = np.minimum(below + 1, self._geometry.views - 1)
        share = (at - below)[:, None]
        way = self._geometry.sources(below) * (1 - share) + self._geometry.sources(above) * share
        balls = [self._ball + source for source in sources]
        outlines = [np.concatenate([source[None], edge]) for source, edge in zip(sources, edges, strict=True)]
        return np.concatenate([*balls, *outlines, way])

    def show(self, first: int, last: int) -> None:
        """Show views ``first`` and ``last``, both included."""
        self.move(self._positions(first, last))
