"""The one rule for code that runs on all cores: one parallel kernel at a time.

numba's fall-back threading layer ends the process when two Python threads start parallel kernels at once, and where it
does not, they only get in each other's way. Hold :data:`KERNELS` around every call of a parallel kernel.
"""

from __future__ import annotations

import os
import threading

__all__ = ["KERNELS", "cores"]

KERNELS = threading.RLock()
"""Held while a parallel kernel runs."""


def cores() -> int:
    """Number of processors that this process may use."""
    if hasattr(os, "sched_getaffinity"):
        return len(os.sched_getaffinity(0))
    return os.cpu_count() or 1
