"""The module itself in the host: its widget driven as a person does."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("slicer.util", reason="needs slicer-core")
pytest.importorskip("shiboken6", reason="needs PySide6-Essentials")

from SlicerHost import Host

from MITOReconstructionLib.scan.phantoms import cylinder
from MITOReconstructionLib.scan.simulation import mito_geometry, simulate

MODULE = Path(__file__).parents[3] / "MITOReconstruction" / "MITOReconstruction.py"


@pytest.fixture(scope="module")
def sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    folder = tmp_path_factory.mktemp("data") / "cylinder"
    simulate(folder, cylinder(40.0), mito_geometry(scale=40, turns=2.0))
    return folder


@pytest.fixture
def widget(host: Host):
    yield host.load_module(MODULE)
    host.select_module("")


def volumes(host: Host) -> list[str]:
    import slicer.util

    return list(slicer.util.getNodes("fbp"))


def test_from_the_folder_to_the_volume(host: Host, widget, sample: Path) -> None:
    import slicer

    assert not widget.startButton.enabled
    widget.folderSelector.currentPath = str(sample)
    assert (widget.sampleSelector.currentText, widget.startButton.enabled, widget.startButton.visible) == ("cylinder", True, True)
    widget.startButton.click()
    assert (widget.startButton.enabled, widget.cancelButton.enabled) == (False, True)
    host.wait_until(lambda: widget.run is None, 60)
    assert (widget.statusLabel.text, widget.progressBar.value) == ("Done", 100)
    node = slicer.util.getNode("fbp")
    assert slicer.util.arrayFromVolume(node).max() > 0.01
    red = slicer.app.layoutManager().sliceWidget("Red")
    assert red.mrmlSliceCompositeNode().GetBackgroundVolumeID() == node.GetID()
    host.close_scene()
    assert volumes(host) == []


def test_cancel(host: Host, widget, sample: Path) -> None:
    widget.folderSelector.currentPath = str(sample)
    widget.startButton.click()
    widget.cancelButton.click()
    host.wait_until(lambda: widget.run is None, 60)
    assert widget.statusLabel.text == "Cancelled"
    assert volumes(host) == []


def test_reload_while_it_runs(host: Host, widget, sample: Path) -> None:
    widget.folderSelector.currentPath = str(sample)
    widget.startButton.click()
    fresh = host.reload("MITOReconstruction")
    assert widget.run is None
    assert fresh is not widget
    fresh.folderSelector.currentPath = str(sample)
    fresh.startButton.click()
    host.wait_until(lambda: fresh.run is None, 60)
    assert volumes(host) == ["fbp"]


def test_a_folder_without_samples(host: Host, widget, tmp_path: Path) -> None:
    widget.folderSelector.currentPath = str(tmp_path)
    assert "samples" in widget.statusLabel.text
    assert not widget.startButton.enabled
