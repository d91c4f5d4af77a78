"""A part of the panel that takes files and folders that are dragged onto it."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import qt

__all__ = ["DropArea", "dropped_paths"]


class DropArea(qt.QWidget):  # type: ignore[misc]
    """A widget that something local can be dropped on.

    Parameters
    ----------
    dropped : callable
        Called with the path of the first file or folder.
    """

    def __init__(self, dropped: Callable[[str], object]) -> None:
        qt.QWidget.__init__(self)
        self._dropped = dropped
        self.setAcceptDrops(True)

    def leave_drops_of(self, part: Any) -> None:
        """Take what is dropped on a part too: a text field would insert it as text otherwise."""
        for kind in ("QLineEdit", "QComboBox"):
            for field in part.findChildren(kind):
                field.setAcceptDrops(False)

    def dragEnterEvent(self, event: Any) -> None:
        """Something is dragged in."""
        if dropped_paths(event.mimeData()):
            event.acceptProposedAction()

    def dropEvent(self, event: Any) -> None:
        """Something is dropped."""
        paths = dropped_paths(event.mimeData())
        if paths:
            event.acceptProposedAction()
            self._dropped(paths[0])


def dropped_paths(mime: Any) -> list[str]:
    """The local files and folders that are dragged."""
    urls = mime.urls() if mime is not None and mime.hasUrls() else []
    return [str(url.toLocalFile()) for url in urls if url.isLocalFile()]
