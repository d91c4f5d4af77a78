"""Widgets and parameters that follow each other."""

from __future__ import annotations

import enum
import pathlib
from collections.abc import Callable
from typing import Any, NamedTuple

import vtk

from SlicerHost.parameter_kinds import Choice, Decimals, FloatRange, Kind, Maximum, Minimum, SingleStep, WithinRange


class Connector(NamedTuple):
    """How a class of widgets shows a value."""

    types: tuple[type, ...]
    signal: str
    get: Callable[[Any, Kind], Any]
    put: Callable[[Any, Any], None]


def _putter(name: str) -> Callable[[Any, Any], None]:
    return lambda widget, value: setattr(widget, name, value)


def _simple(types: tuple[type, ...], signal: str, name: str) -> Connector:
    return Connector(types, signal, lambda widget, kind: kind.hint(getattr(widget, name)), _putter(name))


def _choices(kind: Kind) -> list[Any]:
    if kind.of(enum.Enum):
        return list(kind.hint)
    choice = kind.note(Choice)
    if choice is None:
        raise ValueError("a parameter shown by a combo box needs a Choice")
    return choice.limits[0]


def _put_path(widget: Any, value: Any) -> None:
    widget.currentPath = "" if value == type(value)() else str(value)


def _put_range(widget: Any, value: FloatRange) -> None:
    widget.setValues(value.minimum, value.maximum)


_RANGE = Connector(
    (FloatRange,), "valuesChanged(double,double)", lambda widget, _kind: FloatRange(widget.minimumValue, widget.maximumValue), _put_range
)
_COMBO = Connector(
    (object,), "currentIndexChanged(int)", lambda widget, kind: _choices(kind)[widget.currentIndex], lambda _widget, _value: None
)

CONNECTORS: dict[str, Connector] = {
    "QCheckBox": _simple((bool,), "toggled(bool)", "checked"),
    "QPushButton": _simple((bool,), "toggled(bool)", "checked"),
    "QSlider": _simple((int,), "valueChanged(int)", "value"),
    "QSpinBox": _simple((int,), "valueChanged(int)", "value"),
    "QDoubleSpinBox": _simple((float,), "valueChanged(double)", "value"),
    "ctkSliderWidget": _simple((float,), "valueChanged(double)", "value"),
    "ctkDoubleSpinBox": _simple((float,), "valueChanged(double)", "value"),
    "ctkRangeWidget": _RANGE,
    "ctkDoubleRangeSlider": _RANGE,
    "QComboBox": _COMBO,
    "ctkComboBox": _COMBO,
    "QLineEdit": _simple((str,), "textChanged(QString)", "text"),
    "QTextEdit": _simple((str,), "textChanged()", "plainText"),
    "ctkPathLineEdit": Connector(
        (pathlib.PurePath,), "currentPathChanged(QString)", lambda widget, kind: kind.hint(widget.currentPath), _put_path
    ),
    "qMRMLNodeComboBox": Connector(
        (object,),
        "currentNodeChanged(vtkMRMLNode*)",
        lambda widget, _kind: widget.currentNode(),
        lambda widget, value: widget.setCurrentNode(value),
    ),
    "QLabel": Connector((str,), "", lambda widget, _kind: widget.text, lambda widget, value: setattr(widget, "text", value)),
}
"""The connections that the developer guide lists, those of them that this host has."""


class Connection:
    """Widgets connected to a wrapper's parameters."""

    def __init__(self, wrapper: Any, parts: dict[str, tuple[Kind, Any]]) -> None:
        self._wrapper = wrapper
        self._parts = {name: (kind, widget, _connector(name, kind, widget)) for name, (kind, widget) in parts.items()}
        self._busy = False
        self._slots: list[tuple[Any, str, Callable]] = []
        for kind, widget, _ in self._parts.values():
            _limit(kind, widget)
        self._show()
        for name, (kind, widget, connector) in self._parts.items():
            if connector.signal:
                slot = self._slot(name, kind, widget, connector)
                widget.connect(connector.signal, slot)
                self._slots.append((widget, connector.signal, slot))
        self._tag = wrapper.AddObserver(vtk.vtkCommand.ModifiedEvent, self._show)

    def _slot(self, name: str, kind: Kind, widget: Any, connector: Connector) -> Callable:
        def write() -> None:
            if not self._busy:
                self._wrapper.setValue(name, connector.get(widget, kind))

        return write

    def _show(self, *_event: Any) -> None:
        before, self._busy = self._busy, True
        try:
            for name, (kind, widget, connector) in self._parts.items():
                value = self._wrapper.getValue(name)
                if connector is _COMBO:
                    widget.currentIndex = _choices(kind).index(value)
                elif connector.get(widget, kind) != value:
                    connector.put(widget, value)
        finally:
            self._busy = before

    def close(self) -> None:
        """Undo the connection."""
        self._wrapper.RemoveObserver(self._tag)
        for widget, signal, slot in self._slots:
            if widget:
                widget.disconnect(signal, slot)


def _connector(name: str, kind: Kind, widget: Any) -> Connector:
    connector = CONNECTORS.get(widget.className())
    fits = connector is not None and (kind.is_node if widget.className() == "qMRMLNodeComboBox" else kind.of(*connector.types))
    if not fits:
        raise ValueError(f"the parameter '{name}' of the type {kind.hint} cannot be shown by a {widget.className()}")
    if widget.className() == "QPushButton" and not widget.checkable:
        raise ValueError(f"the button for '{name}' is not checkable")
    return connector


def _limit(kind: Kind, widget: Any) -> None:
    """Give a widget the limits that the annotations name."""
    if CONNECTORS[widget.className()] is _COMBO:
        choices = _choices(kind)
        texts = [entry.label() if hasattr(entry, "label") else getattr(entry, "name", entry) for entry in choices]
        widget.clear()
        widget.addItems([str(text) for text in texts])
        return
    for note, name in ((Decimals, "decimals"), (SingleStep, "singleStep")):
        if kind.note(note) is not None and hasattr(widget, name):
            setattr(widget, name, kind.note(note).value)
    within = kind.note(WithinRange)
    if within is not None and hasattr(widget, "setRange"):
        widget.setRange(*within.limits)
    if kind.note(Minimum) is not None:
        widget.minimum = kind.note(Minimum).limits[0]
    if kind.note(Maximum) is not None:
        widget.maximum = kind.note(Maximum).limits[0]
