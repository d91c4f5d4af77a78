"""Running again what made a volume."""

from __future__ import annotations

import json
from pathlib import Path
from typing import Any

import numpy as np
import pytest
from job_grids import GRID

from MITOReconstructionLib import Scan, Volume
from MITOReconstructionLib.errors import InputError
from MITOReconstructionLib.export import load_header
from MITOReconstructionLib.jobs import options_of, reconstruct
from MITOReconstructionLib.jobs.request import Request


@pytest.mark.parametrize(
    "views", [None, slice(105, 300, 3), [220], [230, 190, 191]], ids=["all", "step", "one", "list"]
)  # fmt: skip
def test_the_same_again_from_a_file(ball: Scan, tmp_path: Path, views: Any) -> None:
    first = reconstruct(ball, grid=GRID, method="landweber", parameters={"iterations": 2, "context": False}, views=views, backend="cpu")
    first.save(tmp_path / "knot.nrrd")
    options = options_of(Volume.load(tmp_path / "knot.nrrd").provenance)
    assert options["grid"] == GRID
    assert (options["method"], options["backend"]) == ("landweber", "cpu")
    np.testing.assert_array_equal(Request.make(ball, **options).views, Request.make(ball, views=views).views)
    np.testing.assert_array_equal(reconstruct(ball, **options).array, first.array)
    assert load_header(tmp_path / "knot.nrrd") == json.loads(json.dumps(first.provenance))


def test_an_older_provenance_takes_the_volumes_grid() -> None:
    told = {"sample": "a", "method": "fbp", "parameters": {"padding": False}, "views": "2:9", "backend": "CPU, 2 threads"}
    assert options_of(told, GRID) == {
        "grid": GRID, "method": "fbp", "parameters": {"padding": False}, "views": slice(2, 9), "backend": "auto",
    }  # fmt: skip


@pytest.mark.parametrize(
    ("told", "text"),
    [
        ({}, "provenance: method: expected one of fbp, .*; found no such entry"),
        ({"method": "difference"}, "provenance: method: expected one of fbp, .*; found 'difference'"),
        ({"method": "fbp", "parameters": 5}, "provenance: parameters and report: expected names and values; found 5"),
        ({"method": "fbp", "views": "a:b"}, "provenance: views: expected first:last:step or a list of numbers; found 'a:b'"),
        ({"method": "sirt", "report": {"start": "given"}}, "began with a volume, which is not kept"),
        ({"method": "fbp", "grid": {"minimum": 3}}, "grid: expected an entry 'maximum'"),
    ],
)
def test_what_cannot_be_run_again(told: dict[str, Any], text: str) -> None:
    with pytest.raises(InputError, match=text):
        options_of({"grid": GRID.to_dict()} | told)


def test_without_any_grid() -> None:
    with pytest.raises(InputError, match="provenance: grid: expected bounds and voxel counts; found None"):
        options_of({"method": "fbp"})
