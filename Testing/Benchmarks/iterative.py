"""FBP, OS-SART and CGLS on a region of the real-size scan: seconds, giga updates a second, memory and error, as JSON.

    python Testing/Benchmarks/iterative.py FOLDER [--scale 1] [--shape 256 256 300] [--spacing 0.5] [--centre 0 0]
        [--stride 1] [--margin 0.5] [--method fbp] [--method os-sart] [--method cgls] [--iterations 3] [--subsets 10]
        [--output FILE.json]

The geometry is the MITO scanner's (1560 x 230 pixels, 2664 views per turn, 106.56 mm per turn) at 1/scale of its resolution, with
every ``stride``-th view, for the views that see the region and ``margin`` turns on either side. (From a stride of 13 on the views
count as sparse, and the region's surroundings are refined by total variation.) The region lies within a larger object, a
Shepp-Logan head of 100 mm, whose exact projections are written into FOLDER once (12.5 GB for the full size) and used again by
later runs; temporary files of the size of the views that see the region go there too.

Each method runs in a process of its own. What was measured is written to FILE.json after the simulation, after each method and
when it is interrupted, and in FOLDER/METHOD.json after each iteration. An update is one voxel and one view that sees it: GUPS =
updates / seconds / 1e9 of the forward and back projections of the iterations. 'seconds' of an iteration are wall time, with what
it reads and weighs, without the error's computation; 'before' is everything before the first: the surroundings of the region,
weights, the start. RMSE is in % of the head's attenuation (not of its skull's, which lies outside of the region) over all voxels
of the region whose surroundings of 3^3 voxels are uniform, and over all voxels.
"""

from __future__ import annotations

import argparse
import datetime
import json
import platform
import resource
import subprocess
import sys
import tempfile
import time
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numpy as np
from scipy import ndimage

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from MITOReconstructionLib import Monitor, Progress, Scan, ScanGeometry, VolumeGrid, mito_geometry, open_scan, reconstruct  # noqa: E402
from MITOReconstructionLib.files import replacing  # noqa: E402
from MITOReconstructionLib.geometry.updates import count_updates  # noqa: E402
from MITOReconstructionLib.parallel import cores  # noqa: E402
from MITOReconstructionLib.projectors.cpu import CpuBackend  # noqa: E402
from MITOReconstructionLib.scan.line_integrals import sample  # noqa: E402
from MITOReconstructionLib.scan.phantoms import shepp_logan  # noqa: E402
from MITOReconstructionLib.scan.shapes import Phantom  # noqa: E402
from MITOReconstructionLib.scan.simulation import simulate  # noqa: E402
from MITOReconstructionLib.wfbp.warm import compile_kernels  # noqa: E402

METHODS = ("fbp", "os-sart", "cgls")
HEIGHT = 277.125
PEAK = 0.02
BRIGHT = 0.3 * PEAK  # of the head's inside; the skull, which is brighter, lies outside of the region


class Timed(CpuBackend):
    """The CPU's projectors, and how long they took for the region since the last look."""

    def __init__(self, grid: VolumeGrid) -> None:
        self._grid = grid
        self.seconds = {"forward": 0.0, "back": 0.0}
        self.views = {"forward": 0, "back": 0}

    def forward(self, volume: Any, grid: VolumeGrid, geometry: ScanGeometry, out: Any = None, **keywords: Any) -> Any:
        return self._time("forward", CpuBackend.forward, volume, grid, geometry, out, **keywords)

    def back(self, projections: Any, grid: VolumeGrid, geometry: ScanGeometry, out: Any = None, **keywords: Any) -> Any:
        return self._time("back", CpuBackend.back, projections, grid, geometry, out, **keywords)

    def _time(self, name: str, work: Any, array: Any, grid: VolumeGrid, geometry: ScanGeometry, out: Any, **keywords: Any) -> Any:
        start = time.perf_counter()
        result = work(array, grid, geometry, out, **keywords)
        if grid == self._grid:
            self.seconds[name] += time.perf_counter() - start
            self.views[name] += len(geometry.view_indices(keywords.get("views")))
        return result

    def take(self) -> dict[str, tuple[float, int]]:
        """Seconds and views of each kind since the last call."""
        taken = {name: (self.seconds[name], self.views[name]) for name in self.seconds}
        self.seconds, self.views = dict.fromkeys(self.seconds, 0.0), dict.fromkeys(self.views, 0)
        return taken


