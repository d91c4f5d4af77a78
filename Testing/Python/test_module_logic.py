"""The module file without Slicer: slicer-core, and small stand-ins for what the application adds (no Qt is needed)."""

from __future__ import annotations

import importlib.util
import sys
import textwrap
from collections.abc import Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace

import numpy as np
import pytest

from MITOReconstructionLib.errors import InputError
from MITOReconstructionLib.geometry import VolumeGrid
from MITOReconstructionLib.scan import open_scan
from MITOReconstructionLib.scan.phantoms import cylinder
from MITOReconstructionLib.scan.simulation import mito_geometry, simulate

slicer = pytest.importorskip("slicer")
pytest.importorskip("slicer.util")
ROOT = Path(__file__).parents[2]


def stand_in(name: str, **content: object) -> ModuleType:
    module = ModuleType(name)
    vars(module).update(content)
    return module


class Base:
    """Stands in for the base classes of a scripted module."""

    def __init__(self, parent: object = None) -> None:
        self.parent = parent

    def setup(self) -> None:
        self.layout = SimpleNamespace(addLayout=lambda layout: None, addStretch=lambda stretch: None)


@pytest.fixture
def module(monkeypatch: pytest.MonkeyPatch) -> Iterator[ModuleType]:
    names = ["ScriptedLoadableModule", *(f"ScriptedLoadableModule{part}" for part in ("Logic", "Test", "Widget"))]
    bases = {name: type(name, (Base,), {}) for name in names}
    monkeypatch.setitem(sys.modules, "slicer.ScriptedLoadableModule", stand_in("slicer.ScriptedLoadableModule", **bases))
    monkeypatch.setitem(sys.modules, "slicer.i18n", stand_in("slicer.i18n", tr=lambda text: text))
    monkeypatch.setattr(slicer, "mrmlScene", slicer.vtkMRMLScene(), raising=False)
    before = {name for name in sys.modules if name in ("qt", "ctk")}
    spec = importlib.util.spec_from_file_location("MITOReconstruction", ROOT / "MITOReconstruction" / "MITOReconstruction.py")
    loaded = importlib.util.module_from_spec(spec)
    monkeypatch.setitem(sys.modules, "MITOReconstruction", loaded)
    spec.loader.exec_module(loaded)
    assert {name for name in sys.modules if name in ("qt", "ctk")} == before
    yield loaded
    slicer.mrmlScene.Clear()


def test_the_description_is_whole(module: ModuleType) -> None:
    parent = SimpleNamespace()
    module.MITOReconstruction(parent)
    assert parent.title == "MITO Reconstruction"
    assert parent.categories == ["Tomographic Reconstruction"]
    assert module.HOMEPAGE in parent.helpText
    assert parent.contributors
    assert parent.acknowledgementText


