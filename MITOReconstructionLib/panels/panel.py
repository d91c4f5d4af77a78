"""The panel: its sections, one below the other."""

from __future__ import annotations

from typing import Any

import ctk
import qt
import slicer.util
from slicer.i18n import tr as _

from MITOReconstructionLib.panels.data import DataSection
from MITOReconstructionLib.panels.live import LiveSection
from MITOReconstructionLib.panels.projections import ProjectionsSection
from MITOReconstructionLib.panels.reconstruction import ReconstructionSection
from MITOReconstructionLib.panels.regions import RegionsSection
from MITOReconstructionLib.panels.results import ResultsSection
from MITOReconstructionLib.projectors.backends import AUTO
from MITOReconstructionLib.session.session import Session

__all__ = ["Panel"]


class Panel:
    """Makes the sections and puts them into a layout. They know the session, and not each other.

    Parameters
    ----------
    layout : QVBoxLayout
    session : Session
    """

    def __init__(self, layout: Any, session: Session) -> None:
        self.session = session
        self.data = DataSection(session)
        self.projections = ProjectionsSection(session)
        self.regions = RegionsSection(session)
        self.reconstruction = ReconstructionSection(session)
        self.results = ResultsSection(session)
        self.live = LiveSection(session)
        self.reconstruction.estimate.mirrors.append(self.regions.estimate)
        self.sections = (self.data, self.projections, self.regions, self.reconstruction, self.results, self.live)
        self.buttons = [_section(section.title, section.widget) for section in self.sections]
        for button in self.buttons:
            layout.addWidget(button)
        layout.addStretch(1)
        self._began = False
        for button in self.buttons[1:]:
            button.collapsed = True
        self._prefer()
        self._look_at_scan()
        session.scan_changed.connect(self._look_at_scan)

    def _prefer(self) -> None:
        wanted, backends = self.session.preferences.backend, self.reconstruction.backends
        if self.session.state.backend == AUTO and wanted in backends.names:
            backends.combo.currentIndex = backends.names.index(wanted)

    def _look_at_scan(self) -> None:
        if self.session.scan is None:
            return
        slicer.util.resetThreeDViews()
        if not self._began:
            self._began = True
            self.buttons[1].collapsed = False

    def enter(self) -> None:
        """The module is opened: take up what the scene and the data folder have, and give the chosen region its handles back."""
        if not self.session.opened.scans:
            self.session.restore()
        self.session.opened.paused = False
        self.data.look_again()

    def exit(self) -> None:
        """Another module is opened: no handles meanwhile."""
        self.session.opened.paused = True

    def close(self) -> None:
        """Stop every timer and the run; the widgets stay until their owner deletes them."""
        for section in self.sections:
            section.close()
        self.session.close()


def _section(title: str, widget: Any) -> Any:
    button = ctk.ctkCollapsibleButton()
    button.text = _(title)
    layout = qt.QVBoxLayout(button)
    layout.setContentsMargins(0, 0, 0, 0)
    layout.addWidget(widget)
    return button
