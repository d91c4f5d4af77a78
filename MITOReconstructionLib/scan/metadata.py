"""metadata.json of a MITO sample: the geometry and the default grid, checked key by key."""

from __future__ import annotations

import json
import math
from dataclasses import dataclass
from pathlib import Path
from typing import Any

from MITOReconstructionLib.errors import InputError
from MITOReconstructionLib.files import is_endless
from MITOReconstructionLib.geometry import Detector

__all__ = ["Metadata", "read_metadata"]

AXIAL_KEYS = ("REC_NPX_Z", "REC_MIN_Z", "REC_MAX_Z")
MOST = 2**31 - 1
"""Pixels or voxels along an axis, as widgets and file formats can have them."""

LARGEST, SMALLEST = 1e9, 1e-9
"""Numbers larger than the one, and sizes smaller than the other, are of no scanner, and no computation with them gives anything."""

CHECK_FILE = "Correct the file, or export the scan again."


@dataclass(frozen=True)
class Metadata:
    """The content of metadata.json.

    detector : Detector;
    source_radius, detector_radius : mm;
    voxel_size : default voxel side in mm;
    lateral : ((x minimum, x maximum, voxels), (y minimum, y maximum, voxels)), edges in mm;
    axial : (z minimum, z maximum, voxels), or None in old files, where it follows from the trajectory;
    value_range : smallest and largest value of the sinogram, where the file says so;
    warnings : oddities that do not stop anybody, as sentences;
    raw : the file as it is.
    """

    detector: Detector
    source_radius: float
    detector_radius: float
    voxel_size: float
    lateral: tuple[tuple[float, float, int], tuple[float, float, int]]
    axial: tuple[float, float, int] | None
    value_range: tuple[float, float] | None
    warnings: tuple[str, ...]
    raw: dict[str, Any]


def read_metadata(path: Path) -> Metadata:
    """Read and check a metadata.json.

    Raises
    ------
    InputError
        Naming the file and the key, for anything that data-format does not allow.
    """
    fields = _Fields(path, _read_json(path))
    fields.require("GEOMETRY_ENGINE", "ODL")
    fields.require("GEOMETRY_NAME", "ConeBeamGeometry")
    _check_axis(fields)
    detector = _detector(fields)
    voxel = fields.positive("REC_PIC_SIZE")
    lateral = (_extent(fields, "X"), _extent(fields, "Y"))
    axial = _extent(fields, "Z") if all(key in fields.raw for key in AXIAL_KEYS) else None
    return Metadata(
        detector=detector,
        source_radius=fields.positive("SRC_RADIUS"),
        detector_radius=fields.not_negative("DET_RADIUS"),
        voxel_size=voxel,
        lateral=lateral,
        axial=axial,
        value_range=_value_range(fields),
        warnings=tuple(_oddities(fields, detector, voxel, [*lateral, *([axial] if axial else [])])),
        raw=fields.raw,
    )


class _Fields:
    """The keys of one metadata file, each read with its own check."""

    def __init__(self, path: Path, raw: dict[str, Any]) -> None:
        self.path, self.raw = path, raw

    def fault(self, key: str, expected: str, found: object, remedy: str = CHECK_FILE) -> InputError:
        return InputError(f"{self.path}: {key}", expected=expected, found=str(found), remedy=remedy)

    def get(self, key: str, expected: str) -> Any:
        if key not in self.raw:
            raise self.fault(key, expected, "no such key", "Add the key, or export the scan again.")
        return self.raw[key]

    def require(self, key: str, value: str) -> None:
        found = self.get(key, f'"{value}"')
        if found != value:
            raise self.fault(
                key, f'"{value}", the only geometry that this program knows', _shown(found), "Use a sample of the MITO format."
            )

    def finite(self, key: str) -> float:
        value = self.get(key, "a number")
        number = _real(value)
        if not math.isfinite(number):
            raise self.fault(key, "a finite number", _shown(value))
        return number

    def number(self, key: str) -> float:
        value = self.finite(key)
        if abs(value) > LARGEST:
            raise self.fault(key, f"a number from {-LARGEST:g} to {LARGEST:g}", f"{value:g}")
        return value

    def positive(self, key: str) -> float:
        value = self.number(key)
        if value <= 0:
            raise self.fault(key, "a positive length in mm", f"{value:g}")
        if value < SMALLEST:
            raise self.fault(key, f"a length of at least {SMALLEST:g} mm", f"{value:g}")
        return value

    def not_negative(self, key: str) -> float:
        value = self.number(key)
        if value < 0:
            raise self.fault(key, "a length in mm of at least 0", f"{value:g}")
        return value

    def above(self, key: str, lower: str) -> float:
        value, minimum = self.number(key), self.number(lower)
        if value <= minimum:
            raise self.fault(key, f"a number above {lower} = {minimum:g}", f"{value:g}")
        if value - minimum < SMALLEST:
            raise self.fault(key, f"a number above {lower} = {minimum:g} by at least {SMALLEST:g}", f"{value:g}")
        return value

    def count(self, key: str) -> int:
        value = self.finite(key)
        if value < 1 or value != int(value):
            raise self.fault(key, "a whole number of at least 1", f"{value:g}")
        if value > MOST:
            raise self.fault(key, f"a whole number of at most {MOST}", f"{value:g}")
        return int(value)


