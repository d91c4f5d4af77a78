"""Engines under what people and other threads do to them."""

from __future__ import annotations

import gc
import signal
import subprocess
import sys
import threading
import time
from pathlib import Path

import numpy as np
import pytest
from live_cases import Gate, axial

from MITOReconstructionLib import Scan
from MITOReconstructionLib.live import LiveSettings, LiveSlices, Plane, SliceResult
from MITOReconstructionLib.live.plugins import Plugin, PluginStep
from MITOReconstructionLib.methods import Parameters
from MITOReconstructionLib.parallel import Turns

PATIENCE = 300.0


def step(run: object) -> PluginStep:
    return PluginStep(Plugin("test", "Test", "For a test.", Parameters, run), Parameters())  # type: ignore[arg-type]


def test_a_plugin_that_would_end_the_program(small: Scan) -> None:
    def run(image: np.ndarray, _parameters: Parameters) -> np.ndarray:
        raise SystemExit("enough")

    with LiveSlices(small, plugins=[step(run)]) as live:
        live.request("Red", axial())
        assert live.wait(PATIENCE)
        (result,) = live.poll()
        assert "SystemExit: enough" in result.error
        live.process([])
        assert live.wait(PATIENCE)
        assert live.poll()[-1].error == ""


def test_closing_need_not_wait_for_a_plugin(small: Scan) -> None:
    gate = Gate()

    def run(image: np.ndarray, _parameters: Parameters) -> np.ndarray:
        gate()
        return image

    live = LiveSlices(small, plugins=[step(run)])
    live.request("Red", axial())
    assert gate.entered.wait(PATIENCE)
    live.close(wait=False)  # would never come back if it waited
    assert not gate.opened.is_set()
    with pytest.raises(RuntimeError, match="closed"):
        live.request("Red", axial())
    gate.opened.set()
    live.close()  # waits now


@pytest.mark.skipif(sys.platform == "win32", reason="a thread that waits is not interrupted there")
def test_a_script_that_is_interrupted_leaves_nothing_to_do(small: Scan) -> None:
    gate, results = Gate(), []

    def interrupt(result: SliceResult) -> None:
        results.append(result.level)
        signal.pthread_kill(threading.main_thread().ident or 0, signal.SIGINT)
        gate()

    before = signal.signal(signal.SIGINT, signal.default_int_handler)  # a shell's background jobs ignore it
    try:
        with LiveSlices(small, callback=interrupt) as live:
            with pytest.raises(KeyboardInterrupt):
                live.reconstruct(axial())
            gate.opened.set()
            assert live.wait(PATIENCE)
    finally:
        signal.signal(signal.SIGINT, before)
    assert results == ["preview"]


def test_an_engine_that_nobody_has_ends(small: Scan) -> None:
    before = set(threading.enumerate())
    live = LiveSlices(small)
    (thread,) = (thread for thread in set(threading.enumerate()) - before if thread.name == "live slices")
    live.request("Red", axial())
    del live
    gc.collect()
    thread.join(PATIENCE)
    assert not thread.is_alive()


def test_while_settings_change_all_the_time_something_is_seen(small: Scan) -> None:
    """A change comes before the preview of the one before it could be made; every second one is shown."""
    hold = threading.Event()

    def slow(image: np.ndarray, _parameters: Parameters) -> np.ndarray:
        hold.wait(0.05)
        return image

    with LiveSlices(small, plugins=[step(slow)]) as live:
        live.request("Red", axial())
        assert live.wait(PATIENCE)
        live.poll()
        shown, number, end = 0, 0, time.monotonic() + PATIENCE
        while shown < 3:
            number += 1
            live.change(LiveSettings(frequency_scaling=1.0 - 0.01 * (number % 60)))
            time.sleep(0.02)
            shown += len(live.poll())
            assert time.monotonic() < end
        live.change(LiveSettings(frequency_scaling=0.4))
        assert live.wait(PATIENCE)
        (last,) = live.poll()
        assert (last.level, last.complete) == ("final", True)
        live.process([])
        expected = live.reconstruct(axial()).image
    with LiveSlices(small, LiveSettings(frequency_scaling=0.4)) as other:
        np.testing.assert_allclose(expected, other.reconstruct(axial()).image, atol=1e-7)


