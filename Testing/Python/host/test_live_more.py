"""Live slices beside other volumes, plotted, growing, driven by a script, and treated badly."""

from __future__ import annotations

import runpy
import shutil
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("slicer.util", reason="needs slicer-core")
pytest.importorskip("shiboken6", reason="needs PySide6-Essentials")

from SlicerHost import Host

SECONDS = 300
SCRIPT = Path(__file__).parents[3] / "Examples" / "live_slices_in_slicer.py"


@pytest.fixture
def looked(host: Host, loaded: Any) -> Any:
    """The panel, looking through the sample, with everything final."""
    for name in ("Red", "Green", "Yellow"):
        view(name).SetFieldOfView(240.0, 240.0, 1.0)
        view(name).JumpSliceByCentering(0.0, 0.0, loaded.session.scan.geometry.axial_positions.mean())
    loaded.live.start_button.checked = True
    assert loaded.session.live.wait(SECONDS)
    loaded.live.tick()
    return loaded


def view(name: str) -> Any:
    import slicer

    return slicer.app.layoutManager().sliceWidget(name).mrmlSliceNode()


def composite(name: str) -> Any:
    import slicer

    return slicer.app.layoutManager().sliceWidget(name).mrmlSliceCompositeNode()


def volume(name: str) -> Any:
    import slicer

    return slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)


# ---- plots -------------------------------------------------------------------------------------------------------------


def test_values_and_timings_are_plotted(host: Host, looked: Any) -> None:
    import slicer

    manager, chart, live = slicer.app.layoutManager(), looked.live.chart, looked.live.live
    before = manager.layout
    assert chart.quantity.currentText == "total ms"
    chart.plot_button.click()
    plot = live.plot(chart.quantity.currentText)
    assert manager.plotWidget(0).mrmlPlotViewNode().GetPlotChartNode() is plot.chart
    assert {len(pairs) for pairs in plot.values.values()} == {1}
    assert set(plot.values) == {"Red", "Green", "Yellow"}
    finals = [result for result in live.history if result.level == "final" and result.key == "Red"]
    assert plot.values["Red"] == [(finals[-1].number, pytest.approx(1000 * finals[-1].seconds["total"]))]
    chart.quantity.currentIndex = next(i for i in range(chart.quantity.count) if chart.quantity.itemText(i) == "mean")
    view("Red").SetSliceOffset(view("Red").GetSliceOffset() + 5.0)
    host.wait_until(lambda: len(plot.values["Red"]) == 2, SECONDS)
    assert plot.chart.GetYAxisTitle() == "mean"
    assert plot.values["Red"][-1][1] == pytest.approx(live.history[-1].values["mean"])
    nodes = plot.nodes
    assert len(nodes) == 7
    looked.live.start_button.checked = False
    assert [node.GetScene() for node in nodes] == [None] * 7
    host.wait_until(lambda: manager.layout == before, SECONDS)


def test_the_chart_is_deleted_by_hand(host: Host, looked: Any) -> None:
    import slicer

    chart, live = looked.live.chart, looked.live.live
    chart.plot_button.click()
    slicer.mrmlScene.RemoveNode(live.plot("mean").chart)
    view("Red").SetSliceOffset(view("Red").GetSliceOffset() + 5.0)
    host.wait_until(lambda: not chart.plot_button.checked, SECONDS)
    chart.plot_button.click()
    assert live.plotted
    chart.plot_button.click()
    assert not live.plotted


# ---- other volumes -----------------------------------------------------------------------------------------------------


def test_the_user_s_background_stays_under_the_live_slice(host: Host, looked: Any) -> None:
    mine = volume("mine")
    live = looked.live.live
    composite("Red").SetBackgroundVolumeID(mine.GetID())
    view("Red").SetSliceOffset(view("Red").GetSliceOffset() + 3.0)
    assert looked.session.live.wait(SECONDS)
    assert composite("Red").GetBackgroundVolumeID() == mine.GetID()
    assert composite("Red").GetForegroundVolumeID() == live._followed["Red"].volume.node.GetID()
    looked.live.boxes["Red"].checked = False
    assert composite("Red").GetBackgroundVolumeID() == mine.GetID()
    assert (composite("Red").GetForegroundVolumeID(), composite("Red").GetForegroundOpacity()) == (None, 0.0)


