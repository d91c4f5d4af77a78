"""Reading the words of a command line."""

from __future__ import annotations

import argparse
import importlib
import re
from collections.abc import Sequence
from typing import Any, NoReturn

from MITOReconstructionLib.commands.output import say
from MITOReconstructionLib.version import __version__

__all__ = ["COMMANDS", "PROGRAM", "Parser", "UsageError", "parse"]

PROGRAM = "python -m MITOReconstructionLib"

COMMANDS = {
    "demo": "simulate a log scan, reconstruct it and show it: everything in one folder",
    "simulate": "write a sample folder with the projections of a phantom",
    "samples": "list the samples of a data folder",
    "info": "describe a sample: geometry, default volume, oddities",
    "reconstruct": "reconstruct a volume from a sample",
    "project": "write a sample folder with the projections of a volume",
    "slice": "reconstruct one plane of a sample, at any position and angle",
    "geometry": "write the geometry of a sample as JSON, NPZ or VTP",
    "projection": "write one projection of a sample as NRRD",
    "scene": "write a Slicer scene of a sample, and a picture of it",
    "methods": "list the reconstruction methods and their parameters",
}
"""The commands, each with a module of its name, and what they do."""


class UsageError(Exception):
    """Words that make no command; the text says which and what was expected."""


class Parser(argparse.ArgumentParser):
    """An argument parser whose faults are one line, and which takes every negative number for a value."""

    def __init__(self, **keywords: Any) -> None:
        super().__init__(**{"allow_abbrev": False, **keywords})
        # argparse knows -80 and -0.5, but takes -80., -1e3 and the view range -100:-1 for options
        self._negative_number_matcher = re.compile(r"^-(\d+\.?\d*|\.\d+)([eE][-+]?\d+)?(:-?\d*)?$")

    def error(self, message: str) -> NoReturn:
        """Report a fault."""
        raise UsageError(f"{message}. See '{self.prog} --help'.")


def parse(argv: Sequence[str]) -> argparse.Namespace | None:
    """The arguments of a command, its function as ``run``; None where only help was asked for.

    Only the module of the command that is used is imported.

    Raises
    ------
    UsageError
        When the words make no command.
    """
    parser = Parser(prog=PROGRAM, description="Helical cone-beam CT reconstruction with curved detectors.")
    parser.add_argument("--version", action="store_true", help="say the version and end")
    commands = parser.add_subparsers(dest="command", metavar="COMMAND", title="commands")
    chosen = next((word for word in argv if not word.startswith("-")), None)
    for name, summary in COMMANDS.items():
        command = commands.add_parser(name, help=summary, description=summary[0].upper() + summary[1:] + ".")
        if name == chosen:
            module = importlib.import_module("MITOReconstructionLib.commands." + name)
            module.add_arguments(command)
            command.set_defaults(run=module.run)
    try:
        arguments = parser.parse_args(argv)
    except SystemExit as end:  # after --help
        if end.code:
            raise
        return None
    if arguments.version:
        arguments.run = _say_version
    elif arguments.command is None:
        raise UsageError(f"expected a command: one of {', '.join(COMMANDS)}; found none. See '{PROGRAM} --help'.")
    return arguments


def _say_version(arguments: argparse.Namespace) -> None:
    say(__version__)
