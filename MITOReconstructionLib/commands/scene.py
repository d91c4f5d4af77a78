"""``scene``: a Slicer scene of a sample, and a picture of it."""

from __future__ import annotations

import argparse
from pathlib import Path

from MITOReconstructionLib.commands.arguments import add_sample_argument, chosen_scan, new_file, whole
from MITOReconstructionLib.commands.output import say
from MITOReconstructionLib.commands.signals import held
from MITOReconstructionLib.commands.watch import watched
from MITOReconstructionLib.errors import InputError
from MITOReconstructionLib.jobs import Volume
from MITOReconstructionLib.monitor import Monitor
from MITOReconstructionLib.scan import Scan

__all__ = ["add_arguments", "check_pictures", "run", "write_scene"]

CHECK = "check that pictures can be drawn"


def add_arguments(parser: argparse.ArgumentParser) -> None:
    """Declare the command's arguments."""
    add_sample_argument(parser)
    parser.add_argument("--volume", metavar="FILE.nrrd", help="a volume to show with it")
    parser.add_argument(
        "--view", type=whole(0), metavar="INDEX", help="the view that source, rays and detector are shown at (default: the middle)"
    )
    parser.add_argument("--output", required=True, metavar="FILE.mrb", help="the scene to write")
    parser.add_argument("--picture", metavar="FILE.png", help="a picture of the 3D view and the slices to write")


def run(arguments: argparse.Namespace) -> None:
    """Write a scene."""
    target = new_file("--output", arguments.output, (".mrb",))
    picture = new_file("--picture", arguments.picture, (".png",)) if arguments.picture else None
    scan = chosen_scan(arguments)
    view = arguments.view
    if view is not None and view >= scan.geometry.views:
        expected = f"a view from 0 to {scan.geometry.views - 1}"
        raise InputError("--view", expected=expected, found=str(view), remedy="Choose a view of this scan.")
    volume = Volume.load(arguments.volume) if arguments.volume else None
    with watched() as watch:
        if picture is not None:
            check_pictures(watch.monitor)
        name = Path(arguments.volume).stem if arguments.volume else "volume"
        write_scene(scan, target, picture, watch.monitor, view=view, volume=volume, name=name)
    say(str(target))
    if picture is not None:
        say(str(picture))


def check_pictures(monitor: Monitor) -> None:
    """Find out before the work whether pictures can be drawn here.

    Raises
    ------
    MissingPackageError
        When slicer-core is not installed.
    WorkError
        When nothing can be drawn without a screen; the text names the packages that are missing.
    """
    monitor.report(CHECK, 0.0)
    from MITOReconstructionLib.scene.offscreen import require_opengl

    require_opengl()
    monitor.report(CHECK, 1.0)


def write_scene(
    scan: Scan,
    target: Path,
    picture: Path | None,
    monitor: Monitor,
    *,
    view: int | None = None,
    volume: Volume | None = None,
    name: str = "volume",
) -> None:
    """Write a scene of a scan, of a volume with it, and a picture.

    Raises
    ------
    MissingPackageError
        When slicer-core is not installed.
    WorkError
        When nothing can be drawn without a screen, or writing fails.
    """
    from MITOReconstructionLib.scene import ScanScene, new_scene, render_picture, save_scene

    with held():  # VTK loses or dies of exceptions in its callbacks
        monitor.report("scene", 0.0)
        scene = new_scene()
        shown = ScanScene(scene, scan, view=scan.geometry.views // 2 if view is None else view)
        shown.show_region(volume.grid if volume else None)
        if volume is not None:
            shown.show_volume(volume.array, volume.grid, name, volume.provenance)
        monitor.report("scene", 0.3)
        save_scene(scene, target)
        monitor.report("scene", 1.0)
        if picture is not None:
            monitor.report("picture", 0.0)
            render_picture(scene, picture)
            monitor.report("picture", 1.0)
