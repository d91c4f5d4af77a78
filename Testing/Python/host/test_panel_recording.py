"""Scans that are loaded before they are complete, through the widgets."""

from __future__ import annotations

import shutil
import threading
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("slicer.util", reason="needs slicer-core")
pytest.importorskip("shiboken6", reason="needs PySide6-Essentials")

from SlicerHost import Host

SECONDS = 300
HEADER = 128
VIEWS = ("Red", "Green", "Yellow")


class Recorder:
    """A sample folder whose sinogram is written view by view."""

    def __init__(self, sample: Path, folder: Path) -> None:
        self.folder = Path(shutil.copytree(sample, folder))
        self.path = self.folder / "sinogram.npy"
        self.whole = self.path.read_bytes()
        self.views = len(np.load(self.folder / "angles.npy"))
        self.item = (len(self.whole) - HEADER) // self.views

    def write(self, views: int) -> None:
        """Have so many views in the file."""
        self.path.write_bytes(self.whole[: HEADER + views * self.item])

    def go_on(self, first: int) -> threading.Thread:
        """Append the views from ``first`` on, a few at a time, in a thread."""

        def append() -> None:
            with self.path.open("ab") as file:
                for start in range(HEADER + first * self.item, len(self.whole), 7 * self.item):
                    file.write(self.whole[start : start + 7 * self.item])
                    file.flush()

        thread = threading.Thread(target=append)
        thread.start()
        return thread


@pytest.fixture
def recorder(sample: Path, tmp_path: Path) -> Recorder:
    return Recorder(sample, tmp_path / "today")


def load(panel: Any, recorder: Recorder, growing: bool) -> None:
    panel.data.growing.checked = growing
    panel.data.folder.currentPath = str(recorder.folder)
    panel.data.load_button.click()


def image(name: str) -> np.ndarray:
    import slicer

    composite = slicer.app.layoutManager().sliceWidget(name).mrmlSliceCompositeNode()
    return slicer.util.arrayFromVolume(slicer.mrmlScene.GetNodeByID(composite.GetForegroundVolumeID())).copy()


def look_from_the_middle(panel: Any) -> None:
    import slicer

    for name in VIEWS:
        node = slicer.app.layoutManager().sliceWidget(name).mrmlSliceNode()
        node.SetFieldOfView(240.0, 240.0, 1.0)
        node.JumpSliceByCentering(0.0, 0.0, panel.session.scan.geometry.axial_positions.mean())


def test_a_short_scan_is_refused_with_the_way_out(panel: Any, recorder: Recorder) -> None:
    recorder.write(10)
    load(panel, recorder, growing=False)
    text = panel.data.status.text
    assert panel.data.status.failed
    assert "the file is truncated" in text
    assert f"10 of {recorder.views} views so far" in text
    assert f"tick '{panel.data.growing.text}'" in text
    assert f"press '{panel.data.recorded.stop_button.text}'" in text
    assert (panel.session.scan, panel.data.recorded.bar.visible) == (None, False)
    (recorder.folder / "angles.npy").unlink()  # nothing that time will mend
    load(panel, recorder, growing=True)
    assert panel.data.status.failed
    assert "tick" not in panel.data.status.text


@pytest.mark.parametrize("mode", ["continuous", "last complete turn"])
def test_a_scan_is_looked_through_while_it_is_recorded_and_reconstructed_when_it_is_complete(
    host: Host, panel: Any, recorder: Recorder, mode: str
) -> None:
    half, session = recorder.views // 2, panel.session
    recorder.write(half)
    load(panel, recorder, growing=True)
    host.check()
    assert "is being recorded" in panel.data.status.text
    assert (panel.data.recorded.bar.visible, panel.data.recorded.bar.value, panel.data.recorded.bar.maximum) == (True, half, recorder.views)
    assert not panel.reconstruction.start_button.enabled
    assert f"{half} of {recorder.views} views" in panel.reconstruction.estimate.status.text
    with pytest.raises(ValueError, match="still being recorded"):
        session.start(method="fbp")
    assert panel.projections.slider.maximum == half - 1
    panel.projections.slider.value = 5
    assert session.recording.look()
    assert session.shown.view == 5
    panel.projections.slider.value = half - 1
    look_from_the_middle(panel)
    fields = panel.live.parameters.fields
    assert fields["mode"].enabled
    fields["mode"].currentIndex = fields["mode"].findText(mode)
    panel.live.start_button.checked = True
    host.wait_until(lambda: f"{half} of {recorder.views} projections have come" in panel.live.status.text, SECONDS)
    live = panel.live.live
    thread = recorder.go_on(half)

    def complete() -> bool:
        newest = {result.key: result.complete for result in live.history}
        return session.recording.scans == [] and not live.engine.status().busy and len(newest) == 3 and all(newest.values())

    host.wait_until(complete, SECONDS)
    thread.join()
    assert panel.data.status.text == "today is loaded."
    assert (panel.data.recorded.bar.visible, panel.data.recorded.timer.active) == (False, False)
    assert panel.projections.slider.value == recorder.views - 1  # the newest view was followed
    np.testing.assert_array_equal(session.shown.projection.array, session.scan.projection(recorder.views - 1))
    assert panel.live.live is live
    grown = {name: image(name) for name in VIEWS}
    panel.reconstruction.start_button.click()
    host.wait_until(lambda: session.job is None and len(session.results()) == 1, SECONDS)
    panel.live.start_button.checked = False
    panel.data.load_button.click()  # as an ordinary scan
    assert not fields["mode"].enabled
    panel.live.start_button.checked = True
    assert session.live.wait(SECONDS)
    for name in VIEWS:
        np.testing.assert_allclose(grown[name], image(name), atol=2e-6)


