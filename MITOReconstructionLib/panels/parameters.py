"""Widgets for a method's parameters, made from their descriptions."""

from __future__ import annotations

import contextlib
import math
from collections.abc import Callable, Mapping
from typing import Any

import qt

__all__ = ["ParameterWidgets"]

MOST = 1_000_000
DIGITS = 3


class ParameterWidgets:
    """A form with one row for each parameter; ``widget`` is what is shown.

    Parameters
    ----------
    described : list of dict
        As ``Parameters.describe`` gives them.
    changed : callable
        Called without arguments when a value was changed.

    Attributes
    ----------
    fields : dict
        The widget of each parameter by its name.
    """

    def __init__(self, described: list[dict[str, Any]], changed: Callable[[], object]) -> None:
        self.widget = qt.QWidget()
        form = qt.QFormLayout(self.widget)
        form.setContentsMargins(0, 0, 0, 0)
        self.fields: dict[str, Any] = {}
        self._read: dict[str, Callable[[], Any]] = {}
        for entry in described:
            make = {"bool": _check_box, "int": _whole, "float": _number}.get(entry["type"], _text)
            field, signal, read = (_choice if "choices" in entry else make)(entry)
            field.toolTip = f"<qt>{entry['help']}</qt>"
            field.connect(signal, lambda: changed())
            form.addRow(entry["name"].replace("_", " ").capitalize() + ":", field)
            self.fields[entry["name"]], self._read[entry["name"]] = field, read

    @property
    def values(self) -> dict[str, Any]:
        """What is chosen now, by name."""
        return {name: read() for name, read in self._read.items()}

    @values.setter
    def values(self, values: Mapping[str, Any]) -> None:
        for name in set(values) & set(self.fields):
            field, value = self.fields[name], values[name]
            with contextlib.suppress(TypeError, ValueError):  # a value of another type, from a scene of another version
                if isinstance(field, qt.QComboBox):
                    field.currentIndex = max(field.findText(str(value)), 0)
                elif isinstance(field, qt.QCheckBox):
                    field.checked = bool(value)
                elif isinstance(field, qt.QLineEdit):
                    field.text = str(value)
                else:
                    field.value = value


Field = tuple[Any, str, Callable[[], Any]]
"""A widget, the signal of its change, and what reads its value."""


def _check_box(entry: Mapping[str, Any]) -> Field:
    box = qt.QCheckBox()
    box.checked = entry["default"]
    return box, "toggled(bool)", lambda: bool(box.checked)


def _choice(entry: Mapping[str, Any]) -> Field:
    combo = qt.QComboBox()
    for text in entry["choices"]:
        combo.addItem(text)
    combo.setCurrentIndex(entry["choices"].index(entry["default"]))
    return combo, "currentIndexChanged(int)", lambda: str(combo.currentText)


def _text(entry: Mapping[str, Any]) -> Field:
    line = qt.QLineEdit()
    line.text = entry["default"]
    return line, "textChanged(QString)", lambda: str(line.text)


def _whole(entry: Mapping[str, Any]) -> Field:
    spin = qt.QSpinBox()
    low = entry.get("minimum", entry.get("above", -MOST - 1) + 1)
    high = entry.get("maximum", entry.get("below", MOST + 1) - 1)
    spin.setRange(math.ceil(low), math.floor(high))
    spin.value = entry["default"]
    spin.suffix = _suffix(entry)
    return spin, "valueChanged(int)", lambda: int(spin.value)


def _number(entry: Mapping[str, Any]) -> Field:
    spin = qt.QDoubleSpinBox()
    size = abs(entry["default"])
    spin.decimals = max(DIGITS, 2 - math.floor(math.log10(size)) if size else DIGITS + 1)
    least = 10.0**-spin.decimals
    low = entry.get("minimum", entry.get("above", -float(MOST) - least) + least)
    high = entry.get("maximum", entry.get("below", MOST + least) - least)
    spin.setRange(low, high)
    spin.singleStep = 10.0 ** (math.floor(math.log10(size)) - 1) if size else 0.01
    spin.value = entry["default"]
    spin.suffix = _suffix(entry)
    return spin, "valueChanged(double)", lambda: float(spin.value)


def _suffix(entry: Mapping[str, Any]) -> str:
    return f" {entry['unit']}" if entry.get("unit") else ""
