"""How much there is of a scan that is still being recorded, the timer that looks at it, and going on with what there is."""

from __future__ import annotations

import qt
from slicer.i18n import tr as _

from MITOReconstructionLib.live import GrowingScan
from MITOReconstructionLib.panels.status import Status
from MITOReconstructionLib.session.session import Session

__all__ = ["RecordedBar"]

LOOK_MILLISECONDS = 500

QUIET_SECONDS = 5.0
"""Time without a new view after which a recording may have been aborted."""


class RecordedBar:
    """The views that have come of the scan that is looked at; ``row`` is the layout, whose widgets are hidden where all have.

    The button goes on with these views, where no more will come; it can be pressed when none has come for a while.

    Parameters
    ----------
    session : Session
    status : Status
        Where it is said that the views cannot be used.
    """

    def __init__(self, session: Session, status: Status) -> None:
        self.session, self.status = session, status
        self.bar = qt.QProgressBar()
        self.bar.objectName = "recorded"
        self.bar.toolTip = _("Views that have been recorded; more are looked for twice a second")
        self.stop_button = qt.QPushButton(_("Use what is there"))
        self.row = qt.QHBoxLayout()
        self.row.addWidget(self.bar, 1)
        self.row.addWidget(self.stop_button)
        self.timer = qt.QTimer()
        self.timer.setInterval(LOOK_MILLISECONDS)
        self.timer.connect("timeout()", self.look)
        self.stop_button.connect("clicked()", self.stop)
        session.scan_changed.connect(self.update)
        session.recording.changed.connect(self.update)

    def look(self) -> None:
        """See what has come, and whether anything still comes."""
        if not self.session.recording.look():  # what has changed is told
            self._offer(self.session.recording.of(self.session.scan))

    def stop(self) -> None:
        """Go on with the views that are there."""
        scan = self.session.recording.of(self.session.scan)
        if scan is not None:
            with self.status.catching():
                self.session.recording.stop(scan)

    def update(self) -> None:
        """Show how far the scan is, and look for more while one that is open is not complete."""
        scan = self.session.recording.of(self.session.scan)
        if scan is not None:
            self.bar.setRange(0, scan.geometry.views)
            self.bar.value = scan.seen
            self.bar.format = _("%v of %m views so far")
        for widget in (self.bar, self.stop_button):
            if widget.parentWidget() is not None:  # without one it would be a window
                widget.visible = scan is not None
        self._offer(scan)
        if bool(self.session.recording.scans) != bool(self.timer.active):
            (self.timer.start if self.session.recording.scans else self.timer.stop)()

    def _offer(self, scan: GrowingScan | None) -> None:
        if scan is None:
            return
        offered = scan.seen > 0 and self.session.recording.quiet(scan) >= QUIET_SECONDS
        if offered != bool(self.stop_button.enabled) or not self.stop_button.toolTip:
            self.stop_button.enabled = offered
            self.stop_button.toolTip = (
                _("No view has come for a while. If the recording was aborted: stop waiting, and reconstruct the views that are there")
                if offered
                else _("Views still come. When they have not for some seconds, the recording can be taken for aborted, and used as it is")
            )

    def close(self) -> None:
        """Stop the timer."""
        self.timer.stop()
