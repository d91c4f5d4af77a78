"""The section 'Projections', driven through its widgets."""

from __future__ import annotations

import shutil
from pathlib import Path
from types import SimpleNamespace
from typing import Any

import numpy as np
import pytest

from MITOReconstructionLib.scan.phantoms import cylinder
from MITOReconstructionLib.scan.simulation import mito_geometry, simulate

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
    host.wait_until(lambda: 10 < shown.view < 125)  # past the end it goes on from the beginning
    part.play_button.click()
    assert part.play_button.text == "Play"
    view = shown.view
    for _ in range(20):
        host.process_events()
    assert shown.view == view


def test_the_ends_of_the_slider(loaded: Any) -> None:
    part, shown = loaded.projections, loaded.session.shown
    part.slider.value = part.slider.maximum
    assert shown.view == 133
    np.testing.assert_array_equal(shown.projection.array, loaded.session.scan.projections[133])
    part.slider.value = part.slider.maximum + 10  # Qt keeps it at the end
    assert shown.view == 133
    part.slider.value = -5
    assert (shown.view, part.number.value) == (0, 0)
    part.number.value = 10_000
    assert (shown.view, part.slider.value) == (133, 133)
    part.around.value = 133  # the whole scan
    part.slider.value = 0
    assert (part.slider.pageStep, shown.outlines.visible) == (2, True)
    part.around.value = 0


def test_the_speed_is_kept_whatever_a_tick_takes(host: Host, loaded: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    part, shown = loaded.projections, loaded.session.shown
    clock = [100.0]
    monkeypatch.setattr("MITOReconstructionLib.panels.projections.time", SimpleNamespace(monotonic=lambda: clock[0]))
    part.play_button.click()
    part.timer.stop()  # the test gives the ticks
    part.speed.value = 30
    for seconds, view in ((0.11, 3), (0.2, 9), (0.01, 9), (0.03, 10), (60.0, 25)):  # after a long pause, half a second's worth
        clock[0] += seconds
        part._tick()
        assert shown.view == view
    part.speed.value = 1000
    clock[0] += 0.3
    part._tick()
    assert shown.view == (25 + 300) % 134
    part.play_button.click()
    assert not part.timer.active


def test_a_scan_of_one_view_plays_too(host: Host, panel: Any, tmp_path: Path) -> None:
    folder = simulate(tmp_path / "one", cylinder(40.0), mito_geometry(scale=40, turns=0.001, centre=0.0))
    panel.data.folder.currentPath = str(folder)
    panel.data.load_button.click()
    part = panel.projections
    assert (part.slider.maximum, panel.session.scan.geometry.views) == (0, 1)
    part.speed.value = 1000
    part.play_button.click()
    for _ in range(5):
        host.process_events()
    assert panel.session.shown.view == 0
    part.play_button.click()


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
