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
from collections import Counter
from collections.abc import Mapping, Sequence, Set
from concurrent.futures import CancelledError, Future
from typing import Any, TypeVar

from MITOReconstructionLib.errors import Cancelled, MITOError, WorkError
from MITOReconstructionLib.geometry import VolumeGrid
from MITOReconstructionLib.geometry.scan_geometry import Views
from MITOReconstructionLib.jobs.cluster_connection import connected, require_folders, require_versions, require_workers
from MITOReconstructionLib.jobs.cluster_order import Order
from MITOReconstructionLib.jobs.cluster_tasks import TOPIC, cut_part, other_versions, reconstruct_part
from MITOReconstructionLib.jobs.cluster_watch import Watch
from MITOReconstructionLib.jobs.failures import summary
from MITOReconstructionLib.jobs.request import Request
from MITOReconstructionLib.methods import Parameters
from MITOReconstructionLib.monitor import Monitor
from MITOReconstructionLib.projectors.backends import AUTO
from MITOReconstructionLib.scan import Scan
from MITOReconstructionLib.version import __version__

__all__ = ["reconstruct_all_on", "reconstruct_on"]

POLL = 0.05

AGAIN = 3
"""Times that a part of the work is submitted again where the scheduler has dropped it."""

STEP = "on the cluster"

Name = TypeVar("Name", bound=str | os.PathLike[str])