def test_what_was_shown_before_and_is_gone_does_not_come_back(host: Host, loaded: Any) -> None:
    import slicer

    under, over = volume("under"), volume("over")
    composite("Red").SetBackgroundVolumeID(under.GetID())
    composite("Red").SetForegroundVolumeID(over.GetID())
    composite("Red").SetForegroundOpacity(0.3)
    loaded.live.start_button.checked = True
    slicer.mrmlScene.RemoveNode(under)
    loaded.live.start_button.checked = False
    assert (composite("Red").GetBackgroundVolumeID(), composite("Red").GetForegroundVolumeID()) == (None, over.GetID())
    assert composite("Red").GetForegroundOpacity() == pytest.approx(0.3)


# ---- growing -----------------------------------------------------------------------------------------------------------


def test_a_script_gives_the_views(host: Host, panel: Any, sample: Path) -> None:
    """No view is there at first, and nothing of the scan is shown but its slices."""
    from MITOReconstructionLib import open_scan
    from MITOReconstructionLib.live import GrowingScan

    whole = open_scan(sample)
    growing = GrowingScan(whole.geometry, name="callback", grid=whole.default_grid)
    slicing = panel.session.live
    live = slicing.start(growing)
    view("Red").JumpSliceByCentering(0.0, 0.0, whole.geometry.axial_positions.mean())
    slicing.follow(growing, "Red")
    assert panel.live.timer.isActive()  # the panel takes care of it
    for number in range(whole.geometry.views):
        growing.add_view(number, whole.projection(number))
    host.wait_until(lambda: bool(live.history) and live.history[-1].complete, SECONDS)
    assert live.history[-1].values["maximum"] > 0.01
    slicing.stop("callback")
    assert (slicing.running, live.context.alive) == ([], False)


# ---- scripts -----------------------------------------------------------------------------------------------------------


def test_the_example_runs(
    host: Host, widget: Any, sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    import nrrd
    import slicer.util

    ended: list[int] = []
    monkeypatch.setattr(slicer.util, "exit", ended.append)
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), str(sample), str(tmp_path / "slice.nrrd")])
    runpy.run_path(str(SCRIPT), run_name="__main__")
    out, err = capsys.readouterr()
    assert (ended, err) == ([0], "")
    assert [line.split(",")[0] for line in out.splitlines()] == ["Red: final", "Red: final"]
    image, header = nrrd.read(str(tmp_path / "slice.nrrd"))
    assert image.shape[2] == 1
    assert 0.01 < image.max() < 0.05
    assert header["space"] == "left-posterior-superior"


def test_the_panel_follows_a_script(host: Host, loaded: Any) -> None:
    from MITOReconstructionLib.live import LiveSettings
    from MITOReconstructionLib.live.plugins import Plugin, PluginStep
    from MITOReconstructionLib.methods import Parameters

    session = loaded.session
    own = PluginStep(Plugin("own", "My own", "Does nothing.", Parameters, lambda image, _parameters: image), Parameters())
    live = session.live.start(session.scan, session.shown, LiveSettings(filter_type="Hann"), plugins=[own])
    assert (loaded.live.start_button.checked, loaded.live.parameters.values["filter_type"]) == (True, "Hann")
    assert [row[0].name for row in loaded.live.chain.rows] == ["own"]
    assert live.engine.plugins == (own,)
    session.live.stop(session.scan.name)
    assert (loaded.live.start_button.checked, loaded.live.timer.isActive(), live.context.alive) == (False, False, False)


def test_every_scan_keeps_its_own_steering(host: Host, looked: Any, sample: Path, tmp_path: Path) -> None:
    part, first = looked.live, looked.session.scan.name
    part.parameters.fields["filter_type"].currentIndex = 4
    hann = part.parameters.values["filter_type"]
    part.chain.add("gaussian")
    looked.session.load(shutil.copytree(sample, tmp_path / "second"))
    part.start_button.checked = True
    part.parameters.fields["filter_type"].currentIndex = 0
    part.chain.rows[0][2].click()
    looked.session.opened.choose(first)
    assert part.parameters.values["filter_type"] == hann
    assert [row[0].name for row in part.chain.rows] == ["gaussian"]
    assert part.live.engine.settings.filter_type == hann


