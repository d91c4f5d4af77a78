"""A progress bar for a terminal, with the time that each step took."""

from __future__ import annotations

import shutil
import threading
import time
from types import TracebackType
from typing import Self, TextIO

from MITOReconstructionLib.monitor import Progress

__all__ = ["ProgressBar", "clock"]

_REDRAW = 0.1
_LONGEST = 120


class ProgressBar:
    """Shows the reports of a run on one line; a step that is over stays, with its time.

    Where the stream is no terminal nothing is written. Give it as the ``report`` of a Monitor, inside of its context.

    Parameters
    ----------
    stream : text stream

    Attributes
    ----------
    steps : list of (str, float)
        The steps that are over, and the seconds that each took.
    """

    def __init__(self, stream: TextIO) -> None:
        self.steps: list[tuple[str, float]] = []
        self._stream = stream
        self._shown = stream.isatty()
        self._full, self._empty = ("█", "░") if _can_show(stream, "█░") else ("#", ".")
        self._lock = threading.Lock()
        self._latest: Progress | None = None
        self._began = self._drawn = 0.0
        self._length = 0
        self._over = threading.Event()
        self._ticker = threading.Thread(target=self._tick, name="progress bar", daemon=True)

    def __enter__(self) -> Self:
        if self._shown:
            self._ticker.start()
        return self

    def __call__(self, progress: Progress) -> None:
        """Take one report."""
        with self._lock:
            now = time.monotonic()
            if self._latest is None or progress.step != self._latest.step:
                self._finish(now)
                self._began = now
            self._latest = progress
            if now - self._drawn >= _REDRAW:
                self._draw(now)

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self._over.set()
        if self._ticker.is_alive():
            self._ticker.join()
        with self._lock:
            if kind is None:
                self._finish(time.monotonic())
            else:
                self._latest = None
                self._clear()

    def _tick(self) -> None:
        """Keep the clock of a long step going."""
        while not self._over.wait(0.5):
            with self._lock:
                self._draw(time.monotonic())

    def _finish(self, now: float) -> None:
        if self._latest is None:
            return
        self.steps.append((self._latest.step, now - self._began))
        self._clear()
        if self._shown:
            self._stream.write(f"{self._latest.step}: {now - self._began:.1f} s\n")
            self._stream.flush()
        self._latest = None

    def _clear(self) -> None:
        if self._length:
            self._stream.write("\r" + " " * self._length + "\r")
            self._stream.flush()
            self._length = 0

    def _draw(self, now: float) -> None:
        if not self._shown or self._latest is None:
            return
        self._drawn = now
        width = min(_LONGEST, max(20, shutil.get_terminal_size((80, 24)).columns)) - 1
        line = self._line(now - self._began, width)
        self._stream.write("\r" + line.ljust(self._length))
        self._stream.flush()
        self._length = len(line)

    def _line(self, elapsed: float, width: int) -> str:
        progress = self._latest
        if progress is None:
            return ""
        fraction = progress.fraction
        left = f", {clock(elapsed * (1 - fraction) / fraction)} left" if fraction > 0.02 and elapsed > 1.0 else ""
        more = f", iteration {progress.iteration}" if progress.iteration is not None else ""
        more += f", residual {progress.residual:.3g}" if progress.residual is not None else ""
        tail = f" {fraction:4.0%}  {clock(elapsed)}{left}{more}"
        room = width - len(progress.step) - len(tail) - 1
        if room < 5:
            return (progress.step + tail)[:width]
        cells = min(40, room)
        filled = round(fraction * cells)
        return f"{progress.step} {self._full * filled}{self._empty * (cells - filled)}{tail}"[:width]


def clock(seconds: float) -> str:
    """Seconds as minutes:seconds, with hours where there are any."""
    minutes, rest = divmod(round(seconds), 60)
    hours, minutes = divmod(minutes, 60)
    return f"{hours}:{minutes:02d}:{rest:02d}" if hours else f"{minutes}:{rest:02d}"


def _can_show(stream: TextIO, text: str) -> bool:
    try:
        text.encode(stream.encoding or "ascii")
    except (UnicodeEncodeError, LookupError):
        return False
    return True
