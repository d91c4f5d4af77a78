"""``projection``: one projection of a sample as an NRRD file."""

from __future__ import annotations

import argparse
import re

from MITOReconstructionLib.commands.arguments import add_sample_argument, chosen_scan, new_file
from MITOReconstructionLib.commands.output import say
from MITOReconstructionLib.errors import InputError
from MITOReconstructionLib.export import save_projection

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_sample_argument(parser)
    parser.add_argument("index", metavar="INDEX", type=_index, help="the view; negative counts from the end")
    parser.add_argument("--output", required=True, metavar="FILE.nrrd", help="the file to write")


def _index(text: str) -> int:
    if not re.fullmatch(r"-?\d+", text):
        raise argparse.ArgumentTypeError(f"expected a whole number, found {text!r}")
    return int(text)


def run(arguments: argparse.Namespace) -> None:
    """Write a projection."""
    target = new_file("--output", arguments.output, (".nrrd",))
    scan = chosen_scan(arguments)
    views = scan.geometry.views
    if not -views <= arguments.index < views:
        expected = f"a view from 0 to {views - 1}, or from -{views} to -1 counted from the end"
        raise InputError("INDEX", expected=expected, found=str(arguments.index), remedy="Choose a view of this scan.")
    save_projection(target, scan.projection(arguments.index), scan.geometry, arguments.index, {"sample": scan.name})
    say(str(target))
