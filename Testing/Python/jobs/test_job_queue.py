"""Jobs one after another."""

from __future__ import annotations

import threading

import pytest
from job_grids import GRID

from MITOReconstructionLib import Scan
from MITOReconstructionLib.errors import InputError
from MITOReconstructionLib.jobs import Job, Queue


class Gate:
    """Jobs that run until they are let through, and the order in which they started and ended."""

    def __init__(self, scan: Scan, method: str) -> None:
        self._scan, self._method = scan, method
        self.open = threading.Event()
        self.started: list[str] = []
        self.ended: list[str] = []

    def job(self, name: str, how: str = "done") -> Job:
        def begin(report: object) -> None:
            if name not in self.started:
                self.started.append(name)
            self.open.wait(300)

        return Job(
            self._scan, grid=GRID, method=self._method, parameters={"how": how}, name=name, on_progress=begin,
            on_end=lambda job: self.ended.append(f"{name} {job.state}"),
        )  # fmt: skip


@pytest.fixture
def gate(ball: Scan, faulty: str) -> Gate:
    return Gate(ball, faulty)


def test_in_order_whatever_becomes_of_each(gate: Gate) -> None:
    queue = Queue()
    jobs = [queue.add(gate.job(name, how)) for name, how in (("a", "done"), ("b", "bug"), ("c", "done"))]
    assert queue.jobs == tuple(jobs)
    assert [job.state for job in jobs] == ["running", "waiting", "waiting"]
    assert not queue.wait(0.02)
    gate.open.set()
    assert queue.wait(300)
    assert gate.started == ["a", "b", "c"]
    assert gate.ended == ["a done", "b failed", "c done"]
    assert queue.jobs == ()


def test_cancel_one_that_waits_and_the_one_that_runs(gate: Gate) -> None:
    queue = Queue()
    a, b, c = (queue.add(gate.job(name, "slow" if name == "a" else "done")) for name in "abc")
    queue.cancel(b)
    assert queue.jobs == (a, c)
    queue.cancel(a)
    gate.open.set()
    assert queue.wait(300)
    assert gate.ended == ["b cancelled", "a cancelled", "c done"]


def test_cancel_all_starts_none(gate: Gate) -> None:
    queue = Queue()
    for name in "abc":
        queue.add(gate.job(name, "slow"))
    queue.cancel_all()
    gate.open.set()
    assert queue.wait(300)
    assert set(gate.started) <= {"a"}
    assert sorted(gate.ended) == ["a cancelled", "b cancelled", "c cancelled"]


def test_only_jobs_that_wait_are_taken(gate: Gate) -> None:
    queue = Queue()
    gate.open.set()
    job = gate.job("a")
    queue.add(job)
    assert queue.wait(300)
    with pytest.raises(InputError, match="expected a job that waits; found one that is done"):
        queue.add(job)


def test_a_job_is_taken_once(gate: Gate) -> None:
    queue = Queue()
    queue.add(gate.job("a"))
    second = queue.add(gate.job("b"))
    with pytest.raises(InputError, match="found one that is in the queue"):
        queue.add(second)
    gate.open.set()
    assert queue.wait(300)


def test_added_from_many_threads(gate: Gate) -> None:
    queue = Queue()
    gate.open.set()
    threads = [threading.Thread(target=lambda n=n: queue.add(gate.job(str(n)))) for n in range(12)]  # type: ignore[misc]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join()
    assert queue.wait(300)
    assert sorted(gate.ended) == sorted(f"{n} done" for n in range(12))
