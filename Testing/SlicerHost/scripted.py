"""``slicer.ScriptedLoadableModule``: the base classes of a scripted module, as Slicer's developer guide describes them."""

from __future__ import annotations

import logging
import sys
import unittest
from pathlib import Path
from typing import Any

import slicer
import slicer.util


def _folder(name: str) -> Path:
    return Path(slicer.util.modulePath(name)).parent


class ScriptedLoadableModule:
    """Describes a module."""

    def __init__(self, parent: Any) -> None:
        self.parent = parent
        self.moduleName = type(self).__name__
        parent.title = ""
        parent.categories = []
        parent.dependencies = []
        parent.contributors = []
        parent.helpText = ""
        parent.acknowledgementText = ""

    def resourcePath(self, name: str) -> str:
        """The path of a file in the module's Resources."""
        return str(Path(self.parent.path).parent / "Resources" / name)

    def runTest(self, msec: int = 100, **_keywords: Any) -> None:
        """Run the module's test."""
        kind = getattr(sys.modules[self.moduleName], self.moduleName + "Test")
        kind().runTest()


class ScriptedLoadableModuleWidget:
    """The widget of a module: ``setup`` fills ``self.layout``."""

    def __init__(self, parent: Any = None) -> None:
        import qt

        name = type(self).__name__
        self.moduleName = name.removesuffix("Widget")
        self.developerMode = slicer.util.settingsValue("Developer/DeveloperMode", False, converter=slicer.util.toBool)
        if parent is None:
            parent = slicer.qMRMLWidget()
            parent.setLayout(qt.QVBoxLayout())
            parent.setMRMLScene(slicer.mrmlScene)
        self.parent = parent
        self.layout = parent.layout()
        setattr(slicer.modules, name, self)

    def setup(self) -> None:
        """Make the widgets; a module adds its own."""

    def cleanup(self) -> None:
        """Called before the module is closed or reloaded."""

    def resourcePath(self, name: str) -> str:
        """The path of a file in the module's Resources."""
        return str(_folder(self.moduleName) / "Resources" / name)

    def onReload(self) -> None:
        """Reload the module, as the button of the developer mode does."""
        slicer.util.reloadScriptedModule(self.moduleName)

    def onReloadAndTest(self, **keywords: Any) -> None:
        """Reload the module and run its test."""
        self.onReload()
        getattr(sys.modules[self.moduleName], self.moduleName + "Test")().runTest(**keywords)


class ScriptedLoadableModuleLogic:
    """The logic of a module, and its parameter node."""

    def __init__(self, parent: Any = None) -> None:
        self.parent = parent
        self.moduleName = type(self).__name__.removesuffix("Logic")
        self.isSingletonParameterNode = True

    def getParameterNode(self) -> Any:
        """The module's parameter node; made at the first call."""
        if self.isSingletonParameterNode:
            node = slicer.mrmlScene.GetSingletonNode(self.moduleName, "vtkMRMLScriptedModuleNode")
            if node is not None:
                return node
        else:
            known = self.getAllParameterNodes()
            if known:
                return known[0]
        return slicer.mrmlScene.AddNode(self.createParameterNode())

    def getAllParameterNodes(self) -> list[Any]:
        """All parameter nodes of the module."""
        nodes = slicer.util.getNodesByClass("vtkMRMLScriptedModuleNode")
        return [node for node in nodes if node.GetAttribute("ModuleName") == self.moduleName]

    def createParameterNode(self) -> Any:
        """A parameter node that is not yet in the scene."""
        node = slicer.mrmlScene.CreateNodeByClass("vtkMRMLScriptedModuleNode")
        node.UnRegister(None)
        if self.isSingletonParameterNode:
            node.SetSingletonTag(self.moduleName)
        node.SetModuleName(self.moduleName)
        node.SetAttribute("ModuleName", self.moduleName)
        node.SetName(slicer.mrmlScene.GenerateUniqueName(self.moduleName))
        return node


class ScriptedLoadableModuleTest(unittest.TestCase):
    """The test of a module, run by 'Reload and Test'."""

    def __init__(self, *arguments: Any, **keywords: Any) -> None:
        super().__init__(*(arguments or ("runTest",)), **keywords)

    def delayDisplay(self, message: str, *_arguments: Any, **_keywords: Any) -> None:
        """Say what is being tested."""
        logging.info(message)

    def runTest(self) -> None:
        """Run the tests; a module has its own."""
        logging.warning("No test is defined in %s", type(self).__name__)
