"""A scan and its volume, for all the tests of live slices."""

from __future__ import annotations

import threading

import numpy as np
import pytest
from live_cases import GRID, Gate, scan_of

from MITOReconstructionLib import Scan, mito_geometry, reconstruct
from MITOReconstructionLib.wfbp.warm import compile_plane_kernels


@pytest.fixture(scope="session")
def scan() -> Scan:
    """1.54 detector heights a turn, at one eighth of the real resolution."""
    return scan_of(mito_geometry(8, centre=0.0, turns=3.0))


@pytest.fixture(scope="session")
def volume(scan: Scan) -> np.ndarray:
    return reconstruct(scan, grid=GRID).array


@pytest.fixture
def begin(monkeypatch: pytest.MonkeyPatch) -> threading.Event:
    """Engines read and filter nothing before this is set: else they do so from their making on, as far as they get."""
    gate = Gate()

    def later() -> None:
        gate()
        compile_plane_kernels()

    monkeypatch.setattr("MITOReconstructionLib.live.worker.compile_plane_kernels", later)
    return gate.opened


@pytest.fixture(scope="session")
def small() -> Scan:
    """At one sixteenth, where nothing but the work counts."""
    return scan_of(mito_geometry(16, centre=0.0, turns=2.5))
