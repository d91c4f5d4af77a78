"""Voxels of a volume node, written in place. The library's arrays are indexed [x, y, z]; VTK lets x run fastest."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.scene.host import Node, numpy_support, vtk

__all__ = ["ImageNode", "grey_display"]


def grey_display(node: Node) -> Node:
    """The vtkMRMLScalarVolumeDisplayNode of a volume node; where it has none a grey one, whose window stays as it is set.

    Others than that one, such as of a volume rendering, stay.
    """
    display = node.GetScalarVolumeDisplayNode()
    if display is None:
        others = [node.GetNthDisplayNodeID(place) for place in range(node.GetNumberOfDisplayNodes())]
        node.CreateDefaultDisplayNodes()
        for other in others:
            if other and not node.HasNodeReferenceID("display", other):
                node.AddAndObserveDisplayNodeID(other)
        display = node.GetScalarVolumeDisplayNode()
        display.SetAndObserveColorNodeID("vtkMRMLColorTableNodeGrey")
        display.AutoWindowLevelOff()
    return display


class ImageNode:
    """Reads and writes the float32 voxels and the placement of a vtkMRMLScalarVolumeNode.

    Parameters
    ----------
    node : vtkMRMLScalarVolumeNode
    """

    def __init__(self, node: Node) -> None:
        self.node = node

    def _view(self) -> NDArray[np.float32] | None:
        image = self.node.GetImageData()
        if image is None or image.GetPointData().GetScalars() is None or image.GetScalarType() != vtk.VTK_FLOAT:
            return None
        if image.GetNumberOfScalarComponents() != 1:
            return None
        flat = numpy_support.vtk_to_numpy(image.GetPointData().GetScalars())
        voxels: NDArray[np.float32] = flat.reshape(image.GetDimensions()[::-1]).transpose(2, 1, 0)
        return voxels

    def read(self) -> NDArray[np.float32]:
        """A copy of the voxels, float32, indexed [i, j, k]."""
        view = self._view()
        return np.zeros((0, 0, 0), dtype=np.float32) if view is None else view.copy()

    def write(self, voxels: NDArray[np.float32]) -> None:
        """Write voxels indexed [i, j, k]; an image of another shape is made only where the shape changed."""
        view = self._view()
        if view is None or view.shape != voxels.shape:
            image = vtk.vtkImageData()
            image.SetDimensions(*voxels.shape)
            image.AllocateScalars(vtk.VTK_FLOAT, 1)
            self.node.SetAndObserveImageData(image)
            view = self._view()
        if view is not None:
            view[...] = voxels
        image = self.node.GetImageData()
        image.GetPointData().GetScalars().Modified()
        image.Modified()

    def place(self, directions: NDArray[np.float64], first: NDArray[np.float64]) -> None:
        """Set IJK to RAS.

        Parameters
        ----------
        directions : float64, shape (3, 3)
            Columns are the steps in mm along i, j and k.
        first : float64, shape (3,)
            Centre of voxel (0, 0, 0) in mm.
        """
        matrix = vtk.vtkMatrix4x4()
        for row in range(3):
            for column in range(3):
                matrix.SetElement(row, column, float(directions[row, column]))
            matrix.SetElement(row, 3, float(first[row]))
        self.node.SetIJKToRASMatrix(matrix)
