"""Progress as Slicer's Execution Model has it: tags on standard output, read by the application that started the program."""

from __future__ import annotations

import time
from types import TracebackType
from typing import Self, TextIO
from xml.sax.saxutils import escape

from MITOReconstructionLib.monitor import Progress

__all__ = ["FilterTags"]

INTERVAL = 0.1
"""Least seconds from one report of a step to the next."""


class FilterTags:
    """Writes each step's begin and end, and how much of it is done, 0 to 1. A context manager; give it as a Monitor's ``report``.

    Parameters
    ----------
    stream : text stream
    """

    def __init__(self, stream: TextIO) -> None:
        self._stream = stream
        self._step = ""
        self._began = self._written = 0.0

    def __enter__(self) -> Self:
        return self

    def __call__(self, progress: Progress) -> None:
        """Take one report."""
        now = time.monotonic()
        if progress.step != self._step:
            self._end(now)
            self._step, self._began, self._written = progress.step, now, 0.0
            self._write(
                f"<filter-start>\n<filter-name>{escape(progress.step)}</filter-name>\n"
                "<filter-comment>MITO Reconstruction</filter-comment>\n</filter-start>"
            )
        if progress.fraction >= 1.0 or now - self._written >= INTERVAL:
            self._written = now
            self._write(f"<filter-progress>{progress.fraction:.4f}</filter-progress>")

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        if kind is None:
            self._end(time.monotonic())

    def _end(self, now: float) -> None:
        if self._step:
            self._write(
                f"<filter-end>\n<filter-name>{escape(self._step)}</filter-name>\n"
                f"<filter-time>{now - self._began:.3f}</filter-time>\n</filter-end>"
            )
            self._step = ""

    def _write(self, text: str) -> None:
        self._stream.write(text + "\n")
        self._stream.flush()
