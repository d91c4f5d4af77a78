"""The MRML library, whether 3D Slicer itself or the package slicer-core provides it, and scenes made ready for use."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator
from typing import Any

from MITOReconstructionLib.errors import InputError, MissingPackageError

try:
    import slicer
    import slicer.util
    import vtk
    from vtk.util import numpy_support
except ImportError as _error:
    raise MissingPackageError("slicer-core", "The scene", 'pip install "mito-reconstruction[scene]"') from _error

__all__ = ["Node", "Scene", "in_application", "new_scene", "nodes_of_class", "numpy_support", "prepare_scene", "quiet", "slicer", "vtk"]

Node = Any
"""A vtkMRMLNode; neither slicer nor vtk says more about its types."""

Scene = Any
"""A vtkMRMLScene."""

_COLOURS = "vtkMRMLColorTableNodeGrey"

_NODE_CLASSES = (
    "vtkMRMLMarkupsROINode",
    "vtkMRMLMarkupsROIDisplayNode",
    "vtkMRMLMarkupsJsonStorageNode",
    "vtkMRMLMarkupsROIJsonStorageNode",
    "vtkMRMLScriptedModuleNode",
    "vtkMRMLVolumePropertyNode",
    "vtkMRMLVolumePropertyStorageNode",
    "vtkMRMLVolumePropertyJsonStorageNode",
    "vtkMRMLShaderPropertyNode",
    "vtkMRMLShaderPropertyStorageNode",
    "vtkMRMLGPURayCastVolumeRenderingDisplayNode",
    "vtkMRMLCPURayCastVolumeRenderingDisplayNode",
    "vtkMRMLMultiVolumeRenderingDisplayNode",
)


def in_application() -> bool:
    """Whether this runs inside the 3D Slicer application, whose own views then show the scene."""
    return getattr(slicer, "app", None) is not None


@contextlib.contextmanager
def quiet() -> Iterator[None]:
    """Keep VTK's warnings to itself for a while: for calls whose warnings are known and mean nothing."""
    shown = vtk.vtkObject.GetGlobalWarningDisplay()
    vtk.vtkObject.GlobalWarningDisplayOff()
    try:
        yield
    finally:
        vtk.vtkObject.SetGlobalWarningDisplay(shown)


def nodes_of_class(scene: Scene, node_class: str) -> list[Node]:
    """The nodes of a class and of those derived from it, in the order of the scene.

    Notes
    -----
    What GetNodesByClass returns belongs to the caller, which Python does not know: without UnRegister the collection,
    its nodes and their voxels stay in memory for ever.
    """
    collection = scene.GetNodesByClass(node_class)
    if collection.GetReferenceCount() > 1:
        collection.UnRegister(None)
    return [collection.GetItemAsObject(place) for place in range(collection.GetNumberOfItems())]


def new_scene() -> Scene:
    """An empty vtkMRMLScene with every node class and colour table that this package uses."""
    scene = slicer.vtkMRMLScene()
    prepare_scene(scene)
    return scene


def prepare_scene(scene: Scene) -> None:
    """Register the node classes and add the colour tables that the application's modules would; cheap when repeated.

    Parameters
    ----------
    scene : vtkMRMLScene

    Raises
    ------
    InputError
        When ``scene`` is no scene.
    """
    if not isinstance(scene, slicer.vtkMRMLScene):
        raise InputError(
            "scene",
            expected="a vtkMRMLScene",
            found=type(scene).__name__,
            remedy="Pass slicer.mrmlScene inside Slicer, else MITOReconstructionLib.scene.new_scene().",
        )
    if in_application():
        return
    for name in _NODE_CLASSES:
        if hasattr(slicer, name) and not scene.IsNodeClassRegistered(name):
            scene.RegisterNodeClass(getattr(slicer, name)())
    if scene.GetNodeByID(_COLOURS) is None:
        colours = slicer.vtkMRMLColorLogic()
        colours.SetMRMLScene(scene)
        colours.SetMRMLScene(None)
