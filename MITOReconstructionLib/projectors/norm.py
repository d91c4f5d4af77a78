"""The square of a projector's norm, by which iterative methods scale their steps."""

from __future__ import annotations

import threading
from collections import OrderedDict

import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.errors import InputError
from MITOReconstructionLib.geometry import Detector, ScanGeometry, VolumeGrid
from MITOReconstructionLib.geometry.scan_geometry import Views
from MITOReconstructionLib.projectors.backends import AUTO, Backend, choose_backend

__all__ = ["norm_squared"]

_KEPT = 64
_known: OrderedDict[tuple[object, ...], float] = OrderedDict()
_lock = threading.Lock()


def norm_squared(
    geometry: ScanGeometry,
    grid: VolumeGrid,
    backend: str | Backend = AUTO,
    *,
    views: Views = None,
    limit: int | None = 1 << 21,
    iterations: int = 30,
    tolerance: float = 1e-3,
    seed: int = 0,
) -> float:
    """The largest eigenvalue of A'A, by power iteration from a seeded start; plain sums as inner products.

    The eigenvector is smooth, so it is sought on coarser voxels, pixels and fewer views where the problem is large. With
    n voxels in the place of N, m pixels of M and k views of K, the eigenvalue is the coarse one times n/N * M/m * K/k: a
    lower bound, usually within 2%; thin slabs that are coarsened much are worse (7% low at a limit of 2^18).

    Parameters
    ----------
    geometry, grid : what A maps between
    backend : str or Backend
    views : selection of views, optional
    limit : int or None
        At most about that many voxels, and as many pixels in all views; None for no coarsening.
    iterations : int
        At most that many.
    tolerance : float
        Stop when an iteration changes the estimate by less than this part of it.
    seed : int

    Returns
    -------
    float
        In mm^2; 0 where no view sees the grid. Kept in memory for the next call with the same arguments.

    Raises
    ------
    InputError
        When a view is outside the scan, or ``iterations`` or ``limit`` is below 1.
    """
    for name, count in (("iterations", iterations), ("limit", limit)):
        if count is not None and count < 1:
            raise InputError(name, expected="at least 1", found=str(count), remedy="Give a larger number.")
    chosen = choose_backend(backend)
    index = geometry.view_indices(views)
    if not len(index):
        return 0.0
    key = (geometry, grid, index.tobytes(), chosen.name, limit, iterations, tolerance, seed)
    with _lock:
        if key in _known:
            _known.move_to_end(key)
            return _known[key]
    scan, coarse, scale = _coarsened(geometry.select(index), grid, limit)
    value = scale * _power_iteration(scan, coarse, chosen, iterations, tolerance, seed)
    with _lock:
        _known[key] = value
        while len(_known) > _KEPT:
            _known.popitem(last=False)
    return value


def _power_iteration(geometry: ScanGeometry, grid: VolumeGrid, backend: Backend, iterations: int, tolerance: float, seed: int) -> float:
    x: NDArray[np.float32] = np.random.default_rng(seed).uniform(0.5, 1.0, grid.shape).astype(np.float32)
    projections = volume = None
    value = 0.0
    for _ in range(iterations):
        x /= np.float32(np.linalg.norm(x))
        projections = backend.forward(x, grid, geometry, projections)
        volume = backend.back(projections, grid, geometry, volume)
        before, value = value, float(np.vdot(x, volume))
        x, volume = volume, x
        if value == 0.0 or abs(value - before) <= tolerance * value:
            break
    return value


def _coarsened(geometry: ScanGeometry, grid: VolumeGrid, limit: int | None) -> tuple[ScanGeometry, VolumeGrid, float]:
    """A smaller problem with nearly the same eigenvector, and the ratio of the eigenvalues."""
    d = geometry.detector
    if limit is None:
        return geometry, grid, 1.0
    factor = max(1.0, (grid.size / limit) ** (1 / 3))
    x, y, z = (max(1, round(n / factor)) for n in grid.shape)
    coarse = VolumeGrid(grid.minimum, grid.maximum, (x, y, z))
    spread = max(1.0, (geometry.views * d.columns * d.rows / limit) ** (1 / 3))
    chosen = np.unique(np.linspace(0, geometry.views - 1, max(1, round(geometry.views / spread))).round().astype(int))
    detector = Detector(
        max(1, round(d.columns / spread)), max(1, round(d.rows / spread)),
        d.column_min, d.column_max, d.row_min, d.row_max, d.curvature_radius,
    )  # fmt: skip
    scale = coarse.size / grid.size * d.columns * d.rows / (detector.columns * detector.rows) * geometry.views / len(chosen)
    part = geometry.select(chosen)
    return ScanGeometry(part.angles, part.axial_positions, part.source_radius, part.detector_radius, detector), coarse, scale
