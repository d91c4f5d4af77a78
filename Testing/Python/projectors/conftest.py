"""Fixtures of the projector suite."""

from __future__ import annotations

import pytest
from projector_cases import GEOMETRIES, GRIDS

from MITOReconstructionLib.geometry import ScanGeometry, VolumeGrid


@pytest.fixture(params=list(GEOMETRIES))
def geometry(request: pytest.FixtureRequest) -> ScanGeometry:
    return GEOMETRIES[request.param]


@pytest.fixture(params=list(GRIDS))
def grid(request: pytest.FixtureRequest) -> VolumeGrid:
    return GRIDS[request.param]


@pytest.fixture
def centred() -> ScanGeometry:
    return GEOMETRIES["centred"]


@pytest.fixture
def small() -> VolumeGrid:
    return GRIDS["coarse along z"]
