"""How fast live slices are here, in the real MITO geometry (1560 x 230 pixels, 2664 views per turn, 106.56 mm per turn).

    python Testing/Benchmarks/live.py [--output FILE.json] [--turns T]

Only time and memory matter here, so every view holds the same simulated projection, in memory: reading from a disk is not measured,
and the images show nothing. The scan is so long that a plane in its middle is seen by as many beams as in a whole one. Measured:

* the results of the first plane, two previews and the final image, of a scan that was just opened (its views have to be binned and
  filtered);
* preview: from a request to the preview of a plane of 256 x 256 pixels near one that was looked at before;
* final: backprojection of 512 x 512 pixels once the beams are filtered: axial, sagittal, oblique;
* filtering: beams per second, and what that means for the first final image;
* a drag: 100 requests in two seconds; from the last one to its preview, and whether it comes to a final image;
* memory: the peak of the process less what it had before the engine and less the cache.

Figures are the best and the median of the repetitions.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import resource
import statistics
import sys
import threading
import time
from pathlib import Path
from typing import Any

import numpy as np

sys.path.insert(0, str(Path(__file__).parents[2]))

from MITOReconstructionLib import LiveSlices, Plane, Scan, make_phantom, mito_geometry
from MITOReconstructionLib.live import LiveSettings, SliceResult
from MITOReconstructionLib.live.level import Level
from MITOReconstructionLib.live.once import reconstruct_slice
from MITOReconstructionLib.parallel import cores
from MITOReconstructionLib.scan.line_integrals import project

CENTRE = (25.0, -90.0, 277.0)
PATIENCE = 1200.0


def real_scan(turns: float) -> Scan:
    """The real geometry; every view is the one from the middle."""
    geometry = mito_geometry(1, turns=turns)
    one = project(make_phantom("log"), geometry, [geometry.views // 2])[0]
    return Scan.from_arrays(np.broadcast_to(one, (geometry.views, *one.shape)), geometry)


def axial(move: float, pixels: int) -> Plane:
    """A plane across the axis of 210 mm, the size of the default volume."""
    return Plane.centred((CENTRE[0], CENTRE[1], CENTRE[2] + move), (1, 0, 0), (0, 1, 0), (pixels, pixels), 210.0 / pixels)


def summary(seconds: list[float]) -> dict[str, float]:
    """Best and median."""
    return {"best": min(seconds), "median": statistics.median(seconds)}


class Watcher:
    """Notes when results come."""

    def __init__(self) -> None:
        self.came: list[tuple[float, SliceResult]] = []
        self.changed = threading.Condition()

    def __call__(self, result: SliceResult) -> None:
        with self.changed:
            self.came.append((time.perf_counter(), result))
            self.changed.notify_all()

    def until(self, plane: Plane, level: str) -> float:
        """When the plane's result of this level came; waits for it."""

        def there() -> list[float]:
            return [when for when, result in self.came if result.plane is plane and result.level == level]

        with self.changed:
            if not self.changed.wait_for(lambda: bool(there()), PATIENCE):
                raise TimeoutError(level)
            return there()[0]


def compile_all() -> None:
    """Have every kernel compiled before anything is timed."""
    geometry = mito_geometry(24, turns=2.0)
    scan = Scan.from_arrays(np.zeros((geometry.views, geometry.detector.columns, geometry.detector.rows), np.float32), geometry)
    reconstruct_slice(scan, axial(0.0, 8))
    with LiveSlices(scan) as live:
        live.reconstruct(axial(0.0, 8))


def backprojection(level: Level, plane: Plane, repetitions: int) -> dict[str, float]:
    """Seconds for a plane whose beams are filtered."""
    from MITOReconstructionLib.live.task import reconstruct_plane

    taken = []
    for _ in range(repetitions):
        start = time.perf_counter()
        for _ in reconstruct_plane(level, plane, (0, level.plan.beams), 0.0, {}):
            pass
        taken.append(time.perf_counter() - start)
    return summary(taken)


