"""A scan made smaller: every so many views, with binned columns and rows. And a scan whose detector is turned back."""

from __future__ import annotations

import math
from collections.abc import Hashable
from typing import Any

import numba
import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.geometry import Detector, ScanGeometry
from MITOReconstructionLib.scan import Scan
from MITOReconstructionLib.scan.npy import block_to_fill

__all__ = ["BinnedScan", "TiltedScan", "shifted_axis"]

COLUMNS, ROWS, DIRECTIONS = 260, 32, 160
"""Columns, rows and views per half turn that a binned scan keeps at least, where the scan has them."""

KEPT_BYTES = 1 << 30
"""Bytes that the views of a binned scan may take in memory. Those of a MITO scan of 4.5 turns take 75 MiB."""


class BinnedScan(Scan):
    """Every ``stride``-th view of a scan, its pixels averaged over bins.

    Views are picked, not averaged: that blurs nothing along the rotation, and only a part of the file has to be read. Columns and rows
    that fill no whole bin are left out at both ends.

    Parameters
    ----------
    scan : Scan
        Its views are read when they are asked for.
    detail : int
        So many times ``COLUMNS``, ``ROWS`` and ``DIRECTIONS`` are kept.
    keep : bool
        Whether what was read once is kept in memory, where all of it has room in :data:`KEPT_BYTES`.
    """

    def __init__(self, scan: Scan, detail: int = 1, *, keep: bool = True) -> None:
        geometry, detector = scan.geometry, scan.geometry.detector
        most, lines = detail * COLUMNS, detail * ROWS
        columns = max(1, min(detector.columns // most if detector.columns >= 2 * most else 2, detector.columns // 8))
        rows = max(1, min(columns, detector.rows // lines if detector.rows >= 2 * lines else detector.rows // 8))
        step = abs(geometry.angle_step)
        stride = max(1, min(columns, int(math.pi / step / (detail * DIRECTIONS)) if step else 1))
        if geometry.is_circular:  # so that a full circle stays one
            stride = next(n for n in range(stride, 0, -1) if geometry.views % n == 0)
        index = np.arange(0, geometry.views, stride)
        left, low = (detector.columns % columns) // 2, (detector.rows % rows) // 2
        across, along = detector.columns // columns, detector.rows // rows
        binned = Detector(
            across,
            along,
            detector.column_min + left * detector.column_pitch,
            detector.column_min + (left + across * columns) * detector.column_pitch,
            detector.row_min + low * detector.row_pitch,
            detector.row_min + (low + along * rows) * detector.row_pitch,
            detector.curvature_radius,
        )
        small = ScanGeometry(
            geometry.angles[index], geometry.axial_positions[index], geometry.source_radius, geometry.detector_radius, binned
        )
        shape = (len(index), across, along)
        keep = keep and 4 * math.prod(shape) <= KEPT_BYTES
        kept = np.empty(shape, dtype=np.float32) if keep else np.broadcast_to(np.float32(np.nan), shape)
        super().__init__(scan.name, small, scan.default_grid, kept)
        for name, value in {
            "stride": stride, "bins": (columns, rows), "_scan": scan, "_there": np.zeros(len(index), dtype=np.bool_), "_keep": keep,
            "_part": (slice(left, left + across * columns), slice(low, low + along * rows)),
        }.items():  # fmt: skip
            object.__setattr__(self, name, value)

    stride: int
    bins: tuple[int, int]
    _scan: Scan
    _there: NDArray[np.bool_]
    _keep: bool
    _part: tuple[slice, slice]

    def read(self, first: int, last: int, out: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
        """As :meth:`Scan.read`."""
        out = block_to_fill(out, (last - first, *self.projections.shape[1:]))
        across, along = out.shape[1:]
        for view in range(first, last):
            if self._there[view]:
                out[view - first] = self.projections[view]
            else:
                whole = self._scan.read(view * self.stride, view * self.stride + 1)[0][self._part]
                parts = whole.reshape(across, self.bins[0], along, self.bins[1])
                out[view - first] = parts.mean(axis=(1, 3))
                if self._keep:
                    self.projections[view] = out[view - first]
                    self._there[view] = True
        return out

    def forget(self) -> None:
        """Forget what is kept; what is read next is another recording."""
        self._there[:] = False

    def stamp(self) -> Hashable:
        """That of the scan it is made of."""
        return self._scan.stamp()


def shifted_axis(geometry: ScanGeometry, offset: float) -> ScanGeometry:
    """The geometry of a detector on which the rotation axis is seen ``offset`` mm from where column coordinate 0 is."""
    if offset == 0.0:
        return geometry
    d = geometry.detector
    shift = offset if d.is_flat else offset / d.curvature_radius
    moved = Detector(d.columns, d.rows, d.column_min - shift, d.column_max - shift, d.row_min, d.row_max, d.curvature_radius)
    return ScanGeometry(geometry.angles, geometry.axial_positions, geometry.source_radius, geometry.detector_radius, moved)


class TiltedScan(Scan):
    """A scan whose detector is turned in its surface: its views are turned back as they are read.

    A pixel with nominal coordinates (a, w) is really at (a cos - w sin, a sin + w cos). So the value of the true point (A, W) was
    measured at a = A cos + W sin, w = -A sin + W cos. It is looked up in two passes of cubic interpolation, first along each column
    to (a, W), then along each row (Catmull, Smith, Computer Graphics 14 (1980) 279).

    Parameters
    ----------
    scan : Scan
    tilt : float
        In radians.
    """

    def __init__(self, scan: Scan, tilt: float) -> None:
        super().__init__(scan.name, scan.geometry, scan.default_grid, scan.projections)
        detector = scan.geometry.detector
        width, height = detector.pixel_size
        across = detector.column_centres() * (1.0 if detector.is_flat else detector.curvature_radius)
        sin, cos = math.sin(tilt), math.cos(tilt)
        up = detector.row_centres()
        for name, value in {
            "_scan": scan,
            "_rows": ((up[None, :] / cos - across[:, None] * math.tan(tilt)) - up[0]) / height,
            "_columns": ((across[:, None] * cos + up[None, :] * sin) - across[0]) / width,
        }.items():
            object.__setattr__(self, name, value)

    _scan: Scan
    _rows: NDArray[np.float64]
    _columns: NDArray[np.float64]

    def read(self, first: int, last: int, out: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
        """As :meth:`Scan.read`."""
        out = self._scan.read(first, last, out)
        between = np.empty(out.shape[1:], dtype=np.float32)
        for view in out:
            _look_up(view, self._rows, between)
            _look_up(between.T, self._columns.T, view.T)
        return out

    def announce(self, first: int, last: int) -> None:
        """As :meth:`Scan.announce`."""
        self._scan.announce(first, last)

    def stamp(self) -> Hashable:
        """That of the scan whose detector is turned."""
        return self._scan.stamp()


@numba.njit(cache=True, nogil=True, error_model="numpy")
def _look_up(image: Any, position: Any, out: Any) -> None:
    """Cubic convolution (Keys 1981, a = -1/2) along the last axis: out[k, n] = image[k, position[k, n]]; the ends are repeated."""
    lines, count = image.shape
    for k in range(lines):
        for n in range(count):
            at = position[k, n]
            whole = int(np.floor(at))
            s = np.float32(at - whole)
            r = np.float32(1.0) - s
            a, d = np.float32(-0.5) * s * r * r, np.float32(-0.5) * s * s * r
            b = np.float32(1.0) + s * s * (np.float32(1.5) * s - np.float32(2.5))
            c = np.float32(1.0) - a - b - d
            out[k, n] = (
                a * image[k, min(max(whole - 1, 0), count - 1)]
                + b * image[k, min(max(whole, 0), count - 1)]
                + c * image[k, min(max(whole + 1, 0), count - 1)]
                + d * image[k, min(max(whole + 2, 0), count - 1)]
            )
