"""What several folders of tests need: MITO samples and faults to put into them, OpenGL, a cluster."""

from __future__ import annotations

import json
import os
from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import hypothesis
import numpy as np
import pytest
from local_cluster import Cluster, start_cluster

SLOW = hypothesis.HealthCheck.too_slow
hypothesis.settings.register_profile("the same on every machine", deadline=None, derandomize=True, suppress_health_check=[SLOW])
hypothesis.settings.load_profile("the same on every machine")

VIEWS, COLUMNS, ROWS = 6, 4, 3
ANGLES = 5.0 + np.arange(VIEWS)  # passes 2 pi, is stored modulo
METADATA: dict[str, Any] = {
    "GEOMETRY_ENGINE": "ODL",
    "GEOMETRY_NAME": "ConeBeamGeometry",
    "DET_NPX_X": COLUMNS,
    "DET_NPX_Z": ROWS,
    "DET_PIX_SIZE": 50.3,
    "DET_X_MIN": -0.2,
    "DET_X_MAX": 0.2,
    "DET_Z_MIN": -75.45,
    "DET_Z_MAX": 75.45,
    "SRC_RADIUS": 503.0,
    "DET_RADIUS": 0.0,
    "DET_CURVATURE_RADIUS": 503.0,
    "ROTATION_AXIS": [0, 0, 1],
    "REC_PIC_SIZE": 10.0,
    "REC_NPX_X": 8,
    "REC_NPX_Y": 6,
    "REC_NPX_Z": 5,
    "REC_MIN_X": -40.0,
    "REC_MAX_X": 40.0,
    "REC_MIN_Y": -30.0,
    "REC_MAX_Y": 30.0,
    "REC_MIN_Z": 0.0,
    "REC_MAX_Z": 50.0,
}

MakeSample = Callable[..., Path]


@pytest.fixture
def metadata() -> dict[str, Any]:
    """The metadata of the small sample; a copy to change."""
    return {**METADATA}


@pytest.fixture
def sample_arrays() -> dict[str, np.ndarray]:
    """The arrays of the small sample by file name without suffix; copies to change."""
    return {
        "sinogram": np.arange(VIEWS * COLUMNS * ROWS, dtype=np.float32).reshape(VIEWS, COLUMNS, ROWS) / 8,
        "angles": np.mod(ANGLES, 2 * np.pi),
        "axial_positions": np.linspace(0.0, 50.0, VIEWS),
        "shifts": np.stack([np.full(VIEWS, 1e3), np.full(VIEWS, -1e3), 0.25 * np.arange(VIEWS)], axis=1),
    }


@pytest.fixture
def make_sample(tmp_path: Path, metadata: dict[str, Any], sample_arrays: dict[str, np.ndarray]) -> MakeSample:
    """Write the small sample, with other arrays and other or left out (Ellipsis) metadata keys."""

    def make(folder: str = "pine", keys: dict[str, Any] | None = None, **arrays: np.ndarray) -> Path:
        path = tmp_path / folder
        path.mkdir()
        for name, array in {**sample_arrays, **arrays}.items():
            np.save(path / f"{name}.npy", array)
        fields = {key: value for key, value in {**metadata, **(keys or {})}.items() if value is not ...}
        (path / "metadata.json").write_text(json.dumps(fields), encoding="utf-8")
        return path

    return make


@pytest.fixture(scope="session")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A cylinder, scanned coarsely."""
    from MITOReconstructionLib.scan.phantoms import cylinder
    from MITOReconstructionLib.scan.simulation import mito_geometry, simulate

    folder = tmp_path_factory.mktemp("data") / "cylinder"
    simulate(folder, cylinder(40.0), mito_geometry(scale=40, turns=2.0))
    return folder


@pytest.fixture
def opengl() -> None:
    """Pictures can be drawn; the test fails where they cannot, unless MITO_ALLOW_NO_GL says that this is known."""
    from MITOReconstructionLib.errors import WorkError
    from MITOReconstructionLib.scene.offscreen import require_opengl

    try:
        require_opengl()
    except WorkError as error:
        if os.environ.get("MITO_ALLOW_NO_GL"):
            pytest.skip(str(error))
        pytest.fail(f"{error} Set MITO_ALLOW_NO_GL=1 to skip the tests that draw.")


@pytest.fixture(scope="session")
def running_cluster(tmp_path_factory: pytest.TempPathFactory) -> Iterator[Cluster]:
    """A Dask cluster of two worker processes on loopback."""
    running = start_cluster(tmp_path_factory.mktemp("cluster"), 2)
    try:
        yield running
    finally:
        running.end()


@pytest.fixture
def cluster(running_cluster: Cluster) -> Cluster:
    """The cluster with all its workers, also where the test before has killed some."""
    from distributed import Client

    with Client(running_cluster.address, set_as_default=False) as client:
        client.wait_for_workers(2, timeout=300)
    return running_cluster


@pytest.fixture
def column_kernel(monkeypatch: pytest.MonkeyPatch) -> None:
    """FBP by the reference kernel, for what has to agree to rounding; the one with layers interpolates once more."""
    from MITOReconstructionLib.methods import fbp

    monkeypatch.setattr(fbp, "layers_suit", lambda *_: False)
