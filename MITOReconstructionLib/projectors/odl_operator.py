"""A as an operator of ODL, and a scan's geometry as a geometry of ODL; the only file that imports odl.

ODL 1.0.0 changes numpy's print options when it is imported; they are put back here.
"""

from __future__ import annotations

from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from MITOReconstructionLib.errors import InputError, MissingPackageError
from MITOReconstructionLib.geometry import ScanGeometry, VolumeGrid
from MITOReconstructionLib.projectors.backends import Backend

try:
    with np.printoptions():
        import odl
        import odl.applications.tomo
except ImportError as missing:
    raise MissingPackageError("odl", "An operator for ODL", "pip install 'mito-reconstruction[odl]'") from missing

__all__ = ["BackProjection", "RayTransform", "odl_geometry", "projection_space", "volume_space"]


def volume_space(grid: VolumeGrid, *, weighted: bool = True, dtype: DTypeLike = np.float32) -> odl.DiscretizedSpace:
    """Volumes on a grid; inner products are weighted by a voxel's size in mm^3, or by 1."""
    weighting = float(np.prod(grid.spacing)) if weighted else 1.0
    return odl.uniform_discr(grid.minimum, grid.maximum, grid.shape, dtype=_real(dtype), weighting=weighting)


def projection_space(geometry: ScanGeometry, *, weighted: bool = True, dtype: DTypeLike = np.float32) -> odl.DiscretizedSpace:
    """Projections of a scan, axes view index, column coordinate, row coordinate.

    Inner products are weighted by the mean rotation per view in radians (1 for a single view) times a pixel's size on the
    detector in mm^2, or by 1. The first axis counts views, so that angles may fall or repeat.
    """
    d = geometry.detector
    weighting = (abs(geometry.angle_step) or 1.0) * float(np.prod(d.pixel_size)) if weighted else 1.0
    low, high = (-0.5, d.column_min, d.row_min), (geometry.views - 0.5, d.column_max, d.row_max)
    shape = (geometry.views, d.columns, d.rows)
    return odl.uniform_discr(low, high, shape, dtype=_real(dtype), weighting=weighting, axis_labels=("view", "column", "row"))


class RayTransform(odl.Operator):  # type: ignore[misc]
    """Forward projection as an ODL operator; made by
    :func:`MITOReconstructionLib.projectors.operator.ray_transform`."""

    def __init__(self, geometry: ScanGeometry, grid: VolumeGrid, backend: Backend, *, weighted: bool, dtype: DTypeLike) -> None:
        self.geometry = geometry
        self.grid = grid
        self.backend = backend
        super().__init__(
            domain=volume_space(grid, weighted=weighted, dtype=dtype),
            range=projection_space(geometry, weighted=weighted, dtype=dtype),
            linear=True,
        )
        self._adjoint = BackProjection(self)

    def _call(self, x: Any, out: Any) -> None:
        _fill(out, self.backend.forward, x, self.grid, self.geometry, 1.0)

    def norm(self, estimate: bool = False, **options: Any) -> float:
        """As ODL estimates it, as a plain number: ODL's own is one of numpy's, which no ODL element can be multiplied by."""
        return float(super().norm(estimate, **options))

    @property
    def adjoint(self) -> BackProjection:
        """The adjoint for the inner products of ``domain`` and ``range``."""
        return self._adjoint


class BackProjection(odl.Operator):  # type: ignore[misc]
    """The adjoint of a :class:`RayTransform`: the transpose, times the ratio of the two spaces' weights."""

    def __init__(self, forward: RayTransform) -> None:
        self._forward = forward
        self._scale = forward.range.weighting.const / forward.domain.weighting.const
        super().__init__(domain=forward.range, range=forward.domain, linear=True)

    def _call(self, x: Any, out: Any) -> None:
        forward = self._forward
        _fill(out, forward.backend.back, x, forward.grid, forward.geometry, self._scale)

    @property
    def adjoint(self) -> RayTransform:
        """The forward projection."""
        return self._forward


def _fill(out: Any, compute: Any, x: Any, grid: VolumeGrid, geometry: ScanGeometry, scale: float) -> None:
    with out.writable_array() as array:
        direct = array.dtype == np.float32 and array.flags.c_contiguous
        result = compute(np.asarray(x.asarray()), grid, geometry, array if direct else None)
        if not direct:
            array[...] = result
        if scale != 1.0:
            array *= scale


def odl_geometry(geometry: ScanGeometry) -> odl.applications.tomo.ConeBeamGeometry:
    """The same views as a ``ConeBeamGeometry`` of ODL, in the order of rising angles (ODL allows no other).

    Detector coordinates are those of :class:`~MITOReconstructionLib.geometry.Detector`: column coordinate, then row
    coordinate in mm. Source and detector follow the axial positions, between views linearly.

    Raises
    ------
    InputError
        When two views have the same angle.
    """
    d = geometry.detector
    order = np.argsort(geometry.angles, kind="stable")
    angles, heights = geometry.angles[order], geometry.axial_positions[order]
    same = np.flatnonzero(np.diff(angles) <= 0.0)
    if same.size:
        raise InputError(
            "angles",
            expected="a different angle in each view, for ODL",
            found=f"views {order[same[0]]} and {order[same[0] + 1]} both at {angles[same[0]]:g}",
            remedy="Select views with different angles; unwrap the angles of a helix.",
        )

    def shift(angle: float | NDArray[np.float64]) -> NDArray[np.float64]:
        z = np.interp(angle, angles, heights)
        return np.stack([np.zeros_like(z), np.zeros_like(z), z], axis=-1)

    half = 0.5 * abs(geometry.angle_step) or 0.5
    motion = odl.nonuniform_partition(angles, min_pt=angles[0] - half, max_pt=angles[-1] + half)
    return odl.applications.tomo.ConeBeamGeometry(
        motion,
        odl.uniform_partition([d.column_min, d.row_min], [d.column_max, d.row_max], [d.columns, d.rows]),
        src_radius=geometry.source_radius,
        det_radius=geometry.detector_radius,
        det_curvature_radius=None if d.is_flat else (d.curvature_radius, None),
        pitch=0,
        axis=(0, 0, 1),
        src_shift_func=shift,
        det_shift_func=shift,
    )


def _real(dtype: DTypeLike) -> str:
    name = np.dtype(dtype).name
    if name not in ("float32", "float64"):
        raise InputError("dtype", expected="float32 or float64", found=name, remedy="Choose one of these.")
    return name
