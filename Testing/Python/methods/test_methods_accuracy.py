"""What the methods promise, on phantoms whose truth is known."""

from __future__ import annotations

import numpy as np
import pytest
from method_cases import MU, Known

from MITOReconstructionLib import Scan, VolumeGrid, mito_geometry, reconstruct
from MITOReconstructionLib.methods import context
from MITOReconstructionLib.scan.line_integrals import project, sample
from MITOReconstructionLib.scan.shapes import Cylinder, Phantom

SETTINGS = {
    "fbp": {},
    "sirt": {"iterations": 40},
    "cgls": {"iterations": 8},
    "os-sart": {"iterations": 5},
    "tv": {"iterations": 6, "weight": 0.01},
    "landweber": {"iterations": 8, "start": "fbp"},
}


@pytest.mark.parametrize("name", SETTINGS)
def test_uniform_cylinder_reads_its_attenuation(name: str, cylinder: Scan) -> None:
    """To 0.5%, in a region inside of it: what is outside is the context's business."""
    grid = VolumeGrid.from_bounds((-36, -36, -12), (48, 48, 12), spacing=6.0)
    volume = reconstruct(cylinder, grid=grid, method=name, parameters=SETTINGS[name])
    assert volume.array[2:-2, 2:-2, 1:-1].mean() == pytest.approx(MU, rel=5e-3)
    assert volume.array.mean() == pytest.approx(MU, rel=5e-3)


@pytest.fixture(scope="module")
def cylinder() -> Scan:
    geometry = mito_geometry(12, centre=0.0, turns=3.0)
    phantom = Phantom("cylinder", (Cylinder((10.0, 5.0, -400.0), (10.0, 5.0, 400.0), 80.0, MU),))
    return Scan.from_arrays(project(phantom, geometry, subrays=(2, 2)), geometry)


def test_cgls_inside_the_object(sixth: Known) -> None:
    volume = reconstruct(sixth.scan, grid=sixth.grid, method="cgls", parameters={"iterations": 4})
    assert sixth.error(volume.array) < 1.5


@pytest.mark.parametrize(("name", "iterations"), [("sirt", 40), ("os-sart", 6)])
def test_error_inside_the_object(name: str, iterations: int, twelfth: Known) -> None:
    """At half the resolution, because it takes many iterations; edges weigh more there."""
    volume = reconstruct(twelfth.scan, grid=twelfth.grid, method=name, parameters={"iterations": iterations})
    assert twelfth.error(volume.array) < 1.5


def test_tv_at_a_tenth_of_the_views(sixth: Known, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(context, "VOXELS", 80**3)  # a quicker context
    views = slice(None, None, 10)
    fbp = sixth.error(reconstruct(sixth.scan, grid=sixth.grid, views=views).array)
    tv = sixth.error(reconstruct(sixth.scan, grid=sixth.grid, method="tv", views=views, parameters={"iterations": 7}).array)
    assert tv < 0.45 * fbp


@pytest.mark.parametrize("coarse", [False, True])
def test_a_region_is_what_the_whole_shows_there(coarse: bool, twelfth: Known, monkeypatch: pytest.MonkeyPatch) -> None:
    first, last = (13, 17, 2), (25, 29, 6)
    cut = tuple(slice(a, b) for a, b in zip(first, last, strict=True))
    region = twelfth.grid.region(first, last)
    whole = reconstruct(twelfth.scan, grid=twelfth.grid, method="cgls").array[cut]
    if coarse:
        monkeypatch.setattr(context, "VOXELS", 26**3)
    part = reconstruct(twelfth.scan, grid=region, method="cgls")
    alone = reconstruct(twelfth.scan, grid=region, method="cgls", parameters={"context": False, "start": "zero"})
    truth = sample(twelfth.phantom, region, 4)

    def percent(error: np.ndarray) -> float:
        return 100 / MU * float(np.sqrt(np.mean(error**2)))

    assert percent(part.array - whole) < 2.5
    assert percent(part.array - truth) < 2.5
    assert percent(alone.array - whole) > 100.0
    assert part.provenance["report"]["context"].startswith("taken off")
    assert part.provenance["report"]["views"] < twelfth.scan.geometry.views