def test_the_library_is_found_above_the_module(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(sys, "path", [entry for entry in sys.path if Path(entry or ".").resolve() != ROOT])
    kept = {name: sys.modules.pop(name) for name in list(sys.modules) if name.partition(".")[0] == "MITOReconstructionLib"}
    try:
        found = module.library("monitor")
        assert Path(found.__file__) == ROOT / "MITOReconstructionLib" / "monitor.py"
    finally:
        for name in [name for name in sys.modules if name.partition(".")[0] == "MITOReconstructionLib"]:
            del sys.modules[name]
        sys.modules.update(kept)


# ---- packages ----------------------------------------------------------------------------------------------------


def test_requirements_are_read_and_looked_for(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    logic = module.MITOReconstructionLogic
    assert logic.requirements() == ["numba>=0.61", "pynrrd>=1.1.1"]
    assert logic.missing_requirements() == []
    monkeypatch.setattr(logic, "requirements", lambda: ["numba>=0.61", "no_such_package>=1.0"])
    assert logic.missing_requirements() == ["no_such_package>=1.0"]


def test_packages_are_installed_by_slicer_packaging(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    calls: list[object] = []
    missing = iter([["numba>=0.61"], []])
    monkeypatch.setattr(module.MITOReconstructionLogic, "missing_requirements", lambda: next(missing))
    packaging = stand_in("slicer.packaging", pip_ensure=lambda wanted, requester: calls.append((wanted, requester)))
    monkeypatch.setitem(sys.modules, "slicer.packaging", packaging)
    module.MITOReconstructionLogic.install_requirements()
    assert calls == [(["numba>=0.61"], "MITOReconstruction")]


@pytest.mark.parametrize("agrees", [True, False])
def test_older_slicer_asks_before_it_installs(module: ModuleType, monkeypatch: pytest.MonkeyPatch, agrees: bool) -> None:
    calls: list[str] = []
    monkeypatch.setitem(sys.modules, "slicer.packaging", None)
    monkeypatch.setattr(module.MITOReconstructionLogic, "missing_requirements", lambda: [] if calls else ["numba>=0.61"])
    monkeypatch.setattr(slicer.util, "confirmOkCancelDisplay", lambda text, title: agrees and "numba>=0.61" in text, raising=False)
    monkeypatch.setattr(slicer.util, "pip_install", calls.append, raising=False)
    if agrees:
        module.MITOReconstructionLogic.install_requirements()
        assert calls == ['"numba>=0.61"']
    else:
        with pytest.raises(RuntimeError, match=r"Not installed: numba>=0\.61\. It was declined"):
            module.MITOReconstructionLogic.install_requirements()
        assert calls == []


def test_nothing_is_installed_where_nothing_is_missing(module: ModuleType, monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setitem(sys.modules, "slicer.packaging", stand_in("slicer.packaging"))  # any use of it would raise
    module.MITOReconstructionLogic.install_requirements()


# ---- samples and scans -------------------------------------------------------------------------------------------


def test_samples_of_a_data_folder_and_of_a_sample(module: ModuleType, tmp_path: Path) -> None:
    logic = module.MITOReconstructionLogic()
    (tmp_path / "pine").mkdir()
    (tmp_path / "pine" / "metadata.json").write_text("{}")
    (tmp_path / "samples.json").write_text('[{"folder": "pine", "name": "Pine 16"}]')
    assert logic.samples(tmp_path) == [("Pine 16", tmp_path / "pine")]
    assert logic.samples(tmp_path / "pine") == [("pine", tmp_path / "pine")]
    with pytest.raises(InputError, match=r"expected a data folder"):
        logic.samples(tmp_path / "none")


def test_scan_and_volume_are_shown_in_the_scene(module: ModuleType, tmp_path: Path) -> None:
    simulate(tmp_path / "cylinder", cylinder(30.0), mito_geometry(scale=60, turns=1.0))
    scan = open_scan(tmp_path / "cylinder")
    grid = VolumeGrid((-10.0, -10.0, 270.0), (10.0, 10.0, 284.0), (5, 4, 3))
    array = np.arange(60, dtype=np.float32).reshape(grid.shape)
    logic = module.MITOReconstructionLogic()
    node = logic.show_volume(SimpleNamespace(array=array, grid=grid, provenance={"method": "fbp"}), scan)
    assert node.GetScene() is slicer.mrmlScene
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(node), array.transpose(2, 1, 0))
    assert logic.show_scan(scan, 3) is logic.show_scan(scan)
    kept = logic.show_scan(scan)
    slicer.mrmlScene.Clear()  # forgets by itself
    assert logic.show_scan(scan) is not kept
    logic.close()
    other = slicer.vtkMRMLScene()
    assert module.MITOReconstructionLogic(other).show_scan(scan).scene is other


# ---- with the library --------------------------------------------------------------------------------------------


def library_is_whole() -> bool:
    import MITOReconstructionLib

    return hasattr(MITOReconstructionLib, "reconstruct")


@pytest.mark.skipif(not library_is_whole(), reason="needs MITOReconstructionLib.reconstruct")
def test_the_self_test_passes(module: ModuleType) -> None:
    module.MITOReconstructionTest().runTest()


@pytest.mark.skipif(not library_is_whole(), reason="needs MITOReconstructionLib.reconstruct")
def test_a_started_job_gives_scan_and_volume(module: ModuleType, tmp_path: Path) -> None:
    simulate(tmp_path / "cylinder", cylinder(30.0), mito_geometry(scale=30, turns=2.0))
    grid = VolumeGrid((-10.0, -10.0, 270.0), (10.0, 10.0, 284.0), (5, 5, 2))
    logic = module.MITOReconstructionLogic()
    job = logic.start(tmp_path / "cylinder", grid=grid)
    assert job.wait(300)
    assert job.state == "done", job.error
    scan, volume = job.request.scan, job.volume
    assert volume.array.shape == grid.shape
    node = logic.show_volume(volume, scan)
    np.testing.assert_allclose(slicer.util.arrayFromVolume(node), volume.array.transpose(2, 1, 0))
    assert logic.show_scan(scan) is logic.show_scan(scan)


@pytest.mark.skipif(not library_is_whole(), reason="needs MITOReconstructionLib.reconstruct")
def test_the_example_of_the_logic_runs(module: ModuleType, monkeypatch: pytest.MonkeyPatch, tmp_path: Path) -> None:
    from MITOReconstructionLib.scene import load_scene, save_scene

    simulate(tmp_path / "pine_16_1", cylinder(30.0), mito_geometry(scale=40, turns=2.0))
    text = module.MITOReconstructionLogic.__doc__.partition("::\n\n")[2]
    changes = {"/data": str(tmp_path), "spacing=0.5": "spacing=10", '"iterations": 30': '"iterations": 2'}
    for old, new in changes.items():
        assert old in text
        text = text.replace(old, new)
    logic = module.MITOReconstructionLogic()
    monkeypatch.setattr(slicer.util, "getModuleLogic", lambda name: logic, raising=False)
    monkeypatch.setattr(slicer.util, "saveScene", lambda path: save_scene(slicer.mrmlScene, path), raising=False)
    exec(textwrap.dedent(text), {"slicer": slicer})
    assert (tmp_path / "pine-regions.json").is_file()
    assert logic.regions["Knot"].views is None
    other = module.MITOReconstructionLogic(load_scene(tmp_path / "pine.mrb"))
    assert ([scan.name for scan in other.scans], other.regions.chosen, other.state.method) == (["pine_16_1"], "Knot", "sirt")
    assert other.options["grid"] == logic.options["grid"]
    assert [node.GetName() for node in other.session.results()] == ["Knot"]
    other.close_scan("pine_16_1")
    with pytest.raises(InputError, match="expected one that is open: none"):
        other.choose_scan("pine_16_1")
    for made in (logic, other):
        made.close()
