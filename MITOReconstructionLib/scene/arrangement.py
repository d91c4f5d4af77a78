"""View nodes outside the application: one 3D view and three slice views, as the application's four-up layout has them.

Nothing here draws or needs OpenGL: these are the nodes and logics that a drawn view is made from, and that make a
saved scene open with its volume in the slice views and the camera in a good place.
"""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.scene.host import Node, Scene, numpy_support, prepare_scene, quiet, slicer, vtk
from MITOReconstructionLib.scene.parts import PART, find_part

__all__ = ["AZIMUTH", "ELEVATION", "SLICES", "Arrangement", "scene_points"]

SLICES = {"Red": "Axial", "Green": "Coronal", "Yellow": "Sagittal"}
"""Names of the slice views, as in the application, and their orientations."""

_VIEW = "1"
"""Name of the 3D view, as in the application."""

AZIMUTH, ELEVATION = 54.0, 24.0
"""Where the camera is by default, in degrees: about z from the direction of the source, and above the plane of rotation."""


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

    def aim(self, aspect: float, *, azimuth: float = AZIMUTH, elevation: float = ELEVATION, margin: float = 1.04) -> None:
        """Place the camera so that everything shown is within the picture and as large as possible.

        Parameters
        ----------
        aspect : float
            Width of the view over its height.
        azimuth : float
            Degrees about z from the direction of the source to that of the camera.
        elevation : float
            Degrees above the plane of rotation.
        margin : float
            How much farther away than needed.
        """
        points, source = scene_points(self.scene)
        start = np.arctan2(source[1], source[0]) + np.radians(azimuth)
        e = np.radians(elevation)
        back = np.array([np.cos(e) * np.cos(start), np.cos(e) * np.sin(start), np.sin(e)])
        right = np.array([-np.sin(start), np.cos(start), 0.0])
        up = np.cross(back, right)
        camera = self.camera_node().GetCamera()
        tangent = np.tan(np.radians(camera.GetViewAngle()) / 2)
        focus, distance = _framing(points, np.array([right, up, back]), tangent * aspect, tangent)
        distance *= margin
        camera.SetFocalPoint(*focus)
        camera.SetPosition(*(focus + back * distance))
        camera.SetViewUp(*up)
        camera.SetClippingRange(distance * 0.01, distance * 10)

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
    collection = scene.GetNodesByClass(node_class)
    return [collection.GetItemAsObject(i) for i in range(collection.GetNumberOfItems())]


def scene_points(scene: Scene) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What is to be seen in the scene: points of visible models and corners of volumes, and where the source is.

    Returns
    -------
    points : float64, shape (n, 3), in mm
    source : float64, shape (3,), in mm, relative to the middle of the points; towards A where there is no source
    """
    clouds = []
    for node in _nodes(scene, "vtkMRMLModelNode"):
        display, mesh = node.GetDisplayNode(), node.GetPolyData()
        if display is not None and display.GetVisibility() and mesh is not None and mesh.GetNumberOfPoints() and not _is_slice(node):
            clouds.append(numpy_support.vtk_to_numpy(mesh.GetPoints().GetData()).astype(np.float64))
    for node in _nodes(scene, "vtkMRMLScalarVolumeNode"):
        if node.GetImageData() is not None and node.GetAttribute(PART) != "projection":
            clouds.append(_corners(node))
    points = np.concatenate(clouds) if clouds else np.array([[-100.0, -100, -100], [100, 100, 100]])
    middle = (points.min(axis=0) + points.max(axis=0)) / 2
    sources = [node for node in find_part(scene, "vtkMRMLModelNode", "source") if node.GetPolyData() is not None]
    if not sources:
        return points, np.array([0.0, 1.0, 0.0])
    bounds = np.array(sources[0].GetPolyData().GetBounds()).reshape(3, 2)
    return points, bounds.mean(axis=1) - middle


def _is_slice(node: Node) -> bool:
    return bool(slicer.vtkMRMLSliceLogic.IsSliceModelNode(node))


def _corners(volume: Node) -> NDArray[np.float64]:
    bounds = [0.0] * 6
    volume.GetRASBounds(bounds)
    x, y, z = np.array(bounds).reshape(3, 2)
    return np.array([[a, b, c] for a in x for b in y for c in z])


def _framing(points: NDArray[np.float64], frame: NDArray[np.float64], wide: float, high: float) -> tuple[NDArray[np.float64], float]:
    """Focal point and least distance from which all points are within a frustum of the given half-width tangents.

    The rows of ``frame`` point to the right, up and to the camera. A point at x across and w towards the camera is
    within while |x - cx| <= wide (d - w): the two sides of the frustum that touch the points give cx and d by two
    linear equations.
    """
    local = points @ frame.T
    reach, centre = [], []
    for axis, tangent in ((0, wide), (1, high)):
        most = (local[:, axis] + tangent * local[:, 2]).max()
        least = (local[:, axis] - tangent * local[:, 2]).min()
        centre.append((most + least) / 2)
        reach.append((most - least) / (2 * tangent))
    apex = max(reach)
    depth = (local[:, 2].min() + local[:, 2].max()) / 2
    return np.array([centre[0], centre[1], depth]) @ frame, apex - depth
