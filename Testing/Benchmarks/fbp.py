"""How fast and how exact FBP is here.

    python Testing/Benchmarks/fbp.py [--output FILE.json] [--views N]

Measures, on all cores:

* backprojection of a circular scan: 256^3 voxels, 360 views of 512 x 512 pixels (flat detector), and the whole FBP;
* backprojection in the real MITO geometry (1560 x 230 pixels, 2664 views per turn, 106.56 mm per turn) at its default
  grid (420 x 440 x 738 voxels), from some of its beams;
* the same circle with RTK's FDK, where the Python package itk-rtk is installed, in turn with ours in the same run.

GUPS = voxels x views / seconds / 1e9. Figures are the best and the median of the repetitions.
"""

from __future__ import annotations

import argparse
import json
import math
import platform
import statistics
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from MITOReconstructionLib import Monitor, Scan, VolumeGrid, mito_geometry, reconstruct
from MITOReconstructionLib.geometry import Detector, ScanGeometry
from MITOReconstructionLib.parallel import cores
from MITOReconstructionLib.wfbp.backproject import beam_tables, beams_seeing
from MITOReconstructionLib.wfbp.layers import backproject_layers
from MITOReconstructionLib.wfbp.plan import ParallelPlan
from MITOReconstructionLib.wfbp.warm import compile_kernels

SOURCE, DETECTOR = 1000.0, 500.0


def circle(views: int) -> tuple[ScanGeometry, VolumeGrid]:
    """256^3 voxels of 1 mm, 512 x 512 flat pixels of 1 mm."""
    angles = np.arange(views) * 2 * math.pi / views
    geometry = ScanGeometry(angles, np.zeros(views), SOURCE, DETECTOR, Detector(512, 512, -256.0, 256.0, -256.0, 256.0))
    return geometry, VolumeGrid((-128.0,) * 3, (128.0,) * 3, (256,) * 3)


def seconds_of(work: Callable[[], object], repetitions: int) -> dict[str, float]:
    """Best and median time of some repetitions."""
    taken = []
    for _ in range(repetitions):
        start = time.perf_counter()
        work()
        taken.append(time.perf_counter() - start)
    return {"best": min(taken), "median": statistics.median(taken)}


def backprojection(geometry: ScanGeometry, grid: VolumeGrid, beams: int, repetitions: int) -> dict[str, float]:
    """Time of the kernel for ``beams`` beams in the middle of a scan, and GUPS."""
    plan = ParallelPlan(geometry)
    tables = beam_tables(plan)
    first, last = beams_seeing(plan, grid)
    start = max(first, (first + last - beams) // 2)
    beams = min(beams, last - start)
    data = np.random.default_rng(0).random((beams, len(plan.t), geometry.detector.rows), dtype=np.float32)
    volume = np.zeros(grid.shape, dtype=np.float32)
    timing = seconds_of(lambda: backproject_layers(volume, grid, data, start, tables), repetitions)
    gups = {f"gups_{name}": grid.size * beams / taken / 1e9 for name, taken in timing.items()}
    return {"beams": beams, **timing, **gups}


def rtk_fdk(geometry: ScanGeometry, grid: VolumeGrid, projections: np.ndarray) -> Callable[[], object] | None:
    """RTK's FDK of the same circle, or None where itk-rtk is not installed."""
    try:
        import itk
        from itk import RTK as rtk  # noqa: N811
    except ImportError:
        return None
    positions = rtk.ThreeDCircularProjectionGeometry.New()
    for angle in np.degrees(geometry.angles):
        positions.AddProjection(SOURCE, SOURCE + DETECTOR, float(angle))
    stack = itk.image_from_array(np.ascontiguousarray(projections.transpose(0, 2, 1)))
    stack.SetOrigin([-255.5, -255.5, 0.0])
    kind = type(stack)

    def work() -> object:
        empty = rtk.ConstantImageSource[kind].New(Size=list(grid.shape), Spacing=list(grid.spacing), Origin=list(grid.origin), Constant=0.0)
        fdk = rtk.FDKConeBeamReconstructionFilter[kind].New(Geometry=positions)
        fdk.SetInput(0, empty.GetOutput())
        fdk.SetInput(1, stack)
        fdk.Update()
        return fdk.GetOutput()

    return work


def measure(views: int, repetitions: int) -> dict[str, Any]:
    """All figures."""
    compile_kernels(Monitor())
    geometry, grid = circle(views)
    found: dict[str, Any] = {"cores": cores(), "machine": platform.processor() or platform.machine(), "python": platform.python_version()}
    found["circle_256_backprojection"] = backprojection(geometry, grid, views, repetitions)
    projections = np.random.default_rng(0).random((views, 512, 512), dtype=np.float32)
    scan = Scan.from_arrays(projections, geometry)
    peer = rtk_fdk(geometry, grid, projections)
    ours, theirs = [], []
    for _ in range(repetitions):
        ours.append(seconds_of(lambda: reconstruct(scan, grid=grid), 1)["best"])
        if peer is not None:
            theirs.append(seconds_of(peer, 1)["best"])
    found["circle_256_fbp"] = {"seconds_median": statistics.median(ours), "gups": grid.size * views / statistics.median(ours) / 1e9}
    if theirs:
        found["rtk_fdk"] = {"seconds_median": statistics.median(theirs), "gups": grid.size * views / statistics.median(theirs) / 1e9}
        found["times_faster_than_rtk"] = statistics.median(b / a for a, b in zip(ours, theirs, strict=True))
    real = mito_geometry(1)
    box = VolumeGrid((-80.0, -200.0, 92.44), (130.0, 20.0, 461.44), (420, 440, 738))
    found["mito_default_backprojection"] = backprojection(real, box, 32, repetitions)
    return found


def main() -> None:
    """Measure and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--views", type=int, default=360)
    parser.add_argument("--repetitions", type=int, default=3)
    options = parser.parse_args()
    text = json.dumps(measure(options.views, options.repetitions), indent=2)
    print(text)
    if options.output:
        options.output.write_text(text + "\n")


if __name__ == "__main__":
    main()
