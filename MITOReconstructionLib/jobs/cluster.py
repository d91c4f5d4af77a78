"""Running reconstructions on a Dask cluster: the work goes to the workers, the volume comes back slab by slab.

Filtered backprojection is cut into slabs along z, each a task; every other method is one task for a sample. A worker opens the
sample from storage that all of them share and reads the views that its task needs. It does not write: finished slabs are fetched
one at a time by the process that asked for them, which alone writes the file. So a worker that dies leaves nothing half-written,
a task that runs twice changes nothing, and the volume may lie where no worker can write.

Only the files of this name know Dask (dask.distributed), and they import it when it is used.
"""

from __future__ import annotations

import asyncio
import contextlib
import os
import secrets
import time
from collections.abc import Mapping, Sequence
from concurrent.futures import CancelledError
from typing import Any, TypeVar

from MITOReconstructionLib.errors import Cancelled, MITOError, WorkError
from MITOReconstructionLib.geometry import VolumeGrid
from MITOReconstructionLib.geometry.scan_geometry import Views
from MITOReconstructionLib.jobs.cluster_connection import connected, require_folders, require_versions, require_workers
from MITOReconstructionLib.jobs.cluster_order import Order
from MITOReconstructionLib.jobs.cluster_tasks import TOPIC, cut_part, other_versions, reconstruct_part
from MITOReconstructionLib.jobs.failures import summary
from MITOReconstructionLib.jobs.request import Request
from MITOReconstructionLib.methods import Parameters
from MITOReconstructionLib.monitor import Monitor
from MITOReconstructionLib.projectors.backends import AUTO
from MITOReconstructionLib.scan import Scan
from MITOReconstructionLib.version import __version__

__all__ = ["reconstruct_all_on", "reconstruct_on"]

PATIENCE = 60.0
"""Seconds without any worker after which a run is given up."""

POLL = 0.05
LOOK = 1.0
"""Seconds between looks at whether scheduler and workers are still there."""

STEP = "on the cluster"

Name = TypeVar("Name", bound=str | os.PathLike[str])


def reconstruct_on(
    scheduler: str,
    scan: Scan,
    output: str | os.PathLike[str],
    *,
    grid: VolumeGrid | None = None,
    method: str = "fbp",
    parameters: Mapping[str, Any] | Parameters | None = None,
    views: Views = None,
    backend: str = AUTO,
    monitor: Monitor | None = None,
) -> dict[str, Any]:
    """Reconstruct a scan on a Dask cluster into an NRRD file.

    The result is that of :func:`MITOReconstructionLib.reconstruct`, to rounding.

    Parameters
    ----------
    scheduler : str
        Address of the scheduler, as in "tcp://host:8786".
    scan : Scan
        On disk, in a folder that every worker sees under the same path.
    output : path
        Ends in ``.nrrd``. Written by this process; replaced only when everything is there.
    grid, method, parameters, views, backend
        As of :func:`MITOReconstructionLib.reconstruct`.
    monitor : Monitor, optional
        Takes progress; where it is cancelled, the tasks are, and no file is left.

    Returns
    -------
    dict
        The volume's provenance, as it is in the file; ``cluster`` says on what scheduler and in how many parts.

    Raises
    ------
    InputError
        When an argument cannot be used, the scheduler does not answer, has no workers, or workers lack this library in this
        version or do not see the sample.
    WorkError
        When the work fails on a worker, workers die of it again and again, the scheduler is lost, or the file cannot be written.
    MissingPackageError
        When dask.distributed is not installed.
    Cancelled
        When the monitor was asked to stop.
    """
    request = Request.make(scan, grid=grid, method=method, parameters=parameters, views=views, backend=backend)
    (provenance,) = reconstruct_all_on(scheduler, {output: request}, monitor=monitor).values()
    return provenance


def reconstruct_all_on(scheduler: str, requests: Mapping[Name, Request], *, monitor: Monitor | None = None) -> dict[Name, dict[str, Any]]:
    """Reconstruct many scans in one go; :func:`reconstruct_on` says how.

    Each volume comes under its name as soon as it is whole, the first ones first. One that fails does not stop the others.

    Parameters
    ----------
    scheduler : str
    requests : mapping of paths to Requests
        The files to write, and what goes into each; see :meth:`MITOReconstructionLib.jobs.request.Request.make`.
    monitor : Monitor, optional

    Returns
    -------
    dict
        The provenance of each volume.

    Raises
    ------
    InputError, WorkError, MissingPackageError, Cancelled
        As of :func:`reconstruct_on`; a WorkError that names the samples where some of several failed.
    """
    watch = monitor or Monitor()
    orders = [Order(number, path, request) for number, (path, request) in enumerate(requests.items())]
    watch.report("connecting to the cluster", 0.0)
    with connected(scheduler, watch) as client:
        try:
            workers = require_workers(client, watch)
            require_versions(client, workers)
            require_folders(client, workers, sorted({str(order.request.scan.folder) for order in orders}))
        except OSError as error:
            raise WorkError(f"The scheduler {scheduler} was lost while its workers were looked at: {summary(error)}") from error
        watch.report("connecting to the cluster", 1.0)
        _Run(client, scheduler, orders, watch).follow(len(workers))
    failed = [order for order in orders if order.error is not None]
    if failed and len(orders) == 1:
        raise failed[0].error or WorkError("The run failed.")
    if failed:
        reasons = "; ".join(f"{order.path}: {order.error}" for order in failed)
        raise WorkError(f"{len(failed)} of {len(orders)} volumes failed, the others are there. {reasons}")
    return {path: order.provenance for path, order in zip(requests, orders, strict=True)}


