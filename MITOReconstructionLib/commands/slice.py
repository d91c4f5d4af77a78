"""``slice``: one plane of a sample, without a volume."""

from __future__ import annotations

import argparse

from MITOReconstructionLib.commands.arguments import (
    add_sample_argument,
    add_views_argument,
    chosen_scan,
    chosen_views,
    finite,
    new_file,
    whole,
)
from MITOReconstructionLib.commands.bar import clock
from MITOReconstructionLib.commands.output import say
from MITOReconstructionLib.commands.reconstruct import named_values
from MITOReconstructionLib.commands.watch import add_progress_argument, watched
from MITOReconstructionLib.errors import InputError
from MITOReconstructionLib.export import save_slice
from MITOReconstructionLib.live.once import reconstruct_slice
from MITOReconstructionLib.live.plane import Plane
from MITOReconstructionLib.live.settings import LiveSettings
from MITOReconstructionLib.projectors.backends import AUTO
from MITOReconstructionLib.version import __version__

__all__ = ["add_arguments", "run"]

BACKENDS = (AUTO, "cpu", "cuda")


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_sample_argument(parser)
    group = parser.add_argument_group("the plane")
    axes = ("X", "Y", "Z")
    group.add_argument("--origin", nargs=3, type=finite, required=True, metavar=axes, help="centre of the first pixel in mm")
    group.add_argument("--u", nargs=3, type=finite, required=True, metavar=axes, help="direction of the first axis")
    group.add_argument("--v", nargs=3, type=finite, required=True, metavar=axes, help="direction of the second axis, across the first")
    group.add_argument("--shape", nargs=2, type=whole(1), required=True, metavar=("N", "M"), help="pixel counts along the axes")
    group.add_argument("--spacing", type=finite, required=True, metavar="MM", help="pixel side in mm")
    parser.add_argument("--output", required=True, metavar="FILE.nrrd", help="the slice to write")
    names = ", ".join(entry["name"] for entry in LiveSettings.describe() if entry["name"] not in ("mode", "first_view", "last_view"))
    parser.add_argument(
        "--parameter", action="append", default=[], metavar="NAME=VALUE", help=f"a setting, of {names}; may be given again for others"
    )
    parser.add_argument("--backend", choices=BACKENDS, default=AUTO, help="'auto' (default) is a GPU where there is one, else the CPU")
    add_views_argument(parser, "use only these views")
    add_progress_argument(parser)


def run(arguments: argparse.Namespace) -> None:
    """Reconstruct a slice."""
    with watched(arguments.progress) as watch:
        target = new_file("--output", arguments.output, (".nrrd",))
        plane = chosen_plane(arguments)
        scan = chosen_scan(arguments)
        values = LiveSettings.from_text(named_values(arguments.parameter)).to_dict()
        views = chosen_views(arguments, scan.geometry)
        if views is not None:
            values |= {"first_view": views.start, "last_view": views.stop}
        settings = LiveSettings.from_dict(values)
        image, seconds, backend = reconstruct_slice(scan, plane, settings, backend=arguments.backend, monitor=watch.monitor)
        provenance = {
            "sample": str(scan.folder),
            **scan.recording,
            "version": __version__,
            "settings": settings.to_dict(),
            "backend": backend,
            "seconds": seconds,
        }
        save_slice(target, image, plane.matrix(), provenance)
    n, m = plane.shape
    say(f"{target}: {n} x {m} pixels of {plane.spacing[0]:.4g} mm, {clock(sum(seconds.values()))}")


def chosen_plane(arguments: argparse.Namespace) -> Plane:
    """The plane of the arguments.

    Raises
    ------
    InputError
        Naming the option.
    """
    try:
        return Plane(arguments.origin, arguments.u, arguments.v, arguments.shape, arguments.spacing)
    except InputError as error:
        where = error.where.replace("plane ", "--").replace(", ", ", --")
        raise InputError(where, expected=error.expected, found=error.found, remedy=error.remedy) from error
