"""The section 'Data': a folder, its samples, what the one that is open is, and a simulated log for those without data."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

import ctk
import qt
from slicer.i18n import tr as _

from MITOReconstructionLib.errors import MITOError
from MITOReconstructionLib.panels.drop import DropArea
from MITOReconstructionLib.panels.narrow import narrow_combo
from MITOReconstructionLib.panels.recorded_bar import RecordedBar
from MITOReconstructionLib.panels.scan_combo import ScanCombo
from MITOReconstructionLib.panels.settings import keep
from MITOReconstructionLib.panels.status import Status
from MITOReconstructionLib.panels.watch import Watch
from MITOReconstructionLib.scan import Scan
from MITOReconstructionLib.scan.description import describe_scan
from MITOReconstructionLib.session.preferences import read_preferences
from MITOReconstructionLib.session.session import Session

__all__ = ["DataSection"]

FOLDER_KEY = "MITOReconstruction/DataFolder"
TABLE_HEIGHT = 230
SCALES = (12.0, 6.0, 3.0)
"""How many times coarser than the real scanner the simulated logs are: small, medium, large."""


class DataSection:
    """Chooses and loads a sample; ``widget`` is what is shown.

    Parameters
    ----------
    session : Session
    """

    title = "Data"

    def __init__(self, session: Session) -> None:
        self.session = session
        self.samples: list[tuple[str, Path]] = []
        self._told: tuple[Scan | None, str] = (None, "")
        self.widget = DropArea(self.open)
        self.status = Status("dataStatus")
        self.watch = Watch(self._simulated, self._progressed)
        self._make()
        session.scan_changed.connect(self._show_scan)
        session.recording.changed.connect(self._show_grown)
        session.job_changed.connect(self.update)
        session.state.changed.connect(self._restore_folder)
        session.folder_changed.connect(self._show_folder)
        session.preferences_changed.connect(self._show_log_folder)
        if not self.folder.currentPath:
            self.folder.currentPath = session.preferences.samples_folder
        self._show_log_folder()
        self._list(self.folder.currentPath)
        self._restore_folder()

    def _make(self) -> None:
        form = qt.QFormLayout(self.widget)
        self.folder = ctk.ctkPathLineEdit()
        self.folder.filters = ctk.ctkPathLineEdit.Dirs
        self.folder.settingKey = FOLDER_KEY
        self.folder.toolTip = _("A folder with samples, or the folder of one sample")
        form.addRow(_("Folder:"), self.folder)
        self.sample = narrow_combo()
        self.sample.toolTip = _("The samples of the folder")
        form.addRow(_("Sample:"), self.sample)
        self.load_button = qt.QPushButton(_("Load"))
        self.load_button.toolTip = _("Open the sample and show it in the 3D view")
        self.growing = qt.QCheckBox(_("Still being recorded"))
        self.growing.toolTip = _("Also load a scan that is not complete yet: live slices show what there is, and the rest comes by itself")
        row = qt.QHBoxLayout()
        row.addWidget(self.load_button, 1)
        row.addWidget(self.growing)
        form.addRow(row)
        form.addRow(_("No data?"), self._simulation_row())
        self.progress = qt.QProgressBar()
        self.progress.setRange(0, 100)
        self.cancel_button = qt.QPushButton(_("Cancel"))
        self.cancel_button.connect("clicked()", self.session.cancel)
        row = qt.QHBoxLayout()
        row.addWidget(self.progress)
        row.addWidget(self.cancel_button)
        form.addRow(row)
        self.opened = ScanCombo(self.session)
        form.addRow(_("Loaded:"), self.opened.row)
        form.addRow(self.status.label)
        self.recorded = RecordedBar(self.session, self.status)
        form.addRow(self.recorded.row)
        self.recorded.update()
        self.table = _table()
        form.addRow(self.table)
        self.folder.connect("currentPathChanged(QString)", self._list)
        self.load_button.connect("clicked()", self.load)
        self.widget.leave_drops_of(self.folder)

    def _simulation_row(self) -> Any:
        self.simulate_button = qt.QPushButton(_("Simulate a log"))
        self.simulate_button.connect("clicked()", self.simulate)
        self.size = qt.QComboBox()
        self.size.toolTip = _("How fine the simulated scan is, as a part of the real scanner's resolution, and how large its files are")
        for label in (_("small (1/12, 6 MB)"), _("medium (1/6, 50 MB)"), _("large (1/3, 400 MB)")):
            self.size.addItem(label)
        self.log_button = qt.QToolButton()
        self.log_button.text = "..."
        self.log_button.connect("clicked()", self.choose_log_folder)
        row = qt.QHBoxLayout()
        row.addWidget(self.simulate_button, 1)
        row.addWidget(self.size)
        row.addWidget(self.log_button)
        return row

    # ---- what a person does ----------------------------------------------------------------------------------------

    def load(self) -> None:
        """Open the sample that is chosen."""
        name, folder = self.samples[self.sample.currentIndex]
        self.folder.addCurrentPathToHistory()
        self.session.state.folder = str(self.folder.currentPath)
        with self.status.catching():
            self.session.load(folder, name, growing=bool(self.growing.checked))

    def open(self, path: str) -> None:
        """Take what was dropped: a sample or data folder, or a file that stands for it."""
        with self.status.catching():
            self.session.open(path, growing=bool(self.growing.checked))
            self.folder.addCurrentPathToHistory()

    def choose_log_folder(self) -> None:
        """Ask where simulated logs are put from now on."""
        chosen = qt.QFileDialog.getExistingDirectory(self.widget, _("Folder for simulated logs"), str(self.session.log_folder))
        if chosen:
            keep("log_folder", str(chosen))
            self.session.set_preferences(read_preferences())

    def simulate(self) -> None:
        """Simulate a log into the folder for them, and load it."""
        with self.status.catching():
            task = self.session.simulate(scale=SCALES[self.size.currentIndex])
            self.status.say(_("Simulating"))
            self.progress.value = 0
            self.watch.follow(task)
        self.update()

    # ---- what comes of it ------------------------------------------------------------------------------------------

    def _list(self, folder: str) -> None:
        self.sample.clear()
        self.samples = []
        if not folder:
            self.status.say(_("Choose a folder with samples, or simulate a log."))
        else:
            with self.status.catching():
                self.samples = self.session.samples(folder)
                self.status.say("")
        for name, _folder in self.samples:
            self.sample.addItem(name)
        self.update()

    def look_again(self) -> None:
        """List the folder's samples again where there are others by now: somebody has copied or corrected some."""
        folder, chosen = str(self.folder.currentPath), self.sample.currentText
        if not folder or self.watch.job is not None:
            return
        try:
            found = self.session.samples(folder)
        except MITOError:  # as it is said already, or where a sample is chosen
            found = []
        if found != self.samples:
            self._list(folder)
            names = [name for name, _folder in self.samples]
            self.sample.currentIndex = names.index(chosen) if chosen in names else 0 if names else -1

    def _restore_folder(self) -> None:
        """Go to the data folder of a scene that was opened."""
        kept = self.session.state.folder
        if kept and kept != self.folder.currentPath and os.path.isdir(kept):
            self.folder.currentPath = kept

    def _progressed(self, task: Any) -> None:
        self.progress.value = round(100 * task.progress.fraction)
        self.status.say(_("Simulating: {step}").format(step=task.progress.step))

    def _simulated(self, task: Any) -> None:
        self.session.ended()
        if task.state == "done":
            self.folder.currentPath = str(task.value)
            self.load()
            return
        if task.state == "cancelled":
            self.status.say(_("Cancelled"))
        else:
            self.status.fail(str(task.error))

    def _show_folder(self) -> None:
        self.folder.currentPath = str(self.session.folder or "")

    def _show_log_folder(self) -> None:
        place = str(self.session.log_folder)
        self.simulate_button.toolTip = _("Make a sample for trying out without data, in {folder}").format(folder=place)
        self.log_button.toolTip = _("Choose the folder that simulated logs are kept in; now {folder}").format(folder=place)

    def _show_scan(self) -> None:
        scan = self.session.scan
        rows = [] if scan is None else describe_scan(scan)
        self.table.setRowCount(len(rows))
        for number, row in enumerate(rows):
            for column, text in enumerate(row):
                item = qt.QTableWidgetItem(text)
                item.setToolTip(text)
                self.table.setItem(number, column, item)
        trouble = self.session.opened.trouble or self.session.recording.trouble(scan)
        self._told = scan, trouble
        if trouble:
            self.status.fail(trouble)
        elif scan is None:
            self.status.say(_("Nothing is loaded."))
        else:
            text = _("{name} is loaded.")
            if self.session.recording.of(scan) is not None:
                text = _("{name} is being recorded; when it is complete it can be reconstructed.")
            elif scan.planned_views is not None:
                text = _("{name} is loaded as far as it was recorded, {done} of {all} views.")
            self.status.say(text.format(name=scan.name, done=scan.geometry.views, all=scan.planned_views))
        self.update()

    def _show_grown(self) -> None:
        if self._told != (self.session.scan, self.session.recording.trouble(self.session.scan)):
            self._show_scan()

    def update(self) -> None:
        """Enable what can be pressed now."""
        simulating = self.watch.job is not None
        self.load_button.enabled = bool(self.samples) and not simulating
        self.simulate_button.enabled = self.session.job is None
        for widget in (self.cancel_button, self.progress):
            widget.visible = simulating
        for widget in (self.folder, self.sample, self.size, self.log_button):
            widget.enabled = not simulating
        self.table.visible = self.session.scan is not None

    def close(self) -> None:
        """Stop the timers."""
        self.watch.stop()
        self.recorded.close()


def _table() -> Any:
    table = qt.QTableWidget(0, 2)
    table.horizontalHeader().hide()
    table.verticalHeader().hide()
    table.horizontalHeader().setSectionResizeMode(0, qt.QHeaderView.ResizeToContents)
    table.horizontalHeader().setStretchLastSection(True)
    table.verticalHeader().setSectionResizeMode(qt.QHeaderView.ResizeToContents)
    table.setEditTriggers(qt.QAbstractItemView.NoEditTriggers)
    table.wordWrap = True
    table.minimumHeight = TABLE_HEIGHT
    return table
