"""Filtered backprojection by the backend 'cuda', from the caller's side: results, slabs, what goes wrong, what is foreseen."""

from __future__ import annotations

import importlib.util
import math
import sys

import numpy as np
import pytest
from fake_cupy import FakeCupy

from MITOReconstructionLib import InputError, Monitor, Progress, Scan, VolumeGrid, mito_geometry, reconstruct
from MITOReconstructionLib.errors import Cancelled, MissingPackageError, WorkError
from MITOReconstructionLib.geometry import Detector, ScanGeometry
from MITOReconstructionLib.jobs import speed
from MITOReconstructionLib.jobs.estimate import estimate
from MITOReconstructionLib.projectors.backends import FBP, backend_states, choose_backend
from MITOReconstructionLib.projectors.cupy_gpu import CudaBackend
from MITOReconstructionLib.scan.line_integrals import project
from MITOReconstructionLib.scan.shapes import Ellipsoid, Phantom
from MITOReconstructionLib.wfbp import gpu_sizes
from MITOReconstructionLib.wfbp.filters import RampFilter
from MITOReconstructionLib.wfbp.gpu_sizes import choose_sizes
from MITOReconstructionLib.wfbp.plan import ParallelPlan

pytestmark = pytest.mark.usefixtures("column_kernel")

MU = 0.02
BALL = Phantom("ball", (Ellipsoid((20.0, -10.0, 4.0), (50.0, 40.0, 60.0), MU),))
GRID = VolumeGrid.from_bounds((-51, -63, -20), (81, 60, 31), spacing=(11.0, 12.3, 0.75))


def geometry(**options: float) -> ScanGeometry:
    return mito_geometry(16, **{"pitch": 106.56, "turns": 2.2, "centre": 0.0, **options})


def scan_of(geometry: ScanGeometry) -> Scan:
    return Scan.from_arrays(project(BALL, geometry), geometry)


@pytest.fixture(scope="module")
def ball() -> Scan:
    return scan_of(geometry())


def assert_same(found: np.ndarray, expected: np.ndarray) -> None:
    """Within 0.05%, which is promised, of the object's attenuation; and that there is an object."""
    assert expected.max() > 0.9 * MU
    np.testing.assert_allclose(found, expected, rtol=0, atol=5e-4 * MU)
    assert np.abs(found - expected).max() < 5e-5 * MU  # and in fact much better


# ---- results -----------------------------------------------------------------------------------------------------------


@pytest.mark.usefixtures("cupy")
@pytest.mark.parametrize(
    "options",
    [
        {},
        {"direction": -1},
        {"pitch": 0.0, "turns": 1.0},
        {"pitch": 150.0},
        {"wobble": 4.0},
        {"curvature_radius": math.inf},
    ],
    ids=["helix", "falling", "circle", "fast", "wobbling", "flat"],
)
def test_the_volume_is_that_of_the_cpu(options: dict[str, float]) -> None:
    scan = scan_of(geometry(**options))
    found, expected = (reconstruct(scan, grid=GRID, backend=name) for name in ("cuda", "cpu"))
    assert_same(found.array, expected.array)
    assert found.provenance["backend"] == "GPU Test GPU (CuPy 14.2.0)"
    assert expected.provenance["backend"].startswith("CPU, ")
    facts = found.provenance["report"].pop("gpu")
    assert facts["slabs"] == 1
    assert set(facts["seconds"]) == {"read", "copy", "rebin", "filter", "backprojection", "coverage"}
    assert expected.provenance["report"].pop("backprojection") == "column by column"
    assert found.provenance["report"] == expected.provenance["report"]


@pytest.mark.usefixtures("cupy")
def test_a_detector_of_one_row() -> None:
    angles = np.arange(180) * 2 * math.pi / 180
    fan = ScanGeometry(angles, np.zeros(180), 503.0, 0.0, Detector(80, 1, -0.3, 0.3, -6.0, 6.0, 503.0))
    scan, box = scan_of(fan), VolumeGrid((-152, -152, -3), (152, 152, 3), (26, 26, 4))
    assert_same(*(reconstruct(scan, grid=box, backend=name).array for name in ("cuda", "cpu")))


