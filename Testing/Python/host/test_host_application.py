"""The application: layouts, modules, packages, sample data, and that nothing of it stays."""

from __future__ import annotations

import sys
from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("slicer.util", reason="needs slicer-core")
pytest.importorskip("shiboken6", reason="needs PySide6-Essentials")

from SlicerHost import Host, HostError, UnansweredError, launch

LAYOUT = """<layout type="horizontal"><item><view class="vtkMRMLViewNode" singletontag="1"/></item>
<item><view class="vtkMRMLSliceNode" singletontag="Projection"><property name="orientation" action="default">Axial</property>
<property name="viewlabel" action="default">P</property><property name="viewcolor" action="default">#AABBCC</property>
<property name="viewgroup" action="default">7</property></view></item></layout>"""

MODULE = """
import slicer
from slicer.ScriptedLoadableModule import *

class Tiny(ScriptedLoadableModule):
    def __init__(self, parent):
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = "Tiny"
        slicer.app.connect("startupCompleted()", register)

def register():
    import SampleData
    SampleData.SampleDataLogic.registerCustomSampleDataSource(category="MITO", sampleName="Log", customDownloader=lambda source: "made")

class TinyWidget(ScriptedLoadableModuleWidget):
    def setup(self):
        ScriptedLoadableModuleWidget.setup(self)
        import qt
        self.log = ["setup"]
        self.layout.addWidget(qt.QLabel("VERSION"))
    def enter(self): self.log.append("enter")
    def exit(self): self.log.append("exit")
    def cleanup(self): self.log.append("cleanup")

class TinyLogic(ScriptedLoadableModuleLogic): pass

class TinyFileReader:
    def __init__(self, parent): self.parent = parent
    def description(self): return "Tiny"
    def fileType(self): return "TinyFile"
    def extensions(self): return ["Tiny (*.tiny *.txt)"]
    def load(self, properties):
        if "broken" in properties["fileName"]:
            self.parent.userMessages().AddMessage(4, "it is broken")
            return False
        self.parent.loadedNodes = [slicer.mrmlScene.AddNewNodeByClass("vtkMRMLTextNode", "a").GetID()]
        return True

class TinyFileDialog:
    def __init__(self, parent):
        self.parent = parent
        parent.fileType, parent.description, parent.action = "TinyFolder", "Tiny folder", slicer.qSlicerFileDialog.Read
        self.dropped = []
    def isMimeDataAccepted(self):
        self.paths = [url.toLocalFile() for url in self.parent.mimeData().urls()]
        self.parent.acceptMimeData(self.paths[0].endswith("folder"))
    def dropEvent(self): self.dropped.append(self.paths[0])
"""


@pytest.fixture
def tiny(host: Host, tmp_path: Path):
    (tmp_path / "Tiny.py").write_text(MODULE)
    yield host.load_module(tmp_path / "Tiny.py")
    host.select_module("")


def test_the_application_is_strict(host: Host) -> None:
    import slicer

    for place in (slicer.app, slicer.modules, slicer.app.layoutManager(), slicer.util.mainWindow()):
        with pytest.raises(HostError, match="nothingOfThisName"):
            place.nothingOfThisName  # noqa: B018
    assert slicer.app.majorVersion >= 5
    assert slicer.modules.volumerendering.logic().GetMRMLScene() is slicer.mrmlScene
    assert slicer.app.applicationLogic().GetMRMLScene() is slicer.mrmlScene
    assert slicer.util.mainWindow().objectName == "qSlicerMainWindow"


def test_a_custom_layout(host: Host) -> None:
    import slicer

    manager, got = slicer.app.layoutManager(), []
    before = manager.layout
    manager.connect("layoutChanged(int)", got.append)
    node = manager.layoutLogic().GetLayoutNode()
    node.AddLayoutDescription(701, LAYOUT)
    manager.setLayout(701)
    assert (got, manager.sliceViewNames(), manager.threeDViewCount) == ([701], ("Projection",), 1)
    view = manager.sliceWidget("Projection").mrmlSliceNode()
    assert (view.GetViewGroup(), view.GetLayoutLabel()) == (7, "P")
    volume = slicer.util.addVolumeFromArray(np.zeros((8, 8, 8), np.float32))
    slicer.util.setSliceViewerLayers(background=volume, fit=True)
    assert manager.sliceWidget("Projection").mrmlSliceCompositeNode().GetBackgroundVolumeID() == volume.GetID()
    manager.setLayout(before)
    host.scene.RemoveNode(view)
    assert manager.sliceViewNames() == ("Red", "Green", "Yellow")
    assert manager.sliceWidget("Projection") is None
    manager.disconnect("layoutChanged(int)", got.append)


def test_a_module_is_opened_closed_and_reloaded(host: Host, tiny, tmp_path: Path) -> None:
    import slicer.util

    assert tiny.log == ["setup", "enter"]
    assert slicer.util.selectedModule() == "Tiny"
    assert (slicer.modules.tiny.title, slicer.modules.tiny.path) == ("Tiny", str(tmp_path / "Tiny.py"))
    slicer.util.selectModule("")
    slicer.util.selectModule("Tiny")
    (tmp_path / "Tiny.py").write_text(MODULE.replace("VERSION", "new"))
    fresh = host.reload("Tiny")
    assert tiny.log == ["setup", "enter", "exit", "enter", "cleanup"]
    assert fresh.log == ["setup", "enter"]
    assert fresh is slicer.modules.TinyWidget is slicer.util.getModuleWidget("Tiny")
    assert [label.text for label in fresh.parent.findChildren("QLabel") if label.visible] == ["new"]


