"""Showing a chart in a layout that has a plot view, and going back to the layout from before."""

from __future__ import annotations

import slicer
import slicer.util

from MITOReconstructionLib.scene.host import Node

__all__ = ["ChartLayout"]


class ChartLayout:
    """Changes to a layout with a plot view where the present one has none, and takes that back."""

    def __init__(self) -> None:
        self._before: tuple[int, int] | None = None

    def show(self, chart: Node) -> None:
        """Show a chart."""
        manager = slicer.app.layoutManager()
        before = int(manager.layout)
        slicer.modules.plots.logic().ShowChartInLayout(chart)
        if int(manager.layout) != before:
            self._before = before, int(manager.layout)

    def hide(self) -> None:
        """Go back to the layout from before, where nobody has chosen another one meanwhile."""
        manager, before = slicer.app.layoutManager(), self._before
        self._before = None
        if before is not None and int(manager.layout) == before[1]:
            manager.setLayout(before[0])
