"""What a run takes, foreseen and measured; and what cannot fit is refused."""

from __future__ import annotations

import json
import re
import subprocess
import sys
import tracemalloc
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest
from job_grids import GRID

from MITOReconstructionLib import InputError, Scan, ScanGeometry, VolumeGrid, mito_geometry, reconstruct
from MITOReconstructionLib.jobs import Job, estimate, machine
from MITOReconstructionLib.jobs.memory import peak_memory
from MITOReconstructionLib.jobs.request import Request

MIB = 1 << 20
HUGE = VolumeGrid((-100, -100, -20), (100, 100, 20), (1000, 1000, 200))
LINUX = pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")


def test_bytes_and_views(ball: Scan) -> None:
    foreseen = estimate(ball, GRID, backend="cpu")
    seeing = int(ball.geometry.views_seeing(GRID.minimum, GRID.maximum).sum())
    assert foreseen.views == seeing < ball.geometry.views
    assert foreseen.input_bytes == 4 * seeing * ball.geometry.detector.columns * ball.geometry.detector.rows
    assert foreseen.output_bytes == GRID.nbytes
    assert foreseen.reasons == ()
    assert foreseen.possible
    assert 0.0 < foreseen.seconds < 5.0


def test_iterations_take_their_time(ball: Scan) -> None:
    once, often = (estimate(ball, GRID, "landweber", {"iterations": n}, backend="cpu") for n in (1, 10))
    assert 1.0 < often.seconds / once.seconds < 10.0
    assert often.peak_bytes == once.peak_bytes
    assert estimate(ball, GRID, "adjoint", backend="cpu").seconds < once.seconds


def test_a_grid_that_no_view_sees(ball: Scan) -> None:
    foreseen = estimate(ball, VolumeGrid((0, 0, 900), (9, 9, 909), (3, 3, 3)))
    assert foreseen.views == 0
    assert foreseen.seconds == 0.0
    assert foreseen.reasons == ("No view sees the grid. Move the box, or choose other views.",)


def test_too_few_views_for_fbp(ball: Scan) -> None:
    (reason,) = estimate(ball, GRID, views=slice(200, 240)).reasons
    assert "expected at least half a turn and the fan" in reason


