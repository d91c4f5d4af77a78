# mypy: disable-error-code="no-untyped-def,no-untyped-call"
"""Compiled kernel that makes views ready for back projection."""

from __future__ import annotations

import numba
import numpy as np

__all__ = ["prepare_views"]


@numba.njit(parallel=True, nogil=True, cache=True, fastmath={"contract", "nsz", "arcp"}, error_model="numpy")
def prepare_views(projections, cone, values, sums, means):
    """Apply the cone-angle factor to views, and sum along rows less each column's mean.

    projections float32 (views, columns, rows); values float32 (views, columns, rows), left out where it is of shape
    (1, 0, 0); sums float32 (views, columns, rows + 1), left out likewise; means float64 (views, columns).
    """
    columns, rows = cone.shape
    for task in numba.prange(len(projections) * columns):
        view, c = task // columns, task % columns
        source = projections[view, c]
        total = 0.0
        for r in range(rows):
            total += np.float64(source[r] * cone[c, r])
        mean = total / rows
        means[view, c] = mean
        if values.shape[1]:
            for r in range(rows):
                values[view, c, r] = source[r] * cone[c, r]
        if sums.shape[1]:
            total = 0.0
            for r in range(rows):
                sums[view, c, r] = np.float32(total)
                total += np.float64(source[r] * cone[c, r]) - mean
            sums[view, c, rows] = np.float32(total)
