"""Choosing a value or a timing of the live slices, and showing it as a chart."""

from __future__ import annotations

import qt
from slicer.i18n import tr as _

from MITOReconstructionLib.panels.charts import ChartLayout
from MITOReconstructionLib.scene.live_plot import quantities
from MITOReconstructionLib.scene.live_scene import LiveScene

__all__ = ["LiveChart"]

FIRST = "total ms"
"""Chosen at first."""


class LiveChart:
    """A combo box of what can be plotted and a button that shows it; ``widget`` is what is shown."""

    def __init__(self) -> None:
        self.live: LiveScene | None = None
        self.charts = ChartLayout()
        self._names: list[str] = []
        self.widget = qt.QWidget()
        layout = qt.QHBoxLayout(self.widget)
        layout.setContentsMargins(0, 0, 0, 0)
        self.quantity = qt.QComboBox()
        self.quantity.toolTip = _("What is plotted: milliseconds of a part of the work, or a value of the slices")
        self.plot_button = qt.QPushButton(_("Plot"))
        self.plot_button.checkable = True
        self.plot_button.toolTip = _("Show it as a chart, one line for each slice, over its final images")
        layout.addWidget(self.quantity)
        layout.addWidget(self.plot_button)
        self.quantity.connect("currentIndexChanged(int)", lambda _place: self._plot())
        self.plot_button.connect("toggled(bool)", self._toggle)

    def use(self, live: LiveScene | None) -> None:
        """Plot other live slices, or none."""
        if live is self.live:
            return
        self.plot_button.checked = False
        self.live, self._names = live, []
        self.refresh()

    def refresh(self) -> None:
        """Take what has come."""
        live = self.live
        names = [] if live is None else quantities(live.history)
        if names != self._names:
            chosen = str(self.quantity.currentText) if self._names else FIRST
            self._names = names
            blocked = self.quantity.blockSignals(True)
            self.quantity.clear()
            for name in names:
                self.quantity.addItem(name)
            self.quantity.setCurrentIndex(names.index(chosen) if chosen in names else 0)
            self.quantity.blockSignals(blocked)
            self._plot()
        self.plot_button.enabled = bool(names)
        if self.plot_button.checked and (live is None or not live.plotted):
            self.plot_button.checked = False  # somebody has deleted the chart

    def _toggle(self, on: bool) -> None:
        if on and self.live is not None and self._names:
            self.charts.show(self.live.plot(str(self.quantity.currentText)).chart)
        elif not on:
            self.charts.hide()
            if self.live is not None:
                self.live.end_plot()
        self.plot_button.text = _("Hide plot") if on else _("Plot")

    def _plot(self) -> None:
        if self.plot_button.checked and self.live is not None and self.live.plotted and self._names:
            self.live.plot(str(self.quantity.currentText))

    def close(self) -> None:
        """Stop the timer."""
        self.charts.close()
