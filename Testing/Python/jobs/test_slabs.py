"""Reconstructing into a file: slab by slab it is the same volume; whatever goes wrong, nothing is left under the name."""

from __future__ import annotations

import signal
import subprocess
import sys
import textwrap
from collections.abc import Callable
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from MITOReconstructionLib import (
    InputError,
    Monitor,
    Scan,
    ScanGeometry,
    Volume,
    VolumeGrid,
    mito_geometry,
    reconstruct,
    reconstruct_to_file,
)
from MITOReconstructionLib.errors import Cancelled
from MITOReconstructionLib.jobs import machine
from MITOReconstructionLib.jobs.memory import peak_memory
from MITOReconstructionLib.jobs.request import Request

TALL = VolumeGrid((-40.0, -40.0, -130.0), (40.0, 40.0, 130.0), (16, 16, 28))
"""Reaches beyond what the scan sees."""

MIB = 1 << 20
POSIX = pytest.mark.skipif(sys.platform == "win32", reason="signals and limits of POSIX")


def without_time(provenance: dict[str, Any]) -> dict[str, Any]:
    return {name: value for name, value in provenance.items() if name != "seconds"}


@pytest.mark.parametrize("slabs", [1, 2, 9])
def test_slabs_make_the_volume_of_the_whole(ball: Scan, tmp_path: Path, slabs: int) -> None:
    whole = reconstruct(ball, grid=TALL, parameters={"fill_value": -1.0})
    assert 0 < whole.provenance["report"]["unseen_voxels"] < TALL.size
    told = reconstruct_to_file(ball, tmp_path / "a.nrrd", grid=TALL, parameters={"fill_value": -1.0}, slabs=slabs)
    found = Volume.load(tmp_path / "a.nrrd")
    np.testing.assert_allclose(found.array, whole.array, atol=1e-6 * float(np.abs(whole.array).max()))
    np.testing.assert_array_equal(found.array == -1.0, whole.array == -1.0)
    assert found.provenance == told
    assert without_time(told) == without_time(whole.provenance)
    assert told["seconds"] > 0
    np.testing.assert_allclose(found.grid.minimum, TALL.minimum, atol=1e-9)
    assert list(tmp_path.iterdir()) == [tmp_path / "a.nrrd"]


def test_memory_decides_by_itself(ball: Scan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    grid = VolumeGrid((-40.0, -40.0, -20.0), (40.0, 40.0, 20.0), (48, 48, 40))
    need = peak_memory(Request.make(ball, grid=grid))
    monkeypatch.setenv("MITO_MEMORY", str(need - 2 * grid.nbytes // 5))
    with pytest.raises(InputError, match="of memory at work"):
        reconstruct(ball, grid=grid)
    steps: list[str] = []
    told = reconstruct_to_file(ball, tmp_path / "a.nrrd", grid=grid, progress=lambda latest: steps.append(latest.step))
    assert "filtered backprojection, slab 2 of 2" in steps
    assert "write, slab 2 of 2" in steps
    assert told["report"]["unseen_voxels"] == 0
    monkeypatch.setenv("MITO_MEMORY", str(need))
    steps.clear()
    reconstruct_to_file(ball, tmp_path / "a.nrrd", grid=TALL, progress=lambda latest: steps.append(latest.step))
    assert not any("slab" in step for step in steps)
    monkeypatch.setenv("MITO_MEMORY", "1M")
    with pytest.raises(InputError, match="No voxel size would fit"):
        reconstruct_to_file(ball, tmp_path / "a.nrrd", grid=grid)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"slabs": 0}, "slabs: expected a number from 1 to 28, the voxels along z; found 0"),
        ({"slabs": 29}, "slabs: expected a number from 1 to 28, the voxels along z; found 29"),
        ({"slabs": 2, "method": "landweber"}, "slabs: expected 1, for method landweber; found 2"),
        ({"progress": print, "monitor": Monitor()}, "expected either progress or monitor"),
    ],
)
def test_bad_arguments(ball: Scan, tmp_path: Path, options: dict[str, Any], text: str) -> None:
    with pytest.raises(InputError) as caught:
        reconstruct_to_file(ball, tmp_path / "a.nrrd", grid=TALL, **options)
    assert text in str(caught.value)
    with pytest.raises(InputError, match=r"ends in \.nrrd"):
        reconstruct_to_file(ball, tmp_path / "a.nii", grid=TALL)
    assert list(tmp_path.iterdir()) == []


