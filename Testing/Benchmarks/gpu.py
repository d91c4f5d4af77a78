"""What an NVIDIA GPU does with this library: is it right, and how fast is it? One command, within ten minutes.

    python Testing/Benchmarks/gpu.py [--wheels FOLDER] [--folder FOLDER] [--scale 1] [--turns 4.5] [--output FILE.json]

1. --wheels: wheels that lie beside are unpacked into a folder of their own, for what the machine's Python lacks (pynrrd,
   astra-toolbox; cupy and its CUDA libraries where it has none). Nothing is downloaded.
2. Filtered backprojection by 'cuda' against 'cpu': helix, circle, flat detector, wobbling, slabs. Within 0.05%.
3. The backprojection kernel alone in the real geometry: giga updates a second, an update being one voxel and one view that
   sees it.
4. Live slices: axial and oblique planes by 'cuda' against 'cpu', within 0.05%; and 1024 x 1024 pixels of either in the real
   geometry, once its beams are on the GPU, from the request to the image in the computer's memory. Wanted: 20 ms.
5. The full-size scan (11,985 views of 1560 x 230 pixels, 17 GB, written to --folder first) to the sample's default volume
   (420 x 440 x 738 voxels), from the page cache, and its parts; a region of it against the CPU.
6. ASTRA's projectors, where astra is installed: transpose of each other, within 1% of the CPU's, giga updates a second.

Without a GPU it says so in one line and ends with status 2; with status 1 where a result is wrong.
"""

from __future__ import annotations

import argparse
import contextlib
import importlib.util
import json
import math
import platform
import shutil
import subprocess
import sys
import tempfile
import time
from collections.abc import Iterator
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
NEEDED = {"numba": "numba", "scipy": "scipy", "nrrd": "pynrrd", "cupy": "cupy-cuda12x"}
WITHIN, PROJECTORS_WITHIN = 5e-4, 1e-2
MU = 0.02


class Unusable(Exception):
    """Why nothing can be measured here, in one line."""


def unpack(wheels: Path | None) -> tempfile.TemporaryDirectory[str] | None:
    """Make what the wheels hold importable, behind what the machine has; a folder to be kept while it is used."""
    if wheels is not None:
        files = sorted(str(path) for path in wheels.glob("*.whl"))
        if not files:
            raise Unusable(f"{wheels}: expected wheels; found none.")
        folder = tempfile.TemporaryDirectory()
        words = [sys.executable, "-m", "pip", "install", "--quiet", "--no-index", "--no-deps", "--target", folder.name, *files]
        done = subprocess.run(words, capture_output=True, text=True, check=False)
        if done.returncode:
            raise Unusable(f"{wheels}: pip could not unpack these wheels: {' '.join(done.stderr.split())[-300:]}")
        sys.path.append(folder.name)
    else:
        folder = None
    missing = [package for name, package in NEEDED.items() if importlib.util.find_spec(name) is None]
    if missing:
        raise Unusable(f"Missing packages: {', '.join(missing)}. Install them, or carry their wheels and name the folder with --wheels.")
    return folder


def machine(device: Any) -> dict[str, Any]:
    """What the figures are of."""
    from MITOReconstructionLib.parallel import cores

    runtime = device.cupy.cuda.runtime
    return {
        "gpu": device.description,
        "gpu_free_gib": round(device.free_memory() / 2**30, 1),
        "driver": runtime.driverGetVersion(),
        "cuda": runtime.runtimeGetVersion(),
        "cores": cores(),
        "python": platform.python_version(),
        "packages": {name: getattr(__import__(name), "__version__", "") for name in ("numpy", "numba", "scipy")},
        "date": time.strftime("%Y-%m-%d"),
    }


# ---- right -------------------------------------------------------------------------------------------------------------


@contextlib.contextmanager
def column_kernel() -> Iterator[None]:
    """The CPU's reference kernel: the one with layers, which is faster, interpolates once more."""
    from MITOReconstructionLib.methods import fbp

    chosen = fbp.layers_suit
    fbp.layers_suit = lambda *_: False  # type: ignore[assignment]
    try:
        yield
    finally:
        fbp.layers_suit = chosen


