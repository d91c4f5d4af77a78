"""Progress of a run as a file of JSON lines, for whoever watches from outside."""

from __future__ import annotations

import json
import math
import os
import time
from pathlib import Path
from types import TracebackType
from typing import Any, Self, TextIO

from MITOReconstructionLib.errors import Cancelled, InputError, WorkError
from MITOReconstructionLib.monitor import Progress

__all__ = ["ProgressWriter"]


class ProgressWriter:
    """Writes each report of a run as one line of JSON, at once, and how the run ended as the last one.

    Use it as a context manager around the run and give it as the run's ``progress``. The last line has ``state``
    (``done``, ``failed`` or ``cancelled``), ``message`` and ``seconds``; every other line is a
    :meth:`Progress.to_dict`. A number that is not finite is written as null.

    Parameters
    ----------
    path : path
        The file is made, or emptied, when the context is entered.

    Raises
    ------
    InputError
        On entering, when the file cannot be made.
    WorkError
        When writing fails, for example because the disk is full.
    """

    def __init__(self, path: str | os.PathLike[str]) -> None:
        self.path = Path(path)
        self._stream: TextIO | None = None
        self._start = time.monotonic()

    def __enter__(self) -> Self:
        try:
            self._stream = self.path.open("w", encoding="utf-8", newline="\n")
        except OSError as error:
            raise InputError(
                self.path, expected="a file that can be written", found=str(error.strerror or error), remedy="Choose another place."
            ) from error
        self._start = time.monotonic()
        return self

    def __call__(self, progress: Progress) -> None:
        """Write one report.

        Raises
        ------
        WorkError
            When writing fails, or outside of the context.
        """
        self._write(progress.to_dict())

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        state, message = "failed", f"{error}" or (kind.__name__ if kind else "")
        if kind is None:
            state, message = "done", ""
        elif issubclass(kind, (Cancelled, KeyboardInterrupt)):
            state, message = "cancelled", f"{error}" or "The run was cancelled."
        try:
            self._write({"state": state, "message": message, "seconds": time.monotonic() - self._start})
        except WorkError:
            if kind is None:
                raise
        finally:
            stream, self._stream = self._stream, None
            if stream is not None:
                _close(stream)

    def _write(self, entry: dict[str, Any]) -> None:
        if self._stream is None:
            raise WorkError(f"{self.path}: progress can only be written inside of 'with ProgressWriter(...)'.")
        finite = {name: None if isinstance(value, float) and not math.isfinite(value) else value for name, value in entry.items()}
        try:
            self._stream.write(json.dumps(finite, allow_nan=False) + "\n")
            self._stream.flush()
        except OSError as error:
            raise WorkError(f"{self.path}: progress could not be written: {error.strerror or error}.") from error


def _close(stream: TextIO) -> None:
    try:
        stream.close()
    except OSError:  # what is still in the buffer was reported when it was written
        return
