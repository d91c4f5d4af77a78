"""Tasks and results that a Dask scheduler drops on the way: computed once more, with the result of an undisturbed run."""

from __future__ import annotations

import os
import signal
import time
from collections.abc import Callable
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from distributed import Client
from local_cluster import Cluster, cancel, disconnect, forget, holders, start_cluster, wanted

import MITOReconstructionLib as mito
from MITOReconstructionLib.errors import WorkError
from MITOReconstructionLib.jobs import cluster as on_cluster
from MITOReconstructionLib.jobs import cluster_connection, cluster_order, cluster_watch
from MITOReconstructionLib.monitor import Monitor, Progress

pytestmark = pytest.mark.usefixtures("no_cluster_threads")

HIGH = mito.VolumeGrid((-40.0, -40.0, -90.0), (40.0, 40.0, 60.0), (16, 16, 30))
"""Three slabs; higher than what the ball's scan covers, so that the counts of unseen voxels have to add up too."""

ROUNDING = 1e-6
"""1/mm; the ball has 0.02."""


# ---- beside the run ---------------------------------------------------------------------------------------------------------------


def until(condition: Callable[[], bool]) -> None:
    deadline = time.monotonic() + 300.0
    while not condition():
        assert time.monotonic() < deadline
        time.sleep(0.02)


def interrupted(
    other: Client, action: Callable[[Client], object], *, times: int = 1, again: Callable[[], object] = lambda: None
) -> tuple[Monitor, list[Progress]]:
    """A monitor that does something to the run's tasks as soon as all are there, and so often; and what it was told.

    ``again`` is called once they were submitted again.
    """
    reports: list[Progress] = []
    steps: set[str] = set()

    def report(progress: Progress) -> None:
        reports.append(progress)
        if "again" in progress.step:
            again()
        if progress.step.startswith(on_cluster.STEP) and progress.step not in steps and len(steps) < times:
            steps.add(progress.step)
            until(lambda: len(other.run_on_scheduler(wanted)) == 3)
            action(other)

    return Monitor(report), reports


def require_as_if_nothing_had_been(path: Path, ball: mito.Scan, provenance: dict[str, Any]) -> None:
    local = mito.reconstruct(ball, grid=HIGH)
    assert np.abs(mito.Volume.load(path).array - local.array).max() < ROUNDING
    assert provenance["report"] == local.provenance["report"]
    assert [file.name for file in path.parent.iterdir()] == [path.name]


@pytest.mark.parametrize("drop", [cancel, forget, disconnect])
def test_dropped_tasks_are_submitted_again(
    cluster: Cluster, ball: mito.Scan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, drop: Callable[[Any], None]
) -> None:
    monkeypatch.setattr(cluster_watch, "LOOK", 0.2)
    monkeypatch.setattr(cluster_watch, "FORGOTTEN", 0.5)
    with Client(cluster.address, set_as_default=False) as other:
        monitor, reports = interrupted(
            other,
            lambda _: other.run_on_scheduler(drop),
            again=lambda: monkeypatch.setattr(cluster_watch, "FORGOTTEN", 1e9),  # however long the new ones are on their way
        )
        provenance = mito.reconstruct_on(cluster.address, ball, tmp_path / "ball.nrrd", grid=HIGH, monitor=monitor)
    require_as_if_nothing_had_been(tmp_path / "ball.nrrd", ball, provenance)
    assert provenance["cluster"] == {"scheduler": cluster.address, "parts": 3, "submitted_again": 3}
    assert mito.Volume.load(tmp_path / "ball.nrrd").provenance == provenance
    assert reports[-1].step == "on the cluster, 3 tasks submitted again"
    assert reports[-1].fraction == 1.0


