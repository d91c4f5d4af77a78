"""How a subprocess learns that it should stop, or that whoever started it is gone."""

from __future__ import annotations

import os
import sys
import threading
import time
from collections.abc import Callable
from pathlib import Path

from MITOReconstructionLib.jobs.exchange import CANCEL, CANCEL_FILE, FINISH, FINISH_FILE, HOLD

__all__ = ["Leash"]

INTERVAL = 0.05
LAST_SECONDS = 5.0
"""How long the work may take to stop after the parent is gone."""


class Leash(threading.Thread):
    """Looks at standard input, and for the file that means cancel, until the process ends.

    Standard input is looked at and never waited on: on Windows a thread that waits in a read of standard input holds up
    every library that looks at it while it is loaded.

    Parameters
    ----------
    folder : Path
        The job's folder.
    cancel : callable
        Called once, when the work should stop.
    finish : callable
        Called once, when the work should end with what it has.
    abandon : callable
        Called LAST_SECONDS after the parent was found gone; it ends the process.
    descriptor : int
        Where HOLD and CANCEL arrive.
    """

    def __init__(
        self,
        folder: Path,
        cancel: Callable[[], object],
        finish: Callable[[], object],
        abandon: Callable[[], object],
        descriptor: int = 0,
    ) -> None:
        super().__init__(name="leash", daemon=True)
        self._folder, self._cancel, self._finish, self._abandon, self._descriptor = folder, cancel, finish, abandon, descriptor
        self._finishing = False
        self._text = b""
        self._open = True
        self._looking = threading.Lock()

    @property
    def orphaned(self) -> bool:
        """Whether the parent is gone, looked up now."""
        self._look()
        return (not self._open and HOLD in self._text) or not self._folder.is_dir()

    def run(self) -> None:
        """Look until there is nothing more to look for."""
        while not self._asked():
            if not self._finishing and (FINISH in self._text or (self._folder / FINISH_FILE).exists()):
                self._finishing = True
                self._finish()
            time.sleep(INTERVAL)
        self._cancel()
        if self.orphaned:
            time.sleep(LAST_SECONDS)
            self._abandon()

    def _asked(self) -> bool:
        return self.orphaned or CANCEL in self._text or (self._folder / CANCEL_FILE).exists()

    def _look(self) -> None:
        """Take what has arrived on standard input, without waiting for more."""
        with self._looking:
            try:
                waiting = _bytes_waiting(self._descriptor) if self._open else 0
                if waiting:
                    part = os.read(self._descriptor, waiting)
                    self._text += part
                    self._open = bool(part)
            except (OSError, ValueError):
                self._open = False


if sys.platform == "win32":

    def _bytes_waiting(descriptor: int) -> int:
        """Bytes that can be read at once; an OSError where the other end is closed."""
        import ctypes
        import msvcrt

        waiting = ctypes.c_ulong()
        handle = ctypes.c_void_p(msvcrt.get_osfhandle(descriptor))
        if not ctypes.windll.kernel32.PeekNamedPipe(handle, None, 0, None, ctypes.byref(waiting), None):
            raise OSError("closed")
        return int(waiting.value)

else:

    def _bytes_waiting(descriptor: int) -> int:
        """Bytes to ask for: 0 where there is nothing to read, not even the end."""
        import select

        return 4096 if select.select([descriptor], [], [], 0)[0] else 0
