"""reconstruct(): arguments, provenance, and the volume's way through a file."""

from __future__ import annotations

import itertools
from dataclasses import replace
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from MITOReconstructionLib import InputError, Monitor, Scan, Volume, VolumeGrid, mito_geometry, reconstruct
from MITOReconstructionLib.errors import Cancelled, WorkError
from MITOReconstructionLib.methods import Result, fbp, registry
from MITOReconstructionLib.scan.line_integrals import project
from MITOReconstructionLib.scan.shapes import Ellipsoid, Phantom

BALL = Phantom("ball", (Ellipsoid((10.0, -10.0, 0.0), (50.0, 45.0, 40.0), 0.02),))
GRID = VolumeGrid((0.0, -20.0, -6.0), (20.0, 0.0, 6.0), (5, 4, 3))


@pytest.fixture(scope="module")
def scan() -> Scan:
    geometry = mito_geometry(12, turns=2.0, centre=0.0)
    return Scan.from_arrays(project(BALL, geometry), geometry, name="ball")


def test_provenance_tells_how_it_came_to_be(scan: Scan) -> None:
    volume = reconstruct(scan, grid=GRID, parameters={"filter_type": "Hann"}, views=slice(2, 440))
    told = volume.provenance
    assert told["sample"] == "ball"
    assert told["method"] == "fbp"
    assert told["parameters"] == {"filter_type": "Hann", "frequency_scaling": 1.0, "padding": True, "fill_value": 0.0}
    assert told["views"] == "2:440"
    assert told["unit"] == "1/mm"
    assert told["backend"]
    assert told["version"] == "0.1.0"
    assert told["seconds"] > 0
    assert told["report"]["unseen_voxels"] == 0


def test_volume_through_a_file(scan: Scan, tmp_path: Path) -> None:
    volume = reconstruct(scan, grid=GRID)
    volume.save(tmp_path / "ball.nrrd")
    again = Volume.load(tmp_path / "ball.nrrd")
    np.testing.assert_array_equal(again.array, volume.array)
    assert again.provenance == volume.provenance
    np.testing.assert_allclose(again.grid.minimum, GRID.minimum, atol=1e-9)
    np.testing.assert_allclose(again.grid.maximum, GRID.maximum, atol=1e-9)


def test_the_default_grid_is_the_scans(scan: Scan) -> None:
    coarse = VolumeGrid.from_bounds(scan.default_grid.minimum, scan.default_grid.maximum, spacing=30.0)
    other = Scan.from_arrays(np.asarray(scan.projections), scan.geometry, grid=coarse)
    assert reconstruct(other).grid == coarse


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"method": "FBP"}, "method: expected one of fbp, "),
        ({"backend": "tpu"}, "tpu"),
        ({"views": slice(5, 5)}, "views: expected at least one view"),
        ({"views": [100_000]}, "views: expected indices from 0"),
        ({"parameters": [("filter_type", "Hann")]}, "parameters: expected names and values, or FBPParameters"),
        ({"progress": print, "monitor": Monitor()}, "expected either progress or monitor"),
    ],
)
def test_bad_arguments(scan: Scan, options: dict[str, object], text: str) -> None:
    with pytest.raises(InputError) as caught:
        reconstruct(scan, grid=GRID, **options)
    assert text in str(caught.value)


def test_parameters_may_be_the_dataclass(scan: Scan) -> None:
    volume = reconstruct(scan, grid=GRID, parameters=fbp.FBPParameters(filter_type="Cosine"))
    assert volume.provenance["parameters"]["filter_type"] == "Cosine"


def test_no_memory_is_a_clear_failure(scan: Scan, monkeypatch: pytest.MonkeyPatch) -> None:
    def no_memory(*arguments: object, **options: object) -> None:
        raise MemoryError

    monkeypatch.setattr(fbp, "backproject_layers", no_memory)
    with pytest.raises(WorkError, match=r"Not enough memory to reconstruct \(5, 4, 3\) voxels"):
        reconstruct(scan, grid=GRID)


def test_cancelled_before_it_starts(scan: Scan) -> None:
    monitor = Monitor()
    monitor.cancel()
    with pytest.raises(Cancelled):
        reconstruct(scan, grid=GRID, monitor=monitor)


def test_progress_names_its_steps_and_ends_full(scan: Scan) -> None:
    seen = []
    reconstruct(scan, grid=GRID, progress=seen.append)
    assert {"filtered backprojection", "coverage"} <= {p.step for p in seen}
    assert all(0 <= p.fraction <= 1 for p in seen)
    assert seen[-1].fraction == 1.0
    assert all(b.seconds >= a.seconds for a, b in itertools.pairwise(seen))


@pytest.mark.parametrize(
    ("given", "text"),
    [
        (None, "gave NoneType in the place of a Result"),
        (np.ones(GRID.shape, np.float32), "gave ndarray in the place of a Result"),
        (Result(np.ones(GRID.shape).tolist()), "gave list in the place of a Result"),
        (Result(np.ones(GRID.shape, np.complex64)), "gave an array of complex64"),
        (Result(np.ones((2, 2), np.float32)), r"shape \(2, 2\) for a grid of shape \(5, 4, 3\)"),
        (Result(np.full(GRID.shape, np.nan, np.float32)), "gave 60 voxels that are NaN or infinite"),
        (Result(np.full(GRID.shape, 1e300)), "gave 60 voxels that are NaN or infinite"),
    ],
)
def test_what_is_no_volume_is_refused(scan: Scan, monkeypatch: pytest.MonkeyPatch, given: Any, text: str) -> None:
    monkeypatch.setitem(registry.TABLE.entries, "fbp", replace(fbp.FBP, run=lambda problem, parameters: given))
    with pytest.raises(WorkError, match=text):
        reconstruct(scan, grid=GRID)


def test_a_volume_of_another_type_or_order_is_converted(scan: Scan, monkeypatch: pytest.MonkeyPatch) -> None:
    given = Result(np.asfortranarray(np.full(GRID.shape, 0.5)))
    monkeypatch.setitem(registry.TABLE.entries, "fbp", replace(fbp.FBP, run=lambda problem, parameters: given))
    array = reconstruct(scan, grid=GRID).array
    assert array.dtype == np.float32
    assert array.flags.c_contiguous
    assert np.all(array == 0.5)


@pytest.mark.parametrize(
    ("options", "text"),
    [
        ({"grid": "all"}, "grid: expected VolumeGrid or NoneType; found str"),
        ({"backend": None}, "backend: expected str or Backend; found NoneType"),
        ({"initial": "zero"}, "initial volume: expected finite numbers of shape .* found shape"),
        ({"initial": np.zeros(GRID.shape, complex)}, "initial volume: expected finite numbers of shape .* found complex128"),
    ],
)
def test_arguments_of_another_type_are_refused(scan: Scan, options: dict[str, Any], text: str) -> None:
    with pytest.raises(InputError, match=text):
        reconstruct(scan, **{"grid": GRID, "method": "sirt", **options})
