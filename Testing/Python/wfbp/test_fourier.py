"""The convolution behind the ramp filter, compared with scipy's Fourier transform in double precision."""

from __future__ import annotations

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st
from scipy import fft

from MITOReconstructionLib.wfbp.filters import FILTERS, RampFilter
from MITOReconstructionLib.wfbp.fourier import Convolution

SMOOTH = [n for n in range(2, 3300) if fft.next_fast_len(n, real=True) == n]
"""Every length that a filter can have up to beyond the real detector's."""


def expected(beams: np.ndarray, response: np.ndarray, length: int) -> np.ndarray:
    spectrum = fft.rfft(beams.astype(np.float64), n=length, axis=1) * response[None, :, None]
    return np.asarray(fft.irfft(spectrum, n=length, axis=1)[:, : beams.shape[1]])


def error(found: np.ndarray, reference: np.ndarray) -> float:
    """Root mean square of the difference, relative to the reference's."""
    return float(np.sqrt(np.mean((found - reference) ** 2) / np.mean(reference**2)))


@settings(deadline=None, max_examples=60, derandomize=True)
@given(
    length=st.sampled_from(SMOOTH),
    share=st.floats(0.0, 1.0),
    beams=st.integers(1, 3),
    rows=st.integers(1, 70),
    seed=st.integers(0, 2**32 - 1),
)
def test_any_size_agrees_with_scipy(length: int, share: float, beams: int, rows: int, seed: int) -> None:
    rng = np.random.default_rng(seed)
    rays = max(1, round(share * length))
    response = rng.random(length // 2 + 1)
    lines = rng.random((beams, rays, rows), dtype=np.float32) - np.float32(0.5)
    reference = expected(lines, response, length)
    Convolution(response, length).apply(lines)
    assert error(lines, reference) < 1e-6


@pytest.mark.parametrize("length", [2, 3, 4, 5, 8, 6, 9, 16, 25, 64, 81, 3072, 3125, 3200, 3240])
def test_every_radix_at_every_stage(length: int) -> None:
    rng = np.random.default_rng(length)
    response = rng.random(length // 2 + 1)
    lines = rng.random((2, length, 33), dtype=np.float32)
    reference = expected(lines, response, length)
    Convolution(response, length).apply(lines)
    assert error(lines, reference) < 1e-6


def test_a_length_with_another_prime_factor_is_refused() -> None:
    with pytest.raises(ValueError, match="14 has a prime factor other than 2, 3 and 5"):
        Convolution(np.ones(8), 14)


@pytest.mark.parametrize("name", FILTERS)
@pytest.mark.parametrize("shape", [(1, 1, 1), (1, 2, 1), (3, 7, 1), (2, 1504, 40), (5, 131, 16)])
def test_filters_agree_with_scipy(name: str, shape: tuple[int, int, int]) -> None:
    rng = np.random.default_rng(1)
    ramp = RampFilter.design(shape[1], 0.3, name)
    lines = rng.random(shape, dtype=np.float32)
    reference = expected(lines, ramp.response, ramp.length)
    ramp.apply(lines)
    assert error(lines, reference) < 1e-6


def test_a_beam_does_not_depend_on_those_around_it() -> None:
    """Two rows are transformed as one complex line, whatever else there is: bit for bit the same."""
    rng = np.random.default_rng(2)
    ramp = RampFilter.design(60, 1.0)
    lines = rng.random((5, 60, 45), dtype=np.float32)
    together, alone = lines.copy(), lines[3:4].copy()
    ramp.apply(together)
    ramp.apply(alone)
    np.testing.assert_array_equal(together[3:4], alone)


def test_a_row_is_not_mixed_with_its_partner() -> None:
    lines = np.zeros((1, 50, 32), dtype=np.float32)
    lines[0, 20, 3] = 1.0
    RampFilter.design(50, 1.0).apply(lines)
    assert lines[0, 20, 3] == pytest.approx(0.25, rel=1e-5)
    others = np.delete(lines[0], 3, axis=1)
    assert np.abs(others).max() < 1e-7
