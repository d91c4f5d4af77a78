"""Several runs: the queue, previews and the residual plot, driven through the widgets."""

from __future__ import annotations

import contextlib
import shutil
import threading
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("slicer.util", reason="needs slicer-core")
pytest.importorskip("shiboken6", reason="needs PySide6-Essentials")

from SlicerHost import Host

from MITOReconstructionLib.jobs import Job
from MITOReconstructionLib.jobs import preview as preview_module
from MITOReconstructionLib.methods import methods

NAME, STATE, LEFT, BUTTON = range(4)


def choose(panel: Any, method: str, **values: Any) -> None:
    panel.reconstruction.method.currentIndex = list(methods()).index(method)
    for name, value in values.items():
        panel.reconstruction.parameters.fields[name].value = value


def start(panel: Any, method: str, **values: Any) -> Any:
    choose(panel, method, **values)
    panel.reconstruction.start_button.click()
    return panel.session.runs[len(panel.session.runs) - 1]


def column(panel: Any, which: int) -> list[str]:
    table = panel.reconstruction.queue.table
    return [table.item(row, which).text() for row in range(table.rowCount)]


def press(panel: Any, row: int) -> None:
    panel.reconstruction.queue.table.cellWidget(row, BUTTON).click()


def finish(host: Host, panel: Any) -> None:
    host.wait_until(lambda: panel.session.job is None)


@contextlib.contextmanager
def held_ends() -> Iterator[threading.Event]:
    """No run that works in a thread ends until this is set."""
    ends, end = threading.Event(), Job._end

    def later(job: Job, *what: Any) -> None:
        assert threading.current_thread() is threading.main_thread() or ends.wait(300)
        end(job, *what)

    with pytest.MonkeyPatch.context() as patch:
        patch.setattr(Job, "_end", later)
        yield ends


@pytest.fixture
def often(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(preview_module, "PREVIEW_SECONDS", 0.0)


# ---- the queue ---------------------------------------------------------------------------------------------------------


def test_runs_wait_for_their_turn(host: Host, loaded: Any) -> None:
    queue = loaded.reconstruction.queue
    assert not queue.table.visible
    start(loaded, "landweber", iterations=100000)
    start(loaded, "fbp")
    start(loaded, "fbp")
    assert column(loaded, NAME) == ["landweber (cylinder)", "fbp (cylinder)", "fbp 2 (cylinder)"]
    host.wait_until(lambda: "residual" in loaded.reconstruction.status.text)
    assert column(loaded, STATE)[0].startswith("running, ")
    assert column(loaded, STATE)[1:] == ["waiting", "waiting"]
    press(loaded, 1)
    assert column(loaded, STATE)[1] == "cancelled"
    with held_ends() as ends:
        loaded.reconstruction.cancel_button.click()
        assert column(loaded, STATE)[0] == "cancelling"
        ends.set()
    finish(host, loaded)
    assert column(loaded, STATE) == ["cancelled", "cancelled", "done"]
    assert [queue.table.cellWidget(row, BUTTON).text for row in range(3)] == ["Remove"] * 3
    assert [node.GetName() for node in loaded.session.results()] == ["fbp 2"]
    assert loaded.reconstruction.status.text == "Done: fbp 2"
    press(loaded, 0)
    assert column(loaded, NAME) == ["fbp (cylinder)", "fbp 2 (cylinder)"]
    queue.clear_button.click()
    assert (queue.table.rowCount, queue.table.visible, len(loaded.session.runs)) == (0, False, 0)
    assert [node.GetName() for node in loaded.session.results()] == ["fbp 2"]


def test_a_run_that_fails_does_not_stop_the_next(host: Host, loaded: Any, monkeypatch: pytest.MonkeyPatch) -> None:
    start(loaded, "fbp")
    monkeypatch.setattr(type(loaded.session.runs[0].job), "_work", fail_second(type(loaded.session.runs[0].job)._work))
    start(loaded, "sirt", iterations=2)
    start(loaded, "fbp")
    finish(host, loaded)
    assert column(loaded, STATE) == ["done", "failed", "done"]
    assert "sawdust" in loaded.session.runs[1].error
    queue = loaded.reconstruction.queue
    assert "sawdust" in queue.table.item(1, STATE).toolTip()
    queue.choose(loaded.session.runs[1])
    assert "sirt: The run failed: OSError: sawdust" in queue.status.text
    assert [node.GetName() for node in loaded.session.results()] == ["fbp", "fbp 2"]


def fail_second(work: Any) -> Any:
    def failing(job: Any) -> Any:
        if job.name == "sirt":
            raise OSError("sawdust")
        return work(job)

    return failing


def test_two_scans_in_one_queue(host: Host, loaded: Any, sample: Path, tmp_path: Path) -> None:
    import slicer

    shutil.copytree(sample, tmp_path / "pine")
    start(loaded, "landweber", iterations=100000)
    loaded.data.folder.currentPath = str(tmp_path / "pine")
    loaded.data.load_button.click()
    start(loaded, "fbp")
    assert column(loaded, NAME) == ["landweber (cylinder)", "fbp (pine)"]
    press(loaded, 0)
    finish(host, loaded)
    (node,) = loaded.session.results()
    assert node.GetAttribute("MITO.scan") == "pine"
    hierarchy = slicer.mrmlScene.GetSubjectHierarchyNode()
    assert hierarchy.GetItemName(hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node))) == "pine"


