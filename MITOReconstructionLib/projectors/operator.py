"""A as an operator, for those who bring their own solver; ODL is imported when one is made."""

from __future__ import annotations

from typing import TYPE_CHECKING

import numpy as np
from numpy.typing import DTypeLike

from MITOReconstructionLib.geometry import ScanGeometry, VolumeGrid
from MITOReconstructionLib.projectors.backends import AUTO, Backend, choose_backend

if TYPE_CHECKING:
    from MITOReconstructionLib.projectors.odl_operator import RayTransform

__all__ = ["ray_transform"]


def ray_transform(
    geometry: ScanGeometry, grid: VolumeGrid, backend: str | Backend = AUTO, *, weighted: bool = True, dtype: DTypeLike = np.float32
) -> RayTransform:
    """The forward projector as an ``odl.Operator``; its ``adjoint`` is the exact transpose for the spaces' inner products.

    Parameters
    ----------
    geometry : ScanGeometry
        Which views: ``geometry.select(views)`` for a part of a scan.
    grid : VolumeGrid
    backend : str or Backend
        "auto", "cpu" or "astra"; ``operator.backend`` says which one it became.
    weighted : bool
        Whether the inner products approximate integrals (a voxel counts by its size in mm^3, a pixel by its
        size on the detector in mm^2 times the mean rotation per view in radians) or are
        plain sums. It changes the adjoint by a factor, and nothing else.
    dtype : float32 or float64
        Of the spaces' elements; projections are computed in float32 all the same.

    Returns
    -------
    RayTransform
        Maps volumes, shape grid.shape in 1/mm, to projections, shape (views, columns, rows) without unit.

    Raises
    ------
    InputError, MissingPackageError
        As :func:`~MITOReconstructionLib.projectors.backends.choose_backend`; when odl is missing; when the dtype is another.
    """
    from MITOReconstructionLib.projectors.odl_operator import RayTransform

    return RayTransform(geometry, grid, choose_backend(backend), weighted=weighted, dtype=dtype)
