"""A day's work through the widgets: load, play, region, FBP, cancel a Landweber, run again, look through, save, open, go on."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("slicer.util", reason="needs slicer-core")
pytest.importorskip("shiboken6", reason="needs PySide6-Essentials")

from SlicerHost import Host

from MITOReconstructionLib.methods import methods

SECONDS = 300


def choose(panel: Any, method: str) -> None:
    panel.reconstruction.method.currentIndex = list(methods()).index(method)


def ended(host: Host, panel: Any) -> None:
    host.wait_until(lambda: panel.session.job is None, SECONDS)


def names(panel: Any) -> list[str]:
    return [node.GetName() for node in panel.session.results()]


def test_a_whole_session(host: Host, panel: Any, sample: Path, tmp_path: Path) -> None:
    import slicer

    panel.data.folder.currentPath = str(sample)
    panel.data.load_button.click()
    assert panel.data.status.text == "cylinder is loaded."

    projections = panel.projections
    projections.speed.value = 200
    projections.play_button.checked = True
    host.wait_until(lambda: projections.slider.value > 5, SECONDS)
    projections.play_button.checked = False
    seen = projections.slider.value

    regions = panel.regions
    regions.buttons["add"].click()
    for bounds, (low, high) in zip(regions.bounds, ((-30, 30), (-30, 30), (260, 290)), strict=True):
        bounds.widget.setValues(low, high)
    box = panel.session.regions.options["grid"]
    host.wait_until(lambda: panel.reconstruction.estimate.known, SECONDS)

    part = panel.reconstruction
    part.start_button.click()
    ended(host, panel)
    (first,) = panel.session.results()
    volume = panel.session.volume(first)
    assert volume.grid == box
    assert volume.array[volume.grid.shape[0] // 2, volume.grid.shape[1] // 2].mean() == pytest.approx(0.02, rel=0.1)
    assert slicer.app.layoutManager().sliceWidget("Red").mrmlSliceCompositeNode().GetBackgroundVolumeID() == first.GetID()

    choose(panel, "landweber")
    part.parameters.fields["iterations"].value = 100000
    part.start_button.click()
    host.wait_until(lambda: "residual" in part.status.text, SECONDS)
    part.cancel_button.click()
    ended(host, panel)
    assert names(panel) == ["fbp"]

    panel.results.list.setCurrentRow(0)
    panel.results.rerun_button.click()
    ended(host, panel)
    again = panel.session.volume(panel.session.results()[1])
    assert names(panel) == ["fbp", "fbp 2"]
    np.testing.assert_allclose(again.array, volume.array, atol=1e-7)

    red = slicer.app.layoutManager().sliceWidget("Red").mrmlSliceCompositeNode()
    before = red.GetBackgroundVolumeID()
    panel.live.start_button.checked = True
    host.wait_until(lambda: panel.live.live.history and panel.live.live.history[-1].level == "final", SECONDS)
    panel.live.start_button.checked = False
    assert red.GetBackgroundVolumeID() == before

    host.save_scene(tmp_path / "session.mrb")
    host.close_scene()
    assert (panel.session.scan, names(panel)) == (None, [])
    host.open_scene(tmp_path / "session.mrb")
    host.check()
    assert (panel.session.scan.name, projections.slider.value, names(panel)) == ("cylinder", seen, ["fbp", "fbp 2"])
    assert panel.session.regions.options["grid"] == box
    choose(panel, "fbp")
    part.start_button.click()
    ended(host, panel)
    np.testing.assert_allclose(panel.session.volume(panel.session.results()[-1]).array, volume.array, atol=1e-7)