Place = tuple[int, int]
"""Number of an order, and of a part of it."""


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
        The volume's provenance, as it is in the file; ``cluster`` says on what scheduler, in how many parts, and how many
        tasks were submitted again because the scheduler had dropped them.

    Raises
    ------
    InputError
        When an argument cannot be used, the scheduler does not answer, has no workers, or workers lack this library in this
        version or do not see the sample.
    WorkError
        When the work fails on a worker, workers die of it again and again, the scheduler drops it again and again or does not answer
        any more, or the file cannot be written.
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
    """Tasks of one or several orders on their way.

    A result whose worker died is computed again without this run's doing ("lost" is what Dask calls a task until then). A task that
    the scheduler has dropped is submitted again: where somebody cancelled it or restarted the cluster, or the connection broke, after
    which the scheduler forgets what it was asked for.
    """

    def __init__(self, client: Any, scheduler: str, orders: Sequence[Order], monitor: Monitor) -> None:
        self._client, self._scheduler, self._orders, self._monitor = client, scheduler, orders, monitor
        self._watch = Watch(client, scheduler)
        self._name = secrets.token_hex(6)
        self._submissions = 0
        self._futures: dict[Place, Any] = {}
        self._dropped: Counter[Place] = Counter()
        self._fetching: tuple[Place, Any, Future[Any]] | None = None

    def follow(self, machines: int) -> None:
        """Submit everything, and write what comes until nothing more does.

        Raises
        ------
        WorkError
            When scheduler or workers are gone; the failure of an order is in the order.
        Cancelled
            When the monitor was asked to stop.
        """
        shown: tuple[str, float] | None = None
        try:
            for order in self._orders:
                parts = order.cut(-(-machines // len(self._orders)))
                self._submit(order, range(len(parts)))
            while self._futures:
                report = self._report()
                if report != shown:
                    self._monitor.report(*report)
                    shown = report
                self._monitor.check()
                if not self._advance():
                    self._look()
                    time.sleep(POLL)
            self._monitor.report(self._report()[0], 1.0)
        finally:
            self._watch.end()
            if self._fetching is not None:
                self._fetching[2].cancel()
            for order in self._orders:
                order.abandon()
            with contextlib.suppress(Exception):  # the scheduler may be gone
                self._client.cancel(list(self._futures.values()), force=True)
            self._futures.clear()

    def _report(self) -> tuple[str, float]:
        """Step and fraction to tell."""
        again = sum(order.submitted_again for order in self._orders)
        step = f"{STEP}, {again} task{'s' * (again > 1)} submitted again" if again else STEP
        return step, sum(order.fraction for order in self._orders) / len(self._orders)

    def _submit(self, order: Order, parts: Sequence[int]) -> None:
        """Submit parts of one order: its slabs, or all of it and then the parts that it is fetched in."""
        self._client.subscribe_topic(TOPIC, self._hear)  # each time, as a scheduler that was started anew knows nothing of it
        self._submissions += 1
        name = f"{self._name}-{self._submissions}"  # what is left of an earlier submission on a worker is not taken for this one
        settings = {"pure": False, "priority": -order.number}
        method, content = order.request.method, order.request.to_dict()

        def work(part: int, slices: tuple[int, int] | None) -> Any:
            task = (reconstruct_part, content, slices, (self._name, order.number, part), method.title, __version__)
            return self._client.submit(*task, key=f"mito-{method.name}-{name}-{part}", **settings)

        if order.in_slabs:
            futures = [work(part, order.ranges[part]) for part in parts]
        else:
            whole = work(0, None)
            futures = [
                self._client.submit(cut_part, whole, *order.ranges[part], key=f"mito-part-{name}-{part}", **settings) for part in parts
            ]
        self._futures |= {(order.number, part): future for part, future in zip(parts, futures, strict=True)}

    def _hear(self, event: tuple[float, dict[str, Any]]) -> None:
        """Called in the client's thread with what the tasks tell."""
        message = event[1]
        if message.get("run") == self._name:
            self._orders[message["order"]].tell(message["part"], message["fraction"])

    def _advance(self) -> bool:
        """Take one step with whatever has come; whether there was any."""
        if self._fetching is not None and self._fetching[2].done():
            self._take()
            return True
        if not self._watch.connected:
            return False
        for place, future in self._futures.items():
            if future.status == "error":
                self._fail(place[0], future.exception())
                return True
            if future.status == "finished" and self._fetching is None:
                loop = self._client.loop.asyncio_loop
                self._fetching = place, future, asyncio.run_coroutine_threadsafe(self._client.gather(future, asynchronous=True), loop)
                return True
        dropped = {place for place, future in self._futures.items() if future.status == "cancelled"}
        self._submit_again(dropped)
        return bool(dropped)

    def _look(self) -> None:
        """Submit again what the scheduler has forgotten without a word; raises where it is gone, or has no workers."""
        unknown = self._watch.look([future.key for future in self._futures.values()])
        self._submit_again({place for place, future in self._futures.items() if future.key in unknown})

    def _take(self) -> None:
        """Write the slab that was fetched."""
        if self._fetching is None:
            return
        place, future, fetched = self._fetching
        self._fetching = None
        if place not in self._futures or self._futures[place] is not future or future.status == "error":
            return  # given up meanwhile, or the failure is seen to next
        try:
            array, provenance = fetched.result()
        except (OSError, CancelledError):  # of the connections; where it is the client's own, all tasks will turn out as dropped
            if self._watch.connected and future.status == "finished":
                self._submit_again({place})
            return
        except Exception as error:  # noqa: BLE001 - as where the result cannot be unpacked here
            self._fail(place[0], error)
            return
        try:
            self._orders[place[0]].take(place[1], array, provenance, {"scheduler": self._scheduler})
        except Exception as error:  # noqa: BLE001 - of writing
            self._fail(place[0], error)
            return
        self._futures.pop(place).release()

    def _submit_again(self, places: Set[Place]) -> None:
        """Submit again what was dropped; an order of which a part was dropped too often is given up."""
        for number in sorted({number for number, _ in places}):
            order = self._orders[number]
            mine = [place for place in self._futures if place[0] == number and (place in places or not order.in_slabs)]
            self._dropped.update(mine)
            if max(self._dropped[place] for place in mine) > AGAIN:
                self._fail(number, _dropped_too_often(order.request.scan.name))
                continue
            self._client.cancel([self._futures.pop(place) for place in mine], force=True)
            order.submitted_again += len(mine) if order.in_slabs else 1
            self._submit(order, [part for _, part in mine])

    def _fail(self, number: int, error: BaseException) -> None:
        """Give up one order, and leave the others."""
        order = self._orders[number]
        mine = [place for place in self._futures if place[0] == number]
        self._client.cancel([self._futures.pop(place) for place in mine], force=True)
        order.fail(_explained(error, order.request.scan.name))


def _dropped_too_often(sample: str) -> WorkError:
    return WorkError(
        f"{sample}: the scheduler dropped the same part of the work {AGAIN + 1} times, as it does where somebody cancels the tasks or "
        "restarts the cluster, or the connection breaks. Its log says more; run it again when the cluster is left alone."
    )


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
