"""Ways to open a sample besides the button 'Load': dropped files and folders, the file reader, Sample Data."""

from __future__ import annotations

import gc
import json
import os
import shutil
from pathlib import Path
from typing import Any

import numpy as np
import pytest

from MITOReconstructionLib.geometry import VolumeGrid

pytest.importorskip("slicer.util", reason="needs slicer-core")
pytest.importorskip("shiboken6", reason="needs PySide6-Essentials")

from SlicerHost import Host


@pytest.fixture
def data_folder(sample: Path, tmp_path: Path) -> Path:
    """A data folder with two samples, and files of others beside them."""
    for name in ("a", "b"):
        shutil.copytree(sample, tmp_path / "data" / name)
    listing = [{"folder": "a", "name": "Pine 16"}, {"folder": "b", "name": "Spruce 2"}]
    (tmp_path / "data" / "samples.json").write_text(json.dumps(listing))
    return tmp_path / "data"


# ---- the file reader -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("name", ["metadata.json", "sinogram.npy", ""])
def test_the_reader_loads_a_sample(host: Host, widget: Any, sample: Path, name: str) -> None:
    import slicer

    node = slicer.util.loadNodeFromFile(str(sample / name))
    assert node[0].GetName() == "cylinder projection" if isinstance(node, list) else node.GetName() == "cylinder projection"
    assert widget.panel.session.scan.name == "cylinder"
    assert widget.panel.data.folder.currentPath == str(sample)
    assert widget.panel.data.status.text == "cylinder is loaded."
    assert slicer.util.selectedModule() == "MITOReconstruction"


def test_the_reader_of_a_data_folder_lists_its_samples(host: Host, widget: Any, data_folder: Path) -> None:
    reader = host.file_reader("MITOReconstruction")
    assert reader.load({"fileName": str(data_folder / "samples.json")})
    assert reader.parent.loadedNodes == []
    combo = widget.panel.data.sample
    assert [combo.itemText(i) for i in range(combo.count)] == ["Pine 16", "Spruce 2"]
    assert widget.panel.session.scan is None


def test_the_reader_is_sure_of_its_own_files_only(host: Host, widget: Any, data_folder: Path, tmp_path: Path) -> None:
    reader = host.file_reader("MITOReconstruction")
    (tmp_path / "metadata.json").write_text('{"title": "somebody else\'s"}')
    (tmp_path / "samples.json").write_text("[1, 2]")
    (tmp_path / "scene.json").write_text("{}")
    shutil.copy(data_folder / "a" / "sinogram.npy", tmp_path / "sinogram.npy")
    ours = ["samples.json", "a/metadata.json", "a/sinogram.npy", "a", ""]
    others = ["a/angles.npy", "../metadata.json", "../samples.json", "../scene.json", "../sinogram.npy", "../nowhere.json"]
    assert [reader.canLoadFileConfidence(str(data_folder / name)) for name in ours] == [0.9] * 5
    assert [reader.canLoadFileConfidence(str(data_folder / name)) for name in others] == [0.0] * 6
    assert reader.canLoadFile(str(data_folder / "a"))
    assert (reader.description(), reader.fileType()) == ("MITO sample", "MITOSample")
    assert reader.extensions() == ["MITO sample (*.json *.npy)"]


def test_the_reader_says_what_is_wrong(host: Host, widget: Any, data_folder: Path) -> None:
    import slicer

    (data_folder / "a" / "angles.npy").unlink()
    with pytest.raises(RuntimeError, match=r"angles\.npy"):
        slicer.util.loadNodeFromFile(str(data_folder / "a" / "metadata.json"))
    assert widget.panel.session.scan is None


