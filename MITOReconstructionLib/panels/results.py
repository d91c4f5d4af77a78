"""The section 'Results': the volumes of the scene, how each came to be, and what can be done with them."""

from __future__ import annotations

from typing import Any

import qt
from slicer.i18n import tr as _

from MITOReconstructionLib.panels.comparison import Comparison
from MITOReconstructionLib.panels.provenance import ProvenanceTable
from MITOReconstructionLib.panels.status import Status
from MITOReconstructionLib.panels.volume_names import labels
from MITOReconstructionLib.scene.host import Node, slicer
from MITOReconstructionLib.scene.observers import Observers
from MITOReconstructionLib.scene.parts import SCAN
from MITOReconstructionLib.scene.rendering import LOOKS
from MITOReconstructionLib.scene.results import look_of
from MITOReconstructionLib.scene.volume import provenance_of
from MITOReconstructionLib.session.session import Session

__all__ = ["ResultsSection"]

LIST_HEIGHT = 90


class ResultsSection:
    """A list of the volumes; the chosen one is described, shown, saved, made again and compared on demand.

    Parameters
    ----------
    session : Session
    """

    title = "Results"

    def __init__(self, session: Session) -> None:
        self.session = session
        self.nodes: list[Node] = []
        self._watched = Observers()
        self.widget = qt.QWidget()
        self.status = Status("resultStatus")
        layout = qt.QVBoxLayout(self.widget)
        self.list = qt.QListWidget()
        self.list.setFixedHeight(LIST_HEIGHT)
        layout.addWidget(self.list)
        self.provenance = ProvenanceTable()
        layout.addWidget(self.provenance.widget)
        self._make_actions(layout)
        self._make_looks(layout)
        self.comparison = Comparison(session, lambda: self.chosen, self.status)
        layout.addWidget(self.comparison.widget)
        layout.addWidget(self.status.label)
        self.list.connect("currentRowChanged(int)", self._choose)
        session.results_changed.connect(self._fill)
        session.job_changed.connect(self._update)
        self._soon = qt.QTimer()
        self._soon.setInterval(0)
        self._soon.setSingleShot(True)
        self._soon.connect("timeout()", self._fill)
        session.node_added.connect(self._soon.start)
        self._fill()

    def _make_actions(self, layout: Any) -> None:
        self.show_button = qt.QPushButton(_("Show"))
        self.show_button.toolTip = _("Show the volume in the slice views")
        self.rerun_button = qt.QPushButton(_("Run again"))
        self.rerun_button.toolTip = _("Reconstruct it again from its sample with the same settings, as a new volume")
        self.save_button = qt.QPushButton(_("Save..."))
        self.save_button.toolTip = _("Write it into an NRRD file, together with how it came to be")
        row = qt.QHBoxLayout()
        for button in (self.show_button, self.rerun_button, self.save_button):
            row.addWidget(button)
        layout.addLayout(row)
        self.show_button.connect("clicked()", self.show)
        self.rerun_button.connect("clicked()", self.rerun)
        self.save_button.connect("clicked()", self.save)

    def _make_looks(self, layout: Any) -> None:
        self.low, self.high = _percent(0.5), _percent(99.5)
        self.fit_button = qt.QPushButton(_("Fit"))
        self.fit_button.toolTip = _("Set window and level to these percentiles of the values inside the object")
        self.fit_all_button = qt.QPushButton(_("Fit all"))
        self.fit_all_button.toolTip = _("Do so for every volume, each by its own values")
        row = qt.QHBoxLayout()
        row.addWidget(qt.QLabel(_("Window:")))
        for widget in (self.low, self.high, self.fit_button, self.fit_all_button):
            row.addWidget(widget, 1)
        layout.addLayout(row)
        self.look = qt.QComboBox()
        for text in (_("Off"), _("Knots in a veil of wood"), _("Solid wood with its rings")):
            self.look.addItem(text)
        self.look.toolTip = _("How the volume is shown in the 3D view; one volume at a time")
        form = qt.QFormLayout()
        form.addRow(_("Volume rendering:"), self.look)
        layout.addLayout(form)
        self.fit_button.connect("clicked()", lambda: self.fit(self.chosen))
        self.fit_all_button.connect("clicked()", lambda: self.fit(None))
        self.look.connect("activated(int)", self.render)

    @property
    def chosen(self) -> Node | None:
        """The node that is chosen in the list."""
        row = self.list.currentRow
        return self.nodes[row] if 0 <= row < len(self.nodes) else None

    # ---- what a person does ----------------------------------------------------------------------------------------

    def show(self) -> None:
        """Show the chosen volume in the slice views."""
        if self.chosen is not None:
            self.comparison.compare_button.checked = False
            self.session.show_in_views(self.chosen)

    def rerun(self) -> None:
        """Reconstruct the chosen volume again with the same settings."""
        if self.chosen is not None:
            with self.status.catching():
                job = self.session.rerun(self.chosen)
                self.status.say(_("{name} was put into the queue.").format(name=job.name))

    def save(self) -> None:
        """Ask for a name and write the chosen volume."""
        node = self.chosen
        if node is None:
            return
        suggested = f"{node.GetAttribute(SCAN) or 'volume'}_{node.GetName()}.nrrd".replace(" ", "_").replace("/", "_")
        path = str(qt.QFileDialog.getSaveFileName(self.widget, _("Save the volume"), suggested, _("Volume (*.nrrd)")))
        if not path:
            return
        if not path.lower().endswith(".nrrd"):
            path += ".nrrd"
        with self.status.catching():
            self.session.save(node, path)
            self.status.say(_("Saved: {path}").format(path=path))

    def fit(self, node: Node | None) -> None:
        """Set window and level of a volume, or of each one."""
        with self.status.catching():
            self.session.fit_window(node, float(self.low.value), float(self.high.value))
            self.status.say("")

    def render(self, place: int) -> None:
        """Show the chosen volume in the 3D views, or no longer."""
        if self.chosen is not None:
            with self.status.catching():
                self.session.render(self.chosen, (None, *LOOKS)[place])

    # ---- what comes of it ------------------------------------------------------------------------------------------

    def _fill(self) -> None:
        nodes, known, chosen = self.session.results(), {node.GetID() for node in self.nodes}, self.chosen
        if [node.GetID() for node in nodes] != [node.GetID() for node in self.nodes]:
            fresh = [row for row, node in enumerate(nodes) if node.GetID() not in known]
            made = [row for row in fresh if nodes[row].GetID() == self.session.newest]
            row = made[-1] if made else nodes.index(chosen) if chosen in nodes else len(nodes) - 1
            self.nodes = nodes
            self.list.clear()
            self._watched.clear()
            for node in nodes:
                self.list.addItem("")
                self._watched.add(node, self._look_at_names)
                self._watched.add(node, self._show_look, slicer.vtkMRMLDisplayableNode.DisplayModifiedEvent)
            self.list.setCurrentRow(row)
            if made:
                self.comparison.compare_button.checked = False
                self.session.show_in_views(nodes[row], spare_live=True)
            self.status.say("")
        for row, label in enumerate(labels(nodes)):
            self.list.item(row).setText(label)
        if not nodes:
            self.status.say(_("No volume was reconstructed yet."))
        self._choose(self.list.currentRow)

    def _look_at_names(self) -> None:
        """A volume may have been renamed in the module Data, say."""
        if any(self.list.item(row).text() != label for row, label in enumerate(labels(self.nodes))):
            self._soon.start()

    def _choose(self, _row: int) -> None:
        node, provenance = self.chosen, {}
        if node is not None:
            with self.status.catching():
                provenance = provenance_of(node)
        self._show_look()
        self.provenance.show(provenance)
        self.comparison.fill(self.nodes)
        self._update()

    def _show_look(self) -> None:
        """Say how the chosen volume is rendered; somebody may have changed that in another module."""
        if self.chosen is not None:
            look = look_of(self.chosen)
            self.look.setCurrentIndex(LOOKS.index(look) + 1 if look in LOOKS else 0 if look is None else -1)

    def _update(self) -> None:
        there = self.chosen is not None
        for widget in (self.show_button, self.save_button, self.low, self.high, self.fit_button, self.fit_all_button, self.look):
            widget.enabled = there
        simulating = self.session.job is not None and self.session.runs.going is None
        self.rerun_button.enabled = there and not simulating

    def close(self) -> None:
        """Stop the timer, and watch no volume any more."""
        self._soon.stop()
        self._watched.clear()


def _percent(value: float) -> Any:
    spin = qt.QDoubleSpinBox()
    spin.setRange(0.0, 100.0)
    spin.decimals = 1
    spin.singleStep = 0.5
    spin.value = value
    spin.suffix = " %"
    return spin
