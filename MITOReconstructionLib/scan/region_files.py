"""Regions as JSON files: this program's own lists, and what the CT_GUI_Docker client wrote."""

from __future__ import annotations

import json
import os
from collections.abc import Iterable
from pathlib import Path
from typing import Any

from MITOReconstructionLib.errors import InputError
from MITOReconstructionLib.files import is_endless, replacing
from MITOReconstructionLib.geometry.detector import real
from MITOReconstructionLib.scan.regions import Region

__all__ = ["read_regions", "sample_of_regions", "write_regions"]

FORMAT, VERSION = "MITO regions", 1

LARGEST = 16 << 20
"""Bytes; a file that is larger is no list of regions."""


def write_regions(path: str | os.PathLike[str], regions: Iterable[Region], *, sample: str = "") -> None:
    """Write regions into a JSON file.

    Parameters
    ----------
    path : path
    regions : iterable of Region
    sample : str, optional
        Name of the scan that they belong to, for people.

    Raises
    ------
    InputError
        When the name cannot be used.
    WorkError
        When writing fails; what was there before is still there then.
    """
    told = {"format": FORMAT, "version": VERSION, "sample": sample, "regions": [region.to_dict() for region in regions]}
    with replacing(path) as temporary:
        temporary.write_text(json.dumps(told, indent=1, allow_nan=False) + "\n", encoding="utf-8")


def read_regions(path: str | os.PathLike[str], *, views: int | None = None) -> list[Region]:
    """Read regions from a JSON file.

    Parameters
    ----------
    path : path
        What :func:`write_regions` wrote, a list of such regions, one of them, or a file of the CT_GUI_Docker client.
        That one holds one region: ``version`` 0, ``center`` and ``size`` in mm, ``sinogram_range`` (first and last view,
        both included), ``resolution`` (voxel counts) and ``auto_resolution``; its name is the file's.
    views : int, optional
        Number of views of the scan. A view range of the CT_GUI_Docker client that covers them all, which is what it
        wrote where nobody had set one, is read as automatic.

    Raises
    ------
    InputError
        When the file cannot be read, or holds no regions; it names the file and the entry.
    """
    source = Path(path)
    data = _parsed(source)
    if isinstance(data, dict) and "center" in data:
        return [_of_old_client(source, data, views)]
    if isinstance(data, dict) and "regions" in data:
        version = data.get("version", VERSION)
        if data.get("format", FORMAT) != FORMAT or version != VERSION or isinstance(version, bool):
            raise InputError(
                f"{source}: format",
                expected=f"'{FORMAT}', version {VERSION}",
                found=f"{data.get('format')!r}, version {version!r}",
                remedy="Choose a file that holds regions, or a newer version of this program.",
            )
        data = data["regions"]
    entries = [data] if isinstance(data, dict) else data
    if not isinstance(entries, list):
        raise InputError(
            source, expected="a list of regions", found=type(entries).__name__, remedy="Choose a file that Save in the panel wrote."
        )
    return [_read(f"{source}: region {number}", entry) for number, entry in enumerate(entries)]


def sample_of_regions(path: str | os.PathLike[str]) -> str:
    """Name of the scan that a file of :func:`write_regions` says its regions belong to; empty where it says none.

    Raises
    ------
    InputError
        When the file cannot be read.
    """
    data = _parsed(Path(path))
    sample = data.get("sample", "") if isinstance(data, dict) else ""
    return sample if isinstance(sample, str) else ""


def _parsed(source: Path) -> Any:
    try:
        if is_endless(source):
            raise InputError(source, expected="a file to read", found="a pipe or a device", remedy="Choose another file.")
        if source.stat().st_size > LARGEST:
            raise InputError(source, expected="a JSON file with regions", found="more than 16 MiB", remedy="Choose another file.")
        return json.loads(source.read_text(encoding="utf-8"), parse_constant=_refuse)
    except OSError as error:
        raise InputError(source, expected="a file to read", found=error.strerror or str(error), remedy="Choose another file.") from error
    except RecursionError as error:
        raise InputError(source, expected="JSON", found="a nesting without end", remedy="Choose another file.") from error
    except InputError:
        raise
    except ValueError as error:  # of JSON or of the characters
        raise InputError(source, expected="JSON", found=str(error), remedy="Save the regions again, or repair the file.") from error


def _refuse(word: str) -> float:
    raise ValueError(f"the number {word}")


def _read(where: str, entry: Any) -> Region:
    try:
        return Region.from_dict(entry)
    except InputError as error:
        raise InputError(f"{where}, {error.where}", expected=error.expected, found=error.found, remedy=error.remedy) from error


def _of_old_client(source: Path, data: dict[str, Any], views: int | None) -> Region:
    if data.get("version", 0) != 0 or isinstance(data.get("version"), bool):
        raise InputError(f"{source}: version", expected="0", found=repr(data["version"]), remedy="Save it with a client that is known.")
    for name, count, kind in (("center", 3, (int, float)), ("size", 3, (int, float)), ("sinogram_range", 2, int), ("resolution", 3, int)):
        value = data.get(name)
        fits = isinstance(value, list) and len(value) == count
        if not fits or not all(isinstance(number, kind) and not isinstance(number, bool) for number in value or ()):
            what = "numbers" if kind is not int else "whole numbers"
            raise InputError(f"{source}: {name}", expected=f"{count} {what}", found=repr(value), remedy="Repair the file.")
    automatic = data.get("auto_resolution")
    if not isinstance(automatic, bool):
        raise InputError(f"{source}: auto_resolution", expected="true or false", found=repr(automatic), remedy="Repair the file.")
    low, high = ([real(c) + sign * real(s) / 2 for c, s in zip(data["center"], data["size"], strict=True)] for sign in (-1, 1))
    first, last = data["sinogram_range"]
    told: dict[str, Any] = {"name": source.stem, "minimum": low, "maximum": high}
    if not automatic:
        told["shape"] = data["resolution"]
    if views is None or first > 0 or last < views - 1:
        told["views"] = [first, last + 1]
    return _read(str(source), told)
