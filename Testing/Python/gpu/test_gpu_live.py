"""Live slices on a GPU: the images of the CPU, beams kept within the GPU's memory, and the CPU where the GPU fails."""

from __future__ import annotations

import threading
import time
from collections.abc import Callable
from pathlib import Path

import numpy as np
import pytest
from fake_cupy import FakeCupy

from MITOReconstructionLib import InputError, LiveSettings, LiveSlices, MissingPackageError, Plane, Scan, WorkError, mito_geometry, simulate
from MITOReconstructionLib.live import GrowingScan, SliceResult, gpu, open_growing
from MITOReconstructionLib.live.once import reconstruct_slice
from MITOReconstructionLib.projectors.cupy_gpu import CudaBackend
from MITOReconstructionLib.scan.line_integrals import project
from MITOReconstructionLib.scan.shapes import Ellipsoid, Phantom

MU = 0.02
WITHIN = 5e-4 * MU

BALL = Phantom("ball", (Ellipsoid((12.0, -10.0, 4.0), (50.0, 40.0, 60.0), MU),))

AXIAL = Plane.centred((10.0, -6.0, 3.0), (1, 0, 0), (0, 1, 0), (30, 34), 4.0)
OBLIQUE = Plane.centred((10.0, -6.0, 3.0), (0.8, 0.6, 0.1), (0.0, -0.1, 0.6), (30, 20), 4.0)


@pytest.fixture(scope="module")
def ball() -> Scan:
    geometry = mito_geometry(16, centre=0.0, turns=2.5)
    return Scan.from_arrays(project(BALL, geometry), geometry)


@pytest.fixture(scope="module")
def expected(ball: Scan) -> dict[Plane, np.ndarray]:
    return {plane: reconstruct_slice(ball, plane, backend="cpu").image for plane in (AXIAL, OBLIQUE)}


def test_slices_are_those_of_the_cpu(cupy: FakeCupy, ball: Scan, expected: dict[Plane, np.ndarray]) -> None:
    """Preview and final image of two planes; the second one, and the first again, find their beams on the GPU."""
    results = []
    with LiveSlices(ball, callback=results.append) as live:
        assert live.status().backend == "GPU Test GPU (CuPy 14.2.0)"
        for plane in (AXIAL, OBLIQUE):
            assert np.abs(live.reconstruct(plane).image - expected[plane]).max() < WITHIN
        again = live.reconstruct(AXIAL)
        assert np.abs(again.image - expected[AXIAL]).max() < WITHIN
        assert "filter" not in again.seconds
        assert live.status().backend == "GPU Test GPU (CuPy 14.2.0)"
    assert [result.level for result in results] == ["preview", "final"] * 3
    assert not any(result.error for result in results)
    preview = results[0].image
    assert np.sqrt(np.mean((preview - expected[AXIAL]) ** 2)) < 0.1 * MU
    assert {"mark_tiles", "add_planes", "finish_planes"} <= set(cupy.launches)


