"""A Dask cluster on loopback for the tests.

As a program, ``python local_cluster.py WORKERS``, it says its scheduler's address and lasts until its standard input ends.
"""

from __future__ import annotations

import contextlib
import os
import subprocess
import sys
from pathlib import Path
from typing import Any, NamedTuple

HERE = Path(__file__).parent


class Cluster(NamedTuple):
    """A cluster.

    address : of its scheduler;
    process : what holds scheduler and workers;
    log : file that they write to.
    """

    address: str
    process: subprocess.Popen[str]
    log: Path

    def workers(self) -> list[int]:
        """Process numbers of the workers there are."""
        import psutil

        return [child.pid for child in psutil.Process(self.process.pid).children() if "spawn_main" in " ".join(child.cmdline())]

    def end(self) -> None:
        """End it and all that it has started."""
        import psutil

        processes = psutil.Process(self.process.pid).children(recursive=True)
        self.process.kill()
        self.process.communicate()
        for process in processes:
            with contextlib.suppress(psutil.NoSuchProcess):
                process.kill()
        assert psutil.wait_procs(processes, timeout=300)[1] == []


def start_cluster(folder: Path, workers: int) -> Cluster:
    """Start a cluster that keeps its files in ``folder``.

    Its workers have the methods of jobs/faults too; one that dies comes again; a task may be the end of one of them, but not of two.
    """
    settings = {
        "PYTHONPATH": os.pathsep.join(filter(None, (str(HERE.parents[1]), os.environ.get("PYTHONPATH")))),
        "MITO_METHODS_PATH": str(HERE / "jobs" / "faults"),
        "NUMBA_NUM_THREADS": "1",
        "DASK_TEMPORARY_DIRECTORY": str(folder),
        "DASK_DISTRIBUTED__SCHEDULER__ALLOWED_FAILURES": "1",
    }
    log = folder / "cluster.log"
    with log.open("w") as file:
        process = subprocess.Popen(
            [sys.executable, __file__, str(workers)],
            stdin=subprocess.PIPE,
            stdout=subprocess.PIPE,
            stderr=file,
            text=True,
            env={**os.environ, **settings},
        )
    address = process.stdout.readline().strip() if process.stdout else ""
    assert address.startswith("tcp://127.0.0.1:"), log.read_text()
    return Cluster(address, process, log)


# ---- for Client.run_on_scheduler, which fills in the argument ------------------------------------------------------------


def number_of_tasks(dask_scheduler: Any) -> int:
    """How many tasks a scheduler still knows."""
    return len(dask_scheduler.tasks)


def wanted(dask_scheduler: Any) -> dict[str, tuple[str, str]]:
    """The tasks that a run waits for: state, and the run's client."""
    return {ts.key: (ts.state, next(iter(ts.who_wants)).client_key) for ts in dask_scheduler.tasks.values() if ts.who_wants}


def cancel(dask_scheduler: Any) -> None:
    """Cancel everything, as another client may."""
    for key, (_, client) in wanted(dask_scheduler).items():
        dask_scheduler.stimulus_cancel([key], client, force=True, reason="by somebody", msg="")


def forget(dask_scheduler: Any) -> None:
    """Drop everything without telling the run."""
    for key, (_, client) in wanted(dask_scheduler).items():
        dask_scheduler.client_releases_keys([key], client)


def disconnect(dask_scheduler: Any) -> None:
    """Break the connection to the run."""
    for client in {client for _, client in wanted(dask_scheduler).values()}:
        dask_scheduler.client_comms[client].abort()


def holders(dask_scheduler: Any) -> list[str]:
    """The workers that have the results of those tasks."""
    return [ws.address for ts in dask_scheduler.tasks.values() if ts.who_wants for ws in ts.who_has or ()]


# ---- the program --------------------------------------------------------------------------------------------------------


def main() -> None:
    from distributed import LocalCluster

    workers = int(sys.argv[1])
    with LocalCluster(
        n_workers=workers, threads_per_worker=1, processes=True, host="127.0.0.1", dashboard_address=None, memory_limit=0
    ) as cluster:
        print(cluster.scheduler_address, flush=True)
        sys.stdin.read()


if __name__ == "__main__":
    main()