def test_a_scan_is_loaded_before_its_first_view(host: Host, panel: Any, recorder: Recorder) -> None:
    recorder.write(0)
    load(panel, recorder, growing=True)
    host.check()
    assert (panel.projections.slider.enabled, panel.projections.status.text) == (False, "No view has been recorded yet.")
    assert panel.session.shown.projection.array.max() == 0.0
    panel.live.start_button.checked = True
    assert panel.session.live.wait(SECONDS)
    host.process_events()
    live = panel.live.live
    assert {result.level for result in live.history} >= {"final"}
    recorder.write(3)
    host.wait_until(lambda: panel.projections.slider.enabled, SECONDS)
    assert panel.projections.slider.value == 2
    shown, expected = panel.session.shown, panel.session.scan.projection(2)
    np.testing.assert_array_equal(shown.projection.array, expected)
    assert shown.projection.window[1] == pytest.approx(expected.max(), rel=0.05)
    recorder.write(recorder.views)
    host.wait_until(lambda: panel.reconstruction.start_button.enabled and live.window is not None, SECONDS)
    assert 0.01 < live.window[1] < 0.05  # of what has come, and not of the empty slices


def test_a_scene_is_saved_while_a_scan_is_recorded(host: Host, panel: Any, recorder: Recorder, tmp_path: Path) -> None:
    import slicer

    recorder.write(recorder.views // 2)
    load(panel, recorder, growing=True)
    assert slicer.util.saveScene(str(tmp_path / "so far.mrb"))
    for views in (recorder.views // 2 + 1, recorder.views):
        host.close_scene()
        recorder.write(views)
        slicer.util.loadScene(str(tmp_path / "so far.mrb"))
        host.process_events()
        assert panel.session.scan.name == "today"
        assert (panel.session.recording.scans == []) == (views == recorder.views)
        assert panel.reconstruction.start_button.enabled == (views == recorder.views)


def test_two_scans_are_recorded_and_one_is_begun_anew(host: Host, panel: Any, recorder: Recorder, sample: Path, tmp_path: Path) -> None:
    second, session = Recorder(sample, tmp_path / "beside"), panel.session
    for each in (recorder, second):
        each.write(30)
        load(panel, each, growing=True)
    panel.live.start_button.checked = True
    live = panel.live.live
    session.opened.choose("today")
    panel.live.start_button.checked = True
    second.write(second.views)
    host.wait_until(lambda: [scan.name for scan in session.recording.scans] == ["today"], SECONDS)
    assert session.scan.name == "today"
    assert not panel.reconstruction.start_button.enabled
    recorder.write(12)
    host.wait_until(lambda: panel.data.recorded.bar.value == 12, SECONDS)
    assert (session.live.running, panel.projections.slider.maximum) == (["beside"], 11)  # what was filtered is of no use
    panel.data.opened.combo.currentIndex = panel.data.opened.combo.findText("beside")
    assert panel.live.live is live
    assert panel.reconstruction.start_button.enabled
    assert panel.projections.slider.maximum == second.views - 1
    host.check()


def test_a_scan_that_is_corrected_at_its_end(host: Host, panel: Any, recorder: Recorder) -> None:
    recorder.write(30)
    load(panel, recorder, growing=True)
    panel.live.start_button.checked = True
    heights = np.load(recorder.folder / "axial_positions.npy")
    np.save(recorder.folder / "axial_positions.npy", heights + 50.0)
    recorder.write(recorder.views)
    host.wait_until(lambda: panel.reconstruction.start_button.enabled, SECONDS)
    assert panel.session.scan.geometry.axial_positions[0] == pytest.approx(heights[0] + 50.0)
    assert (panel.session.live.running, panel.data.recorded.bar.visible) == ([], False)


def test_what_goes_wrong_with_the_file_is_said_and_passes(host: Host, panel: Any, recorder: Recorder) -> None:
    """The file is gone for a while, and its header says in the end how many views there are."""
    recorder.write(20)
    load(panel, recorder, growing=True)
    away = recorder.path.rename(recorder.folder / "away.npy")
    host.wait_until(lambda: panel.data.status.failed, SECONDS)
    assert "sinogram.npy" in panel.data.status.text
    away.rename(recorder.path)
    host.wait_until(lambda: not panel.data.status.failed, SECONDS)
    with recorder.path.open("wb") as file:
        shape = (1, *panel.session.scan.projections.shape[1:])
        np.lib.format.write_array_header_1_0(file, {"descr": "<f4", "fortran_order": False, "shape": shape})
        assert file.tell() == HEADER
        file.write(recorder.whole[HEADER:])
    host.wait_until(lambda: panel.data.status.failed, SECONDS)
    assert "shape" in panel.data.status.text
    assert not panel.reconstruction.start_button.enabled
    recorder.write(recorder.views)
    host.wait_until(lambda: panel.reconstruction.start_button.enabled, SECONDS)
    assert panel.data.status.text == "today is loaded."


def test_a_recording_that_was_aborted_is_used_as_far_as_it_goes(
    host: Host, panel: Any, recorder: Recorder, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    import slicer

    from MITOReconstructionLib.panels import recorded_bar

    session, data, views = panel.session, panel.data, 3 * recorder.views // 4
    button = data.recorded.stop_button
    monkeypatch.setattr(recorded_bar, "QUIET_SECONDS", 1e9)
    recorder.write(0)
    load(panel, recorder, growing=True)
    assert (button.visible, button.enabled) == (True, False)
    monkeypatch.setattr(recorded_bar, "QUIET_SECONDS", 0.0)
    data.recorded.look()
    assert not button.enabled  # there is nothing to use
    monkeypatch.setattr(recorded_bar, "QUIET_SECONDS", 1e9)
    recorder.write(views)
    host.wait_until(lambda: data.recorded.bar.value == views, SECONDS)
    assert (button.enabled, "Views still come" in button.toolTip) == (False, True)
    monkeypatch.setattr(recorded_bar, "QUIET_SECONDS", 0.0)
    host.wait_until(lambda: bool(button.enabled), SECONDS)
    assert "aborted" in button.toolTip
    assert f"'{button.text}'" in panel.reconstruction.estimate.status.text
    button.click()
    host.check()
    assert data.status.text == f"today is loaded as far as it was recorded, {views} of {recorder.views} views."
    assert (button.visible, data.recorded.bar.visible, data.recorded.timer.active) == (False, False, False)
    told = [data.table.item(row, 1).text() for row in range(data.table.rowCount)]
    assert any(f"the last {recorder.views - views} are missing" in text for text in told)
    assert panel.projections.slider.maximum == views - 1
    assert (session.recording.scans, [scan.geometry.views for scan in session.opened.scans]) == ([], [views])
    panel.reconstruction.start_button.click()
    host.wait_until(lambda: session.job is None and len(session.results()) == 1, SECONDS)
    provenance = session.volume(session.results()[0]).provenance
    assert (provenance["recorded_views"], provenance["planned_views"]) == (views, recorder.views)
    assert slicer.util.saveScene(str(tmp_path / "aborted.mrb"))
    host.close_scene()
    slicer.util.loadScene(str(tmp_path / "aborted.mrb"))
    host.process_events()
    assert (session.scan.geometry.views, session.scan.planned_views, session.opened.trouble) == (views, recorder.views, "")
    session.opened.close("today")
    session.rerun(session.results()[0])  # opens the sample as it was
    assert session.wait(SECONDS)
    assert len(session.results()) == 2


def test_a_recording_is_aborted_beside_another_scan_and_its_file_is_gone(
    host: Host, panel: Any, recorder: Recorder, sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch
) -> None:
    from MITOReconstructionLib.panels import recorded_bar

    monkeypatch.setattr(recorded_bar, "QUIET_SECONDS", 0.0)
    second, session, button = Recorder(sample, tmp_path / "beside"), panel.session, panel.data.recorded.stop_button
    for each in (recorder, second):
        each.write(each.views - 20)
        load(panel, each, growing=True)
    host.wait_until(lambda: bool(button.enabled), SECONDS)
    away = second.path.rename(second.folder / "away.npy")
    button.click()
    assert panel.data.status.failed
    assert "sinogram.npy" in panel.data.status.text
    away.rename(second.path)
    first = next(scan for scan in session.recording.scans if scan.name == "today")
    assert session.recording.stop(first).planned_views == recorder.views  # by a script, while the other is looked at
    assert session.scan.name == "beside"
    assert [scan.name for scan in session.recording.scans] == ["beside"]
    host.wait_until(lambda: bool(button.enabled), SECONDS)
    button.click()
    assert (session.recording.scans, panel.data.status.failed) == ([], False)
    assert panel.reconstruction.start_button.enabled
    host.check()
