"""The choice of a backend, and the ASTRA backend as far as it goes without a GPU."""

from __future__ import annotations

import importlib.machinery
import sys
import tomllib
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
import pytest

from MITOReconstructionLib.errors import InputError, MissingPackageError, WorkError
from MITOReconstructionLib.geometry import ScanGeometry, VolumeGrid
from MITOReconstructionLib.projectors import cpu
from MITOReconstructionLib.projectors.astra_gpu import astra_vectors, astra_volume
from MITOReconstructionLib.projectors.backends import Backend, backend_names, backend_states, choose_backend


class FakeAstra(ModuleType):
    """ASTRA's calls as this project uses them, in ASTRA's axis orders; it projects on the CPU."""

    def __init__(self, gpu: bool = True) -> None:
        super().__init__("astra")
        self.__spec__ = importlib.machinery.ModuleSpec("astra", None)
        self.__version__ = "2.5.0"
        self.gpu = gpu
        self.fails = False
        self.configs: list[dict[str, Any]] = []
        self.deleted: list[int] = []
        self.truth: tuple[ScanGeometry, VolumeGrid] | None = None
        self.projector3d = SimpleNamespace(create=self._create, delete=self.deleted.append, direct_FP=self._forward, direct_BP=self._back)

    def use_cuda(self) -> bool:
        return self.gpu

    def get_gpu_info(self) -> str:
        return "#0: Test GPU"

    def astra_dict(self, kind: str) -> dict[str, Any]:
        return {"type": kind}

    def create_proj_geom(self, kind: str, rows: int, columns: int, vectors: np.ndarray) -> dict[str, Any]:
        return {"type": kind, "shape": (rows, len(vectors), columns), "Vectors": vectors}

    def create_vol_geom(self, ny: int, nx: int, nz: int, *edges: float) -> dict[str, Any]:
        return {"shape": (nz, ny, nx), "edges": edges}

    def _create(self, config: dict[str, Any]) -> int:
        self.configs.append(config)
        return len(self.configs) - 1

    def _views(self, projector: int) -> np.ndarray:
        sources = self.configs[projector]["ProjectionGeometry"]["Vectors"][:, :3]
        assert self.truth is not None
        return np.array([int(np.argmin(np.linalg.norm(self.truth[0].sources() - s, axis=1))) for s in sources])

    def _check(self, projector: int, volume: np.ndarray, projections: np.ndarray) -> None:
        if self.fails:
            raise RuntimeError("out of memory")
        assert volume.shape == self.configs[projector]["VolumeGeometry"]["shape"]
        assert projections.shape == self.configs[projector]["ProjectionGeometry"]["shape"]
        for array in (volume, projections):
            assert array.flags.c_contiguous
            assert array.flags.writeable
            assert array.dtype == np.float32

    def _forward(self, projector: int, volume: np.ndarray, *, out: np.ndarray) -> None:
        self._check(projector, volume, out)
        assert self.truth is not None
        geometry, grid = self.truth
        out[...] = cpu.forward(volume.transpose(2, 1, 0), grid, geometry, views=self._views(projector)).transpose(2, 0, 1)

    def _back(self, projector: int, projections: np.ndarray, *, out: np.ndarray) -> None:
        self._check(projector, out, projections)
        assert self.truth is not None
        geometry, grid = self.truth
        out[...] = cpu.back(projections.transpose(1, 2, 0), grid, geometry, views=self._views(projector)).transpose(2, 1, 0)


@pytest.fixture
def astra(monkeypatch: pytest.MonkeyPatch) -> FakeAstra:
    fake = FakeAstra()
    monkeypatch.setitem(sys.modules, "astra", fake)
    return fake


