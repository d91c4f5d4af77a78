"""Filtered backprojection of a real-size scan: seconds of each part, updates a second, peak memory.

    python Testing/Benchmarks/fullsize.py FOLDER [--slices N] [--output FILE.json]

The scan has the size of the full MITO sample: 11,988 views of 1560 x 230 pixels, 106.56 mm a turn; or the views of it that see
the slices asked for. Its sample folder, 17.2 GB for the whole, is written into FOLDER unless it is there, and the pixels hold
zeros, because how long the work takes does not depend on them. What the page cache holds of it is read from there.
The volume is the default grid, 420 x 440 x 738 voxels of 0.5 mm, or its N middle slices.

An update is one voxel and one view that sees it. Run it by itself: other work on the machine shows.
"""

from __future__ import annotations

import argparse
import datetime
import json
import platform
import resource
import sys
import time
from dataclasses import asdict
from pathlib import Path
from typing import Any

import llvmlite
import numba
import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from MITOReconstructionLib import Monitor, Scan, VolumeGrid, mito_geometry, open_scan
from MITOReconstructionLib.geometry.updates import count_updates
from MITOReconstructionLib.methods.fbp import beams_at_a_time
from MITOReconstructionLib.parallel import cores
from MITOReconstructionLib.scan.writing import write_sample
from MITOReconstructionLib.wfbp.backproject import backproject, beam_tables, beams_seeing
from MITOReconstructionLib.wfbp.coverage import fill_unseen
from MITOReconstructionLib.wfbp.filters import RampFilter
from MITOReconstructionLib.wfbp.layers import backproject_layers, layers_suit
from MITOReconstructionLib.wfbp.plan import ParallelPlan
from MITOReconstructionLib.wfbp.stream import BeamStream
from MITOReconstructionLib.wfbp.warm import compile_kernels

GRID = VolumeGrid((-80.0, -200.0, 92.44), (130.0, 20.0, 461.44), (420, 440, 738))


def opened(folder: Path, slices: int) -> tuple[Scan, VolumeGrid]:
    """The scan that sees some middle slices of the volume, and these."""
    low = (GRID.shape[2] - slices) // 2
    grid = GRID.region((0, 0, low), (GRID.shape[0], GRID.shape[1], low + slices))
    whole = mito_geometry(1)
    geometry = whole.select(whole.views_seeing(grid.minimum, grid.maximum)) if slices < GRID.shape[2] else whole
    sample = folder / f"zeros-{slices}"
    if not sample.exists():
        zeros = np.zeros((32, whole.detector.columns, whole.detector.rows), dtype=np.float32)
        write_sample(sample, geometry, grid, (zeros[: geometry.views - first] for first in range(0, geometry.views, len(zeros))))
    return open_scan(sample), grid


def peak() -> int:
    """Bytes of memory at the highest so far."""
    return resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024


def measure(folder: Path, slices: int) -> dict[str, Any]:
    """Reconstruct, and what it took."""
    compile_kernels(Monitor())
    scan, grid = opened(folder, slices)
    geometry = scan.geometry
    before, begin = peak(), time.perf_counter()
    plan = ParallelPlan(geometry)
    tables = beam_tables(plan)
    layered = layers_suit(plan, grid)
    volume = np.zeros(grid.shape, dtype=np.float32)
    first, last = beams_seeing(plan, grid)
    stream = BeamStream(
        scan, np.arange(geometry.views), plan, RampFilter.design(len(plan.t), plan.t_step), block=beams_at_a_time(plan, grid)
    )
    adding, processor = 0.0, 0.0
    for start, beams in stream.blocks(first, last, Monitor()):
        wall, used = time.perf_counter(), time.process_time()
        (backproject_layers if layered else backproject)(volume, grid, beams, start, tables)
        adding, processor = adding + time.perf_counter() - wall, processor + time.process_time() - used
    wall = time.perf_counter()
    fill_unseen(volume, grid, tables, 0.0)
    ended = time.perf_counter()
    seeing = np.flatnonzero(geometry.views_seeing(grid.minimum, grid.maximum))
    updates = count_updates(geometry, grid, seeing)[1]
    return {
        "voxels": list(grid.shape),
        "views_that_see_them": len(seeing),
        "seconds": {**asdict(stream.seconds), "backprojecting": adding, "coverage": ended - wall, "in_all": ended - begin},
        "backprojecting_processor_seconds": processor,
        "updates": updates,
        "giga_updates_per_second": updates / adding / 1e9,
        "giga_updates_per_processor_second": updates / processor / 1e9,
        "kernel": "layers" if layered else "columns",
        "peak_bytes": peak(),
        "peak_bytes_before": before,
        "volume_bytes": grid.nbytes,
    }


def main() -> None:
    """Measure and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path)
    parser.add_argument("--slices", type=int, default=GRID.shape[2])
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    options.folder.mkdir(parents=True, exist_ok=True)
    found = {
        "date": datetime.date.today().isoformat(),
        "cores": cores(),
        "threads": numba.get_num_threads(),
        "machine": platform.processor() or platform.machine(),
        "python": platform.python_version(),
        "numba": numba.__version__,
        "llvmlite": llvmlite.__version__,
        **measure(options.folder, options.slices),
    }
    text = json.dumps(found, indent=2)
    print(text)
    if options.output:
        options.output.write_text(text + "\n")


if __name__ == "__main__":
    main()