def compare(scan: Any, grid: Any, device: Any) -> dict[str, Any]:
    """Largest difference between the GPU's volume and the CPU's, as a part of the object's attenuation."""
    import numpy as np

    from MITOReconstructionLib import reconstruct

    begin = time.perf_counter()
    found = reconstruct(scan, grid=grid, backend=device)
    middle = time.perf_counter()
    with column_kernel():
        expected = reconstruct(scan, grid=grid, backend="cpu")
    difference = float(np.abs(found.array - expected.array).max()) / MU
    return {
        "difference": difference,
        "right": difference <= WITHIN,
        "slabs": found.provenance["report"]["gpu"]["slabs"],
        "gpu_seconds": round(middle - begin, 3),
        "cpu_seconds": round(time.perf_counter() - middle, 3),
    }


def correctness(device: Any, scale: float) -> dict[str, Any]:
    """The GPU against the CPU on exact projections of an ellipsoid."""
    from MITOReconstructionLib import Scan, VolumeGrid, mito_geometry
    from MITOReconstructionLib.scan.line_integrals import project
    from MITOReconstructionLib.scan.shapes import Ellipsoid, Phantom

    ball = Phantom("ball", (Ellipsoid((20.0, -10.0, 4.0), (50.0, 40.0, 60.0), MU),))
    grid = VolumeGrid.from_bounds((-60, -70, -40), (90, 60, 50), spacing=scale / 4)
    cases: dict[str, dict[str, float]] = {
        "helix": {"turns": 2.5},
        "circle": {"pitch": 0.0, "turns": 1.0},
        "flat": {"turns": 2.5, "curvature_radius": math.inf},
        "wobbling": {"turns": 2.5, "wobble": 4.0},
    }
    results = {}
    for name, options in cases.items():
        geometry = mito_geometry(scale, **{"pitch": 106.56, "centre": 0.0, **options})
        scan = Scan.from_arrays(project(ball, geometry), geometry)
        results[name] = compare(scan, grid, device)
        if name == "helix":
            results["little memory"] = compare(scan, grid, with_little_memory(geometry, grid))
    return results


def with_little_memory(geometry: Any, grid: Any) -> Any:
    """The GPU with little more memory than would do for one slice, so that the volume is done in a few slabs."""
    from MITOReconstructionLib.errors import WorkError
    from MITOReconstructionLib.projectors.cupy_gpu import CudaBackend
    from MITOReconstructionLib.wfbp.filters import RampFilter
    from MITOReconstructionLib.wfbp.gpu_sizes import choose_sizes
    from MITOReconstructionLib.wfbp.plan import ParallelPlan

    plan = ParallelPlan(geometry)
    length = RampFilter.design(len(plan.t), plan.t_step).length
    low, high = 0, 1 << 34
    while high - low > 1 << 10:
        middle = (low + high) // 2
        try:
            choose_sizes(plan, grid, length, middle)
            high = middle
        except WorkError:
            low = middle

    class Small(CudaBackend):
        def free_memory(self) -> int:
            return high + grid.nbytes // 3

    return Small()


# ---- fast --------------------------------------------------------------------------------------------------------------


def kernel(device: Any, scale: float, turns: float, grid: Any) -> dict[str, Any]:
    """The backprojection of some blocks of beams of the middle of the scan."""
    import numpy as np

    from MITOReconstructionLib import mito_geometry
    from MITOReconstructionLib.wfbp.backproject import beam_tables, beams_seeing
    from MITOReconstructionLib.wfbp.gpu import GpuBackprojection
    from MITOReconstructionLib.wfbp.gpu_beams import GpuWork
    from MITOReconstructionLib.wfbp.gpu_sizes import SIGHTS
    from MITOReconstructionLib.wfbp.plan import ParallelPlan

    geometry = mito_geometry(scale, turns=turns)
    plan = ParallelPlan(geometry)
    tables, work = beam_tables(plan), GpuWork(device)
    first, last = beams_seeing(plan, grid)
    start = (first + last - SIGHTS) // 2
    beams = work.sent(np.random.default_rng(0).random((SIGHTS, len(plan.t), geometry.detector.rows), dtype=np.float32))
    backprojection = GpuBackprojection(work, plan, tables)
    slab = backprojection.slab(grid, SIGHTS)
    backprojection.add(slab, beams, start)
    work.finish()
    updates = seen(slab.own.get(stream=work.compute), grid.shape[2], tables.row_reach / tables.row_half)
    times = []
    for _ in range(5):
        begin = time.perf_counter()
        for _ in range(4):
            backprojection.add(slab, beams, start)
        work.finish()
        times.append((time.perf_counter() - begin) / 4)
    device.release()
    return {"beams": SIGHTS, "updates": updates, "seconds": min(times), "giga_updates_per_second": updates / min(times) / 1e9}


