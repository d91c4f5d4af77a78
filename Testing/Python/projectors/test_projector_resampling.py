"""The overlap sums along the axis, against overlaps in float64, with nothing but NaN around the inputs."""

from __future__ import annotations

import numpy as np
import pytest

from MITOReconstructionLib.projectors import cpu_kernels


def overlap_sums(source: np.ndarray, start: float, step: float, count: int) -> np.ndarray:
    low = start + step * np.arange(count)[:, None]
    i = np.arange(len(source))
    shared = np.minimum(low + step, i + 1) - np.maximum(low, i)
    return np.maximum(shared, 0.0) @ source.astype(np.float64)


def resample(source: np.ndarray, start: float, step: float, count: int) -> np.ndarray:
    index, share, line = np.zeros(count + 1, np.int32), np.zeros(count + 1, np.float32), np.full(count, np.nan, np.float32)
    if step <= 1.0:
        around = np.full(len(source) + 2, np.nan, np.float32)
        around[1:-1] = source
        cpu_kernels.resample_fine(around[1:-1], start, step, count, index, share, line)
        return line
    mean = float(source.mean())
    sums = np.concatenate([[0.0], np.cumsum(source - mean, dtype=np.float64), [0.0]])
    sums[-1] = sums[-2]
    edges = np.zeros(count + 1, np.float32)
    cpu_kernels.resample_coarse(sums.astype(np.float32), len(source), mean, start, step, count, index, share, edges, line)
    return line


def run_of(size: int, start: float, step: float) -> int:
    """Number of outputs that overlap the inputs, as the kernels ask for: the first one does, and the last one does."""
    return int(np.ceil((size - start) / step - 1e-12))


@pytest.mark.parametrize("size", [1, 2, 3, 50, 738, 4000])
@pytest.mark.parametrize("step", [0.013, 0.25, 0.5, 0.78, 1.0 - 1e-9, 1.0, 1.0 + 1e-9, 1.7, 3.0, 40.0])
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
    for step in (0.37, 1.0, 2.3):
        count = int(200 / step)
        np.testing.assert_allclose(resample(source, start, step, count), overlap_sums(source, start, step, count), atol=1e-5)
