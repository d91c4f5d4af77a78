"""``simulate``: a sample folder with the projections of a phantom."""

from __future__ import annotations

import argparse

from MITOReconstructionLib.commands.arguments import finite, new_file, new_folder, whole
from MITOReconstructionLib.commands.output import mebibytes, say
from MITOReconstructionLib.commands.watch import add_progress_argument, watched
from MITOReconstructionLib.errors import InputError

__all__ = ["add_arguments", "run"]

PHANTOMS = ("log", "shepp-logan", "defrise", "cylinder")

MOST_PHOTONS = 1e18
"""Counts are 64-bit numbers."""


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("folder", metavar="FOLDER", help="the new sample folder")
    parser.add_argument("--phantom", choices=PHANTOMS, default="log", help="what is scanned (default: %(default)s)")
    parser.add_argument(
        "--scale",
        type=finite,
        default=6.0,
        metavar="N",
        help="how many times coarser than the real scanner (default: %(default)g; 1 is 16 GB)",
    )
    parser.add_argument(
        "--pitch", type=finite, default=106.56, metavar="MM", help="advance per turn in mm, 0 for a circle (default: %(default)g)"
    )
    parser.add_argument("--turns", type=finite, metavar="T", help="turns (default: 4.5, or 1 where the pitch is 0)")
    parser.add_argument(
        "--noise", type=finite, metavar="PHOTONS", help="photons counted in an unattenuated pixel, for Poisson noise (default: none)"
    )
    parser.add_argument("--seed", type=whole(0), default=0, metavar="N", help="seed of the noise (default: %(default)s)")
    parser.add_argument("--truth", metavar="FILE.nrrd", help="write the phantom itself too, on the sample's default volume")
    add_progress_argument(parser)


def run(arguments: argparse.Namespace) -> None:
    """Simulate a sample."""
    for option in ("scale", "turns", "noise"):
        value = getattr(arguments, option)
        if value is not None and not value > 0:
            raise InputError(f"--{option}", expected="a number above 0", found=f"{value:g}", remedy="Correct it.")
    if arguments.noise is not None and arguments.noise > MOST_PHOTONS:
        raise InputError(
            "--noise", expected=f"at most {MOST_PHOTONS:g} photons", found=f"{arguments.noise:g}", remedy="Leave the noise out."
        )
    with watched(arguments.progress) as watch:
        folder = new_folder("FOLDER", arguments.folder)
        truth = new_file("--truth", arguments.truth, (".nrrd",)) if arguments.truth else None
        from MITOReconstructionLib.export import save_volume
        from MITOReconstructionLib.scan.line_integrals import sample
        from MITOReconstructionLib.scan.phantoms import make_phantom
        from MITOReconstructionLib.scan.simulation import default_grid, mito_geometry, simulate

        phantom = make_phantom(arguments.phantom)
        turns = arguments.turns or (4.5 if arguments.pitch else 1.0)
        geometry = mito_geometry(arguments.scale, arguments.pitch, turns)
        grid = default_grid(phantom, geometry)
        watch.monitor.report("prepare", 0.0)
        simulate(folder, phantom, geometry, noise_photons=arguments.noise, seed=arguments.seed, grid=grid, monitor=watch.monitor)
        if truth is not None:
            watch.monitor.report("truth", 0.0)
            save_volume(truth, sample(phantom, grid), grid, {"phantom": phantom.name, "sample": folder.name})
            watch.monitor.report("truth", 1.0)
    size = sum(path.stat().st_size for path in folder.iterdir())
    say(f"{folder}: {geometry.views} views of {geometry.detector.columns} x {geometry.detector.rows} pixels, {mebibytes(size)}")
