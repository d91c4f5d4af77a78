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
from MITOReconstructionLib.panels.results import ResultsSection
from MITOReconstructionLib.panels.session import Session

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
        self.reconstruction = ReconstructionSection(session)
        self.results = ResultsSection(session)
        self.live = LiveSection(session)
        self.sections = (self.data, self.projections, self.reconstruction, self.results, self.live)
        self.buttons = [_section(section.title, section.widget) for section in self.sections]
        for button in self.buttons:
            layout.addWidget(button)
        layout.addStretch(1)
        session.scan_changed.connect(self._look_at_scan)

    def _look_at_scan(self) -> None:
        if self.session.scan is not None:
            slicer.util.resetThreeDViews()

    def close(self) -> None:
        """Stop every timer and the run; the widgets stay until their owner deletes them."""
        for section in self.sections:
            section.close()
        self.session.close()


def _section(title: str, widget: Any) -> Any:
    button = ctk.ctkCollapsibleButton()
    button.text = _(title)
    layout = qt.QVBoxLayout(button)
    layout.addWidget(widget)
    return button
