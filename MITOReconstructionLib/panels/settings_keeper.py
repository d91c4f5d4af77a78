"""Method, parameters and backend of the panel in the state that a saved scene keeps, both ways."""

from __future__ import annotations

from typing import TYPE_CHECKING

from MITOReconstructionLib.session.session import Session

if TYPE_CHECKING:
    from MITOReconstructionLib.panels.reconstruction import ReconstructionSection

__all__ = ["SettingsKeeper"]


class SettingsKeeper:
    """Writes the settings of the section 'Reconstruction' into the session's state, and shows there what the state says.

    Parameters
    ----------
    session : Session
    section : ReconstructionSection
        Its widgets ``method``, ``parameters``, ``backends`` and ``process``.
    """

    def __init__(self, session: Session, section: ReconstructionSection) -> None:
        self.state, self.section = session.state, section
        self._busy = True  # until it has shown what there is: widgets at their defaults say nothing
        session.state.changed.connect(self.show)

    def write(self) -> None:
        """Take over what the widgets say."""
        section = self.section
        parameters = section.parameters
        if self._busy or parameters is None:
            return
        self._busy = True
        try:
            self.state.update(
                method=section.methods[section.method.currentIndex].name,
                parameters=parameters.values,
                backend=section.backends.name,
                process=bool(section.process.checked),
            )
        finally:
            self._busy = False

    def begin(self) -> None:
        """The widgets are there: show what the state says, and follow them from now on."""
        self._busy = False
        self.show()

    def show(self) -> None:
        """Show what the state says; a method or backend that is not there leaves the widgets as they are."""
        if self._busy or self.section.parameters is None:
            return
        section, state = self.section, self.state
        self._busy = True
        try:
            names = [method.name for method in section.methods]
            if state.method in names:
                section.method.currentIndex = names.index(state.method)
                if section.parameters is not None:  # those of that method now
                    section.parameters.values = state.parameters
            if state.backend in section.backends.names:
                section.backends.combo.currentIndex = section.backends.names.index(state.backend)
            section.process.checked = state.process
        finally:
            self._busy = False
