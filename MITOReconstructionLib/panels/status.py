"""A line that says what is, or in red what is wrong."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator

import qt
from slicer.i18n import tr as _

from MITOReconstructionLib.errors import MITOError

__all__ = ["Status"]

RED = "color: #e0453a;"
"""Readable on light and on dark ground."""


class Status:
    """A label for messages; ``label`` is the widget."""

    def __init__(self, name: str = "status") -> None:
        self.label = qt.QLabel()
        self.label.objectName = name
        self.label.minimumWidth = 1  # else a long word, as in a path, widens the panel
        self.label.wordWrap = True
        self.label.textFormat = qt.Qt.PlainText  # names of files and samples are shown as they are
        self.label.textInteractionFlags = qt.Qt.TextSelectableByMouse

    @property
    def text(self) -> str:
        """What it says."""
        return str(self.label.text)

    @property
    def failed(self) -> bool:
        """Whether it says what is wrong."""
        return bool(self.label.styleSheet)

    def say(self, text: str) -> None:
        """Say what is."""
        self.label.styleSheet = ""
        self._show(text)

    def fail(self, text: str) -> None:
        """Say what is wrong."""
        self.label.styleSheet = RED
        self._show(text)

    def _show(self, text: str) -> None:
        self.label.text = text
        if self.label.parentWidget() is not None:  # without one it would be a window
            self.label.visible = bool(text)

    @contextlib.contextmanager
    def catching(self) -> Iterator[None]:
        """Show an error of the library, of the system or for want of memory instead of raising it."""
        try:
            yield
        except MITOError as error:
            self.fail(str(error))
        except MemoryError:
            self.fail(_("There is not enough memory for it. Close other programs or volumes, or choose a smaller volume."))
        except OSError as error:
            where = f"{error.filename}: " if error.filename else ""
            self.fail(_("{fault}. Check the disk and the permissions.").format(fault=f"{where}{error.strerror or error}"))
