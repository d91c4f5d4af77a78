"""Pinned slices: a list with thumbnails, and buttons to pin what a view shows and to let go of it."""

from __future__ import annotations

import tempfile
from pathlib import Path
from typing import Any

import numpy as np
import qt
from numpy.typing import NDArray
from slicer.i18n import tr as _

from MITOReconstructionLib.panels.narrow import narrow_combo
from MITOReconstructionLib.panels.status import Status
from MITOReconstructionLib.scene.host import numpy_support, vtk
from MITOReconstructionLib.scene.live_scene import LiveScene

__all__ = ["PinsWidget"]

SIZE = 72
MARGIN = 6
MOST_ROWS = 3
"""Of the list, before it scrolls."""


class PinsWidget:
    """The pinned slices of one scan; ``widget`` is what is shown.

    Parameters
    ----------
    status : Status
        Says why a slice cannot be pinned.
    """

    def __init__(self, status: Status) -> None:
        self.status = status
        self.live: LiveScene | None = None
        self.keys: list[str] = []
        self._drawn: dict[str, int] = {}
        self.widget = qt.QWidget()
        layout = qt.QVBoxLayout(self.widget)
        layout.setContentsMargins(0, 0, 0, 0)
        row = qt.QHBoxLayout()
        layout.addLayout(row)
        self.view = narrow_combo()
        self.view.toolTip = _("The view whose slice is pinned")
        self.pin_button = qt.QPushButton(_("Pin"))
        self.pin_button.toolTip = _("Keep this slice, up to date, whatever the view shows afterwards")
        self.unpin_button = qt.QPushButton(_("Unpin"))
        self.unpin_button.toolTip = _("Take the pinned slice that is chosen in the list out of the scene")
        for part in (self.view, self.pin_button, self.unpin_button):
            row.addWidget(part)
        self.list = qt.QListWidget()
        self.list.setIconSize(qt.QSize(SIZE, SIZE))
        layout.addWidget(self.list)
        self.pin_button.connect("clicked()", self.pin)
        self.unpin_button.connect("clicked()", self.unpin)

    def use(self, live: LiveScene | None) -> None:
        """Show the pinned slices of other live slices, or none."""
        self.live = live
        self.refresh()

    def pin(self) -> None:
        """Pin what the chosen view shows."""
        if self.live is not None:
            with self.status.catching():
                self.live.pin(str(self.view.currentText))
            self.refresh()

    def unpin(self) -> None:
        """Let go of the chosen pinned slice."""
        if self.live is not None and 0 <= self.list.currentRow < len(self.keys):
            self.live.unpin(self.keys[self.list.currentRow])
            self.refresh()

    def refresh(self) -> None:
        """Show what is pinned now."""
        live = self.live
        names = [] if live is None else live.followed
        if names != [self.view.itemText(i) for i in range(self.view.count)]:
            self.view.clear()
            for name in names:
                self.view.addItem(name)
        pinned = {} if live is None else live.pinned
        if list(pinned) != self.keys:
            self.keys = list(pinned)
            self._drawn.clear()
            self.list.clear()
            for volume in pinned.values():
                self.list.addItem(qt.QListWidgetItem(volume.node.GetName()))
            self.list.setCurrentRow(len(self.keys) - 1)
            self.list.setFixedHeight(min(len(self.keys), MOST_ROWS) * (SIZE + MARGIN) + MARGIN)
        for place, key in enumerate(self.keys):
            self.list.item(place).setText(pinned[key].node.GetName())  # somebody may have renamed it
            shown = pinned[key].shown
            if live is not None and shown is not None and self._drawn.get(key) != shown.number:
                self._drawn[key] = shown.number
                self.list.item(place).setIcon(_icon(live.thumbnail(key, SIZE)))
        self.pin_button.enabled = bool(names)
        self.unpin_button.enabled = bool(self.keys)
        self.list.visible = bool(self.keys)


def _icon(grey: NDArray[np.uint8]) -> Any:
    """An icon of a grey picture, by way of a file: PythonQt has no other that is the same in every version."""
    image = vtk.vtkImageData()
    image.SetDimensions(grey.shape[1], grey.shape[0], 1)
    pixels = np.ascontiguousarray(grey[::-1]).reshape(-1)
    image.GetPointData().SetScalars(numpy_support.numpy_to_vtk(pixels, deep=True, array_type=vtk.VTK_UNSIGNED_CHAR))
    with tempfile.TemporaryDirectory(prefix="mito-", ignore_cleanup_errors=True) as folder:
        path = str(Path(folder) / "icon.png")
        writer = vtk.vtkPNGWriter()
        writer.SetFileName(path)
        writer.SetInputData(image)
        writer.Write()
        return qt.QIcon(qt.QPixmap(path))
