"""``geometry``: the geometry of a sample as a file."""

from __future__ import annotations

import argparse

from MITOReconstructionLib.commands.arguments import add_sample_argument, add_views_argument, chosen_scan, chosen_views, new_file
from MITOReconstructionLib.commands.output import say
from MITOReconstructionLib.export import GEOMETRY_SUFFIXES, save_geometry

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_sample_argument(parser)
    parser.add_argument("--output", required=True, metavar="FILE", help="the file to write: .json, .npz or .vtp")
    add_views_argument(parser, "views to write; in .vtp those whose detector and rays are written, by default 16 of them")


def run(arguments: argparse.Namespace) -> None:
    """Write the geometry of a sample."""
    target = new_file("--output", arguments.output, GEOMETRY_SUFFIXES)
    geometry = chosen_scan(arguments).geometry
    save_geometry(target, geometry, chosen_views(arguments, geometry))
    say(str(target))
