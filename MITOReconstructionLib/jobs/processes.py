"""Starting a subprocess in a group of its own, ending all of it, and saying how it ended."""

from __future__ import annotations

import contextlib
import os
import signal
import subprocess
import sys
from collections.abc import Mapping, Sequence
from typing import Any

from MITOReconstructionLib.errors import WorkError

__all__ = ["describe_exit", "end_tree", "start"]

CRASHES = {0xC0000005: "an access violation", 0xC00000FD: "a stack overflow", 0xC0000409: "a stack buffer overrun"}
"""Exit statuses of Windows that people meet."""


def start(command: Sequence[str], environment: Mapping[str, str]) -> subprocess.Popen[bytes]:
    """Start a command with pipes for all three streams, unbuffered, in a process group of its own.

    Raises
    ------
    WorkError
        When it cannot be started, naming it.
    """
    options: dict[str, Any] = {"start_new_session": True}
    if sys.platform == "win32":
        options = {"creationflags": subprocess.CREATE_NO_WINDOW | subprocess.CREATE_NEW_PROCESS_GROUP}
    try:
        process: subprocess.Popen[bytes] = subprocess.Popen(
            list(command),
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=subprocess.PIPE,
            bufsize=0,
            env=dict(environment),
            **options,
        )
        return process
    except (OSError, ValueError) as error:
        reason = getattr(error, "strerror", None) or error
        raise WorkError(f"The subprocess could not be started: {command[0]}: {reason}.") from error


def end_tree(process: subprocess.Popen[bytes]) -> None:
    """End a process that :func:`start` started, and every process that it started, at once; wait for it."""
    if process.poll() is None:
        if sys.platform == "win32":
            with contextlib.suppress(OSError, subprocess.SubprocessError):
                subprocess.run(["taskkill", "/F", "/T", "/PID", str(process.pid)], capture_output=True, check=False, timeout=5)
        else:
            with contextlib.suppress(ProcessLookupError, PermissionError):
                os.killpg(process.pid, signal.SIGKILL)
        with contextlib.suppress(OSError):
            process.kill()
    with contextlib.suppress(subprocess.TimeoutExpired):
        process.wait(5.0)


def describe_exit(status: int) -> str:
    """How a process ended, as the end of a sentence that begins 'The subprocess'."""
    number = -status if status < 0 else status - 128  # a launcher gives a signal of its child as 128 + number
    if status < 0 or (128 < status < 160 and status != 130):
        try:
            name = signal.Signals(number).name
        except ValueError:
            name = f"signal {number}"
        hint = " (as a system does that has run out of memory)" if name == "SIGKILL" else ""
        return f"was ended by {name}{hint}"
    if status & 0xFFFFFFFF in CRASHES:
        return f"was ended by {CRASHES[status & 0xFFFFFFFF]}"
    return f"ended with exit status {status}" if status else "ended"
