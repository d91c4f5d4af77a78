"""What every part of a scan in the scene has in common: its nodes, their visibility, and geometry changed in place."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.scene.host import Node, Scene, nodes_of_class, numpy_support, vtk
from MITOReconstructionLib.scene.looks import Colour, Look

__all__ = [
    "PART",
    "SCAN",
    "VIEW",
    "Colour",
    "ModelPart",
    "Part",
    "cell_array",
    "find_part",
    "is_clone",
    "keep_renamed",
    "leave_hierarchy",
    "only_node",
    "part_node",
    "release",
]

SCAN = "MITO.scan"
"""Node attribute: name of the scan that a node belongs to."""

PART = "MITO.part"
"""Node attribute: which part of the scan a node shows."""

OWN = "MITO.node"
"""Node attribute: ID of the node that was made as the part; a clone of it has the other node's."""

VIEW = "MITO.view"
"""Node attribute of the detector: the view that is shown."""


def find_part(scene: Scene, node_class: str, part: str, scan: str | None = None) -> list[Node]:
    """The nodes of a class that show a part; of any scan, or of the one named."""
    nodes = nodes_of_class(scene, node_class)
    return [n for n in nodes if n.GetAttribute(PART) == part and scan in (None, n.GetAttribute(SCAN))]


def part_node(scene: Scene, node_class: str, scan: str, part: str, name: str) -> Node:
    """The node of a scan's part: the one in the scene already (from a saved scene, say), else a new one."""
    for node in find_part(scene, node_class, part, scan):
        if node.GetName() == name:
            return node
    node = scene.AddNewNodeByClass(node_class, name)
    node.SetAttribute(SCAN, scan)
    node.SetAttribute(PART, part)
    node.SetAttribute(OWN, node.GetID())
    return node


def only_node(scene: Scene, node_class: str, scan: str, part: str, name: str) -> Node:
    """The node of a part that a scan has once: the one in the scene already, which may have been renamed, else a new one.

    Others that have its name are taken out: those of a scene that was added to one that has the scan. Clones, which have the
    attributes but names of their own, are left alone: somebody wants to keep them.
    """
    every = find_part(scene, node_class, part, scan)
    ours = [n for n in every if n.GetName() == name or not is_clone(n)]
    node = min(ours, key=lambda n: (is_clone(n), n.GetName() != name)) if ours else part_node(scene, node_class, scan, part, name)
    node.SetAttribute(OWN, node.GetID())
    for other in every:
        if other is not node and other.GetName() in (name, node.GetName()):
            Part(scene, [other]).remove()
    return node


def is_clone(node: Node) -> bool:
    """Whether a node has the attributes of a part from another node, by Clone of the module Data, say."""
    return node.GetAttribute(OWN) not in (None, node.GetID())


def release(node: Node) -> None:
    """Let a node be no part of a scan any more, but the user's."""
    for name in (SCAN, PART, OWN):
        node.SetAttribute(name, None)


def keep_renamed(node: Node, name: str) -> bool:
    """Let a node that would go by itself stay, and be saved, where somebody has given it another name; whether that is so."""
    if node.GetScene() is None or node.GetName() == name:
        return False
    release(node)
    for each in (node, *(node.GetNthDisplayNode(place) for place in range(node.GetNumberOfDisplayNodes()))):
        each.SetSaveWithScene(True)
    return True


def leave_hierarchy(scene: Scene, node: Node) -> None:
    """Take a node out of the Subject Hierarchy that leaves the scene, or has left it: without the application nobody else does.

    An item that stayed would be taken for that of the next node that happens to get the same place in memory.
    """
    hierarchy = scene.GetFirstNodeByClass("vtkMRMLSubjectHierarchyNode")
    if hierarchy is not None and (item := hierarchy.GetItemByDataNode(node)) != hierarchy.GetInvalidItemID():
        hierarchy.RemoveItem(item, False, False)