@pytest.fixture
def no_astra(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.delitem(sys.modules, "astra", raising=False)
    find = importlib.util.find_spec
    monkeypatch.setattr(importlib.util, "find_spec", lambda name, *rest: None if name == "astra" else find(name, *rest))


def test_the_cpu_is_named_with_its_threads() -> None:
    backend = choose_backend("cpu")
    assert isinstance(backend, Backend)
    assert backend.name == "cpu"
    assert backend.matched
    assert backend.description.startswith("CPU, ")
    assert choose_backend(backend) is backend


@pytest.mark.usefixtures("no_astra")
def test_without_astra_auto_takes_the_cpu_and_asking_for_it_names_the_package() -> None:
    assert choose_backend().name == "cpu"
    with pytest.raises(MissingPackageError, match=r"'astra-toolbox', which is not installed.*pip install 'mito-reconstruction\[astra\]'"):
        choose_backend("astra")
    cuda, gpu, cpu = backend_states()
    assert gpu.text.startswith("The backend 'astra' needs")
    assert (gpu.name, gpu.available, cpu.name, cpu.available, cpu.packages) == ("astra", False, "cpu", True, ())
    extra = tomllib.loads((Path(__file__).parents[3] / "pyproject.toml").read_text())["project"]["optional-dependencies"]
    for state, name in ((cuda, "cuda"), (gpu, "astra")):
        assert state.packages == (() if sys.platform == "darwin" else tuple(entry.partition(";")[0] for entry in extra[name]))


def test_without_a_gpu_auto_takes_the_cpu(astra: FakeAstra) -> None:
    astra.gpu = False
    assert choose_backend("auto").name == "cpu"
    with pytest.raises(InputError, match=r"expected an NVIDIA GPU that ASTRA can use; found none\. Use the backend 'cpu'"):
        choose_backend("astra")
    assert (backend_states()[1].available, backend_states()[1].packages) == (False, ())  # installing would not help


def test_with_a_gpu_auto_takes_it_and_says_so(astra: FakeAstra) -> None:
    backend = choose_backend("auto")
    assert isinstance(backend, Backend)
    assert backend.name == "astra"
    assert backend.description == "GPU #0: Test GPU (ASTRA 2.5.0)"


def test_an_unknown_name_lists_the_choices() -> None:
    assert backend_names() == ("auto", "cuda", "astra", "cpu")
    with pytest.raises(InputError, match=r"backend: expected one of auto, cuda, astra, cpu; found 'gpu'\. 'cuda' is an NVIDIA GPU"):
        choose_backend("gpu")


def test_astras_numbers_describe_the_same_pixels(geometry: ScanGeometry) -> None:
    """Points as ASTRA's kernels compute them: cone_vec from the centre, cyl_cone_vec along the cylinder."""
    d = geometry.detector
    for view, row in enumerate(astra_vectors(geometry)):
        source, centre, u, v = row[:12].reshape(4, 3)
        i = np.arange(d.columns) - (d.columns - 1) / 2
        j = np.arange(d.rows) - (d.rows - 1) / 2
        if d.is_flat:
            columns = centre + i[:, None] * u
        else:
            radius, width = row[12], np.linalg.norm(u)
            to_centre = -np.cross(u, v) * radius / (width * np.linalg.norm(v))
            angle = (i * width / radius)[:, None]
            columns = centre - to_centre + to_centre * np.cos(angle) + u * radius / width * np.sin(angle)
        np.testing.assert_allclose(columns[:, None] + j[:, None] * v, geometry.detector_points(view)[0], atol=1e-9)
        np.testing.assert_allclose(source, geometry.sources(view)[0], atol=1e-12)


def test_astras_volume_has_our_edges(small: VolumeGrid) -> None:
    assert astra_volume(small) == (29, 33, 19, -50.0, 60.0, -60.0, 50.0, -30.0, 30.0)


@pytest.mark.parametrize("block", [5, 10_000])
def test_arrays_go_to_astra_and_come_back_in_order(
    astra: FakeAstra, geometry: ScanGeometry, small: VolumeGrid, monkeypatch: pytest.MonkeyPatch, block: int
) -> None:
    monkeypatch.setattr("MITOReconstructionLib.projectors.astra_gpu.BLOCK_VIEWS", block)
    astra.truth = geometry, small
    backend = choose_backend("astra")
    rng = np.random.default_rng(14)
    x = rng.random(small.shape)
    x.setflags(write=False)
    expected = cpu.forward(x, small, geometry)
    np.testing.assert_array_equal(backend.forward(x, small, geometry), expected)
    y = rng.random(expected.shape, dtype=np.float32)
    returned = backend.back(y, small, geometry)
    np.testing.assert_allclose(returned, cpu.back(y, small, geometry), rtol=1e-5, atol=1e-5 * returned.max())
    out = expected.copy()
    assert backend.forward(x, small, geometry, out, accumulate=True) is not None
    np.testing.assert_allclose(out, 2 * expected, rtol=1e-6)
    assert len(astra.deleted) == len(astra.configs)
    curved = not geometry.detector.is_flat
    assert {c["ProjectionGeometry"]["type"] for c in astra.configs} == {"cyl_cone_vec" if curved else "cone_vec"}
    assert {c.get("ProjectionKernel") for c in astra.configs} == {"matched_bp" if curved else None}


def test_a_failure_on_the_gpu_is_said(astra: FakeAstra, centred: ScanGeometry, small: VolumeGrid) -> None:
    astra.truth, astra.fails = (centred, small), True
    with pytest.raises(WorkError, match=r"ASTRA failed on the GPU.*out of memory"):
        choose_backend("astra").forward(np.zeros(small.shape), small, centred)
    assert astra.deleted == [0]


class OnGpu:
    """An array that says that it lives on a CUDA device, with what of CuPy's methods this project uses."""

    def __init__(self, shape: tuple[int, ...] | np.ndarray, dtype: Any = np.float32) -> None:
        self.array = shape if isinstance(shape, np.ndarray) else np.empty(shape, dtype)
        self.shape, self.dtype = self.array.shape, self.array.dtype

    def __dlpack_device__(self) -> tuple[int, int]:
        return 2, 0

    def __getitem__(self, key: Any) -> OnGpu:
        return OnGpu(self.array[key])

    def __setitem__(self, key: Any, value: Any) -> None:
        self.array[key] = value.array if isinstance(value, OnGpu) else value

    def __iadd__(self, other: OnGpu) -> OnGpu:
        self.array += other.array
        return self

    def transpose(self, axes: tuple[int, ...]) -> OnGpu:
        return OnGpu(self.array.transpose(axes))

    def copy(self, order: str) -> OnGpu:
        return OnGpu(self.array.copy(order=order))


def test_arrays_on_the_gpu_stay_there(astra: FakeAstra, centred: ScanGeometry, small: VolumeGrid) -> None:
    astra.truth = centred, small
    for verb in ("direct_FP", "direct_BP"):
        run = getattr(astra.projector3d, verb)
        setattr(astra.projector3d, verb, lambda p, source, *, out, run=run: run(p, source.array, out=out.array))
    backend = choose_backend("astra")
    x = np.random.default_rng(15).random(small.shape, dtype=np.float32)
    made = backend.forward(OnGpu(x), small, centred)
    assert isinstance(made, OnGpu)
    np.testing.assert_array_equal(made.array, cpu.forward(x, small, centred))
    returned = backend.back(made, small, centred)
    assert isinstance(returned, OnGpu)
    np.testing.assert_allclose(returned.array, cpu.back(made.array, small, centred), rtol=1e-6)
    with pytest.raises(InputError, match="volume: expected float32 numbers of shape"):
        backend.forward(OnGpu(x.astype(np.float64)), small, centred)