@pytest.mark.usefixtures("cupy")
def test_parameters_views_and_file_order_count_as_on_the_cpu(ball: Scan) -> None:
    options = {
        "parameters": {"filter_type": "Hann", "frequency_scaling": 0.8, "padding": False, "fill_value": -1.0},
        "views": np.r_[3:250, 251:340],
    }
    tall = VolumeGrid((-51, -63, -160), (81, 60, 160), (12, 10, 200))
    found, expected = (reconstruct(ball, grid=tall, backend=name, **options) for name in ("cuda", "cpu"))
    assert np.count_nonzero(expected.array == -1.0) == np.count_nonzero(found.array == -1.0) > 0
    assert_same(found.array, expected.array)


@pytest.mark.parametrize("shape", [(12, 10, 700), (40, 40, 66)])
def test_a_volume_that_does_not_fit_is_done_in_slabs(
    cupy: FakeCupy, ball: Scan, monkeypatch: pytest.MonkeyPatch, shape: tuple[int, int, int]
) -> None:
    for name, value in {"CHUNK": 1 << 16, "RESERVE": 1 << 18, "BLOCKS": (16,)}.items():
        monkeypatch.setattr(gpu_sizes, name, value)
    grid = VolumeGrid(GRID.minimum, GRID.maximum, shape)
    plan = ParallelPlan(ball.geometry)
    length = RampFilter.design(len(plan.t), plan.t_step).length
    whole = choose_sizes(plan, grid, length, 1 << 40)
    cupy.total = int((whole.nbytes - 0.6 * grid.nbytes) / gpu_sizes.USE)
    fractions: list[float] = []
    found = reconstruct(ball, grid=grid, backend="cuda", progress=lambda p: fractions.append(p.fraction) if "filtered" in p.step else None)
    facts = found.provenance["report"]["gpu"]
    assert facts["slabs"] >= 2
    assert cupy.peak <= facts["bytes"] < cupy.total
    assert fractions == sorted(fractions)
    assert_same(found.array, reconstruct(ball, grid=grid, backend="cpu").array)
    assert cupy.used == 0


def test_the_foreseen_memory_is_enough(cupy: FakeCupy, ball: Scan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(gpu_sizes, "RESERVE", 1 << 16)
    grid = VolumeGrid(GRID.minimum, GRID.maximum, (40, 40, 100))
    facts = reconstruct(ball, grid=grid, backend="cuda").provenance["report"]["gpu"]
    assert 0.3 * facts["bytes"] < cupy.peak <= facts["bytes"]


@pytest.mark.parametrize("chunk", [1, 3, 1000])
def test_how_views_are_sent_changes_nothing(cupy: FakeCupy, ball: Scan, monkeypatch: pytest.MonkeyPatch, chunk: int) -> None:
    expected = reconstruct(ball, grid=GRID, backend="cuda").array
    monkeypatch.setattr(gpu_sizes, "CHUNK", 4 * chunk * ball.geometry.detector.columns * ball.geometry.detector.rows)
    monkeypatch.setattr(gpu_sizes, "BLOCKS", (16,))
    before = cupy.launches.count("place_views")
    found = reconstruct(ball, grid=GRID, backend="cuda").array
    assert (cupy.launches.count("place_views") - before > 60) == (chunk < 1000)
    np.testing.assert_allclose(found, expected, rtol=0, atol=1e-5 * MU)


@pytest.mark.usefixtures("cupy")
def test_more_voxels_and_views_than_a_launch_has_blocks(ball: Scan, monkeypatch: pytest.MonkeyPatch) -> None:
    """A GPU refuses more than 65,535 blocks of threads along y or z; here 70, and 150 voxels along x and 365 views."""
    monkeypatch.setattr("cuda_on_cpu.MOST_BLOCKS", (2**31 - 1, 70, 70))
    for place in ("gpu.MOST_BLOCKS", "gpu_sizes.MOST_BLOCKS"):
        monkeypatch.setattr(f"MITOReconstructionLib.wfbp.{place}", 70)
    grid = VolumeGrid.from_bounds((-51, -63, -20), (81, 60, 220), spacing=(0.88, 41.0, 20.0))
    assert (grid.shape[0], ball.geometry.views > 3 * 70) == (150, True)
    found, expected = (reconstruct(ball, grid=grid, backend=name, parameters={"fill_value": -1.0}) for name in ("cuda", "cpu"))
    assert_same(found.array, expected.array)
    assert all(np.any(found.array[first : first + 70] == -1.0) for first in (0, 70, 140))


# ---- which backend -----------------------------------------------------------------------------------------------------


@pytest.fixture
def no_cupy(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "cupy", raising=False)
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name in {"cupy", "astra"} else find(name, *rest))


