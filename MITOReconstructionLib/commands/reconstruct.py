"""``reconstruct``: a volume from a sample."""

from __future__ import annotations

import argparse

import MITOReconstructionLib as mito
from MITOReconstructionLib.commands.arguments import add_grid_arguments, add_views_argument, chosen_grid, chosen_views, new_file, whole
from MITOReconstructionLib.commands.bar import clock
from MITOReconstructionLib.commands.output import mebibytes, say
from MITOReconstructionLib.commands.watch import add_progress_argument, watched
from MITOReconstructionLib.errors import InputError
from MITOReconstructionLib.methods import Method

__all__ = ["BACKENDS", "add_arguments", "run"]

BACKENDS = ("auto", "cpu", "astra")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("sample", metavar="SAMPLE", help="a sample folder")
    parser.add_argument("--output", required=True, metavar="FILE.nrrd", help="the volume to write")
    parser.add_argument("--method", default="fbp", metavar="NAME", help="'methods' lists them (default: %(default)s)")
    parser.add_argument(
        "--parameter", action="append", default=[], metavar="NAME=VALUE", help="a parameter of the method; may be given again for others"
    )
    add_grid_arguments(parser)
    add_views_argument(parser, "use only these views")
    parser.add_argument("--backend", choices=BACKENDS, default="auto", help="what computes projections (default: %(default)s)")
    parser.add_argument(
        "--slabs",
        type=whole(1),
        metavar="N",
        help="reconstruct N slabs along z one after the other, for a method that can, such as fbp (default: as few as memory allows)",
    )
    add_progress_argument(parser)


def run(arguments: argparse.Namespace) -> None:
    """Reconstruct a volume."""
    with watched(arguments.progress) as watch:
        target = new_file("--output", arguments.output, (".nrrd",))
        method = chosen_method(arguments.method)
        parameters = method.parameters.from_text(named_values(arguments.parameter))
        scan = mito.open_scan(arguments.sample)
        grid = chosen_grid(arguments, scan)
        views = chosen_views(arguments, scan.geometry)
        provenance = mito.reconstruct_to_file(
            scan, target, grid=grid, method=method.name, parameters=parameters, views=views, backend=arguments.backend,
            monitor=watch.monitor, slabs=arguments.slabs,
        )  # fmt: skip
    voxels = f"{' x '.join(map(str, grid.shape))} voxels of {grid.spacing[0]:.4g} mm"
    seconds = clock(float(provenance.get("seconds", 0.0)))
    say(f"{target}: {voxels}, {mebibytes(grid.nbytes)}, {method.title}, {seconds}")
    for line in remarks(provenance):
        say(line)


def chosen_method(name: str) -> Method:
    """The method of that name.

    Raises
    ------
    InputError
        When there is none, with the names there are.
    """
    known = mito.methods()
    if name not in known:
        raise InputError("--method", expected=f"one of {', '.join(known)}", found=repr(name), remedy="Choose one of these.")
    return known[name]


def named_values(texts: list[str]) -> dict[str, str]:
    """Names and values of ``NAME=VALUE`` texts.

    Raises
    ------
    InputError
        When a text has no equals sign, or a name is given twice.
    """
    values: dict[str, str] = {}
    for text in texts:
        name, sign, value = text.partition("=")
        if not sign or not name:
            raise InputError("--parameter", expected="NAME=VALUE", found=repr(text), remedy="'methods' lists the names.")
        if name in values:
            raise InputError(f"--parameter {name}", expected="one value", found="a second one", remedy="Give each parameter once.")
        values[name] = value
    return values


def remarks(provenance: dict[str, object]) -> list[str]:
    """What people should know about a volume, from its provenance."""
    report = provenance.get("report")
    unseen = report.get("unseen_voxels") if isinstance(report, dict) else None
    return [f"{unseen} voxels are not seen from every direction; they hold the fill value"] if unseen else []
