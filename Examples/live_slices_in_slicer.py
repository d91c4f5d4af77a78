"""Looks through a sample in 3D Slicer without reconstructing a volume: moves a slice view, pins a slice, and writes it into a file.

    Slicer --python-script Examples/live_slices_in_slicer.py SAMPLE FILE.nrrd

SAMPLE is the folder of a sample; FILE.nrrd becomes the pinned slice, a volume of one slice that lies where its plane is. What
is called here is what the panel calls: the same names do the same in Slicer's Python console.
"""

import sys
from pathlib import Path

import slicer
import slicer.util

from MITOReconstruction import MITOReconstructionLogic


def work(sample: Path, file: Path) -> None:
    """Move the Red view to the middle of a sample, smooth its slice, and keep it."""
    logic = MITOReconstructionLogic()
    logic.install_requirements()
    session = logic.session
    scan = session.load(sample)
    live = session.live.start(scan, session.shown)
    live.follow("Red")
    low, high = scan.default_grid.minimum, scan.default_grid.maximum
    live.views["Red"].JumpSliceByCentering(*((a + b) / 2 for a, b in zip(low, high, strict=True)))
    session.live.wait()  # in place of the panel's timer; a script with an event loop calls session.live.tick() now and then
    say(live)

    settings = type(live.engine.settings)
    live.engine.change(settings(filter_type="Hann", frequency_scaling=0.7))
    session.live.wait()
    say(live)
    key = live.pin("Red")
    session.live.wait()
    slicer.util.saveNode(live.pinned[key].node, str(file))
    live.plot("total ms")  # a chart node; the panel's button shows it
    session.live.stop(scan.name)
    logic.close()


def say(live) -> None:
    """The newest result, on standard output."""
    result = live.history[-1]
    sys.stdout.write(f"{result.key}: {result.level}, mean {result.values['mean']:.4g} per mm, {result.seconds['total']:.2f} s\n")


if __name__ == "__main__":
    try:
        work(Path(sys.argv[1]), Path(sys.argv[2]))
        status = 0
    except Exception as error:  # noqa: BLE001 - the window may not be there to show it
        sys.stderr.write(f"error: {error}\n")
        status = 1
    slicer.util.exit(status)
