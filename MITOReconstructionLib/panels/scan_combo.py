"""A combo box with the scans that are open, and a button that closes the one that is looked at."""

from __future__ import annotations

import qt
from slicer.i18n import tr as _

from MITOReconstructionLib.panels.narrow import narrow_combo
from MITOReconstructionLib.session.session import Session

__all__ = ["ScanCombo"]


class ScanCombo:
    """Chooses among the open scans; ``row`` is a layout for a form.

    Parameters
    ----------
    session : Session
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self.combo = narrow_combo()
        self.combo.toolTip = _("The scans that are open; the chosen one is shown")
        self.close_button = qt.QPushButton(_("Close"))
        self.close_button.toolTip = _("Take the scan out of the scene; its volumes and regions stay")
        self.row = qt.QHBoxLayout()
        self.row.addWidget(self.combo, 1)
        self.row.addWidget(self.close_button)
        self._setting = False
        self.combo.connect("currentIndexChanged(int)", self._choose)
        self.close_button.connect("clicked()", self._close)
        session.scan_changed.connect(self.update)
        session.job_changed.connect(self.update)
        self.update()

    def update(self) -> None:
        """Show what is open; while something runs no scan is closed."""
        names = [scan.name for scan in self.session.opened.scans]
        current = self.session.opened.current
        self._setting = True
        if [self.combo.itemText(place) for place in range(self.combo.count)] != names:
            self.combo.clear()
            for name in names:
                self.combo.addItem(name)
        self.combo.setCurrentIndex(-1 if current is None else names.index(current))
        self.combo.enabled = bool(names)
        self.close_button.enabled = bool(names) and self.session.job is None
        self._setting = False

    def _choose(self, place: int) -> None:
        if not self._setting and place >= 0:
            self.session.opened.choose(self.session.opened.scans[place].name)

    def _close(self) -> None:
        if self.session.opened.current is not None:
            self.session.opened.close(self.session.opened.current)
