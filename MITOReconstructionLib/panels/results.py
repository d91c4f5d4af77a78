"""The section 'Results': the volumes of the scene, and how each came to be."""

from __future__ import annotations

from typing import Any

import qt
import slicer.util
from slicer.i18n import tr as _

from MITOReconstructionLib.panels.session import Session
from MITOReconstructionLib.panels.status import Status
from MITOReconstructionLib.scene.host import Node
from MITOReconstructionLib.scene.volume import provenance_of

__all__ = ["ResultsSection", "provenance_text"]

LIST_HEIGHT = 90
TEXT_HEIGHT = 130


class ResultsSection:
    """A list of the volumes; the chosen one is described, and shown in the slice views on demand.

    Parameters
    ----------
    session : Session
    """

    title = "Results"

    def __init__(self, session: Session) -> None:
        self.session = session
        self.nodes: list[Node] = []
        self.widget = qt.QWidget()
        self.status = Status("resultStatus")
        layout = qt.QVBoxLayout(self.widget)
        self.list = qt.QListWidget()
        self.list.setFixedHeight(LIST_HEIGHT)
        layout.addWidget(self.list)
        self.provenance = qt.QPlainTextEdit()
        self.provenance.readOnly = True
        self.provenance.setFixedHeight(TEXT_HEIGHT)
        layout.addWidget(self.provenance)
        self.show_button = qt.QPushButton(_("Show in the views"))
        layout.addWidget(self.show_button)
        layout.addWidget(self.status.label)
        self.list.connect("currentRowChanged(int)", self._describe)
        self.show_button.connect("clicked()", self.show)
        session.results_changed.connect(self._fill)
        self._fill()

    @property
    def chosen(self) -> Node | None:
        """The node that is chosen in the list."""
        row = self.list.currentRow
        return self.nodes[row] if 0 <= row < len(self.nodes) else None

    def show(self) -> None:
        """Show the chosen volume in the slice views."""
        if self.chosen is not None:
            slicer.util.setSliceViewerLayers(background=self.chosen, fit=True)

    def _fill(self) -> None:
        nodes = self.session.results()
        if [node.GetID() for node in nodes] != [node.GetID() for node in self.nodes]:
            fresh = len(nodes) > len(self.nodes)
            self.nodes = nodes
            self.list.clear()
            for node in nodes:
                self.list.addItem(node.GetName())
            self.list.setCurrentRow(len(nodes) - 1)
            if fresh:
                self.show()
        self._describe(self.list.currentRow)

    def _describe(self, _row: int) -> None:
        node = self.chosen
        self.show_button.enabled = node is not None
        self.provenance.plainText = ""
        self.status.say("" if self.nodes else _("No volume was reconstructed yet."))
        if node is not None:
            with self.status.catching():
                self.provenance.plainText = provenance_text(provenance_of(node))

    def close(self) -> None:
        """Nothing goes on here."""


def provenance_text(provenance: dict[str, Any]) -> str:
    """One line for each fact."""
    return "\n".join(f"{name.replace('_', ' ')}: {_words(value)}" for name, value in provenance.items())


def _words(value: Any) -> str:
    if isinstance(value, dict):
        return ", ".join(f"{name} = {_words(entry)}" for name, entry in value.items())
    if isinstance(value, list):
        words = [_words(entry) for entry in value[:6]]
        return ", ".join([*words, "..."] if len(value) > len(words) else words)
    return f"{value:.6g}" if isinstance(value, float) else str(value)
