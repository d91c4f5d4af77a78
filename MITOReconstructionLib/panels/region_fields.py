"""Fields for a region: two ends of a range, and voxel sides and counts."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import ctk
import qt
from slicer.i18n import tr as _

from MITOReconstructionLib.geometry import VolumeGrid

__all__ = ["RangeField", "VoxelFields"]

MOST_VOXELS = 10_000_000
LARGEST_SIDE = 1000.0


class RangeField:
    """A slider with two handles and a number at each end; ``widget`` is the ctkRangeWidget.

    Parameters
    ----------
    changed : callable
        Called with the lower and the upper value when a person has changed one. One that was not touched is given as it
        was shown, with all its digits, and not as the field rounds it.
    decimals : int
    step : float
    """

    def __init__(self, changed: Callable[[float, float], object], *, decimals: int, step: float) -> None:
        self.widget = ctk.ctkRangeWidget()
        self.widget.decimals = decimals
        self.widget.singleStep = step
        self._changed, self._setting = changed, False
        self._exact, self._rounded = (0.0, 0.0), (0.0, 0.0)
        self.widget.connect("valuesChanged(double,double)", self._edited)

    def show(self, low: float, high: float, least: float, most: float) -> None:
        """Show two values, and how far they may go."""
        self._setting = True
        if (self.widget.minimum, self.widget.maximum) != (least, most):
            self.widget.setRange(least, most)
        self.widget.setValues(low, high)
        self._exact, self._rounded = (low, high), self.values
        self._setting = False

    @property
    def values(self) -> tuple[float, float]:
        """What the field says."""
        return float(self.widget.minimumValue), float(self.widget.maximumValue)

    def _edited(self, *_values: float) -> None:
        if self._setting:
            return
        ends = zip(self.values, self._rounded, self._exact, strict=True)
        low, high = (exact if value == rounded else value for value, rounded, exact in ends)
        self._changed(low, high)


class VoxelFields:
    """A check box for automatic voxels, their sides and their counts; ``widgets`` go into a form, each with its label.

    Typing a side holds the sides and lets the counts follow the box; typing a count, the other way round.

    Parameters
    ----------
    changed : callable
        Called with ``spacing=`` or ``shape=``, three numbers, or both None for automatic.
    """

    def __init__(self, changed: Callable[..., object]) -> None:
        self._changed, self._setting = changed, False
        self.automatic = qt.QCheckBox(_("Automatic voxels"))
        self.automatic.toolTip = _("Voxels of the size of the sample's default volume")
        self.sides, self.counts = ([make() for _axis in range(3)] for make in (_side, _count))
        self.widgets = [(_("Voxel side (mm):"), _row(self.sides)), (_("Voxels x, y, z:"), _row(self.counts))]
        self.automatic.connect("toggled(bool)", self._toggled)
        for field in self.sides:
            field.connect("valueChanged(double)", lambda: self._edited("spacing", self.sides))
        for field in self.counts:
            field.connect("valueChanged(int)", lambda: self._edited("shape", self.counts))
        self._shown: VolumeGrid | None = None

    def show(self, grid: VolumeGrid, automatic: bool) -> None:
        """Show a grid."""
        self._setting = True
        self._shown = grid
        self.automatic.checked = automatic
        for field, side in zip(self.sides, grid.spacing, strict=True):
            field.value = side
        for field, count in zip(self.counts, grid.shape, strict=True):
            field.value = count
        self._setting = False

    def _toggled(self, on: bool) -> None:
        if not self._setting and self._shown is not None:
            self._changed(spacing=None if on else self._shown.spacing, shape=None)

    def _edited(self, name: str, fields: Sequence[Any]) -> None:
        if not self._setting:
            self._changed(**{name: tuple(field.value for field in fields)})


def _side() -> Any:
    field = qt.QDoubleSpinBox()
    field.decimals = 3
    field.singleStep = 0.1
    field.setRange(0.001, LARGEST_SIDE)
    field.keyboardTracking = False
    field.minimumWidth = 70
    return field


def _count() -> Any:
    field = qt.QSpinBox()
    field.setRange(1, MOST_VOXELS)
    field.keyboardTracking = False
    field.minimumWidth = 70
    return field


def _row(fields: Sequence[Any]) -> Any:
    row = qt.QHBoxLayout()
    for field in fields:
        row.addWidget(field)
    return row
