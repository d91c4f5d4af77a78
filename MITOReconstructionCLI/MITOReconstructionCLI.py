#!/usr/bin/env python-real
"""One reconstruction as a command line module of Slicer; MITOReconstructionCLI.xml beside this file describes its parameters.

It hands its arguments to ``python -m MITOReconstructionLib reconstruct`` and reports as Slicer's Execution Model has it. Exit
status: 0 done; 2 bad input, with one line on standard error; 3 a failure at work; 130 stopped.
"""

import argparse
import importlib.util
import math
import sys
from pathlib import Path


def find_library() -> None:
    """Make MITOReconstructionLib importable where Slicer has not: it lies beside this folder, or with the scripted modules."""
    here = Path(__file__).resolve().parent
    for place in (here.parent, here.parent / "qt-scripted-modules"):
        if importlib.util.find_spec("MITOReconstructionLib") is None and (place / "MITOReconstructionLib").is_dir():
            sys.path.append(str(place))


def make_parser() -> argparse.ArgumentParser:
    """The arguments that the XML describes."""
    parser = argparse.ArgumentParser(prog="MITOReconstructionCLI", description=__doc__.partition("\n")[0])
    parser.add_argument("sample")
    parser.add_argument("output")
    parser.add_argument("--method", default="fbp")
    parser.add_argument("--parameters", default="", help="names and values: 'iterations=20; non_negative=true'")
    parser.add_argument("--region", default="", help="centre and half of the size along R, A and S, in mm: six numbers with commas")
    parser.add_argument("--minimum", default="0,0,0", help="lower edges in mm: three numbers with commas")
    parser.add_argument("--maximum", default="0,0,0", help="upper edges in mm; as 'minimum' for the sample's own volume")
    parser.add_argument("--spacing", default="0", help="voxel side in mm; 0 for the sample's own")
    parser.add_argument("--firstview", default="0")
    parser.add_argument("--lastview", default="0", help="not included; 0 for all")
    parser.add_argument("--recorded", default="0", help="views of a sample whose recording was aborted; 0 for a complete one")
    parser.add_argument("--backend", default="auto")
    return parser


def numbers(parser: argparse.ArgumentParser, option: str, text: str, count: int) -> list[float]:
    """The numbers of a text, with commas between them; none of an empty text."""
    parts = [part for part in text.split(",") if part.strip()]
    try:
        values = [float(part) for part in parts]
    except ValueError:
        values = []
    if parts and not (len(values) == count and all(map(math.isfinite, values))):
        parser.error(f"--{option}: expected {count} numbers with commas between them; found {text!r}. Correct the value.")
    return values


def bounds(parser: argparse.ArgumentParser, given: argparse.Namespace) -> list[str]:
    """The words for the box: of the region where one is given, else of minimum and maximum where they differ."""
    region = numbers(parser, "region", given.region, 6)
    low, high = numbers(parser, "minimum", given.minimum, 3), numbers(parser, "maximum", given.maximum, 3)
    if region:
        low = [centre - abs(half) for centre, half in zip(region[:3], region[3:], strict=True)]
        high = [centre + abs(half) for centre, half in zip(region[:3], region[3:], strict=True)]
    if low == high or not low or not high:
        return []
    return ["--min", *map(repr, low), "--max", *map(repr, high)]


def words(arguments: list[str]) -> list[str]:
    """The command line of MITOReconstructionLib for a command line of Slicer's."""
    parser = make_parser()
    given = parser.parse_args(joined(parser, arguments))
    said = ["reconstruct", given.sample, "--output", given.output, "--method", given.method, "--backend", given.backend, "--filter-tags"]
    for entry in filter(None, (part.strip() for part in given.parameters.replace("\n", ";").split(";"))):
        said += ["--parameter", entry]
    said += bounds(parser, given)
    spacing = numbers(parser, "spacing", given.spacing, 1)
    if spacing and spacing[0] != 0.0:
        said += ["--spacing", repr(spacing[0])]
    chosen = (numbers(parser, name, getattr(given, name), 1) for name in ("recorded", "firstview", "lastview"))
    recorded, *ends = (int(value[0]) if value and value[0] else "" for value in chosen)
    if recorded:
        said += ["--recorded", str(recorded)]
    return said if ends == ["", ""] else [*said, f"--views={ends[0]}:{ends[1]}"]


def joined(parser: argparse.ArgumentParser, arguments: list[str]) -> list[str]:
    """Options and their values as one word each: a value may begin with a minus sign."""
    options = {option for action in parser._actions for option in action.option_strings if action.nargs is None}
    rest, made = list(arguments), []
    while rest:
        word = rest.pop(0)
        made.append(f"{word}={rest.pop(0)}" if word in options and rest else word)
    return made


def main(arguments: list[str]) -> int:
    """Do one reconstruction; the exit status is returned."""
    said = words(arguments)
    find_library()
    try:
        from MITOReconstructionLib.commands.entry import main as run
    except ImportError as error:
        sys.stderr.write(f"error: {error}. Open the module MITO Reconstruction in Slicer once; it installs what is missing.\n")
        return 3
    return run(said)


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
