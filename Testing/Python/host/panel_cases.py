"""What tests of the panel do again and again: a quick run, the rows of a list, another sample of the same name."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

from MITOReconstructionLib.geometry import VolumeGrid

SECONDS = 300
COARSE = VolumeGrid((-30.0, -30.0, 250.0), (60.0, 60.0, 300.0), (9, 9, 5))


def reconstruct(panel: Any, **options: Any) -> Any:
    panel.session.start(**{"grid": COARSE, **options})
    assert panel.session.wait(SECONDS)
    return panel.session.results()[-1]


def listed(widget: Any) -> list[str]:
    return [widget.item(row).text() for row in range(widget.count)]


def another(sample: Path, place: Path) -> Path:
    shutil.copytree(sample, place)
    return place