def test_a_slow_plugin_does_not_hide_a_drag(small: Scan) -> None:
    """Requests come while a preview is in a plugin. It is given up for the next one; that one is shown, though others came again."""
    entered, leave, results = threading.Semaphore(0), threading.Semaphore(0), []

    def slow(image: np.ndarray, _parameters: Parameters) -> np.ndarray:
        entered.release()
        assert leave.acquire(timeout=PATIENCE)
        return image

    with LiveSlices(small, plugins=[step(slow)], callback=results.append) as live:
        live.request("Red", axial(0.0))
        for places in ((1.0, 2.0), (3.0, 4.0), (5.0, 6.0)):
            assert entered.acquire(timeout=PATIENCE)
            for place in places:
                live.request("Red", axial(place))
            leave.release()
        leave.release(100)
        assert live.wait(PATIENCE)
    assert [(result.plane.origin[2], result.level) for result in results] == [(2.0, "preview"), (6.0, "preview"), (6.0, "final")]


def test_nobody_waits_for_a_context_volume_that_cannot_be(small: Scan, tmp_path: Path) -> None:
    folder = tmp_path / "cache"
    folder.mkdir()
    with LiveSlices(small, cache_folder=folder) as live:
        assert live.wait(PATIENCE)
        live.request_context(16)
        assert live.wait(PATIENCE)
        for file in folder.iterdir():
            file.unlink()
        folder.rmdir()
        live.change(LiveSettings(filter_type="Hann"))
        waiter = threading.Thread(target=live.wait, daemon=True)  # without an end
        waiter.start()
        waiter.join(PATIENCE)
        assert not waiter.is_alive()
        assert "expected a folder that exists" in live.status().error
        folder.mkdir()
        assert live.reconstruct(axial()).complete
        assert live.status().error == ""


def test_after_a_change_no_fault_of_the_settings_before(small: Scan) -> None:
    spoiled = small.projections.copy()
    spoiled[5, 3, 2] = np.nan
    scan = Scan.from_arrays(spoiled, small.geometry)
    plane = Plane.centred((0.0, 0.0, small.geometry.axial_positions[60]), (1, 0, 0), (0, 1, 0), (16, 16), 4.0)
    with LiveSlices(scan) as live:
        for _ in range(5):
            live.change(LiveSettings())
            live.request("Red", plane)
            live.change(LiveSettings(first_view=20))
            assert live.reconstruct(plane).error == ""


@pytest.mark.parametrize(
    "plane",
    [
        Plane.centred((0, 0, 5000), (1, 0, 0), (0, 1, 0), (32, 32), 3.0),
        Plane.centred((900, 900, 0), (1, 0, 0), (0, 1, 0), (32, 32), 3.0),
        Plane.centred((0, -800, 0), (1, 0, 0), (0, 0, 1), (300, 32), 10.0),
        axial(shape=(1, 1)),
        axial(shape=(1, 700)),
        axial(spacing=1e-6),
        axial(spacing=1e6),
    ],
    ids=["above", "beside", "through the source", "one pixel", "a line", "huge zoom", "tiny zoom"],
)
def test_planes_that_nobody_means(small: Scan, plane: Plane) -> None:
    with LiveSlices(small, LiveSettings(fill_value=-1.0)) as live:
        image = live.reconstruct(plane).image
    assert image.shape == plane.shape
    assert np.isfinite(image).all()
    inside = np.linalg.norm(plane.positions()[..., :2], axis=-1) < 90
    assert np.all(image[~inside & (np.abs(plane.positions()).max(axis=-1) > 300)] == -1.0)


EXIT = """
import sys, threading, time
import numpy as np
from MITOReconstructionLib import LiveSlices, Plane, Scan, mito_geometry
from MITOReconstructionLib.live import engine
from MITOReconstructionLib.live.plugins import Plugin, PluginStep
from MITOReconstructionLib.methods import Parameters

if sys.argv[1] == "hangs":
    engine.END_SECONDS = 1.0
geometry = mito_geometry(16, centre=0.0, turns=2.5)
shape = geometry.views, geometry.detector.columns, geometry.detector.rows
scan = Scan.from_arrays(np.ones(shape, np.float32), geometry)
entered = threading.Event()
def hang(image, parameters):
    entered.set()
    time.sleep(1000)
steps = [PluginStep(Plugin("hang", "Hang", "Hangs.", Parameters, hang), Parameters())] if sys.argv[1] == "hangs" else []
lives = [LiveSlices(scan, plugins=steps) for _ in range(2)]
for number, live in enumerate(lives):
    live.request_context()
    live.request("Red", Plane.centred((0, 0, number), (1, 0, 0), (0, 1, 0), (800, 800), 0.25))
time.sleep(0.3)
if steps:
    entered.wait()
if sys.argv[1] == "dropped":
    del live, lives
"""


