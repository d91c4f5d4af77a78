"""The runs in the panel: how far the one that goes on is, the queue behind it, and what became of the others."""

from __future__ import annotations

import html
from typing import Any

import qt
from slicer.i18n import tr as _

from MITOReconstructionLib.panels.charts import ChartLayout
from MITOReconstructionLib.panels.foreseen import duration
from MITOReconstructionLib.panels.status import Status
from MITOReconstructionLib.panels.watch import POLL_MILLISECONDS, YIELD_SECONDS
from MITOReconstructionLib.scene.slices import ShownVolumes, fit_slices, show_again, show_in_slices, shown_in_slices
from MITOReconstructionLib.session.runs import Run
from MITOReconstructionLib.session.session import Session

__all__ = ["QueueList"]

ROWS = 4
"""That are seen without scrolling."""

NAME, STATE, LEFT, BUTTON = range(4)


class QueueList:
    """A progress bar and a line about the run that goes on, and a table of all runs; ``widget`` is what is shown.

    Parameters
    ----------
    session : Session

    Attributes
    ----------
    status : Status
        Says how far it is, and how the last one ended.
    progress : QProgressBar
    table : QTableWidget
        One row for each run, with a button that cancels it, or removes it from the list once it is over.
    plot_button, clear_button : QPushButton
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self.status = Status("reconstructionStatus")
        self.charts = ChartLayout()
        self._rows: list[Run] = []
        self._words: list[tuple[str, str, str, bool]] = []
        self._plotted: Run | None = None
        self._previewed: Run | None = None
        self._before: ShownVolumes = {}
        self._make()
        self._timer = qt.QTimer()
        self._timer.setInterval(POLL_MILLISECONDS)
        self._timer.connect("timeout()", self._tick)
        session.job_changed.connect(self._fill)
        self._fill()

    def _make(self) -> None:
        self.widget = qt.QWidget()
        layout = qt.QVBoxLayout(self.widget)
        layout.setContentsMargins(0, 0, 0, 0)
        self.progress = qt.QProgressBar()
        self.progress.setRange(0, 100)
        layout.addWidget(self.progress)
        layout.addWidget(self.status.label)
        self.table = _table()
        layout.addWidget(self.table)
        self.plot_button = qt.QPushButton(_("Residuals"))
        self.plot_button.checkable = True
        self.plot_button.toolTip = _("Plot how the residual of the chosen run falls; press again to go back to the layout from before")
        self.clear_button = qt.QPushButton(_("Clear"))
        self.clear_button.toolTip = _("Take the runs that are over out of this list; their volumes stay")
        row = qt.QHBoxLayout()
        row.addWidget(self.plot_button)
        row.addWidget(self.clear_button)
        layout.addLayout(row)
        self.plot_button.connect("toggled(bool)", self._toggle_plot)
        self.clear_button.connect("clicked()", self.session.runs.clear)
        self.table.connect("itemSelectionChanged()", self._chosen_changed)

    # ---- the list ----------------------------------------------------------------------------------------------------

    @property
    def chosen(self) -> Run | None:
        """The run whose row is chosen."""
        row = self.table.currentRow()
        return self._rows[row] if 0 <= row < len(self._rows) else None

    def choose(self, run: Run) -> None:
        """Choose a run's row."""
        self.table.selectRow(self._rows.index(run))

    def _fill(self) -> None:
        """Make the rows anew where there are other runs now, and say of each how it is."""
        runs, chosen = list(self.session.runs), self.chosen
        if runs != self._rows:
            fresh = [run for run in runs if run not in self._rows]
            self._rows = runs
            self._words = [("", "", "", False)] * len(runs)
            self.table.blockSignals(True)
            self.table.setRowCount(len(runs))
            for row, run in enumerate(runs):
                self._make_row(row, run)
            self.table.blockSignals(False)
            if fresh or (chosen not in runs and runs):
                chosen = fresh[-1] if fresh else runs[-1]
            if chosen in runs:
                self.choose(chosen)
        self._say_states()
        going = self.session.runs.going is not None
        if going and not self._timer.active:
            self._timer.start()
        self._update()

    def _make_row(self, row: int, run: Run) -> None:
        for column, text in ((NAME, f"{run.name} ({run.sample})"), (STATE, ""), (LEFT, "")):
            item = qt.QTableWidgetItem(text)
            item.setToolTip(text)
            self.table.setItem(row, column, item)
        button = qt.QPushButton(_("Remove") if run.over else _("Cancel"))
        button.connect("clicked()", lambda: self.session.runs.remove(run))
        self.table.setCellWidget(row, BUTTON, button)

    def _say_states(self) -> None:
        for row, run in enumerate(self._rows):
            words = _state(run), "" if run.left is None else duration(run.left), run.error, run.over
            if words != self._words[row]:
                self._words[row] = words
                for column, text in ((STATE, words[0]), (LEFT, words[1])):
                    self.table.item(row, column).setText(text)
                self.table.item(row, STATE).setToolTip(f"<qt>{html.escape(run.error)}</qt>" if run.error else words[0])
                button = self.table.cellWidget(row, BUTTON)
                button.text = _("Remove") if run.over else _("Cancel")
                button.enabled = run.state != "cancelling"

    def _update(self) -> None:
        for widget in (self.progress, self.table, self.plot_button, self.clear_button):
            widget.visible = bool(self._rows)
        run = self.chosen
        self.plot_button.enabled = self.plot_button.checked or (run is not None and len(run.residuals) > 0)
        self.clear_button.enabled = any(run.over for run in self._rows)
        plotted = self._plotted
        if plotted is not None and (plotted not in self._rows or plotted.plot is None or not plotted.plot.alive):
            self.plot_button.checked = False

    # ---- the chart ---------------------------------------------------------------------------------------------------

    def _toggle_plot(self, on: bool) -> None:
        run = self.chosen
        if on and run is not None:
            chart = self.session.runs.plot(run).chart
            self._plotted = run
            self.charts.show(chart)
        elif not on:
            self._plotted = None
            self.charts.hide()
        self.plot_button.text = _("Hide residuals") if on else _("Residuals")
        self._update()

    def _chosen_changed(self) -> None:
        run = self.chosen
        if run is not None and run.state == "failed":
            self._say_failure(run)
        if self._plotted is not None and run is not None and run is not self._plotted and run.residuals:
            self._plotted = run
            self.charts.show(self.session.runs.plot(run).chart)
        self._update()

    # ---- what goes on ------------------------------------------------------------------------------------------------

    def begin(self) -> None:
        """A run was asked for: say so where none went on before."""
        if len([run for run in self._rows if not run.over]) <= 1:
            self.progress.value = 0
            self.status.say(_("Starting"))

    def _tick(self) -> None:
        going = self.session.runs.going
        if going is None:
            self._timer.stop()
            return
        if going.job is not None:
            going.job.wait(YIELD_SECONDS)
        for run in self.session.collect():
            self._ended(run)
        going = self.session.runs.going
        if going is not None:
            self._progressed(going)
            self._say_states()
            self._update()

    def _progressed(self, run: Run) -> None:
        if run.preview is not None and self._previewed is not run:
            if self._previewed is None:
                self._before = shown_in_slices(self.session.scene)
            self._previewed = run
            show_in_slices(self.session.scene, run.preview.node, spare_live=True)
            fit_slices(self.session.scene, spare_live=True)
        if run.cancelling:
            self.status.say(_("Cancelling"))
        elif run.progress is not None:
            self.progress.value = round(100 * run.progress.fraction)
            words = [run.progress.step]
            if run.residuals:
                words.append(_("residual {value:.3g}").format(value=run.residuals[-1][1]))
            if run.left is not None:
                words.append(_("{time} left in this step").format(time=duration(run.left)))
            if run.error:
                words.append(run.error)
            self.status.say(", ".join(words))

    def _ended(self, run: Run) -> None:
        if self._previewed is run:
            self._previewed = None
            if run.state != "done":
                show_again(self.session.scene, self._before)
        if run.state == "failed":
            self._say_failure(run)
        elif run.state == "cancelled" or not run.node:
            self.status.say(_("Cancelled"))
            self.progress.value = 0
        else:
            self.progress.value = 100
            self.status.say(_("Done: {name}").format(name=run.name) + (f". {run.error}" if run.error else ""))

    def _say_failure(self, run: Run) -> None:
        self.status.fail(_("{name}: {error}").format(name=run.name, error=run.error))

    def close(self) -> None:
        """Stop the timers."""
        self._timer.stop()
        self.charts.close()


def _state(run: Run) -> str:
    words = {
        "waiting": _("waiting"), "running": _("running"), "cancelling": _("cancelling"), "done": _("done"), "failed": _("failed"),
        "cancelled": _("cancelled"),
    }  # fmt: skip
    percent = f", {round(100 * run.progress.fraction)} %" if run.state == "running" and run.progress is not None else ""
    return str(words[run.state]) + percent


def _table() -> Any:
    table = qt.QTableWidget(0, 4)
    table.setHorizontalHeaderLabels([_("Run"), _("State"), _("Time left"), ""])
    table.verticalHeader().hide()
    header = table.horizontalHeader()
    header.setSectionResizeMode(NAME, qt.QHeaderView.Stretch)
    for column in (STATE, LEFT, BUTTON):
        header.setSectionResizeMode(column, qt.QHeaderView.ResizeToContents)
    table.setSelectionBehavior(qt.QAbstractItemView.SelectRows)
    table.setSelectionMode(qt.QAbstractItemView.SingleSelection)
    table.setEditTriggers(qt.QAbstractItemView.NoEditTriggers)
    table.setFixedHeight((ROWS + 1) * table.verticalHeader().defaultSectionSize + 4)
    return table
