"""Reconstructing on a Dask cluster of two worker processes on loopback, whatever becomes of them."""

from __future__ import annotations

import asyncio
import contextlib
import json
import os
import shutil
import signal
import subprocess
import sys
import threading
import time
from collections.abc import Callable, Iterator
from concurrent.futures import wait
from pathlib import Path
from types import SimpleNamespace

import nrrd
import numpy as np
import psutil
import pytest
from local_cluster import Cluster, number_of_tasks, start_cluster

import MITOReconstructionLib as mito
from MITOReconstructionLib.errors import Cancelled, InputError, WorkError
from MITOReconstructionLib.jobs import cluster as on_cluster
from MITOReconstructionLib.jobs import cluster_connection, cluster_order, cluster_watch, machine
from MITOReconstructionLib.jobs.request import Request
from MITOReconstructionLib.monitor import Monitor, Progress
from MITOReconstructionLib.version import __version__

pytestmark = pytest.mark.usefixtures("no_cluster_threads")

FINE = mito.VolumeGrid((-70.0, -70.0, -50.0), (70.0, 70.0, 50.0), (170, 170, 120))
"""Some seconds of work for one core."""

HIGH = mito.VolumeGrid((-40.0, -40.0, -90.0), (40.0, 40.0, 60.0), (16, 16, 30))
"""Higher than what the ball's scan covers."""

ROUNDING = 1e-6
"""1/mm; the ball has 0.02."""


def once(condition: Callable[[Progress], bool], action: Callable[[], object]) -> Monitor:
    """A monitor that does something at the first report that meets a condition."""
    done = threading.Event()

    def report(progress: Progress) -> None:
        if condition(progress) and not done.is_set():
            done.set()
            action()

    return Monitor(report)


def at_work(progress: Progress) -> bool:
    return progress.step == on_cluster.STEP and 0.0 < progress.fraction < 1.0


def wait_for_idle(address: str) -> None:
    """Wait until scheduler and workers know of no task; one that is at work, cancelled or not, is known to its worker."""
    from distributed import Client

    with Client(address, set_as_default=False) as client:
        deadline = time.monotonic() + 300.0
        while client.run_on_scheduler(number_of_tasks) or any(
            worker["metrics"]["task_counts"] for worker in client.scheduler_info()["workers"].values()
        ):
            assert time.monotonic() < deadline
            time.sleep(0.1)


# ---- what comes of it --------------------------------------------------------------------------------------------------


def test_slabs_make_up_the_volume_of_a_local_run(cluster: Cluster, ball: mito.Scan, tmp_path: Path) -> None:
    reports: list[Progress] = []
    provenance = mito.reconstruct_on(
        cluster.address,
        ball,
        tmp_path / "ball.nrrd",
        grid=HIGH,
        parameters={"filter_type": "Hann"},
        monitor=Monitor(reports.append),
    )
    local = mito.reconstruct(ball, grid=HIGH, parameters={"filter_type": "Hann"})
    volume = mito.Volume.load(tmp_path / "ball.nrrd")
    assert volume.grid == local.grid
    assert np.abs(volume.array - local.array).max() < ROUNDING
    assert volume.provenance == provenance
    for name in ("sample", "method", "parameters", "views", "version", "unit", "report"):
        assert provenance[name] == local.provenance[name], name
    assert provenance["report"]["unseen_voxels"] > 0
    assert provenance["cluster"] == {"scheduler": cluster.address, "parts": 3, "submitted_again": 0}
    assert [path.name for path in tmp_path.iterdir()] == ["ball.nrrd"]
    array, header = nrrd.read(str(tmp_path / "ball.nrrd"))  # what others read it with
    assert np.array_equal(array, volume.array)
    assert header["space"] == "right-anterior-superior"
    fractions = [report.fraction for report in reports if report.step == on_cluster.STEP]
    assert fractions == sorted(fractions)
    assert fractions[-1] == 1.0
    wait_for_idle(cluster.address)


