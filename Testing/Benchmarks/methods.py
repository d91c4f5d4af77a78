"""Error against iterations, and seconds, of every method on the ellipsoid phantom, as JSON.

    python Testing/Benchmarks/methods.py [--scale 6] [--spacing 3] [--half-height 12] [--backend cpu]
                                           [--method NAME]... [--output FILE.json]

The scanner is MITO's at 1/scale of its resolution; the slab is a part of the object, so the iterative methods take off its context.
Errors are RMSE in % of the object's attenuation, in voxels at least one in from the surface. Seconds are wall time of the whole
run, compilation done before. The last two lines are at a tenth of the views.
"""

from __future__ import annotations

import argparse
import json
import os
import platform
import sys
import time
from pathlib import Path
from typing import Any

import numpy as np

ROOT = Path(__file__).resolve().parents[2]
sys.path[:0] = [str(ROOT), str(ROOT / "Testing/Python/methods")]

from method_cases import Known, known  # noqa: E402

from MITOReconstructionLib import Monitor, reconstruct  # noqa: E402

RUNS: tuple[tuple[str, dict[str, Any], int], ...] = (
    ("fbp", {}, 1),
    ("sirt", {"iterations": 50}, 1),
    ("sirt", {"iterations": 10, "start": "fbp"}, 1),
    ("cgls", {"iterations": 20, "start": "zero"}, 1),
    ("cgls", {}, 1),
    ("os-sart", {}, 1),
    ("tv", {"iterations": 10}, 1),
    ("landweber", {"iterations": 30, "relaxation": 1.9}, 1),
    ("fbp", {}, 10),
    ("tv", {}, 10),
)


def measure(case: Known, method: str, parameters: dict[str, Any], every: int, backend: str) -> dict[str, Any]:
    curve: list[float] = []
    monitor = Monitor(preview=lambda _, volume: curve.append(round(case.error(np.asarray(volume)), 3)))
    start = time.perf_counter()
    volume = reconstruct(
        case.scan, grid=case.grid, method=method, parameters=parameters, views=slice(None, None, every), backend=backend, monitor=monitor
    )
    seconds = time.perf_counter() - start
    report = volume.provenance["report"]
    return {
        "method": method, "parameters": parameters, "every_nth_view": every, "seconds": round(seconds, 2),
        "error_percent": round(case.error(volume.array), 3), "error_by_iteration": curve,
        "residuals": [round(value, 5) for value in report.get("residuals", [])], "context": report.get("context"),
    }  # fmt: skip


def main() -> int:
    parser = argparse.ArgumentParser(description=__doc__.splitlines()[0] if __doc__ else None)
    parser.add_argument("--scale", type=int, default=6)
    parser.add_argument("--spacing", type=float, default=3.0, help="voxel side in mm")
    parser.add_argument("--half-height", type=float, default=12.0, help="of the slab in mm")
    parser.add_argument("--backend", default="auto")
    parser.add_argument("--method", action="append", help="only this one; may be repeated")
    parser.add_argument("--output", type=Path)
    options = parser.parse_args()
    small = known(24, 24.0, 12.0)
    case = known(options.scale, options.half_height, options.spacing)
    results = []
    for method, parameters, every in RUNS:
        if options.method and method not in options.method:
            continue
        measure(small, method, {**parameters, **({"iterations": 1} if method != "fbp" else {})}, 1, options.backend)
        results.append(measure(case, method, parameters, every, options.backend))
        print(json.dumps(results[-1]), file=sys.stderr)
    setting = {"scale": options.scale, "voxels": list(case.grid.shape), "spacing_mm": options.spacing, "views": case.scan.geometry.views}
    report = {"case": setting, "cores": os.cpu_count(), "processor": platform.processor() or platform.machine(), "results": results}
    text = json.dumps(report, indent=2)
    if options.output:
        options.output.write_text(text + "\n", encoding="utf-8")
    print(text)
    return 0


if __name__ == "__main__":
    sys.exit(main())