def test_an_order_in_one_task_is_submitted_again_as_a_whole(
    cluster: Cluster, ball: mito.Scan, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr(cluster_order, "SLAB_BYTES", 3 * 4 * 16 * 16)  # three parts to fetch
    with Client(cluster.address, set_as_default=False) as other:
        monitor, _ = interrupted(other, lambda _: other.run_on_scheduler(cancel))
        provenance = mito.reconstruct_on(
            cluster.address, ball, tmp_path / "x.nrrd", method="sirt", parameters={"iterations": 1}, monitor=monitor
        )
    local = mito.reconstruct(ball, method="sirt", parameters={"iterations": 1})
    assert np.abs(mito.Volume.load(tmp_path / "x.nrrd").array - local.array).max() < ROUNDING
    assert provenance["cluster"] == {"scheduler": cluster.address, "parts": 1, "submitted_again": 1}


def test_a_result_whose_worker_dies_before_it_is_fetched_is_computed_again(cluster: Cluster, ball: mito.Scan, tmp_path: Path) -> None:
    def kill_a_holder(other: Client) -> None:
        until(lambda: len(other.run_on_scheduler(holders)) == 3)
        (worker, *_) = other.run_on_scheduler(holders)
        os.kill(other.run(os.getpid, workers=[worker])[worker], signal.SIGKILL)
        until(lambda: worker not in other.scheduler_info()["workers"])

    with Client(cluster.address, set_as_default=False) as other:
        monitor, _ = interrupted(other, kill_a_holder)
        provenance = mito.reconstruct_on(cluster.address, ball, tmp_path / "ball.nrrd", grid=HIGH, monitor=monitor)
    require_as_if_nothing_had_been(tmp_path / "ball.nrrd", ball, provenance)
    assert provenance["cluster"]["submitted_again"] == 0  # that is the scheduler's business


def test_tasks_that_are_dropped_again_and_again(cluster: Cluster, ball: mito.Scan, tmp_path: Path) -> None:
    with Client(cluster.address, set_as_default=False) as other:
        monitor, reports = interrupted(other, lambda _: other.run_on_scheduler(cancel), times=9)
        with pytest.raises(WorkError, match=r"ball: the scheduler dropped the same part of the work 4 times.*cancels the tasks"):
            mito.reconstruct_on(cluster.address, ball, tmp_path / "x.nrrd", grid=HIGH, monitor=monitor)
        until(lambda: not other.run_on_scheduler(wanted))
    assert [report.step for report in reports if "again" in report.step and report.fraction < 1.0] != []
    assert list(tmp_path.iterdir()) == []


@pytest.mark.parametrize(
    ("end", "limit", "reason"),
    [
        (signal.SIGKILL, "RECONNECT", "the connection broke, and could not be made again within 1 seconds"),
        (signal.SIGSTOP, "PATIENCE", "it has not answered for 1 seconds"),
    ],
)
def test_a_scheduler_that_is_lost(
    ball: mito.Scan,
    tmp_path: Path,
    tmp_path_factory: pytest.TempPathFactory,
    monkeypatch: pytest.MonkeyPatch,
    end: signal.Signals,
    limit: str,
    reason: str,
) -> None:
    import psutil

    monkeypatch.setattr(cluster_watch, "LOOK", 0.2)
    monkeypatch.setattr(cluster_watch, limit, 1.0)
    own = start_cluster(tmp_path_factory.mktemp("lost"), 1)
    children = psutil.Process(own.process.pid).children(recursive=True)
    done = []

    def report(progress: Progress) -> None:
        if progress.step == on_cluster.STEP and not done:
            monkeypatch.setattr(cluster_connection, "CONNECT", 1.0)  # for closing
            done.append(os.kill(own.process.pid, end))

    try:
        with pytest.raises(WorkError, match=f"The scheduler {own.address} was lost: {reason}.*Nothing half-written is left"):
            mito.reconstruct_on(own.address, ball, tmp_path / "x.nrrd", grid=HIGH, monitor=Monitor(report))
    finally:
        own.process.kill()
        own.process.communicate()
    assert list(tmp_path.iterdir()) == []
    assert psutil.wait_procs(children, timeout=300)[1] == []
