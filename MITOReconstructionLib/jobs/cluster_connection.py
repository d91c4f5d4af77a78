"""A cluster as it is found: whether it answers, and whether its workers can do what they will be asked to."""

from __future__ import annotations

import asyncio
import contextlib
import logging
import os
import pkgutil
import time
from collections.abc import Iterator, Sequence
from typing import Any

from MITOReconstructionLib.errors import InputError, MissingPackageError
from MITOReconstructionLib.jobs.cluster_tasks import other_versions
from MITOReconstructionLib.jobs.cluster_watch import RECONNECT
from MITOReconstructionLib.jobs.failures import summary
from MITOReconstructionLib.jobs.task import Task
from MITOReconstructionLib.monitor import Monitor
from MITOReconstructionLib.version import __version__

__all__ = ["CONNECT", "FIRST_WORKER", "connected", "require_folders", "require_versions", "require_workers"]

CONNECT = 10.0
"""Seconds that the scheduler has to answer."""

FIRST_WORKER = 10.0
"""Seconds that a first worker has to be there."""

POLL = 0.05

LOGGERS = ("distributed.client", "distributed.comm", "distributed.comm.tcp", "distributed.core", "distributed.batched")
"""What distributed says about lost connections is said by this library's errors."""


@contextlib.contextmanager
def connected(scheduler: str, monitor: Monitor) -> Iterator[Any]:
    """A client of the scheduler, not made the default of the process; closing it gives up what it asked for.

    Raises
    ------
    InputError
        When the scheduler does not answer.
    MissingPackageError
        When dask.distributed is not installed.
    Cancelled
        When the monitor was asked to stop.
    """
    try:
        import distributed
    except ImportError as error:
        raise MissingPackageError("distributed", "Running on a cluster", "pip install 'mito-reconstruction[cluster]'") from error
    with contextlib.ExitStack() as stack:
        for name in LOGGERS:
            logger = logging.getLogger(name)
            stack.callback(logger.setLevel, logger.level)
            logger.setLevel(logging.CRITICAL)
        _require_answer(scheduler, monitor)
        # Longer than a run waits for a broken connection: a client that gives up by itself leaves a thread behind.
        client = distributed.Client(scheduler, timeout=CONNECT + RECONNECT, set_as_default=False)
        stack.callback(client.close, timeout=CONNECT)
        yield client


def _require_answer(scheduler: str, monitor: Monitor) -> None:
    """Connect once before a client is made, which would go on trying in threads of its own."""
    from distributed import Security
    from distributed.comm import connect

    async def try_it() -> None:
        comm = await connect(scheduler, timeout=CONNECT, **Security().get_connection_args("client"))
        await comm.close()

    attempt = Task(lambda _: asyncio.run(try_it()), "connect")
    attempt.start()
    while not attempt.wait(POLL):
        monitor.check()
    if attempt.error is not None:
        error = attempt.error.__cause__ or attempt.error
        raise InputError(
            f"scheduler {scheduler}",
            expected="the address of a Dask scheduler that answers, as in tcp://host:8786",
            found=f"no answer within {CONNECT:g} seconds" if isinstance(error, OSError) else str(error) or type(error).__name__,
            remedy="Start one with 'dask scheduler', or check host, port and firewall.",
        ) from error


def require_workers(client: Any, monitor: Monitor) -> list[str]:
    """Addresses of the workers; an InputError where there is none for :data:`FIRST_WORKER` seconds."""
    deadline = time.monotonic() + FIRST_WORKER
    while not (workers := list(client.scheduler_info()["workers"])):
        monitor.check()
        if time.monotonic() > deadline:
            raise InputError(
                f"scheduler {client.scheduler.address}",
                expected="a Dask cluster with at least one worker",
                found="none",
                remedy=f"Start one on each machine: dask worker {client.scheduler.address} --nthreads 1",
            )
        time.sleep(POLL)
    return workers


def require_versions(client: Any, workers: Sequence[str]) -> None:
    """Raise an InputError that names those who have this library in another version, or not at all.

    The scheduler takes tasks apart too, so it needs it as the workers do.
    """
    name = "MITOReconstructionLib.version:__version__"
    found = client.run(pkgutil.resolve_name, name, workers=list(workers), on_error="return")
    try:
        found["the scheduler"] = client.run_on_scheduler(pkgutil.resolve_name, name)
    except ImportError as error:
        found["the scheduler"] = error
    others = [
        f"{where} has {version}" if isinstance(version, str) else f"{where} has none ({summary(version)})"
        for where, version in found.items()
        if version != __version__ and not isinstance(version, OSError)  # it has died meanwhile
    ]
    if others:
        raise other_versions(others, __version__)


def require_folders(client: Any, workers: Sequence[str], folders: Sequence[str]) -> None:
    """Raise an InputError that names the workers that do not see a sample's folder."""
    for folder in folders:
        sees = client.run(os.path.isfile, os.path.join(folder, "metadata.json"), workers=list(workers), on_error="return")
        blind = [worker for worker, answer in sees.items() if answer is not True and not isinstance(answer, OSError)]
        if blind:
            raise InputError(
                folder,
                expected="a sample folder that every worker sees under this path",
                found=f"{len(blind)} of {len(sees)} workers that do not: {', '.join(blind)}",
                remedy="Put the sample on storage that all machines share, mounted in the same place, and name it by that path.",
            )
