"""Total variation: its proximal map by projected gradient on the dual, in place and on all cores.

TV(x) = sum over voxels of sqrt(sum over axes of (w_k D_k x)^2), with forward differences D_k and w_k the smallest voxel side over
the side along axis k. Chambolle, 'An algorithm for total variation minimization and applications', J. Math. Imaging Vis. 20
(2004) 89; with bounds as Beck, Teboulle, 'Fast gradient-based algorithms for constrained total variation image denoising and
deblurring problems', IEEE Trans. Image Process. 18 (2009) 2419.
"""

from __future__ import annotations

from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.geometry import VolumeGrid
from MITOReconstructionLib.parallel import KERNELS

__all__ = ["Denoiser", "momentum"]

Floats = NDArray[np.float32]
COMPILE: dict[str, Any] = {"cache": True, "fastmath": True, "error_model": "numpy", "nogil": True}


class Denoiser:
    """Finds the x nearest to v, in squares, plus ``weight`` times TV(x).

    The dual field, three numbers a voxel, is kept from call to call: where v changes little, few iterations are enough.

    Parameters
    ----------
    grid : VolumeGrid
    non_negative : bool
        Whether x is bound below by 0.
    """

    def __init__(self, grid: VolumeGrid, *, non_negative: bool) -> None:
        sides = np.array(grid.spacing)
        self._scales = (sides.min() / sides).astype(np.float32)
        self._floor = np.float32(0.0 if non_negative else -np.inf)
        self._dual = np.zeros((3, *grid.shape), dtype=np.float32)

    def denoise(self, v: Floats, weight: float, out: Floats, iterations: int) -> None:
        """Minimise |x - v|^2 / 2 + weight TV(x).

        Parameters
        ----------
        v, out : float32 in C order, shape grid.shape
            ``out`` receives x; it must not be v.
        weight : float
            In the unit of v.
        iterations : int
            Of the dual.
        """
        if weight <= 0.0:
            np.maximum(v, self._floor, out=out)
            return
        step = np.float32(1.0 / (4.0 * float(np.sum(self._scales**2)) * weight))
        for _ in range(iterations):
            with KERNELS:
                _primal(v, self._dual, self._scales, np.float32(weight), self._floor, out)
                _climb(out, self._dual, self._scales, step)
        with KERNELS:
            _primal(v, self._dual, self._scales, np.float32(weight), self._floor, out)


def momentum(x: Floats, y: Floats, beta: float) -> None:
    """Where y holds the new x: move x there, and y beyond it by ``beta`` times the step; in place."""
    with KERNELS:
        _momentum(x.reshape(-1), y.reshape(-1), np.float32(beta))


@numba.njit(parallel=True, **COMPILE)
def _primal(v: Any, dual: Any, scales: Any, weight: Any, floor: Any, out: Any) -> None:  # pragma: no cover
    """x = max(floor, v - weight D' dual)."""
    nx, ny, nz = v.shape
    a, b, c = scales[0], scales[1], scales[2]
    for i in numba.prange(nx):
        for j in range(ny):
            for k in range(nz):
                total = -a * dual[0, i, j, k] - b * dual[1, i, j, k] - c * dual[2, i, j, k]
                if i > 0:
                    total += a * dual[0, i - 1, j, k]
                if j > 0:
                    total += b * dual[1, i, j - 1, k]
                if k > 0:
                    total += c * dual[2, i, j, k - 1]
                out[i, j, k] = max(floor, v[i, j, k] - weight * total)


@numba.njit(parallel=True, **COMPILE)
def _climb(x: Any, dual: Any, scales: Any, step: Any) -> None:  # pragma: no cover
    """Move the dual along the differences of x, and back to where its vectors are no longer than 1."""
    nx, ny, nz = x.shape
    one = np.float32(1.0)
    a, b, c = step * scales[0], step * scales[1], step * scales[2]
    for i in numba.prange(nx):
        for j in range(ny):
            for k in range(nz):
                here = x[i, j, k]
                p, q, r = dual[0, i, j, k], dual[1, i, j, k], dual[2, i, j, k]
                p = p + a * (x[i + 1, j, k] - here) if i + 1 < nx else p * 0
                q = q + b * (x[i, j + 1, k] - here) if j + 1 < ny else q * 0
                r = r + c * (x[i, j, k + 1] - here) if k + 1 < nz else r * 0
                scale = one / max(one, np.sqrt(p * p + q * q + r * r))
                dual[0, i, j, k], dual[1, i, j, k], dual[2, i, j, k] = p * scale, q * scale, r * scale


@numba.njit(parallel=True, **COMPILE)
def _momentum(x: Any, y: Any, beta: Any) -> None:  # pragma: no cover
    for i in numba.prange(x.size):
        new, old = y[i], x[i]
        x[i] = new
        y[i] = new + beta * (new - old)
