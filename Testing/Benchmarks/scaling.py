"""How the cost of filtered backprojection grows with threads, voxels, views, columns and rows: JSON and a plot.

    python Testing/Benchmarks/scaling.py [FOLDER] [--size 1] [--repeat 3] [--output FILE.json] [--plot FILE.svg]

The base case is a helix of four turns with the MITO scanner's radius and fan, 256 views a turn, 384 columns, 64 rows and
176 x 176 x 128 voxels; ``--size`` multiplies each of these five counts. From there each count alone is halved and doubled twice,
in the same scan and box (voxels: their number, by the cube root along each axis), and the base runs on one thread, two, four,
to all. Scans of zeros go into FOLDER (a temporary one by default) one at a time, so they are read from the page cache. Every case
runs once to warm up, then ``--repeat`` times; the least seconds of each part are kept.

The exponent of a part is the slope of log(seconds) over log(count): 1 where the cost grows as the count, 0 where it does not
depend on it; for threads -1 is perfect. It is None where a part takes less than 20 ms. ``work`` is what each part should grow with:
pixels read; samples of parallel beams rebinned and filtered; updates, one voxel and one view that sees it, for the backprojection;
visits, voxels times views, for coverage. Run it by itself: other work on the machine shows.
"""

from __future__ import annotations

import argparse
import datetime
import json
import math
import platform
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from contextlib import contextmanager
from dataclasses import asdict
from importlib.metadata import version
from pathlib import Path
from typing import Any

import numba
import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path.insert(0, str(ROOT))

from MITOReconstructionLib import Detector, ScanGeometry, VolumeGrid, open_scan, reconstruct  # noqa: E402
from MITOReconstructionLib.files import replacing  # noqa: E402
from MITOReconstructionLib.geometry.updates import count_updates  # noqa: E402
from MITOReconstructionLib.methods import fbp  # noqa: E402
from MITOReconstructionLib.parallel import cores  # noqa: E402
from MITOReconstructionLib.scan.writing import write_sample  # noqa: E402
from MITOReconstructionLib.wfbp.plan import ParallelPlan  # noqa: E402

BASE = {"voxels": 1.0, "views": 256, "columns": 384, "rows": 64}
FACTORS = (0.5, 1.0, 2.0, 4.0)
SHAPE = (176, 176, 128)
BOX = (88.0, 88.0, 64.0)  # half sides in mm
TURNS, PITCH, RADIUS, FAN, HEIGHT = 4, 48.0, 503.0, 0.32, 64.0
PARTS = {"reading": "pixels", "rebinning": "samples", "filtering": "samples", "backprojecting": "updates", "coverage": "visits"}
TIMED = {"backproject": "backprojecting", "backproject_layers": "backprojecting", "fill_unseen": "coverage"}
LEAST_SECONDS = 0.02


def made(counts: dict[str, float]) -> tuple[ScanGeometry, VolumeGrid]:
    per_turn, columns, rows = (round(counts[name]) for name in ("views", "columns", "rows"))
    number = np.arange(TURNS * per_turn)
    heights = (number / per_turn - TURNS / 2) * PITCH
    detector = Detector(columns, rows, -FAN, FAN, -HEIGHT / 2, HEIGHT / 2, RADIUS)
    geometry = ScanGeometry(number * (2 * math.pi / per_turn), heights, RADIUS, 0.0, detector)
    shape = [max(1, round(n * counts["voxels"] ** (1 / 3))) for n in SHAPE]
    return geometry, VolumeGrid([-half for half in BOX], BOX, shape)


@contextmanager
def watched(seconds: dict[str, float]) -> Iterator[list[Any]]:
    """While it lasts, the method's streams are kept, and what its kernels take is added to ``seconds``."""
    streams: list[Any] = []
    before = {name: getattr(fbp, name) for name in ("BeamStream", *TIMED)}

    def stream(*given: Any, **options: Any) -> Any:
        streams.append(before["BeamStream"](*given, **options))
        return streams[-1]

    def timed(name: str, part: str) -> Callable[..., Any]:
        def call(*given: Any, **options: Any) -> Any:
            start = time.perf_counter()
            result = before[name](*given, **options)
            seconds[part] = seconds.get(part, 0.0) + time.perf_counter() - start
            return result

        return call

    try:
        fbp.BeamStream = stream  # type: ignore[assignment,misc]
        for name, part in TIMED.items():
            setattr(fbp, name, timed(name, part))
        yield streams
    finally:
        for name, value in before.items():
            setattr(fbp, name, value)


def once(sample: Path, grid: VolumeGrid) -> dict[str, float]:
    """Seconds of the parts of one reconstruction."""
    seconds: dict[str, float] = {}
    with watched(seconds) as streams:
        start = time.perf_counter()
        reconstruct(open_scan(sample), grid=grid, method="fbp", backend="cpu")
        seconds["in_all"] = time.perf_counter() - start
    for stream in streams:
        for name, value in asdict(stream.seconds).items():
            seconds[name] = seconds.get(name, 0.0) + value
    return seconds


