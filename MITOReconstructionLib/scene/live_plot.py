"""A value or a timing of live slices over their results, as a chart of Slicer's plot views."""

from __future__ import annotations

from collections.abc import Iterable

import numpy as np

from MITOReconstructionLib.live import SliceResult
from MITOReconstructionLib.scene.folder import ScanFolder
from MITOReconstructionLib.scene.host import Node, Scene
from MITOReconstructionLib.scene.parts import Part, part_node
from MITOReconstructionLib.scene.plots import pairs_of, set_up_series, table_of

__all__ = ["PLOT", "LivePlot", "quantities", "quantity_of"]

PLOT = "live plot"
"""Part of all nodes of the chart."""

RESULT = "Result"
"""The column of the numbers of the results, and the title of their axis."""

MILLISECONDS = " ms"
"""Ends the names of timings."""

COLOURS = {"Red": (0.89, 0.29, 0.20), "Green": (0.30, 0.65, 0.30), "Yellow": (0.85, 0.65, 0.10)}
OTHER_COLOURS = ((0.12, 0.47, 0.71), (0.58, 0.40, 0.74), (0.55, 0.34, 0.29), (0.50, 0.50, 0.50))
"""Seen on white and on black."""


def quantities(history: Iterable[SliceResult]) -> list[str]:
    """Names of what can be plotted: the timings in milliseconds, then the values that are tracked."""
    results = list(history)
    timings = dict.fromkeys(part + MILLISECONDS for result in results for part in result.seconds)
    return [*timings, *dict.fromkeys(name for result in results for name in result.values if name not in timings)]


def quantity_of(result: SliceResult, name: str) -> float | None:
    """What a result has of a quantity; None where it has no finite value of it."""
    part = name.removesuffix(MILLISECONDS)
    value = 1000.0 * result.seconds[part] if part != name and part in result.seconds else result.values.get(name)
    return float(value) if value is not None and np.isfinite(value) else None


class LivePlot(Part):
    """A chart node with a series and a table for each slice; the main node is the chart. Final images count, previews do not.

    Parameters
    ----------
    scene : vtkMRMLScene
    scan : str
        Name of the scan.
    quantity : str
        One of :func:`quantities`; can be set anew.
    """

    def __init__(self, scene: Scene, scan: str, quantity: str) -> None:
        self.chart = part_node(scene, "vtkMRMLPlotChartNode", scan, PLOT, f"{scan} live values")
        super().__init__(scene, [self.chart])
        self.scan, self.quantity = scan, quantity
        self._series: dict[str, tuple[Node, Node]] = {}
        self.chart.SetSaveWithScene(False)
        self.chart.SetXAxisTitle(RESULT)
        self.chart.SetLegendVisibility(True)
        ScanFolder(scene, scan).add(self.chart)

    def update(self, history: Iterable[SliceResult]) -> None:
        """Show the quantity of some results, oldest first."""
        if not self.alive:
            return
        points: dict[str, list[tuple[float, float]]] = {key: [] for key in self._series}
        for result in history:
            value = quantity_of(result, self.quantity) if result.level == "final" and not result.error else None
            if value is not None:
                points.setdefault(result.key, []).append((float(result.number), value))
        self.chart.SetTitle(self.quantity)
        self.chart.SetYAxisTitle(self.quantity)
        for key, pairs in points.items():
            drawn = pairs * 2 if len(pairs) == 1 else pairs  # VTK complains of lines of one point
            series, node = self._of(key)
            if series.GetScene() is not None and node.GetScene() is not None:
                node.SetAndObserveTable(table_of((RESULT, self.quantity), drawn))
                series.SetYColumnName(self.quantity)

    def _of(self, key: str) -> tuple[Node, Node]:
        """The series and the table of a slice, made where there is none yet."""
        if key in self._series:
            return self._series[key]
        series = part_node(self.scene, "vtkMRMLPlotSeriesNode", self.scan, PLOT, key)
        table = part_node(self.scene, "vtkMRMLTableNode", self.scan, PLOT, f"{self.scan} live values {key}")
        for node in (series, table):
            node.SetSaveWithScene(False)
        self.nodes += [series, table]
        set_up_series(series, table, RESULT, COLOURS.get(key, OTHER_COLOURS[len(self._series) % len(OTHER_COLOURS)]))
        self._series[key] = series, table
        self.chart.AddAndObservePlotSeriesNodeID(series.GetID())
        ScanFolder(self.scene, self.scan).add(table)
        return series, table

    @property
    def values(self) -> dict[str, list[tuple[float, float]]]:
        """What the tables hold: of each slice the numbers of the results, and their values."""
        return {key: list(dict.fromkeys(pairs_of(node))) for key, (_series, node) in self._series.items()}
