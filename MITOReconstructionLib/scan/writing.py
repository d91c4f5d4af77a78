"""Writing sample folders, a block of views at a time."""

from __future__ import annotations

import json
import math
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any, BinaryIO

import numpy as np
from numpy.typing import ArrayLike, NDArray

from MITOReconstructionLib.errors import InputError
from MITOReconstructionLib.files import replacing, replacing_folder
from MITOReconstructionLib.geometry import ScanGeometry, VolumeGrid

__all__ = ["write_sample"]


def write_sample(
    folder: str | os.PathLike[str],
    geometry: ScanGeometry,
    grid: VolumeGrid,
    blocks: Iterable[NDArray[np.float32]],
    *,
    shifts: ArrayLike | None = None,
    name: str | None = None,
    overwrite: bool = False,
) -> Path:
    """Write a MITO sample folder; on any failure nothing is left behind.

    Parameters
    ----------
    folder : path
        The new sample folder; its parent must exist.
    geometry : ScanGeometry
    grid : VolumeGrid
        The default volume of the sample, with cubic voxels.
    blocks : iterable of float32, shape (n, columns, rows)
        Line integrals of the views in their order, n at a time; each block is written before the next is asked for.
    shifts : array, shape (views, 3), optional
        Content of shifts.npy in mm; its last column is taken off the geometry's axial positions, so that the scan
        that is read back has this geometry. Zero by default.
    name : str, optional
        The name shown to people; with it, the sample is entered in the samples.json beside its folder.
    overwrite : bool, optional
        Whether an existing folder may be replaced.

    Returns
    -------
    Path
        The sample folder.

    Raises
    ------
    InputError
        When the folder is in the way, or the shifts or the blocks do not fit the geometry.
    WorkError
        When writing fails.
    """
    target = Path(folder)
    offsets = np.zeros((geometry.views, 3)) if shifts is None else np.asarray(shifts, dtype=np.float64)
    if offsets.shape != (geometry.views, 3) or not np.all(np.isfinite(offsets)):
        raise InputError(
            "shifts",
            expected=f"finite numbers of shape ({geometry.views}, 3)",
            found=f"shape {offsets.shape}",
            remedy="Give three per view.",
        )
    with replacing_folder(target, overwrite=overwrite) as temporary:
        with (temporary / "sinogram.npy").open("wb") as file:
            limits = _write_sinogram(file, geometry, blocks)
        angles = np.mod(geometry.angles, 2 * math.pi)
        np.save(temporary / "angles.npy", np.where(angles < 2 * math.pi, angles, 0.0))
        np.save(temporary / "axial_positions.npy", geometry.axial_positions - offsets[:, 2])
        np.save(temporary / "shifts.npy", offsets)
        text = json.dumps(_metadata(geometry, grid, limits), indent=2, allow_nan=False)
        (temporary / "metadata.json").write_text(text + "\n", encoding="utf-8")
    if name is not None:
        _enter_sample(target, name)
    return target


def _write_sinogram(file: BinaryIO, geometry: ScanGeometry, blocks: Iterable[NDArray[np.float32]]) -> tuple[float, float]:
    """Write the header and the views block by block; return the smallest and largest value."""
    pixels = (geometry.detector.columns, geometry.detector.rows)
    shape = (geometry.views, *pixels)
    header = {"descr": np.lib.format.dtype_to_descr(np.dtype("<f4")), "fortran_order": False, "shape": shape}
    np.lib.format.write_array_header_1_0(file, header)
    lowest, highest, written = math.inf, -math.inf, 0
    for values in blocks:
        if values.shape[1:] != pixels:
            raise _misfit(shape, f"a block of shape {values.shape}")
        lowest, highest = min(lowest, float(values.min())), max(highest, float(values.max()))
        file.write(np.ascontiguousarray(values, dtype="<f4").data)
        written += len(values)
    if written != geometry.views:
        raise _misfit(shape, f"{written} views")
    return lowest, highest


def _misfit(shape: tuple[int, int, int], found: str) -> InputError:
    return InputError(
        "projections", expected=f"shape (views, columns, rows) = {shape}", found=found, remedy="Give every view of the geometry once."
    )


def _metadata(geometry: ScanGeometry, grid: VolumeGrid, limits: tuple[float, float]) -> dict[str, Any]:
    """The content of metadata.json."""
    d = geometry.detector
    content: dict[str, Any] = {
        "GEOMETRY_ENGINE": "ODL",
        "GEOMETRY_NAME": "ConeBeamGeometry",
        "DET_NPX_X": d.columns,
        "DET_NPX_Z": d.rows,
        "DET_PIX_SIZE": d.pixel_size[0],
        "DET_X_MIN": d.column_min,
        "DET_X_MAX": d.column_max,
        "DET_Z_MIN": d.row_min,
        "DET_Z_MAX": d.row_max,
        "SRC_RADIUS": geometry.source_radius,
        "DET_RADIUS": geometry.detector_radius,
        "DET_CURVATURE_RADIUS": None if d.is_flat else d.curvature_radius,
        "ROTATION_AXIS": [0, 0, 1],
        "REC_PIC_SIZE": grid.spacing[0],
    }
    for axis, low, high, count in zip("XYZ", grid.minimum, grid.maximum, grid.shape, strict=True):
        content |= {f"REC_NPX_{axis}": count, f"REC_MIN_{axis}": low, f"REC_MAX_{axis}": high}
    content |= {"SINOGRAM_MIN": limits[0], "SINOGRAM_MAX": limits[1]}
    return content


def _enter_sample(folder: Path, name: str) -> None:
    """Add a sample to the samples.json beside its folder, or rename it there."""
    listing = folder.resolve().parent / "samples.json"
    try:
        entries = json.loads(listing.read_text(encoding="utf-8-sig")) if listing.exists() else []
    except (OSError, ValueError):
        entries = None
    if not isinstance(entries, list):
        raise InputError(listing, expected="a JSON list of samples", found="something else", remedy="Correct the file, or remove it.")
    entry = {"folder": folder.resolve().name, "name": name}
    known = [i for i, old in enumerate(entries) if isinstance(old, dict) and old.get("folder") == entry["folder"]]
    if known:
        entries[known[0]] = entry
    else:
        entries.append(entry)
    with replacing(listing) as temporary:
        temporary.write_text(json.dumps(entries, indent=2, ensure_ascii=False) + "\n", encoding="utf-8")
