"""How quickly a projection of a real-size sample is seen after the slider was moved, and whether memory stays steady.

    python Testing/Benchmarks/scrub.py [--output FILE.json] [--moves N] [--loads N] [--folder FOLDER]

Makes a sample as large as a real one: 11,985 views of 1560 x 230 pixels, 16 GiB of float32, in a sparse file whose views
hold data where they are looked at. Loads it through the module's panel in Testing/SlicerHost, moves the panel's slider
from view to view, in order and at random, and measures for each move, in milliseconds:

* node: until the slider's slots are done, when the projection is in its volume node and all parts in 3D have moved;
* slice: until the picture of the projection's slice view is computed too, windowed and resampled;
* rendered_slice, rendered_3d: until that slice view, or the 3D view with the projection on the detector, is drawn too,
  by a software renderer without a screen. An application draws on a graphics card.

'warm': the views were read before; 'cold': the operating system was asked to forget the file before each move, so that it
comes from the disk. Then the sample is loaded over and over, with a move after each load.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import resource
import statistics
import sys
import tempfile
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).resolve().parents[1]))
sys.path.insert(0, str(Path(__file__).resolve().parents[2]))

import SlicerHost

from MITOReconstructionLib.geometry import ScanGeometry
from MITOReconstructionLib.parallel import cores
from MITOReconstructionLib.scan.line_integrals import project
from MITOReconstructionLib.scan.phantoms import make_phantom
from MITOReconstructionLib.scan.simulation import default_grid, mito_geometry
from MITOReconstructionLib.scan.writing import write_sample

ROOT = Path(__file__).resolve().parents[2]
VIEWS = 11_985
FIRST = 6_000
"""View that moving in order begins at."""
SETTLED = 20
"""Loads that memory is measured from: the first ones fill caches."""


def sparse_sample(folder: Path, filled: list[int]) -> Path:
    """A sample of real size in which only some views hold data."""
    phantom, geometry = make_phantom("log"), mito_geometry(1, turns=VIEWS / 2664)
    few = ScanGeometry(
        geometry.angles[:2], geometry.axial_positions[:2], geometry.source_radius, geometry.detector_radius, geometry.detector
    )
    blank = np.zeros((2, geometry.detector.columns, geometry.detector.rows), np.float32)
    write_sample(folder, few, default_grid(phantom, geometry), [blank])
    np.save(folder / "angles.npy", np.mod(geometry.angles, 2 * math.pi))
    np.save(folder / "axial_positions.npy", geometry.axial_positions)
    np.save(folder / "shifts.npy", np.zeros((geometry.views, 3)))
    shape = (geometry.views, *blank.shape[1:])
    with (folder / "sinogram.npy").open("wb") as file:
        np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": shape})
        start = file.tell()
        file.truncate(start + 4 * math.prod(shape))
        for view in filled:
            file.seek(start + view * blank[0].nbytes)
            file.write(np.ascontiguousarray(project(phantom, geometry, slice(view, view + 1))[0], "<f4").data)
    return folder


def spread(taken: list[float]) -> dict[str, float]:
    """Best, median, 95th percentile and largest of some times, in milliseconds."""
    ordered = sorted(1000 * seconds for seconds in taken)
    return {
        "best": round(ordered[0], 2),
        "median": round(statistics.median(ordered), 2),
        "p95": round(ordered[math.ceil(0.95 * len(ordered)) - 1], 2),
        "largest": round(ordered[-1], 2),
        "moves": len(ordered),
    }


def resident() -> float:
    """MiB of memory that this process holds now."""
    pages = int(Path("/proc/self/statm").read_text().split()[1])
    return pages * resource.getpagesize() / 2**20


class Scrubbing:
    """The panel with the sample loaded, in the layout that shows the projection."""

    def __init__(self, host: Any, folder: Path) -> None:
        self.host = host
        self.panel = host.load_module(ROOT / "MITOReconstruction" / "MITOReconstruction.py").panel
        self.panel.data.folder.currentPath = str(folder)
        start = time.perf_counter()
        self.panel.data.load_button.click()
        self.load_seconds = time.perf_counter() - start
        self.panel.projections.layout_box.click()
        host.process_events()
        self.session = self.panel.session
        self.slice_view = host.app.layoutManager().sliceWidget("Projection").sliceView()
        self.view_3d = host.app.layoutManager().threeDWidget(0).threeDView()
        self.file = folder / "sinogram.npy"

    def to_node(self, view: int) -> None:
        """Move the slider."""
        self.panel.projections.slider.value = view

    def to_slice(self, view: int) -> None:
        """Move the slider and compute the picture of the slice view."""
        self.to_node(view)
        self.session.projection_view.slice.logic.GetImageDataConnection().GetProducer().Update()

    def to_rendered_slice(self, view: int) -> None:
        """Move the slider and draw the slice view."""
        self.to_node(view)
        self.slice_view._q.image()

    def to_rendered_3d(self, view: int) -> None:
        """Move the slider and draw the 3D view."""
        self.to_node(view)
        self.view_3d._q.image()

    def forget_file(self) -> None:
        """Ask the operating system to drop what it keeps of the file."""
        with self.file.open("rb") as file:
            os.posix_fadvise(file.fileno(), 0, 0, os.POSIX_FADV_DONTNEED)

    def times(self, move: Callable[[int], None], views: list[int], *, cold: bool = False) -> dict[str, float]:
        """Move to each of the views; the projection's values are compared after each move."""
        taken = []
        scan, shown = self.session.scan, self.session.shown
        for view in views:
            if cold:
                self.forget_file()
            start = time.perf_counter()
            move(view)
            taken.append(time.perf_counter() - start)
            if not np.array_equal(shown.projection.array, scan.projections[view]) or not shown.projection.array.any():
                raise RuntimeError(f"view {view} is not what is shown")
        return spread(taken)


