"""The helix of source positions, and the stretch of it around the current view."""

from __future__ import annotations

import numpy as np

from MITOReconstructionLib.geometry import ScanGeometry
from MITOReconstructionLib.scene.host import Scene, numpy_support
from MITOReconstructionLib.scene.looks import LOOKS
from MITOReconstructionLib.scene.parts import ModelPart, cell_array

__all__ = ["TrajectoryModel", "TrajectoryWindow"]

VIEW_ARRAY = "view"


class TrajectoryModel(ModelPart):
    """A polyline through the source positions of all views; its point scalar ``view`` is the view index.

    Parameters
    ----------
    scene : vtkMRMLScene
    scan : str
        Name of the scan.
    geometry : ScanGeometry
    """

    def __init__(self, scene: Scene, scan: str, geometry: ScanGeometry) -> None:
        super().__init__(scene, scan, "trajectory", geometry.sources(), lines=cell_array(np.arange(geometry.views)[None, :]))
        views = numpy_support.numpy_to_vtk(np.arange(geometry.views, dtype=np.int32), deep=True)
        views.SetName(VIEW_ARRAY)
        self.polydata.GetPointData().SetScalars(views)
        self.display.SetLighting(False)
        self.look(LOOKS["trajectory"])
        self.coloured_by_view = False

    @property
    def coloured_by_view(self) -> bool:
        """Whether a colour scale over the view index is shown instead of one colour."""
        return bool(self.display.GetScalarVisibility())

    @coloured_by_view.setter
    def coloured_by_view(self, value: bool) -> None:
        display = self.display
        was = display.StartModify()
        display.SetAndObserveColorNodeID("vtkMRMLColorTableNodeRainbow")
        display.SetActiveScalarName(VIEW_ARRAY)
        display.SetScalarRangeFlag(display.UseManualScalarRange)
        display.SetScalarRange(0, max(1, len(self._array) - 1))
        display.SetScalarVisibility(bool(value))
        display.EndModify(was)


class TrajectoryWindow(ModelPart):
    """The source positions from some views before the current one to as many after it, as a thicker line.

    The polyline always has ``points_shown`` points, spread evenly over the window, so that moving it changes
    positions only.
    """

    points_shown = 129

    def __init__(self, scene: Scene, scan: str, geometry: ScanGeometry) -> None:
        self._geometry = geometry
        line = cell_array(np.arange(self.points_shown)[None, :])
        super().__init__(scene, scan, "view window", np.repeat(geometry.sources(0), self.points_shown, axis=0), lines=line)
        self.display.SetLighting(False)
        self.look(LOOKS["trajectory_window"])
        self.visible = False

    def show(self, first: int, last: int) -> None:
        """Show the source positions of views ``first`` to ``last``, both included, positions between views interpolated."""
        at = np.linspace(first, last, self.points_shown)
        below = np.clip(np.floor(at).astype(np.intp), 0, self._geometry.views - 1)
        above = np.minimum(below + 1, self._geometry.views - 1)
        share = (at - below)[:, None]
        self.move(self._geometry.sources(below) * (1 - share) + self._geometry.sources(above) * share)
