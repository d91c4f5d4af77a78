"""``slicer.app``, the main window, and the file reading and writing that goes through the application."""

# ruff: noqa: N801, N815 the names are those in C++

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import slicer
from PySide6 import QtCore, QtGui, QtWidgets

from SlicerHost.ctk_widgets import ctkSettingsDialog
from SlicerHost.file_io import qSlicerCoreIOManager
from SlicerHost.layout import qSlicerLayoutManager
from SlicerHost.module_manager import qSlicerModuleManager, qSlicerModuleSelectorToolBar

VERSION = (5, 13, 0)
PANEL_WIDTH = 520

LOGICS = {
    "Markups": "vtkSlicerMarkupsLogic",
    "VolumeRendering": "vtkSlicerVolumeRenderingLogic",
    "Volumes": "vtkSlicerVolumesLogic",
    "Models": "vtkSlicerModelsLogic",
    "Sequences": "vtkSlicerSequencesLogic",
    "SubjectHierarchy": "vtkSlicerSubjectHierarchyModuleLogic",
    "Plots": "vtkSlicerPlotsLogic",
    "Tables": "vtkSlicerTablesLogic",
}
"""The modules of Slicer that there are, and the class of their logic."""


class qSlicerMainWindow(QtWidgets.QMainWindow):
    """The module panel at the left, the views at the right."""

    def __init__(self, selector: qSlicerModuleSelectorToolBar) -> None:
        super().__init__()
        self.setObjectName("qSlicerMainWindow")
        self.setWindowTitle("3D Slicer (host for tests)")
        self._selector = selector
        self.addToolBar(selector)
        self.panel = QtWidgets.QScrollArea()
        self.panel.setWidgetResizable(True)
        self.panel.setHorizontalScrollBarPolicy(QtCore.Qt.ScrollBarAlwaysOff)
        self.panel.setFrameShape(QtWidgets.QFrame.NoFrame)
        self.dock = QtWidgets.QDockWidget("", self)
        self.dock.setObjectName("PanelDockWidget")
        self.dock.setFeatures(QtWidgets.QDockWidget.NoDockWidgetFeatures)
        self.dock.setWidget(self.panel)
        self.addDockWidget(QtCore.Qt.LeftDockWidgetArea, self.dock)
        self.setCentralWidget(QtWidgets.QWidget())
        self.statusBar()
        self.resize(1400, 900)
        self.resizeDocks([self.dock], [PANEL_WIDTH], QtCore.Qt.Horizontal)

    def moduleSelector(self) -> Any:
        """The module selector."""
        return self._selector


