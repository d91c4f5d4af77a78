"""Fields for the box that is reconstructed: the scan's default grid, or a part of it with its own voxels."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import qt
from slicer.i18n import tr as _

from MITOReconstructionLib.geometry import VolumeGrid

__all__ = ["BoxFields"]

FARTHEST = 100_000.0


class BoxFields:
    """A check box and, where it is on, lower and upper corner and the voxel side; ``widget`` is what is shown.

    Parameters
    ----------
    changed : callable
        Called without arguments when something was changed.
    """

    def __init__(self, changed: Callable[[], object]) -> None:
        self.widget = qt.QWidget()
        form = qt.QFormLayout(self.widget)
        form.setContentsMargins(0, 0, 0, 0)
        self.use = qt.QCheckBox(_("Only a box"))
        self.use.toolTip = _("Reconstruct a box in the place of the sample's default volume")
        form.addRow(self.use)
        self.corners = [[_length() for _axis in range(3)] for _end in range(2)]
        for label, fields in zip((_("From x, y, z (mm):"), _("To x, y, z (mm):")), self.corners, strict=True):
            row = qt.QHBoxLayout()
            for field in fields:
                row.addWidget(field)
            form.addRow(label, row)
        self.spacing = _length()
        self.spacing.decimals = 3
        self.spacing.minimum = 0.001
        form.addRow(_("Voxel side (mm):"), self.spacing)
        self._changed, self._setting = changed, False
        self.use.connect("toggled(bool)", self._toggled)
        for field in self._fields():
            field.connect("valueChanged(double)", self._edited)
        self._toggled(False)

    def _fields(self) -> list[Any]:
        return [*self.corners[0], *self.corners[1], self.spacing]

    def set_grid(self, grid: VolumeGrid) -> None:
        """Fill the fields with a grid."""
        self._setting = True
        for fields, values in zip(self.corners, (grid.minimum, grid.maximum), strict=True):
            _fill(fields, values)
        self.spacing.value = min(grid.spacing)
        self._setting = False

    @property
    def grid(self) -> VolumeGrid | None:
        """The grid of the box; None for the sample's default.

        Raises
        ------
        InputError
            When the fields make no box.
        """
        if not self.use.checked:
            return None
        low, high = ([float(field.value) for field in fields] for fields in self.corners)
        return VolumeGrid.from_bounds(low, high, spacing=float(self.spacing.value))

    def _toggled(self, on: bool) -> None:
        for field in self._fields():
            field.enabled = on
        self._edited()

    def _edited(self) -> None:
        if not self._setting:
            self._changed()


def _length() -> Any:
    field = qt.QDoubleSpinBox()
    field.setRange(-FARTHEST, FARTHEST)
    field.decimals = 1
    field.minimumWidth = 60
    return field


def _fill(fields: Sequence[Any], values: Sequence[float]) -> None:
    for field, value in zip(fields, values, strict=True):
        field.value = value
