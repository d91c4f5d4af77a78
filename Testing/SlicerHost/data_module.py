"""What the application does with the Subject Hierarchy by itself, and what a person does to nodes in the module Data."""

from __future__ import annotations

from typing import Any

import slicer
import vtk

from SlicerHost.errors import HostError

__all__ = ["DataModule"]

SHOWN = (
    "vtkMRMLVolumeNode",
    "vtkMRMLModelNode",
    "vtkMRMLMarkupsNode",
    "vtkMRMLTransformNode",
    "vtkMRMLTableNode",
    "vtkMRMLPlotChartNode",
    "vtkMRMLTextNode",
)
"""Classes of the nodes that have an item in the hierarchy. Nodes that are hidden from editors have none."""


class DataModule:
    """Gives every data node that is added an item at the top of the hierarchy, takes the item out with the node, and clones and deletes.

    Parameters
    ----------
    scene : vtkMRMLScene
    """

    def __init__(self, scene: Any) -> None:
        self._scene = scene
        kind = slicer.vtkMRMLScene
        calls = {
            kind.NodeAddedEvent: self._added,
            kind.NodeAboutToBeRemovedEvent: self._leaving,
            kind.EndImportEvent: self._imported,
            kind.EndCloseEvent: self._began,
        }
        for call in (self._added, self._leaving):
            call.__func__.CallDataType = vtk.VTK_OBJECT
        self._tags = [scene.AddObserver(event, call) for event, call in calls.items()]
        self._began()

    @property
    def hierarchy(self) -> Any:
        """The vtkMRMLSubjectHierarchyNode of the scene."""
        return slicer.vtkMRMLSubjectHierarchyNode.GetSubjectHierarchyNode(self._scene)

    def clone(self, node: Any) -> Any:
        """Clone a node, as 'Clone' does: its attributes, references and first display node with it; the new node is returned."""
        made = slicer.vtkSlicerSubjectHierarchyModuleLogic.CloneSubjectHierarchyItem(self.hierarchy, self._item(node))
        return self.hierarchy.GetItemDataNode(made)

    def delete(self, node: Any) -> None:
        """Delete a node, as 'Delete' does; its display nodes stay."""
        self.hierarchy.RemoveItem(self._item(node), True, False)

    def delete_folder(self, item: int) -> None:
        """Delete a folder with everything in it."""
        self.hierarchy.RemoveItem(item, True, True)

    def move(self, what: Any, folder: int) -> None:
        """Drag a node, or a folder by its item, into a folder."""
        self.hierarchy.SetItemParent(what if isinstance(what, int) else self._item(what), folder)

    def add_folder(self, name: str) -> int:
        """Make a folder at the top; its item."""
        return int(self.hierarchy.CreateFolderItem(self.hierarchy.GetSceneItemID(), name))

    def close(self) -> None:
        """Watch the scene no longer."""
        for tag in self._tags:
            self._scene.RemoveObserver(tag)
        self._tags = []

    def _item(self, node: Any) -> int:
        item = int(self.hierarchy.GetItemByDataNode(node))
        if item == self.hierarchy.GetInvalidItemID():
            raise HostError(f"the module Data does not show {node.GetName()}")
        return item

    def _began(self, *_event: Any) -> None:
        """A scene has a hierarchy from the beginning."""
        if self.hierarchy is None:
            raise HostError("the scene has no Subject Hierarchy")

    def _added(self, _scene: Any, _event: str, node: Any) -> None:
        if not self._scene.IsImporting():
            self._give_item(node)

    def _imported(self, *_event: Any) -> None:
        for place in range(self._scene.GetNumberOfNodes()):
            self._give_item(self._scene.GetNthNode(place))

    def _give_item(self, node: Any) -> None:
        if any(node.IsA(kind) for kind in SHOWN) and not node.GetHideFromEditors():
            hierarchy = self.hierarchy
            if hierarchy.GetItemByDataNode(node) == hierarchy.GetInvalidItemID():
                hierarchy.CreateItem(hierarchy.GetSceneItemID(), node)

    def _leaving(self, _scene: Any, _event: str, node: Any) -> None:
        if self._scene.IsClosing() or not any(node.IsA(kind) for kind in SHOWN):
            return
        hierarchy = self.hierarchy
        item = hierarchy.GetItemByDataNode(node)
        if item != hierarchy.GetInvalidItemID():
            hierarchy.RemoveItem(item, False, False)
