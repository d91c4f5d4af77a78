"""CUDA kernels on a CPU: compiled as C++ with shim.h, and called with the checks that a GPU does not make."""

from __future__ import annotations

import ctypes
import hashlib
import os
import re
import shutil
import subprocess
import tempfile
from collections.abc import Sequence
from pathlib import Path
from typing import Any

import numpy as np

HERE = Path(__file__).parent
SOURCE = Path(__file__).parents[3] / "MITOReconstructionLib" / "wfbp" / "kernels.cu"
MOST_THREADS, MOST_BLOCKS = 1024, (2**31 - 1, 65535, 65535)

SCALARS = {"int": (np.int32, ctypes.c_int), "float": (np.float32, ctypes.c_float), "double": (np.float64, ctypes.c_double)}
ARRAYS = {
    "float": np.float32,
    "double": np.float64,
    "int": np.int32,
    "float2": np.float32,
    "float4": np.float32,
    "int2": np.int32,
    "short": np.int16,
    "double2": np.float64,
}

COMPILER = next((found for name in (os.environ.get("CXX", ""), "g++", "clang++", "c++") if name and (found := shutil.which(name))), None)


def signatures(source: str) -> dict[str, list[tuple[str, bool]]]:
    """Of every kernel in a source, for each parameter its type and whether it is a pointer."""
    found = {}
    for name, listing in re.findall(r'extern "C" __global__ void\s+(?:__launch_bounds__\(\d+\)\s+)?(\w+)\(([^)]*)\)', source):
        parameters = []
        for text in listing.split(","):
            words = text.replace("*", " * ").replace("const", " ").replace("__restrict__", " ").split()
            parameters.append((words[0], "*" in words))
        found[name] = parameters
    return found


def launcher(name: str, parameters: list[tuple[str, bool]]) -> str:
    """C++ that runs a kernel for every thread."""
    declared = "".join(f", {kind}{'*' if pointer else ''} a{n}" for n, (kind, pointer) in enumerate(parameters))
    passed = ", ".join(f"a{n}" for n in range(len(parameters)))
    return (
        f'extern "C" void launch_{name}(const unsigned* grid, const unsigned* block{declared}) '
        f"{{ for_every_thread(grid, block, [&] {{ {name}({passed}); }}); }}\n"
    )


def compiled(source: str, options: Sequence[str]) -> ctypes.CDLL:
    """The kernels of a source as a library, warnings as errors; kept for as long as this source and these options do not change."""
    assert COMPILER is not None
    text = '#include "shim.h"\n' + source + "".join(launcher(*kernel) for kernel in signatures(source).items())
    words = [
        COMPILER,
        "-std=c++17",
        "-O2",
        "-shared",
        "-fPIC",
        "-Wall",
        "-Wextra",
        "-Werror",
        "-Wno-unknown-pragmas",
        "-Wno-unused-function",
        f"-I{HERE}",
    ]
    words += [option for option in options if option.startswith("-D")]
    key = hashlib.sha256(repr((text, words, (HERE / "shim.h").read_text())).encode()).hexdigest()[:16]
    folder = Path(tempfile.gettempdir()) / f"mito-cuda-on-cpu-{os.getuid()}"
    folder.mkdir(mode=0o700, exist_ok=True)
    library = folder / f"{key}.so"
    if not library.exists():
        made = folder / f"{key}-{os.getpid()}.so"
        done = subprocess.run([*words, "-x", "c++", "-", "-o", str(made)], input=text, text=True, capture_output=True, check=False)
        assert done.returncode == 0, done.stderr
        made.rename(library)
    return ctypes.CDLL(str(library))


class Kernel:
    """A kernel that is called as ``kernel(grid, block, arguments)`` with NumPy's arrays and numbers, of exactly the right types."""

    def __init__(self, library: ctypes.CDLL, name: str, parameters: list[tuple[str, bool]]) -> None:
        self.name, self.parameters = name, parameters
        self._launch = getattr(library, f"launch_{name}")
        self._launch.restype = None

    def check(self, grid: Sequence[int], block: Sequence[int], arguments: Sequence[Any]) -> None:
        """Refuse what a GPU would refuse, or would take for something else."""
        if (
            np.prod(block) > MOST_THREADS
            or any(n < 1 for n in (*grid, *block))
            or any(n > m for n, m in zip(grid, MOST_BLOCKS, strict=True))
        ):
            raise ValueError(f"{self.name}: grid {grid} of blocks {block}")
        if len(arguments) != len(self.parameters):
            raise TypeError(f"{self.name} takes {len(self.parameters)} arguments, not {len(arguments)}")
        for number, ((kind, pointer), value) in enumerate(zip(self.parameters, arguments, strict=True)):
            wanted = ARRAYS[kind] if pointer else SCALARS[kind][0]
            if isinstance(value, np.ndarray) != pointer or getattr(value, "dtype", None) != np.dtype(wanted):
                raise TypeError(f"{self.name}, argument {number}: {kind}{'*' if pointer else ''} wanted, not {value!r}")
            if pointer and not value.flags.c_contiguous:
                raise ValueError(f"{self.name}, argument {number}: not in C order")

    def __call__(self, grid: Sequence[int], block: Sequence[int], arguments: Sequence[Any]) -> None:
        self.check(grid, block, arguments)
        three = ctypes.c_uint * 3
        values: list[Any] = [three(*grid), three(*block)]
        for (kind, pointer), value in zip(self.parameters, arguments, strict=True):
            values.append(ctypes.c_void_p(value.ctypes.data) if pointer else SCALARS[kind][1](value))
        self._launch(*values)


def kernels(source: str, options: Sequence[str]) -> dict[str, Kernel]:
    """Every kernel of a source, to be run on the CPU."""
    library = compiled(source, options)
    return {name: Kernel(library, name, parameters) for name, parameters in signatures(source).items()}
