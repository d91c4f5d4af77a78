# mypy: disable-error-code="no-untyped-def,no-untyped-call"
"""Compiled kernel that makes views ready for back projection."""

from __future__ import annotations

import numba
import numpy as np

__all__ = ["prepare_views"]


@numba.njit(parallel=True, nogil=True, cache=True, fastmath={"contract", "nsz", "arcp"}, error_model="numpy")
def prepare_views(projections, cone, values):
    """Apply the cone-angle factor to views, and round their rows up with zeros.

    projections float32 (views, columns, rows); values float32 (views, columns, rows in whole vectors).
    """
    columns, rows = cone.shape
    for task in numba.prange(len(projections) * columns):
        view, c = task // columns, task % columns
        source, target = projections[view, c], values[view, c]
        for r in range(rows):
            target[r] = source[r] * cone[c, r]
        for r in range(rows, len(target)):
            target[r] = np.float32(0.0)
