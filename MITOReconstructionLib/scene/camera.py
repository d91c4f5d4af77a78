"""Where the camera of a 3D view has to be, so that what the scene shows is in sight."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.scene.host import Node, Scene, nodes_of_class, numpy_support, slicer
from MITOReconstructionLib.scene.parts import PART, find_part

__all__ = ["AZIMUTH", "ELEVATION", "frame_scene", "place_camera", "scene_points"]

AZIMUTH, ELEVATION = 54.0, 24.0
"""Where the camera is by default, in degrees: about z from the direction of the source, and above the plane of rotation."""


def frame_scene(scene: Scene) -> None:
    """Place the cameras of the 3D views so that everything shown is in sight; without 3D views this does nothing."""
    views = {node.GetLayoutName() for node in nodes_of_class(scene, "vtkMRMLViewNode")}
    for camera in nodes_of_class(scene, "vtkMRMLCameraNode"):
        if camera.GetLayoutName() and camera.GetLayoutName() in views:
            place_camera(camera, 1.0)


def place_camera(node: Node, aspect: float, *, azimuth: float = AZIMUTH, elevation: float = ELEVATION, margin: float = 1.04) -> None:
    """Place a camera so that everything shown in its scene is within the picture and as large as possible.

    Parameters
    ----------
    node : vtkMRMLCameraNode
    aspect : float
        Width of the view over its height.
    azimuth : float
        Degrees about z from the direction of the source to that of the camera.
    elevation : float
        Degrees above the plane of rotation.
    margin : float
        How much farther away than needed.
    """
    points, source = scene_points(node.GetScene())
    start = np.arctan2(source[1], source[0]) + np.radians(azimuth)
    e = np.radians(elevation)
    back = np.array([np.cos(e) * np.cos(start), np.cos(e) * np.sin(start), np.sin(e)])
    right = np.array([-np.sin(start), np.cos(start), 0.0])
    up = np.cross(back, right)
    camera = node.GetCamera()
    tangent = np.tan(np.radians(camera.GetViewAngle()) / 2)
    focus, distance = _framing(points, np.array([right, up, back]), tangent * aspect, tangent)
    distance *= margin
    camera.SetFocalPoint(*focus)
    camera.SetPosition(*(focus + back * distance))
    camera.SetViewUp(*up)
    camera.SetClippingRange(distance * 0.01, distance * 10)


def scene_points(scene: Scene) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
    """What is to be seen in the scene: points of visible models and corners of volumes, and where the source is.

    Returns
    -------
    points : float64, shape (n, 3), in mm
    source : float64, shape (3,), in mm, relative to the middle of the points; towards A where there is no source
    """
    clouds = []
    for node in nodes_of_class(scene, "vtkMRMLModelNode"):
        display, mesh = node.GetDisplayNode(), node.GetPolyData()
        if display is not None and display.GetVisibility() and mesh is not None and mesh.GetNumberOfPoints() and not _is_slice(node):
            clouds.append(numpy_support.vtk_to_numpy(mesh.GetPoints().GetData()).astype(np.float64))
    for node in nodes_of_class(scene, "vtkMRMLScalarVolumeNode"):
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
