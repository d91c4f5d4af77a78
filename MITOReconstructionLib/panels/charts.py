"""Showing a chart in a layout that has a plot view, and going back to the layout from before."""

from __future__ import annotations

import qt
import slicer
import slicer.util

from MITOReconstructionLib.scene.host import Node

__all__ = ["ChartLayout"]


class ChartLayout:
    """Changes to a layout with a plot view where the present one has none, and takes that back."""

    def __init__(self) -> None:
        self._before: tuple[int, int] | None = None
        self._later = qt.QTimer()
        self._later.setInterval(0)
        self._later.setSingleShot(True)
        self._later.connect("timeout()", self._restore_at_last)

    def show(self, chart: Node) -> None:
        """Show a chart."""
        self._later.stop()
        manager = slicer.app.layoutManager()
        before = int(manager.layout)
        slicer.modules.plots.logic().ShowChartInLayout(chart)
        if int(manager.layout) != before:
            self._before = before, int(manager.layout)

    def hide(self) -> None:
        """Go back to the layout from before, where nobody has chosen another one meanwhile."""
        self._restore()
        if self._before is not None:  # while a scene is closed there is another layout, and the one from before comes back after it
            self._later.start()

    def close(self) -> None:
        """Stop the timer."""
        self._later.stop()

    def _restore_at_last(self) -> None:
        self._restore()
        self._before = None

    def _restore(self) -> None:
        manager, before = slicer.app.layoutManager(), self._before
        if before is not None and int(manager.layout) == before[1]:
            manager.setLayout(before[0])
            self._before = None
