"""Neighbouring beams that are taken together lose nothing that a voxel can show."""

from __future__ import annotations

import numpy as np
import pytest

from MITOReconstructionLib import Scan, VolumeGrid, mito_geometry, reconstruct
from MITOReconstructionLib.geometry import Detector, ScanGeometry
from MITOReconstructionLib.scan.line_integrals import project, sample
from MITOReconstructionLib.scan.shapes import Ellipsoid, Phantom
from MITOReconstructionLib.wfbp import groups
from MITOReconstructionLib.wfbp.backproject import beam_tables
from MITOReconstructionLib.wfbp.groups import beams_together, group_end
from MITOReconstructionLib.wfbp.plan import ParallelPlan

MU = 0.02


@pytest.mark.parametrize("far", [0.0, 165.0])
def test_small_things_stay_as_sharp(far: float, monkeypatch: pytest.MonkeyPatch) -> None:
    """Spheres as small as two voxels, at the axis and far from it: as near to the truth, and of the same contrast."""
    geometry = mito_geometry(4, centre=0.0, turns=1.9)
    rng = np.random.default_rng(0)
    spheres = [Ellipsoid((far + x, y, z), (r, r, r), MU / 2) for x, y, z, r in rng.uniform((-24, -24, -14, 2.4), (24, 24, 14, 7), (30, 4))]
    phantom = Phantom("spheres", (Ellipsoid((0.0, 0.0, 0.0), (215.0, 215.0, 400.0), MU / 2), *spheres))
    grid = VolumeGrid((far - 32, -32.0, -16.0), (far + 32, 32.0, 16.0), (32, 32, 16))
    scan, truth = Scan.from_arrays(project(phantom, geometry), geometry), sample(phantom, grid, 4)
    assert beams_together(beam_tables(ParallelPlan(geometry)), grid, geometry.detector.rows)[0] == 4
    together = reconstruct(scan, grid=grid).array
    monkeypatch.setattr(groups, "MOST", 1)
    one_by_one = reconstruct(scan, grid=grid).array
    assert not np.array_equal(together, one_by_one)
    error, least = (np.sqrt(np.mean((volume - truth) ** 2)) for volume in (together, one_by_one))
    assert error < 1.15 * least
    assert np.std(together) == pytest.approx(np.std(one_by_one), rel=0.005)
    assert np.sqrt(np.mean((together - one_by_one) ** 2)) < 0.008 * MU


def test_coarse_views_are_taken_one_by_one() -> None:
    """Few views a turn, and sources that rise by a good part of a voxel from beam to beam."""
    grid = VolumeGrid.from_bounds((-100, -100, -30), (100, 100, 30), spacing=1.0)
    few = mito_geometry(24, centre=0.0, turns=2.0, pitch=20.0)
    assert beams_together(beam_tables(ParallelPlan(few)), grid, few.detector.rows) == (1, 1)
    for views, together in ((120, 1), (360, 4)):
        angles, detector = np.arange(views) * 2 * np.pi / views, Detector(128, 128, -256.0, 256.0, -256.0, 256.0)
        circle = ScanGeometry(angles, np.zeros(views), 1000.0, 500.0, detector)
        assert beams_together(beam_tables(ParallelPlan(circle)), grid, detector.rows)[0] == together
    steep = mito_geometry(4, centre=0.0, turns=2.0)
    assert beams_together(beam_tables(ParallelPlan(steep)), grid, steep.detector.rows)[0] < 4


def test_beams_with_other_partners_are_not_taken_together() -> None:
    """In each group all or none have a beam half a turn before and after, and so on; every beam is in one group."""
    tables = beam_tables(ParallelPlan(mito_geometry(12, centre=0.0, turns=2.4)))
    assert tables.half_turn % 4  # so that groups half a turn apart do not lie on each other
    begin, sizes = 0, []
    while begin < tables.beams:
        end = group_end(begin, 4, tables)
        sizes.append(end - begin)
        for half in range(-6, 7):
            other = np.arange(begin, end) + half * tables.half_turn
            assert np.unique((other >= 0) & (other < tables.beams)).size == 1
        begin = end
    assert begin == tables.beams
    assert sizes.count(4) > 0.8 * len(sizes)
