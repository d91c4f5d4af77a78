"""What the panel shows while packages are missing. Needs none of them."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

import qt
import slicer.util
from slicer.i18n import tr as _

__all__ = ["InstallOffer"]


class InstallOffer:
    """A line that says what is missing and a button that installs it; ``label`` and ``button`` are the widgets.

    Parameters
    ----------
    layout : qt.QLayout
        Where they go.
    missing : sequence of str
        Packages, as pip has them.
    install : callable
        Installs them; what it raises is shown.
    installed : callable
        Called afterwards.
    """

    def __init__(self, layout: Any, missing: Sequence[str], install: Callable[[], object], installed: Callable[[], object]) -> None:
        self._install, self._installed = install, installed
        self.label = qt.QLabel(_("These Python packages need to be installed: {packages}").format(packages=", ".join(missing)))
        self.label.wordWrap = True
        self.button = qt.QPushButton(_("Install"))
        self.button.connect("clicked()", self._clicked)
        layout.addWidget(self.label)
        layout.addWidget(self.button)

    def _clicked(self) -> None:
        with slicer.util.tryWithErrorDisplay(_("The packages could not be installed."), waitCursor=False):
            self._install()
            self.label.hide()
            self.button.hide()
            self._installed()
