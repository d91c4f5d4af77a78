"""One slice as an NRRD file, placed where it is."""

from __future__ import annotations

import os
from collections.abc import Mapping
from typing import Any

import numpy as np
from numpy.typing import ArrayLike, NDArray

from MITOReconstructionLib.errors import InputError
from MITOReconstructionLib.export.nrrd_header import header_bytes
from MITOReconstructionLib.export.volume import require_nrrd_suffix, write_samples

__all__ = ["save_slice"]


def save_slice(path: str | os.PathLike[str], image: NDArray[Any], matrix: ArrayLike, provenance: Mapping[str, Any] | None = None) -> None:
    """Write an image as an NRRD volume of one slice.

    Parameters
    ----------
    path : path
        Ends in ``.nrrd``.
    image : array of numbers, shape (n, m)
        Indexed [i, j]; written as float32, i fastest.
    matrix : float, shape (4, 4)
        From pixel indices (i, j, k, 1) to mm in the RAS frame; k counts slices, and its step is their thickness.
    provenance : mapping, optional
        Written as key/value pairs.

    Raises
    ------
    InputError
        When the image has another number of axes, the matrix another shape, or ``path`` cannot be used.
    WorkError
        When writing fails. Nothing is left behind.
    """
    target = require_nrrd_suffix(path)
    place = np.asarray(matrix, dtype=np.float64)
    if image.ndim != 2 or place.shape != (4, 4):
        raise InputError(
            "slice", expected="an image of two axes and a 4 x 4 matrix", found=f"shapes {image.shape} and {place.shape}",
            remedy="Give one slice and its place.",
        )  # fmt: skip
    header = header_bytes((*image.shape, 1), place[:3, 3].tolist(), place[:3, :3].T.tolist(), provenance or {}, encoding="raw")
    write_samples(target, header, image[:, :, None], compress=False)
