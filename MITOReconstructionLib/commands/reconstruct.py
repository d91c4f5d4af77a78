"""``reconstruct``: volumes from samples, here or on a cluster."""

from __future__ import annotations

import argparse
from collections.abc import Mapping
from pathlib import Path

import MITOReconstructionLib as mito
from MITOReconstructionLib.commands.arguments import (
    add_grid_arguments,
    add_recorded_argument,
    add_views_argument,
    chosen_grid,
    chosen_views,
    whole,
)
from MITOReconstructionLib.commands.bar import clock
from MITOReconstructionLib.commands.many import volume_files
from MITOReconstructionLib.commands.output import mebibytes, say
from MITOReconstructionLib.commands.watch import add_progress_argument, watched
from MITOReconstructionLib.errors import InputError
from MITOReconstructionLib.jobs.request import Request
from MITOReconstructionLib.jobs.slabs import run_to_file
from MITOReconstructionLib.methods import Method

__all__ = ["BACKENDS", "add_arguments", "run"]

BACKENDS = ("auto", "cpu", "cuda", "astra")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("samples", nargs="+", metavar="SAMPLE", help="a sample folder, or a data folder for all of its samples")
    parser.add_argument(
        "--output", required=True, metavar="FILE.nrrd", help="the volume to write; for several samples the folder to write them into"
    )
    parser.add_argument("--method", default="fbp", metavar="NAME", help="'methods' lists them (default: %(default)s)")
    parser.add_argument(
        "--parameter", action="append", default=[], metavar="NAME=VALUE", help="a parameter of the method; may be given again for others"
    )
    add_grid_arguments(parser)
    add_recorded_argument(parser)
    add_views_argument(parser, "use only these views")
    words = "what computes; of GPUs cuda is for fbp, astra for the others (default: %(default)s)"
    parser.add_argument("--backend", choices=BACKENDS, default="auto", help=words)
    parser.add_argument(
        "--slabs",
        type=whole(1),
        metavar="N",
        help="reconstruct N slabs along z one after the other, for a method that can, such as fbp (default: as few as memory allows)",
    )
    parser.add_argument("--scheduler", metavar="ADDRESS", help="run on the Dask cluster of this scheduler, as in tcp://host:8786")
    add_progress_argument(parser)
    parser.add_argument("--filter-tags", action="store_true", help="report on standard output as Slicer's command line modules do")


def run(arguments: argparse.Namespace) -> None:
    """Reconstruct volumes."""
    with (
        watched(arguments.progress, tags=arguments.filter_tags) as watch,
        volume_files(arguments.samples, arguments.output) as files,
    ):
        method = chosen_method(arguments.method)
        parameters = method.parameters.from_text(named_values(arguments.parameter))
        require_one(arguments.recorded, files)
        requests = {}
        for target, folder in files.items():
            scan = mito.open_scan(folder, recorded=arguments.recorded)
            grid, views = chosen_grid(arguments, scan), chosen_views(arguments, scan.geometry)
            requests[target] = Request.make(
                scan, grid=grid, method=method.name, parameters=parameters, views=views, backend=arguments.backend
            )
        if arguments.scheduler is not None:
            from MITOReconstructionLib.jobs.cluster import reconstruct_all_on

            for target, provenance in reconstruct_all_on(arguments.scheduler, requests, monitor=watch.monitor).items():
                tell(target, requests[target], provenance)
            return
        for target, request in requests.items():
            tell(target, request, run_to_file(request, target, watch.monitor, arguments.slabs))


def tell(target: Path, request: Request, provenance: dict[str, object]) -> None:
    """Say what was written."""
    grid = request.grid
    voxels = f"{' x '.join(map(str, grid.shape))} voxels of {grid.spacing[0]:.4g} mm"
    say(f"{target}: {voxels}, {mebibytes(grid.nbytes)}, {request.method.title}, {clock(float(str(provenance.get('seconds', 0.0))))}")
    for line in remarks(provenance):
        say(line)


def require_one(recorded: int | None, files: Mapping[Path, Path]) -> None:
    """Raise an InputError where a number of recorded views was given for several samples."""
    if recorded is not None and len(files) > 1:
        found, remedy = f"{len(files)} samples", "Reconstruct the one whose recording was aborted on its own."
        raise InputError("--recorded", expected="one sample, which has so many views", found=found, remedy=remedy)


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
    told = []
    if "planned_views" in provenance:
        told.append(f"the recording was aborted: {provenance['recorded_views']} of {provenance['planned_views']} views")
    report = provenance.get("report")
    unseen = report.get("unseen_voxels") if isinstance(report, dict) else None
    return [*told, f"{unseen} voxels are not seen from every direction; they hold the fill value"] if unseen else told
