"""Whatever grid and whatever key/value pairs are written come back."""

from __future__ import annotations

import io
from pathlib import Path

import numpy as np
import pytest
from hypothesis import given, settings
from hypothesis import strategies as st

from MITOReconstructionLib.export import load_volume, save_volume
from MITOReconstructionLib.export.nrrd_header import key_value_lines, read_header
from MITOReconstructionLib.geometry import VolumeGrid

lengths = st.floats(-1e4, 1e4).map(lambda v: round(v, 6))
sides = st.floats(1e-3, 50.0)
counts = st.integers(1, 5)


def values_on(grid: VolumeGrid) -> np.ndarray:
    return np.arange(grid.size, dtype=np.float32).reshape(grid.shape)


@settings(max_examples=40, deadline=None, derandomize=True)
@given(st.tuples(lengths, lengths, lengths), st.tuples(sides, sides, sides), st.tuples(counts, counts, counts))
def test_any_grid_comes_back(tmp_path_factory: pytest.TempPathFactory, low: tuple, side: tuple, shape: tuple) -> None:
    grid = VolumeGrid(low, tuple(a + d * n for a, d, n in zip(low, side, shape, strict=True)), shape)
    path = tmp_path_factory.getbasetemp() / "property.nrrd"
    save_volume(path, values_on(grid), grid)
    array, back, _ = load_volume(path)
    np.testing.assert_array_equal(array, values_on(grid))
    assert back.shape == grid.shape
    np.testing.assert_allclose([back.minimum, back.maximum], [grid.minimum, grid.maximum], rtol=1e-12, atol=1e-9)
    np.testing.assert_allclose(back.spacing, grid.spacing, rtol=1e-6)


values = st.recursive(
    st.none() | st.booleans() | st.integers() | st.floats(allow_nan=False) | st.text(),
    lambda inner: st.lists(inner, max_size=3) | st.dictionaries(st.text(), inner, max_size=3),
    max_leaves=5,
)


@settings(max_examples=100, deadline=None, derandomize=True)
@given(st.dictionaries(st.text(), values, max_size=5))
def test_any_pairs_come_back(pairs: dict) -> None:
    text = "\n".join(["NRRD0004", *key_value_lines(pairs)]) + "\n\n"
    header = read_header(io.BytesIO(text.encode("ascii")), Path("memory"))
    assert header.pairs == pairs