@pytest.mark.parametrize("how", ["busy", "dropped", "hangs"])
def test_the_interpreter_ends_while_engines_work(how: str) -> None:
    root = str(Path(__file__).parents[3])
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", f"import sys; sys.path.insert(0, {root!r})\n{EXIT}", how],
        capture_output=True, text=True, timeout=PATIENCE,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


def test_of_two_threads_none_starves() -> None:
    """One lets go and takes the lock again at once; the other one gets its turn each time all the same."""
    lock, end, turns, passed_over = Turns(), threading.Event(), [0], [0]

    def greedy() -> None:
        before = None
        while not end.is_set():
            with lock, lock:
                first = lock._waiting[0] if lock._waiting else None
                passed_over[0] += first is not None and first is before  # who waited already when the last turn began
                before = first
                turns[0] += 1
                time.sleep(0.005)

    thread = threading.Thread(target=greedy)
    thread.start()
    try:
        while turns[0] < 2:
            time.sleep(0.001)
        for _ in range(20):
            with lock:
                pass
    finally:
        end.set()
        thread.join()
    assert passed_over == [0]


def test_the_lock_belongs_to_one_thread_at_a_time() -> None:
    lock, inside, most = Turns(), [0], [0]

    def work() -> None:
        for _ in range(200):
            with lock:
                inside[0] += 1
                most[0] = max(most[0], inside[0])
                with lock:
                    time.sleep(0)
                inside[0] -= 1

    threads = [threading.Thread(target=work) for _ in range(4)]
    for thread in threads:
        thread.start()
    for thread in threads:
        thread.join(PATIENCE)
    assert (inside[0], most[0]) == (0, 1)


WARM = """
import numpy as np
from MITOReconstructionLib import LiveSlices, Plane, Scan, mito_geometry
from MITOReconstructionLib.monitor import Monitor
from MITOReconstructionLib.wfbp import backproject, plane_kernels, planes
from MITOReconstructionLib.wfbp.warm import compile_kernels, compile_plane_kernels

compile_kernels(Monitor())
compile_plane_kernels()
kernels = [kernel for module in (backproject, plane_kernels, planes) for kernel in vars(module).values() if hasattr(kernel, "signatures")]
before = [len(kernel.signatures) for kernel in kernels]
geometry = mito_geometry(40, centre=0.0, turns=2.0)
scan = Scan.from_arrays(np.ones((geometry.views, geometry.detector.columns, geometry.detector.rows), np.float32), geometry)
with LiveSlices(scan) as live:
    live.reconstruct(Plane.centred((0, 0, 0), (1, 0, 0), (0, 1, 0), (8, 8), 1.0))
assert sum(before) >= 3, before
assert [len(kernel.signatures) for kernel in kernels] == before
"""


def test_nothing_is_compiled_once_the_kernels_are_warm() -> None:
    root = str(Path(__file__).parents[3])
    done = subprocess.run(
        [sys.executable, "-W", "error", "-c", f"import sys; sys.path.insert(0, {root!r})\n{WARM}"],
        capture_output=True, text=True, timeout=PATIENCE,
    )  # fmt: skip
    assert (done.returncode, done.stderr) == (0, "")


def test_it_says_that_it_compiles(small: Scan, monkeypatch: pytest.MonkeyPatch) -> None:
    gate = Gate()
    monkeypatch.setattr("MITOReconstructionLib.live.worker.compile_plane_kernels", gate)
    with LiveSlices(small) as live:
        live.request("Red", axial())
        assert gate.entered.wait(PATIENCE)
        assert (live.status().compiling, live.poll()) == (True, [])
        gate.opened.set()
        assert live.wait(PATIENCE)
        assert (live.status().compiling, live.poll()[-1].level) == (False, "final")
