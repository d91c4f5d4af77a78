"""Reading and writing through the application: scenes, volumes, the readers of modules, and what is dropped on the window."""

# ruff: noqa: N801, N815 the names are those in C++

from __future__ import annotations

import contextlib
import os
from pathlib import Path
from typing import Any

import slicer
import vtk
from PySide6 import QtCore

from SlicerHost.dialogs import ANSWERS
from SlicerHost.errors import record

ANY_DATA = "Any Data"


class qSlicerScriptedFileReader:
    """The reader of a module, as its ``<Module>FileReader`` has it for ``parent``."""

    def __init__(self, kind: Any) -> None:
        self.loadedNodes: list[str] = []
        self._messages = slicer.vtkMRMLMessageCollection()
        self.python = kind(self)

    def userMessages(self) -> Any:
        """What the reader says to people."""
        return self._messages

    def confidence(self, path: str) -> float:
        """How sure the reader is of a file; where it does not say, by the extension: 0.5, and more for a longer one."""
        if hasattr(self.python, "canLoadFileConfidence"):
            return float(self.python.canLoadFileConfidence(path))
        if hasattr(self.python, "canLoadFile") and not self.python.canLoadFile(path):
            return 0.0
        return max((0.5 + 0.01 * len(entry.lstrip("*")) for entry in self.supportedNameFilters(path)), default=0.0)

    def supportedNameFilters(self, path: str) -> list[str]:
        """The extensions of the reader that a file's name has; none for a folder."""
        filters = " ".join(entry.partition("(")[2].rstrip(")") for entry in self.python.extensions()).split()
        return [entry for entry in filters if Path(path).is_file() and str(path).endswith(entry.lstrip("*"))]

    def read(self, properties: dict[str, Any], loaded: Any, messages: Any) -> bool:
        """Read a file; its nodes are added to ``loaded``."""
        self.loadedNodes = []
        self._messages.ClearMessages()
        done = bool(self.python.load(properties))
        for identity in self.loadedNodes if done else ():
            loaded.AddItem(slicer.mrmlScene.GetNodeByID(identity))
        if messages is not None:
            messages.AddMessages(self._messages)
        return done


class qSlicerScriptedFileDialog:
    """Takes what is dropped on the window, as a module's ``<Module>FileDialog`` has it for ``parent``."""

    fileType, description, action = "", "", 0

    def __init__(self, kind: Any) -> None:
        self._mime: Any = None
        self._accepted = False
        self.python = kind(self)

    def mimeData(self) -> Any:
        """What is dragged."""
        return self._mime

    def acceptMimeData(self, accepted: bool) -> None:
        """Say whether it can be dropped."""
        self._accepted = bool(accepted)

    def takes(self, mime: QtCore.QMimeData) -> bool:
        """Whether it can be dropped."""
        self._mime, self._accepted = mime, False
        self.python.isMimeDataAccepted()
        return self._accepted


