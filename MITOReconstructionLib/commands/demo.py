"""``demo``: a simulated log scan, its reconstruction, and both in a Slicer scene, in one folder."""

from __future__ import annotations

import argparse
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

import MITOReconstructionLib as mito
from MITOReconstructionLib.commands.arguments import new_folder
from MITOReconstructionLib.commands.output import mebibytes, say, say_table
from MITOReconstructionLib.commands.scene import check_pictures, write_scene
from MITOReconstructionLib.commands.watch import add_progress_argument, watched
from MITOReconstructionLib.files import replacing_folder
from MITOReconstructionLib.geometry import VolumeGrid
from MITOReconstructionLib.jobs import Volume
from MITOReconstructionLib.monitor import Monitor
from MITOReconstructionLib.scan.line_integrals import sample
from MITOReconstructionLib.scan.simulation import default_grid

__all__ = ["Accuracy", "Size", "add_arguments", "compare", "run"]

FILES = {
    "sample": "the simulated scan, a MITO sample folder",
    "volume.nrrd": "the reconstructed volume",
    "geometry.json": "where source and detector are in every view",
    "trajectory.vtp": "trajectory, detector and rays, for ParaView and Slicer",
    "scene.mrb": "everything as a scene: open it in 3D Slicer",
    "scene.png": "a picture of that scene",
}
"""What the demo leaves, in the order in which it is made."""

PHOTONS = 2e5
WOOD, RIM = 0.004, 3.0
"""Attenuation in 1/mm above which there is wood, and how far within its surface the comparison begins, in mm."""


@dataclass(frozen=True)
class Size:
    """How large a demo is.

    scale : how many times coarser than the real scanner;
    turns : of the helix;
    spacing : voxel side in mm.
    """

    scale: float
    turns: float
    spacing: float


SIZES = {"normal": Size(4.0, 4.5, 1.25), "tiny": Size(24.0, 2.5, 8.0)}


@dataclass(frozen=True)
class Accuracy:
    """How far a volume is from the truth inside the object, in percent of the object's mean attenuation.

    rmse : root of the mean square over voxels;
    smooth_rmse : the same over averages of 3 x 3 x 3 voxels;
    bias : mean.
    """

    rmse: float
    smooth_rmse: float
    bias: float


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    parser.add_argument("--output", default="demo", metavar="FOLDER", help="where everything is put (default: ./%(default)s)")
    parser.add_argument("--size", choices=tuple(SIZES), default="normal", help=argparse.SUPPRESS)
    add_progress_argument(parser)


def run(arguments: argparse.Namespace) -> None:
    """Run the demo."""
    folder = Path(arguments.output)
    with watched(arguments.progress) as watch:
        if not _is_earlier_demo(folder):
            new_folder("--output", arguments.output)
        check_pictures(watch.monitor)
        began = watch.monitor.seconds
        with replacing_folder(folder, overwrite=True) as temporary:
            accuracy = _make(temporary, folder, SIZES[arguments.size], watch.monitor)
        seconds = watch.monitor.seconds - began
    say_table([("step", "seconds"), *((step, f"{took:.1f}") for step, took in watch.bar.steps), ("together", f"{seconds:.1f}")])
    say()
    say_table([(str(folder / name), _size(folder / name), meaning) for name, meaning in FILES.items()])
    say()
    say("Difference to the truth inside the log, in percent of its mean attenuation:")
    say_table(
        [
            ("  root mean square, voxel by voxel", f"{accuracy.rmse:.2f}", "noise, and rings finer than a pixel"),
            ("  root mean square of 3 x 3 x 3 voxels", f"{accuracy.smooth_rmse:.2f}"),
            ("  mean", f"{accuracy.bias:.2f}"),
        ]
    )


def _is_earlier_demo(folder: Path) -> bool:
    """Whether there is nothing in the folder but what a demo leaves, so that it may be replaced."""
    return folder.is_dir() and not folder.is_symlink() and {path.name for path in folder.iterdir()} <= set(FILES)


def _make(folder: Path, final: Path, size: Size, monitor: Monitor) -> Accuracy:
    """Make everything that the demo consists of, in ``folder``, which will be named ``final``."""
    phantom = mito.make_phantom("log")
    geometry = mito.mito_geometry(size.scale, turns=size.turns)
    box = default_grid(phantom, geometry)
    grid = VolumeGrid.from_bounds(box.minimum, box.maximum, spacing=size.spacing)
    mito.simulate(folder / "sample", phantom, geometry, noise_photons=PHOTONS, grid=grid, monitor=monitor)
    scan = mito.open_scan(folder / "sample", name="Simulated log")
    made = mito.reconstruct(scan, method="fbp", monitor=monitor)
    volume = Volume(made.array, made.grid, {**made.provenance, "sample": str(final.resolve() / "sample")})
    monitor.report("compare with the truth", 0.0)
    accuracy = compare(volume.array, sample(phantom, grid), grid)
    monitor.report("write", 0.0)
    volume.save(folder / "volume.nrrd")
    mito.save_geometry(folder / "geometry.json", geometry)
    mito.save_geometry(folder / "trajectory.vtp", geometry)
    write_scene(scan, folder / "scene.mrb", folder / "scene.png", monitor, volume=volume)
    return accuracy


def compare(volume: NDArray[np.float32], truth: NDArray[np.float32], grid: VolumeGrid) -> Accuracy:
    """Compare a volume with the truth in the wood, some mm within its surface.

    Parameters
    ----------
    volume, truth : float32, shape grid.shape, in 1/mm
    grid : VolumeGrid
    """
    wood = truth > WOOD
    inner = ndimage.binary_erosion(wood, iterations=max(2, round(RIM / grid.spacing[0])), border_value=1)
    difference = volume - truth
    mean = float(truth[inner].mean(dtype=np.float64))

    def rmse(values: NDArray[np.float32]) -> float:
        return 100 * float(np.sqrt(np.mean(values[inner].astype(np.float64) ** 2))) / mean

    bias = 100 * float(difference[inner].mean(dtype=np.float64)) / mean
    return Accuracy(rmse(difference), rmse(ndimage.uniform_filter(difference, 3)), bias)


def _size(path: Path) -> str:
    return mebibytes(sum(part.stat().st_size for part in path.rglob("*")) if path.is_dir() else path.stat().st_size)