def test_the_reader_without_the_packages(host: Host, widget: Any, sample: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    import slicer

    monkeypatch.setattr(type(widget.logic), "missing_requirements", lambda *_: ["numba>=0.61"])
    with pytest.raises(RuntimeError, match="press Install"):
        slicer.util.loadNodeFromFile(str(sample / "metadata.json"))


# ---- drag and drop ---------------------------------------------------------------------------------------------------


def test_a_folder_dropped_on_the_window(host: Host, widget: Any, sample: Path) -> None:
    host.answers.give("qSlicerIOManager.dropEvent", "Open as MITO sample")
    host.drop(sample)
    assert widget.panel.session.scan.name == "cylinder"


def test_a_folder_dropped_on_the_window_as_any_data(host: Host, widget: Any, sample: Path) -> None:
    loads = []
    widget.panel.session.scan_changed.connect(lambda: loads.append(1))
    host.answers.give("qSlicerIOManager.dropEvent", "Any Data")
    host.drop(sample)
    assert widget.panel.session.scan.name == "cylinder"
    assert len(loads) == 1  # metadata.json and sinogram.npy are both read, and are one sample


def test_a_file_dropped_on_the_window(host: Host, widget: Any, sample: Path) -> None:
    host.drop(sample / "metadata.json")
    assert widget.panel.session.scan.name == "cylinder"


def test_other_folders_are_left_to_slicer(host: Host, widget: Any, tmp_path: Path) -> None:
    (tmp_path / "notes.txt").write_text("x")
    host.drop(tmp_path)  # no question: nothing but 'Any Data' takes it
    assert widget.panel.session.scan is None


def test_what_cannot_be_opened_is_said_once(host: Host, widget: Any, sample: Path, tmp_path: Path) -> None:
    shutil.copytree(sample, tmp_path / "broken")
    (tmp_path / "broken" / "shifts.npy").unlink()
    host.answers.give("qSlicerIOManager.dropEvent", "Open as MITO sample")
    host.drop(tmp_path / "broken")
    assert [shown.dialog for shown in host.answers.shown][1:] == ["slicer.util.errorDisplay"]
    assert "shifts.npy" in host.answers.shown[1].text
    assert len(host.take_errors()) == 1  # tryWithErrorDisplay shows it and raises it again, for the console


def test_dropped_on_the_panels_path(host: Host, panel: Any, sample: Path, data_folder: Path, tmp_path: Path) -> None:
    field = panel.data.folder.findChildren("QLineEdit")[0]
    host.drop(sample, on=field)
    assert (panel.session.scan.name, panel.data.folder.currentPath) == ("cylinder", str(sample))
    host.drop(data_folder, on=panel.data.load_button)
    assert panel.data.sample.currentText == "Pine 16"
    assert panel.session.scan.name == "cylinder"  # several samples: the person chooses
    host.drop(data_folder / "b" / "sinogram.npy", on=panel.data.folder)
    assert panel.session.scan.name == "b"
    host.drop(tmp_path, on=field)
    assert "samples.json" in panel.data.status.text


# ---- Sample Data -----------------------------------------------------------------------------------------------------


@pytest.fixture
def sample_data(host: Host, widget: Any, monkeypatch: pytest.MonkeyPatch) -> Any:
    """The Sample Data module after the application has started; the simulation is made coarse."""
    import SampleData

    from MITOReconstructionLib.session import sample_data

    host.samples.clear()
    host.startup()
    coarse = sample_data.load_simulated_log
    monkeypatch.setattr(sample_data, "load_simulated_log", lambda session, **words: coarse(session, scale=120.0, **words))
    yield SampleData.SampleDataLogic
    for folder in Path(host.scene.GetCacheManager().GetRemoteCacheDirectory()).glob("MITOReconstruction"):
        shutil.rmtree(folder)


def test_sample_data_are_registered(host: Host, sample_data: Any) -> None:
    entry = next(entry for entry in host.samples if entry["category"] == "MITO Reconstruction")
    assert entry["sampleName"] == "Simulated log"
    assert Path(entry["thumbnailFileName"]).is_file()
    assert "uris" not in entry


def test_sample_data_are_simulated_once(host: Host, widget: Any, sample_data: Any) -> None:
    nodes = sample_data.downloadSample("Simulated log")
    assert [node.GetScene() for node in nodes] == [host.scene] * 3
    folder = widget.panel.session.scan.folder
    assert folder.is_relative_to(host.scene.GetCacheManager().GetRemoteCacheDirectory())
    assert widget.panel.data.status.text == f"{folder.name} is loaded."
    assert widget.panel.session.job is None
    written = (folder / "sinogram.npy").stat().st_mtime_ns
    host.close_scene()
    assert sample_data.downloadSample("Simulated log")
    assert (folder / "sinogram.npy").stat().st_mtime_ns == written


def test_sample_data_while_something_runs(host: Host, widget: Any, loaded: Any, sample_data: Any) -> None:
    loaded.reconstruction.start_button.click()
    with pytest.raises(ValueError, match="Wait for its end"):
        sample_data.downloadSample("Simulated log")
    host.wait_until(lambda: loaded.session.job is None)


# ---- large samples, and many of them ---------------------------------------------------------------------------------


@pytest.fixture(scope="session")
def wide_sample(tmp_path_factory: pytest.TempPathFactory) -> Path:
    """A few views on the real scanner's detector."""
    from MITOReconstructionLib.scan.simulation import mito_geometry
    from MITOReconstructionLib.scan.writing import write_sample

    geometry = mito_geometry(1, turns=1.0, views_per_turn=6)
    blocks = np.random.default_rng(0).random((6, 1, geometry.detector.columns, geometry.detector.rows), np.float32)
    grid = VolumeGrid((-50.0, -50.0, 250.0), (50.0, 50.0, 300.0), (10, 10, 5))
    return write_sample(tmp_path_factory.mktemp("wide") / "wide", geometry, grid, list(blocks))


@pytest.mark.skipif(not Path("/proc/self/statm").exists(), reason="the memory of a process is read from Linux's /proc")
def test_memory_is_steady_over_many_loads(host: Host, panel: Any, wide_sample: Path) -> None:
    """A projection is 1.4 MiB: where one were kept at each load, memory would grow by 34 MiB here."""

    def resident() -> float:
        gc.collect()
        return int(Path("/proc/self/statm").read_text().split()[1]) * os.sysconf("SC_PAGE_SIZE") / 2**20

    panel.data.folder.currentPath = str(wide_sample)
    panel.projections.layout_box.click()
    memory = []
    for number in range(40):
        panel.data.load_button.click()
        panel.projections.slider.value = number % 6
        if number in (14, 39):
            host.wait_until(lambda: panel.reconstruction.estimate.known)  # which takes memory too, while it is made
            memory.append(resident())
    panel.projections.layout_box.click()
    assert memory[1] - memory[0] < 20


def test_opening_reads_a_few_views_and_no_more(host: Host, panel: Any, sample: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    from MITOReconstructionLib.scan.npy import ArrayFile

    ranges = []
    read = ArrayFile.read
    monkeypatch.setattr(ArrayFile, "read", lambda self, first, last, out=None: ranges.append((first, last)) or read(self, first, last, out))
    panel.data.folder.currentPath = str(sample)
    panel.data.load_button.click()
    assert all(last - first == 1 for first, last in ranges)
    assert len(ranges) < 10 < panel.session.scan.geometry.views


# ---- without Qt ------------------------------------------------------------------------------------------------------


def test_the_logic_opens_too(host: Host, widget: Any, sample: Path, data_folder: Path) -> None:
    logic = widget.logic
    projection, *_ = logic.open(sample / "metadata.json")
    assert projection.GetName() == "cylinder projection"
    scan = logic.session.scan
    assert logic.open(sample)[0] is projection
    assert logic.session.scan is scan  # it was open
    assert logic.open(data_folder) == []
    with pytest.raises(ValueError, match=r"nowhere"):
        logic.open(data_folder / "nowhere")
