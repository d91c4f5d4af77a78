"""``project``: a sample folder with the projections of a volume."""

from __future__ import annotations

import argparse
from collections.abc import Iterator

import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.commands.arguments import add_recorded_argument, new_folder
from MITOReconstructionLib.commands.output import mebibytes, say
from MITOReconstructionLib.commands.watch import add_progress_argument, watched
from MITOReconstructionLib.errors import InputError
from MITOReconstructionLib.export import load_volume
from MITOReconstructionLib.geometry import ScanGeometry, VolumeGrid
from MITOReconstructionLib.monitor import Monitor
from MITOReconstructionLib.projectors.backends import Backend, choose_backend
from MITOReconstructionLib.scan import open_scan
from MITOReconstructionLib.scan.writing import write_sample

__all__ = ["add_arguments", "run"]

BLOCK_BYTES = 32 * 2**20


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("volume", metavar="FILE.nrrd", help="a volume of attenuation in 1/mm")
    parser.add_argument("--geometry-of", required=True, metavar="SAMPLE", help="the sample whose geometry is used")
    parser.add_argument("--output", required=True, metavar="FOLDER", help="the new sample folder")
    parser.add_argument(
        "--backend", choices=("auto", "cpu", "astra"), default="auto", help="what computes projections (default: %(default)s)"
    )
    add_recorded_argument(parser)
    add_progress_argument(parser)


def run(arguments: argparse.Namespace) -> None:
    """Project a volume."""
    with watched(arguments.progress) as watch:
        folder = new_folder("--output", arguments.output)
        scan = open_scan(arguments.geometry_of, recorded=arguments.recorded)
        volume, grid, _ = load_volume(arguments.volume)
        require_finite(arguments.volume, volume)
        backend = choose_backend(arguments.backend)
        geometry = scan.geometry
        write_sample(folder, geometry, scan.default_grid, _projected(volume, grid, geometry, backend, watch.monitor))
    size = sum(path.stat().st_size for path in folder.iterdir())
    say(f"{folder}: {geometry.views} views of {geometry.detector.columns} x {geometry.detector.rows} pixels, {mebibytes(size)}")


def require_finite(path: str, volume: NDArray[np.float32]) -> None:
    """Raise an InputError that counts the voxels of a volume that are no numbers; every ray through one would be none."""
    bad = sum(slab.size - int(np.isfinite(slab).sum()) for slab in volume)
    if bad:
        remedy = "Give them a value, as with the parameter fill_value when it is reconstructed."
        raise InputError(path, expected="finite voxels", found=f"{bad} that are NaN or infinite", remedy=remedy)


def _projected(
    volume: NDArray[np.float32], grid: VolumeGrid, geometry: ScanGeometry, backend: Backend, monitor: Monitor
) -> Iterator[NDArray[np.float32]]:
    """Projections of all views, block by block."""
    step, views = f"project with {backend.name}", geometry.views
    fitting = max(1, BLOCK_BYTES // (4 * geometry.detector.columns * geometry.detector.rows))
    size = min(fitting, max(1, views // 20))
    monitor.report(step, 0.0)
    for first in range(0, views, size):
        last = min(first + size, views)
        yield backend.forward(volume, grid, geometry, views=slice(first, last))
        monitor.report(step, last / views)
