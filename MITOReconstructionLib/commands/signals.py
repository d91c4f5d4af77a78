"""Ctrl-C and a polite kill: both stop the work that is under way, and everything half-written is taken away."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from MITOReconstructionLib.monitor import Monitor

__all__ = ["held", "stoppable", "stops"]

_SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM") if hasattr(signal, name))
_RETRY_SECONDS = 0.05
_RUNNING: list[Monitor] = []
_HOLDS: list[object] = []


class _Stopper:
    """The handler: raises KeyboardInterrupt for the first signal, as soon as that does no harm.

    Within an import an exception can be turned into an ImportError, or end the process where an extension module does
    not expect it; within VTK it can be lost. There the signal is raised again a little later. The second signal does
    not interrupt the cleaning that the first one began; the third one and those after it do, wherever they come.
    """

    def __init__(self) -> None:
        self.heard = 0
        self.again = False
        self.timer: threading.Timer | None = None

    def __call__(self, number: int, frame: FrameType | None) -> None:
        self.again, again = False, self.again
        self.heard += not again
        for monitor in _RUNNING:
            monitor.cancel()
        if self.heard == 2 and not again:
            return
        if self.heard < 3 and (_HOLDS or _importing(frame)):
            self._later(number)
        else:
            raise KeyboardInterrupt

    def _later(self, number: int) -> None:
        def send() -> None:
            self.again = True
            signal.raise_signal(number)

        self.timer = threading.Timer(_RETRY_SECONDS, send)
        self.timer.daemon = True
        self.timer.start()

    def close(self) -> None:
        """Send nothing more."""
        if self.timer is not None:
            self.timer.cancel()
            self.timer.join()


@contextlib.contextmanager
def stoppable() -> Iterator[None]:
    """Turn SIGINT and SIGTERM into a KeyboardInterrupt, and cancel the monitors of :func:`stops`.

    In another thread than the main one this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    stopper = _Stopper()
    before = {number: signal.signal(number, stopper) for number in _SIGNALS}
    try:
        yield
    finally:
        stopper.close()
        for number, handler in before.items():
            signal.signal(number, handler)


@contextlib.contextmanager
def stops(monitor: Monitor) -> Iterator[Monitor]:
    """Cancel this monitor's run too when the command is stopped."""
    _RUNNING.append(monitor)
    try:
        yield monitor
    finally:
        _RUNNING.remove(monitor)


@contextlib.contextmanager
def held() -> Iterator[None]:
    """Let work that must not be interrupted come to its end, or to its next report, before the command is stopped."""
    mark = object()
    _HOLDS.append(mark)
    try:
        yield
    finally:
        _HOLDS.remove(mark)


def _importing(frame: FrameType | None) -> bool:
    while frame is not None:
        if frame.f_globals.get("__name__") == "importlib._bootstrap" or "importlib._bootstrap" in frame.f_code.co_filename:
            return True
        frame = frame.f_back
    return False
