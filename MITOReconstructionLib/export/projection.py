"""One projection as an NRRD file."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.errors import InputError
from MITOReconstructionLib.export.nrrd_header import header_bytes
from MITOReconstructionLib.export.volume import require_nrrd_suffix, write_samples
from MITOReconstructionLib.geometry import ScanGeometry

__all__ = ["save_projection"]


def save_projection(
    path: str | os.PathLike[str],
    projection: NDArray[Any],
    geometry: ScanGeometry,
    view: int,
    provenance: Mapping[str, Any] | None = None,
) -> None:
    """Write one projection as an NRRD volume of one slice, the detector's surface rolled out flat.

    The axes of the file are column, row and depth. In Slicer the columns run along x (R) and the rows along z (S), in
    mm on the detector's surface: x is 0 on the line from the source through the rotation axis, z is the axial
    position at which the row is, so that a projection stands beside the volume at its own height. The depth is that
    of one pixel, along -y, so that the axes are right-handed.

    Parameters
    ----------
    path : path
        Ends in ``.nrrd``.
    projection : array of numbers, shape (columns, rows)
    geometry : ScanGeometry
        The scan that the projection is from.
    view : int
        Index of the projection's view in ``geometry``.
    provenance : mapping, optional
        Written as key/value pairs beside ``view``, ``angle_rad`` and ``axial_position_mm``.

    Raises
    ------
    InputError
        When the projection's shape is not the detector's, the view is outside the scan, or ``path`` cannot be used.
    WorkError
        When writing fails. Nothing is left behind.
    """
    target = require_nrrd_suffix(path)
    detector = geometry.detector
    if projection.shape != (detector.columns, detector.rows):
        raise InputError(
            "projection",
            expected=f"an array of shape {(detector.columns, detector.rows)} (columns, rows), the detector's",
            found=f"shape {projection.shape}",
            remedy="Give one projection, its columns first.",
        )
    index = int(geometry.view_indices(view)[0])
    width, height = detector.pixel_size
    across = detector.column_centres()[0] * (1.0 if detector.is_flat else detector.curvature_radius)
    axial = float(geometry.axial_positions[index])
    pairs = {"view": index, "angle_rad": float(geometry.angles[index]), "axial_position_mm": axial, **(provenance or {})}
    header = header_bytes(
        (detector.columns, detector.rows, 1),
        (across, 0.0, axial + float(detector.row_centres()[0])),
        ((width, 0.0, 0.0), (0.0, 0.0, height), (0.0, -width, 0.0)),
        pairs,
        encoding="raw",
    )
    write_samples(target, header, np.asarray(projection)[:, :, None], compress=False)