@pytest.mark.parametrize("process", [False, True])
def test_landweber_in_either_place_is_cancelled(host: Host, loaded: Any, process: bool) -> None:
    loaded.reconstruction.process.checked = process
    run = start(loaded, "landweber", iterations=100000)
    host.wait_until(lambda: len(run.residuals) > 1)
    press(loaded, 0)
    finish(host, loaded)
    assert (column(loaded, STATE), loaded.session.results()) == (["cancelled"], [])


def test_what_is_over_is_held_once(host: Host, loaded: Any) -> None:
    run = start(loaded, "fbp")
    finish(host, loaded)
    assert (run.job, run.scan, run.state) == (None, None, "done")
    assert run.node == loaded.session.results()[0].GetID()


# ---- previews ----------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("process", [False, True])
@pytest.mark.usefixtures("often")
def test_a_preview_is_shown_and_goes(host: Host, loaded: Any, process: bool) -> None:
    import slicer

    start(loaded, "fbp")
    finish(host, loaded)
    first = loaded.session.results()[0]
    red = slicer.app.layoutManager().sliceWidget("Red").mrmlSliceCompositeNode()
    loaded.reconstruction.process.checked = process
    run = start(loaded, "landweber", iterations=100000)
    node = host.wait_until(lambda: run.preview and run.preview.node)
    host.wait_until(lambda: red.GetBackgroundVolumeID() == node.GetID())
    assert node.GetName() == "landweber (preview)"
    assert slicer.util.arrayFromVolume(node).max() > 0
    early = int(node.GetAttribute("MITO.iteration"))
    host.wait_until(lambda: int(node.GetAttribute("MITO.iteration")) > early)
    assert run.preview.node is node
    assert loaded.session.results() == [first]
    loaded.reconstruction.cancel_button.click()
    finish(host, loaded)
    assert node.GetScene() is None
    assert red.GetBackgroundVolumeID() == first.GetID()
    assert slicer.util.getNodes("*preview*") == {}


@pytest.mark.usefixtures("often")
def test_the_result_takes_the_place_of_the_preview(host: Host, loaded: Any) -> None:
    import slicer

    run = start(loaded, "landweber", iterations=100000)
    host.wait_until(lambda: run.preview)
    run.job.finish()
    finish(host, loaded)
    assert [node.GetName() for node in loaded.session.results()] == ["landweber"]
    red = slicer.app.layoutManager().sliceWidget("Red").mrmlSliceCompositeNode()
    assert red.GetBackgroundVolumeID() == run.node
    assert slicer.util.getNodes("*preview*") == {}


@pytest.mark.usefixtures("often")
def test_previews_are_not_made_where_none_are_wanted(host: Host, loaded: Any) -> None:
    part = loaded.reconstruction
    choose(loaded, "fbp")
    assert not part._preview_row.visible
    choose(loaded, "landweber", iterations=100000)
    assert part._preview_row.visible
    part.previews.value = 0
    part.start_button.click()
    run = loaded.session.runs[0]
    host.wait_until(lambda: len(run.residuals) > 5)
    assert run.preview is None
    assert run.job._monitor._preview is None
    part.cancel_button.click()
    finish(host, loaded)


@pytest.mark.usefixtures("often")
def test_closing_the_scene_while_a_preview_is_shown(host: Host, loaded: Any) -> None:
    import slicer

    run = start(loaded, "landweber", iterations=100000)
    start(loaded, "fbp")
    host.wait_until(lambda: run.preview)
    host.close_scene()
    finish(host, loaded)
    assert [entry.state for entry in loaded.session.runs] == ["cancelled", "cancelled"]
    assert slicer.util.getNodes("*preview*") == {}
    assert loaded.session.results() == []


@pytest.mark.usefixtures("often")
def test_a_preview_is_not_saved_with_the_scene(host: Host, loaded: Any, tmp_path: Path) -> None:
    import slicer

    run = start(loaded, "landweber", iterations=100000)
    host.wait_until(lambda: run.preview)
    host.save_scene(tmp_path / "scene.mrb")
    loaded.reconstruction.cancel_button.click()
    finish(host, loaded)
    host.open_scene(tmp_path / "scene.mrb")
    assert slicer.util.getNodes("*preview*") == {}


