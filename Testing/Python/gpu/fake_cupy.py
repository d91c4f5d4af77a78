"""CuPy's calls as this project uses them, on a CPU: kernels run as C++, streams run as late as they may, memory is counted.

A stream keeps what it is given until somebody waits for it. So a copy whose buffer is overwritten too early, or a kernel
that does not wait for its data, gives wrong numbers here as it would on a GPU at its worst.
"""

from __future__ import annotations

import importlib.machinery
import weakref
from collections.abc import Callable, Sequence
from types import ModuleType, SimpleNamespace
from typing import Any

import numpy as np
from cuda_on_cpu import Kernel, kernels
from scipy import fft

GUARD = np.tile(np.array([np.nan, 12345.0], np.float32), 512).view(np.uint8)
"""Bytes on either side of an array: what reads them gets wrong numbers, and what writes them is found."""


class CUDARuntimeError(RuntimeError):
    pass


class CUDADriverError(RuntimeError):
    pass


class CuFFTError(RuntimeError):
    pass


class CompileException(Exception):
    pass


class OutOfMemoryError(MemoryError):
    pass


class Stream:
    """Work that is done when somebody waits for it."""

    current: list[Stream] = []
    all: weakref.WeakSet[Stream] = weakref.WeakSet()

    def __init__(self, *, non_blocking: bool = False) -> None:
        assert non_blocking, "the default stream waits for all others"
        self._pending: list[Callable[[], object]] = []
        self.done_to, self.given = 0, 0
        Stream.all.add(self)

    def __enter__(self) -> Stream:
        Stream.current.append(self)
        return self

    def __exit__(self, *_: object) -> None:
        assert Stream.current.pop() is self

    def add(self, work: Callable[[], object]) -> None:
        self._pending.append(work)
        self.given += 1

    def run_to(self, number: int) -> None:
        while self.done_to < number:
            self.done_to += 1
            self._pending.pop(0)()

    def synchronize(self) -> None:
        self.run_to(self.given)

    def wait_event(self, event: Event) -> None:
        if event.stream is not None:
            stream, number = event.stream, event.number
            self.add(lambda: stream.run_to(number))


class Event:
    """A place in a stream."""

    def __init__(self) -> None:
        self.stream: Stream | None = None
        self.number = 0

    def record(self, stream: Stream) -> None:
        self.stream, self.number = stream, stream.given

    def synchronize(self) -> None:
        if self.stream is not None:
            self.stream.run_to(self.number)

    @property
    def done(self) -> bool:
        return self.stream is None or self.stream.done_to >= self.number


class Array:
    """An array on the GPU: what is done with it is put on the current stream; NumPy cannot read it."""

    __array__ = None

    def __init__(self, gpu: FakeCupy, values: np.ndarray, owner: Array | None = None) -> None:
        self.values, self._gpu, self._owner = values, gpu, owner
        self.shape, self.dtype, self.nbytes = values.shape, values.dtype, values.nbytes
        if owner is None:
            gpu.take(values.nbytes)
            weakref.finalize(self, gpu.give, values)

    def __len__(self) -> int:
        return self.shape[0]

    def __getitem__(self, key: Any) -> Array:
        return Array(self._gpu, self.values[key], self)

    def __setitem__(self, key: Any, value: Array) -> None:
        assert isinstance(value, Array)
        to, given = self.values[key], value.values
        Stream.current[-1].add(lambda: np.copyto(to, given))

    def __imul__(self, other: Array) -> Array:
        assert isinstance(other, Array)
        values, factor = self.values, other.values
        Stream.current[-1].add(lambda: np.multiply(values, factor, out=values))
        return self

    def set(self, values: np.ndarray, stream: Stream) -> None:
        assert values.shape == self.shape
        assert values.dtype == self.dtype
        assert values.flags.c_contiguous
        assert self._gpu.is_pinned(values), "a copy from other memory waits for the GPU"
        to = self.values
        stream.add(lambda: np.copyto(to, values))

    def get(self, *, stream: Stream, out: np.ndarray | None = None) -> np.ndarray:
        stream.synchronize()
        if out is None:
            return self.values.copy()
        assert out.flags.c_contiguous
        assert out.dtype == self.dtype
        np.copyto(out, self.values)
        return out


