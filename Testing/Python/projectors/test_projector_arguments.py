"""What the CPU projector takes and gives: shapes, dtypes, memory layouts, caller's arrays, reports."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

from MITOReconstructionLib.errors import InputError
from MITOReconstructionLib.geometry import ScanGeometry, VolumeGrid
from MITOReconstructionLib.projectors.cpu import back, forward


@pytest.fixture
def volume(small: VolumeGrid) -> np.ndarray:
    return np.random.default_rng(9).integers(0, 50, small.shape).astype(np.float32)


@pytest.fixture
def projections(centred: ScanGeometry) -> np.ndarray:
    shape = (centred.views, centred.detector.columns, centred.detector.rows)
    return np.random.default_rng(10).integers(0, 50, shape).astype(np.float32)


def same_values(array: np.ndarray) -> list[np.ndarray]:
    """The same numbers in other dtypes and memory layouts."""
    read_only = array.copy()
    read_only.setflags(write=False)
    spread = np.zeros((*array.shape[:2], 2 * array.shape[2]), np.float32)
    spread[..., ::2] = array
    return [read_only, array.astype(np.float64), np.asfortranarray(array), spread[..., ::2], array.astype(">f4"), array.astype(np.int16)]


def test_any_dtype_and_layout_gives_the_same(centred: ScanGeometry, small: VolumeGrid, volume: np.ndarray, projections: np.ndarray) -> None:
    expected = forward(volume, small, centred)
    assert expected.dtype == np.float32
    for other in same_values(volume):
        np.testing.assert_array_equal(forward(other, small, centred), expected)
    expected = back(projections, small, centred)
    assert expected.dtype == np.float32
    for other in same_values(projections):
        np.testing.assert_array_equal(back(other, small, centred), expected)


def test_a_read_only_memory_map_is_projected_back(
    centred: ScanGeometry, small: VolumeGrid, projections: np.ndarray, tmp_path: Path
) -> None:
    np.save(tmp_path / "sinogram.npy", projections)
    mapped = np.load(tmp_path / "sinogram.npy", mmap_mode="r")
    np.testing.assert_array_equal(
        back(mapped[3:9], small, centred, views=slice(3, 9)), back(projections[3:9], small, centred, views=slice(3, 9))
    )


def test_the_callers_output_is_written_and_returned(
    centred: ScanGeometry, small: VolumeGrid, volume: np.ndarray, projections: np.ndarray
) -> None:
    for project, source in ((forward, volume), (back, projections)):
        expected = project(source, small, centred)
        out = np.full(expected.shape, 7.0, np.float32)
        assert project(source, small, centred, out) is not None
        np.testing.assert_array_equal(out, expected)
        project(source, small, centred, out, accumulate=True)
        np.testing.assert_allclose(out, 2 * expected, rtol=1e-6, atol=1e-6 * expected.max())


def test_views_that_see_nothing_are_overwritten_too(centred: ScanGeometry) -> None:
    high = VolumeGrid((-50, -50, 50), (50, 50, 60), (10, 10, 4))
    out = np.full((centred.views, centred.detector.columns, centred.detector.rows), 7.0, np.float32)
    forward(np.ones(high.shape), high, centred, out)
    assert not out[0].any()
    assert out[-1].any()


def test_no_views_give_nothing(centred: ScanGeometry, small: VolumeGrid, volume: np.ndarray) -> None:
    assert forward(volume, small, centred, views=slice(0, 0)).shape == (0, centred.detector.columns, centred.detector.rows)
    assert not back(np.zeros((0, centred.detector.columns, centred.detector.rows)), small, centred, views=slice(0, 0)).any()


def test_the_report_can_stop_a_run(
    centred: ScanGeometry, small: VolumeGrid, volume: np.ndarray, projections: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    monkeypatch.setattr("MITOReconstructionLib.projectors.cpu.BLOCK_SECONDS", 0.0)
    for project, source in ((forward, volume), (back, projections)):
        done: list[float] = []
        project(source, small, centred, report=done.append)
        assert done[0] == 0.0
        assert done[-1] == 1.0
        assert done == sorted(done)
        assert len(done) > 3

        def stop(part: float) -> None:
            if part > 0.3:
                raise KeyboardInterrupt

        with pytest.raises(KeyboardInterrupt):
            project(source, small, centred, report=stop)


def test_blocks_are_as_small_as_memory_asks_for(
    centred: ScanGeometry, small: VolumeGrid, projections: np.ndarray, monkeypatch: pytest.MonkeyPatch
) -> None:
    expected = back(projections, small, centred)
    monkeypatch.setattr("MITOReconstructionLib.projectors.cpu.BLOCK_BYTES", 1)
    np.testing.assert_allclose(back(projections, small, centred), expected, rtol=1e-5, atol=1e-6 * expected.max())


@pytest.mark.parametrize(
    ("change", "found"),
    [
        (lambda v: v[:, :, 1:], "float32 of shape (33, 29, 18)"),
        (lambda v: v.astype(complex), "complex128 of shape (33, 29, 19)"),
        (lambda v: v.T, "float32 of shape (19, 29, 33)"),
    ],
)
def test_a_wrong_volume_is_refused(centred: ScanGeometry, small: VolumeGrid, volume: np.ndarray, change: object, found: str) -> None:
    with pytest.raises(InputError, match="volume: expected real numbers of shape") as error:
        forward(change(volume), small, centred)  # type: ignore[operator]
    assert error.value.found == found


def test_wrong_projections_are_refused(centred: ScanGeometry, small: VolumeGrid, projections: np.ndarray) -> None:
    with pytest.raises(InputError, match=r"projections: expected real numbers of shape \(views, columns, rows\) = \(2, 100, 23\)"):
        back(projections, small, centred, views=[0, 1])
    with pytest.raises(InputError, match="views: expected indices from 0 to 15"):
        back(projections, small, centred, views=[99])


@pytest.mark.parametrize(
    ("out", "found"),
    [
        (np.zeros((33, 29, 19)), "float64 of shape (33, 29, 19)"),
        (np.zeros((19, 29, 33), np.float32).T, "float32 of shape (33, 29, 19), not in C order"),
        (np.zeros((33, 29, 18), np.float32), "float32 of shape (33, 29, 18)"),
        (np.broadcast_to(np.float32(0), (33, 29, 19)), "float32 of shape (33, 29, 19), not in C order, read-only"),
        ([1.0], "list"),
    ],
)
def test_a_wrong_output_is_refused(centred: ScanGeometry, small: VolumeGrid, projections: np.ndarray, out: object, found: str) -> None:
    with pytest.raises(InputError, match=r"numpy\.zeros\(\(33, 29, 19\), dtype=numpy\.float32\)") as error:
        back(projections, small, centred, out)  # type: ignore[arg-type]
    assert error.value.found == found


def test_nothing_to_accumulate_on_is_refused(centred: ScanGeometry, small: VolumeGrid, volume: np.ndarray) -> None:
    with pytest.raises(InputError, match="out: expected an array to add to; found None"):
        forward(volume, small, centred, accumulate=True)
