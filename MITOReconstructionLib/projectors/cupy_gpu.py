"""An NVIDIA GPU through CuPy: its memory, streams and run-time compiler, for filtered backprojection; the only file that imports cupy.

CuPy's quirks are kept here:

* CUDA's libraries come as Python packages of their own; CuPy finds them when ``cupy.cuda.cufft`` is first looked up, and not
  when it is imported;
* it comes for one major version of CUDA, as ``cupy-cuda12x`` or ``cupy-cuda13x``, and imports without a driver: only the
  count of devices says that there is none;
* Python's own numbers go to kernels as 64 bits, so kernels get NumPy's numbers;
* its pool keeps what was freed, which the driver then does not count as free;
* its errors are RuntimeError, MemoryError and Exception of many kinds.
"""

from __future__ import annotations

import importlib.util
import math
from collections.abc import Iterator
from contextlib import contextmanager
from types import ModuleType
from typing import Any, NoReturn

import numpy as np
from numpy.typing import DTypeLike, NDArray

from MITOReconstructionLib.errors import InputError, MissingPackageError, WorkError

__all__ = ["CudaBackend", "DeviceError"]

INSTALL = "pip install 'mito-reconstruction[cuda]'"


class DeviceError(WorkError):
    """The GPU has not enough memory, or it or its driver failed."""


class CudaBackend:
    """The GPU that CuPy sees. It filters and backprojects (:mod:`MITOReconstructionLib.wfbp.gpu`); it computes no projections.

    Raises
    ------
    MissingPackageError
        When cupy is not installed, or does not load.
    InputError
        When it sees no GPU.
    """

    name = "cuda"
    matched = False

    def __init__(self) -> None:
        self.cupy: Any = _import_cupy()
        try:
            count, reason = int(self.cupy.cuda.runtime.getDeviceCount()), "none"
        except self.cupy.cuda.runtime.CUDARuntimeError as error:
            count, reason = 0, f"none ({error})"
        if not count:
            raise InputError(
                "backend",
                expected="an NVIDIA GPU that CuPy can use",
                found=reason,
                remedy="Use the backend 'cpu', or check the NVIDIA driver.",
            )

    @property
    def description(self) -> str:
        """The GPU and the version of CuPy."""
        name = self.cupy.cuda.runtime.getDeviceProperties(self.cupy.cuda.Device().id)["name"]
        return f"GPU {name.decode() if isinstance(name, bytes) else name} (CuPy {self.cupy.__version__})"

    def forward(self, *_: Any, **__: Any) -> NoReturn:
        """Refused: other backends compute projections."""
        raise _no_projector()

    def back(self, *_: Any, **__: Any) -> NoReturn:
        """Refused: other backends compute projections."""
        raise _no_projector()

    def free_memory(self) -> int:
        """Bytes that an allocation can get: the driver's free ones and those that CuPy's pool holds unused."""
        return int(self.cupy.cuda.runtime.memGetInfo()[0]) + int(self.cupy.get_default_memory_pool().free_bytes())

    def pinned(self, shape: tuple[int, ...], dtype: DTypeLike) -> NDArray[Any]:
        """An array in page-locked memory of the computer, which is copied to the GPU while the processor works on."""
        count = math.prod(shape)
        memory = self.cupy.cuda.alloc_pinned_memory(max(1, count * np.dtype(dtype).itemsize))
        return np.frombuffer(memory, dtype, count).reshape(shape)

    def compile(self, source: str, options: tuple[str, ...]) -> Any:
        """Compile CUDA C++ for this GPU; ``get_function(name)`` of the result gives a kernel. CuPy keeps it on disk."""
        with self.working("compiling kernels"):
            module = self.cupy.RawModule(code=source, options=options)
            module.compile()
            return module

    @contextmanager
    def working(self, doing: str) -> Iterator[None]:
        """Turn the errors of CuPy and of the GPU into a :class:`DeviceError` that says what to do."""
        cuda = self.cupy.cuda
        try:
            yield
        except cuda.memory.OutOfMemoryError as error:
            raise DeviceError(
                f"The GPU has not enough memory for {doing}: {error}. "
                "End other programs on the GPU, choose a smaller box, or use the backend 'cpu'."
            ) from error
        except (cuda.runtime.CUDARuntimeError, cuda.driver.CUDADriverError, cuda.cufft.CuFFTError, cuda.compiler.CompileException) as error:
            raise DeviceError(
                f"The GPU failed at {doing}: {_first_line(error)}. Try again, or use the backend 'cpu'; "
                "where it happens again, check the NVIDIA driver and that CuPy is the one for its CUDA version."
            ) from error

    def release(self) -> None:
        """Give the memory that CuPy holds unused, in its pools and for Fourier transforms, back to the driver and the system."""
        self.cupy.fft.config.get_plan_cache().clear()
        self.cupy.get_default_memory_pool().free_all_blocks()
        self.cupy.get_default_pinned_memory_pool().free_all_blocks()


def _no_projector() -> InputError:
    return InputError(
        "backend",
        expected="one that computes projections",
        found="'cuda', which only filters and backprojects",
        remedy="Use 'astra' for projections on the GPU, or 'cpu'.",
    )


def _import_cupy() -> ModuleType:
    if importlib.util.find_spec("cupy") is None:
        raise MissingPackageError("cupy-cuda12x", "The backend 'cuda'", INSTALL)
    try:
        import cupy

        _ = cupy.cuda.cufft, cupy.cuda.compiler  # looks for CUDA's libraries among Python's packages, which an import does not
    except (ImportError, RuntimeError) as error:
        raise MissingPackageError("cupy-cuda12x", f"The backend 'cuda' ({_first_line(error)})", INSTALL) from error
    return cupy  # type: ignore[no-any-return]


def _first_line(error: Exception) -> str:
    return (str(error).splitlines() or [type(error).__name__])[0]
