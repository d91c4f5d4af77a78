"""A scan made coarser: views that follow each other and neighbouring pixels, averaged as they are read."""

from __future__ import annotations

from collections.abc import Hashable
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.geometry import Detector, ScanGeometry
from MITOReconstructionLib.methods.blocks import read_views
from MITOReconstructionLib.scan import Scan
from MITOReconstructionLib.scan.npy import block_to_fill

__all__ = ["AveragedScan"]

Floats = NDArray[np.float32]


class AveragedScan(Scan):
    """Chosen views of a scan, so many at a time averaged to one, on a detector with fewer columns and rows.

    The detector keeps its edges: where a count is no multiple of the other, a pixel counts in two new ones, by the part that lies in
    each. Views at the end that make up no whole group are left out. Nothing is kept: a view is made each time it is read.

    Parameters
    ----------
    scan : Scan
    views : int array, shape (n,)
        Indices of its views; those averaged should follow each other on the trajectory.
    geometry : ScanGeometry
        Of these views.
    group : int
        Views averaged to one, at most n.
    columns, rows : int
        Pixels to be left, at most as many as there are.
    """

    def __init__(self, scan: Scan, views: NDArray[np.intp], geometry: ScanGeometry, *, group: int, columns: int, rows: int) -> None:
        d, count = geometry.detector, len(views) // group
        detector = Detector(columns, rows, d.column_min, d.column_max, d.row_min, d.row_max, d.curvature_radius)
        angles, axial = (
            values[: count * group].reshape(count, group).mean(axis=1) for values in (geometry.angles, geometry.axial_positions)
        )
        coarse = ScanGeometry(angles, axial, geometry.source_radius, geometry.detector_radius, detector)
        nothing = np.broadcast_to(np.float32(np.nan), (count, columns, rows))
        super().__init__(scan.name, coarse, scan.default_grid, nothing)
        for name, value in {"_scan": scan, "_views": views[: count * group], "_group": group}.items():
            object.__setattr__(self, name, value)

    _scan: Scan
    _views: NDArray[np.intp]
    _group: int

    def read(self, first: int, last: int, out: Floats | None = None) -> Floats:
        """As :meth:`Scan.read`."""
        out = block_to_fill(out, (last - first, *self.projections.shape[1:]))
        detector = self._scan.geometry.detector
        whole = np.empty((self._group, detector.columns, detector.rows), dtype=np.float32)
        column_edges, row_edges = (np.linspace(0.0, many, few + 1) for many, few in zip(whole.shape[1:], out.shape[1:], strict=True))
        line = np.empty(detector.rows, dtype=np.float32)
        for view, target in zip(range(first, last), out, strict=True):
            read_views(self._scan, self._views[view * self._group : (view + 1) * self._group], whole)
            average(whole, column_edges, row_edges, line, target)
        return out

    def stamp(self) -> Hashable:
        """As :meth:`Scan.stamp`."""
        return self._scan.stamp()

    def announce(self, first: int, last: int) -> None:
        """As :meth:`Scan.announce`."""
        views = self._views[first * self._group : last * self._group]
        if len(views):
            self._scan.announce(int(views.min()), int(views.max()) + 1)


@numba.njit(cache=True, nogil=True, error_model="numpy", fastmath={"contract", "nsz", "arcp", "reassoc"})
def average(views: Any, column_edges: Any, row_edges: Any, line: Any, out: Any) -> None:
    """Average views, float32 (n, columns, rows), over pixels with these edges, in old pixels, into ``out``; ``line`` holds n rows."""
    columns, rows = out.shape
    count = len(views) * (column_edges[1] - column_edges[0]) * (row_edges[1] - row_edges[0])
    for c in range(columns):
        line[:] = np.float32(0.0)
        low, high = column_edges[c], column_edges[c + 1]
        for column in range(int(low), min(views.shape[1], int(np.ceil(high)))):
            share = np.float32(min(high, column + 1.0) - max(low, float(column)))
            for n in range(len(views)):
                for r in range(len(line)):
                    line[r] += share * views[n, column, r]
        for k in range(rows):
            low, high = row_edges[k], row_edges[k + 1]
            total = np.float32(0.0)
            for r in range(int(low), min(len(line), int(np.ceil(high)))):
                total += np.float32(min(high, r + 1.0) - max(low, float(r))) * line[r]
            out[c, k] = total / np.float32(count)