@pytest.mark.usefixtures("cupy")
def test_auto_takes_the_gpu_for_fbp_alone() -> None:
    assert choose_backend("auto", FBP).name == "cuda"
    assert choose_backend("auto").name in {"astra", "cpu"}
    assert (backend_states()[0].available, backend_states()[0].text) == (True, "GPU Test GPU (CuPy 14.2.0)")


@pytest.mark.usefixtures("no_cupy")
def test_without_cupy_auto_takes_the_cpu_and_asking_for_it_names_the_package(ball: Scan) -> None:
    assert choose_backend("auto", FBP).name == "cpu"
    with pytest.raises(MissingPackageError, match=r"'cupy-cuda12x', which is not installed.*pip install 'mito-reconstruction\[cuda\]'"):
        reconstruct(ball, grid=GRID, backend="cuda")
    assert not backend_states()[0].available
    assert backend_states()[0].text.startswith("The backend 'cuda' needs")


def test_without_a_gpu_auto_takes_the_cpu_and_asking_for_it_says_why(cupy: FakeCupy, ball: Scan) -> None:
    cupy.devices = 0
    assert choose_backend("auto", FBP).name == "cpu"
    with pytest.raises(InputError, match=r"expected an NVIDIA GPU that CuPy can use; found none \(cudaErrorInsufficientDriver"):
        reconstruct(ball, grid=GRID, backend="cuda")


@pytest.mark.usefixtures("cupy")
def test_what_a_backend_does_not_do_is_refused(ball: Scan) -> None:
    with pytest.raises(InputError, match=r"does filtered backprojection: auto, cuda, cpu; found 'astra', which is an NVIDIA GPU for proj"):
        reconstruct(ball, grid=GRID, backend="astra")
    with pytest.raises(InputError, match=r"does projection and its adjoint: auto, astra, cpu; found 'cuda'"):
        reconstruct(ball, grid=GRID, backend="cuda", method="sirt")
    with pytest.raises(InputError, match=r"does projection and its adjoint: auto, astra, cpu; found 'cuda'"):
        reconstruct(ball, grid=GRID, backend=CudaBackend(), method="sirt")
    with pytest.raises(InputError, match=r"found 'cuda', which only filters and backprojects\. Use 'astra'"):
        CudaBackend().forward(np.zeros(GRID.shape), GRID, ball.geometry)


def test_cupy_that_does_not_load_is_said(cupy: FakeCupy, monkeypatch: pytest.MonkeyPatch) -> None:
    def lookup(name: str) -> None:
        raise ImportError(f'Failure finding "lib{name}.so.11"\nand so on')

    monkeypatch.delattr(cupy.cuda, "cufft")
    monkeypatch.setattr(cupy.cuda, "__getattr__", lookup, raising=False)
    with pytest.raises(MissingPackageError, match=r"The backend 'cuda' \(Failure finding \"libcufft\.so\.11\"\) needs"):
        CudaBackend()


# ---- what goes wrong ---------------------------------------------------------------------------------------------------


def test_too_little_memory_is_refused_with_what_is_needed(cupy: FakeCupy, ball: Scan) -> None:
    cupy.total = 100 << 20
    with pytest.raises(WorkError, match=r"The GPU has 0\.10 GiB of free memory.*needs [\d.]+ GiB at least.*or use the backend 'cpu'"):
        reconstruct(ball, grid=GRID, backend="cuda")
    assert cupy.used == 0