def planes_of(spacing: float, shape: tuple[int, int], centre: tuple[float, float, float]) -> dict[str, Any]:
    """An axial and an oblique plane."""
    from MITOReconstructionLib import Plane

    return {
        "axial": Plane.centred(centre, (1, 0, 0), (0, 1, 0), shape, spacing),
        "oblique": Plane.centred(centre, (0.8, 0.6, 0.1), (0.0, -0.1, 0.6), shape, spacing),
    }


def slices(device: Any, scale: float, real_scale: float, turns: float) -> dict[str, Any]:
    """Live slices: right at a smaller scale, then timed at the real one."""
    import numpy as np

    from MITOReconstructionLib import Scan, mito_geometry
    from MITOReconstructionLib.live.once import reconstruct_slice
    from MITOReconstructionLib.scan.line_integrals import project
    from MITOReconstructionLib.scan.shapes import Ellipsoid, Phantom

    ball = Phantom("ball", (Ellipsoid((20.0, -10.0, 4.0), (50.0, 40.0, 60.0), MU),))
    geometry = mito_geometry(scale, turns=2.5, centre=0.0)
    scan, found = Scan.from_arrays(project(ball, geometry), geometry), {}
    for name, plane in planes_of(scale / 4, (96, 128), (20.0, -10.0, 4.0)).items():
        images = [reconstruct_slice(scan, plane, backend=backend).image for backend in (device, "cpu")]
        difference = float(np.abs(images[0] - images[1]).max()) / MU
        found[name] = {"difference": difference, "right": difference <= WITHIN}
    return found | {f"{name}, timed": figures for name, figures in timed_slices(device, real_scale, turns).items()}


