"""What can be done with a volume node that a reconstruction made, wherever it comes from: a run, a saved scene, an NRRD file."""

from __future__ import annotations

import json
from pathlib import Path

import numpy as np

from MITOReconstructionLib.errors import InputError
from MITOReconstructionLib.export import load_header
from MITOReconstructionLib.geometry import VolumeGrid
from MITOReconstructionLib.jobs import Volume
from MITOReconstructionLib.scene.host import Node, Scene, nodes_of_class, numpy_support, vtk
from MITOReconstructionLib.scene.image import grey_display
from MITOReconstructionLib.scene.parts import PART, SCAN
from MITOReconstructionLib.scene.rendering import LOOK, LOOKS, rendering_of, show_wood
from MITOReconstructionLib.scene.volume import PROVENANCE, provenance_of
from MITOReconstructionLib.scene.window import contrast_of, window_of

__all__ = ["adopt", "fit_window", "look_of", "render", "volume_of"]


def adopt(node: Node) -> bool:
    """Take a volume that was loaded from a file into the results, where the file says how it came to be.

    Whether it was; a node that is a part of a scan already, or whose file says nothing, is left as it is.
    """
    storage = node.GetStorageNode()
    if node.GetAttribute(PART) is not None or storage is None or not storage.GetFileName():
        return False
    path = Path(storage.GetFileName())
    if path.suffix.lower() != ".nrrd" or not path.is_file():
        return False
    try:
        told = load_header(path)
    except InputError:
        return False
    if not {"sample", "method"} <= told.keys():
        return False
    node.SetAttribute(PROVENANCE, json.dumps(told, sort_keys=True))
    node.SetAttribute(SCAN, Path(str(told["sample"])).name)
    node.SetAttribute(PART, "volume")
    return True


def volume_of(node: Node) -> Volume:
    """The volume in a node: its voxels (a copy), its grid, and how it came to be.

    Raises
    ------
    InputError
        When it holds no voxels or several values for each, or its axes are not those of RAS.
    """
    name, image = node.GetName(), node.GetImageData()
    scalars = None if image is None else image.GetPointData().GetScalars()
    if scalars is None or scalars.GetNumberOfComponents() != 1:
        found = "none" if scalars is None else f"{scalars.GetNumberOfComponents()} values for each"
        raise InputError(f"volume {name}", expected="voxels with one value each", found=found, remedy="Choose another volume.")
    placed = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(placed)
    matrix = np.array([[placed.GetElement(i, j) for j in range(4)] for i in range(4)])
    steps = np.diag(matrix)[:3]
    if node.GetParentTransformNode() is not None or np.abs(matrix[:3, :3] - np.diag(steps)).max() > 1e-6 * np.abs(steps).min():
        raise InputError(
            f"volume {name}",
            expected="axes along R, A and S, and no transform",
            found="others",
            remedy="Harden its transform, and resample it with Crop Volume.",
        )
    array = numpy_support.vtk_to_numpy(scalars).reshape(image.GetDimensions()[::-1]).transpose(2, 1, 0)
    array = array[tuple(slice(None, None, 1 if step > 0 else -1) for step in steps)]
    first = matrix[:3, 3] + np.where(steps > 0, 0, steps * (np.array(array.shape) - 1))
    low = first - np.abs(steps) / 2
    grid = VolumeGrid.from_bounds(low.tolist(), (low + np.abs(steps) * array.shape).tolist(), shape=array.shape)
    return Volume(np.array(array, dtype=np.float32, order="C"), grid, provenance_of(node))


def fit_window(node: Node, low: float = 0.5, high: float = 99.5) -> tuple[float, float]:
    """Show the values between two percentiles of the object, air left out, from black to white.

    Parameters
    ----------
    node : vtkMRMLScalarVolumeNode
    low, high : float
        Percentiles of the object's values, 0 to 100.

    Returns
    -------
    (float, float)
        The values that are black and white now, 1/mm.

    Raises
    ------
    InputError
        When the percentiles do not rise, or the node holds no voxels.
    """
    ends = window_of(volume_of(node).array, low, high)
    display = grey_display(node)
    was = display.StartModify()
    display.AutoWindowLevelOff()
    display.SetWindowLevelMinMax(*ends)
    display.EndModify(was)
    return ends


def render(scene: Scene, node: Node, look: str | None = LOOKS[0]) -> None:
    """Show a volume in the 3D views as wood, in the place of any other.

    Parameters
    ----------
    scene : vtkMRMLScene
    node : vtkMRMLScalarVolumeNode
    look : str or None
        One of ``scene.rendering.LOOKS``; None no longer shows it.

    Raises
    ------
    InputError
        When there is no such look, or the node is no volume along the axes of RAS.
    """
    if look is None:
        if look_of(node) is not None:
            rendering_of(scene, node).SetVisibility(False)
        return
    volume = volume_of(node)
    rendering = rendering_of(scene, node)
    sides = sorted(b - a for a, b in zip(volume.grid.minimum, volume.grid.maximum, strict=True))
    show_wood(rendering, contrast_of(volume.array), sides[1], look)
    for other in nodes_of_class(scene, "vtkMRMLVolumeRenderingDisplayNode"):
        other.SetVisibility(other is rendering)


def look_of(node: Node) -> str | None:
    """How a volume is shown in the 3D views: one of ``scene.rendering.LOOKS``; "" where somebody chose otherwise, None where it is not."""
    displays = [node.GetNthDisplayNode(i) for i in range(node.GetNumberOfDisplayNodes())]
    for each in displays:
        if each is not None and each.IsA("vtkMRMLVolumeRenderingDisplayNode") and each.GetVisibility():
            wood = each.GetVolumePropertyNode()
            return "" if wood is None else wood.GetAttribute(LOOK) or ""
    return None
