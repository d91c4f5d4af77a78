"""Ctrl-C and a polite kill: both stop the work that is under way, and everything half-written is taken away."""

from __future__ import annotations

import contextlib
import signal
import threading
from collections.abc import Iterator
from types import FrameType

from MITOReconstructionLib.monitor import Monitor

__all__ = ["stoppable", "stops"]

_SIGNALS = tuple(getattr(signal, name) for name in ("SIGINT", "SIGTERM") if hasattr(signal, name))
_RUNNING: list[Monitor] = []


@contextlib.contextmanager
def stoppable() -> Iterator[None]:
    """Turn SIGINT and SIGTERM into a KeyboardInterrupt, once: cleaning up is not interrupted.

    The monitors of :func:`stops` are cancelled as well, in case the exception is lost in somebody's callback.
    In another thread than the main one this does nothing.
    """
    if threading.current_thread() is not threading.main_thread():
        yield
        return
    heard = 0

    def stop(number: int, frame: FrameType | None) -> None:
        nonlocal heard
        heard += 1
        for monitor in _RUNNING:
            monitor.cancel()
        if heard != 2:  # impatience does not interrupt the cleaning; a third signal does
            raise KeyboardInterrupt

    before = {number: signal.signal(number, stop) for number in _SIGNALS}
    try:
        yield
    finally:
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
