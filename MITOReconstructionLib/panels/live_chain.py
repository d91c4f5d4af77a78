"""The chain of plugins that live slices are put through."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from dataclasses import asdict
from typing import Any

import qt
from slicer.i18n import tr as _

from MITOReconstructionLib.live.plugins import Plugin, PluginStep, plugins
from MITOReconstructionLib.panels.parameters import ParameterWidgets

__all__ = ["ChainWidget"]


class ChainWidget:
    """A list of steps, each with the widgets of its parameters, and a combo box to add another; ``widget`` is what is shown.

    Parameters
    ----------
    changed : callable
        Called without arguments when a step was added, removed or changed.

    Attributes
    ----------
    rows : list of (Plugin, ParameterWidgets, remove button, box)
        The steps in their order.
    """

    def __init__(self, changed: Callable[[], object]) -> None:
        self._changed = changed
        self.rows: list[tuple[Plugin, ParameterWidgets, Any, Any]] = []
        self.widget = qt.QWidget()
        layout = qt.QVBoxLayout(self.widget)
        layout.setContentsMargins(0, 0, 0, 0)
        self.choice = qt.QComboBox()
        self.choice.addItem(_("Add processing ..."))
        self._plugins = list(plugins().values())
        for place, plugin in enumerate(self._plugins):
            self.choice.addItem(plugin.title)
            self.choice.setItemData(place + 1, plugin.help, qt.Qt.ToolTipRole)
        self.choice.toolTip = _("Every slice is put through these functions, in their order")
        self._place = qt.QVBoxLayout()
        layout.addLayout(self._place)
        layout.addWidget(self.choice)
        self.choice.connect("currentIndexChanged(int)", self._chosen)

    @property
    def steps(self) -> list[PluginStep]:
        """The chain.

        Raises
        ------
        InputError
            When a parameter is out of range.
        """
        return [PluginStep(plugin, plugin.parameters.from_dict(fields.values)) for plugin, fields, _button, _box in self.rows]

    def use(self, steps: Sequence[PluginStep]) -> None:
        """Show another chain."""
        if len(steps) == len(self.rows) and all(
            a.plugin is b.plugin and a.parameters == b.parameters for a, b in zip(steps, self.steps, strict=True)
        ):
            return
        for row in list(self.rows):
            self._remove(row)
        for step in steps:
            self._append(step.plugin)  # which need not be one of the table
            self.rows[-1][1].values = asdict(step.parameters)

    def _chosen(self, place: int) -> None:
        if place > 0:
            self.choice.setCurrentIndex(0)
            self.add(self._plugins[place - 1].name)

    def add(self, name: str) -> None:
        """Add a step at the end of the chain."""
        self._append(next(plugin for plugin in self._plugins if plugin.name == name))

    def _append(self, plugin: Plugin) -> None:
        box = qt.QGroupBox(plugin.title)
        box.toolTip = f"<qt>{plugin.help}</qt>"
        layout = qt.QVBoxLayout(box)
        fields = ParameterWidgets(plugin.parameters.describe(), self._changed)
        layout.addWidget(fields.widget)
        button = qt.QPushButton(_("Remove"))
        layout.addWidget(button)
        row = (plugin, fields, button, box)
        button.connect("clicked()", lambda: self._remove(row))
        self._place.addWidget(box)
        self.rows.append(row)
        self._changed()

    def _remove(self, row: tuple[Plugin, ParameterWidgets, Any, Any]) -> None:
        self.rows.remove(row)
        box = row[-1]
        self._place.removeWidget(box)
        box.hide()
        box.deleteLater()
        self._changed()
