"""Sorting cone-beam views into parallel beams, row by row."""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

__all__ = ["cubic_weights", "gather_beams", "move_rows", "spread_views"]

COMPILE: dict[str, Any] = {"cache": True, "fastmath": True, "error_model": "numpy", "nogil": True}


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


@numba.njit(**COMPILE)
def spread_views(views: Any, order: Any, first: int, end: int, columns: Any, weights: Any, starts: Any, sizes: Any, rings: Any) -> None:
    """Put views into the rings of their rays: cubic along the columns.

    Each ray has a ring of its own, as long as its fan angle makes it wait for its beam: together they hold half of what
    a ring of whole views would. Several threads can do this at once, each with views of its own: where a ring is too
    short for all views of a step, those that later ones would overwrite are left out.

    Parameters
    ----------
    views : float32, shape (n, columns, rows)
    order : int64, shape (n,)
        Index into ``views`` of the view at each of the positions from ``first`` on (in the order of rising angle).
    end : int
        Position behind the last one of this step, whoever puts it there.
    columns, weights : int64 and float32, shape (rays, 4)
        Columns that make up each ray, of :func:`cubic_weights`.
    starts, sizes : int64, shape (rays,)
        Where each ray's ring begins in ``rings``, and its length; position p lies at p modulo the length.
    rings : float32, shape (sum of sizes, rows)
        Written.
    """
    rows = rings.shape[1]
    for number in range(len(order)):
        view = order[number]
        for ray in range(len(starts)):
            position = first + number
            if position < end - sizes[ray]:
                continue
            a, b, c, d = columns[ray]
            wa, wb, wc, wd = weights[ray]
            place = starts[ray] + position % sizes[ray]
            for k in range(rows):
                row = np.uintp(k)
                rings[place, row] = (
                    wa * views[view, a, row] + wb * views[view, b, row] + wc * views[view, c, row] + wd * views[view, d, row]
                )


@numba.njit(parallel=True, **COMPILE)
def gather_beams(rings: Any, starts: Any, sizes: Any, positions: Any, cosine: Any, out: Any) -> None:
    """Make parallel beams of what the rings hold: linear in rotation angle; weighted by the cone's cosine.

    Parameters
    ----------
    rings, starts, sizes
        As :func:`spread_views` left them.
    positions : float64, shape (beams, rays)
        Fractional position of the view that holds each ray.
    cosine : float32, shape (rays, rows)
        Cosine of the cone angle.
    out : float32, shape (beams, rays, rows)
        Written.
    """
    beams, rays, rows = out.shape
    for ray in numba.prange(rays):
        for beam in range(beams):
            position = positions[beam, ray]
            whole = np.floor(position)
            later = np.float32(position - whole)
            sooner = np.float32(1.0) - later
            first = starts[ray] + int(whole) % sizes[ray]
            second = starts[ray] + (int(whole) + 1) % sizes[ray] if later > 0.0 else first
            for k in range(rows):
                row = np.uintp(k)
                out[beam, ray, row] = cosine[ray, row] * (sooner * rings[first, row] + later * rings[second, row])


@numba.njit(**COMPILE)
def move_rows(view: Any, shifts: Any, line: Any) -> None:
    """Move the rows of a view up, each column by its own number of rows, by cubic convolution as :func:`cubic_weights`.

    Parameters
    ----------
    view : float32, shape (columns, rows)
        Changed in place; the outermost rows are repeated.
    shifts : float64, shape (columns,)
        In rows.
    line : float32, shape (3 * rows + 4,)
        Work space.
    """
    columns, rows = view.shape
    for column in range(columns):
        down = min(max(-shifts[column], -1.0 * rows), 1.0 * rows)
        whole = int(np.floor(down))
        s = np.float32(down - whole)
        r = np.float32(1.0) - s
        wa, wd = np.float32(-0.5) * s * r * r, np.float32(-0.5) * s * s * r
        wb = np.float32(1.0) + s * s * (np.float32(1.5) * s - np.float32(2.5))
        wc = np.float32(1.0) - wa - wb - wd
        line[: rows + 1] = view[column, 0]
        line[rows + 1 : 2 * rows + 1] = view[column]
        line[2 * rows + 1 :] = view[column, rows - 1]
        offset = np.uintp(rows + whole)
        for k in range(rows):
            at = np.uintp(k) + offset
            view[column, np.uintp(k)] = (
                wa * line[at] + wb * line[at + np.uintp(1)] + wc * line[at + np.uintp(2)] + wd * line[at + np.uintp(3)]
            )