def test_other_settings_and_a_context_volume(cupy: FakeCupy, ball: Scan) -> None:
    smooth = LiveSettings(filter_type="Hann", axis_offset=0.5, tilt=1.0)
    with LiveSlices(ball, backend=CudaBackend()) as live:
        live.request("a", AXIAL)
        live.request_context(24)
        assert live.wait(300)
        live.change(smooth)
        assert live.wait(300)
        (result,) = live.poll()
        volume = live.context()
        assert live.status().error == ""
    assert np.abs(result.image - reconstruct_slice(ball, AXIAL, smooth, backend="cpu").image).max() < WITHIN
    assert volume is not None
    assert 0.8 * MU < volume.array[tuple(n // 2 for n in volume.array.shape)] < 1.2 * MU


def blocks_of(monkeypatch: pytest.MonkeyPatch, most: int) -> None:
    """Let a GPU have room for so many blocks of beams."""
    room: Callable[..., int] = gpu.GpuLevel._room
    monkeypatch.setattr(gpu.GpuLevel, "_room", lambda *arguments: min(most, room(*arguments)))


@pytest.mark.parametrize("cache", [None, 6 * 16 * 98 * 15 * 2])
def test_what_does_not_fit_is_sent_part_by_part(
    cupy: FakeCupy, ball: Scan, expected: dict[Plane, np.ndarray], monkeypatch: pytest.MonkeyPatch, cache: int | None
) -> None:
    """With room for five blocks, of which four are used at a time, and the computer's cache large or about as small."""
    blocks_of(monkeypatch, 5)
    with LiveSlices(ball, backend="cuda", cache_bytes=cache) as live:
        for plane in (OBLIQUE, AXIAL):
            assert np.abs(live.reconstruct(plane).image - expected[plane]).max() < WITHIN
        assert live.status().backend.startswith("GPU")
        assert live.wait(300)
    assert cupy.launches.count("add_planes") > 8


@pytest.mark.usefixtures("cupy")
def test_more_beams_are_kept_than_the_computer_has_room_for(ball: Scan, expected: dict[Plane, np.ndarray]) -> None:
    with LiveSlices(ball, cache_bytes=6 * 16 * 98 * 15 * 2) as live:
        for plane in (AXIAL, OBLIQUE):
            live.reconstruct(plane)
        for plane in (AXIAL, OBLIQUE):
            result = live.reconstruct(plane)
            assert np.abs(result.image - expected[plane]).max() < WITHIN
            assert "filter" not in result.seconds
        status = live.status()
    assert status.cache_bytes <= status.cache_limit < status.filtered * 98 * 14 * 2


@pytest.mark.usefixtures("cupy")
def test_a_scan_that_grows(ball: Scan, expected: dict[Plane, np.ndarray]) -> None:
    growing = GrowingScan(ball.geometry)
    with LiveSlices(growing) as live:
        live.request("a", AXIAL)
        for view in range(ball.geometry.views):
            growing.add_view(view, ball.projections[view])
            if view == 250:
                assert live.wait(300)
                (early,) = live.poll()
        assert live.wait(300)
        (last,) = live.poll()
        assert live.status().backend.startswith("GPU")
    assert not early.complete
    assert last.complete
    assert np.abs(last.image - expected[AXIAL]).max() < WITHIN


@pytest.mark.usefixtures("cupy")
def test_a_recording_that_begins_anew(ball: Scan, expected: dict[Plane, np.ndarray], tmp_path: Path) -> None:
    """The file becomes shorter: beams of what it was are no longer used, neither the GPU's nor the computer's."""
    folder, results = simulate(tmp_path / "sample", BALL, ball.geometry), []
    sinogram, done = folder / "sinogram.npy", threading.Event()
    whole = sinogram.read_bytes()
    first = whole[:128] + (2.0 * np.frombuffer(whole, np.float32, offset=128)).tobytes()
    sinogram.write_bytes(first[: -4 * ball.projections[0].size])

    def follow(result: SliceResult) -> None:
        results.append(result)
        if result.complete:
            done.set()

    with LiveSlices(open_growing(folder), callback=follow) as live:
        live.request("a", AXIAL)
        live.request_context(8)
        assert done.wait(300)
        assert live.wait(300)
        before, held = results[-1].image, live.status().filtered
        done.clear()
        sinogram.write_bytes(whole[:128])
        end = time.monotonic() + 300
        while live.status().arrived:
            assert time.monotonic() < end
            time.sleep(0.01)
        assert live.status().filtered == 0
        sinogram.write_bytes(whole)
        assert done.wait(300)
        assert live.status().backend.startswith("GPU")
    assert held > 0
    assert before.max() > 1.5 * MU
    assert np.abs(results[-1].image - expected[AXIAL]).max() < WITHIN


@pytest.mark.usefixtures("cupy")
def test_the_latest_of_many_requests_wins(ball: Scan) -> None:
    """Of forty planes in a row few are made, and at rest the last one is there, final."""
    results: list[SliceResult] = []
    begun, asked = threading.Event(), threading.Event()
    planes = [Plane.centred((10.0, -6.0, 0.2 * n), (1, 0, 0), (0, 1, 0), (30, 34), 4.0) for n in range(40)]

    def follow(result: SliceResult) -> None:
        results.append(result)
        begun.set()
        assert asked.wait(300)

    with LiveSlices(ball, callback=follow) as live:
        live.request("a", planes[0])
        assert begun.wait(300)  # it is at work on the first one
        for plane in planes[1:]:
            live.request("a", plane)
        asked.set()
        assert live.wait(300)
        (last,) = live.poll()
    assert (last.plane, last.level) == (planes[-1], "final")
    assert sum(result.level == "final" for result in results) == 1
    assert np.abs(last.image - reconstruct_slice(ball, planes[-1], backend="cpu").image).max() < WITHIN


# ---- what goes wrong -----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kernel", ["rebin", "mark_tiles", "add_planes", "finish_planes"])
def test_where_the_gpu_fails_the_cpu_goes_on(cupy: FakeCupy, ball: Scan, expected: dict[Plane, np.ndarray], kernel: str) -> None:
    """At the first slice, and after one that was good; what was filtered until then is used."""
    with LiveSlices(ball) as live:
        assert np.abs(live.reconstruct(AXIAL).image - expected[AXIAL]).max() < WITHIN
        held = live.status().filtered
        cupy.fails = kernel
        live.change(LiveSettings(filter_type="Cosine"))
        assert live.reconstruct(OBLIQUE).error == ""
        live.change(LiveSettings())
        result = live.reconstruct(OBLIQUE)
        assert result.error == ""
        assert np.abs(result.image - expected[OBLIQUE]).max() < WITHIN
        live.request("a", AXIAL)
        assert live.wait(300)
        status = live.status()
    assert held > 0
    assert status.error == ""
    assert status.backend.startswith("CPU, because the GPU cannot be used: The GPU failed at live slices: CUDA_ERROR_LAUNCH_FAILED")
    assert cupy.used == 0


def test_kernels_that_do_not_compile_are_said(
    cupy: FakeCupy, ball: Scan, expected: dict[Plane, np.ndarray], monkeypatch: pytest.MonkeyPatch
) -> None:
    def refuse(**_: object) -> None:
        raise cupy.cuda.compiler.CompileException("nvrtc: error: invalid value for --gpu-architecture (-arch)")

    monkeypatch.setattr(cupy, "RawModule", refuse)
    with LiveSlices(ball) as live:
        assert np.abs(live.reconstruct(AXIAL).image - expected[AXIAL]).max() < 1e-6
        assert live.status().backend.startswith("CPU, because the GPU cannot be used: The GPU failed at compiling kernels: nvrtc: error")


def test_too_little_memory_is_said_and_the_cpu_takes_over(cupy: FakeCupy, ball: Scan, expected: dict[Plane, np.ndarray]) -> None:
    cupy.total = 100 << 20
    with LiveSlices(ball, backend="cuda") as live:
        assert np.abs(live.reconstruct(AXIAL).image - expected[AXIAL]).max() < 1e-6
        words = live.status().backend
    assert words.startswith("CPU, because the GPU cannot be used: It has 0.10 GiB of free memory; live slices of this scan need ")
    with pytest.raises(WorkError, match=r"It has 0\.10 GiB of free memory"):
        reconstruct_slice(ball, AXIAL, backend="cuda")


def test_memory_that_runs_out_at_work_is_said(cupy: FakeCupy, ball: Scan, expected: dict[Plane, np.ndarray]) -> None:
    cupy.total = 1 << 20
    backend = CudaBackend()
    backend.free_memory = lambda: 1 << 34  # type: ignore[method-assign]
    with LiveSlices(ball, backend=backend) as live:
        assert np.abs(live.reconstruct(AXIAL).image - expected[AXIAL]).max() < 1e-6
        assert "The GPU has not enough memory for live slices: Out of memory allocating" in live.status().backend


def test_a_scan_that_cannot_be_read_is_no_fault_of_the_gpu(cupy: FakeCupy, ball: Scan) -> None:
    bad = ball.projections.copy()
    bad[bad.shape[0] // 2] = np.nan
    with LiveSlices(Scan.from_arrays(bad, ball.geometry)) as live:
        with pytest.raises(WorkError, match="expected finite line integrals"):
            live.reconstruct(AXIAL)
        assert live.status().backend.startswith("GPU")


def test_a_gpu_that_is_not_there_is_said(cupy: FakeCupy, ball: Scan, monkeypatch: pytest.MonkeyPatch) -> None:
    cupy.devices = 0
    with pytest.raises(InputError, match="expected an NVIDIA GPU that CuPy can use; found none"):
        LiveSlices(ball, backend="cuda")
    with LiveSlices(ball) as live:
        assert live.status().backend.startswith("CPU")
    monkeypatch.setitem(__import__("sys").modules, "cupy", None)
    with pytest.raises(MissingPackageError, match="cupy-cuda12x"):
        LiveSlices(ball, backend="cuda")
