"""How much there is of a scan that is still being recorded, and the timer that looks at it."""

from __future__ import annotations

import qt
from slicer.i18n import tr as _

from MITOReconstructionLib.session.session import Session

__all__ = ["RecordedBar"]

LOOK_MILLISECONDS = 500


class RecordedBar:
    """A bar with the views that have come of the scan that is looked at; ``bar`` is the widget, hidden where all have.

    Parameters
    ----------
    session : Session
    """

    def __init__(self, session: Session) -> None:
        self.session = session
        self.bar = qt.QProgressBar()
        self.bar.objectName = "recorded"
        self.bar.toolTip = _("Views that have been recorded; more are looked for twice a second")
        self.timer = qt.QTimer()
        self.timer.setInterval(LOOK_MILLISECONDS)
        self.timer.connect("timeout()", session.recording.look)
        session.scan_changed.connect(self.update)
        session.recording.changed.connect(self.update)

    def update(self) -> None:
        """Show how far the scan is, and look for more while one that is open is not complete."""
        scan = self.session.recording.of(self.session.scan)
        if scan is not None:
            self.bar.setRange(0, scan.geometry.views)
            self.bar.value = scan.seen
            self.bar.format = _("%v of %m views so far")
        if self.bar.parentWidget() is not None:  # without one it would be a window
            self.bar.visible = scan is not None
        if bool(self.session.recording.scans) != bool(self.timer.active):
            (self.timer.start if self.session.recording.scans else self.timer.stop)()

    def close(self) -> None:
        """Stop the timer."""
        self.timer.stop()
