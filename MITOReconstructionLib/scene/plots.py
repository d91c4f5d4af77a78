"""How the residual of an iterative run falls, as a chart of Slicer's plot views."""

from __future__ import annotations

from collections.abc import Sequence

import numpy as np

from MITOReconstructionLib.scene.folder import ScanFolder
from MITOReconstructionLib.scene.host import Node, Scene, numpy_support, vtk
from MITOReconstructionLib.scene.looks import Colour
from MITOReconstructionLib.scene.parts import Part, find_part, part_node

__all__ = ["ITERATION", "RESIDUAL", "ResidualPlot", "charted", "pairs_of", "set_up_series", "table_of"]

CHART = "residuals"
"""Part of the nodes of a chart."""

TITLE = " residuals"

ITERATION, RESIDUAL = "Iteration", "Relative residual"
"""The columns of the table, and the titles of the axes."""

COLOUR = (0.12, 0.47, 0.71)
"""Seen on white and on black."""


class ResidualPlot(Part):
    """A chart node, with the series and the table that it draws; the main node is the chart.

    Parameters
    ----------
    scene : vtkMRMLScene
    scan, name : str
        Names of the scan and of the run.
    """

    def __init__(self, scene: Scene, scan: str, name: str) -> None:
        title = name + TITLE
        self.chart = part_node(scene, "vtkMRMLPlotChartNode", scan, CHART, title)
        self.series = part_node(scene, "vtkMRMLPlotSeriesNode", scan, CHART, f"{title} series")
        self.table = part_node(scene, "vtkMRMLTableNode", scan, CHART, f"{title} table")
        super().__init__(scene, [self.chart, self.series, self.table])
        self._count = -1
        self._set_up(title)
        for node in (self.chart, self.table):
            ScanFolder(scene, scan).add(node)

    def _set_up(self, title: str) -> None:
        series, chart = self.series, self.chart
        set_up_series(series, self.table, ITERATION, COLOUR)
        series.SetYColumnName(RESIDUAL)
        chart.SetTitle(title)
        chart.SetXAxisTitle(ITERATION)
        chart.SetYAxisTitle(RESIDUAL)
        chart.SetLegendVisibility(False)
        chart.SetYAxisLogScale(True)
        if not chart.HasPlotSeriesNodeID(series.GetID()):
            chart.AddAndObservePlotSeriesNodeID(series.GetID())

    @property
    def alive(self) -> bool:
        """Whether all of it is still in the scene."""
        return all(node.GetScene() is not None for node in self.nodes)

    def update(self, residuals: Sequence[tuple[int, float]]) -> None:
        """Show residuals by their iterations; those that a logarithmic axis cannot show are left out."""
        if len(residuals) == self._count or not self.alive:
            return
        self._count = len(residuals)
        self.table.SetAndObserveTable(table_of((ITERATION, RESIDUAL), [pair for pair in residuals if pair[1] > 0.0]))

    @property
    def values(self) -> list[tuple[float, float]]:
        """What the table holds: iterations and residuals."""
        return pairs_of(self.table)


def set_up_series(series: Node, table: Node, across: str, colour: Colour) -> None:
    """Let a series draw a column of a table over the column ``across``, as points joined by lines."""
    series.SetAndObserveTableNodeID(table.GetID())
    series.SetXColumnName(across)
    series.SetPlotType(series.PlotTypeScatter)
    series.SetLineStyle(series.LineStyleSolid)
    series.SetMarkerStyle(series.MarkerStyleCircle)
    series.SetLineWidth(2.0)
    series.SetMarkerSize(6.0)
    series.SetColor(*colour)


def table_of(names: tuple[str, str], pairs: Sequence[tuple[float, float]]) -> object:
    """A vtkTable of two columns, float64, with their names."""
    table = vtk.vtkTable()
    for column, name in enumerate(names):
        values = numpy_support.numpy_to_vtk(np.array([pair[column] for pair in pairs], dtype=np.float64), deep=True)
        values.SetName(name)
        table.AddColumn(values)
    return table


def pairs_of(node: Node) -> list[tuple[float, float]]:
    """The rows of a vtkMRMLTableNode of two columns."""
    table = node.GetTable()
    return [(table.GetValue(row, 0).ToDouble(), table.GetValue(row, 1).ToDouble()) for row in range(table.GetNumberOfRows())]


def charted(scene: Scene, scan: str) -> set[str]:
    """Names of the runs of a scan that the scene has charts of, also of those before it was saved and opened."""
    return {node.GetName().removesuffix(TITLE) for node in find_part(scene, "vtkMRMLPlotChartNode", CHART, scan)}
