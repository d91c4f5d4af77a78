"""Volume renderings of logs: a veil of wood around its knots, or solid wood with its rings on the ends."""

from __future__ import annotations

import math

from MITOReconstructionLib.errors import InputError
from MITOReconstructionLib.scene.host import Node, Scene, in_application, slicer
from MITOReconstructionLib.scene.parts import PART, SCAN
from MITOReconstructionLib.scene.window import Contrast

__all__ = ["LOOK", "LOOKS", "rendering_of", "show_wood"]

_GPU = "vtkMRMLGPURayCastVolumeRenderingDisplayNode"


def rendering_of(scene: Scene, volume: Node) -> Node:
    """The volume rendering display node of a volume, with a volume property node; made, hidden, where there is none."""
    displays = [volume.GetNthDisplayNode(place) for place in range(volume.GetNumberOfDisplayNodes())]
    display = next((each for each in displays if each is not None and each.IsA("vtkMRMLVolumeRenderingDisplayNode")), None)
    if display is None:
        display = _part(scene, volume, _method(), "rendering")
        display.SetVisibility(False)
        display.SetFollowVolumeDisplayNode(False)
        volume.AddAndObserveDisplayNodeID(display.GetID())
    if display.GetVolumePropertyNode() is None:
        display.SetAndObserveVolumePropertyNodeID(_part(scene, volume, "vtkMRMLVolumePropertyNode", "wood").GetID())
    return display


def _part(scene: Scene, volume: Node, node_class: str, name: str) -> Node:
    node = scene.AddNewNodeByClass(node_class, f"{volume.GetName()} {name}")
    node.SetAttribute(SCAN, volume.GetAttribute(SCAN))
    node.SetAttribute(PART, "volume rendering")
    return node


LOOK = "MITO.look"
"""Node attribute of the volume property node: the look that it has."""

LOOKS = ("knots", "rings")
"""knots: air invisible, wood a veil, dense rings stronger, knots and bark solid. rings: solid wood, dense wood dark."""

_VEIL = ((-0.1, 0.0), (0.05, 0.75), (0.5, 0.92), (0.75, 0.99), (0.9, 0.9999), (1.0, 1.0 - 1e-12))
"""From threshold (0) to white (1): which part of the light the whole thickness of the object would keep back."""

_SOLID = ((0.0, 0.0), (0.1, 0.1), (0.2, 0.6), (0.3, 0.9), (1.0, 0.95))
"""From threshold (0) to white (1): which part of the light a millimetre keeps back."""

_COLOURS = {
    "knots": ((0.0, (0.35, 0.2, 0.1)), (0.35, (0.66, 0.45, 0.25)), (0.7, (0.87, 0.7, 0.45)), (1.0, (1.0, 0.95, 0.8))),
    "rings": (
        (0.0, (0.98, 0.9, 0.72)),
        (0.3, (0.9, 0.74, 0.5)),
        (0.6, (0.68, 0.46, 0.26)),
        (0.85, (0.45, 0.26, 0.13)),
        (1.0, (0.3, 0.14, 0.07)),
    ),
}


def show_wood(rendering: Node, contrast: Contrast, extent: float, look: str = "knots") -> None:
    """Set the transfer functions.

    Parameters
    ----------
    rendering : vtkMRMLVolumeRenderingDisplayNode
    contrast : Contrast
        Of the volume.
    extent : float
        Thickness of the object in mm; a veil is chosen so that its far side is still seen.
    look : str
        One of :data:`LOOKS`.

    Raises
    ------
    InputError
        When there is no such look.
    """
    if look not in LOOKS:
        raise InputError("look", expected=f"one of {', '.join(LOOKS)}", found=repr(look), remedy="Choose one of these.")
    node = rendering.GetVolumePropertyNode()
    properties = node.GetVolumeProperty()
    start, stop = contrast.threshold, contrast.high
    was = node.StartModify()
    opacity = properties.GetScalarOpacity()
    opacity.RemoveAllPoints()
    for share, through in _VEIL if look == "knots" else _SOLID:
        depth = max(extent, 1e-3) if look == "knots" else 1.0
        opacity.AddPoint(start + share * (stop - start), -math.expm1(math.log1p(-through) / depth))
    colour = properties.GetRGBTransferFunction()
    colour.RemoveAllPoints()
    for share, (red, green, blue) in _COLOURS[look]:
        colour.AddRGBPoint(start + share * (stop - start), red, green, blue)
    gradient = properties.GetGradientOpacity()
    gradient.RemoveAllPoints()
    gradient.AddPoint(0.0, 1.0)
    gradient.AddPoint(1.0, 1.0)
    properties.SetInterpolationTypeToLinear()
    properties.SetScalarOpacityUnitDistance(1.0)
    properties.ShadeOn()
    properties.SetAmbient(0.35)
    properties.SetDiffuse(0.75)
    properties.SetSpecular(0.1)
    node.SetAttribute(LOOK, look)
    node.EndModify(was)


def _method() -> str:
    """Class of the display node: the application's choice, else ray casting in OpenGL."""
    if in_application() and hasattr(slicer.modules, "volumerendering"):
        return str(slicer.modules.volumerendering.logic().GetDefaultRenderingMethod() or _GPU)
    return _GPU
