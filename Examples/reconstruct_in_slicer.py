"""Reconstructs a sample in 3D Slicer without its window: two runs in a queue, their difference, a file and a scene.

    Slicer --no-splash --no-main-window --python-script Examples/reconstruct_in_slicer.py SAMPLE FOLDER

SAMPLE is the folder of a sample; into FOLDER come fbp.nrrd, sirt.nrrd, difference.nrrd and everything.mrb. What is called
here is what the panel calls: the same names do the same in Slicer's Python console.
"""

import sys
from pathlib import Path

import slicer.util

from MITOReconstruction import MITOReconstructionLogic


def work(sample: Path, folder: Path) -> None:
    """Reconstruct the middle of a sample twice, and write what came of it."""
    logic = MITOReconstructionLogic()
    logic.install_requirements()
    session = logic.session
    scan = session.load(sample)
    low, high = scan.default_grid.minimum, scan.default_grid.maximum
    middle, quarter = (low[2] + high[2]) / 2, (high[2] - low[2]) / 4
    bottom, top = (*low[:2], middle - quarter), (*high[:2], middle + quarter)
    grid = type(scan.default_grid).from_bounds(bottom, top, spacing=scan.default_grid.spacing)

    told = session.estimate(grid=grid, method="sirt", parameters={"iterations": 5})
    say(f"{told.views} views, {told.peak_bytes / 2**20:.0f} MiB of memory, about {told.seconds:.0f} s")
    session.start(grid=grid, method="fbp", parameters={"filter_type": "Hann"})
    session.start(grid=grid, method="sirt", parameters={"iterations": 5}, process=True)  # waits for the first one
    session.wait()
    for run in session.runs:
        say(f"{run.name}: {run.state} {run.error}")
    fbp, sirt = session.results()
    plot = session.runs.plot(session.runs[1])
    say("residuals: " + ", ".join(f"{residual:.3g}" for _, residual in plot.values))

    session.fit_window(low=1.0, high=99.0)
    session.render(sirt, "rings")
    difference = session.difference(sirt, fbp)
    for node, name in ((fbp, "fbp"), (sirt, "sirt"), (difference, "difference")):
        session.save(node, folder / f"{name}.nrrd")
    slicer.util.saveScene(str(folder / "everything.mrb"))
    again = session.rerun(fbp)  # the same settings, from the volume's own provenance
    session.wait()
    say(f"{again.name}: {again.state}")
    logic.close()


def say(text: str) -> None:
    """A line on standard output."""
    sys.stdout.write(text + "\n")


if __name__ == "__main__":
    try:
        work(Path(sys.argv[1]), Path(sys.argv[2]))
        status = 0
    except Exception as error:  # noqa: BLE001 - the window is not there to show it
        sys.stderr.write(f"error: {error}\n")
        status = 1
    slicer.util.exit(status)
