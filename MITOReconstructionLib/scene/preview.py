"""What a run has so far, in the scene: a volume for looking at, which is neither rendered nor saved."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.geometry import VolumeGrid
from MITOReconstructionLib.scene.folder import ScanFolder
from MITOReconstructionLib.scene.host import Scene
from MITOReconstructionLib.scene.image import ImageNode, grey_display
from MITOReconstructionLib.scene.parts import Part, keep_renamed, part_node
from MITOReconstructionLib.scene.window import contrast_of

__all__ = ["PreviewPart"]

ITERATION = "MITO.iteration"
"""Node attribute: how many iterations were done."""


class PreviewPart(Part):
    """A vtkMRMLScalarVolumeNode '<name> (preview)' in the folder of its scan, written in place. It is not saved with a scene.

    One that somebody has renamed stays as it is, and is theirs.

    Parameters
    ----------
    scene : vtkMRMLScene
    scan, name : str
        Names of the scan and of the run.
    """

    def __init__(self, scene: Scene, scan: str, name: str) -> None:
        self._name = f"{name} (preview)"
        node = part_node(scene, "vtkMRMLScalarVolumeNode", scan, "preview", self._name)
        super().__init__(scene, [node])
        node.SetSaveWithScene(False)
        grey_display(node).SetSaveWithScene(False)
        self._image = ImageNode(node)
        ScanFolder(scene, scan).add(node)

    @property
    def alive(self) -> bool:
        """Whether it is still in the scene, and nobody has renamed it."""
        return super().alive and bool(self.node.GetName() == self._name)

    def remove(self) -> None:
        """Take it out of the scene, where nobody has renamed it."""
        if not keep_renamed(self.node, self._name):
            super().remove()

    def show(self, array: NDArray[np.float32], grid: VolumeGrid, iteration: int) -> None:
        """Show voxels, indexed [x, y, z], as they are after so many iterations."""
        was = self.node.StartModify()
        self._image.write(array)
        self._image.place(np.diag(grid.spacing), np.array(grid.origin))
        self.node.SetAttribute(ITERATION, str(iteration))
        self.node.EndModify(was)
        contrast = contrast_of(array)
        grey_display(self.node).SetWindowLevelMinMax(contrast.low, contrast.high)