def loads(scrubbing: Scrubbing, count: int, views: list[int]) -> dict[str, Any]:
    """Load the sample over and over, and note the memory."""
    memory = []
    for number in range(count):
        scrubbing.panel.data.load_button.click()
        scrubbing.to_slice(views[number % len(views)])
        scrubbing.host.process_events()
        memory.append(resident())
    settled = memory[min(SETTLED, count // 2) :]
    slope = np.polyfit(np.arange(len(settled)), settled, 1)[0]
    return {
        "loads": count,
        "mib_first": round(memory[0], 1),
        "mib_settled": round(settled[0], 1),
        "mib_last": round(memory[-1], 1),
        "mib_most": round(max(memory), 1),
        "kib_per_load_once_settled": round(1024 * slope, 2),
    }


def measure(folder: Path, moves: int, count: int) -> dict[str, Any]:
    """All figures."""
    in_order = list(range(FIRST, FIRST + moves))
    at_random = [int(v) for v in np.random.default_rng(0).choice(VIEWS, moves, replace=False)]
    sample = sparse_sample(folder, sorted({*in_order, *at_random}))
    size = (sample / "sinogram.npy").stat()
    found: dict[str, Any] = {
        "cores": cores(),
        "others_running_before": round(os.getloadavg()[0], 1),
        "machine": platform.processor() or platform.machine(),
        "python": platform.python_version(),
        "sinogram_gib": round(size.st_size / 2**30, 2),
        "on_disk_gib": round(size.st_blocks * 512 / 2**30, 2),
    }
    with SlicerHost.running() as host:
        scrubbing = Scrubbing(host, sample)
        found["load_seconds"] = round(scrubbing.load_seconds, 3)
        found["slice_view_pixels"] = list(scrubbing.session.projection_view.slice.node.GetDimensions()[:2])
        kinds = {"node": scrubbing.to_node, "slice": scrubbing.to_slice}
        drawn = {"rendered_slice": scrubbing.to_rendered_slice, "rendered_3d": scrubbing.to_rendered_3d}
        for name, views in (("in_order", in_order), ("at_random", at_random)):
            scrubbing.times(scrubbing.to_slice, views)
            figures: dict[str, Any] = {kind: {"warm": scrubbing.times(move, views)} for kind, move in kinds.items()}
            figures["slice"]["cold"] = scrubbing.times(scrubbing.to_slice, views, cold=True)
            for kind, move in drawn.items():
                scrubbing.times(move, views[:2])  # opens the render window
                figures[kind] = {"warm": scrubbing.times(move, views[: max(2, moves // 5)])}
            found[f"milliseconds_{name}"] = figures
        found["memory"] = loads(scrubbing, count, in_order)
        host.check()
    return found


def main() -> None:
    """Measure and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--moves", type=int, default=200)
    parser.add_argument("--loads", type=int, default=200)
    parser.add_argument("--folder", type=Path, help="where the sample is made; a folder for temporary files by default")
    options = parser.parse_args()
    with tempfile.TemporaryDirectory(dir=options.folder) as place:
        text = json.dumps(measure(Path(place) / "sample", options.moves, options.loads), indent=2)
    print(text)
    if options.output:
        options.output.write_text(text + "\n")


if __name__ == "__main__":
    main()