class qSlicerCoreIOManager(QtCore.QObject):
    """Reads and writes scenes and nodes for ``slicer.util``."""

    newFileLoaded = QtCore.Signal(object)
    SIGNATURES = {"newFileLoaded(qSlicerIO::IOProperties)": "newFileLoaded"}

    def __init__(self) -> None:
        super().__init__()
        self.readers: dict[str, Any] = {}
        self.dialogs: dict[str, Any] = {}

    def fileType(self, path: str) -> str:
        """The kind of a file: that of the reader of a module that is surest of it, else by its name."""
        sure = {kind: reader.confidence(str(path)) for kind, reader in self.readers.items()}
        best = max(sure, key=sure.__getitem__, default="")
        if sure.get(best, 0.0) > 0.5:
            return best
        return "SceneFile" if str(path).endswith((".mrb", ".mrml")) else "VolumeFile" if str(path).endswith(".nrrd") else "NoFile"

    def loadNodes(self, kind: str, properties: dict[str, Any], loaded: Any, _messages: Any = None) -> bool:
        """Read a scene or a volume."""
        path = properties["fileName"]
        if kind in self.readers:
            return self.readers[kind].read(properties, loaded, _messages)
        if kind == "SceneFile":
            if properties.get("clear", False):
                slicer.mrmlScene.Clear()
            if str(path).endswith(".mrb"):
                with contextlib.chdir(os.getcwd()):  # reading moves the working folder, and leaves it moved
                    return slicer.mrmlScene.ReadFromMRB(str(path), False)
            slicer.mrmlScene.SetURL(str(path))
            return bool(slicer.mrmlScene.Import())
        if kind != "VolumeFile":
            raise NotImplementedError(f"Testing/SlicerHost does not read {path} as '{kind}'")
        logic = slicer.app._q.applicationLogic().GetModuleLogic("Volumes")
        node = logic.AddArchetypeVolume(str(path), properties.get("name", Path(path).stem))
        if node is not None:
            loaded.AddItem(node)
        return node is not None

    def fileWriterFileType(self, node: Any) -> str:
        """The kind of file that a node is written as."""
        if not node.IsA("vtkMRMLVolumeNode"):
            raise NotImplementedError(f"Testing/SlicerHost does not write a {node.GetClassName()}")
        return "VolumeFile"

    def saveNodes(self, kind: str, properties: dict[str, Any], _messages: Any = None) -> bool:
        """Write a scene, or a volume by its storage node."""
        path = str(properties["fileName"])
        if kind == "VolumeFile":
            node = slicer.mrmlScene.GetNodeByID(properties["nodeID"])
            if node.GetStorageNode() is None and not node.AddDefaultStorageNode():
                return False
            node.GetStorageNode().SetFileName(path)
            return bool(node.GetStorageNode().WriteData(node))
        if kind != "SceneFile":
            raise NotImplementedError(f"Testing/SlicerHost does not write '{kind}'")
        if path.endswith(".mrb"):
            return slicer.mrmlScene.WriteToMRB(path)
        if path.endswith(".mrml"):
            slicer.mrmlScene.SetURL(path)
            return bool(slicer.mrmlScene.Commit())
        return slicer.app._q.applicationLogic().SaveSceneToSlicerDataBundleDirectory(path, None)

    def register(self, module: str, content: Any) -> None:
        """Take over the reader and the dialog of a module that was loaded."""
        if hasattr(content, f"{module}FileReader"):
            reader = qSlicerScriptedFileReader(getattr(content, f"{module}FileReader"))
            self.readers[reader.python.fileType()] = reader
        if hasattr(content, f"{module}FileDialog"):
            self.dialogs[module] = qSlicerScriptedFileDialog(getattr(content, f"{module}FileDialog"))

    def drop(self, paths: list[str]) -> None:
        """What happens when files and folders are dropped on the window.

        Where more than one way is there to read them, the user is asked: the answer to ``qSlicerIOManager.dropEvent`` is
        the description of a dialog, or 'Any Data', which reads every file, also those in folders, that a reader knows.
        """
        mime = QtCore.QMimeData()
        mime.setUrls([QtCore.QUrl.fromLocalFile(str(path)) for path in paths])
        taking = {dialog.description: dialog for dialog in self.dialogs.values() if dialog.takes(mime)}
        chosen = ANSWERS.ask("qSlicerIOManager.dropEvent", ANY_DATA, *taking) if taking else ANY_DATA
        if chosen != ANY_DATA:
            try:
                taking[chosen].python.dropEvent()
            except Exception as error:  # noqa: BLE001 as in Slicer, what a module raises is printed
                record(error)
            return
        files = [file for path in map(Path, paths) for file in ([path] if path.is_file() else sorted(path.rglob("*"))) if file.is_file()]
        for file in files:
            kind = self.fileType(str(file))
            if kind != "NoFile":
                self.loadNodes(kind, {"fileName": str(file), "fileType": kind}, vtk.vtkCollection(), None)