def test_other_methods_go_whole(ball: Scan, tmp_path: Path) -> None:
    grid = VolumeGrid((-40.0, -40.0, -20.0), (40.0, 40.0, 20.0), (4, 4, 2))
    told = reconstruct_to_file(ball, tmp_path / "a.nrrd", grid=grid, method="adjoint", backend="cpu", slabs=1)
    assert told["method"] == "adjoint"
    assert Volume.load(tmp_path / "a.nrrd").array.max() > 0


def test_a_disk_that_is_too_small_is_told_before_the_work(ball: Scan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda place: SimpleNamespace(free=10 * MIB))
    with pytest.raises(InputError, match=r"expected 16 MiB of free disk space .* found 10 MiB"):
        reconstruct_to_file(ball, tmp_path / "a.nrrd", grid=TALL, slabs=4)
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize("step", ["filtered backprojection, slab 2 of 4", "coverage, slab 3 of 4", "write, slab 4 of 4"])
def test_cancelling_leaves_nothing(ball: Scan, tmp_path: Path, step: str) -> None:
    monitor = Monitor(lambda latest: monitor.cancel() if latest.step == step else None)
    with pytest.raises(Cancelled):
        reconstruct_to_file(ball, tmp_path / "a.nrrd", grid=TALL, slabs=4, monitor=monitor)
    assert list(tmp_path.iterdir()) == []


def in_a_process(ball: Scan, path: Path, before: str) -> subprocess.CompletedProcess[str]:
    """Reconstruct in four slabs, with ``before`` done as the second one begins."""
    program = textwrap.dedent(f"""
        import os, resource, signal, sys
        from MITOReconstructionLib import VolumeGrid, open_scan, reconstruct_to_file
        from MITOReconstructionLib.errors import WorkError

        def watch(latest):
            if latest.step == "filtered backprojection, slab 2 of 4":
                {before}

        try:
            reconstruct_to_file(open_scan({str(ball.folder)!r}), {str(path)!r}, grid={TALL!r}, slabs=4, progress=watch)
        except WorkError as error:
            sys.stdout.write(str(error))
    """)
    root = Path(__file__).parents[3]
    return subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=False, cwd=root, timeout=280)


@POSIX
def test_a_process_killed_half_way_leaves_the_old_volume(ball: Scan, tmp_path: Path) -> None:
    path = tmp_path / "a.nrrd"
    path.write_text("old")
    done = in_a_process(ball, path, "os.kill(os.getpid(), signal.SIGKILL)")
    assert done.returncode == -signal.SIGKILL
    assert path.read_text() == "old"


@POSIX
def test_a_disk_that_fills_up_is_one_clear_error(ball: Scan, tmp_path: Path) -> None:
    path = tmp_path / "a.nrrd"
    done = in_a_process(ball, path, "resource.setrlimit(resource.RLIMIT_FSIZE, (17_000, 17_000))")
    assert done.stdout == f"{path}: could not be written: File too large. Nothing was left behind."
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(sys.platform != "linux", reason="reads /proc")
def test_memory_stays_far_below_the_volume(sparse_sample: Callable[[ScanGeometry], Scan], tmp_path: Path) -> None:
    """A volume of 391 MiB in slabs, most of it beyond what the scan sees: it is never held."""
    scan = sparse_sample(mito_geometry(12, turns=2.0, centre=0.0))
    program = textwrap.dedent(f"""
        import sys
        from pathlib import Path
        from MITOReconstructionLib import Monitor, VolumeGrid, open_scan, reconstruct_to_file
        from MITOReconstructionLib.wfbp.warm import compile_kernels
        compile_kernels(Monitor())
        scan = open_scan({str(scan.folder)!r})
        grid = VolumeGrid((-10, -10, -60), (10, 10, 9000), (16, 16, 400000))
        status = lambda: {{line.split(":")[0]: line.split() for line in Path("/proc/self/status").read_text().splitlines()}}
        Path("/proc/self/clear_refs").write_text("5")
        before = int(status()["VmRSS"][1])
        reconstruct_to_file(scan, {str(tmp_path / "a.nrrd")!r}, grid=grid, slabs=16)
        sys.stdout.write(str(1024 * (int(status()["VmHWM"][1]) - before)))
    """)
    root = Path(__file__).parents[3]
    done = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=root, timeout=200)
    assert int(done.stdout) < 200 * MIB
    assert (tmp_path / "a.nrrd").stat().st_size > 390 * MIB
