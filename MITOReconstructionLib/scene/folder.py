"""One folder of the Subject Hierarchy for everything that belongs to a scan."""

from __future__ import annotations

from collections.abc import Iterable

from MITOReconstructionLib.scene.host import Node, Scene, slicer, vtk
from MITOReconstructionLib.scene.parts import SCAN

__all__ = ["ScanFolder", "rename_scan", "sample_of"]

SAMPLE = "MITO.sample"
"""Attribute of the folder's item: where the sample is on the disk."""


class ScanFolder:
    """The folder of a scan in the Subject Hierarchy: the one in the scene already, wherever it was moved to, else a new one.

    Parameters
    ----------
    scene : vtkMRMLScene
    name : str
        Name of the scan.
    """

    def __init__(self, scene: Scene, name: str) -> None:
        self._scene = scene
        self.name = name
        self._made()

    @property
    def item(self) -> int:
        """Its item in the hierarchy; a new folder's where somebody has deleted it."""
        return self._made()

    def _made(self) -> int:
        found = _find(self._hierarchy(), self.name)
        if found is not None:
            return found
        hierarchy = self._hierarchy()
        item = int(hierarchy.CreateFolderItem(hierarchy.GetSceneItemID(), self.name))
        hierarchy.SetItemAttribute(item, SCAN, self.name)
        hierarchy.SetItemExpanded(item, True)
        return item

    def _hierarchy(self) -> Node:
        return slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(self._scene)

    def add(self, node: Node) -> None:
        """Put a node into the folder; one that somebody has moved into another folder stays there."""
        hierarchy, into = self._hierarchy(), self.item
        item = hierarchy.GetItemByDataNode(node)
        if item == hierarchy.GetInvalidItemID():
            hierarchy.CreateItem(into, node)
        elif hierarchy.GetItemParent(item) == hierarchy.GetSceneItemID():
            hierarchy.SetItemParent(item, into)

    def note_sample(self, folder: str) -> None:
        """Note where the sample is on the disk; it is kept with the scene, also when the scan is closed."""
        self._hierarchy().SetItemAttribute(self.item, SAMPLE, folder)

    @property
    def members(self) -> list[Node]:
        """The nodes in the folder, and in folders within it."""
        hierarchy = self._hierarchy()
        found = _find(hierarchy, self.name)
        nodes = [] if found is None else [hierarchy.GetItemDataNode(item) for item in _children(hierarchy, found, True)]
        return [node for node in nodes if node is not None]

    def remove(self) -> None:
        """Take the folder out; what somebody has put into it moves up to where the folder was."""
        hierarchy = self._hierarchy()
        found = _find(hierarchy, self.name)
        if found is None:
            return
        for item in _children(hierarchy, found, False):
            hierarchy.SetItemParent(item, hierarchy.GetItemParent(found))
        hierarchy.RemoveItem(found, False, False)


def sample_of(scene: Scene, name: str) -> str:
    """Where the sample is on the disk that has the folder of that name; empty where there is no such folder, or it does not say."""
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    found = _find(hierarchy, name)
    return "" if found is None else str(hierarchy.GetItemAttribute(found, SAMPLE) or "")


def rename_scan(scene: Scene, nodes: Iterable[Node], name: str, sample: str, to: str) -> None:
    """Let some nodes of a scan, and its folder, be those of a scan of another name: of two scenes that have one of that name each.

    Parameters
    ----------
    scene : vtkMRMLScene
    nodes : iterable of vtkMRMLNode
        Those that came with one of the two scenes.
    name, sample : str
        Name of the scan in that scene, and where its sample is on the disk.
    to : str
        The new name.
    """
    for node in nodes:
        if node.GetAttribute(SCAN) == name:
            node.SetAttribute(SCAN, to)
            if (node.GetName() or "").startswith(f"{name} "):
                node.SetName(to + node.GetName().removeprefix(name))
    hierarchy = slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(scene)
    for item in _children(hierarchy, hierarchy.GetSceneItemID(), True):
        if hierarchy.GetItemAttribute(item, SCAN) == name and hierarchy.GetItemAttribute(item, SAMPLE) == sample:
            hierarchy.SetItemAttribute(item, SCAN, to)
            hierarchy.SetItemName(item, to)


def _find(hierarchy: Node, name: str) -> int | None:
    for item in _children(hierarchy, hierarchy.GetSceneItemID(), True):
        if hierarchy.GetItemAttribute(item, SCAN) == name and hierarchy.GetItemDataNode(item) is None:
            return item
    return None


def _children(hierarchy: Node, item: int, recursive: bool) -> list[int]:
    items = vtk.vtkIdList()
    hierarchy.GetItemChildren(item, items, recursive)
    return [int(items.GetId(place)) for place in range(items.GetNumberOfIds())]
