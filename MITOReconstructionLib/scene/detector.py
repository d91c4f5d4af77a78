"""The detector's surface with the projection on it, as a texture while it is shown and as cell values when it is saved."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.geometry import ScanGeometry
from MITOReconstructionLib.scene.host import Node, Scene, numpy_support, slicer, vtk
from MITOReconstructionLib.scene.image import ImageNode
from MITOReconstructionLib.scene.looks import LOOKS
from MITOReconstructionLib.scene.parts import ModelPart, cell_array
from MITOReconstructionLib.scene.projection import ProjectionImage

__all__ = ["DetectorModel", "with_values"]

PROJECTION = "MITO.projection"
"""Node reference role: from the detector's model to the volume node with its projection."""

MESH = "MITO.mesh"
"""Node attribute: quadrilaterals of the detector's mesh along columns and rows."""

VALUES = "line integral"

_MOST_CELLS = 250_000


def _quads(columns: int, rows: int) -> NDArray[np.intp]:
    i, j = np.meshgrid(np.arange(columns), np.arange(rows), indexing="ij")
    corner = (i * (rows + 1) + j).reshape(-1)
    return np.stack([corner, corner + rows + 1, corner + rows + 2, corner + 1], axis=1)


class DetectorModel(ModelPart):
    """The detector's surface as a patch of quadrilaterals, textured with a projection.

    Parameters
    ----------
    scene : vtkMRMLScene
    scan : str
        Name of the scan.
    geometry : ScanGeometry
    projection : ProjectionImage
        Gives the texture.
    columns : int, optional
        Quadrilaterals along the fan; across it one is enough, for the surface is straight along the axis.
    """

    def __init__(self, scene: Scene, scan: str, geometry: ScanGeometry, projection: ProjectionImage, *, columns: int = 64) -> None:
        self._geometry = geometry
        self.columns = 1 if geometry.detector.is_flat else columns
        mesh = geometry.detector_mesh(0, columns=self.columns)
        super().__init__(scene, scan, "detector", mesh.points.reshape(-1, 3), polygons=cell_array(_quads(self.columns, 1)))
        texture = numpy_support.numpy_to_vtk(mesh.texture.reshape(-1, 2).astype(np.float32), deep=True)
        texture.SetName("TextureCoordinates")
        self.polydata.GetPointData().SetTCoords(texture)
        self.node.SetAttribute(MESH, f"{self.columns} 1")
        self.node.SetNodeReferenceID(PROJECTION, projection.node.GetID())
        display = self.display
        was = display.StartModify()
        display.SetScalarVisibility(False)
        display.SetLighting(False)
        display.SetBackfaceCulling(False)
        display.SetInterpolateTexture(True)
        display.SetTextureImageDataConnection(projection.texture)
        display.EndModify(was)
        self.look(LOOKS["detector"])

    def show(self, view: int) -> None:
        """Move the surface to a view."""
        self.move(self._geometry.detector_mesh(view, columns=self.columns).points.reshape(-1, 3), view=view)

    def refresh(self) -> None:
        """Have it drawn anew, with another window of the projection."""
        if self.display is not None:  # a person may have deleted it
            self.display.Modified()


@contextlib.contextmanager
def with_values(node: Node) -> Iterator[None]:
    """Let the detector's model carry the projection as cell values for a while.

    A texture is not stored with a scene. While this lasts the model is a mesh of one quadrilateral per pixel (of
    2 x 2, 3 x 3, ... where those would be too many) whose cell scalar ``line integral`` is coloured grey over the
    projection's window; that is what a saved scene shows. Afterwards the node is as it was.

    Parameters
    ----------
    node : vtkMRMLModelNode
        That of a :class:`DetectorModel`; any other, or one without a projection, is left alone.
    """
    projection = node.GetNodeReference(PROJECTION)
    mesh, display, coarse = node.GetAttribute(MESH), node.GetDisplayNode(), node.GetPolyData()
    counts = tuple(int(n) for n in mesh.split()) if mesh else (0, 0)
    if projection is None or display is None or coarse is None or coarse.GetNumberOfPoints() != (counts[0] + 1) * (counts[1] + 1):
        yield
        return
    pixels, edges = _binned(ImageNode(projection).read()[:, :, 0])
    points = numpy_support.vtk_to_numpy(coarse.GetPoints().GetData()).reshape(counts[0] + 1, counts[1] + 1, 3)
    before = slicer.vtkMRMLModelDisplayNode()
    before.CopyContent(display)
    texture = display.GetTextureImageDataConnection()
    node.SetAndObservePolyData(_fine(points, pixels, edges))
    _colour_by_values(display, projection.GetDisplayNode())
    try:
        yield
    finally:
        node.SetAndObservePolyData(coarse)
        display.CopyContent(before)
        display.SetTextureImageDataConnection(texture)


def _binned(pixels: NDArray[np.float32]) -> tuple[NDArray[np.float32], list[NDArray[np.float64]]]:
    """Means over n x n pixels with the smallest n that keeps within the number of cells, and the bins' edges, 0 to 1."""
    n = 1
    while -(-pixels.shape[0] // n) * -(-pixels.shape[1] // n) > _MOST_CELLS:
        n += 1
    values, edges = pixels.astype(np.float64), []
    for axis, count in enumerate(pixels.shape):
        starts = np.arange(0, count, n)
        bounds = np.append(starts, count)
        values = np.add.reduceat(values, starts, axis=axis) / np.expand_dims(np.diff(bounds), 1 - axis)
        edges.append(bounds / count)
    return values.astype(np.float32), edges


def _fine(points: NDArray[np.float64], pixels: NDArray[np.float32], edges: list[NDArray[np.float64]]) -> Node:
    for axis in (0, 1):
        at = edges[axis] * (points.shape[axis] - 1)
        below = np.minimum(at.astype(np.intp), points.shape[axis] - 2)
        share = np.expand_dims(at - below, (1, 2) if axis == 0 else (0, 2))
        points = np.take(points, below, axis) * (1 - share) + np.take(points, below + 1, axis) * share
    polydata = vtk.vtkPolyData()
    corners = vtk.vtkPoints()
    corners.SetData(numpy_support.numpy_to_vtk(np.ascontiguousarray(points.reshape(-1, 3), dtype=np.float32), deep=True))
    polydata.SetPoints(corners)
    polydata.SetPolys(cell_array(_quads(*pixels.shape)))
    values = numpy_support.numpy_to_vtk(np.ascontiguousarray(pixels).reshape(-1), deep=True)
    values.SetName(VALUES)
    polydata.GetCellData().SetScalars(values)
    return polydata


def _colour_by_values(display: Node, window: Node) -> None:
    was = display.StartModify()
    display.SetAndObserveColorNodeID("vtkMRMLColorTableNodeGrey")
    display.SetActiveScalar(VALUES, vtk.vtkAssignAttribute.CELL_DATA)
    display.SetScalarRangeFlag(display.UseManualScalarRange)
    display.SetScalarRange(window.GetWindowLevelMin(), window.GetWindowLevelMax())
    display.SetScalarVisibility(True)
    display.EndModify(was)
