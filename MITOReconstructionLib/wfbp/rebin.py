"""Sorting cone-beam views into parallel beams, row by row."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

__all__ = ["cubic_weights", "move_rows", "rebin"]


def cubic_weights(position: NDArray[np.float64], count: int) -> tuple[NDArray[np.int64], NDArray[np.float32]]:
    """Cubic convolution of equally spaced samples (Keys, IEEE Trans. ASSP 29 (1981) 1153, a = -1/2).

    Linear interpolation between columns would blur the projections by about a column before they are filtered.

    Parameters
    ----------
    position : float64, shape (n,)
        Fractional sample indices.
    count : int
        Number of samples; beyond the outermost ones the samples are repeated.

    Returns
    -------
    index : int64, shape (n, 4)
    weight : float32, shape (n, 4)
        The sum over the last axis is 1.
    """
    whole = np.floor(position).astype(np.int64)
    s = position - whole
    weight = np.stack(
        [
            -0.5 * s * (1 - s) ** 2,
            1 - 2.5 * s**2 + 1.5 * s**3,
            s * (0.5 + 2 * s - 1.5 * s**2),
            -0.5 * s**2 * (1 - s),
        ],
        axis=-1,
    )
    return np.clip(whole[:, None] + np.arange(-1, 3), 0, count - 1), weight.astype(np.float32)


@numba.njit(parallel=True, cache=True, fastmath=True, error_model="numpy", nogil=True)
def rebin(ring: Any, positions: Any, columns: Any, weights: Any, cosine: Any, out: Any) -> None:
    """Sort views into parallel beams: linear in rotation angle, cubic along the columns; weight by the cone's cosine.

    Parameters
    ----------
    ring : float32, shape (capacity, columns, rows)
        The view at position i (in the order of rising angle) lies at index i modulo capacity.
    positions : float64, shape (beams, rays)
        Fractional position of the view that holds each ray.
    columns, weights : int64 and float32, shape (rays, 4)
        Columns that make up each ray, of :func:`cubic_weights`.
    cosine : float32, shape (rays, rows)
        Cosine of the cone angle.
    out : float32, shape (beams, rays, rows)
        Written.
    """
    capacity = ring.shape[0]
    rays, rows = cosine.shape
    for beam in numba.prange(out.shape[0]):
        for ray in range(rays):
            position = positions[beam, ray]
            whole = np.floor(position)
            later = np.float32(position - whole)
            sooner = np.float32(1.0) - later
            first = int(whole) % capacity
            second = (first + 1) % capacity if later > 0.0 else first
            a, b, c, d = columns[ray]
            wa, wb, wc, wd = weights[ray]
            for k in range(rows):
                row = np.uintp(k)
                before = wa * ring[first, a, row] + wb * ring[first, b, row] + wc * ring[first, c, row] + wd * ring[first, d, row]
                after = wa * ring[second, a, row] + wb * ring[second, b, row] + wc * ring[second, c, row] + wd * ring[second, d, row]
                out[beam, ray, row] = cosine[ray, row] * (sooner * before + later * after)


@numba.njit(cache=True, fastmath=True, error_model="numpy", nogil=True)
def move_rows(view: Any, shifts: Any, line: Any) -> None:
    """Move the rows of a view up, each column by its own number of rows, by cubic convolution as :func:`cubic_weights`.

    Parameters
    ----------
    view : float32, shape (columns, rows)
        Changed in place; the outermost rows are repeated.
    shifts : float64, shape (columns,)
        In rows.
    line : float32, shape (rows,)
        Work space.
    """
    columns, rows = view.shape
    for column in range(columns):
        line[:] = view[column]
        whole = int(np.floor(-shifts[column]))
        s = np.float32(-shifts[column] - whole)
        r = np.float32(1.0) - s
        wa, wd = np.float32(-0.5) * s * r * r, np.float32(-0.5) * s * s * r
        wb = np.float32(1.0) + s * s * (np.float32(1.5) * s - np.float32(2.5))
        wc = np.float32(1.0) - wa - wb - wd
        for row in range(rows):
            at = row + whole
            a, b = line[min(max(at - 1, 0), rows - 1)], line[min(max(at, 0), rows - 1)]
            c, d = line[min(max(at + 1, 0), rows - 1)], line[min(max(at + 2, 0), rows - 1)]
            view[column, row] = wa * a + wb * b + wc * c + wd * d
