"""Reports out of a run, and the wish to stop into it."""

from __future__ import annotations

import json
import math
import threading
import time

import numpy as np
import pytest

from MITOReconstructionLib.errors import Cancelled
from MITOReconstructionLib.monitor import Monitor, Progress


def test_reports_arrive_in_order_with_their_time():
    reports: list[Progress] = []
    begin = time.monotonic()
    monitor = Monitor(reports.append)
    monitor.report("filter", 0.25)
    time.sleep(0.01)
    monitor.report("iterate", 0.5, iteration=3, residual=0.125)
    assert [(r.step, r.fraction, r.iteration, r.residual) for r in reports] == [("filter", 0.25, None, None), ("iterate", 0.5, 3, 0.125)]
    assert 0.0 <= reports[0].seconds < reports[1].seconds <= monitor.seconds <= time.monotonic() - begin


@pytest.mark.parametrize(
    ("given", "told"), [(-0.1, 0.0), (1.7, 1.0), (math.inf, 1.0), (-math.inf, 0.0), (math.nan, 0.0), (0, 0.0), (1, 1.0)]
)
def test_fractions_are_kept_within_0_and_1(given, told):
    reports: list[Progress] = []
    Monitor(reports.append).report("step", given)
    assert reports[0].fraction == told
    assert type(reports[0].fraction) is float


def test_a_dict_has_no_none_and_json_takes_it_whatever_numpy_gave():
    assert Progress("filter", 0.5, 2.0).to_dict() == {"step": "filter", "fraction": 0.5, "seconds": 2.0}
    reports: list[Progress] = []
    Monitor(reports.append).report("iterate", np.float32(0.5), iteration=np.int64(0), residual=np.float32(0.0))
    told = json.loads(json.dumps(reports[0].to_dict()))
    assert told == {"step": "iterate", "fraction": 0.5, "seconds": reports[0].seconds, "iteration": 0, "residual": 0.0}


def test_without_a_listener_nothing_happens_but_cancelling():
    monitor = Monitor()
    monitor.report("step", 0.5)
    monitor.check()
    assert not monitor.cancelled
    monitor.cancel()
    monitor.cancel()
    assert monitor.cancelled
    for call in (monitor.check, lambda: monitor.report("step", 0.5)):
        with pytest.raises(Cancelled, match=r"^The run was cancelled\.$"):
            call()


def test_nothing_is_reported_once_cancelled():
    reports: list[Progress] = []
    monitor = Monitor(reports.append)
    monitor.cancel()
    with pytest.raises(Cancelled):
        monitor.report("step", 0.5)
    assert reports == []


def test_a_listener_may_cancel():
    monitor = Monitor(lambda progress: monitor.cancel())
    with pytest.raises(Cancelled):
        monitor.report("step", 0.5)


def test_another_thread_stops_a_run():
    steps, started, ended = 0, threading.Event(), []
    monitor = Monitor()

    def run() -> None:
        nonlocal steps
        try:
            while steps < 10_000:
                monitor.report("work", steps / 10_000)
                steps += 1
                started.set()
                time.sleep(0.001)
        except Cancelled as error:
            ended.append(str(error))

    thread = threading.Thread(target=run)
    thread.start()
    assert started.wait(300)
    monitor.cancel()
    thread.join(300)
    assert not thread.is_alive()
    assert ended == ["The run was cancelled."]
    assert steps < 10_000


def test_a_listener_that_fails_ends_the_run_with_its_own_error():
    def fail(progress: Progress) -> None:
        raise KeyError(progress.step)

    with pytest.raises(KeyError, match="work"):
        Monitor(fail).report("work", 0.1)
