"""Forward and back projection: giga voxel updates a second and peak memory, as JSON; peers beside where installed.

    python Testing/Benchmarks/projectors.py [--backend cpu] [--views 36] [--size 256] [--pixels 512] [--detector curved]
                                            [--repeat 2] [--peer itk-rtk] [--output FILE.json]

GUPS = voxels * views / seconds / 1e9. Seconds are wall time, the best of the repeats, without compilation; where other
programs share the cores, 'gups_a_core', by processor time, is the number to compare. Each operation runs
in a process of its own, so that peak memory is its own; 'extra' is peak memory less the two arrays.
"""

from __future__ import annotations

import argparse
import json
import math
import os
import platform
import resource
import subprocess
import sys
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from MITOReconstructionLib.geometry import Detector, ScanGeometry, VolumeGrid  # noqa: E402

SOURCE, DETECTOR, SIDE = 500.0, 500.0, 256.0  # mm
OPERATIONS = ("forward", "back")


def make_case(views: int, size: int, pixels: int, curved: bool) -> tuple[ScanGeometry, VolumeGrid]:
    """A cube of SIDE mm that every view sees whole; a pixel is about half a voxel wide at the axis."""
    distance = SOURCE + DETECTOR
    reach = SIDE / 2 * math.sqrt(2)
    fan = math.asin(reach / SOURCE)
    height = SIDE / 2 * distance / (SOURCE - reach)
    if curved:
        detector = Detector(pixels, pixels, -fan, fan, -height, height, distance)
    else:
        width = distance * math.tan(fan)
        detector = Detector(pixels, pixels, -width, width, -height, height)
    angles = np.arange(views) * 2 * np.pi / views
    return ScanGeometry(angles, np.zeros(views), SOURCE, DETECTOR, detector), VolumeGrid((-SIDE / 2,) * 3, (SIDE / 2,) * 3, (size,) * 3)


def ours(operation: str, options: argparse.Namespace) -> tuple[Callable[[], object], str, int]:
    from MITOReconstructionLib.projectors.backends import choose_backend

    geometry, grid = make_case(options.views, options.size, options.pixels, options.detector == "curved")
    backend = choose_backend(options.backend)
    rng = np.random.default_rng(0)
    volume = np.zeros(grid.shape, np.float32)
    projections = np.zeros((geometry.views, options.pixels, options.pixels), np.float32)
    source = volume if operation == "forward" else projections
    for part in source:
        part[...] = rng.random(part.shape, dtype=np.float32)
    run = backend.forward if operation == "forward" else backend.back
    out = projections if operation == "forward" else volume
    run(source, grid, geometry.select([0]) if operation == "forward" else geometry, None if operation == "forward" else out)
    return lambda: run(source, grid, geometry, out), backend.description, volume.nbytes + projections.nbytes


def rtk(operation: str, options: argparse.Namespace) -> tuple[Callable[[], object], str, int]:
    """RTK's Joseph projector and voxel-based back projection, flat or curved detector."""
    import itk
    from itk import RTK

    geometry, _ = make_case(options.views, options.size, options.pixels, options.detector == "curved")
    distance = SOURCE + DETECTOR
    theirs = RTK.ThreeDCircularProjectionGeometry.New()
    for angle in np.degrees(geometry.angles):
        theirs.AddProjection(SOURCE, distance, float(angle))
    if options.detector == "curved":
        theirs.SetRadiusCylindricalDetector(distance)
    width, height = geometry.detector.pixel_size
    image = itk.Image[itk.F, 3]

    def constant(shape: tuple[int, int, int], spacing: tuple[float, float, float], value: float, views: bool) -> Any:
        source = RTK.ConstantImageSource[image].New()
        source.SetSize(shape)
        source.SetSpacing(spacing)
        source.SetOrigin(
            [0.0 if views and axis == 2 else -0.5 * (n - 1) * s for axis, (n, s) in enumerate(zip(shape, spacing, strict=True))]
        )
        source.SetConstant(value)
        source.Update()
        made = source.GetOutput()
        made.DisconnectPipeline()  # its source goes out of scope
        return made

    voxel = SIDE / options.size
    volume = constant((options.size,) * 3, (voxel,) * 3, 0.5, False)
    projections = constant((options.pixels, options.pixels, options.views), (width, height, 1.0), 0.5, True)

    def run() -> None:
        kind = RTK.JosephForwardProjectionImageFilter if operation == "forward" else RTK.BackProjectionImageFilter
        chain = kind[image, image].New()
        chain.InPlaceOff()  # else it takes the input's memory, and the next run has none
        chain.SetInput(0, projections if operation == "forward" else volume)
        chain.SetInput(1, volume if operation == "forward" else projections)
        chain.SetGeometry(theirs)
        chain.Update()

    return (
        run,
        "itk-rtk, " + ("Joseph" if operation == "forward" else "voxel-based"),
        4 * (options.size**3 + options.views * options.pixels**2),
    )


PROGRAMS = {"this": ours, "itk-rtk": rtk}


def measure(program: str, operation: str, options: argparse.Namespace) -> dict[str, Any]:
    """One operation of one program, in this process."""
    run, description, arrays = PROGRAMS[program](operation, options)
    seconds = busy = math.inf
    for _ in range(options.repeat):
        start, used = time.perf_counter(), time.process_time()
        run()
        seconds, busy = min(seconds, time.perf_counter() - start), min(busy, time.process_time() - used)
    peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    updates = options.size**3 * options.views
    return {
        "program": program, "operation": operation, "how": description, "seconds": round(seconds, 3),
        "gups": round(updates / seconds / 1e9, 4), "cpu_seconds": round(busy, 3),
        "gups_a_core": round(updates / busy / 1e9, 4), "peak_mb": round(peak / 1e6), "extra_mb": round((peak - arrays) / 1e6),
    }  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--backend", default="auto")
    parser.add_argument("--views", type=int, default=360)
    parser.add_argument("--size", type=int, default=256)
    parser.add_argument("--pixels", type=int, default=512)
    parser.add_argument("--detector", choices=("flat", "curved"), default="flat")
    parser.add_argument("--repeat", type=int, default=1)
    parser.add_argument("--peer", choices=[name for name in PROGRAMS if name != "this"], action="append", default=[])
    parser.add_argument("--output", type=Path)
    parser.add_argument("--only", nargs=2, metavar=("PROGRAM", "OPERATION"), help=argparse.SUPPRESS)
    options = parser.parse_args()
    if options.only:
        print(json.dumps(measure(*options.only, options)))
        return 0
    results = []
    for program in ("this", *options.peer):
        for operation in OPERATIONS:
            done = subprocess.run([sys.executable, __file__, *sys.argv[1:], "--only", program, operation], capture_output=True, text=True)
            if done.returncode:
                last = (done.stderr.strip().splitlines() or ["no message"])[-1]
                results.append({"program": program, "operation": operation, "skipped": last})
            else:
                results.append(json.loads(done.stdout.strip().splitlines()[-1]))
            print(json.dumps(results[-1]), file=sys.stderr)
    case = {"voxels": [options.size] * 3, "views": options.views, "pixels": [options.pixels] * 2, "detector": options.detector}
    report = {"case": case, "cores": os.cpu_count(), "processor": platform.processor() or platform.machine(), "results": results}
    text = json.dumps(report, indent=2)
    if options.output:
        options.output.write_text(text + "\n", encoding="utf-8")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
