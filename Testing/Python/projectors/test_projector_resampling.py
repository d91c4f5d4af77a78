"""The overlap sums along the axis, against overlaps in float64, with nothing but NaN beyond a buffer's zeros."""

from __future__ import annotations

import os
import subprocess
import sys
from pathlib import Path

import numba
import numpy as np
import pytest

from MITOReconstructionLib.projectors.cpu_resample import AFTER, BEFORE, copy_run, overlaps, whole_vectors


@numba.njit
def resampled(source: np.ndarray, start: float, step: float, count: int, line: np.ndarray, out: np.ndarray) -> None:
    copy_run(source.ctypes.data, 0, len(source), line.ctypes.data)
    overlaps(line.ctypes.data, len(source), start, step, count, out.ctypes.data)


def overlap_sums(source: np.ndarray, start: float, step: float, count: int) -> np.ndarray:
    low = start + step * np.arange(count)[:, None]
    i = np.arange(len(source))
    shared = np.minimum(low + step, i + 1) - np.maximum(low, i)
    return np.maximum(shared, 0.0) @ source.astype(np.float64)


def resample(source: np.ndarray, start: float, step: float, count: int) -> np.ndarray:
    line = np.full(BEFORE + len(source) + AFTER, np.nan, np.float32)
    line[:BEFORE] = 0.0
    out = np.full(whole_vectors.py_func(count), np.nan, np.float32)
    resampled(source, start, step, count, line, out)
    return out[:count]


def run_of(size: int, start: float, step: float) -> int:
    """Number of outputs that overlap the inputs, as the kernels ask for: the first one does, and the last one does."""
    return int(np.ceil((size - start) / step - 1e-12))


@pytest.mark.parametrize("size", [1, 2, 3, 50, 738, 4000])
@pytest.mark.parametrize("step", [0.013, 0.25, 0.5, 0.78, 1.0 - 1e-9, 1.0, 1.0 + 1e-9, 1.7, 2.0, 2.0 + 1e-9, 3.0, 40.0])
def test_every_output_is_its_overlaps(size: int, step: float) -> None:
    rng = np.random.default_rng(size)
    source = (1.0 + 0.5 * rng.random(size)).astype(np.float32)
    for part in (0.0, 1e-12, 0.3, 0.999999, 1.0 - 1e-12):
        start = -part * step
        count = run_of(size, start, step)
        truth = overlap_sums(source, start, step, min(count, 3000))
        made = resample(source, start, step, count)[:3000]
        assert np.isfinite(made).all()
        np.testing.assert_allclose(made, truth, atol=1e-5 * min(step, size))


@pytest.mark.parametrize("start", [0.0, 0.2, 0.9999999])
def test_outputs_may_begin_within_the_first_input_and_end_before_the_last(start: float) -> None:
    source = np.random.default_rng(1).random(300).astype(np.float32)
    for step in (0.37, 1.0, 1.4, 2.3):
        count = int(200 / step)
        np.testing.assert_allclose(resample(source, start, step, count), overlap_sums(source, start, step, count), atol=1e-5)


@pytest.mark.parametrize("step", [0.6, 1.0, 1.6, 2.0])
def test_whole_vectors_may_begin_fifteen_outputs_before_the_inputs(step: float) -> None:
    source = np.random.default_rng(2).random(70).astype(np.float32)
    start = -15.5 * step
    made = resample(source, start, step, run_of(70, start, step))
    np.testing.assert_allclose(made, overlap_sums(source, start, step, len(made)), atol=1e-5)
    assert not made[:15].any()


def test_a_line_may_be_as_long_as_memory_is() -> None:
    size, tail = 9_000_000, 30
    source = np.zeros(size, np.float32)
    source[-tail:] = np.random.default_rng(3).random(tail)
    for step in (0.5, 1.7):
        count = int(20 / step)
        made = resample(source, size - 20.25, step, count)
        np.testing.assert_allclose(made, overlap_sums(source[-tail:], tail - 20.25, step, count), atol=1e-5)


CHECK = """
import os
import subprocess
import sys
from pathlib import Path

import numba
import numpy as np
from MITOReconstructionLib.projectors.cpu_resample import AFTER, BEFORE, overlaps

@numba.njit
def halves(line, out):
    overlaps(line.ctypes.data, 8, 0.0, 0.5, 16, out.ctypes.data)

line, out = np.zeros(BEFORE + 8 + AFTER, np.float32), np.zeros(16, np.float32)
line[BEFORE : BEFORE + 8] = range(8)
halves(line, out)
print(*(2 * out[::2]))
"""


@pytest.mark.parametrize("setting", [("NUMBA_ENABLE_AVX", "0"), ("NUMBA_CPU_FEATURES", "-avx512f")], ids=lambda setting: setting[0])
def test_processors_that_are_asked_to_do_without_avx512_do(setting: tuple[str, str]) -> None:
    environment = os.environ | {"PYTHONPATH": str(Path(__file__).parents[3])} | dict([setting])
    done = subprocess.run([sys.executable, "-c", CHECK], env=environment, capture_output=True, text=True, check=False)
    assert done.stdout.split() == [f"{value}.0" for value in range(8)], done.stderr