class FakeCupy(ModuleType):
    """The module ``cupy``.

    Attributes
    ----------
    devices : int
    total : int
        Bytes of the GPU's memory.
    used, peak : int
        Bytes of all arrays, now and at most.
    fails : str
        Name of a kernel that fails.
    damaged : bool
        Whether something wrote beside an array that has been given back.
    """

    def __init__(self, *, devices: int = 1, total: int = 1 << 40) -> None:
        super().__init__("cupy")
        self.__spec__ = importlib.machinery.ModuleSpec("cupy", None)
        self.__path__: list[str] = []
        self.__version__ = "14.2.0"
        self.devices, self.total, self.used, self.peak, self.fails = devices, total, 0, 0, ""
        self.damaged = False
        self.launches: list[str] = []
        self._pinned: list[tuple[int, int]] = []
        plans = SimpleNamespace(get_plan_cache=lambda: SimpleNamespace(clear=lambda: None))
        self.fft = SimpleNamespace(rfft=self._rfft, irfft=self._irfft, config=plans)
        self.cuda = ModuleType("cupy.cuda")
        self.cuda.__dict__.update(
            Stream=Stream,
            Event=Event,
            Device=lambda: SimpleNamespace(id=0),
            get_elapsed_time=lambda begin, end: 1.0,
            alloc_pinned_memory=self._pin,
            runtime=SimpleNamespace(
                getDeviceCount=self._count,
                driverGetVersion=lambda: 12090,
                runtimeGetVersion=lambda: 12090,
                getDeviceProperties=lambda number: {"name": b"Test GPU"},
                memGetInfo=lambda: (self.total - self.used, self.total),
                CUDARuntimeError=CUDARuntimeError,
            ),
            driver=SimpleNamespace(CUDADriverError=CUDADriverError),
            compiler=SimpleNamespace(CompileException=CompileException),
            memory=SimpleNamespace(OutOfMemoryError=OutOfMemoryError),
            cufft=SimpleNamespace(CuFFTError=CuFFTError),  # in CuPy it is there once it is looked up
        )

    def modules(self) -> dict[str, Any]:
        """What goes into ``sys.modules``."""
        return {"cupy": self, "cupy.cuda": self.cuda}

    # ---- memory ----------------------------------------------------------------------------------------------------

    def take(self, count: int) -> None:
        if self.used + count > self.total:
            raise OutOfMemoryError(f"Out of memory allocating {count} bytes")
        self.used += count
        self.peak = max(self.peak, self.used)

    def give(self, values: np.ndarray) -> None:
        self.used -= values.nbytes
        memory = values.base
        assert isinstance(memory, np.ndarray)
        if not (np.array_equal(memory[: len(GUARD)], GUARD) and np.array_equal(memory[-len(GUARD) :], GUARD)):
            self.damaged = True

    def memory(self, shape: Sequence[int], dtype: Any) -> np.ndarray:
        """An array of NaN between two guards: nothing may be read that was not written, and nothing written beside."""
        count = int(np.prod(shape)) * np.dtype(dtype).itemsize
        made = np.concatenate([GUARD, np.full(count, 0xFF, np.uint8), GUARD])
        return np.ndarray(shape, dtype, made, len(GUARD))

    def empty(self, shape: Sequence[int], dtype: Any) -> Array:
        return Array(self, self.memory(shape, dtype))

    def zeros(self, shape: Sequence[int], dtype: Any) -> Array:
        made = self.empty(shape, dtype)
        made.values[...] = 0
        return made

    def asarray(self, values: np.ndarray) -> Array:
        assert isinstance(values, np.ndarray)
        assert Stream.current, "what the default stream does is not ordered with other streams"
        made = self.empty(values.shape, values.dtype)
        made.values[...] = values
        return made

    def get_default_memory_pool(self) -> Any:
        return SimpleNamespace(free_bytes=lambda: 0, free_all_blocks=lambda: None)

    def get_default_pinned_memory_pool(self) -> Any:
        return SimpleNamespace(free_all_blocks=self._unpin)

    def _pin(self, count: int) -> np.ndarray:
        memory = np.empty(count, np.uint8)
        self._pinned.append((memory.ctypes.data, memory.ctypes.data + count))
        return memory

    def _unpin(self) -> None:
        assert all(stream.done_to == stream.given for stream in Stream.all), "memory is given back that a copy may still read"
        self._pinned.clear()

    def is_pinned(self, values: np.ndarray) -> bool:
        first = values.ctypes.data
        return any(begin <= first and first + values.nbytes <= end for begin, end in self._pinned)

    # ---- work ------------------------------------------------------------------------------------------------------

    def _count(self) -> int:
        if not self.devices:
            raise CUDARuntimeError("cudaErrorInsufficientDriver: CUDA driver version is insufficient for CUDA runtime version")
        return self.devices

    def RawModule(self, *, code: str, options: tuple[str, ...]) -> Any:
        made = kernels(code, options)
        return SimpleNamespace(compile=lambda: None, get_function=lambda name: self._function(name, made[name]))

    def _function(self, name: str, kernel: Kernel) -> Callable[..., None]:
        def launch(grid: Sequence[int], block: Sequence[int], arguments: Sequence[Any]) -> None:
            if name == self.fails:
                raise CUDADriverError("CUDA_ERROR_LAUNCH_FAILED: unspecified launch failure\nmore")
            assert not any(isinstance(value, np.ndarray) for value in arguments), "memory that the GPU cannot read"
            values = [value.values if isinstance(value, Array) else value for value in arguments]
            kernel.check(grid, block, values)
            self.launches.append(name)
            Stream.current[-1].add(lambda: kernel(grid, block, values))

        return launch

    def _temporary(self, count: int) -> None:
        """Memory that is used and given back."""
        self.take(count)
        self.used -= count

    def _rfft(self, part: Array, n: int, axis: int) -> Array:
        """As CuPy does along another axis than the last: from a padded copy."""
        shape = list(part.shape)
        shape[axis] = n
        self._temporary(4 * int(np.prod(shape)))
        shape[axis] = n // 2 + 1
        out = self.empty(shape, np.complex64)
        made, given = out.values, part.values  # and not the arrays: CuPy uses their memory again in the stream's order
        Stream.current[-1].add(lambda: np.copyto(made, fft.rfft(given, n=n, axis=axis)))
        return out

    def _irfft(self, spectrum: Array, n: int, axis: int) -> Array:
        shape = list(spectrum.shape)
        shape[axis] = n
        self._temporary(spectrum.nbytes)
        out = self.empty(shape, np.float32)
        made, given = out.values, spectrum.values
        Stream.current[-1].add(lambda: np.copyto(made, fft.irfft(given, n=n, axis=axis)))
        return out
