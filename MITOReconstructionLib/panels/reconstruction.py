"""The section 'Reconstruction': what, by which method, what it will take, and how far it is."""

from __future__ import annotations

from typing import Any

import qt
from slicer.i18n import tr as _

from MITOReconstructionLib.errors import InputError
from MITOReconstructionLib.methods import methods
from MITOReconstructionLib.panels.backend import BackendChoice
from MITOReconstructionLib.panels.foreseen import EstimateLine
from MITOReconstructionLib.panels.parameters import ParameterWidgets
from MITOReconstructionLib.panels.queue_list import QueueList
from MITOReconstructionLib.panels.settings_keeper import SettingsKeeper
from MITOReconstructionLib.panels.target import TargetCombo
from MITOReconstructionLib.session.session import Session

__all__ = ["ReconstructionSection"]

MOST_ITERATIONS = 1_000_000


class ReconstructionSection:
    """Sets a run up, starts and follows it; ``widget`` is what is shown.

    Parameters
    ----------
    session : Session
    """

    title = "Reconstruction"

    def __init__(self, session: Session) -> None:
        self.session = session
        self.methods = list(methods().values())
        self.widget = qt.QWidget()
        self.queue = QueueList(session)
        self.status, self.progress = self.queue.status, self.queue.progress
        self.estimate = EstimateLine()
        self.parameters: ParameterWidgets | None = None
        self._make_settings()
        self._make_run()
        self._choose_method(0)
        self.kept.begin()
        session.scan_changed.connect(self._show_scan)
        session.recording.changed.connect(self._show_scan)
        session.job_changed.connect(self.update)
        self._show_scan()

    def _make_settings(self) -> None:
        layout = qt.QVBoxLayout(self.widget)
        form = qt.QFormLayout()
        layout.addLayout(form)
        self.target = TargetCombo(self.session, self._changed)
        form.addRow(_("Reconstruct:"), self.target.widget)
        self.method = qt.QComboBox()
        for method in self.methods:
            self.method.addItem(method.title)
        form.addRow(_("Method:"), self.method)
        self._place = qt.QVBoxLayout()
        layout.addLayout(self._place)
        form = qt.QFormLayout()
        layout.addLayout(form)
        self.backends = BackendChoice(self._changed)
        self.backend = self.backends.combo
        form.addRow(_("Computed by:"), self.backends.widget)
        self.process = qt.QCheckBox(_("In a separate process"))
        self.process.toolTip = _("It can crash without harm to Slicer, and can always be stopped")
        form.addRow(self.process)
        self.kept = SettingsKeeper(self.session, self)
        self.process.connect("toggled(bool)", self.kept.write)
        self.method.connect("currentIndexChanged(int)", self._choose_method)

    def _make_run(self) -> None:
        layout = self.widget.layout()
        layout.addWidget(self.estimate.status.label)
        self.previews = qt.QSpinBox()
        self.previews.setRange(0, MOST_ITERATIONS)
        self.previews.value = 1
        self.previews.specialValueText = _("none")
        self.previews.toolTip = _("Iterations from one preview to the next, which are shown in the slice views")
        self._preview_row = qt.QWidget()
        form = qt.QFormLayout(self._preview_row)
        form.setContentsMargins(0, 0, 0, 0)
        form.addRow(_("Preview every (iterations):"), self.previews)
        layout.addWidget(self._preview_row)
        self.start_button = qt.QPushButton(_("Reconstruct"))
        self.start_button.toolTip = _("Start this run, or put it behind the ones that wait already")
        self.cancel_button = qt.QPushButton(_("Cancel"))
        self.cancel_button.toolTip = _("Stop the run that goes on")
        row = qt.QHBoxLayout()
        row.addWidget(self.start_button)
        row.addWidget(self.cancel_button)
        layout.addLayout(row)
        layout.addWidget(self.queue.widget)
        self.start_button.connect("clicked()", self.start)
        self.cancel_button.connect("clicked()", self.cancel)

    # ---- settings --------------------------------------------------------------------------------------------------

    @property
    def options(self) -> dict[str, Any]:
        """What is set up, as arguments of an estimate.

        Raises
        ------
        InputError
            When the region cannot be used.
        """
        method = self.methods[self.method.currentIndex]
        values = {} if self.parameters is None else self.parameters.values
        return {**self.target.options, "method": method.name, "parameters": values, "backend": self.backends.name}

    def _choose_method(self, place: int) -> None:
        method = self.methods[place]
        self.method.toolTip = f"<qt>{method.help}</qt>"
        if self.parameters is not None:
            self._place.removeWidget(self.parameters.widget)
            self.parameters.widget.hide()
            self.parameters.widget.deleteLater()
        self.parameters = ParameterWidgets(method.parameters.describe(), self._changed)
        self._place.addWidget(self.parameters.widget)
        self._preview_row.visible = "iterations" in self.parameters.fields
        self._changed()

    def _changed(self) -> None:
        if self.parameters is None:  # still being made
            return
        self.kept.write()
        try:
            options = self.options
        except InputError as error:
            self.estimate.fail(str(error))
            return
        scan = self.session.recording.of(self.session.scan)
        if scan is None:
            self.estimate.want(self.session.scan, options)
        else:
            text = _("{done} of {all} views have been recorded; the scan can be reconstructed when all have, or by 'Use what is there'.")
            self.estimate.postpone(text.format(done=scan.seen, all=scan.geometry.views))

    def _show_scan(self) -> None:
        self._changed()
        self.update()

    def update(self) -> None:
        """Enable what can be pressed now."""
        going = self.session.runs.going
        simulating = self.session.job is not None and going is None
        complete = self.session.recording.of(self.session.scan) is None
        self.start_button.enabled = self.session.scan is not None and complete and not simulating
        self.cancel_button.enabled = going is not None and not going.cancelling

    # ---- the run ---------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start a run as it is set up, or put it behind the others."""
        with self.status.catching():
            every = int(self.previews.value) if "iterations" in self.options["parameters"] else 0
            self.session.start(**self.options, process=bool(self.process.checked), preview_every=every)
            self.queue.begin()
        self.update()

    def cancel(self) -> None:
        """Ask the run that goes on to stop."""
        if self.session.runs.going is not None:
            self.session.cancel()
            self.status.say(_("Cancelling"))

    def close(self) -> None:
        """Stop the timers."""
        self.queue.close()
        self.estimate.close()
