"""``samples``: the samples of a data folder."""

from __future__ import annotations

import argparse

from MITOReconstructionLib.commands.output import say_json, say_table
from MITOReconstructionLib.scan import list_samples

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("folder", metavar="DATA_FOLDER", help="the folder that holds the sample folders")
    parser.add_argument("--json", action="store_true", help="as JSON")


def run(arguments: argparse.Namespace) -> None:
    """List samples, one a line: name and folder."""
    samples = list_samples(arguments.folder)
    if arguments.json:
        say_json([{"name": sample.name, "folder": str(sample.folder)} for sample in samples])
    else:
        say_table([(sample.name, str(sample.folder)) for sample in samples])
