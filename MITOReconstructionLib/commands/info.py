"""``info``: what a sample is."""

from __future__ import annotations

import argparse
from typing import Any

from MITOReconstructionLib.commands.arguments import add_sample_argument, chosen_scan
from MITOReconstructionLib.commands.output import say_json, say_table
from MITOReconstructionLib.export.geometry_files import describe
from MITOReconstructionLib.scan import Scan
from MITOReconstructionLib.scan.description import describe_scan, heights_per_turn

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_sample_argument(parser)
    parser.add_argument("--json", action="store_true", help="as JSON")


def run(arguments: argparse.Namespace) -> None:
    """Describe a sample."""
    scan = chosen_scan(arguments)
    if arguments.json:
        say_json(as_json(scan))
    else:
        say_table(describe_scan(scan))


def as_json(scan: Scan) -> dict[str, Any]:
    """JSON-ready description: lengths in mm, angles in radians."""
    geometry, grid = scan.geometry, scan.default_grid
    whole = geometry.to_dict()
    derived = {**describe(geometry), "detector_heights_per_turn": heights_per_turn(geometry)}
    known = scan.metadata.value_range if scan.metadata else None
    return {
        "name": scan.name,
        "folder": str(scan.folder),
        **scan.recording,
        "geometry": {key: whole[key] for key in ("source_radius", "detector_radius", "detector")} | derived,
        "default_grid": {**grid.to_dict(), "spacing": list(grid.spacing), "bytes": grid.nbytes},
        "sinogram": {
            "shape": list(scan.projections.shape),
            "dtype": str(scan.projections.dtype),
            "bytes": scan.projections.nbytes,
            "range": list(known) if known else None,
        },
        "warnings": list(scan.warnings),
    }
