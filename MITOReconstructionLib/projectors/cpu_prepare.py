# mypy: disable-error-code="no-untyped-def,no-untyped-call"
"""Compiled kernel that makes views ready for back projection."""

from __future__ import annotations

import numba
import numpy as np

from MITOReconstructionLib.projectors.cpu_lanes import COMPILE

__all__ = ["prepare_views"]


@numba.njit(parallel=True, cache=True, **COMPILE)
def prepare_views(projections, cone, columns, values):
    """Apply the cone-angle factor to some columns of each view, and round their rows up with zeros.

    projections float32 (views, columns, rows); columns int64 (views, 2), first and last (exclusive); values float32 (views,
    most columns of a view, rows in whole vectors).
    """
    rows, most = cone.shape[1], values.shape[1]
    for task in numba.prange(len(projections) * most):
        view, c = task // most, columns[task // most, 0] + task % most
        if c < columns[view, 1]:
            source, target = projections[view, c], values[view, task % most]
            for r in range(rows):
                target[r] = source[r] * cone[c, r]
            for r in range(rows, len(target)):
                target[r] = np.float32(0.0)