def test_the_parameter_node_of_a_module(host: Host, tiny) -> None:
    logic = sys.modules["Tiny"].TinyLogic()
    node = logic.getParameterNode()
    assert node is logic.getParameterNode()
    assert node.GetAttribute("ModuleName") == "Tiny"
    host.close_scene()
    assert logic.getParameterNode().GetScene() is host.scene


def test_sample_data_and_packages(host: Host, tiny) -> None:
    import slicer

    host.startup()
    import SampleData

    assert SampleData.SampleDataLogic.downloadSample("Log") == "made"
    slicer.packaging.pip_ensure(["numpy>=1"], requester="Tiny")
    assert host.installed == []
    with pytest.raises(UnansweredError, match="no-such-package"):
        slicer.packaging.pip_ensure(["no-such-package>=1"], requester="Tiny")
    host.answers.give("slicer.packaging.pip_ensure", True)
    slicer.packaging.pip_ensure(["no-such-package>=1"], requester="Tiny")
    slicer.util.pip_install("a b")
    assert host.installed == [["no-such-package>=1"], "a b"]


def test_the_reader_of_a_module(host: Host, tiny, tmp_path: Path) -> None:
    import slicer

    (tmp_path / "x.tiny").write_text("")
    (tmp_path / "broken.tiny").write_text("")
    (tmp_path / "x.tin").write_text("")
    manager = slicer.app.coreIOManager()
    assert [manager.fileType(str(tmp_path / name)) for name in ("x.tiny", "x.tin", "y.tiny")] == ["TinyFile", "NoFile", "NoFile"]
    assert slicer.util.loadNodeFromFile(str(tmp_path / "x.tiny")).GetName() == "a"
    with pytest.raises(RuntimeError, match="it is broken"):
        slicer.util.loadNodeFromFile(str(tmp_path / "broken.tiny"))
    assert host.file_reader("Tiny").parent.supportedNameFilters(str(tmp_path / "x.tiny")) == ["*.tiny"]


def test_what_is_dropped_on_the_window(host: Host, tiny, tmp_path: Path) -> None:
    import slicer

    folder = tmp_path / "folder" / "inner"
    folder.mkdir(parents=True)
    (folder / "x.tiny").write_text("")
    dialog = slicer.app._q.ioManager().dialogs["Tiny"].python
    host.answers.give("qSlicerIOManager.dropEvent", "Tiny folder")
    host.drop(tmp_path / "folder")
    assert dialog.dropped == [str(tmp_path / "folder")]
    assert not slicer.util.getNodes("a")
    host.answers.give("qSlicerIOManager.dropEvent", "Any Data")
    host.drop(tmp_path / "folder")
    host.drop(folder)  # no dialog takes it: nothing is asked
    assert len(slicer.util.getNodesByClass("vtkMRMLTextNode")) == 2


def test_what_is_dropped_on_a_widget(host: Host, tmp_path: Path) -> None:
    import qt

    got = []

    class Area(qt.QWidget):
        def dragEnterEvent(self, event) -> None:
            event.acceptProposedAction()

        def dropEvent(self, event) -> None:
            got.append(event.mimeData().urls()[0].toLocalFile())

    area = Area()
    inner = qt.QLabel(area)
    host.drop(tmp_path, on=inner)
    assert got == []
    area.setAcceptDrops(True)
    host.drop(tmp_path, on=inner)
    assert got == [str(tmp_path)]


def test_pictures_light_and_dark(host: Host, tiny, tmp_path: Path) -> None:
    import qt

    middle = {}
    for palette in ("light", "dark"):
        host.use_palette(palette)
        image = qt.QImage(str(host.grab(tiny.parent, tmp_path / f"{palette}.png")))
        middle[palette] = image.pixelColor(image.width() // 2, image.height() - 5).lightness()
    host.use_palette("light")
    assert middle["light"] > 200 > 100 > middle["dark"]


def test_nothing_stays_after_shutdown(host: Host, slicer_host: Host) -> None:
    import slicer

    with pytest.raises(RuntimeError, match="a host is running already"):
        launch()
    error_display = slicer.util.errorDisplay
    slicer_host.shutdown()
    try:
        assert not hasattr(slicer, "app")
        assert not hasattr(slicer, "mrmlScene")
        assert not {"qt", "ctk", "slicer.ScriptedLoadableModule", "SampleData", "Tiny"} & set(sys.modules)
        assert slicer.util.errorDisplay is not error_display
    finally:
        slicer_host.__init__()
    assert slicer.app


def test_nodes_have_items_in_the_subject_hierarchy(host: Host) -> None:
    import slicer

    data, hierarchy = host.data_module, host.data_module.hierarchy
    node = host.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "a")
    node.SetAttribute("mine", "1")
    node.CreateDefaultDisplayNodes()
    assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)) == hierarchy.GetSceneItemID()
    folder = data.add_folder("f")
    data.move(node, folder)
    clone = data.clone(node)
    assert (clone.GetName(), clone.GetAttribute("mine")) == ("a Copy", "1")
    assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(clone)) == folder
    assert clone.GetDisplayNode() not in (None, node.GetDisplayNode())
    host.scene.RemoveNode(clone)
    children: list[int] = []
    hierarchy.GetItemChildren(folder, children)
    assert [hierarchy.GetItemDataNode(item) for item in children] == [node]
    display = node.GetDisplayNode()
    data.delete(node)
    assert (node.GetScene(), display.GetScene()) == (None, host.scene)
    inside = host.scene.AddNewNodeByClass("vtkMRMLModelNode", "b")
    data.move(inside, folder)
    data.delete_folder(folder)
    assert inside.GetScene() is None
    hidden = slicer.vtkMRMLModelNode()
    hidden.SetHideFromEditors(True)
    host.scene.AddNode(hidden)
    with pytest.raises(HostError, match="does not show"):
        data.clone(hidden)
