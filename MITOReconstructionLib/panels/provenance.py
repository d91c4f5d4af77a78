"""How a volume came to be, as a table."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import qt
from slicer.i18n import tr as _

__all__ = ["ProvenanceTable", "provenance_rows"]

FIRST = ("method", "parameters", "sample", "views", "grid", "backend", "seconds", "version", "unit", "resampled", "minuend", "subtrahend")
"""In this order; what else there is follows."""

HIDDEN = ("backend_name",)
MOST = 6
"""Entries of a list that are shown."""

HEIGHT = 170


class ProvenanceTable:
    """A table of two columns; ``widget`` is what is shown."""

    def __init__(self) -> None:
        table = qt.QTableWidget(0, 2)
        table.setHorizontalHeaderLabels([_("Of this volume"), _("Value")])
        table.verticalHeader().hide()
        table.horizontalHeader().setSectionResizeMode(0, qt.QHeaderView.ResizeToContents)
        table.horizontalHeader().setStretchLastSection(True)
        table.verticalHeader().setSectionResizeMode(qt.QHeaderView.ResizeToContents)
        table.setEditTriggers(qt.QAbstractItemView.NoEditTriggers)
        table.wordWrap = True
        table.setFixedHeight(HEIGHT)
        self.widget = table

    def show(self, provenance: Mapping[str, Any]) -> None:
        """Show a provenance."""
        rows = provenance_rows(provenance)
        self.widget.setRowCount(len(rows))
        for number, row in enumerate(rows):
            for column, text in enumerate(row):
                item = qt.QTableWidgetItem(text)
                item.setToolTip(f"<qt>{text}</qt>")
                self.widget.setItem(number, column, item)

    @property
    def rows(self) -> dict[str, str]:
        """What it says, by the first column."""
        table = self.widget
        return {table.item(row, 0).text(): table.item(row, 1).text() for row in range(table.rowCount)}


def provenance_rows(provenance: Mapping[str, Any]) -> list[tuple[str, str]]:
    """Name and text of each fact; the facts of a mapping have rows of their own, but for a grid's and another volume's."""
    names = [name for name in FIRST if name in provenance]
    names += [name for name in provenance if name not in names and name not in HIDDEN]
    rows = []
    for name in names:
        value = provenance[name]
        if name == "grid" and isinstance(value, Mapping):
            rows.append((name, _grid(value)))
        elif name in ("minuend", "subtrahend") and isinstance(value, Mapping):
            rows.append((name, ", ".join(_words(value[key]) for key in ("name", "method", "sample") if key in value)))
        elif isinstance(value, Mapping):
            rows += [(_name(key), _words(entry)) for key, entry in value.items()]
        else:
            rows.append((_name(name), _words(value)))
    return rows


def _name(name: str) -> str:
    return name.replace("_", " ")


def _grid(value: Mapping[str, Any]) -> str:
    try:
        ends = zip("xyz", value["minimum"], value["maximum"], strict=True)
        return (
            f"{' x '.join(map(str, value['shape']))} voxels, "
            + ", ".join(f"{axis} {low:g} to {high:g}" for axis, low, high in ends)
            + " mm"
        )
    except (KeyError, TypeError, ValueError):
        return _words(dict(value))


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} = {_words(entry)}" for name, entry in value.items())
    if isinstance(value, list):
        words = [_words(entry) for entry in value[:MOST]]
        return ", ".join([*words, "..."] if len(value) > len(words) else words)
    if isinstance(value, bool):
        return str(_("yes") if value else _("no"))
    return f"{value:.6g}" if isinstance(value, float) else str(value)