def least(sample: Path, grid: VolumeGrid, repeat: int) -> dict[str, float]:
    """The least seconds of each part."""
    once(sample, grid)
    runs = [once(sample, grid) for _ in range(repeat)]
    return {name: min(run[name] for run in runs) for name in runs[0]}


def measure(folder: Path, counts: dict[str, float], threads: list[int], repeat: int) -> list[dict[str, Any]]:
    """One case, on some numbers of threads."""
    geometry, grid = made(counts)
    sample = folder / "zeros"
    zeros = np.zeros((64, geometry.detector.columns, geometry.detector.rows), dtype=np.float32)
    write_sample(sample, geometry, grid, (zeros[: geometry.views - first] for first in range(0, geometry.views, len(zeros))))
    plan = ParallelPlan(geometry)
    seeing = np.flatnonzero(geometry.views_seeing(grid.minimum, grid.maximum))
    work = {
        "pixels": geometry.views * geometry.detector.columns * geometry.detector.rows,
        "samples": plan.beams * len(plan.t) * geometry.detector.rows,
        "updates": float(count_updates(geometry, grid, seeing)[1]),
        "visits": grid.size * geometry.views,
    }
    measured = []
    for number in threads:
        numba.set_num_threads(number)
        seconds = least(sample, grid, repeat)
        rates = {part: round(work[kind] / seconds[part] / 1e9, 4) for part, kind in PARTS.items() if seconds.get(part)}
        d = geometry.detector
        case = {"voxels": list(grid.shape), "views": geometry.views, "columns": d.columns, "rows": d.rows, "threads": number}
        entry: dict[str, Any] = {
            **case,
            "seconds": {name: round(value, 4) for name, value in seconds.items()},
            "work": work,
            "giga_a_second": rates,
        }
        entry["giga_updates_a_second_in_all"] = round(work["updates"] / seconds["in_all"] / 1e9, 4)
        measured.append(entry)
        print(f"{case}: {json.dumps(entry['seconds'])}", file=sys.stderr, flush=True)
    for file in sample.iterdir():
        file.unlink()
    sample.rmdir()
    return measured


def exponents(factors: list[float], cases: list[dict[str, Any]]) -> dict[str, float | None]:
    """Slope of log(seconds) over log(factor), by least squares, of each part; and of the updates."""
    found: dict[str, float | None] = {}
    for part in (*PARTS, "in_all"):
        seconds = [case["seconds"].get(part, 0.0) for case in cases]
        enough = len(cases) > 1 and max(seconds) >= LEAST_SECONDS and min(seconds) > 0.0
        found[part] = round(float(np.polyfit(np.log(factors), np.log(seconds), 1)[0]), 3) if enough else None
    return found


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__, formatter_class=argparse.RawDescriptionHelpFormatter)
    parser.add_argument("folder", type=Path, nargs="?", help="where scans of up to half a gigabyte go, one at a time")
    parser.add_argument("--size", type=float, default=1.0, help="multiplies voxels, views, columns and rows")
    parser.add_argument("--repeat", type=int, default=3)
    parser.add_argument("--output", type=Path, default=ROOT / "Testing/Benchmarks/results/scaling.json")
    parser.add_argument("--plot", type=Path, default=ROOT / "Docs/pictures/scaling.svg")
    options = parser.parse_args()
    start = time.perf_counter()
    most = min(cores(), numba.config.NUMBA_NUM_THREADS)
    threads = sorted({*(2**n for n in range(most.bit_length()) if 2**n <= most), most})
    base = {name: value * options.size for name, value in BASE.items()}
    with tempfile.TemporaryDirectory(dir=options.folder) as temporary:
        folder = Path(temporary)
        by_threads = measure(folder, base, threads, options.repeat)
        series: dict[str, tuple[list[float], list[dict[str, Any]]]] = {"threads": ([float(n) for n in threads], by_threads)}
        for name in BASE:
            cases = []
            for factor in FACTORS:
                same = factor == 1.0  # measured already, on all threads
                counts = {**base, name: base[name] * factor}
                cases.append(by_threads[-1] if same else measure(folder, counts, [most], options.repeat)[0])
            series[name] = (list(FACTORS), cases)
    report = {
        "date": datetime.datetime.now(tz=datetime.UTC).strftime("%Y-%m-%d"),
        "cores": cores(),
        "processor": processor(),
        "python": platform.python_version(),
        "versions": {name: version(name) for name in ("numpy", "numba", "llvmlite", "scipy")},
        "repeat": options.repeat,
        "seconds_of_this_benchmark": round(time.perf_counter() - start, 1),
        "exponents": {name: exponents(*found) for name, found in series.items()},
        "series": {name: {"factors": factors, "cases": cases} for name, (factors, cases) in series.items()},
    }
    with replacing(options.output) as part:
        part.write_text(json.dumps(report, indent=2) + "\n", encoding="utf-8")
    with replacing(options.plot) as part:
        part.write_text(drawn(report), encoding="utf-8")
    print(json.dumps({name: report[name] for name in ("seconds_of_this_benchmark", "exponents")}, indent=2))
    return 0


