"""Stand-ins for Slicer's widgets that know the scene."""

# ruff: noqa: N801, N815 the names are those in C++

from __future__ import annotations

from typing import Any

import shiboken6
import slicer
from PySide6 import QtCore, QtWidgets

from SlicerHost.properties import stored

SCENE_SIGNAL = {"mrmlSceneChanged(vtkMRMLScene*)": "mrmlSceneChanged"}


class qMRMLWidget(QtWidgets.QWidget):
    """A widget that passes the scene on."""

    mrmlSceneChanged = QtCore.Signal(object)
    SIGNATURES = SCENE_SIGNAL
    _scene: Any = None

    def mrmlScene(self) -> Any:
        """The scene, or None."""
        return self._scene

    def setMRMLScene(self, scene: Any) -> None:
        """Give the scene, which is passed on by ``mrmlSceneChanged``."""
        if scene is not self._scene:
            self._scene = scene
            self.mrmlSceneChanged.emit(scene)


class qSlicerWidget(qMRMLWidget):
    """Slicer's own name for it."""


class qMRMLNodeComboBox(QtWidgets.QWidget):
    """Chooses a node of the scene."""

    mrmlSceneChanged = QtCore.Signal(object)
    currentNodeChanged = QtCore.Signal(object)
    currentNodeIDChanged = QtCore.Signal(str)
    nodeAddedByUser = QtCore.Signal(object)
    SIGNATURES = {
        **SCENE_SIGNAL,
        "currentNodeChanged(vtkMRMLNode*)": "currentNodeChanged",
        "nodeAddedByUser(vtkMRMLNode*)": "nodeAddedByUser",
    }

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._scene: Any = None
        self._tags: list[int] = []
        self._current: str = ""
        self._wanted: list[tuple[str, str, str | None]] = []
        self._combo = QtWidgets.QComboBox(self)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._combo)
        self._combo.currentIndexChanged.connect(lambda _index: self._choose(self._combo.currentData() or ""))

    def mrmlScene(self) -> Any:
        """The scene, or None."""
        return self._scene

    def setMRMLScene(self, scene: Any) -> None:
        """Show the nodes of a scene."""
        if scene is self._scene:
            return
        for tag in self._tags:
            self._scene.RemoveObserver(tag)
        self._scene = scene
        kind = slicer.vtkMRMLScene
        events = (kind.NodeAddedEvent, kind.NodeRemovedEvent, kind.EndBatchProcessEvent, kind.EndCloseEvent, kind.EndImportEvent)
        self._tags = [scene.AddObserver(event, self._changed) for event in events] if scene is not None else []
        self._fill()
        self.mrmlSceneChanged.emit(scene)

    def _changed(self, *_event: Any) -> None:
        scene = getattr(self, "_scene", None)
        if scene is not None and shiboken6.isValid(self) and not scene.IsBatchProcessing():
            self._fill()

    def _nodes(self) -> list[Any]:
        if self._scene is None:
            return []
        found = []
        for i in range(self._scene.GetNumberOfNodes()):
            node = self._scene.GetNthNode(i)
            exact = node.GetClassName() in self.nodeTypes
            known = exact or (self.showChildNodeTypes and any(node.IsA(kind) for kind in self.nodeTypes))
            if known and (self.showHidden or not node.GetHideFromEditors()) and self._fits(node):
                found.append(node)
        return found

    def _fits(self, node: Any) -> bool:
        return all(node.GetAttribute(name) in ((value,) if value else (node.GetAttribute(name) or "",)) for _, name, value in self._wanted)

    def _fill(self) -> None:
        nodes = self._nodes()
        with QtCore.QSignalBlocker(self._combo):
            self._combo.clear()
            if self.noneEnabled or not nodes:
                self._combo.addItem(self.noneDisplay, "")
            for node in nodes:
                self._combo.addItem(node.GetName(), node.GetID())
            index = self._combo.findData(self._current)
            self._combo.setCurrentIndex(max(index, 0))
        self._choose(self._combo.currentData() or "")

    def _choose(self, identity: str) -> None:
        if identity != self._current:
            self._current = identity
            self.currentNodeChanged.emit(self.currentNode())
            self.currentNodeIDChanged.emit(identity)

    def currentNode(self) -> Any:
        """The node that is chosen, or None."""
        return self._scene.GetNodeByID(self._current) if self._scene is not None and self._current else None

    def setCurrentNode(self, node: Any) -> None:
        """Choose a node, given itself or by its ID; None chooses none."""
        self._show(node if isinstance(node, str) else "" if node is None else node.GetID())

    def _show(self, identity: str) -> None:
        index = self._combo.findData(identity)
        with QtCore.QSignalBlocker(self._combo):
            self._combo.setCurrentIndex(index)
        self._choose(identity if index >= 0 else "")

    def addAttribute(self, node_type: str, name: str, value: str | None = None) -> None:
        """Show only nodes with an attribute, or with a value of it."""
        self._wanted.append((node_type, name, value))
        self._fill()

    def addNode(self, node_type: str | None = None) -> Any:
        """Add a node as a person does with 'Create new'."""
        if not self.addEnabled:
            raise ValueError("this selector does not let nodes be added")
        node = self._scene.AddNewNodeByClass(node_type or self.nodeTypes[0], self.baseName)
        if self.selectNodeUponCreation:
            self.setCurrentNode(node)
        self.nodeAddedByUser.emit(node)
        return node

    def nodeCount(self) -> int:
        """How many nodes there are to choose from."""
        return len(self._nodes())

    nodeTypes = stored("QStringList", "nodeTypes", [], _fill)
    noneEnabled = stored(bool, "noneEnabled", False, _fill)
    noneDisplay = stored(str, "noneDisplay", "None", _fill)
    showHidden = stored(bool, "showHidden", False, _fill)
    showChildNodeTypes = stored(bool, "showChildNodeTypes", True, _fill)
    addEnabled = stored(bool, "addEnabled", True)
    removeEnabled = stored(bool, "removeEnabled", True)
    renameEnabled = stored(bool, "renameEnabled", False)
    editEnabled = stored(bool, "editEnabled", False)
    selectNodeUponCreation = stored(bool, "selectNodeUponCreation", True)
    baseName = stored(str, "baseName", "")
    currentNodeID = QtCore.Property(str, lambda self: self._current, _show)
