"""Scans that are still being recorded, without Qt: loaded before they are complete, ordinary ones from then on."""

from __future__ import annotations

import contextlib
import time
from collections.abc import Callable

from MITOReconstructionLib.errors import InputError
from MITOReconstructionLib.live import GrowingScan
from MITOReconstructionLib.scan import Scan, open_scan
from MITOReconstructionLib.scene.scan_scene import ScanScene
from MITOReconstructionLib.session.event import Event
from MITOReconstructionLib.session.live_slicing import LiveSlicing
from MITOReconstructionLib.session.open_scans import OpenScans

__all__ = ["Recording"]


class Recording:
    """Looks how far the open scans have come that are still being recorded, and makes ordinary ones of those that are complete.

    One that will never be, for its recording was aborted, becomes one by :meth:`stop`.

    Parameters
    ----------
    opened : OpenScans
    live : LiveSlicing
        Goes on with a scan that is complete.
    shown : callable
        How a scan is shown, as ``Session.show_scan``.
    replace : callable
        Called with the complete scan and how it is shown, for whoever keeps both.

    Attributes
    ----------
    changed : Event
        Views have come, a scan is complete, or something is wrong with one.
    """

    def __init__(
        self, opened: OpenScans, live: LiveSlicing, shown: Callable[[Scan], ScanScene], replace: Callable[[Scan, ScanScene], object]
    ) -> None:
        self._opened, self._live, self._shown, self._replace = opened, live, shown, replace
        self._seen: dict[GrowingScan, int] = {}
        self._since: dict[GrowingScan, float] = {}
        self._troubles: dict[str, str] = {}
        self.changed = Event()

    @property
    def scans(self) -> list[GrowingScan]:
        """The open scans that are not complete."""
        return [scan for scan in self._opened.scans if isinstance(scan, GrowingScan)]

    def of(self, scan: Scan | None) -> GrowingScan | None:
        """The scan, where it is not complete."""
        return scan if isinstance(scan, GrowingScan) else None

    def trouble(self, scan: Scan | None) -> str:
        """What is wrong with a scan that is being recorded; empty where nothing is."""
        return "" if scan is None else self._troubles.get(scan.name, "")

    def quiet(self, scan: GrowingScan) -> float:
        """Seconds since views of a scan were last seen to come, or since it was first looked at; 0 before that."""
        return time.monotonic() - self._since[scan] if scan in self._since else 0.0

    def stop(self, scan: GrowingScan) -> Scan:
        """Go on with the views that are there as a scan whose recording was aborted: an ordinary one, which can be reconstructed.

        Raises
        ------
        InputError
            When there is no view, or the sample cannot be read.
        """
        stopped = self._open_again(scan, recorded=scan.arrived)
        self.look()
        self.changed()
        return stopped

    def look(self) -> bool:
        """See what has come, and tell; whether something has changed. To be called now and then, as the panel does by a timer."""
        found = [self._look_at(scan) for scan in self.scans]
        names = {scan.name for scan in self.scans}
        self._seen = {scan: count for scan, count in self._seen.items() if scan in self.scans}
        self._since = {scan: when for scan, when in self._since.items() if scan in self.scans}
        self._troubles = {name: text for name, text in self._troubles.items() if name in names}
        if any(found):
            self.changed()
        return any(found)

    def _look_at(self, scan: GrowingScan) -> bool:
        before, trouble = self._seen.get(scan, 0), ""
        self._since.setdefault(scan, time.monotonic())
        arrived = before
        try:
            arrived = scan.arrived
            if arrived < before:  # it was begun anew
                self._open_again(scan)
                return True
            self._seen[scan] = arrived
            if scan.finished:
                self._complete(scan, open_scan(scan.folder or "", name=scan.name))
                return True
        except InputError as error:  # the file is gone, or its header does not yet say how many views it has
            trouble = str(error)
        if arrived > before == 0:
            self._show_first(scan)
        if arrived > before:
            self._since[scan] = time.monotonic()
        news = arrived != before or trouble != self.trouble(scan)
        self._troubles[scan.name] = trouble
        return news

    def _show_first(self, scan: GrowingScan) -> None:
        """Show the first view, which is there now, and choose the projections' window by it."""
        shown = self._shown(scan)
        if shown.projection.alive and shown.projection.array.any():  # there was one already when it was loaded
            return
        with contextlib.suppress(InputError):
            projection = scan.projection(0)
            if shown.projection.alive and shown.projection.window_is_automatic:
                shown.projection.fit_window(projection)
            shown.show_view(0)

    def _open_again(self, scan: GrowingScan, recorded: int | None = None) -> Scan:
        """Open a scan anew, with so many views where it was aborted, and go on to look at what is looked at."""
        looked_at = self._opened.current
        again = self._opened.open(scan.folder or "", scan.name, growing=recorded is None, recorded=recorded)
        if looked_at is not None:
            self._opened.choose(looked_at)
        return again

    def _complete(self, growing: GrowingScan, scan: Scan) -> None:
        """Go on with the scan as an ordinary one: what is shown, its regions and its live slices stay."""
        if scan.geometry != growing.geometry or scan.default_grid != growing.default_grid:  # the recorder has corrected them
            self._open_again(growing)
            return
        shown = self._shown(growing)
        shown.scan = scan
        self._live.adopt(growing, scan)
        self._replace(scan, shown)
        self._opened.replace(scan, shown)