def region(options: argparse.Namespace) -> VolumeGrid:
    middle = (*options.centre, HEIGHT)
    half = [0.5 * n * options.spacing for n in options.shape]
    return VolumeGrid(
        tuple(m - h for m, h in zip(middle, half, strict=True)), tuple(m + h for m, h in zip(middle, half, strict=True)), options.shape
    )


def scanner(options: argparse.Namespace) -> ScanGeometry:
    """The views that see the region, and some more on either side."""
    per_turn = round(2664 / options.scale / options.stride)
    whole = mito_geometry(options.scale, turns=12.0, views_per_turn=per_turn, centre=HEIGHT)
    grid = region(options)
    seeing = np.flatnonzero(whole.views_seeing(grid.minimum, grid.maximum))
    margin = round(options.margin * per_turn)
    return whole.select(slice(max(0, seeing[0] - margin), seeing[-1] + 1 + margin))


def head() -> Phantom:
    return shepp_logan(100.0, centre=(0.0, 0.0, HEIGHT), attenuation=PEAK)


def made(options: argparse.Namespace) -> Path:
    """The folder of the simulated scan, made where it is not there."""
    words = (options.scale, options.stride, options.margin, *options.shape, options.spacing, *options.centre)
    folder = options.folder / ("scan-" + "-".join(f"{word:g}" for word in words))
    if not folder.exists():
        simulate(folder, head(), scanner(options), grid=region(options), monitor=Monitor(told("simulating")))
    return folder


def told(name: str) -> Any:
    """Says on standard error how far something is, every ten seconds."""
    last = [time.monotonic()]

    def report(progress: Progress) -> None:
        if time.monotonic() - last[0] > 10.0:
            last[0] = time.monotonic()
            print(f"{name}: {progress.step} {progress.fraction:.0%} after {progress.seconds:.0f} s", file=sys.stderr)

    return report


def run(method: str, folder: Path, options: argparse.Namespace) -> dict[str, Any]:
    """One method, in this process."""
    scan: Scan = open_scan(folder)
    grid = region(options)
    truth = sample(head(), grid)
    flat = ndimage.maximum_filter(truth, 3) - ndimage.minimum_filter(truth, 3) < 1e-3 * PEAK
    backend = Timed(grid)
    seeing = np.flatnonzero(scan.geometry.views_seeing(grid.minimum, grid.maximum))
    updates = count_updates(scan.geometry, grid, seeing)[1] / len(seeing)  # of one view
    parameters: dict[str, Any] = {} if method == "fbp" else {"iterations": options.iterations}
    if method == "os-sart":
        parameters["subsets"] = options.subsets
    compile_kernels(Monitor())
    if method != "fbp":
        reconstruct(scan, grid=small(grid), method=method, parameters={"iterations": 1, "context": False}, views=slice(0, None, 16))
    before_bytes = resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024
    result: dict[str, Any] = {
        "method": method,
        "parameters": parameters,
        "voxels": list(grid.shape),
        "views": scan.geometry.views,
        "views_seeing_the_region": len(seeing),
        "giga_updates_each_way": round(updates * len(seeing) / 1e9, 3),
        "memory_before_gb": round(before_bytes / 1e9, 3),
        "volume_gb": round(grid.nbytes / 1e9, 3),
        "before": {},
        "iterations": [],
    }
    marks = [time.perf_counter()]
    say = told(method)

    def report(progress: Progress) -> None:
        say(progress)
        if not result["before"] and progress.step.lower() == method:
            result["before"] = {"seconds": round(time.perf_counter() - marks[0], 2), **parts(backend.take(), updates)}
            save(result, options)
            marks.append(time.perf_counter())

    def errors(volume: np.ndarray) -> dict[str, float]:
        difference = (volume - truth) / BRIGHT * 100.0
        return {"rmse_flat_percent": rms(difference[flat]), "rmse_percent": rms(difference)}

    def preview(number: int, volume: np.ndarray) -> None:
        seconds = time.perf_counter() - marks[-1]
        entry = {"seconds": round(seconds, 2), **parts(backend.take(), updates), **errors(volume)}
        result["iterations"].append(entry)
        print(f"{method} {number}: {json.dumps(entry)}", file=sys.stderr, flush=True)
        save(result, options)
        marks.append(time.perf_counter())

    volume = reconstruct(scan, grid=grid, method=method, parameters=parameters, backend=backend, monitor=Monitor(report, preview=preview))
    told_by_method = volume.provenance["report"]
    result["seconds_in_all"] = volume.provenance["seconds"]
    result["residuals"] = [round(float(value), 6) for value in told_by_method.get("residuals", ())]
    result["context"], result["context_data"] = told_by_method.get("context"), told_by_method.get("context_data")
    if method == "fbp":
        del result["before"], result["iterations"]
        result.update(errors(volume.array))
    return save(result, options)


