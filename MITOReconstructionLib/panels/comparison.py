"""Comparing two volumes: one over the other in the slice views, and their difference."""

from __future__ import annotations

from collections.abc import Callable

import qt
from slicer.i18n import tr as _

from MITOReconstructionLib.panels.narrow import narrow_combo
from MITOReconstructionLib.panels.status import Status
from MITOReconstructionLib.panels.volume_names import labels
from MITOReconstructionLib.scene.host import Node
from MITOReconstructionLib.scene.slices import set_opacity
from MITOReconstructionLib.session.session import Session

__all__ = ["Comparison"]


class Comparison:
    """Chooses the other volume; ``widget`` is what is shown.

    Parameters
    ----------
    session : Session
    chosen : callable
        Gives the node that is compared with another one, or None.
    status : Status
        Where errors are shown.

    Attributes
    ----------
    other : QComboBox
    opacity : QSlider
        Of the other volume over the chosen one, in percent.
    compare_button, difference_button : QPushButton
    """

    def __init__(self, session: Session, chosen: Callable[[], Node | None], status: Status) -> None:
        self.session, self._chosen, self.status = session, chosen, status
        self._nodes: list[Node] = []
        self._first: Node | None = None
        self.widget = qt.QWidget()
        form = qt.QFormLayout(self.widget)
        form.setContentsMargins(0, 0, 0, 0)
        self.other = narrow_combo()
        self.other.toolTip = _("Shown over the chosen volume")
        form.addRow(_("Compare with:"), self.other)
        self.opacity = qt.QSlider(qt.Qt.Horizontal)
        self.opacity.setRange(0, 100)
        self.opacity.value = 50
        self.opacity.toolTip = _("0: only the chosen volume; 100: only the other one")
        form.addRow(_("Opacity:"), self.opacity)
        self.compare_button = qt.QPushButton(_("Compare"))
        self.compare_button.checkable = True
        self.compare_button.toolTip = _("Show the other volume over the chosen one in the slice views")
        self.difference_button = qt.QPushButton(_("Difference"))
        self.difference_button.toolTip = _("Make a new volume: the chosen one minus the other one")
        row = qt.QHBoxLayout()
        row.addWidget(self.compare_button)
        row.addWidget(self.difference_button)
        form.addRow(row)
        self.other.connect("currentIndexChanged(int)", self._follow)
        self.opacity.connect("valueChanged(int)", self._blend)
        self.compare_button.connect("toggled(bool)", self._compare)
        self.difference_button.connect("clicked()", self._subtract)

    @property
    def node(self) -> Node | None:
        """The other volume."""
        place = int(self.other.currentIndex)
        return self._nodes[place] if 0 <= place < len(self._nodes) else None

    def fill(self, nodes: list[Node]) -> None:
        """Offer these volumes, but for the chosen one; where that was the other one, the two change places."""
        before, chosen = self.node, self._chosen()
        compared = self._first, before
        if before is not None and before is chosen:
            before = self._first
        self._first = chosen
        self._nodes = [node for node in nodes if node is not chosen]
        self.other.blockSignals(True)
        self.other.clear()
        named = dict(zip(nodes, labels(nodes), strict=True))
        for node in self._nodes:
            self.other.addItem(named[node])
        self.other.setCurrentIndex(self._nodes.index(before) if before in self._nodes else len(self._nodes) - 1)
        self.other.blockSignals(False)
        possible = bool(self._nodes) and chosen is not None
        self.widget.visible = possible
        if self.compare_button.checked:
            if possible and before in self._nodes:
                if (chosen, self.node) != compared:
                    self._compare(True, spare_live=True)
            else:
                self.compare_button.checked = False

    def _blend(self, _percent: int) -> None:
        if self.compare_button.checked:
            set_opacity(self.session.scene, self.opacity.value / 100)

    def _follow(self, _place: int = 0) -> None:
        if self.compare_button.checked:
            self._compare(True)

    def _compare(self, on: bool, *, spare_live: bool = False) -> None:
        first, second = self._chosen(), self.node
        self.compare_button.text = _("Stop comparing") if on else _("Compare")
        if first is None:
            return
        if on and second is not None:
            self.session.compare(first, second, self.opacity.value / 100, spare_live=spare_live)
        elif not on:
            self.session.show_in_views(first, spare_live=True)

    def _subtract(self) -> None:
        first, second = self._chosen(), self.node
        if first is None or second is None:
            return
        with self.status.catching():
            node = self.session.difference(first, second)
            told = self.session.volume(node).provenance["resampled"]
            self.status.say(_("{name}. Resampled: {told}").format(name=node.GetName(), told=told))
