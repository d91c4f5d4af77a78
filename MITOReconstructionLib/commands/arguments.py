"""Arguments that several commands have: samples, views, grids, files to write."""

from __future__ import annotations

import argparse
import math
import os
import re
from collections.abc import Callable, Sequence
from pathlib import Path

from MITOReconstructionLib.errors import InputError
from MITOReconstructionLib.files import is_endless
from MITOReconstructionLib.geometry import ScanGeometry, VolumeGrid
from MITOReconstructionLib.scan import Scan, open_scan

__all__ = [
    "add_grid_arguments",
    "add_recorded_argument",
    "add_sample_argument",
    "add_views_argument",
    "check_parent",
    "chosen_grid",
    "chosen_scan",
    "chosen_views",
    "finite",
    "new_file",
    "new_folder",
    "whole",
]

OF_SAMPLES = ("metadata.json", "samples.json")
"""What no result may be written over: input would be lost."""


def finite(text: str) -> float:
    """A finite number; for argparse."""
    try:
        value = float(text)
    except ValueError:
        value = math.nan
    if not math.isfinite(value):
        raise argparse.ArgumentTypeError(f"expected a finite number, found {text!r}")
    return value


def whole(minimum: int) -> Callable[[str], int]:
    """What reads a whole number of at least ``minimum``; for argparse."""

    def read(text: str) -> int:
        value = int(text) if re.fullmatch(r"[+-]?\d+", text) else minimum - 1
        if value < minimum:
            raise argparse.ArgumentTypeError(f"expected a whole number of at least {minimum}, found {text!r}")
        return value

    return read


# ---- samples ---------------------------------------------------------------------------------------------------------


def add_sample_argument(parser: argparse.ArgumentParser) -> None:
    """Add ``SAMPLE`` and ``--recorded N``."""
    parser.add_argument("sample", metavar="SAMPLE", help="a sample folder")
    add_recorded_argument(parser)


def add_recorded_argument(parser: argparse.ArgumentParser) -> None:
    """Add ``--recorded N``."""
    words = "of a sample whose recording was aborted: take the first N views, which are all that there will be"
    parser.add_argument("--recorded", type=whole(1), metavar="N", help=words)


def chosen_scan(arguments: argparse.Namespace) -> Scan:
    """The scan of ``SAMPLE`` and ``--recorded``.

    Raises
    ------
    InputError
        As :func:`MITOReconstructionLib.open_scan`.
    """
    return open_scan(arguments.sample, recorded=arguments.recorded)


# ---- views -----------------------------------------------------------------------------------------------------------


def add_views_argument(parser: argparse.ArgumentParser, help: str) -> None:
    """Add ``--views FIRST:LAST``."""
    parser.add_argument(
        "--views", metavar="FIRST:LAST", type=_view_range, help=help + "; LAST is not included, negative counts from the end"
    )


def _view_range(text: str) -> slice:
    if not re.fullmatch(r"-?\d*:-?\d*", text):
        raise argparse.ArgumentTypeError(f"expected FIRST:LAST, two whole numbers of which either may be left out, found {text!r}")
    first, last = (int(part) if part else None for part in text.split(":"))
    return slice(first, last)


def chosen_views(arguments: argparse.Namespace, geometry: ScanGeometry) -> slice | None:
    """The views of ``--views``, None for all.

    Raises
    ------
    InputError
        When there are none in the range, or it leaves the scan.
    """
    views: slice | None = arguments.views
    if views is None:
        return None
    count = geometry.views
    inside = all(end is None or -count <= end <= count for end in (views.start, views.stop))
    first, last, _ = views.indices(count)
    if not inside or first >= last:
        given = ":".join("" if end is None else str(end) for end in (views.start, views.stop))
        raise InputError(
            "--views", expected=f"a range within 0:{count} that is not empty", found=given, remedy="Choose views of this scan."
        )
    return slice(first, last)


# ---- grids -----------------------------------------------------------------------------------------------------------


