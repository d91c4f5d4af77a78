"""What the commands say: the only place of the library that writes to standard output and standard error."""

from __future__ import annotations

import json
import sys
from collections.abc import Sequence
from typing import Any

from MITOReconstructionLib.files import mebibytes

__all__ = ["aligned", "flush", "mebibytes", "say", "say_error", "say_json", "say_table"]


def say(text: str = "") -> None:
    """Write one line to standard output, where there is one."""
    if sys.stdout is None:  # closed before the program began
        return
    sys.stdout.write(_sayable(text, sys.stdout.encoding) + "\n")


def say_json(content: Any) -> None:
    """Write JSON to standard output."""
    say(json.dumps(content, indent=2, ensure_ascii=False, allow_nan=False))


def say_table(rows: Sequence[Sequence[str]]) -> None:
    """Write rows whose cells line up."""
    for line in aligned(rows):
        say(line)


def say_error(text: str) -> None:
    """Write exactly one line to standard error, whatever the text, where there is one."""
    if sys.stderr is None:
        return
    line = "; ".join(part.strip() for part in text.splitlines() if part.strip())
    try:
        sys.stderr.write(_sayable(line, sys.stderr.encoding) + "\n")
        sys.stderr.flush()
    except OSError:  # nobody listens; the exit status still tells
        return


def flush() -> None:
    """Hand on what was said, so that a full disk or a closed pipe is met here."""
    if sys.stdout is not None:
        sys.stdout.flush()


def aligned(rows: Sequence[Sequence[str]]) -> list[str]:
    """Lines in which the cells of a column begin at the same place; rows may have different numbers of cells."""
    columns = max((len(row) for row in rows), default=0)
    widths = [max((len(row[i]) for row in rows if i + 1 < len(row)), default=0) for i in range(columns)]
    return ["  ".join(cell.ljust(width) for cell, width in zip(row, widths, strict=False)).rstrip() for row in rows]


def _sayable(text: str, encoding: str | None) -> str:
    """The text with a question mark in the place of what the terminal cannot show."""
    return text.encode(encoding or "utf-8", errors="replace").decode(encoding or "utf-8")
