"""How a volume is cut into slabs."""

from __future__ import annotations

import pytest

from MITOReconstructionLib import VolumeGrid, mito_geometry
from MITOReconstructionLib.jobs import slab_ranges as ranges_module
from MITOReconstructionLib.jobs.slab_ranges import slab_ranges

GEOMETRY = mito_geometry(1, turns=4.5)
SAMPLE = VolumeGrid((-80.0, -200.0, 92.0), (130.0, 20.0, 461.0), (420, 440, 738))
"""As large as a real one: 520 MiB, 5.3 detector heights."""


@pytest.mark.parametrize(
    ("grid", "machines", "count"),
    [
        (SAMPLE, 1, 5),  # 128 MiB each at most, before three for each machine
        (SAMPLE, 2, 6),  # a detector height each
        (SAMPLE, 20, 20),  # one for each machine
        (VolumeGrid((0.0, 0.0, 0.0), (9.0, 9.0, 2.0), (9, 9, 2)), 5, 2),  # there are no more slices
        (VolumeGrid((0.0, 0.0, 0.0), (9.0, 9.0, 60.0), (9, 9, 60)), 1, 1),
        (VolumeGrid((0.0, 0.0, 0.0), (9.0, 9.0, 900.0), (9, 9, 90)), 2, 6),
    ],
)
def test_slabs_make_up_the_volume(grid: VolumeGrid, machines: int, count: int) -> None:
    ranges = slab_ranges(grid, GEOMETRY, machines)
    assert len(ranges) == count
    assert [slice_ for first, last in ranges for slice_ in range(first, last)] == list(range(grid.shape[2]))
    assert max(last - first for first, last in ranges) - min(last - first for first, last in ranges) <= 1


def test_a_slice_larger_than_a_slab(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(ranges_module, "SLAB_BYTES", 100)
    assert slab_ranges(VolumeGrid((0.0, 0.0, 0.0), (9.0, 9.0, 3.0), (9, 9, 3)), GEOMETRY, 1) == [(0, 1), (1, 2), (2, 3)]
