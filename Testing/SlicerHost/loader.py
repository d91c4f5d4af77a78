"""QUiLoader for .ui files: stand-ins for the classes of CTK and Slicer, unknown classes and properties refused."""

from __future__ import annotations

import xml.etree.ElementTree as ElementTree
from pathlib import Path
from typing import Any

from PySide6 import QtCore, QtUiTools, QtWidgets

from SlicerHost.bridge import unwrap, wrap
from SlicerHost.errors import HostError

PLAIN = {"Line": QtWidgets.QFrame, "Spacer": QtWidgets.QWidget}


def native_class(name: str) -> type | None:
    """The class of PySide or of this host that a .ui file names."""
    from SlicerHost import ctk_module, qt_module

    if name in ctk_module.NATIVE:
        return ctk_module.NATIVE[name]
    return getattr(QtWidgets, name) if name in qt_module.OBJECTS and hasattr(QtWidgets, name) else PLAIN.get(name)


class _Loader(QtUiTools.QUiLoader):
    def __init__(self) -> None:
        super().__init__()
        self.made: list[QtCore.QObject] = []

    def createWidget(self, name: str, parent: QtWidgets.QWidget | None = None, object_name: str = "") -> QtWidgets.QWidget:
        widget = native_class(name)(parent) if name != "Line" else super().createWidget(name, parent, object_name)
        widget.setObjectName(object_name)
        self.made.append(widget)
        return widget


class UiLoader:
    """``qt.QUiLoader``."""

    def load(self, device: Any, parent: Any = None) -> Any:
        """The widget that a .ui file describes.

        Raises
        ------
        HostError
            When the file names a class, a property, a signal or a slot that is not known.
        """
        native = unwrap(device)
        root = ElementTree.parse(Path(native.fileName())).getroot()
        for element in root.iter("widget"):
            _check(element)
        loader = _Loader()
        wired = root.find("connections")
        if wired is not None:
            root.remove(wired)  # their types are C++ pointers, which PySide does not know
        buffer = QtCore.QBuffer()
        buffer.setData(ElementTree.tostring(root))
        buffer.open(QtCore.QIODevice.ReadOnly)
        widget = loader.load(buffer, unwrap(parent))
        if widget is None:
            raise HostError(f"{native.fileName()}: {loader.errorString()}")
        widget._made = loader.made  # their Python halves live as long as the widget
        shown = wrap(widget)
        for connection in [] if wired is None else wired.iter("connection"):
            _connect(shown, *(connection.findtext(part) for part in ("sender", "signal", "receiver", "slot")))
        return shown


def _check(element: ElementTree.Element) -> None:
    name = element.get("class", "")
    kind = native_class(name)
    if kind is None:
        raise HostError(f"the .ui file names the class '{name}', which Testing/SlicerHost does not have")
    for entry in element.findall("property"):
        known = _meta_object(kind).indexOfProperty(entry.get("name", "")) >= 0
        if not known and entry.get("stdset") != "0" and name != "Line":
            raise HostError(f"the .ui file sets the property '{entry.get('name')}', which {name} does not have")


def _meta_object(kind: Any) -> Any:
    try:
        kind.staticMetaObject.className()
    except RuntimeError:  # PySide makes the meta object of a Python class anew at times, and may still hold the old one
        return kind().metaObject()
    return kind.staticMetaObject


def _connect(root: Any, sender: str, signal: str, receiver: str, slot: str) -> None:
    named = {child.name: child for child in (root, *root.findChildren("QObject"))}
    missing = [name for name in (sender, receiver) if name not in named]
    if missing:
        raise HostError(f"the .ui file connects '{missing[0]}', which it does not have")
    named[sender].connect(signal, named[receiver], slot)