# ---- residuals ---------------------------------------------------------------------------------------------------------


def test_the_residuals_are_plotted_live(host: Host, loaded: Any, tmp_path: Path) -> None:
    import slicer

    manager = slicer.app.layoutManager()
    before, queue = manager.layout, loaded.reconstruction.queue
    run = start(loaded, "landweber", iterations=100000)
    assert not queue.plot_button.enabled
    host.wait_until(lambda: queue.plot_button.enabled)
    queue.plot_button.click()
    assert manager.plotViewCount == 1
    assert manager.plotWidget(0).mrmlPlotViewNode().GetPlotChartNode() is run.plot.chart
    few = len(run.plot.values)
    host.wait_until(lambda: len(run.plot.values) > few + 3)
    numbers, residuals = zip(*run.plot.values, strict=True)
    assert list(numbers) == list(range(1, len(numbers) + 1))
    assert residuals[0] > residuals[-1] > 0
    assert run.plot.chart.GetYAxisTitle() == "Relative residual"
    assert run.plot.chart.GetYAxisLogScale()
    loaded.reconstruction.cancel_button.click()
    finish(host, loaded)
    picture = host.grab(manager.plotWidget(0), tmp_path / "plot.png", views=True)
    assert coloured(picture) > 50
    queue.plot_button.click()
    assert (manager.layout, manager.plotViewCount) == (before, 0)
    nodes = run.plot.nodes
    queue.clear_button.click()
    assert [node.GetScene() for node in nodes] == [None, None, None]


def coloured(picture: Path) -> int:
    import qt

    image = qt.QImage(str(picture))
    pixels = (image.pixelColor(x, y) for x in range(image.width()) for y in range(30, image.height()))
    return sum(1 for pixel in pixels if pixel.blue() > pixel.red() + 60)


def test_one_chart_for_each_run(host: Host, loaded: Any) -> None:
    import slicer

    queue = loaded.reconstruction.queue
    one, two = start(loaded, "sirt", iterations=3), start(loaded, "landweber", iterations=2)
    finish(host, loaded)
    queue.choose(one)
    queue.plot_button.click()
    queue.choose(two)
    view = slicer.app.layoutManager().plotWidget(0).mrmlPlotViewNode()
    assert view.GetPlotChartNode() is two.plot.chart
    assert [len(run.plot.values) for run in (one, two)] == [3, 2]
    queue.choose(one)
    assert view.GetPlotChartNode() is one.plot.chart
    press(loaded, 0)
    assert (queue.plot_button.checked, two.plot.alive, one.plot.alive) == (False, True, False)
    host.close_scene()
    assert queue.table.rowCount == 0


def test_closing_the_scene_while_residuals_are_plotted(host: Host, loaded: Any) -> None:
    import slicer

    before, queue = slicer.app.layoutManager().layout, loaded.reconstruction.queue
    start(loaded, "landweber", iterations=100000)
    host.wait_until(lambda: queue.plot_button.enabled)
    queue.plot_button.click()
    host.close_scene()
    finish(host, loaded)
    host.process_events()
    assert (queue.plot_button.checked, slicer.app.layoutManager().layout) == (False, before)
    assert slicer.util.getNodes("*residuals*") == {}
    queue.clear_button.click()
    assert queue.table.rowCount == 0


def test_a_chart_that_was_deleted_is_made_again(host: Host, loaded: Any) -> None:
    run = start(loaded, "landweber", iterations=2)
    finish(host, loaded)
    queue = loaded.reconstruction.queue
    queue.plot_button.click()
    for node in run.plot.nodes:
        loaded.session.scene.RemoveNode(node)
    queue.plot_button.click()
    assert not queue.plot_button.checked
    queue.plot_button.click()
    assert run.plot.alive
    assert len(run.plot.values) == 2
    queue.plot_button.click()


# ---- without Qt --------------------------------------------------------------------------------------------------------


def test_the_same_without_widgets(host: Host, widget: Any, sample: Path) -> None:
    session = widget.logic.session
    session.load(sample)
    landweber = session.start(method="landweber", parameters={"iterations": 3}, preview_every=1)
    fbp = session.start(name="mine")
    assert (session.job, len(session.runs)) == (landweber, 2)
    assert session.wait(300)
    assert (landweber.state, fbp.state, session.job) == ("done", "done", None)
    assert [node.GetName() for node in session.results()] == ["landweber", "mine"]
    plot = session.runs.plot(session.runs[0])
    assert [number for number, _ in plot.values] == [1, 2, 3]
    session.start(method="landweber", parameters={"iterations": 100000})
    assert not session.wait(0.2)
    session.cancel()
    assert session.wait(300)
    assert [run.state for run in session.runs] == ["done", "done", "cancelled"]