def test_memory_that_runs_out_at_work_is_said(cupy: FakeCupy, ball: Scan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(CudaBackend, "free_memory", lambda self: 1 << 40)
    cupy.total = 1 << 20
    with pytest.raises(WorkError, match=r"not enough memory for filtered backprojection of 12 x 10 x 68 voxels: Out of memory allocating"):
        reconstruct(ball, grid=GRID, backend="cuda")
    assert cupy.used == 0


@pytest.mark.parametrize("kernel", ["place_views", "rebin", "tabulate_sights", "backproject", "fill_unseen"])
def test_a_failure_on_the_gpu_is_said_and_nothing_falls_back(cupy: FakeCupy, ball: Scan, kernel: str) -> None:
    cupy.fails = kernel
    with pytest.raises(WorkError, match=r"The GPU failed at .*CUDA_ERROR_LAUNCH_FAILED: unspecified launch failure\. Try again"):
        reconstruct(ball, grid=GRID, backend="auto")


def test_a_kernel_that_does_not_compile_is_said(cupy: FakeCupy, ball: Scan, monkeypatch: pytest.MonkeyPatch) -> None:
    def refuse(**_: object) -> None:
        raise cupy.cuda.compiler.CompileException("nvrtc: error: invalid value for --gpu-architecture (-arch)")

    monkeypatch.setattr(cupy, "RawModule", refuse)
    with pytest.raises(WorkError, match=r"The GPU failed at compiling kernels: nvrtc: error: invalid value.*CuPy is the one for its CUDA"):
        reconstruct(ball, grid=GRID, backend="cuda")


def test_an_error_without_a_text_is_named(cupy: FakeCupy) -> None:
    with pytest.raises(WorkError, match=r"The GPU failed at nothing: CompileException\. Try again"), CudaBackend().working("nothing"):
        raise cupy.cuda.compiler.CompileException("")


@pytest.mark.usefixtures("cupy")
def test_a_nan_is_reported_with_its_view() -> None:
    scan = scan_of(geometry())
    bad = scan.projections.copy()
    bad[200, 3, 1] = np.nan
    with pytest.raises(InputError, match="view 200: expected finite line integrals"):
        reconstruct(Scan.from_arrays(bad, scan.geometry), grid=GRID, backend="cuda")


def test_it_stops_between_blocks_when_asked(cupy: FakeCupy, ball: Scan) -> None:
    def stop(progress: Progress) -> None:
        if progress.step == "filtered backprojection" and progress.fraction > 0:
            monitor.cancel()

    monitor = Monitor(stop)
    with pytest.raises(Cancelled):
        reconstruct(ball, grid=GRID, backend="cuda", monitor=monitor)
    assert cupy.launches.count("rebin") == 1
    assert cupy.used == 0


# ---- estimates ---------------------------------------------------------------------------------------------------------


def test_the_estimate_knows_the_gpu(cupy: FakeCupy, ball: Scan, monkeypatch: pytest.MonkeyPatch) -> None:
    for name, value in {"_known": {}, "SIDE": 24, "HEIGHTS": (8, 32), "VIEWS": 16}.items():
        monkeypatch.setattr(speed, name, value)
    on_gpu, on_cpu = (estimate(ball, GRID, backend=name) for name in ("auto", "cpu"))
    assert on_gpu.possible
    facts = reconstruct(ball, grid=GRID).provenance["report"]["gpu"]
    assert on_gpu.gpu_bytes == facts["bytes"]
    assert on_cpu.gpu_bytes == 0
    assert on_gpu.peak_bytes > GRID.nbytes
    assert on_gpu.seconds > 0
    assert any("Test GPU" in name for name in speed._known)


def test_the_estimate_refuses_what_does_not_fit_on_the_gpu(cupy: FakeCupy, ball: Scan, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(speed, "_known", {f"fbp {CudaBackend().description}": speed.Speed(1e-9, 1e-11, 1e-9)})
    cupy.total = 100 << 20
    (reason,) = estimate(ball, GRID, backend="cuda").reasons
    assert "The GPU has 0.10 GiB of free memory" in reason


def test_less_memory_means_smaller_blocks_and_then_slabs() -> None:
    """The real scan: 64 beams at a time and one piece where there is room, and never more than there is."""
    plan, grid = ParallelPlan(mito_geometry(1, turns=1.6)), VolumeGrid((-80, -200, 200), (130, 20, 310), (420, 440, 220))
    found = []
    for free in (80 << 30, 2 << 30, 11 << 27, 5 << 28, 9 << 27):
        sizes = choose_sizes(plan, grid, 3125, free)
        assert sizes.nbytes <= free
        assert sizes.sights <= sizes.block
        found.append((sizes.block, sizes.slices))
    assert found[0] == (64, 220)
    assert found == sorted(found, key=lambda pair: (pair[1], pair[0]), reverse=True)
    assert 8 <= found[-1][0] < 64
    assert found[-1][1] < 220
    with pytest.raises(WorkError, match=r"needs 1\.05 GiB at least"):
        choose_sizes(plan, grid, 3125, 1 << 29)


@pytest.mark.usefixtures("cupy")
def test_a_box_that_nothing_sees_is_filled(ball: Scan) -> None:
    away = VolumeGrid((-10, -10, 800), (10, 10, 820), (4, 4, 40))
    volume = reconstruct(ball, grid=away, backend="cuda", parameters={"fill_value": -1.0})
    assert np.all(volume.array == -1.0)
    assert volume.provenance["report"]["unseen_voxels"] == away.size