class _Run:
    """Tasks of one or several orders on their way."""

    def __init__(self, client: Any, scheduler: str, orders: Sequence[Order], monitor: Monitor) -> None:
        self._client, self._scheduler, self._orders, self._monitor = client, scheduler, orders, monitor
        self._name = secrets.token_hex(6)
        self._futures: dict[tuple[int, int], Any] = {}
        self._fetching: tuple[tuple[int, int], Any] | None = None
        self._looked = self._manned = time.monotonic()

    def follow(self, machines: int) -> None:
        """Submit everything, and write what comes until nothing more does.

        Raises
        ------
        WorkError
            When scheduler or workers are gone; the failure of an order is in the order.
        Cancelled
            When the monitor was asked to stop.
        """
        self._client.subscribe_topic(TOPIC, self._hear)
        shown = -1.0
        try:
            for order in self._orders:
                self._submit(order, -(-machines // len(self._orders)))
            while self._futures:
                fraction = sum(order.fraction for order in self._orders) / len(self._orders)
                if fraction != shown:
                    self._monitor.report(STEP, fraction)
                    shown = fraction
                self._monitor.check()
                if not self._advance():
                    self._require_cluster()
                    time.sleep(POLL)
            self._monitor.report(STEP, 1.0)
        finally:
            if self._fetching is not None:
                self._fetching[1].cancel()
            for order in self._orders:
                order.abandon()
            with contextlib.suppress(Exception):  # the scheduler may be gone
                self._client.cancel(list(self._futures.values()), force=True)
            self._futures.clear()

    def _submit(self, order: Order, machines: int) -> None:
        """Submit the tasks of one order: its slabs, or all of it and then the parts that it is fetched in."""
        ranges, name = order.cut(machines), f"{self._name}-{order.number}"
        settings = {"pure": False, "priority": -order.number}
        method, content = order.request.method, order.request.to_dict()

        def work(part: int, slices: tuple[int, int] | None) -> Any:
            task = (reconstruct_part, content, slices, (self._name, order.number, part), method.title, __version__)
            return self._client.submit(*task, key=f"mito-{method.name}-{name}-{part}", **settings)

        if order.in_slabs:
            parts = [work(part, slices) for part, slices in enumerate(ranges)]
        else:
            whole = work(0, None)
            parts = [
                self._client.submit(cut_part, whole, *slices, key=f"mito-part-{name}-{part}", **settings)
                for part, slices in enumerate(ranges)
            ]
        self._futures |= {(order.number, part): future for part, future in enumerate(parts)}

    def _hear(self, event: tuple[float, dict[str, Any]]) -> None:
        """Called in the client's thread with what the tasks tell."""
        message = event[1]
        if message.get("run") == self._name:
            self._orders[message["order"]].tell(message["part"], message["fraction"])

    def _advance(self) -> bool:
        """Take one step with whatever has come; whether there was any."""
        if self._fetching is not None and self._fetching[1].done():
            self._take()
            return True
        for place, future in list(self._futures.items()):
            if future.status == "error":
                self._fail(place[0], future.exception())
                return True
            if future.status in ("cancelled", "lost"):
                raise self._lost("it has dropped the tasks of this run")
            if future.status == "finished" and self._fetching is None:
                loop = self._client.loop.asyncio_loop
                self._fetching = place, asyncio.run_coroutine_threadsafe(self._client.gather(future, asynchronous=True), loop)
                return True
        return False

    def _take(self) -> None:
        """Write the slab that was fetched."""
        if self._fetching is None:
            return
        (number, part), fetched = self._fetching
        self._fetching = None
        if (number, part) not in self._futures:
            return  # of an order that has failed meanwhile
        try:
            array, provenance = fetched.result()
            self._orders[number].take(part, array, provenance, {"scheduler": self._scheduler})
            self._futures.pop((number, part)).release()
        except CancelledError as error:
            raise self._lost(summary(error)) from error
        except Exception as error:  # noqa: BLE001 - of the task, or of writing
            self._fail(number, error)

    def _fail(self, number: int, error: BaseException) -> None:
        """Give up one order, and leave the others."""
        order = self._orders[number]
        mine = [place for place in self._futures if place[0] == number]
        self._client.cancel([self._futures.pop(place) for place in mine], force=True)
        order.fail(_explained(error, order.request.scan.name))

    def _require_cluster(self) -> None:
        """Raise where the scheduler is gone, or all workers have been for long."""
        now = time.monotonic()
        if now - self._looked < LOOK:
            return
        self._looked = now
        try:
            if self._client.status != "running":
                raise OSError("the connection broke")
            workers = self._client.scheduler_info()["workers"]
        except Exception as error:  # whatever it is, it does not answer
            raise self._lost(str(error)) from error
        if workers:
            self._manned = now
        elif now - self._manned > PATIENCE:
            raise WorkError(
                f"The scheduler {self._scheduler} has had no worker for {PATIENCE:.0f} seconds. Start workers, and run it again."
            )

    def _lost(self, reason: str) -> WorkError:
        return WorkError(f"The scheduler {self._scheduler} was lost: {reason}. Nothing half-written is left; start it, and run it again.")


def _explained(error: BaseException, sample: str) -> MITOError:
    """What a task failed with, as an error of this library."""
    if isinstance(error, Cancelled):
        return WorkError(f"{sample}: a task was cancelled by somebody else. Run it again.")
    if isinstance(error, MITOError):
        return error
    if type(error).__name__ == "KilledWorker":
        return WorkError(
            f"{sample}: the same part of the work ended one worker after the other, as happens where memory runs out. "
            "Give the workers more memory (dask worker --memory-limit), or choose a smaller box or larger voxels; their logs say more."
        )
    if isinstance(error, ImportError):
        return other_versions([f"a worker that came later ({summary(error)})"], __version__)
    return WorkError(f"{sample}: failed on a worker: {summary(error)}")
