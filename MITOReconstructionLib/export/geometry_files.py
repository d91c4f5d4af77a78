"""The geometry of a scan as a file: JSON and NPZ, which can be read back, and VTP for looking at."""

from __future__ import annotations

import json
import math
import os
import zipfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.errors import InputError, WorkError
from MITOReconstructionLib.export.vtp import write_vtp
from MITOReconstructionLib.files import replacing
from MITOReconstructionLib.geometry import ScanGeometry
from MITOReconstructionLib.geometry.scan_geometry import Views

__all__ = ["GEOMETRY_SUFFIXES", "load_geometry", "save_geometry"]

_DETECTOR = ("columns", "rows", "column_min", "column_max", "row_min", "row_max", "curvature_radius")
_RADII = ("source_radius", "detector_radius")


def save_geometry(path: str | os.PathLike[str], geometry: ScanGeometry, views: Views = None) -> None:
    """Write the geometry of a scan; the suffix of ``path`` chooses the format.

    ``.json``
        What :meth:`ScanGeometry.to_dict` gives, the units, and derived values. An infinite value is null.
    ``.npz``
        Arrays: angles, axial_positions, view (index in the scan), sources (n, 3), detector_corners (n, 2, 2, 3) over
        the low and high column edge and the low and high row edge, and the scalars source_radius, detector_radius and
        detector_*. Lengths in mm, angles in radians.
    ``.vtp``
        VTK polygonal data: the trajectory of all views as one polyline, and for the views chosen the detector's
        surface as quadrilaterals and the rays from the source to its corners and the middles of its edges. Point data:
        view, angle, axial_position. Cell data: part (0 trajectory, 1 detector, 2 rays) and view (-1 for the
        trajectory).

    Parameters
    ----------
    path : path
    geometry : ScanGeometry
    views : selection of views, optional
        In ``.json`` and ``.npz`` the views that are written; all by default. In ``.vtp`` the views whose detector and
        rays are written; by default up to 16, spread evenly from the first to the last.

    Raises
    ------
    InputError
        When the suffix is none of these, the selection is empty or leaves the scan, or ``path`` cannot be used.
    WorkError
        When writing fails. Nothing is left behind.
    """
    target = Path(path)
    write = _WRITERS.get(target.suffix.lower())
    if write is None:
        raise InputError(
            target, expected=f"a file name that ends in {', '.join(_WRITERS)}", found=repr(target.suffix), remedy="Change the suffix."
        )
    if views is not None and not geometry.view_indices(views).size:
        raise InputError(
            "views", expected=f"at least one view from 0 to {geometry.views - 1}", found="none", remedy="Choose views of this scan."
        )
    with replacing(target) as temporary:
        write(temporary, geometry, views)


def load_geometry(path: str | os.PathLike[str]) -> ScanGeometry:
    """Read a geometry from a ``.json`` or ``.npz`` file of :func:`save_geometry`.

    Raises
    ------
    InputError
        When the file is missing, damaged, of another kind, or lacks an entry, or a value is out of range.
    WorkError
        When it cannot be read.
    """
    source = Path(path)
    read = _READERS.get(source.suffix.lower())
    if read is None:
        raise InputError(
            source, expected=f"a file name that ends in {', '.join(_READERS)}", found=repr(source.suffix), remedy="Choose another file."
        )
    if not source.is_file():
        found = "a folder" if source.is_dir() else "no such file"
        raise InputError(source, expected="a geometry file", found=found, remedy="Check the path.")
    try:
        return ScanGeometry.from_dict(read(source))
    except InputError as error:
        raise InputError(f"{source}: {error.where}", expected=error.expected, found=error.found, remedy=error.remedy) from error
    except OSError as error:
        raise WorkError(f"{source}: could not be read: {error.strerror or error}.") from error
    except KeyError as error:
        raise InputError(source, expected=f"an entry {error}", found="none", remedy="Write the geometry again.") from error
    except (ValueError, TypeError, EOFError, zipfile.BadZipFile) as error:
        raise InputError(source, expected="a geometry as save_geometry writes it", found=str(error), remedy="Write it again.") from error


def describe(geometry: ScanGeometry) -> dict[str, Any]:
    """Derived values of a scan, JSON-ready: lengths in mm, angles in radians, None for infinity."""
    axial = geometry.axial_positions
    return {
        "views": geometry.views,
        "turns": geometry.turns,
        "views_per_turn": geometry.views_per_turn if math.isfinite(geometry.views_per_turn) else None,
        "angle_step": geometry.angle_step,
        "pitch": geometry.pitch,
        "is_circular": geometry.is_circular,
        "axial_range": [float(axial.min()), float(axial.max())],
        "source_to_detector": geometry.source_to_detector,
        "detector_is_flat": geometry.detector.is_flat,
        "pixel_size": list(geometry.detector.pixel_size),
        "fan_angles": list(geometry.fan_angles),
        "field_of_view_radius": geometry.field_of_view_radius,
    }


def _write_json(path: Path, geometry: ScanGeometry, views: Views) -> None:
    part = geometry if views is None else geometry.select(views)
    column_unit = "mm" if part.detector.is_flat else "rad"
    content = {
        "format": "MITOReconstruction scan geometry",
        "units": {"lengths": "mm", "angles": "rad", "detector.column_min, detector.column_max": column_unit, "pitch": "mm per turn"},
        "source_position": "(source_radius sin(angle), -source_radius cos(angle), axial_position)",
        **part.to_dict(),
        "view": geometry.view_indices(views).tolist(),
        "derived": describe(part),
    }
    lines = [f"  {json.dumps(name)}: {json.dumps(value, allow_nan=False)}" for name, value in content.items()]
    path.write_text("{\n" + ",\n".join(lines) + "\n}\n", encoding="utf-8", newline="\n")


def _write_npz(path: Path, geometry: ScanGeometry, views: Views) -> None:
    part = geometry if views is None else geometry.select(views)
    detector = part.detector
    corners = part.detector_points(
        columns=np.array([detector.column_min, detector.column_max]), rows=np.array([detector.row_min, detector.row_max])
    )
    entries: dict[str, NDArray[Any]] = {
        "angles": part.angles,
        "axial_positions": part.axial_positions,
        "view": geometry.view_indices(views),
        "sources": part.sources(),
        "detector_corners": corners,
    }
    entries |= {name: np.asarray(getattr(part, name)) for name in _RADII}
    entries |= {f"detector_{name}": np.asarray(getattr(detector, name)) for name in _DETECTOR}
    with path.open("wb") as stream:
        np.savez(stream, allow_pickle=False, **entries)


def _read_json(path: Path) -> dict[str, Any]:
    content = json.loads(path.read_text(encoding="utf-8"))
    if not isinstance(content, dict):
        raise ValueError(f"{type(content).__name__} in the place of an object")
    return content


def _read_npz(path: Path) -> dict[str, Any]:
    with path.open("rb") as stream, np.load(stream, allow_pickle=False) as entries:
        content = {name: entries[name] for name in ("angles", "axial_positions")}
        content |= {name: entries[name].item() for name in _RADII}
        content["detector"] = {name: entries[f"detector_{name}"].item() for name in _DETECTOR}
    return content


_WRITERS: dict[str, Callable[[Path, ScanGeometry, Views], None]] = {".json": _write_json, ".npz": _write_npz, ".vtp": write_vtp}
_READERS: dict[str, Callable[[Path], dict[str, Any]]] = {".json": _read_json, ".npz": _read_npz}

GEOMETRY_SUFFIXES = tuple(_WRITERS)
"""The file name suffixes that :func:`save_geometry` knows."""
