"""How the panel looks at first, how narrow it can be, and where the camera is after Load."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("slicer.util", reason="needs slicer-core")
pytest.importorskip("shiboken6", reason="needs PySide6-Essentials")

from SlicerHost import Host
from SlicerHost.bridge import unwrap

NARROW = 420
"""Pixels."""


def collapsed(widget: Any) -> list[bool]:
    return [bool(button.collapsed) for button in widget.panel.buttons]


def load(panel: Any, sample: Path) -> None:
    panel.data.folder.currentPath = str(sample)
    panel.data.load_button.click()


def test_sections_open_as_they_are_needed(widget: Any, sample: Path) -> None:
    assert collapsed(widget) == [False, True, True, True, True, True]
    load(widget.panel, sample)
    assert collapsed(widget) == [False, False, True, True, True, True]
    widget.panel.buttons[1].collapsed = True
    load(widget.panel, sample)
    assert collapsed(widget)[1]  # what a person has closed stays closed


def test_the_panel_can_be_narrow(host: Host, loaded: Any) -> None:
    loaded.regions.buttons["add"].click()
    loaded.reconstruction.start_button.click()
    host.wait_until(lambda: loaded.session.job is None)
    loaded.live.start_button.checked = True
    for place in range(loaded.reconstruction.method.count):
        loaded.reconstruction.method.currentIndex = place
        host.process_events()
        widths = [unwrap(button).minimumSizeHint().width() for button in loaded.buttons]
        assert max(widths) <= NARROW, f"{loaded.reconstruction.method.currentText}: {widths}"
    loaded.live.start_button.checked = False


def test_the_camera_frames_the_scan(host: Host, panel: Any, sample: Path) -> None:
    view = host.app.layoutManager().threeDWidget(0).threeDView()
    camera = view.cameraNode().GetCamera()
    camera.SetPosition(0.0, 500.0, 0.0)
    camera.SetFocalPoint(0.0, 0.0, 0.0)
    load(panel, sample)
    matrix = camera.GetCompositeProjectionTransformMatrix(1.0, -1.0, 1.0)
    points = np.array([matrix.MultiplyPoint((*source, 1.0)) for source in panel.session.scan.geometry.sources()])
    across = np.abs(points[:, :2] / points[:, 3:])
    assert 0.8 < across.max() <= 1.0
    position = camera.GetPosition()
    panel.projections.slider.value = 3
    assert camera.GetPosition() == position
