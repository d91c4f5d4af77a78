"""Arrays that begin where a cache line does."""

from __future__ import annotations

import numba
import numpy as np
import pytest

from MITOReconstructionLib.wfbp.aligned import LINE, aligned, aligned_line


@pytest.mark.parametrize("shape", [(1,), (7, 3), (3, 50, 1700), (0, 4)])
def test_an_array_begins_where_a_line_does(shape: tuple[int, ...]) -> None:
    arrays = [aligned(shape) for _ in range(8)]  # kept, so that each has a place of its own
    for array in arrays:
        assert (array.shape, array.dtype, array.flags.c_contiguous) == (shape, np.float32, True)
        assert array.size == 0 or array.ctypes.data % LINE == 0
        array[...] = 1.0


@numba.njit
def _lines(size):  # type: ignore[no-untyped-def]
    line = aligned_line(size)
    line[:] = 1.0
    return line.ctypes.data, len(line), line.sum()


@pytest.mark.parametrize("size", [1, 16, 1000, 2048 * 96])
def test_in_a_kernel_too(size: int) -> None:
    for _ in range(4):
        address, length, total = _lines(size)
        assert (address % LINE, length, total) == (0, size, size)
