"""One folder of the Subject Hierarchy for everything that belongs to a scan."""

from __future__ import annotations

from MITOReconstructionLib.scene.host import Node, Scene, slicer, vtk
from MITOReconstructionLib.scene.parts import SCAN

__all__ = ["ScanFolder"]


class ScanFolder:
    """The folder of a scan in the Subject Hierarchy: the one in the scene already, else a new one.

    Parameters
    ----------
    scene : vtkMRMLScene
    name : str
        Name of the scan.
    """

    def __init__(self, scene: Scene, name: str) -> None:
        self._scene = scene
        self.name = name
        hierarchy = self._hierarchy()
        found = self._find()
        self.item: int = found if found is not None else hierarchy.CreateFolderItem(hierarchy.GetSceneItemID(), name)
        hierarchy.SetItemAttribute(self.item, SCAN, name)
        hierarchy.SetItemExpanded(self.item, True)

    def _hierarchy(self) -> Node:
        return slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(self._scene)

    def _find(self) -> int | None:
        hierarchy = self._hierarchy()
        items = vtk.vtkIdList()
        hierarchy.GetItemChildren(hierarchy.GetSceneItemID(), items, False)
        for i in range(items.GetNumberOfIds()):
            if hierarchy.GetItemAttribute(items.GetId(i), SCAN) == self.name and hierarchy.GetItemDataNode(items.GetId(i)) is None:
                return int(items.GetId(i))
        return None

    def add(self, node: Node) -> None:
        """Put a node into the folder."""
        hierarchy = self._hierarchy()
        item = hierarchy.GetItemByDataNode(node)
        if item == hierarchy.GetInvalidItemID():
            item = hierarchy.CreateItem(self.item, node)
        hierarchy.SetItemParent(item, self.item)

    def discard(self, node: Node) -> None:
        """Take a node out of the hierarchy that leaves the scene, or has left it: without the application nobody else does."""
        hierarchy = self._hierarchy()
        item = hierarchy.GetItemByDataNode(node)
        if item != hierarchy.GetInvalidItemID():
            hierarchy.RemoveItem(item, False, False)

    @property
    def members(self) -> list[Node]:
        """The nodes in the folder."""
        hierarchy, items = self._hierarchy(), vtk.vtkIdList()
        hierarchy.GetItemChildren(self.item, items, True)
        nodes = [hierarchy.GetItemDataNode(items.GetId(i)) for i in range(items.GetNumberOfIds())]
        return [node for node in nodes if node is not None]

    def remove(self) -> None:
        """Take the folder out; nodes of the scene that were put into it move up to where the folder was."""
        hierarchy = self._hierarchy()
        parent = hierarchy.GetItemParent(self.item)
        for node in self.members:
            item = hierarchy.GetItemByDataNode(node)
            if node.GetScene() is not None and hierarchy.GetItemParent(item) == self.item:
                hierarchy.SetItemParent(item, parent)
        hierarchy.RemoveItem(self.item, False, True)
