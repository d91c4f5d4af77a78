"""View nodes outside the application: one 3D view and three slice views, as the application's four-up layout has them.

Nothing here draws or needs OpenGL: these are the nodes and logics that a drawn view is made from, and that make a
saved scene open with its volume in the slice views and the camera in a good place.
"""

from __future__ import annotations

import numpy as np

from MITOReconstructionLib.scene.camera import place_camera
from MITOReconstructionLib.scene.host import Node, Scene, nodes_of_class, prepare_scene, quiet, slicer, vtk

__all__ = ["SLICES", "Arrangement"]

SLICES = {"Red": "Axial", "Green": "Coronal", "Yellow": "Sagittal"}
"""Names of the slice views, as in the application, and their orientations."""

_VIEW = "1"
"""Name of the 3D view, as in the application."""


class Arrangement:
    """The application logic, and the logics and nodes of one 3D view and of three slice views of a scene.

    The nodes are its own, and :meth:`close` takes them out of the scene again.

    Parameters
    ----------
    scene : vtkMRMLScene
    prefix : str, optional
        Begins the names of the views, to tell them from others in the scene. Without it they are the application's
        own views, which is right for a scene that has none and is to be opened there.
    """

    def __init__(self, scene: Scene, *, prefix: str = "") -> None:
        prepare_scene(scene)
        self.scene = scene
        self._prefix = prefix
        self._before = {node.GetID() for node in _nodes(scene)}
        self.application = slicer.vtkSlicerApplicationLogic()
        self.colours = slicer.vtkMRMLColorLogic()
        self.application.SetColorLogic(self.colours)
        self.application.SetMRMLScene(scene)
        self._views, self._slices = vtk.vtkCollection(), vtk.vtkCollection()
        self.application.SetViewLogics(self._views)
        self.application.SetSliceLogics(self._slices)
        self._modules = []
        for name, logic in (("Markups", slicer.vtkSlicerMarkupsLogic()), ("VolumeRendering", slicer.vtkSlicerVolumeRenderingLogic())):
            logic.SetMRMLApplicationLogic(self.application)
            with quiet():  # every node class that prepare_scene registered is registered once more
                logic.SetMRMLScene(scene)
            self.application.SetModuleLogic(name, logic)
            self._modules.append(logic)
        self.view = slicer.vtkMRMLViewLogic()
        self.view.SetMRMLApplicationLogic(self.application)
        self._views.AddItem(self.view)
        self.view.SetMRMLScene(scene)
        self.view_node = self.view.AddViewNode(prefix + _VIEW)
        self.view_node.SetBoxVisible(False)
        self.view_node.SetAxisLabelsVisible(False)
        self.view_node.SetOrientationMarkerType(self.view_node.OrientationMarkerTypeAxes)
        self.view_node.SetOrientationMarkerSize(self.view_node.OrientationMarkerSizeSmall)
        self.slices = {name: self._add_slice(name) for name in SLICES}
        self._own: set[str] = set()
        self.claim()

    def claim(self) -> None:
        """Count what was added to the scene since the beginning as this arrangement's own, for :meth:`close` to take out."""
        self._own.update(node.GetID() for node in _nodes(self.scene) if node.GetID() not in self._before)

    def _add_slice(self, name: str) -> Node:
        logic = slicer.vtkMRMLSliceLogic()
        logic.SetMRMLApplicationLogic(self.application)
        self._slices.AddItem(logic)
        logic.SetMRMLScene(self.scene)
        node = logic.AddSliceNode(self._prefix + name)
        node.SetOrientation(SLICES[name])
        node.SetRulerType(node.RulerTypeThin)
        return logic

    def show_volume(self, volume: Node | None, sizes: dict[str, tuple[int, int]] | None = None) -> None:
        """Put a volume into the slice views, fitted to views of the given sizes (width, height in pixels)."""
        for name, logic in self.slices.items():
            composite = logic.GetSliceCompositeNode()
            composite.SetBackgroundVolumeID(None if volume is None else volume.GetID())
            composite.SetForegroundVolumeID(None)
            composite.SetLabelVolumeID(None)
            width, height = (sizes or {}).get(name, (512, 512))
            node = logic.GetSliceNode()
            node.SetDimensions(width, height, 1)
            logic.ResizeSliceNode(width, height)
            node.SetOrientation(SLICES[name])
            if volume is not None:
                logic.FitSliceToAll(width, height)
                field = np.array(node.GetFieldOfView())
                node.SetFieldOfView(field[0] * 1.12, field[1] * 1.12, field[2])

    def camera_node(self) -> Node:
        """The camera of the 3D view; made at the first call."""
        for node in _nodes(self.scene, "vtkMRMLCameraNode"):
            if node.GetLayoutName() == self._prefix + _VIEW:
                return node
        node = self.scene.AddNewNodeByClass("vtkMRMLCameraNode", "Camera")
        node.SetLayoutName(self._prefix + _VIEW)
        self._own.add(node.GetID())
        return node

    def aim(self, aspect: float, **place: float) -> None:
        """Place the camera of the 3D view; aspect, and the names of ``place``, are those of :func:`place_camera`."""
        place_camera(self.camera_node(), aspect, **place)

    def close(self) -> None:
        """Let go of the scene and take out the nodes that are this arrangement's own."""
        logics = [*self.slices.values(), self.view, *self._modules]
        self._slices.RemoveAllItems()
        self._views.RemoveAllItems()
        for logic in logics:
            logic.SetMRMLScene(None)
        self.application.SetMRMLScene(None)
        self.colours.SetMRMLScene(None)
        for node in _nodes(self.scene):
            if node.GetID() in self._own and node.GetScene() is not None:
                self.scene.RemoveNode(node)


def _nodes(scene: Scene, node_class: str = "vtkMRMLNode") -> list[Node]:
    return nodes_of_class(scene, node_class)