def add_grid_arguments(parser: argparse.ArgumentParser) -> None:
    """Add ``--min``, ``--max``, ``--shape`` and ``--spacing``."""
    group = parser.add_argument_group("the volume", "by default the sample's own; 'info' shows it")
    group.add_argument("--min", nargs=3, type=finite, metavar=("X", "Y", "Z"), help="lower outer edges in mm")
    group.add_argument("--max", nargs=3, type=finite, metavar=("X", "Y", "Z"), help="upper outer edges in mm")
    resolution = group.add_mutually_exclusive_group()
    resolution.add_argument("--shape", nargs=3, type=whole(1), metavar=("NX", "NY", "NZ"), help="voxel counts")
    resolution.add_argument("--spacing", type=finite, metavar="MM", help="voxel side in mm")


def chosen_grid(arguments: argparse.Namespace, scan: Scan) -> VolumeGrid:
    """The grid that the arguments ask for; what they leave open is as in the scan's default grid.

    Raises
    ------
    InputError
        When a bound is beyond the other one, or the spacing is not positive.
    """
    default = scan.default_grid
    if all(value is None for value in (arguments.min, arguments.max, arguments.shape, arguments.spacing)):
        return default
    low: Sequence[float] = default.minimum if arguments.min is None else arguments.min
    high: Sequence[float] = default.maximum if arguments.max is None else arguments.max
    for axis, a, b in zip("xyz", low, high, strict=True):
        if not a < b:
            raise InputError(
                f"--min, --max along {axis}", expected="a minimum below the maximum", found=f"{a:g} and {b:g} mm",
                remedy=f"The default volume is {default.minimum['xyz'.index(axis)]:g} to {default.maximum['xyz'.index(axis)]:g} mm.",
            )  # fmt: skip
    if arguments.shape is not None:
        return VolumeGrid.from_bounds(low, high, shape=arguments.shape)
    if arguments.spacing is not None and not arguments.spacing > 0:
        raise InputError("--spacing", expected="a positive length in mm", found=f"{arguments.spacing:g}", remedy="Give the voxel's side.")
    return VolumeGrid.from_bounds(low, high, spacing=default.spacing if arguments.spacing is None else arguments.spacing)


# ---- files to write --------------------------------------------------------------------------------------------------


def new_file(option: str, path: str, suffixes: Sequence[str], *, stream: bool = False) -> Path:
    """A file that can be written under that name, checked before the work begins; a ``stream`` may be a pipe or a device too.

    Raises
    ------
    InputError
        When the suffix is none of ``suffixes``, the name is a folder's, a device's or that of a sample's own file, or the folder is
        missing or closed to us.
    """
    target = Path(path)
    where = f"{option} {path}"
    if target.suffix.lower() not in suffixes:
        expected = f"a file name that ends in {' or '.join(suffixes)}"
        raise InputError(where, expected=expected, found=repr(target.suffix), remedy="Change the suffix.")
    found = "a folder of that name" if target.is_dir() else "a pipe or a device of that name" if is_endless(target) and not stream else ""
    if target.exists() and target.resolve().name in OF_SAMPLES:
        found = "a file that describes samples"
    if found:
        raise InputError(where, expected="a file name", found=found, remedy="Choose another name.")
    check_parent(where, target)
    return target


def new_folder(option: str, path: str) -> Path:
    """A folder that is new or empty, checked before the work begins.

    Raises
    ------
    InputError
        When something is there already, or its parent is missing or closed to us.
    """
    target = Path(path)
    where = f"{option} {path}"
    if target.exists() and not (target.is_dir() and not any(target.iterdir())):
        raise InputError(where, expected="a new or an empty folder", found="something there already", remedy="Choose another folder.")
    check_parent(where, target)
    return target


def check_parent(where: str, target: Path) -> None:
    """Raise an InputError where the folder to write a file or folder into is missing or closed to us."""
    parent = target.absolute().parent
    if not parent.is_dir():
        raise InputError(where, expected="a folder that exists to write into", found=f"no folder {parent}", remedy="Make it first.")
    if not os.access(parent, os.W_OK):
        remedy = "Choose another place, or change its permissions."
        raise InputError(where, expected="a folder that can be written into", found=f"no permission in {parent}", remedy=remedy)
