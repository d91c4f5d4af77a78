"""Compiled kernels that numba keeps beside their sources, and when they are too old to be used.

numba compiles a kernel anew when the file that holds it has changed, but not when a function that it calls has changed in
another file. So an update of some files could leave kernels running that were made of the old ones.
"""

from __future__ import annotations

import contextlib
import time
from pathlib import Path

__all__ = ["CALLED", "KERNELS", "drop_outdated"]

CALLED = ("simd.py", "projectors/*.py", "wfbp/*.py")
"""Files with functions that kernels of other files call."""

KERNELS = ("live", "methods", "projectors", "scan", "wfbp")
"""Folders with kernels."""


def drop_outdated(library: Path) -> int:
    """Remove the compiled kernels that are older than any function which they may call, so that they are compiled anew.

    Parameters
    ----------
    library : Path
        The library's folder. What numba keeps elsewhere, because this folder cannot be written or NUMBA_CACHE_DIR is set, is
        left alone.

    Returns
    -------
    int
        How many were removed.
    """
    changed = [0]
    for source in (source for pattern in CALLED for source in library.glob(pattern)):
        with contextlib.suppress(OSError):  # an editor's link to nowhere, or just replaced
            changed.append(source.stat().st_mtime_ns)
    newest, dropped = max(date for date in changed if date <= time.time_ns()), 0  # a date to come says nothing
    for folder in KERNELS:
        for index in (library / folder / "__pycache__").glob("*.nbi"):
            with contextlib.suppress(OSError):  # another process may be quicker, or the folder is not ours to change
                if index.stat().st_mtime_ns < newest:
                    index.unlink()
                    dropped += 1
    return dropped