def timed_slices(device: Any, scale: float, turns: float) -> dict[str, Any]:
    """Planes of 1024 x 1024 pixels from beams of noise that are on the GPU, as many as half of its free memory holds."""
    import numpy as np

    from MITOReconstructionLib import mito_geometry
    from MITOReconstructionLib.live.gpu import STEP_UPDATES
    from MITOReconstructionLib.live.level import plane_sums
    from MITOReconstructionLib.wfbp.backproject import beam_tables
    from MITOReconstructionLib.wfbp.gpu_beams import GpuWork
    from MITOReconstructionLib.wfbp.gpu_planes import GpuBeamStore, GpuPlanes
    from MITOReconstructionLib.wfbp.plan import ParallelPlan

    plan, work = ParallelPlan(mito_geometry(scale, turns=turns)), GpuWork(device)
    tables, rays, rows = beam_tables(plan), len(plan.t), plan.geometry.detector.rows
    count = max(1, min(plan.beams, device.free_memory() // 2 // (2 * rays * rows)))
    some = work.sent(np.random.default_rng(2).integers(-9999, 9999, (min(64, count), rays, rows), np.int16))
    with work.compute:
        values = device.cupy.empty((count + 1, rays, rows), np.int16)
        for first in range(0, count + 1, len(some)):
            last = min(first + len(some), count + 1)
            values[first:last] = some[: last - first]
    slots = work.sent((np.arange(plan.beams) % count).astype(np.int32))
    store, gpu, found = GpuBeamStore(values, work.sent(np.ones(count, np.float32)), slots), GpuPlanes(work, plan, tables), {}
    side = max(64, round(1024 / scale))
    for name, plane in planes_of(0.5 * scale, (side, side), (0.0, 0.0, 277.125)).items():
        step, times = max(1, STEP_UPDATES // plane.pixels), []
        for _ in range(6):  # the first one prepares
            begin = time.perf_counter()
            sums = gpu.begin([plane_sums(plane)])
            for first in range(0, tables.half_turn, step):
                gpu.add(sums, store, (0, plan.beams), first, min(first + step, tables.half_turn))
            gpu.finish(sums, 0.0)
            times.append(time.perf_counter() - begin)
        work.finish()
        updates = plane.pixels * tables.half_turn
        found[name] = {
            "pixels": list(plane.shape),
            "beams_seeing": int(sums.seeing.sum()),
            "beams_on_the_gpu": count,
            "seconds": min(times[1:]),
            "giga_pixel_directions_per_second": updates / min(times[1:]) / 1e9,
        }
    device.release()
    return found


def seen(sights: Any, height: int, limit: float) -> int:
    """How many voxels of columns of that height beams see."""
    import numpy as np

    middle, step, _, ray = np.moveaxis(sights.astype(np.float64), -1, 0)
    step, half = np.where(ray < 0, 1.0, step), 0.5 * (height - 1)
    lowest, highest = np.ceil((-limit - middle) / step + half), np.floor((limit - middle) / step + half)
    counts = np.clip(np.minimum(highest, height - 1) - np.maximum(lowest, 0) + 1, 0, None)
    return int(counts[ray >= 0].sum())


def views_of(geometry: Any) -> Iterator[Any]:
    """Views with something in them, a block of them again and again."""
    import numpy as np

    block = np.random.default_rng(1).random((64, geometry.detector.columns, geometry.detector.rows), dtype=np.float32)
    for first in range(0, geometry.views, 64):
        yield block[: min(64, geometry.views - first)]


def full_size(device: Any, scale: float, turns: float, grid: Any, folder: Path) -> dict[str, Any]:
    """A whole scan from the page cache to its volume; the second of two runs, the first compiles."""
    import numpy as np

    from MITOReconstructionLib import mito_geometry, open_scan, reconstruct
    from MITOReconstructionLib.scan.writing import write_sample

    geometry = mito_geometry(scale, turns=turns)
    need = 4 * geometry.views * geometry.detector.columns * geometry.detector.rows
    if shutil.disk_usage(folder).free < 1.05 * need:
        return {"left_out": f"{folder} has no room for {need / 1e9:.0f} GB; name another with --folder, or give fewer --turns"}
    sample = folder / "gpu-benchmark"
    try:
        begin = time.perf_counter()
        write_sample(sample, geometry, grid, views_of(geometry))
        writing = time.perf_counter() - begin
        scan, runs = open_scan(sample), []
        for _ in range(2):
            begin = time.perf_counter()
            volume = reconstruct(scan, grid=grid, backend=device)
            runs.append(time.perf_counter() - begin)
        middle = [n // 2 for n in grid.shape]
        part = [(max(0, m - 8), min(n, m + 8)) for m, n in zip(middle, grid.shape, strict=True)]
        region = grid.region([a for a, _ in part], [b for _, b in part])
        with column_kernel():
            expected = reconstruct(scan, grid=region, backend="cpu").array
        found = volume.array[tuple(slice(*ends) for ends in part)]
        difference = float(np.abs(found - expected).max() / np.abs(volume.array).max())
    finally:
        shutil.rmtree(sample, ignore_errors=True)
    facts = volume.provenance["report"]["gpu"]
    return {
        "views": geometry.views,
        "voxels": list(grid.shape),
        "writing_the_scan": round(writing, 1),
        "seconds_with_compiling": round(runs[0], 2),
        "seconds": round(runs[1], 2),
        "parts": facts["seconds"],
        "beams_at_a_time": facts["beams_at_a_time"],
        "slabs": facts["slabs"],
        "gpu_bytes": facts["bytes"],
        "region_difference": difference,
        "right": difference <= WITHIN,
    }


def projectors(timed: bool) -> dict[str, Any]:
    """ASTRA's forward and back projection."""
    import numpy as np

    from MITOReconstructionLib import VolumeGrid, mito_geometry
    from MITOReconstructionLib.errors import InputError
    from MITOReconstructionLib.projectors.backends import choose_backend

    try:
        astra = choose_backend("astra")
    except (ImportError, InputError) as error:
        return {"left_out": str(error)}
    cpu, rng, found = choose_backend("cpu"), np.random.default_rng(2), {}
    for name, options in {"curved": {}, "flat": {"curvature_radius": math.inf}}.items():
        geometry = mito_geometry(12, turns=2.0, centre=0.0, **options)
        grid = VolumeGrid.from_bounds((-70, -70, -30), (70, 70, 30), spacing=2.5)
        x, y = np.zeros(grid.shape, np.float32), rng.random((geometry.views, geometry.detector.columns, geometry.detector.rows), np.float32)
        x[8:-8, 8:-8, 4:-4] = 0.5 + 0.5 * rng.random(x[8:-8, 8:-8, 4:-4].shape, np.float32)
        ax, aty = astra.forward(x, grid, geometry), astra.back(y, grid, geometry)
        left, right = float(np.vdot(ax.astype(np.float64), y)), float(np.vdot(x, aty.astype(np.float64)))
        apart = [
            np.linalg.norm(a - b) / np.linalg.norm(b) for a, b in ((ax, cpu.forward(x, grid, geometry)), (aty, cpu.back(y, grid, geometry)))
        ]
        found[name] = {
            "transpose": abs(left - right) / abs(left),
            "forward_from_cpu": float(apart[0]),
            "back_from_cpu": float(apart[1]),
            "right": max(apart) <= PROJECTORS_WITHIN and abs(left - right) <= PROJECTORS_WITHIN * abs(left),
        }
    for detector in ("curved", "flat") if timed else ():
        script = Path(__file__).with_name("projectors.py")
        with tempfile.TemporaryDirectory() as folder:
            words = ["--backend", "astra", "--detector", detector, "--output", f"{folder}/figures.json"]
            path = {"PYTHONPATH": ":".join(filter(None, sys.path))}
            done = subprocess.run([sys.executable, str(script), *words], capture_output=True, text=True, check=False, timeout=120, env=path)
            made = Path(folder, "figures.json")
            found[f"{detector}, timed"] = json.loads(made.read_text()) if made.exists() else {"left_out": done.stderr[-300:]}
    return found


def wrong(found: Any) -> bool:
    """Whether a result anywhere in the figures is not right."""
    return isinstance(found, dict) and (found.get("right") is False or any(wrong(value) for value in found.values()))


def measure(options: argparse.Namespace) -> dict[str, Any]:
    """All figures, written after each step, so that a run that is cut short leaves what it has."""
    from MITOReconstructionLib import VolumeGrid
    from MITOReconstructionLib.errors import InputError
    from MITOReconstructionLib.projectors.backends import FBP, choose_backend

    try:
        device = choose_backend("cuda", FBP)
    except (ImportError, InputError) as error:
        raise Unusable(str(error)) from error
    grid = VolumeGrid((-80.0, -200.0, 92.44), (130.0, 20.0, 461.44), tuple(max(1, round(n / options.scale)) for n in (420, 440, 738)))
    figures: dict[str, Any] = {"machine": machine(device)}
    steps = {
        "against_cpu": lambda: correctness(device, max(6.0, options.scale)),
        "backprojection": lambda: kernel(device, options.scale, options.turns, grid),
        "slices": lambda: slices(device, max(6.0, options.scale), options.scale, options.turns),
        "full_size": lambda: full_size(device, options.scale, options.turns, grid, options.folder),
        "projectors": lambda: projectors(options.scale == 1),
    }
    for name, step in steps.items():
        print(f"{name} ...", file=sys.stderr, flush=True)
        figures[name] = step()
        if options.output:
            options.output.write_text(json.dumps(figures, indent=2) + "\n")
    return figures


def main(words: list[str] | None = None) -> int:
    """Measure, and write JSON."""
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("--wheels", type=Path)
    parser.add_argument("--folder", type=Path, default=Path(tempfile.gettempdir()), help="for the scan on disk")
    parser.add_argument("--scale", type=float, default=1.0, help="1 is the real scanner, 6 a sixth of its resolution")
    parser.add_argument("--turns", type=float, default=4.5)
    parser.add_argument("--output", type=Path)
    options = parser.parse_args(words)
    sys.path.insert(0, str(ROOT))
    try:
        folder = unpack(options.wheels)
        figures = measure(options)
    except Unusable as problem:
        print(f"error: {problem}", file=sys.stderr)
        return 2
    if folder is not None:
        folder.cleanup()
    print(json.dumps(figures, indent=2))
    return 1 if wrong(figures) else 0


if __name__ == "__main__":
    raise SystemExit(main())