def _read_json(path: Path) -> dict[str, Any]:
    expected = "a JSON object with the keys of the MITO sample format"
    if is_endless(path):
        raise InputError(path, expected=expected, found="a pipe or a device of that name", remedy="Copy the complete sample folder.")
    try:
        raw = json.loads(path.read_text(encoding="utf-8-sig"))
    except FileNotFoundError as error:
        raise InputError(path, expected=expected, found="no such file", remedy="Choose a sample folder, or copy it completely.") from error
    except OSError as error:
        raise InputError(path, expected=expected, found=str(error), remedy="Check the file and its permissions.") from error
    except UnicodeDecodeError as error:
        raise InputError(path, expected=expected, found=f"a file that is no UTF-8 text ({error.reason})", remedy=CHECK_FILE) from error
    except (ValueError, RecursionError) as error:
        raise InputError(path, expected=expected, found=f"a file that is no JSON text ({error})", remedy=CHECK_FILE) from error
    if not isinstance(raw, dict):
        raise InputError(path, expected=expected, found=f"{_shown(raw)}, which is no object", remedy=CHECK_FILE)
    return raw


def _shown(value: Any) -> str:
    """A JSON value for a person, cut where it is long."""
    try:
        text = json.dumps(value)
    except (ValueError, RecursionError):  # a number of thousands of digits, or lists within lists
        return f"a {type(value).__name__} too long to show"
    return text if len(text) <= 80 else text[:80] + " ..."


def _real(value: Any) -> float:
    """A JSON number as float; NaN for anything else, infinity for a whole number beyond the range of float."""
    if isinstance(value, bool) or not isinstance(value, (int, float)):
        return math.nan
    try:
        return float(value)
    except OverflowError:
        return math.inf


def _detector(fields: _Fields) -> Detector:
    values = {
        "columns": fields.count("DET_NPX_X"),
        "rows": fields.count("DET_NPX_Z"),
        "column_min": fields.number("DET_X_MIN"),
        "column_max": fields.above("DET_X_MAX", "DET_X_MIN"),
        "row_min": fields.number("DET_Z_MIN"),
        "row_max": fields.above("DET_Z_MAX", "DET_Z_MIN"),
        "curvature_radius": _curvature(fields),
    }
    try:
        return Detector(**values)  # type: ignore[arg-type]
    except InputError as error:
        raise fields.fault("DET_X_MIN, DET_X_MAX", error.expected, error.found, error.remedy) from error


def _value_range(fields: _Fields) -> tuple[float, float] | None:
    if not all(key in fields.raw for key in ("SINOGRAM_MIN", "SINOGRAM_MAX")):
        return None
    low, high = fields.finite("SINOGRAM_MIN"), fields.finite("SINOGRAM_MAX")
    if high < low:
        raise fields.fault("SINOGRAM_MAX", f"a number of at least SINOGRAM_MIN = {low:g}", f"{high:g}", "Correct or remove both keys.")
    return low, high


def _check_axis(fields: _Fields) -> None:
    if "ROTATION_AXIS" not in fields.raw:
        return
    axis, expected = fields.raw["ROTATION_AXIS"], "[0, 0, 1]: only scans about the z axis are known"
    numbers = [_real(value) for value in axis] if isinstance(axis, list) else []
    if len(numbers) != 3 or not all(math.isfinite(number) for number in numbers):
        raise fields.fault("ROTATION_AXIS", expected, _shown(axis))
    if not (numbers[0] == 0 and numbers[1] == 0 and numbers[2] > 0):
        raise fields.fault("ROTATION_AXIS", expected, _shown(axis), "Turn the scan's coordinates so that it rotates about +z.")


def _curvature(fields: _Fields) -> float:
    """The radius of the detector cylinder; null and Infinity stand for a flat detector."""
    expected = "a positive length in mm, or null for a flat detector"
    value = fields.get("DET_CURVATURE_RADIUS", expected)
    if value is None:
        return math.inf
    radius = _real(value)
    if not radius > 0:
        raise fields.fault("DET_CURVATURE_RADIUS", expected, _shown(value))
    if not (SMALLEST <= radius <= LARGEST or math.isinf(radius)):
        expected = f"a length from {SMALLEST:g} to {LARGEST:g} mm, or null for a flat detector"
        raise fields.fault("DET_CURVATURE_RADIUS", expected, _shown(value))
    return radius


def _extent(fields: _Fields, axis: str) -> tuple[float, float, int]:
    return fields.number(f"REC_MIN_{axis}"), fields.above(f"REC_MAX_{axis}", f"REC_MIN_{axis}"), fields.count(f"REC_NPX_{axis}")


def _oddities(fields: _Fields, detector: Detector, voxel: float, extents: list[tuple[float, float, int]]) -> list[str]:
    """Sentences about values that contradict each other without making the sample unusable."""
    found = []
    pixel, (width, height) = fields.positive("DET_PIX_SIZE"), detector.pixel_size
    for name, size in (("columns", width), ("rows", height)):
        if abs(pixel - size) > 0.01 * size:
            found.append(f"{fields.path}: DET_PIX_SIZE is {pixel:g} mm, but the {name} are {size:.6g} mm apart; the latter is used.")
    for axis, (low, high, count) in zip("XYZ", extents, strict=False):
        if abs((high - low) / count - voxel) > 0.01 * voxel:
            found.append(
                f"{fields.path}: REC_PIC_SIZE is {voxel:g} mm, but REC_MIN_{axis}, REC_MAX_{axis} and REC_NPX_{axis} make "
                f"{(high - low) / count:.6g} mm; the latter is used."
            )
    return found
