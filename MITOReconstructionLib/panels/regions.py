"""The section 'Regions': named boxes to be reconstructed, their voxels and their views."""

from __future__ import annotations

from functools import partial
from typing import Any

import qt
from slicer.i18n import tr as _

from MITOReconstructionLib.panels.region_fields import RangeField, VoxelFields
from MITOReconstructionLib.panels.status import Status
from MITOReconstructionLib.scan.region_files import sample_of_regions
from MITOReconstructionLib.scan.regions import Region
from MITOReconstructionLib.session.region_list import RegionList
from MITOReconstructionLib.session.session import Session

__all__ = ["RegionsSection"]

LIST_HEIGHT = 90
FILES = "Regions (*.json)"


class RegionsSection:
    """A list of the regions and fields for the chosen one; ``widget`` is what is shown.

    Parameters
    ----------
    session : Session
    """

    title = "Regions"

    def __init__(self, session: Session) -> None:
        self.session = session
        self.widget = qt.QWidget()
        self.status = Status("regionStatus")
        self.estimate = Status("regionEstimate")
        self._setting = False
        layout = qt.QVBoxLayout(self.widget)
        self._make_list(layout)
        self._make_fields(layout)
        layout.addWidget(self.estimate.label)
        layout.addWidget(self.status.label)
        session.opened.regions_changed.connect(self.update)
        session.scan_changed.connect(self.update)
        self._soon = qt.QTimer()
        self._soon.setInterval(0)
        self._soon.setSingleShot(True)
        self._soon.connect("timeout()", session.opened.look)
        session.node_added.connect(self._soon.start)
        self.update()

    # ---- widgets ---------------------------------------------------------------------------------------------------

    def _make_list(self, layout: Any) -> None:
        self.list = qt.QListWidget()
        self.list.setFixedHeight(LIST_HEIGHT)
        self.list.toolTip = _("The chosen region is the one that is reconstructed")
        layout.addWidget(self.list)
        self.list.connect("currentRowChanged(int)", self._choose)
        self.buttons: dict[str, Any] = {}
        rows = (
            (("add", _("Add"), self.add), ("duplicate", _("Duplicate"), self.duplicate), ("delete", _("Delete"), self.delete)),
            (("undo", _("Undo"), self.undo), ("redo", _("Redo"), self.redo)),
            (("load", _("Read from file..."), self.load), ("save", _("Save to file..."), self.save)),
        )
        grid = qt.QGridLayout()
        layout.addLayout(grid)
        for row, entries in enumerate(rows):
            width = 6 // len(entries)
            for column, (name, label, slot) in enumerate(entries):
                button = qt.QPushButton(label)
                grid.addWidget(button, row, column * width, 1, width)
                button.connect("clicked()", slot)
                self.buttons[name] = button
        self.buttons["add"].toolTip = _("A box in the middle of the sample's default volume")
        self.buttons["load"].toolTip = _("Also the files of the CT_GUI_Docker client")

    def _make_fields(self, layout: Any) -> None:
        self.fields = qt.QWidget()
        form = qt.QFormLayout(self.fields)
        form.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self.fields)
        self.name = qt.QLineEdit()
        form.addRow(_("Name:"), self.name)
        self.bounds = [RangeField(partial(self._move, axis), decimals=2, step=0.1) for axis in range(3)]
        for label, bound in zip((_("x (mm):"), _("y (mm):"), _("z (mm):")), self.bounds, strict=True):
            form.addRow(label, bound.widget)
        self.voxels = VoxelFields(self._set_voxels)
        form.addRow(self.voxels.automatic)
        for label, row in self.voxels.widgets:
            form.addRow(label, row)
        self.views = RangeField(self._set_views, decimals=0, step=1.0)
        self.views.widget.toolTip = _("First and last view that are used, both included")
        form.addRow(_("Views:"), self.views.widget)
        self.views_button = qt.QPushButton(_("Automatic"))
        self.views_button.toolTip = _("Let the views that see the region be used, whichever these are")
        self.views_text = qt.QLabel()
        self.views_text.wordWrap = True
        row = qt.QHBoxLayout()
        row.addWidget(self.views_text, 1)
        row.addWidget(self.views_button)
        form.addRow(row)
        self.handles = qt.QCheckBox(_("Handles in the views"))
        self.positions = qt.QCheckBox(_("First and last position"))
        self.positions.toolTip = _("Source and detector at the first and the last view, in the 3D view")
        row = qt.QHBoxLayout()
        row.addWidget(self.handles)
        row.addWidget(self.positions)
        form.addRow(row)
        self.name.connect("editingFinished()", self._rename)
        self.views_button.connect("clicked()", lambda: self._change("views", views=None))
        self.handles.connect("toggled(bool)", lambda on: self._show("editing", on))
        self.positions.connect("toggled(bool)", lambda on: self._show("positions", on))

    # ---- what a person does ----------------------------------------------------------------------------------------

    @property
    def _regions(self) -> RegionList:
        return self.session.regions

    def add(self) -> None:
        """Add a region in the middle."""
        with self._trying():
            self._regions.add()

    def duplicate(self) -> None:
        """Add a copy of the chosen one."""
        with self._trying():
            self._regions.duplicate(self._chosen())

    def delete(self) -> None:
        """Take the chosen one out; undo brings it back."""
        with self._trying():
            self._regions.delete(self._chosen())

    def undo(self) -> None:
        """Take the last change back."""
        with self._trying():
            self._regions.undo()

    def redo(self) -> None:
        """Do again what was undone."""
        with self._trying():
            self._regions.redo()

    def save(self) -> None:
        """Write all regions into a file."""
        path = qt.QFileDialog.getSaveFileName(self.widget, _("Save regions"), self._proposed(), FILES)
        path = path[0] if isinstance(path, tuple) else path
        if path:
            with self._trying():
                self._regions.save(path)
                self.status.say(_("Saved: {path}").format(path=path))

    def _proposed(self) -> str:
        scan = self.session.scan
        if scan is None or scan.folder is None:
            return "regions.json"
        return str(scan.folder.parent / f"{scan.folder.name}-regions.json")

    def load(self) -> None:
        """Add the regions of files."""
        paths = qt.QFileDialog.getOpenFileNames(self.widget, _("Read regions"), "", FILES)
        paths = paths[0] if len(paths) == 2 and isinstance(paths[0], (list, tuple)) else paths
        with self._trying():
            told = [self._read(path) for path in paths]
            if told:
                self.status.say(" ".join(told))

    def _read(self, path: str) -> str:
        """Add the regions of a file; what is to be said about it."""
        names, sample, scan = self._regions.load(path), sample_of_regions(path), self.session.scan
        told = str(_("Read: {names}.").format(names=", ".join(names) or _("no regions")))
        if names and sample and scan is not None and sample != scan.name:
            told += " " + _("They were made for the scan {sample}; boxes and views were fitted into this one.").format(sample=sample)
        return told

    def _choose(self, row: int) -> None:
        if not self._setting and self.session.scan is not None:
            names = self._regions.names
            self._regions.chosen = names[row] if 0 <= row < len(names) else None

    def _rename(self) -> None:
        if not self._setting and self.session.scan is not None and str(self.name.text) != (self._regions.chosen or self.name.text):
            with self._trying():
                self._regions.rename(self._chosen(), str(self.name.text))
            self.update()

    def _move(self, axis: int, low: float, high: float) -> None:
        if low >= high:  # one handle was drawn up to the other
            self.update()
            return
        region = self._regions[self._chosen()]
        minimum, maximum = list(region.minimum), list(region.maximum)
        minimum[axis], maximum[axis] = low, high
        self._change(f"bounds {axis}", minimum=tuple(minimum), maximum=tuple(maximum))

    def _set_voxels(self, **fields: Any) -> None:
        self._change("voxels " + " ".join(fields), **fields)

    def _set_views(self, first: float, last: float) -> None:
        self._change("views", views=(round(first), round(last) + 1))

    def _change(self, merge: str, **fields: Any) -> None:
        if not self._setting:
            with self._trying():
                self._regions.change(self._chosen(), merge=merge, **fields)
            self.update()

    def _show(self, name: str, on: bool) -> None:
        if not self._setting and self.session.scan is not None:
            setattr(self._regions.display, name, on)

    def _chosen(self) -> str:
        return self._regions.chosen or ""

    def _trying(self) -> Any:
        self.status.say("")
        return self.status.catching()

    # ---- what comes of it ------------------------------------------------------------------------------------------

    def update(self) -> None:
        """Show the regions as they are."""
        self._setting = True
        try:
            self._update()
        finally:
            self._setting = False

    def _update(self) -> None:
        opened = self.session.scan is not None
        regions = self._regions if opened else None
        names = [] if regions is None else regions.names
        chosen = None if regions is None else regions.chosen
        if [self.list.item(row).text() for row in range(self.list.count)] != names:
            self.list.clear()
            for name in names:
                self.list.addItem(name)
        self.list.setCurrentRow(-1 if chosen is None else names.index(chosen))
        self.widget.enabled = opened
        self.fields.visible = chosen is not None
        for name in ("duplicate", "delete"):
            self.buttons[name].enabled = chosen is not None
        self.buttons["save"].enabled = bool(names)
        for name in ("undo", "redo"):
            text = "" if regions is None else str(getattr(regions, f"{name}_text"))
            self.buttons[name].enabled = bool(text)
            self.buttons[name].toolTip = text
        if not opened:
            self.status.say(_("Load a sample first."))
        if regions is not None and chosen is not None:
            self._fill(regions, regions[chosen])

    def _fill(self, regions: RegionList, region: Region) -> None:
        if str(self.name.text) != region.name:
            self.name.text = region.name
        covered = regions.covered
        for axis, bound in enumerate(self.bounds):
            bound.show(region.minimum[axis], region.maximum[axis], covered.minimum[axis], covered.maximum[axis])
        self.voxels.show(regions.grid(region.name), region.spacing is None and region.shape is None)
        views = regions.views(region.name)
        self.views.widget.enabled = views is not None
        first, last = views or (0, covered.views)
        self.views.show(first, last - 1, 0, covered.views - 1)
        self.views_button.enabled = region.views is not None
        if views is None:
            self.views_text.text = _("No view sees the region.")
        elif region.views is None:
            self.views_text.text = _("{count} views see the region").format(count=last - first)
        else:
            self.views_text.text = _("{count} views, as set").format(count=last - first)
        self.handles.checked = regions.display.editing
        self.positions.checked = regions.display.positions

    def close(self) -> None:
        """Stop the timer."""
        self._soon.stop()