# ---- bad treatment -----------------------------------------------------------------------------------------------------


def test_a_plugin_that_blocks_does_not_block_the_panel(host: Host, looked: Any) -> None:
    import threading

    from MITOReconstructionLib.live.plugins import Plugin, PluginStep
    from MITOReconstructionLib.methods import Parameters

    entered, opened = threading.Event(), threading.Event()

    def run(image: np.ndarray, _parameters: Parameters) -> np.ndarray:
        entered.set()
        assert opened.wait(SECONDS)
        return image

    engine = looked.live.live.engine
    engine.process([PluginStep(Plugin("block", "Block", "Blocks.", Parameters, run), Parameters())])
    assert entered.wait(SECONDS)
    view("Red").SetSliceOffset(view("Red").GetSliceOffset() + 5.0)
    looked.live.tick()
    looked.live.start_button.checked = False
    assert looked.live.live is None
    opened.set()
    engine.close()


@pytest.mark.parametrize("state", ["at once", "busy", "with pins and a plot", "in the background"])
def test_the_scene_is_closed_in_every_state(host: Host, loaded: Any, state: str) -> None:
    import slicer

    session = loaded.session
    view("Red").JumpSliceByCentering(0.0, 0.0, session.scan.geometry.axial_positions.mean())
    loaded.live.start_button.checked = True
    live = loaded.live.live
    if state == "busy":
        loaded.live.tick()
    if state == "with pins and a plot":
        assert session.live.wait(SECONDS)
        loaded.live.tick()
        loaded.live.pins.pin_button.click()
        loaded.live.chart.plot_button.click()
        loaded.live.context.checked = True
        loaded.live.planes.checked = True
    if state == "in the background":
        session.live.stop(session.scan.name)
    host.close_scene()
    host.process_events()
    assert (session.live.running, loaded.live.live, loaded.live.timer.isActive()) == ([], None, False)
    assert slicer.mrmlScene.GetNumberOfNodesByClass("vtkMRMLPlotChartNode") == 0
    live.engine.close()


def test_views_that_come_and_go(host: Host, looked: Any) -> None:
    import slicer

    node, layers = slicer.vtkMRMLSliceNode(), slicer.vtkMRMLSliceCompositeNode()
    node.SetLayoutName("Purple")
    layers.SetLayoutName("Purple")
    for made in (node, layers):
        slicer.mrmlScene.AddNode(made)
    node.SetDimensions(64, 64, 1)
    node.SetFieldOfView(200.0, 200.0, 1.0)
    looked.live.tick()
    assert list(looked.live.boxes) == ["Red", "Green", "Yellow", "Purple"]
    node.JumpSliceByCentering(0.0, 0.0, looked.session.scan.geometry.axial_positions.mean())
    looked.live.boxes["Purple"].checked = True
    assert looked.session.live.wait(SECONDS)
    image = slicer.util.arrayFromVolume(slicer.mrmlScene.GetNodeByID(layers.GetForegroundVolumeID()))
    assert 0.01 < image.max() < 0.05
    for made in (layers, node):
        slicer.mrmlScene.RemoveNode(made)
    looked.live.tick()
    looked.live.tick()
    assert list(looked.live.boxes) == ["Red", "Green", "Yellow"]
    assert "Purple" not in looked.live.live.followed


def test_a_view_that_is_taken_out(host: Host, looked: Any) -> None:
    import slicer

    node, nodes = view("Yellow"), looked.live.live
    slicer.mrmlScene.RemoveNode(composite("Yellow"))
    slicer.mrmlScene.RemoveNode(node)
    looked.live.tick()
    assert nodes.followed == ["Red", "Green"]
    looked.live.start_button.checked = False
    assert looked.live.live is None
