"""What has come of a scan that may still grow, looked at a few times a second."""

from __future__ import annotations

import threading
import time

from MITOReconstructionLib.live.growing import GrowingScan
from MITOReconstructionLib.scan import Scan

__all__ = ["Arrivals"]

LOOK_SECONDS = 0.2
"""How often a growing file is looked at."""


class Arrivals:
    """Follows a scan for an engine, whose thread alone calls :meth:`look` and, holding ``changed``, :meth:`take`.

    Parameters
    ----------
    scan : Scan
        Of one that is no :class:`GrowingScan` everything is there.
    changed : Condition
        Notified when views have come of which somebody tells.

    Attributes
    ----------
    arrived : int
        How many views are known to be there.
    error : Exception or None
        What was wrong with the source when it was last looked at.
    """

    def __init__(self, scan: Scan, changed: threading.Condition) -> None:
        self._growing, self._changed, self._views = scan if isinstance(scan, GrowingScan) else None, changed, scan.geometry.views
        self.arrived = self._views if self._growing is None else self._growing.arrived
        self.error: Exception | None = None
        self._news, self._seen, self._looked = 0, 0, time.perf_counter()
        self._unsubscribe = None if self._growing is None else self._growing.subscribe(self._poke)

    def _poke(self) -> None:
        with self._changed:
            self._news += 1
            self._changed.notify_all()

    @property
    def growing(self) -> bool:
        """Whether views may still come."""
        return self._growing is not None

    @property
    def unseen(self) -> bool:
        """Whether views have come that :meth:`take` does not know of."""
        return self._news != self._seen

    @property
    def patience(self) -> float | None:
        """Seconds after which to look again; None where somebody tells, or nothing more comes."""
        return LOOK_SECONDS if self._growing is not None and self.arrived < self._views else None

    def look(self) -> tuple[int, int] | None:
        """Count the views, which may take as long as a disk; for :meth:`take`, or None where it is not time yet."""
        now, news = time.perf_counter(), self._news
        if self._growing is None or (news == self._seen and now - self._looked < LOOK_SECONDS):
            return None
        self._looked, arrived = now, self.arrived
        try:
            arrived, self.error = self._growing.arrived, None
        except Exception as error:  # noqa: BLE001 - whatever is wrong with the source, the slices stay
            self.error = error
        return news, arrived

    def take(self, found: tuple[int, int]) -> bool:
        """Take up what :meth:`look` found; whether there are other views than before."""
        before, (self._seen, self.arrived) = self.arrived, found
        return self.arrived != before

    def close(self) -> None:
        """Be told no more."""
        if self._unsubscribe is not None:
            self._unsubscribe()