class qSlicerApplication(QtCore.QObject):
    """``slicer.app``."""

    startupCompleted = QtCore.Signal()
    aboutToQuit = QtCore.Signal()

    def __init__(self, scene: Any, folder: Path) -> None:
        super().__init__()
        self._folder = folder
        self._logic = slicer.vtkSlicerApplicationLogic()
        self._colours = slicer.vtkMRMLColorLogic()
        self._logic.SetColorLogic(self._colours)
        self._logic.SetModuleLogic("Colors", self._colours)
        self._logic.SetTemporaryPath(str(folder))
        self._logic.SetMRMLScene(scene)
        self._colours.SetMRMLScene(scene)  # adds the colour tables
        self._transfers = slicer.vtkDataIOManagerLogic()
        self._transfers.SetMRMLApplicationLogic(self._logic)
        self._cache, self._io_data = slicer.vtkCacheManager(), slicer.vtkDataIOManager()
        self._cache.SetRemoteCacheDirectory(str(folder / "cache"))
        self._io_data.SetCacheManager(self._cache)
        self._transfers.SetAndObserveDataIOManager(self._io_data)
        scene.SetCacheManager(self._cache)
        scene.SetDataIOManager(self._io_data)
        self._modules = qSlicerModuleManager()
        self.window = qSlicerMainWindow(qSlicerModuleSelectorToolBar(self._modules))
        self._layouts = qSlicerLayoutManager(scene, self._logic, self.window.centralWidget())
        self.module_logics = {name: getattr(slicer, kind)() for name, kind in LOGICS.items() if hasattr(slicer, kind)}
        for name, logic in self.module_logics.items():
            logic.SetMRMLApplicationLogic(self._logic)
            logic.SetMRMLScene(scene)
            self._logic.SetModuleLogic(name, logic)
        self._io = qSlicerCoreIOManager()
        self._settings_dialog = ctkSettingsDialog(self.window)
        self._pauses = 0

    applicationName = QtCore.Property(str, lambda self: "Slicer")
    applicationVersion = QtCore.Property(str, lambda self: ".".join(map(str, VERSION)))
    majorVersion = QtCore.Property(int, lambda self: VERSION[0])
    minorVersion = QtCore.Property(int, lambda self: VERSION[1])
    revision = QtCore.Property(str, lambda self: "0")
    repositoryRevision = QtCore.Property(str, lambda self: "0")
    temporaryPath = QtCore.Property(str, lambda self: str(self._folder))
    defaultScenePath = QtCore.Property(str, lambda self: str(self._folder))
    slicerHome = QtCore.Property(str, lambda self: str(self._folder))
    commandOptions = None

    def applicationLogic(self) -> Any:
        """The logic of the application."""
        return self._logic

    def mrmlScene(self) -> Any:
        """The scene."""
        return self._logic.GetMRMLScene()

    def layoutManager(self) -> Any:
        """The layout manager."""
        return self._layouts

    def moduleManager(self) -> Any:
        """The module manager."""
        return self._modules

    def coreIOManager(self) -> Any:
        """Reads and writes."""
        return self._io

    def ioManager(self) -> Any:
        """Reads and writes."""
        return self._io

    def settingsDialog(self) -> Any:
        """The dialog for settings."""
        return self._settings_dialog

    def settings(self) -> Any:
        """The application's settings, which are a file of this host."""
        return QtCore.QSettings()

    def userSettings(self) -> Any:
        """The user's settings: the same."""
        return QtCore.QSettings()

    def revisionUserSettings(self) -> Any:
        """The settings of this version: the same."""
        return QtCore.QSettings()

    def topLevelWidgets(self) -> Any:
        """The windows of the application: its main window."""
        return [self.window]

    def processEvents(self) -> None:
        """Let Qt do what waits to be done."""
        QtWidgets.QApplication.processEvents()

    def palette(self) -> Any:
        """The colours of the application."""
        return QtWidgets.QApplication.palette()

    def style(self) -> Any:
        """The style of the application."""
        return QtWidgets.QApplication.style()

    def testingEnabled(self) -> bool:
        """False, so that errors are shown; they are noted and nothing opens."""
        return False

    def startupEnvironment(self) -> dict[str, str]:
        """The environment that the application was started in."""
        return dict(os.environ)

    def setOverrideCursor(self, cursor: Any) -> None:
        """Show another cursor."""
        QtWidgets.QApplication.setOverrideCursor(QtGui.QCursor(cursor))

    def restoreOverrideCursor(self) -> None:
        """Show the cursor from before."""
        QtWidgets.QApplication.restoreOverrideCursor()

    def pauseRender(self) -> int:
        """Draw no more for a while."""
        self._pauses += 1
        return self._pauses

    def resumeRender(self) -> int:
        """Draw again."""
        self._pauses -= 1
        return self._pauses

    def setRenderPaused(self, pause: bool) -> int:
        """Draw no more, or again."""
        return self.pauseRender() if pause else self.resumeRender()

    def shut(self) -> None:
        """Let go of the scene."""
        self._layouts.shut()
        for logic in self.module_logics.values():
            logic.SetMRMLScene(None)
        self._colours.SetMRMLScene(None)
        self._logic.SetMRMLScene(None)
        self.window.close()
