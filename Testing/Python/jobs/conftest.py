"""Samples on disk for runs in subprocesses, and methods that fail in every way."""

from __future__ import annotations

import importlib
import math
import sys
import tempfile
import threading
import time
from collections.abc import Callable, Iterator
from pathlib import Path

import numpy as np
import pytest
from job_grids import GRID_CUBIC

from MITOReconstructionLib import Scan, ScanGeometry, mito_geometry, open_scan
from MITOReconstructionLib.methods import registry
from MITOReconstructionLib.scan.line_integrals import project
from MITOReconstructionLib.scan.shapes import Ellipsoid, Phantom
from MITOReconstructionLib.scan.writing import write_sample

BALL = Phantom("ball", (Ellipsoid((10.0, -10.0, 0.0), (50.0, 45.0, 40.0), 0.02),))

SparseSample = Callable[..., Scan]


@pytest.fixture(scope="session")
def ball(tmp_path_factory: pytest.TempPathFactory) -> Scan:
    """A small scan on disk of a ball."""
    geometry = mito_geometry(12, turns=2.0, centre=0.0)
    folder = tmp_path_factory.mktemp("samples") / "ball"
    return open_scan(write_sample(folder, geometry, GRID_CUBIC, [project(BALL, geometry)]))


@pytest.fixture
def sparse_sample(tmp_path: Path) -> SparseSample:
    """Make a scan on disk whose sinogram is a hole in the file: as large as wanted, and zero."""

    def make(geometry: ScanGeometry, name: str = "sparse") -> Scan:
        detector = geometry.detector
        blank = np.zeros((1, detector.columns, detector.rows), dtype=np.float32)
        folder = write_sample(tmp_path / name, geometry.select([0]), GRID_CUBIC, [blank])
        shape = (geometry.views, detector.columns, detector.rows)
        with (folder / "sinogram.npy").open("wb") as file:
            np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": shape})
            file.truncate(file.tell() + 4 * math.prod(shape))
        np.save(folder / "angles.npy", np.mod(geometry.angles, 2 * math.pi))
        np.save(folder / "axial_positions.npy", geometry.axial_positions)
        np.save(folder / "shifts.npy", np.zeros((geometry.views, 3)))
        return open_scan(folder)

    return make


@pytest.fixture
def faulty(monkeypatch: pytest.MonkeyPatch) -> Iterator[str]:
    """The name of a method that goes wrong as its parameter says, here and in subprocesses."""
    registry.methods()  # the others are looked for once: this process imports the faulty ones by name, the next by folder
    folder = str(Path(__file__).parent / "faults")
    monkeypatch.setenv("MITO_METHODS_PATH", folder)
    monkeypatch.syspath_prepend(folder)
    importlib.import_module("faulty_methods")
    yield "faulty"
    registry.TABLE.entries.pop("faulty")
    sys.modules.pop("faulty_methods")


@pytest.fixture
def exchange(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Iterator[Path]:
    """The folder for temporary files, which must be empty again in the end."""
    folder = tmp_path / "exchange"
    folder.mkdir()
    monkeypatch.setattr(tempfile, "tempdir", str(folder))
    yield folder
    assert list(folder.iterdir()) == []


@pytest.fixture
def no_cluster_threads() -> Iterator[None]:
    """Whatever happens, no thread of a client is left in this process, but for the one that distributed keeps for all."""
    before = set(threading.enumerate())
    yield
    deadline = time.monotonic() + 120.0

    def more() -> set[threading.Thread]:
        return {thread for thread in set(threading.enumerate()) - before if not thread.name.startswith("Dask-Offload")}

    while (left := more()) and time.monotonic() < deadline:
        time.sleep(0.02)
    assert not left
