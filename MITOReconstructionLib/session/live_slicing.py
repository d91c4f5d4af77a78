"""Which scans are looked through live, without Qt: each has an engine and its slices in the scene."""

from __future__ import annotations

import time
from typing import Any

from MITOReconstructionLib.errors import InputError
from MITOReconstructionLib.live import LiveSettings, LiveSlices
from MITOReconstructionLib.scan import Scan
from MITOReconstructionLib.scene.host import Scene
from MITOReconstructionLib.scene.live_scene import LivePlace, LiveScene, Place
from MITOReconstructionLib.session.event import Event

__all__ = ["LiveSlicing"]

PAUSE = 0.01
"""Seconds between two looks at what has come."""


class LiveSlicing:
    """Starts and stops live slices of scans. A slice view follows one scan at a time.

    Parameters
    ----------
    scene : vtkMRMLScene

    Attributes
    ----------
    changed : Event
        A scan is looked through, or no longer.

    Examples
    --------
    In Slicer's Python console, with ``session = slicer.util.getModuleLogic("MITOReconstruction").session``:

    >>> live = session.live.start(session.scan, session.shown)                  # doctest: +SKIP
    >>> live.follow("Red")                                                      # doctest: +SKIP
    >>> session.live.wait()                                                     # doctest: +SKIP
    >>> pinned = live.pinned[live.pin("Red")].node                              # doctest: +SKIP
    """

    def __init__(self, scene: Scene) -> None:
        self.scene, self.changed = scene, Event()
        self._running: dict[str, tuple[Scan, LiveScene]] = {}

    @property
    def running(self) -> list[str]:
        """Names of the scans that are looked through."""
        return list(self._running)

    def of(self, scan: Scan | None) -> LiveScene | None:
        """The live slices of a scan, or None where there are none."""
        known, shown = self._running.get(scan.name, (None, None)) if scan is not None else (None, None)
        return shown if known is scan else None

    def start(self, scan: Scan, shown: Place | None = None, settings: LiveSettings | None = None, **options: Any) -> LiveScene:
        """Begin to look through a scan; where that goes on already, it is what is returned.

        Parameters
        ----------
        scan : Scan
            A :class:`GrowingScan`, whose views come in its file or from a script, is one.
        shown : ScanScene, optional
            The scan in its scene; by default nothing but its slices is shown.
        settings : LiveSettings, optional
        **options
            As of :class:`MITOReconstructionLib.live.LiveSlices`: plugins, cache_bytes, cache_folder, backend.

        Raises
        ------
        InputError
            When the scan cannot be reconstructed by filtered backprojection.
        """
        found = self.of(scan)
        if found is not None:
            return found
        self.end(scan.name)
        live = LiveScene(shown or LivePlace(self.scene, scan), LiveSlices(scan, settings, **options), scan.default_grid)
        self._running[scan.name] = scan, live
        self.changed()
        return live

    def adopt(self, scan: Scan, other: Scan) -> None:
        """Go on for another object of the same scan, whose views have all come."""
        known, live = self._running.get(scan.name, (None, None))
        if live is not None and known is scan:
            self._running[scan.name] = other, live

    def follow(self, scan: Scan, view: str, on: bool = True) -> None:
        """Let a slice view follow a scan, and no other one, or no longer.

        Raises
        ------
        InputError
            When the scan is not looked through, or there is no such view.
        """
        live = self.of(scan)
        if live is None:
            raise InputError("scan", expected="one that is looked through live", found=scan.name, remedy="Start live slices first.")
        if on:
            for _scan, other in self._running.values():
                if other is not live:
                    other.follow(view, False)
        live.follow(view, on)

    def tick(self) -> list[Any]:
        """Have every scan ask for what its views show, and show what has come; what was shown is returned. Never waits."""
        return [result for _scan, live in self._running.values() for result in live.tick()]

    def wait(self, timeout: float | None = None) -> bool:
        """For scripts: show what comes until every slice is final; whether it is, after at most ``timeout`` seconds."""
        end = None if timeout is None else time.monotonic() + timeout
        for _scan, live in self._running.values():
            live.engine.look()
        while True:
            self.tick()  # asks for what the views show now
            engines = [live.engine for _scan, live in self._running.values()]
            if not any(engine.status().busy for engine in engines):
                self.tick()
                return True
            if end is not None and time.monotonic() > end:
                return False
            time.sleep(PAUSE)

    def stop(self, name: str) -> None:
        """End the live slices of the scan of that name; an unknown one is no fault."""
        if self.end(name):
            self.changed()

    def end(self, name: str) -> bool:
        """As :meth:`stop`, without telling anybody; whether there were any."""
        _scan, live = self._running.pop(name, (None, None))
        if live is not None:
            live.close()
        return live is not None

    def close(self) -> None:
        """End all."""
        for name in list(self._running):
            self.end(name)