def save(result: dict[str, Any], options: argparse.Namespace) -> dict[str, Any]:
    """Write what is known of a method so far."""
    result["peak_memory_gb"] = round(resource.getrusage(resource.RUSAGE_SELF).ru_maxrss * 1024 / 1e9, 3)
    with replacing(options.folder / f"{result['method']}.json") as part:
        part.write_text(json.dumps(result, indent=2) + "\n", encoding="utf-8")
    return result


def small(grid: VolumeGrid) -> VolumeGrid:
    return VolumeGrid(grid.minimum, grid.maximum, (8, 8, 8))


def parts(taken: dict[str, tuple[float, int]], updates: float) -> dict[str, Any]:
    """Seconds of the projections, and how fast they were."""
    result: dict[str, Any] = {}
    for name, (seconds, views) in taken.items():
        result[f"{name}_seconds"] = round(seconds, 2)
        result[f"{name}_gups"] = round(views * updates / seconds / 1e9, 3) if seconds else None
    return result


def rms(values: np.ndarray) -> float:
    return round(float(np.sqrt(np.mean(np.square(values, dtype=np.float64)))), 4)


def arguments() -> argparse.Namespace:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, help="where the scan and temporary files go")
    parser.add_argument("--scale", type=float, default=1.0)
    parser.add_argument("--shape", type=int, nargs=3, default=(256, 256, 300))
    parser.add_argument("--spacing", type=float, default=0.5, help="mm")
    parser.add_argument("--centre", type=float, nargs=2, default=(0.0, 0.0), help="of the region, x and y in mm")
    parser.add_argument("--stride", type=int, default=1, help="every so many views only")
    parser.add_argument("--margin", type=float, default=0.5, help="turns beyond the views that see the region")
    parser.add_argument("--method", action="append", choices=METHODS)
    parser.add_argument("--iterations", type=int, default=3)
    parser.add_argument("--subsets", type=int, default=10)
    parser.add_argument("--output", type=Path)
    parser.add_argument("--in-this-process", metavar="SAMPLE", type=Path, help=argparse.SUPPRESS)
    return parser.parse_args()


def main() -> int:
    options = arguments()
    options.folder.mkdir(parents=True, exist_ok=True)
    methods = options.method or list(METHODS)
    if options.in_this_process:
        tempfile.tempdir = str(options.folder)
        run(methods[0], options.in_this_process, options)
        return 0
    start = time.perf_counter()
    folder = made(options)
    report = {
        "case": {name: getattr(options, name) for name in ("scale", "shape", "spacing", "centre", "stride", "margin")},
        "date": datetime.datetime.now(tz=datetime.UTC).strftime("%Y-%m-%d"),
        "cores": cores(),
        "processor": processor(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("numpy", "numba", "scipy")},
        "simulation_seconds": round(time.perf_counter() - start, 1),
        "results": [],
    }
    for method in methods:
        write(report, options.output)
        known = options.folder / f"{method}.json"
        known.unlink(missing_ok=True)
        words = [sys.executable, *without_methods(sys.argv), "--in-this-process", str(folder), "--method", method]
        try:
            subprocess.run(words, check=True)
        finally:  # interrupted or killed, it leaves what it knew after the last iteration
            if known.exists():
                report["results"].append(json.loads(known.read_text(encoding="utf-8")))
            write(report, options.output)
    print(json.dumps(report, indent=2))
    return 0


def write(report: dict[str, Any], output: Path | None) -> None:
    if output:
        with replacing(output) as part:
            part.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")


def without_methods(words: list[str]) -> list[str]:
    """The words of the command line but for ``--method NAME``."""
    return [word for number, word in enumerate(words) if word != "--method" and (number == 0 or words[number - 1] != "--method")]


def processor() -> str:
    """The processor's name, where the system says it."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


if __name__ == "__main__":
    sys.exit(main())
