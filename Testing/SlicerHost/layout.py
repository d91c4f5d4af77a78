"""The layout manager: real layout nodes and descriptions, arranged as Qt widgets."""

# ruff: noqa: N801, N815 the names are those in C++

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from typing import Any

import slicer
import vtk
from PySide6 import QtCore, QtWidgets

from SlicerHost.errors import HostError
from SlicerHost.views import ViewWidget, qMRMLPlotWidget, qMRMLSliceWidget, qMRMLThreeDWidget


class qSlicerLayoutManager(QtCore.QObject):
    """``slicer.app.layoutManager()``."""

    layoutChanged = QtCore.Signal(int)

    def __init__(self, scene: Any, application: Any, viewport: QtWidgets.QWidget) -> None:
        super().__init__()
        self._scene, self._application, self._viewport = scene, application, viewport
        QtWidgets.QVBoxLayout(viewport).setContentsMargins(0, 0, 0, 0)
        self._widgets: dict[str, ViewWidget] = {}
        self._slices, self._views = vtk.vtkCollection(), vtk.vtkCollection()
        application.SetSliceLogics(self._slices)
        application.SetViewLogics(self._views)
        self._logic = slicer.vtkMRMLLayoutLogic()
        self._logic.SetMRMLApplicationLogic(application)
        self._logic.SetMRMLScene(scene)
        self._node = self._logic.GetLayoutNode()
        self._shown: tuple[int, str] | None = None
        self._node.SetViewArrangement(slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)
        self._tags = [
            (self._node, self._node.AddObserver(vtk.vtkCommand.ModifiedEvent, self._arrange)),
            (scene, scene.AddObserver(slicer.vtkMRMLScene.NodeRemovedEvent, self._prune)),
            (scene, scene.AddObserver(slicer.vtkMRMLScene.EndImportEvent, self._arrange)),
            (scene, scene.AddObserver(slicer.vtkMRMLScene.EndCloseEvent, self._arrange)),
        ]
        self._arrange()

    # ---- views -------------------------------------------------------------------------------------------------------

    def _arrange(self, *_event: Any) -> None:
        description = self._node.GetCurrentLayoutDescription() or ""
        nodes = self._logic.GetViewNodes()
        identities = [nodes.GetItemAsObject(i).GetID() for i in range(nodes.GetNumberOfItems())]
        state = (self._node.GetViewArrangement(), description + " ".join(map(str, identities)))
        if state == self._shown or self._scene.IsBatchProcessing() or not description:
            return
        before, self._shown = self._shown, state
        box = self._viewport.layout()
        old = box.takeAt(0)
        for widget in self._widgets.values():
            widget.setParent(None)
        if old is not None:
            old.widget().deleteLater()
        box.addWidget(self._build(ElementTree.fromstring(description)))
        for widget in self._widgets.values():
            widget.setVisible(widget.parent() is not None)
        if before is None or before[0] != state[0]:
            self.layoutChanged.emit(state[0])

    def _build(self, element: ElementTree.Element) -> QtWidgets.QWidget:
        if element.tag == "view":
            return self._widget(element)
        kind = element.get("type", "horizontal")
        parts = [self._build(child) for item in element.findall("item") for child in item]
        if kind == "tab":
            tabs = QtWidgets.QTabWidget()
            for part in parts:
                tabs.addTab(part, getattr(part, "_node", self._node).GetName())
            return tabs
        whole = QtWidgets.QWidget()
        if kind == "grid":
            grid = QtWidgets.QGridLayout(whole)
            for item, part in zip(element.findall("item"), parts, strict=True):
                grid.addWidget(part, int(item.get("row", 0)), int(item.get("column", 0)))
        else:
            box = QtWidgets.QHBoxLayout(whole) if kind == "horizontal" else QtWidgets.QVBoxLayout(whole)
            for item, part in zip(element.findall("item"), parts, strict=True):
                box.addWidget(part, max(1, int(item.get("splitSize", 1))))
        whole.layout().setContentsMargins(0, 0, 0, 0)
        whole.layout().setSpacing(2)
        return whole

    def _widget(self, element: ElementTree.Element) -> QtWidgets.QWidget:
        kind, tag = element.get("class", ""), element.get("singletontag", "")
        node = self._scene.GetSingletonNode(tag, kind)
        if node is None:
            raise HostError(f"the layout names a view of the class {kind} and the tag {tag!r}, which the scene does not have")
        if node.GetID() not in self._widgets:
            self._widgets[node.GetID()] = self._make(kind, node)
        return self._widgets[node.GetID()]

    def _make(self, kind: str, node: Any) -> ViewWidget:
        if kind == "vtkMRMLViewNode":
            return qMRMLThreeDWidget(node, self._application)
        if kind == "vtkMRMLSliceNode":
            widget = qMRMLSliceWidget(node, self._application, self._scene)
            self._slices.AddItem(widget.sliceLogic())
            return widget
        if kind == "vtkMRMLPlotViewNode":
            return qMRMLPlotWidget(node, self._application)
        raise HostError(f"the layout names a view of the class {kind}, which Testing/SlicerHost does not have")

    def _prune(self, *_event: Any) -> None:
        for identity in [identity for identity, widget in self._widgets.items() if widget._node.GetScene() is None]:
            widget = self._widgets.pop(identity)
            if isinstance(widget, qMRMLSliceWidget):
                self._slices.RemoveItem(widget.sliceLogic())
            widget.close_window()
            widget.setParent(None)
            self._shown = None

    def _in_layout(self, kind: type) -> list[Any]:
        return [widget for widget in self._widgets.values() if isinstance(widget, kind) and widget.parent() is not None]

    def threeDWidget(self, which: int | str) -> Any:
        """A 3D view by its number or name, or None."""
        return self._find(qMRMLThreeDWidget, which)

    def sliceWidget(self, name: str) -> Any:
        """A slice view by its name, or None."""
        return self._find(qMRMLSliceWidget, name)

    def plotWidget(self, which: int | str) -> Any:
        """A plot view by its number or name, or None."""
        return self._find(qMRMLPlotWidget, which)

    def _find(self, kind: type, which: int | str) -> Any:
        if isinstance(which, int):
            shown = self._in_layout(kind)
            return shown[which] if 0 <= which < len(shown) else None
        return next(
            (widget for widget in self._widgets.values() if isinstance(widget, kind) and widget._node.GetLayoutName() == which), None
        )

    def sliceViewNames(self) -> list[str]:
        """Names of the slice views in the layout."""
        return [widget._node.GetLayoutName() for widget in self._in_layout(qMRMLSliceWidget)]

    def mrmlSliceLogics(self) -> Any:
        """The logics of all slice views."""
        return self._slices

    def layoutLogic(self) -> Any:
        """The logic of the layout."""
        return self._logic

    def viewport(self) -> Any:
        """The widget that the views are in."""
        return self._viewport

    def setLayout(self, layout: int) -> None:
        """Choose a layout by its number."""
        self._node.SetViewArrangement(layout)

    def resetThreeDViews(self) -> None:
        """Look at the middle of what is shown."""
        for widget in self._in_layout(qMRMLThreeDWidget):
            widget.threeDView().resetFocalPoint()

    def resetSliceViews(self) -> None:
        """Fit the slices to their volumes."""
        for widget in self._in_layout(qMRMLSliceWidget):
            widget.sliceLogic().FitSliceToAll()

    layout = QtCore.Property(int, lambda self: self._node.GetViewArrangement(), setLayout)
    threeDViewCount = QtCore.Property(int, lambda self: len(self._in_layout(qMRMLThreeDWidget)))
    plotViewCount = QtCore.Property(int, lambda self: len(self._in_layout(qMRMLPlotWidget)))
    tableViewCount = QtCore.Property(int, lambda self: 0)

    def shut(self) -> None:
        """Let go of the scene."""
        for watched, tag in self._tags:
            watched.RemoveObserver(tag)
        for widget in self._widgets.values():
            widget.close_window()
        self._slices.RemoveAllItems()
        self._views.RemoveAllItems()
        self._logic.SetMRMLScene(None)
