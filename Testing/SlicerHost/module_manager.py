"""Modules as the application knows them: a description, a widget made when it is first wanted, enter and exit."""

# ruff: noqa: N801, N815 the names are those in C++

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PySide6 import QtCore, QtWidgets

from SlicerHost.mrml_widgets import qMRMLWidget
from SlicerHost.properties import stored


class qSlicerScriptedLoadableModule(QtCore.QObject):
    """What a module's class fills in: ``parent`` of ``ScriptedLoadableModule``."""

    name = stored(str, "name", "")
    path = stored(str, "path", "")
    title = stored(str, "title", "")
    categories = stored("QStringList", "categories", [])
    contributors = stored("QStringList", "contributors", [])
    dependencies = stored("QStringList", "dependencies", [])
    helpText = stored(str, "helpText", "")
    acknowledgementText = stored(str, "acknowledgementText", "")
    icon = stored(object, "icon", None)
    hidden = stored(bool, "hidden", False)
    index = stored(int, "index", -1)
    associatedNodeTypes = stored("QStringList", "associatedNodeTypes", [])
    widgetRepresentationCreationEnabled = stored(bool, "widgetRepresentationCreationEnabled", True)
    make: Callable[[Any], Any]
    _widget: Any = None

    def widgetRepresentation(self) -> Any:
        """The module's widget; made at the first call, with its ``setup``."""
        if self._widget is None:
            self._widget = self.createNewWidgetRepresentation()
        return self._widget

    def createNewWidgetRepresentation(self) -> Any:
        """A widget of the module, made new."""
        widget = qSlicerScriptedLoadableModuleWidget()
        widget.setObjectName(f"{self.name}ModuleWidget")
        QtWidgets.QVBoxLayout(widget)
        widget.start(self.make)
        return widget


class qSlicerScriptedLoadableModuleWidget(qMRMLWidget):
    """The part of the panel that a module's widget class fills: its ``parent``."""

    _made: Any = None
    _entered = False

    def start(self, make: Callable[[Any], Any]) -> None:
        """Make the module's own widget inside of this one."""
        from SlicerHost.bridge import wrap

        self._make = make
        self.setMRMLScene(_scene())
        self._made = make(wrap(self))
        self._made.setup()

    def reload(self) -> None:
        """Make the module's widget anew, by the class that is there now."""
        entered, self._entered = self._entered, False
        self.start(self._make)
        if entered:
            self.call_enter()

    def self(self) -> Any:
        """The object of the module's widget class."""
        return self._made

    def isEntered(self) -> bool:
        """Whether the module is the one that is open."""
        return self._entered

    def call_enter(self) -> None:
        """The module is opened."""
        if not self._entered:
            self._entered = True
            if hasattr(self._made, "enter"):
                self._made.enter()

    def call_exit(self) -> None:
        """Another module is opened."""
        if self._entered:
            self._entered = False
            if hasattr(self._made, "exit"):
                self._made.exit()


def _scene() -> Any:
    import slicer

    return slicer.mrmlScene


class qSlicerModuleFactoryManager(QtCore.QObject):
    """Which modules were loaded."""

    def __init__(self, modules: dict[str, Any]) -> None:
        super().__init__()
        self._modules = modules

    def loadedModuleNames(self) -> list[str]:
        """Names of the modules."""
        return list(self._modules)


class qSlicerModuleManager(QtCore.QObject):
    """Knows the modules."""

    moduleAboutToBeUnloaded = QtCore.Signal(str)
    moduleLoaded = QtCore.Signal(str)

    def __init__(self) -> None:
        super().__init__()
        self.modules: dict[str, qSlicerScriptedLoadableModule] = {}
        self._factory = qSlicerModuleFactoryManager(self.modules)

    def module(self, name: str) -> Any:
        """A module by its name, or None."""
        return self.modules.get(name)

    def factoryManager(self) -> Any:
        """Knows which modules were loaded."""
        return self._factory


class qSlicerModuleSelectorToolBar(QtWidgets.QToolBar):
    """Opens modules."""

    moduleSelected = QtCore.Signal(str)

    def __init__(self, manager: qSlicerModuleManager) -> None:
        super().__init__("Modules")
        self._manager = manager
        self._selected = ""
        self._label = QtWidgets.QLabel("  Modules:  ")
        self._combo = QtWidgets.QComboBox()
        self._combo.setMinimumWidth(240)
        self.addWidget(self._label)
        self.addWidget(self._combo)

    def selectModule(self, name: str) -> None:
        """Close the module that is open and open another; '' opens none."""
        if name == self._selected:
            return
        if self._selected:
            self._manager.modules[self._selected].widgetRepresentation().call_exit()
        self._selected = name
        self.moduleSelected.emit(name)
        if name:
            module = self._manager.modules[name]
            self._combo.clear()
            self._combo.addItem(module.title)
            widget = module.widgetRepresentation()
            self._show(widget, module.title)
            widget.call_enter()

    def _show(self, widget: QtWidgets.QWidget, title: str) -> None:
        window = self.window()
        if hasattr(window, "panel"):
            window.panel.takeWidget()
            window.panel.setWidget(widget)
            window.dock.setWindowTitle(title)
            widget.show()

    selectedModule = QtCore.Property(str, lambda self: self._selected)
