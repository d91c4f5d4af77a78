"""The X-ray source: a small ball that moves along the helix."""

from __future__ import annotations

import numpy as np

from MITOReconstructionLib.geometry import ScanGeometry
from MITOReconstructionLib.scene.host import Scene, numpy_support, vtk
from MITOReconstructionLib.scene.looks import LOOKS
from MITOReconstructionLib.scene.parts import ModelPart

__all__ = ["SourceModel"]


class SourceModel(ModelPart):
    """A ball at the source of the current view.

    Parameters
    ----------
    scene : vtkMRMLScene
    scan : str
        Name of the scan.
    geometry : ScanGeometry
    radius : float, optional
        Radius of the ball in mm; a fiftieth of the source's distance from the axis by default.
    """

    def __init__(self, scene: Scene, scan: str, geometry: ScanGeometry, *, radius: float | None = None) -> None:
        ball = vtk.vtkSphereSource()
        ball.SetRadius(geometry.source_radius / 50 if radius is None else radius)
        ball.SetThetaResolution(24)
        ball.SetPhiResolution(16)
        ball.SetOutputPointsPrecision(vtk.vtkAlgorithm.DOUBLE_PRECISION)
        ball.Update()
        shape = ball.GetOutput()
        self._geometry = geometry
        self._ball = numpy_support.vtk_to_numpy(shape.GetPoints().GetData()).astype(np.float64)
        super().__init__(scene, scan, "source", self._ball + geometry.sources(0), polygons=shape.GetPolys())
        self.look(LOOKS["source"])

    def show(self, view: int) -> None:
        """Move the ball to the source of a view."""
        self.move(self._ball + self._geometry.sources(view))
