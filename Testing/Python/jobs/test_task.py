"""Work in the background that is no reconstruction."""

from __future__ import annotations

import time
from collections.abc import Callable

import pytest

from MITOReconstructionLib.errors import InputError
from MITOReconstructionLib.jobs.task import Task
from MITOReconstructionLib.monitor import Monitor


def finished(work: Callable[[Monitor], object]) -> Task[object]:
    task = Task(work)
    task.start()
    assert task.wait(300)
    return task


def test_a_task_that_is_done() -> None:
    def work(monitor: Monitor) -> str:
        monitor.report("half", 0.5)
        return "value"

    task = finished(work)
    assert (task.state, task.value, task.error, task.progress.fraction) == ("done", "value", None, 0.5)


def test_a_task_that_is_cancelled() -> None:
    def work(monitor: Monitor) -> None:
        while True:
            monitor.report("waiting", 0.0)
            time.sleep(0.001)

    task = Task(work)
    task.start()
    assert not task.wait(0.02)
    task.cancel()
    assert task.wait(300)
    assert (task.state, str(task.error)) == ("cancelled", "The run was cancelled.")


@pytest.mark.parametrize(
    ("error", "message"),
    [
        (InputError("a", expected="b", found="c", remedy="D."), "a: expected b; found c. D."),
        (KeyError("a"), "It failed: "),
        (MemoryError(), "It failed: "),
    ],
)
def test_a_task_that_fails_says_why(error: Exception, message: str) -> None:
    def work(_monitor: Monitor) -> None:
        raise error

    task = finished(work)
    assert task.state == "failed"
    assert str(task.error).startswith(message)
