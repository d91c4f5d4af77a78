"""The section 'Projections', driven through its widgets."""

from __future__ import annotations

import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("slicer.util", reason="needs slicer-core")
pytest.importorskip("shiboken6", reason="needs PySide6-Essentials")

from SlicerHost import Host


def test_the_slider_moves_the_scan(loaded: Any) -> None:
    part, shown = loaded.projections, loaded.session.shown
    assert (part.slider.minimum, part.slider.maximum) == (0, 133)
    before = shown.source.points.copy()
    part.slider.value = 40
    assert (shown.view, part.number.value) == (40, 40)
    assert not np.allclose(shown.source.points, before)
    geometry = loaded.session.scan.geometry
    assert part.status.text == f"Angle {np.degrees(geometry.angles[40]):.2f}°, axial position {geometry.axial_positions[40]:.2f} mm"
    part.number.value = 7
    assert (shown.view, part.slider.value) == (7, 7)


def test_play_and_pause(host: Host, loaded: Any) -> None:
    part, shown = loaded.projections, loaded.session.shown
    part.slider.value = 130
    part.speed.value = 500
    part.play_button.click()
    assert part.play_button.text == "Pause"
    host.wait_until(lambda: 10 < shown.view < 125, 20)  # past the end it goes on from the beginning
    part.play_button.click()
    assert part.play_button.text == "Play"
    view = shown.view
    for _ in range(20):
        host.process_events()
    assert shown.view == view


@pytest.mark.parametrize("name", ["source", "detector", "rays", "trajectory"])
def test_parts_are_shown_and_hidden(loaded: Any, name: str) -> None:
    box, shown = loaded.projections.boxes[name], loaded.session.shown
    was = shown.is_visible(name)
    assert box.checked == was
    box.click()
    assert shown.is_visible(name) is not was
    box.click()
    assert shown.is_visible(name) is was


def test_the_views_around(loaded: Any) -> None:
    shown = loaded.session.shown
    loaded.projections.around.value = 5
    assert (shown.around, shown.outlines.visible) == (5, True)
    loaded.projections.around.value = 0
    assert not shown.outlines.visible


def test_a_projection_that_cannot_be_shown_is_said(loaded: Any, sample: Path, tmp_path: Path) -> None:
    shutil.copytree(sample, tmp_path / "nan")
    values = np.load(tmp_path / "nan" / "sinogram.npy")
    values[3] = np.nan
    np.save(tmp_path / "nan" / "sinogram.npy", values)
    loaded.data.folder.currentPath = str(tmp_path / "nan")
    loaded.data.load_button.click()
    part = loaded.projections
    part.play_button.checked = True
    part.slider.value = 3
    assert "view 3" in part.status.text
    assert not part.play_button.checked
    part.slider.value = 4
    assert part.status.text.startswith("Angle")
