"""Arrays that begin where a cache line does, so that vectors of sixteen floats lie in one line each.

Memory comes at multiples of 16 or 32 bytes. By chance, then, each vector lies in two lines, and loading it takes twice as long:
adding up voxel columns took 3.1 or 4.5 ns a vector.
"""

from __future__ import annotations

import math

import numba
import numpy as np
from numpy.typing import NDArray

__all__ = ["LINE", "aligned", "aligned_line"]

LINE = 64
"""Bytes of a cache line."""


def aligned(shape: tuple[int, ...]) -> NDArray[np.float32]:
    """A float32 array in C order that begins where a cache line does; its items are not set."""
    size = math.prod(shape)
    floats = np.empty(size + LINE // 4, dtype=np.float32)
    first = -floats.ctypes.data % LINE // 4
    return floats[first : first + size].reshape(shape)


@numba.njit(cache=True)
def aligned_line(size):  # type: ignore[no-untyped-def]
    """As :func:`aligned`, for kernels: ``size`` floats."""
    floats = np.empty(size + LINE // 4, np.float32)
    first = (LINE - floats.ctypes.data % LINE) % LINE // 4
    return floats[first : first + size]