def test_an_iterative_method_is_one_task_and_comes_back_in_parts(
    cluster: Cluster, ball: mito.Scan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_order, "SLAB_BYTES", 3 * 4 * 16 * 16)
    provenance = mito.reconstruct_on(cluster.address, ball, tmp_path / "x.nrrd", method="sirt", parameters={"iterations": 1})
    local = mito.reconstruct(ball, method="sirt", parameters={"iterations": 1})
    assert np.abs(mito.Volume.load(tmp_path / "x.nrrd").array - local.array).max() < ROUNDING
    assert provenance["cluster"]["parts"] == 1
    assert provenance["report"]["residuals"] == pytest.approx(local.provenance["report"]["residuals"], rel=1e-5)


def test_of_many_samples_one_that_fails_does_not_stop_the_others(cluster: Cluster, ball: mito.Scan, tmp_path: Path) -> None:
    assert ball.folder is not None
    scans = {}
    for name in ("first", "broken", "third"):
        shutil.copytree(ball.folder, tmp_path / name)
        scans[name] = mito.open_scan(tmp_path / name)
    sinogram = np.load(tmp_path / "broken" / "sinogram.npy", mmap_mode="r+")
    sinogram[len(sinogram) // 2, 3, 2] = np.nan
    del sinogram
    requests = {tmp_path / f"{name}.nrrd": Request.make(scan) for name, scan in scans.items()}
    with pytest.raises(WorkError, match=r"1 of 3 volumes failed.*broken.*view \d+.*column 3, row 2"):
        on_cluster.reconstruct_all_on(cluster.address, requests)
    assert sorted(path.name for path in tmp_path.glob("*.nrrd")) == ["first.nrrd", "third.nrrd"]
    assert [path.name for path in tmp_path.iterdir() if path.name.startswith(".")] == []
    local = mito.reconstruct(ball)
    for name in ("first", "third"):
        assert np.abs(mito.Volume.load(tmp_path / f"{name}.nrrd").array - local.array).max() < ROUNDING
    with pytest.raises(InputError, match=r"view .*column 3, row 2"):
        mito.reconstruct_on(cluster.address, scans["broken"], tmp_path / "broken.nrrd")


# ---- what may happen ---------------------------------------------------------------------------------------------------


def test_a_worker_that_is_killed_half_way_loses_nothing(cluster: Cluster, ball: mito.Scan, tmp_path: Path) -> None:
    killed = cluster.workers()[0]
    monitor = once(at_work, lambda: os.kill(killed, signal.SIGKILL))
    mito.reconstruct_on(cluster.address, ball, tmp_path / "ball.nrrd", grid=FINE, monitor=monitor)
    deadline = time.monotonic() + 300.0
    while psutil.pid_exists(killed) and time.monotonic() < deadline:  # until its nanny has noticed
        time.sleep(0.02)
    assert not psutil.pid_exists(killed)
    local = mito.reconstruct(ball, grid=FINE)
    assert np.abs(mito.Volume.load(tmp_path / "ball.nrrd").array - local.array).max() < ROUNDING
    assert [path.name for path in tmp_path.iterdir()] == ["ball.nrrd"]


def test_cancelling_stops_the_tasks_and_leaves_nothing(cluster: Cluster, ball: mito.Scan, tmp_path: Path) -> None:
    (tmp_path / "older.nrrd").write_text("older")
    grid = mito.VolumeGrid(FINE.minimum, FINE.maximum, (280, 280, 200))  # half a minute, unless it is stopped
    monitor = once(at_work, lambda: monitor.cancel())
    with pytest.raises(Cancelled):
        mito.reconstruct_on(cluster.address, ball, tmp_path / "older.nrrd", grid=grid, monitor=monitor)
    assert [path.name for path in tmp_path.iterdir()] == ["older.nrrd"]
    assert (tmp_path / "older.nrrd").read_text() == "older"
    wait_for_idle(cluster.address)


def test_a_task_that_ends_one_worker_after_the_other(cluster: Cluster, ball: mito.Scan, tmp_path: Path, faulty: str) -> None:
    with pytest.raises(WorkError, match=r"ball: the same part of the work ended one worker after the other.*memory"):
        mito.reconstruct_on(cluster.address, ball, tmp_path / "x.nrrd", method=faulty, parameters={"how": "killed"})
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("how", "kind", "text"),
    [
        ("wrong_input", InputError, "the knot: expected a round one; found a square one"),
        ("wrong_work", WorkError, "The saw is blunt"),
        ("no_package", mito.MissingPackageError, "pip install saw"),
        ("bug", WorkError, "ball: failed on a worker: KeyError: 'bark'"),
    ],
)
def test_what_fails_on_a_worker_is_told_here(
    cluster: Cluster, ball: mito.Scan, tmp_path: Path, faulty: str, how: str, kind: type[Exception], text: str
) -> None:
    with pytest.raises(kind) as caught:
        mito.reconstruct_on(cluster.address, ball, tmp_path / "x.nrrd", method=faulty, parameters={"how": how})
    assert text in str(caught.value)
    assert list(tmp_path.iterdir()) == []


