"""The section 'Reconstruction': what, by which method, what it will take, and how far it is."""

from __future__ import annotations

from typing import Any

import qt
from slicer.i18n import tr as _

from MITOReconstructionLib.errors import InputError
from MITOReconstructionLib.methods import methods
from MITOReconstructionLib.panels.foreseen import EstimateLine, duration
from MITOReconstructionLib.panels.parameters import ParameterWidgets
from MITOReconstructionLib.panels.session import Session
from MITOReconstructionLib.panels.settings_keeper import SettingsKeeper
from MITOReconstructionLib.panels.status import Status
from MITOReconstructionLib.panels.target import TargetCombo
from MITOReconstructionLib.panels.time_left import TimeLeft
from MITOReconstructionLib.panels.watch import Watch
from MITOReconstructionLib.projectors.backends import backend_names, describe_backends
from MITOReconstructionLib.scan import Scan

__all__ = ["ReconstructionSection"]


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
        self.status = Status("reconstructionStatus")
        self.estimate = EstimateLine()
        self.watch = Watch(self._ended, self._progressed)
        self._left, self._cancelling = TimeLeft(), False
        self._running: tuple[Scan, str] | None = None
        self.parameters: ParameterWidgets | None = None
        self._make_settings()
        self._make_run()
        self._choose_method(0)
        self.kept.begin()
        session.scan_changed.connect(self._show_scan)
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
        self.backend = qt.QComboBox()
        states = describe_backends()
        for place, name in enumerate(backend_names()):
            self.backend.addItem(name)
            self.backend.setItemData(place, states.get(name, _("The fastest that is there")), qt.Qt.ToolTipRole)
        self.backend.toolTip = "<br>".join(f"{name}: {state}" for name, state in states.items())
        form.addRow(_("Computed by:"), self.backend)
        self.process = qt.QCheckBox(_("In a separate process"))
        self.process.toolTip = _("It can crash without harm to Slicer, and can always be stopped")
        form.addRow(self.process)
        self.kept = SettingsKeeper(self.session, self)
        self.process.connect("toggled(bool)", self.kept.write)
        self.method.connect("currentIndexChanged(int)", self._choose_method)
        self.backend.connect("currentIndexChanged(int)", self._changed)

    def _make_run(self) -> None:
        layout = self.widget.layout()
        layout.addWidget(self.estimate.status.label)
        self.start_button = qt.QPushButton(_("Reconstruct"))
        self.cancel_button = qt.QPushButton(_("Cancel"))
        row = qt.QHBoxLayout()
        row.addWidget(self.start_button)
        row.addWidget(self.cancel_button)
        layout.addLayout(row)
        self.progress = qt.QProgressBar()
        self.progress.setRange(0, 100)
        layout.addWidget(self.progress)
        layout.addWidget(self.status.label)
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
        backend = str(self.backend.currentText)
        return {**self.target.options, "method": method.name, "parameters": values, "backend": backend}

    def _choose_method(self, place: int) -> None:
        method = self.methods[place]
        self.method.toolTip = f"<qt>{method.help}</qt>"
        if self.parameters is not None:
            self._place.removeWidget(self.parameters.widget)
            self.parameters.widget.hide()
            self.parameters.widget.deleteLater()
        self.parameters = ParameterWidgets(method.parameters.describe(), self._changed)
        self._place.addWidget(self.parameters.widget)
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
        self.estimate.want(self.session.scan, options)

    def _show_scan(self) -> None:
        self._changed()
        self.update()

    def update(self) -> None:
        """Enable what can be pressed now."""
        running = self.watch.job is not None
        self.start_button.enabled = self.session.scan is not None and self.session.job is None
        self.cancel_button.enabled = running

    # ---- the run ---------------------------------------------------------------------------------------------------

    def start(self) -> None:
        """Start a run as it is set up."""
        with self.status.catching():
            options = self.options
            name = self.session.free_name(options["method"])
            job = self.session.start(**options, process=bool(self.process.checked))
            self._running = job.request.scan, name
            self._left, self._cancelling = TimeLeft(), False
            self.progress.value = 0
            self.status.say(_("Starting"))
            self.watch.follow(job)
        self.update()

    def cancel(self) -> None:
        """Ask the run to stop."""
        if self.watch.job is not None:
            self._cancelling = True
            self.session.cancel()
            self.status.say(_("Cancelling"))

    def _progressed(self, job: Any) -> None:
        if self._cancelling:
            return
        self.progress.value = round(100 * job.progress.fraction)
        left = self._left.of(job.progress)
        words = [job.progress.step]
        if job.progress.residual is not None:
            words.append(_("residual {value:.3g}").format(value=job.progress.residual))
        if left is not None:
            words.append(_("{time} left in this step").format(time=duration(left)))
        self.status.say(", ".join(words))

    def _ended(self, job: Any) -> None:
        self.session.ended()
        running, self._running = self._running, None
        if job.state == "failed":
            self.status.fail(str(job.error))
        elif job.state == "cancelled" or running is None:
            self.status.say(_("Cancelled"))
            self.progress.value = 0
        else:
            scan, name = running
            self.progress.value = 100
            with self.status.catching():
                self.session.show_volume(job.volume, scan, name)
                self.status.say(_("Done: {name}").format(name=name))
        self.update()

    def close(self) -> None:
        """Stop the timers."""
        self.watch.stop()
        self.estimate.close()