# ---- plot -----------------------------------------------------------------------------------------------------------------

COLOURS = {
    "in_all": "#222222",
    "backprojecting": "#c0392b",
    "filtering": "#2471a3",
    "rebinning": "#1e8449",
    "reading": "#b9770e",
    "coverage": "#7d3c98",
}
SIDE, GAP, TOP = 190, 62, 46


def drawn(report: dict[str, Any]) -> str:
    """The series side by side, seconds over counts, both logarithmic; grey lines grow (threads: fall) as the count."""
    series = report["series"]
    every = [value for one in series.values() for case in one["cases"] for name, value in case["seconds"].items() if name in COLOURS]
    low, high = (math.log10(limit) for limit in (max(1e-3, min(v for v in every if v > 0.0)), max(every)))
    low, high = math.floor(low), math.ceil(high)
    width, height = GAP + len(series) * (SIDE + GAP), TOP + SIDE + 84
    title = f"Filtered backprojection: seconds of each part ({report['cores']} cores, {report['date']})"
    lines = [
        f'<svg xmlns="http://www.w3.org/2000/svg" viewBox="0 0 {width} {height}" font-family="sans-serif" font-size="11">',
        f'<rect width="{width}" height="{height}" fill="white"/>',
        f'<text x="{GAP}" y="18" font-size="13">{title}</text>',
    ]
    for number, (name, one) in enumerate(series.items()):
        lines += panel(name, one, report["exponents"][name], GAP + number * (SIDE + GAP), low, high)
    for number, (part, colour) in enumerate(COLOURS.items()):
        x, y = GAP + 130 * number, height - 14
        lines.append(
            f'<rect x="{x}" y="{y - 8}" width="14" height="4" fill="{colour}"/><text x="{x + 20}" y="{y}">{part.replace("_", " ")}</text>'
        )
    return "\n".join([*lines, "</svg>"]) + "\n"


def panel(name: str, one: dict[str, Any], slopes: dict[str, float | None], left: float, low: int, high: int) -> list[str]:
    """The lines of one series."""
    factors = one["factors"]
    span = max(1e-9, math.log(factors[-1] / factors[0]))

    def across(factor: float) -> float:
        return left + SIDE * (math.log(factor / factors[0]) / span if len(factors) > 1 else 0.5)

    def up(seconds: float) -> float:
        return TOP + SIDE * (1.0 - (math.log10(min(10.0**high, max(seconds, 10.0**low))) - low) / (high - low))

    lines = [f'<rect x="{left}" y="{TOP}" width="{SIDE}" height="{SIDE}" fill="none" stroke="#999999"/>']
    lines.append(f'<text x="{left + SIDE / 2}" y="{TOP - 8}" text-anchor="middle">{name}, in all: exponent {slopes["in_all"]}</text>')
    for power in range(low, high + 1):
        y = up(10.0**power)
        lines.append(f'<line x1="{left}" y1="{y:.1f}" x2="{left + SIDE}" y2="{y:.1f}" stroke="#e5e5e5"/>')
        lines.append(f'<text x="{left - 5}" y="{y + 4:.1f}" text-anchor="end">{10.0**power:g} s</text>')
    for factor in factors:
        label = f"{factor:g}" if name == "threads" else f"x {factor:g}"
        lines.append(f'<text x="{across(factor):.1f}" y="{TOP + SIDE + 16}" text-anchor="middle">{label}</text>')
    first = one["cases"][0]["seconds"]["in_all"]
    grown = [first * (factors[0] / f if name == "threads" else f / factors[0]) for f in factors]
    lines.append(polyline([(across(f), up(s)) for f, s in zip(factors, grown, strict=True)], "#bbbbbb", "4 3"))
    for part, colour in COLOURS.items():
        points = [
            (across(f), up(case["seconds"][part])) for f, case in zip(factors, one["cases"], strict=True) if case["seconds"].get(part)
        ]
        lines.append(polyline(points, colour, ""))
        lines += [f'<circle cx="{x:.1f}" cy="{y:.1f}" r="2.5" fill="{colour}"/>' for x, y in points]
    return lines


def polyline(points: list[tuple[float, float]], colour: str, dashes: str) -> str:
    joined = " ".join(f"{x:.1f},{y:.1f}" for x, y in points)
    return f'<polyline points="{joined}" fill="none" stroke="{colour}" stroke-width="1.5" stroke-dasharray="{dashes}"/>'


def processor() -> str:
    """The processor's name, where the system says it."""
    lines = Path("/proc/cpuinfo").read_text().splitlines() if Path("/proc/cpuinfo").exists() else []
    return next((line.partition(":")[2].strip() for line in lines if line.startswith("model name")), platform.machine())


if __name__ == "__main__":
    sys.exit(main())