# ---- a cluster that is not as it should be -----------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("address", "found"),
    [("tcp://127.0.0.1:1", "no answer"), ("", "missing port"), ("smoke://here:1", "unknown address scheme")],
)
def test_an_address_where_no_scheduler_is(
    ball: mito.Scan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, address: str, found: str
) -> None:
    monkeypatch.setattr(cluster_connection, "CONNECT", 0.3)
    with pytest.raises(InputError, match=f"scheduler {address}.*tcp://host:8786.*{found}.*dask scheduler"):
        mito.reconstruct_on(address, ball, tmp_path / "x.nrrd")
    assert list(tmp_path.iterdir()) == []


def test_waiting_for_an_answer_can_be_cancelled(ball: mito.Scan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    monitor, answered = Monitor(), threading.Event()

    async def connect(*_: object, **__: object) -> None:
        monitor.cancel()
        await asyncio.to_thread(answered.wait, 300)
        raise OSError

    monkeypatch.setattr("distributed.comm.connect", connect)
    try:
        with pytest.raises(Cancelled):
            mito.reconstruct_on("tcp://127.0.0.1:1", ball, tmp_path / "x.nrrd", monitor=monitor)
    finally:
        answered.set()


def test_a_scheduler_without_workers(
    ball: mito.Scan, tmp_path: Path, tmp_path_factory: pytest.TempPathFactory, monkeypatch: pytest.MonkeyPatch
) -> None:
    from distributed import Client

    monkeypatch.setattr(cluster_connection, "FIRST_WORKER", 0.5)
    own = start_cluster(tmp_path_factory.mktemp("empty"), 0)
    try:
        with pytest.raises(InputError, match=rf"at least one worker; found none.*dask worker {own.address}"):
            mito.reconstruct_on(own.address, ball, tmp_path / "x.nrrd")
        clock = [100.0]
        monkeypatch.setattr(cluster_watch, "time", SimpleNamespace(monotonic=lambda: clock[0]))
        with Client(own.address, set_as_default=False) as client:
            watch = cluster_watch.Watch(client, own.address)

            def follow() -> None:
                while clock[0] < 200.0:  # as when all of them are lost during a run
                    clock[0] += cluster_watch.LOOK
                    watch.look([])
                    assert watch._question is not None
                    wait([watch._question], 300)  # whatever the answer takes, it is a second

            with pytest.raises(WorkError, match=f"The scheduler {own.address} has had no worker for 60 seconds. Start workers"):
                follow()
            watch.end()
            assert clock[0] > 160.0
    finally:
        own.end()


def test_workers_that_do_not_see_the_sample(cluster: Cluster, ball: mito.Scan, tmp_path: Path) -> None:
    assert ball.folder is not None
    shutil.copytree(ball.folder, tmp_path / "here")
    scan = mito.open_scan(tmp_path / "here")
    (tmp_path / "here").rename(tmp_path / "elsewhere")
    with pytest.raises(InputError, match=rf"{tmp_path}/here: expected .* every worker sees.*(\d) of \1 workers.*tcp://127.*share"):
        mito.reconstruct_on(cluster.address, scan, tmp_path / "x.nrrd")


@contextlib.contextmanager
def another_worker(cluster: Cluster, folder: Path, content: str) -> Iterator[None]:
    """One more worker, where the library is another one."""
    library = folder / "MITOReconstructionLib"
    library.mkdir(parents=True)
    (library / "__init__.py").write_text(content)
    (library / "version.py").write_text("__version__ = '0.0.1'\n")
    path = os.pathsep.join(filter(None, (str(folder), os.environ.get("PYTHONPATH"))))
    words = ["-m", "dask", "worker", cluster.address, "--no-nanny", "--nthreads", "1", "--memory-limit", "0", "--dashboard-address", ":0"]
    with (folder / "log").open("w") as log:
        process = subprocess.Popen(
            [sys.executable, *words, "--local-directory", str(folder)], env={**os.environ, "PYTHONPATH": path}, cwd=folder, stderr=log
        )
    try:
        deadline = time.monotonic() + 300.0
        while "Registered to" not in (folder / "log").read_text():
            assert process.poll() is None, (folder / "log").read_text()
            assert time.monotonic() < deadline
            time.sleep(0.05)
        yield
    finally:
        process.terminate()
        process.wait(300)


def test_workers_of_another_version_or_without_the_library(cluster: Cluster, ball: mito.Scan, tmp_path: Path) -> None:
    missing = "raise ModuleNotFoundError(\"No module named 'MITOReconstructionLib'\")\n"
    with another_worker(cluster, tmp_path / "a", ""), another_worker(cluster, tmp_path / "b", missing):
        with pytest.raises(InputError) as caught:
            mito.reconstruct_on(cluster.address, ball, tmp_path / "x.nrrd")
        text = str(caught.value)
    assert f"expected MITOReconstructionLib {__version__}, as here" in text
    assert "has 0.0.1" in text
    assert "has none (ModuleNotFoundError: No module named 'MITOReconstructionLib')" in text
    assert text.count("tcp://127.0.0.1:") == 2  # the two workers that are right are not named
    assert not (tmp_path / "x.nrrd").exists()


# ---- what is refused before anything is asked of the cluster -----------------------------------------------------------


def test_a_scan_in_memory(tmp_path: Path, ball: mito.Scan) -> None:
    scan = mito.Scan.from_arrays(np.asarray(ball.projections), ball.geometry)
    with pytest.raises(InputError, match="a scan on disk"):
        mito.reconstruct_on("tcp://127.0.0.1:1", scan, tmp_path / "x.nrrd")


@pytest.mark.parametrize(("name", "text"), [("x.tif", ".nrrd"), ("no/x.nrrd", "Make it first")])
def test_a_file_that_cannot_be_written(tmp_path: Path, ball: mito.Scan, name: str, text: str) -> None:
    with pytest.raises(InputError, match=text):
        mito.reconstruct_on("tcp://127.0.0.1:1", ball, tmp_path / name)


def test_a_volume_that_does_not_fit_onto_the_disk(tmp_path: Path, ball: mito.Scan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(machine.shutil, "disk_usage", lambda folder: SimpleNamespace(free=1 << 20))
    with pytest.raises(InputError, match="free disk space"):
        mito.reconstruct_on("tcp://127.0.0.1:1", ball, tmp_path / "x.nrrd")


def test_a_volume_to_start_from(tmp_path: Path, ball: mito.Scan) -> None:
    start = np.zeros(ball.default_grid.shape, dtype=np.float32)
    request = Request.make(ball, method="sirt", initial=start)
    with pytest.raises(InputError, match="initial volume: expected none, on a cluster"):
        on_cluster.reconstruct_all_on("tcp://127.0.0.1:1", {tmp_path / "x.nrrd": request})


def test_a_full_disk_ends_the_run_and_leaves_nothing(
    cluster: Cluster, tmp_path: Path, ball: mito.Scan, monkeypatch: pytest.MonkeyPatch
) -> None:
    def full(*_: object) -> None:
        raise OSError(28, "No space left on device")

    monkeypatch.setattr(cluster_order.SlabFile, "write", full)
    with pytest.raises(WorkError, match="No space left on device"):
        mito.reconstruct_on(cluster.address, ball, tmp_path / "x.nrrd")
    assert list(tmp_path.iterdir()) == []


def test_without_dask(tmp_path: Path, ball: mito.Scan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "distributed", None)
    with pytest.raises(mito.MissingPackageError, match=r"mito-reconstruction\[cluster\]"):
        mito.reconstruct_on("tcp://127.0.0.1:1", ball, tmp_path / "x.nrrd")


def test_the_public_names_are_imported_without_dask() -> None:
    code = "import sys, json, MITOReconstructionLib as m; m.reconstruct_on; print(json.dumps('distributed' in sys.modules))"
    assert json.loads(subprocess.run([sys.executable, "-c", code], check=True, capture_output=True, text=True).stdout) is False
