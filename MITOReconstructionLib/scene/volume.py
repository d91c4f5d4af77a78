"""A reconstructed volume in the scene, with how it came to be."""

from __future__ import annotations

import json
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.errors import InputError
from MITOReconstructionLib.geometry import VolumeGrid
from MITOReconstructionLib.scene.host import Node, Scene
from MITOReconstructionLib.scene.image import ImageNode, grey_display
from MITOReconstructionLib.scene.parts import Part, part_node
from MITOReconstructionLib.scene.rendering import rendering_of, show_wood
from MITOReconstructionLib.scene.window import contrast_of

__all__ = ["VolumePart", "provenance_of"]

PROVENANCE = "MITO.provenance"
"""Node attribute: the provenance as JSON."""


class VolumePart(Part):
    """A vtkMRMLScalarVolumeNode, float32, axis-aligned in RAS, with window and level and a volume rendering.

    Parameters
    ----------
    scene : vtkMRMLScene
    scan, name : str
        Names of the scan and of the volume.
    part : str, optional
        Which part of the scan it is; a result by default.
    """

    def __init__(self, scene: Scene, scan: str, name: str, *, part: str = "volume") -> None:
        node = part_node(scene, "vtkMRMLScalarVolumeNode", scan, part, name)
        super().__init__(scene, [node])
        grey_display(node)
        self._image = ImageNode(node)
        rendering_of(scene, node)

    @property
    def rendering(self) -> Node:
        """The vtkMRMLVolumeRenderingDisplayNode, with its vtkMRMLVolumePropertyNode; made anew where somebody has deleted them."""
        return rendering_of(self.scene, self.node)

    @property
    def visible(self) -> bool:
        """Whether the volume rendering is shown."""
        return bool(self.rendering.GetVisibility())

    @visible.setter
    def visible(self, value: bool) -> None:
        self.rendering.SetVisibility(bool(value))

    def show(self, array: NDArray[np.floating], grid: VolumeGrid, provenance: Mapping[str, Any] | None = None) -> None:
        """Show voxels; the node's image is written in place where its shape stays.

        Parameters
        ----------
        array : float, shape ``grid.shape``, indexed [x, y, z]
            Attenuation per mm.
        grid : VolumeGrid
            Where the voxels are, mm, RAS.
        provenance : mapping, optional
            How the volume came to be; kept as JSON in the node attribute ``MITO.provenance``.

        Raises
        ------
        InputError
            When the shape is not the grid's, or the provenance cannot be written as JSON.
        """
        voxels = np.asarray(array)
        if voxels.shape != grid.shape:
            raise InputError(
                "volume array",
                expected=f"shape (x, y, z) = {grid.shape} of its grid",
                found=f"shape {voxels.shape}",
                remedy="Index the array [x, y, z], and pass the grid that it was made on.",
            )
        told = _as_json(provenance or {})
        contrast = contrast_of(voxels)
        was = self.node.StartModify()
        self._image.write(voxels)
        self._image.place(np.diag(grid.spacing), np.array(grid.origin))
        self.node.SetAttribute(PROVENANCE, told)
        self.node.EndModify(was)
        grey_display(self.node).SetWindowLevelMinMax(contrast.low, contrast.high)
        sides = sorted(b - a for a, b in zip(grid.minimum, grid.maximum, strict=True))
        show_wood(self.rendering, contrast, sides[1])

    @property
    def array(self) -> NDArray[np.float32]:
        """The voxels, float32, indexed [x, y, z]; a copy."""
        return self._image.read()

    def remove(self) -> None:
        """Take the volume with its display, rendering and storage nodes out of the scene."""
        wood = self.rendering.GetVolumePropertyNode() if self.alive else None
        storage = None if wood is None else wood.GetStorageNode()
        super().remove()
        for node in (wood, storage):
            if node is not None and node.GetScene() is not None:
                self.scene.RemoveNode(node)


def provenance_of(node: Node) -> dict[str, Any]:
    """How the volume in a node came to be; empty where the node does not say.

    Raises
    ------
    InputError
        When the node's attribute was damaged.
    """
    text = node.GetAttribute(PROVENANCE)
    if text is None:
        return {}
    where, remedy = f"attribute {PROVENANCE} of {node.GetName()}", "Delete the attribute."
    try:
        told = json.loads(text)
    except (json.JSONDecodeError, RecursionError) as error:
        raise InputError(where, expected="JSON", found=str(error), remedy=remedy) from error
    if not isinstance(told, dict):
        raise InputError(where, expected="names and values", found=type(told).__name__, remedy=remedy)
    return told


def _as_json(provenance: Mapping[str, Any]) -> str:
    try:
        return json.dumps(dict(provenance), sort_keys=True, default=_plain)
    except (TypeError, ValueError) as error:
        raise InputError(
            "provenance", expected="names with numbers, text, lists or mappings", found=str(error), remedy="Pass plain values only."
        ) from error


def _plain(value: object) -> object:
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    raise TypeError(f"a value of type {type(value).__name__}")