def engine(scan: Scan, cache: int, repetitions: int) -> dict[str, Any]:
    """What somebody at the interface sees."""
    found: dict[str, Any] = {}
    watch = Watcher()
    before = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    with LiveSlices(scan, cache_bytes=cache, callback=watch) as live:
        plane = axial(0.0, 512)
        start = time.perf_counter()
        live.request("Red", plane)
        found["first_preview_s"] = watch.until(plane, "preview") - start
        found["first_final_s"] = watch.until(plane, "final") - start
        found["first_results_s"] = [[result.level, when - start] for when, result in watch.came]
        found["beams_that_see_it"] = live.status().filtered
        previews, finals = [], []
        for number in range(repetitions):
            plane = axial(0.4 * (number + 1), 256)
            start = time.perf_counter()
            live.request("Red", plane)
            previews.append(watch.until(plane, "preview") - start)
            finals.append(watch.until(plane, "final") - start)
        found["preview_256_s"], found["final_256_after_request_s"] = summary(previews), summary(finals)
        planes = [axial(0.02 * number, 256) for number in range(100)]
        start = time.perf_counter()
        for number, plane in enumerate(planes):
            time.sleep(max(0.0, start + 0.02 * number - time.perf_counter()))
            live.request("Red", plane)
        end = time.perf_counter()
        found["drag"] = {
            "seconds": end - start,
            "last_preview_after_the_end_s": watch.until(planes[-1], "preview") - end,
            "last_final_after_the_end_s": watch.until(planes[-1], "final") - end,
            "previews_shown": sum(start <= when <= end and result.level == "preview" for when, result in watch.came),
        }
        live.wait(PATIENCE)
        found["drag"]["at_rest"] = live.poll()[-1].plane is planes[-1]
        peak = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
        found["memory"] = {
            "cache_bytes": live.status().cache_limit,
            "peak_beside_the_cache_bytes": peak - before - live.status().cache_bytes,
        }
    return found


def kernels(scan: Scan, cache: int, repetitions: int) -> dict[str, Any]:
    """The parts: filtering, and backprojection of planes."""
    level = Level(scan, LiveSettings(), cache)
    first = level.plan.beams // 2
    start = time.perf_counter()
    level.fill(first, level.plan.beams)
    begun = time.perf_counter()
    count = 0
    while count < 128 and level.fill(first, level.plan.beams):
        count += level.block
    found: dict[str, Any] = {"filter_start_s": begun - start, "filter_beams_per_s": count / (time.perf_counter() - begun)}
    rng = np.random.default_rng(0)
    store = level.cache.store  # beams of noise: the time does not depend on what is in them
    store.values[...] = rng.integers(-30000, 30000, store.values.shape[1:], dtype=np.int16)
    store.scales[...] = 1e-5
    store.slots[:] = np.arange(len(store.slots)) % len(store.scales)
    middle = np.array(CENTRE)
    u = np.array([0.8, 0.0, 0.6])
    planes = {
        "axial_512_s": axial(0.0, 512),
        "sagittal_512_s": Plane.centred(middle, (0, 1, 0), (0, 0, 1), (512, 512), 0.2),
        "oblique_512_s": Plane.centred(middle, u, (0, 1, 0), (512, 512), 0.4),
        "axial_1024_s": axial(0.0, 1024),
    }
    for name, plane in planes.items():
        found[name] = backprojection(level, plane, repetitions)
    level.close()
    return found


def main() -> None:
    """Measure and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--turns", type=float, default=2.2)
    parser.add_argument("--cache", type=float, default=3.0, help="GiB")
    parser.add_argument("--repetitions", type=int, default=5)
    options = parser.parse_args()
    compile_all()
    scan, cache = real_scan(options.turns), int(options.cache * 2**30)
    found: dict[str, Any] = {
        "cores": cores(),
        "machine": platform.processor() or platform.machine(),
        "python": platform.python_version(),
        "load_average_before": os.getloadavg()[0] if hasattr(os, "getloadavg") else None,
        "views": scan.geometry.views,
        "note": "every view holds the same projection, in memory; nothing is read from a disk",
    }
    found["engine"] = engine(scan, cache, options.repetitions)
    found["parts"] = kernels(scan, cache, options.repetitions)
    text = json.dumps(found, indent=2)
    print(text)
    if options.output:
        options.output.write_text(text + "\n")


if __name__ == "__main__":
    main()
