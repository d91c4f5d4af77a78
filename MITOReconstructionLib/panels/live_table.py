"""Values and timings of the live slices, one row for each view."""

from __future__ import annotations

from collections.abc import Iterable
from typing import Any

import qt
from slicer.i18n import tr as _

from MITOReconstructionLib.live import SliceResult

__all__ = ["ValuesTable"]

TIMINGS = ("filter", "backproject", "show", "total")
HEIGHT = 120


class ValuesTable:
    """The newest result of each view: its level, the seconds of its parts, and what plugins track; ``widget`` is what is shown."""

    def __init__(self) -> None:
        self.widget = qt.QTableWidget(0, 0)
        self.widget.setEditTriggers(qt.QAbstractItemView.NoEditTriggers)
        self.widget.verticalHeader().hide()
        self.widget.verticalHeader().setSectionResizeMode(qt.QHeaderView.ResizeToContents)
        self.widget.setFixedHeight(HEIGHT)
        self.widget.toolTip = _("Milliseconds of each part of the work, and the values that plugins track")

    def show(self, history: Iterable[SliceResult]) -> None:
        """Show the newest of some results, oldest first."""
        newest = {result.key: result for result in history}
        tracked = list(dict.fromkeys(name for result in newest.values() for name in result.values))
        heads = [_("slice"), _("level"), *(_("{part} ms").format(part=_(part)) for part in TIMINGS), *tracked]
        rows = [self._row(result, tracked) for result in newest.values()]
        self.widget.setColumnCount(len(heads))
        self.widget.setHorizontalHeaderLabels(heads)
        self.widget.setRowCount(len(rows))
        for place, row in enumerate(rows):
            for column, text in enumerate(row):
                self.widget.setItem(place, column, qt.QTableWidgetItem(text))
        self.widget.resizeColumnsToContents()

    @staticmethod
    def _row(result: SliceResult, tracked: list[str]) -> list[Any]:
        timings = [f"{1000 * result.seconds[part]:.0f}" if part in result.seconds else "" for part in TIMINGS]
        values = [f"{result.values[name]:.4g}" if name in result.values else "" for name in tracked]
        return [result.key, _(result.level), *timings, *values]
