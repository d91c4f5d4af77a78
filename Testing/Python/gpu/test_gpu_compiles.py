"""The CUDA source compiles for every GPU that is supported, without a GPU, by NVIDIA's own compiler from PyPI."""

from __future__ import annotations

import ctypes
import importlib.util
import platform
import re
import sys
from pathlib import Path

import pytest
from cuda_on_cpu import SOURCE, signatures

from MITOReconstructionLib.wfbp.gpu_beams import KERNELS, OPTIONS

ARCHITECTURES = (75, 80, 86, 89, 90)


def library() -> Path | None:
    """NVRTC of the package nvidia-cuda-nvrtc-cu12, which the extra 'test' has."""
    spec = importlib.util.find_spec("nvidia")
    places = [] if spec is None else list(spec.submodule_search_locations or ())
    return next((path for place in places for path in sorted(Path(place).glob("cuda_nvrtc/lib/libnvrtc.so.1?"))), None)


needs_nvrtc = pytest.mark.skipif(
    library() is None and not (sys.platform == "linux" and platform.machine() == "x86_64"),
    reason="NVRTC is a test dependency on 64-bit Linux only",
)


def nvrtc(source: str, *options: str) -> tuple[bool, str, str]:
    """Whether a source compiles, the compiler's log, and the PTX."""
    path = library()
    assert path is not None, "NVRTC is not there: pip install 'mito-reconstruction[test]'"
    lib = ctypes.CDLL(str(path))
    program = ctypes.c_void_p()
    assert lib.nvrtcCreateProgram(ctypes.byref(program), source.encode(), b"kernels.cu", 0, None, None) == 0
    words = [option.encode() for option in options]
    status = lib.nvrtcCompileProgram(program, len(words), (ctypes.c_char_p * len(words))(*words))
    texts = []
    for name in ("ProgramLog", "PTX"):
        size = ctypes.c_size_t()
        text = ""
        if getattr(lib, f"nvrtcGet{name}Size")(program, ctypes.byref(size)) == 0:
            buffer = ctypes.create_string_buffer(size.value)
            assert getattr(lib, f"nvrtcGet{name}")(program, buffer) == 0
            text = buffer.value.decode()
        texts.append(text)
    lib.nvrtcDestroyProgram(ctypes.byref(program))
    return status == 0, texts[0], texts[1]


@needs_nvrtc
@pytest.mark.parametrize("architecture", ARCHITECTURES)
def test_the_kernels_compile_without_a_warning(architecture: int) -> None:
    source = SOURCE.read_text()
    good, log, ptx = nvrtc(source, *OPTIONS, f"--gpu-architecture=sm_{architecture}", "--ptxas-options=--warn-on-spills")
    assert good, log
    assert log.strip("\0 \n") == "", log  # no warning, of the compiler or the assembler
    assert f".target sm_{architecture}" in ptx
    assert set(re.findall(r"\.entry (\w+)\(", ptx)) == set(signatures(source)) == set(KERNELS)
    assert ".shared" not in ptx  # so that the tests can run the kernels on a CPU
    assert ".local" not in ptx  # arrays of a thread are all in registers
    assert "bar.sync" not in ptx


@needs_nvrtc
def test_the_inner_loop_works_in_single_precision() -> None:
    """GeForce cards have a sixty-fourth of the speed in double precision: it is used for positions of voxels and views alone."""
    ptx = nvrtc(SOURCE.read_text(), *OPTIONS, "--gpu-architecture=compute_90")[2]
    body = ptx[ptx.index(".entry backproject") :]
    body = body[: body.index("\n}")]
    assert body.count(".f32") > 300
    assert ".f64" not in body


@needs_nvrtc
@pytest.mark.parametrize(
    ("more", "good"), [("__global__ void f(int* a) { int unused = 1; *a = 2; }", True), ("__global__ void f() { undeclared(); }", False)]
)
def test_a_fault_in_the_source_is_found(more: str, good: bool) -> None:
    """Warnings are in the log, of which the test above wants none; errors fail."""
    found, log, _ = nvrtc(SOURCE.read_text() + more, *OPTIONS, "--gpu-architecture=sm_90")
    assert found == good
    assert "kernels.cu" in log
