"""A GPU that is none."""

from __future__ import annotations

import gc
import sys
from collections.abc import Iterator

import pytest
from cuda_on_cpu import COMPILER
from fake_cupy import FakeCupy, Stream

from MITOReconstructionLib.projectors.cupy_gpu import CudaBackend


@pytest.fixture
def cupy(monkeypatch: pytest.MonkeyPatch) -> Iterator[FakeCupy]:
    """CuPy, on the CPU."""
    if COMPILER is None:
        pytest.skip("no C++ compiler (g++ or clang++) to run the CUDA kernels with")
    fake = FakeCupy()
    for name, module in fake.modules().items():
        monkeypatch.setitem(sys.modules, name, module)
    yield fake
    gc.collect()
    assert fake.used == 0
    assert not fake.damaged
    assert not Stream.current


@pytest.fixture
def device(cupy: FakeCupy) -> CudaBackend:
    return CudaBackend()