class Part:
    """One or more nodes of the scene that are shown, hidden and removed together.

    Parameters
    ----------
    scene : vtkMRMLScene
    nodes : sequence of vtkMRMLDisplayableNode
        Nodes that make up the part.
    """

    def __init__(self, scene: Scene, nodes: Sequence[Node]) -> None:
        self.scene = scene
        self.nodes = list(nodes)

    @property
    def node(self) -> Node:
        """The part's main node."""
        return self.nodes[0]

    @property
    def alive(self) -> bool:
        """Whether the part's main node is still in the scene; a user may have deleted it."""
        return self.node.GetScene() is not None

    @property
    def visible(self) -> bool:
        """Whether the part is shown."""
        display = self.node.GetDisplayNode()
        return display is not None and bool(display.GetVisibility())

    @visible.setter
    def visible(self, value: bool) -> None:
        for node in self.nodes:
            display = node.GetDisplayNode()
            if display is not None:
                display.SetVisibility(bool(value))

    def style(self, *, colour: Colour | None = None, opacity: float | None = None, line_width: float | None = None) -> None:
        """Change the look; what is None stays.

        Parameters
        ----------
        colour : red, green, blue, 0 to 1
        opacity : 0 to 1
        line_width : pixels
        """
        display = self.node.GetDisplayNode()
        if display is None:
            return
        was = display.StartModify()
        if colour is not None:
            display.SetColor(*colour)
            display.SetSelectedColor(*colour)
        if opacity is not None:
            display.SetOpacity(opacity)
        if line_width is not None:
            display.SetLineWidth(line_width)
        display.EndModify(was)

    def look(self, look: Look) -> None:
        """Change the look."""
        self.style(colour=look.colour, opacity=look.opacity, line_width=look.line_width)

    def remove(self) -> None:
        """Take the part's nodes, with their display and storage nodes, out of the scene."""
        for node in self.nodes:
            if node.GetScene() is None:
                continue
            roles = ("display", "storage")
            helpers = [node.GetNthNodeReference(role, i) for role in roles for i in range(node.GetNumberOfNodeReferences(role))]
            leave_hierarchy(self.scene, node)
            self.scene.RemoveNode(node)
            for helper in helpers:
                if helper is not None and helper.GetScene() is not None:
                    self.scene.RemoveNode(helper)


class ModelPart(Part):
    """A model node of fixed topology whose points move in place.

    Parameters
    ----------
    scene : vtkMRMLScene
    scan, part : str
        Name of the scan, and the part that the node shows.
    points : float64, shape (n, 3)
        First positions in mm, RAS.
    lines, polygons : vtkCellArray, optional
        What joins the points.
    """

    def __init__(
        self,
        scene: Scene,
        scan: str,
        part: str,
        points: NDArray[np.float64],
        *,
        lines: object | None = None,
        polygons: object | None = None,
    ) -> None:
        self._array = np.array(points, dtype=np.float64, order="C")
        self._points = vtk.vtkPoints()
        self._points.SetData(numpy_support.numpy_to_vtk(self._array, deep=False))
        self.polydata = vtk.vtkPolyData()
        self.polydata.SetPoints(self._points)
        if lines is not None:
            self.polydata.SetLines(lines)
        if polygons is not None:
            self.polydata.SetPolys(polygons)
        node = only_node(scene, "vtkMRMLModelNode", scan, part, f"{scan} {part}")
        super().__init__(scene, [node])
        node.SetAndObservePolyData(self.polydata)
        if node.GetDisplayNode() is None:
            node.CreateDefaultDisplayNodes()
        self.display.SetVisibility2D(False)

    @property
    def display(self) -> Node:
        """The vtkMRMLModelDisplayNode."""
        return self.node.GetDisplayNode()

    @property
    def points(self) -> NDArray[np.float64]:
        """Positions now, float64, shape (n, 3), mm, RAS; a copy."""
        return self._array.copy()

    def move(self, points: NDArray[np.float64], *, view: int | None = None) -> None:
        """Give the points new positions: no node, array or cell is made anew.

        Parameters
        ----------
        points : float64, shape (n, 3)
            As many as before, in mm, RAS.
        view : int, optional
            Kept as the node's attribute ``MITO.view``.
        """
        self._array[...] = points
        was = self.node.StartModify()
        if self.node.GetPolyData() is not self.polydata:  # another session has shown the scan too
            self.node.SetAndObservePolyData(self.polydata)
        if view is not None:
            self.node.SetAttribute(VIEW, str(view))
        self._points.Modified()
        self.polydata.Modified()
        self.node.EndModify(was)


def cell_array(cells: NDArray[np.intp]) -> object:
    """A vtkCellArray of cells that have equally many points.

    Parameters
    ----------
    cells : integer, shape (cells, points per cell)
        Point indices.
    """
    count, size = cells.shape
    array = vtk.vtkCellArray()
    connectivity = numpy_support.numpy_to_vtkIdTypeArray(np.ascontiguousarray(cells, dtype=np.int64).ravel(), deep=True)
    offsets = numpy_support.numpy_to_vtkIdTypeArray(np.arange(0, count * size + 1, size, dtype=np.int64), deep=True)
    array.SetData(offsets, connectivity)
    return array
