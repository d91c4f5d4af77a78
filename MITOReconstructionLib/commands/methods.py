"""``methods``: the reconstruction methods and their parameters."""

from __future__ import annotations

import argparse
import textwrap
from typing import Any

import MITOReconstructionLib as mito
from MITOReconstructionLib.commands.output import say, say_json

__all__ = ["add_arguments", "run"]


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--json", action="store_true", help="as JSON, with every detail")


def run(arguments: argparse.Namespace) -> None:
    """Describe the methods."""
    described = mito.describe_methods()
    if arguments.json:
        say_json(described)
        return
    for number, method in enumerate(described):
        if number:
            say()
        say(f"{method['name']}: {method['title']} ({method['unit']})")
        _say_wrapped(method["help"], "    ")
        for parameter in method["parameters"]:
            say(f"    {parameter['name']}={_as_text(parameter['default'])}  {allowed(parameter)}")
            _say_wrapped(parameter["help"], "        ")


def allowed(parameter: dict[str, Any]) -> str:
    """The values that a parameter takes, for people."""
    if "choices" in parameter:
        return " | ".join(parameter["choices"])
    words = {"bool": "true | false", "int": "whole number", "float": "number", "str": "text"}
    signs = {"minimum": ">=", "above": ">", "maximum": "<=", "below": "<"}
    bounds = [f"{sign} {parameter[key]:g}" for key, sign in signs.items() if key in parameter]
    unit = f" in {parameter['unit']}" if "unit" in parameter else ""
    also = f" (also: {', '.join(parameter['aliases'])})" if "aliases" in parameter else ""
    return " ".join([words[parameter["type"]] + unit, ", ".join(bounds)]).strip() + also


def _as_text(value: Any) -> str:
    return str(value).lower() if isinstance(value, bool) else str(value)


def _say_wrapped(text: str, indent: str) -> None:
    for line in textwrap.wrap(text, 100, initial_indent=indent, subsequent_indent=indent):
        say(line)