def test_memory_that_is_not_there(ball: Scan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MITO_MEMORY", "300M")
    foreseen = estimate(ball, HUGE)
    (reason,) = foreseen.reasons
    assert not foreseen.possible
    assert foreseen.peak_bytes > HUGE.nbytes
    assert "grid: expected at most 300 MiB of memory at work, which is what is free; found " in reason
    assert "for 1000 x 1000 x 200 voxels with Filtered backprojection" in reason
    side = float(re.search(r"Voxels of ([\d.]+) mm or larger would fit", reason)[1])  # type: ignore[index]
    assert 0.2 < side < 0.5
    assert estimate(ball, VolumeGrid.from_bounds(HUGE.minimum, HUGE.maximum, spacing=side)).possible
    assert not estimate(ball, VolumeGrid.from_bounds(HUGE.minimum, HUGE.maximum, spacing=0.8 * side)).possible
    with pytest.raises(InputError, match=r"mm or larger would fit"):
        reconstruct(ball, grid=HUGE)
    for process in (False, True):
        job = Job(ball, grid=HUGE, process=process)
        job.start()
        with pytest.raises(InputError, match=r"mm or larger would fit"):
            job.result(300)


def test_no_voxels_would_fit(ball: Scan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MITO_MEMORY", "1M")
    (reason,) = estimate(ball, GRID, "landweber").reasons
    assert "No voxel size would fit" in reason


def test_disk_space_that_is_not_there(ball: Scan, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda place: SimpleNamespace(free=30 * MIB))
    grid = VolumeGrid((-20, -20, -6), (20, 20, 6), (200, 200, 100))
    (reason,) = estimate(ball, grid, output=tmp_path / "new" / "volume.nrrd").reasons
    assert f"{tmp_path / 'new' / 'volume.nrrd'}: expected 31 MiB of free disk space for the volume" in reason
    assert "found 30 MiB" in reason
    assert estimate(ball, grid).reasons == ()
    job = Job(ball, grid=grid, process=True, folder=tmp_path)
    job.start()
    with pytest.raises(InputError, match=r"expected 31 MiB of free disk space"):
        job.result(300)


def test_a_method_may_say_what_it_needs(ball: Scan) -> None:
    request = Request.make(ball, grid=HUGE, method="landweber")
    method = request.method

    def needs(**more: Any) -> int:
        fields = {"name": "x", "title": "X", "parameters": method.parameters, **more}
        return peak_memory(Request(ball, HUGE, SimpleNamespace(**fields), request.parameters, request.views))  # type: ignore[arg-type]

    assert needs(memory=lambda request: 7 * request.grid.nbytes) == 7 * HUGE.nbytes
    assert needs(volumes=5) - needs(volumes=2) == 3 * HUGE.nbytes
    assert needs() == needs(volumes=3)


# ---- this machine --------------------------------------------------------------------------------------------------


def test_memory_of_this_machine() -> None:
    room = machine.available_memory()
    assert room is not None
    assert 64 * MIB < room < 1 << 50


@pytest.mark.parametrize(("text", "count"), [("1000", 1000), ("2K", 2048), ("1.5G", 3 << 29), ("8 GiB", 8 << 30), ("300mb", 300 << 20)])
def test_memory_by_name(monkeypatch: pytest.MonkeyPatch, text: str, count: int) -> None:
    monkeypatch.setenv("MITO_MEMORY", text)
    assert machine.available_memory() == count


def test_memory_by_a_bad_name(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MITO_MEMORY", "much")
    with pytest.raises(InputError, match=r"variable MITO_MEMORY: expected bytes, such as 8G or 500M; found 'much'"):
        machine.available_memory()


@LINUX
def test_a_container_has_less_than_its_machine(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "memory.max").write_text("1000000\n")
    (tmp_path / "memory.current").write_text("600000\n")
    (tmp_path / "memory.stat").write_text("anon 1\nactive_file 20000\ninactive_file 30000\n")
    inner = tmp_path / "inner"
    inner.mkdir()
    (inner / "memory.max").write_text("max\n")
    (inner / "memory.current").write_text("1\n")
    (inner / "memory.stat").write_text("anon 1\n")
    monkeypatch.delenv("MITO_MEMORY", raising=False)
    names = ("memory.max", "memory.current")
    monkeypatch.setattr(machine, "_groups", lambda: [(inner, *names), (tmp_path, *names), (tmp_path / "no", *names)])
    assert machine.available_memory() == 450000


# ---- foreseen and measured -----------------------------------------------------------------------------------------


def measured(scan: Scan, runs: list[list[Any]]) -> list[dict[str, float]]:
    script = Path(__file__).with_name("peak.py")
    done = subprocess.run(
        [sys.executable, str(script), str(scan.folder), json.dumps(runs)], capture_output=True, text=True, check=False, timeout=280
    )
    assert done.returncode == 0, done.stderr
    return list(json.loads(done.stdout))


@LINUX
def test_memory_and_time_are_as_foreseen(sparse_sample: Callable[[ScanGeometry], Scan]) -> None:
    scan = sparse_sample(mito_geometry(12, turns=1.6, centre=0.0))
    box = [[-70, -70, -20], [70, 70, 20]]
    small, large, steps = measured(
        scan,
        [
            ["fbp", {}, *box, [128, 128, 40]],
            ["fbp", {}, [-70, -70, -900], [70, 70, 900], [40, 40, 24000]],
            ["landweber", {"iterations": 2, "context": False}, *box, [64, 64, 40]],
        ],
    )
    for run in (small, large, steps):
        assert abs(run["peak_foreseen"] - run["peak"]) <= 0.25 * run["peak"] + 150 * MIB
    for run in (small, steps):
        assert run["seconds"] / 3 <= run["seconds_foreseen"] <= 3 * run["seconds"]


@LINUX
def test_memory_of_fbp_does_not_grow_with_the_scan(sparse_sample: Callable[[ScanGeometry], Scan]) -> None:
    """1560 x 230 pixels and 3000 views: 4.3 GB of projections, of which a gigabyte is never held."""
    scan = sparse_sample(mito_geometry(1, turns=3000 / 2664, centre=0.0))
    assert scan.projections.nbytes > 4.3e9
    (run,) = measured(scan, [["fbp", {}, [-60, -60, 145], [60, 60, 147], [60, 60, 2]]])
    assert run["peak"] < 1 << 30
    assert abs(run["peak_foreseen"] - run["peak"]) <= 0.25 * run["peak"] + 150 * MIB
    assert np.isfinite(run["seconds"])


def test_an_absurd_grid_takes_no_memory_itself(ball: Scan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setenv("MITO_MEMORY", "8G")
    grid = VolumeGrid((-20, -20, -6), (20, 20, 6), ((1 << 31) - 1, 1, 1))
    tracemalloc.start()
    try:
        told = estimate(ball, grid, "sirt")
        peak = tracemalloc.get_traced_memory()[1]
    finally:
        tracemalloc.stop()
    assert "at most 8.0 GiB of memory" in told.reasons[0]
    assert peak < 256 * MIB
