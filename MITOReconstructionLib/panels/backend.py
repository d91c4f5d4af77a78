"""What computes: automatic, GPU or CPU, with what is missing in words and a button that installs it."""

from __future__ import annotations

import html
from collections.abc import Callable

import qt
from slicer.i18n import tr as _

from MITOReconstructionLib.panels.status import Status
from MITOReconstructionLib.projectors.backends import AUTO, BackendState, backend_states
from MITOReconstructionLib.session.packages import install_backend

__all__ = ["BackendChoice"]


class BackendChoice:
    """A combo box, a line about what is chosen, and a button; ``widget`` is what is shown.

    Parameters
    ----------
    changed : callable
        Called without arguments when another backend was chosen, or one was installed.

    Attributes
    ----------
    combo : QComboBox
    status : Status
    install_button : QPushButton
        Seen where something can be installed.
    """

    def __init__(self, changed: Callable[[], object]) -> None:
        self._changed = changed
        self._states: tuple[BackendState, ...] = backend_states()
        self.names = (AUTO, *(state.name for state in self._states))
        self.widget = qt.QWidget()
        layout = qt.QVBoxLayout(self.widget)
        layout.setContentsMargins(0, 0, 0, 0)
        self.combo = qt.QComboBox()
        for title in (_("Automatic"), *(state.title for state in self._states)):
            self.combo.addItem(title)
        self.combo.toolTip = _("What computes projections and backprojections; automatic takes the fastest that is there")
        layout.addWidget(self.combo)
        self.status = Status("backendStatus")
        layout.addWidget(self.status.label)
        self.install_button = qt.QPushButton()
        layout.addWidget(self.install_button)
        self.combo.connect("currentIndexChanged(int)", self._choose)
        self.install_button.connect("clicked()", self.install)
        self._describe()

    @property
    def name(self) -> str:
        """Name of the backend that is chosen, as ``reconstruct`` takes it."""
        return self.names[int(self.combo.currentIndex)]

    @property
    def _missing(self) -> BackendState | None:
        """The backend that the button would install."""
        wanted = [state for state in self._states if self.name in (AUTO, state.name)]
        return next((state for state in wanted if not state.available and state.packages), None)

    def install(self) -> None:
        """Install what is missing; Slicer asks before."""
        missing = self._missing
        if missing is None:
            return
        self.install_button.enabled = False
        with self.status.catching():
            install_backend(missing.name)
            self._states = backend_states()
            self._describe()
        self.install_button.enabled = True
        self._changed()

    def _choose(self, _place: int) -> None:
        self._describe()
        self._changed()

    def _describe(self) -> None:
        there = [state for state in self._states if state.available]
        chosen = [state for state in self._states if state.name == self.name]
        missing = self._missing
        self.install_button.visible = missing is not None
        if missing is not None:
            self.install_button.text = _("Install what {name} needs").format(name=missing.title)
            self.install_button.toolTip = f"<qt>{html.escape(missing.text)}<br>{html.escape(', '.join(missing.packages))}</qt>"
        if chosen and not chosen[0].available:
            self.status.fail(chosen[0].text)
        elif chosen:
            self.status.say(chosen[0].text)
        else:
            words = [state.text for state in there]
            words += [_("{name} is not there").format(name=state.title) for state in self._states if not state.available]
            self.status.say("; ".join(words))
