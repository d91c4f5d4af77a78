"""Run by test_estimate.py in a process of its own: how much memory and time runs really take, as JSON.

Time is that of the processors, for the runs as for what is measured to foresee it: what else goes on in the computer does not count.

Arguments: sample folder, then a JSON list of [method, parameters, minimum, maximum, shape].
"""

from __future__ import annotations

import json
import sys
import time
from pathlib import Path
from types import SimpleNamespace

import numpy as np

from MITOReconstructionLib import Scan, VolumeGrid, mito_geometry, open_scan, reconstruct
from MITOReconstructionLib.jobs import estimate, speed


def status(name: str) -> int:
    """Bytes of an entry of /proc/self/status."""
    (line,) = (line for line in Path("/proc/self/status").read_text().splitlines() if line.startswith(name))
    return 1024 * int(line.split()[1])


def warm_up(methods: set[str]) -> None:
    """Load the compiled kernels, which are there before a run that is measured."""
    geometry = mito_geometry(24, turns=2.0, centre=0.0)
    detector = geometry.detector
    scan = Scan.from_arrays(np.zeros((geometry.views, detector.columns, detector.rows), dtype=np.float32), geometry)
    for method in methods:
        parameters = {"iterations": 1, "context": False} if method not in ("fbp", "adjoint") else {}
        reconstruct(scan, grid=VolumeGrid((-9, -9, -9), (9, 9, 9), (4, 4, 4)), method=method, parameters=parameters, backend="cpu")


def main() -> None:
    scan = open_scan(sys.argv[1])
    runs = json.loads(sys.argv[2])
    speed.time = SimpleNamespace(perf_counter=time.process_time)  # type: ignore[assignment]
    warm_up({run[0] for run in runs})
    results = []
    for method, parameters, minimum, maximum, shape in runs:
        grid = VolumeGrid(minimum, maximum, shape)
        foreseen = estimate(scan, grid, method, parameters, backend="cpu")
        Path("/proc/self/clear_refs").write_text("5")  # the high-water mark begins anew
        before, begin = status("VmRSS"), time.process_time()
        reconstruct(scan, grid=grid, method=method, parameters=parameters, backend="cpu")
        seconds = time.process_time() - begin
        results.append(
            {
                "peak": status("VmHWM") - before,
                "seconds": seconds,
                "peak_foreseen": foreseen.peak_bytes,
                "seconds_foreseen": foreseen.seconds,
            }
        )
    sys.stdout.write(json.dumps(results) + "\n")


if __name__ == "__main__":
    main()
