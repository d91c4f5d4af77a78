"""Qt through the bridge: as PythonQt has it, and nothing unknown passes."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("slicer.util", reason="needs slicer-core")
pytest.importorskip("shiboken6", reason="needs PySide6-Essentials")

from SlicerHost import Host, HostError, UnansweredError


@pytest.fixture
def qt(host: Host):
    import qt

    return qt


# ---- properties ------------------------------------------------------------------------------------------------------


def test_properties_are_attributes(qt) -> None:
    spin = qt.QDoubleSpinBox()
    spin.maximum = 5
    spin.value = 3
    assert (spin.value, spin.maximum, spin.enabled) == (3.0, 5.0, True)
    spin.setValue(4.5)
    assert spin.value == 4.5
    button = qt.QPushButton("Start")
    button.toolTip, button.enabled = "Starts", False
    assert (button.text, button.toolTip, button.isEnabled()) == ("Start", "Starts", False)


@pytest.mark.parametrize("name", ["valeu", "foo", "enabeld"])
def test_unknown_attributes_are_neither_read_nor_set(qt, name: str) -> None:
    spin = qt.QSpinBox()
    with pytest.raises(HostError, match=f"QSpinBox has no attribute '{name}'"):
        getattr(spin, name)
    with pytest.raises(HostError, match=f"QSpinBox has no attribute '{name}'"):
        setattr(spin, name, 1)
    assert not hasattr(spin, name)


def test_a_property_is_no_method(qt) -> None:
    with pytest.raises(TypeError, match="not callable"):
        qt.QSpinBox().value()


def test_methods_and_read_only_properties_cannot_be_set(qt) -> None:
    label = qt.QLabel()
    with pytest.raises(AttributeError, match="'width' of QLabel is read-only"):
        label.width = 5
    with pytest.raises(AttributeError, match=r"QLabel\.clear cannot be set"):
        label.clear = 5


@pytest.mark.parametrize(("kind", "name", "value"), [("QLabel", "text", 5), ("QSpinBox", "value", 1.5), ("QCheckBox", "checked", "yes")])
def test_the_type_of_a_property_is_checked(qt, kind: str, name: str, value: object) -> None:
    with pytest.raises(TypeError, match=f"{kind}.{name} of type"):
        setattr(getattr(qt, kind)(), name, value)


def test_dynamic_properties(qt) -> None:
    label = qt.QLabel()
    label.setProperty("SlicerParameterName", "box.x")
    assert label.property("SlicerParameterName") == label.SlicerParameterName == "box.x"


def test_unknown_classes_and_functions_are_refused(qt) -> None:
    with pytest.raises(HostError, match="'qt' has no 'QNoSuchWidget'"):
        qt.QNoSuchWidget  # noqa: B018
    with pytest.raises(AttributeError):
        qt.Qt.NoSuchFlag  # noqa: B018
    assert qt.Qt.AlignLeft == 1
    assert isinstance(qt.Qt.AlignLeft | qt.Qt.AlignTop, int)


# ---- signals ---------------------------------------------------------------------------------------------------------


def test_signals_by_signature_and_by_attribute(qt) -> None:
    button, got = qt.QPushButton(), []
    button.checkable = True
    assert button.connect("clicked()", lambda: got.append("nothing"))
    button.connect("clicked(bool)", got.append)
    button.clicked.connect(lambda: got.append("fewer"))
    button.toggled.connect(got.append)
    button.click()
    assert got == [True, "nothing", True, "fewer"]


@pytest.mark.parametrize("signal", ["klicked()", "clicked(int)", "clicked"])
def test_unknown_signals_are_refused(qt, signal: str) -> None:
    with pytest.raises(HostError, match="does not exist on QPushButton"):
        qt.QPushButton().connect(signal, print)
    with pytest.raises(HostError, match="no attribute 'klicked'"):
        qt.QPushButton().klicked.connect(print)


def test_disconnecting(qt) -> None:
    spin, got = qt.QSpinBox(), []
    spin.connect("valueChanged(int)", got.append)
    spin.value = 1
    blocked = spin.blockSignals(True)
    spin.value = 2
    spin.blockSignals(blocked)
    assert spin.disconnect("valueChanged(int)", got.append)
    spin.value = 3
    assert got == [1]
    assert not spin.disconnect("valueChanged(int)", got.append)


def test_a_signal_can_call_a_slot_of_qt(qt) -> None:
    edit, label = qt.QLineEdit(), qt.QLabel()
    edit.textChanged.connect(label.setText)
    edit.connect("textChanged(QString)", label, "setToolTip(QString)")
    edit.text = "pine"
    assert (label.text, label.toolTip) == ("pine", "pine")


def test_what_a_slot_raises_is_noted(host: Host, qt) -> None:
    button = qt.QPushButton()
    button.connect("clicked()", lambda: 1 / 0)
    button.click()
    assert [type(error) for error in host.take_errors()] == [ZeroDivisionError]
    button.click()
    with pytest.raises(ZeroDivisionError):
        host.wait_until(lambda: True)


def test_what_an_observer_raises_is_noted(host: Host) -> None:
    import slicer

    tag = host.scene.AddObserver(slicer.vtkMRMLScene.NodeAddedEvent, lambda *_: [][0])
    host.scene.AddNewNodeByClass("vtkMRMLModelNode")
    host.scene.RemoveObserver(tag)
    assert [type(error) for error in host.take_errors()] == [IndexError]


def test_timers(host: Host, qt) -> None:
    got: list[str] = []
    timer = qt.QTimer()
    timer.setInterval(1)
    timer.singleShot = True
    timer.connect("timeout()", lambda: got.append("timer"))
    timer.start()
    qt.QTimer.singleShot(2, lambda: got.append("shot"))
    host.wait_until(lambda: len(got) == 2)
    assert sorted(got) == ["shot", "timer"]
    with pytest.raises(TimeoutError):
        host.wait_until(lambda: False, 0.02)


# ---- objects ---------------------------------------------------------------------------------------------------------


def test_objects_keep_their_identity(qt) -> None:
    frame = qt.QFrame()
    layout = qt.QFormLayout(frame)
    spin = qt.QSpinBox()
    spin.objectName = "turns"
    layout.addRow("Turns:", spin)
    assert spin.parent() is frame
    assert frame.layout() is layout
    assert layout.itemAt(1).widget() is spin
    assert frame.findChild(qt.QSpinBox, "turns") is spin
    assert frame.findChildren("QLabel")[0].text == "Turns:"
    assert spin.name == "turns"
    assert spin.className() == "QSpinBox"


def test_tables_and_lists(qt) -> None:
    table = qt.QTableWidget(1, 2)
    table.setItem(0, 1, qt.QTableWidgetItem("503 mm"))
    table.setHorizontalHeaderLabels(["name", "value"])
    table.horizontalHeader().setSectionResizeMode(1, qt.QHeaderView.Stretch)
    assert table.item(0, 1).text() == "503 mm"
    assert table.rowCount == 1
    with pytest.raises(HostError):
        table.item(0, 1).foo = 1
    entries, got = qt.QListWidget(), []
    entries.currentRowChanged.connect(got.append)
    entries.addItems(["a", "b"])
    entries.currentRow = 1
    assert (entries.currentItem().text(), entries.count, got[-1]) == ("b", 2, 1)


def test_a_class_of_a_module_keeps_its_attributes_and_overrides(host: Host, qt) -> None:
    class Panel(qt.QWidget):
        def __init__(self) -> None:
            super().__init__()
            self.sizes: list[int] = []

        def resizeEvent(self, event) -> None:
            self.sizes.append(event.size().width())
            super().resizeEvent(event)

    panel = Panel()
    panel.resize(70, 50)
    panel.show()
    host.process_events()
    assert panel.sizes == [70]
    assert panel.width == 70


# ---- the rest of qt --------------------------------------------------------------------------------------------------


def test_settings_are_the_hosts_own(host: Host, qt) -> None:
    import slicer.util

    settings = qt.QSettings()
    assert host.app.temporaryPath in settings.fileName()
    settings.setValue("MITO/Colour", "#ff0000")
    assert slicer.util.settingsValue("MITO/Colour", "") == "#ff0000"
    assert slicer.util.settingsValue("MITO/None", 3) == 3
    host.clean()
    assert not qt.QSettings().contains("MITO/Colour")


def test_dialogs_need_an_answer(host: Host, qt) -> None:
    import slicer.util

    with pytest.raises(UnansweredError, match=r"QFileDialog.getExistingDirectory would have opened \(Where\?\)"):
        qt.QFileDialog.getExistingDirectory(None, "Where?")
    host.answers.give("QFileDialog.getExistingDirectory", "/data")
    assert qt.QFileDialog.getExistingDirectory(None, "Where?") == "/data"
    box = qt.QMessageBox()
    box.text = "Really?"
    with pytest.raises(UnansweredError, match=r"Really\?"):
        box.exec_()
    with pytest.raises(UnansweredError):
        slicer.util.confirmOkCancelDisplay("Delete it?")
    host.answers.give("slicer.util.confirmOkCancelDisplay", False)
    assert slicer.util.confirmOkCancelDisplay("Delete it?") is False
    slicer.util.errorDisplay("It failed.", detailedText="why")
    assert host.answers.shown[-1][:2] == ("slicer.util.errorDisplay", "It failed.")


def test_addresses_are_noted_and_not_opened(host: Host, qt) -> None:
    qt.QDesktopServices.openUrl(qt.QUrl("https://example.org/a"))
    assert host.opened == ["https://example.org/a"]


UI = """<ui version="4.0"><class>Test</class>
<widget class="qMRMLWidget" name="Test"><layout class="QFormLayout" name="form">
 <item row="0" column="0"><widget class="ctkSliderWidget" name="view">
  <property name="maximum"><double>7</double></property>
  <property name="SlicerParameterName" stdset="0"><string>view</string></property></widget></item>
 <item row="1" column="0"><widget class="qMRMLNodeComboBox" name="volume">
  <property name="nodeTypes"><stringlist><string>vtkMRMLScalarVolumeNode</string></stringlist></property></widget></item>
</layout></widget>
<connections><connection><sender>Test</sender><signal>mrmlSceneChanged(vtkMRMLScene*)</signal>
 <receiver>volume</receiver><slot>setMRMLScene(vtkMRMLScene*)</slot></connection></connections></ui>"""


def test_ui_files(host: Host, tmp_path: Path) -> None:
    import slicer.util

    (tmp_path / "a.ui").write_text(UI)
    widget = slicer.util.loadUI(str(tmp_path / "a.ui"))
    ui = slicer.util.childWidgetVariables(widget)
    assert (ui.view.maximum, ui.view.SlicerParameterName, ui.volume.nodeTypes) == (7.0, "view", ("vtkMRMLScalarVolumeNode",))
    widget.setMRMLScene(slicer.mrmlScene)
    assert ui.volume.mrmlScene() is slicer.mrmlScene
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "log")
    assert ui.volume.currentNode() is node


@pytest.mark.parametrize(
    ("old", "new", "text"),
    [
        ("ctkSliderWidget", "ctkNoSuchSlider", "names the class 'ctkNoSuchSlider'"),
        ('name="maximum"', 'name="maximun"', "sets the property 'maximun'"),
        ("<signal>mrmlScene", "<signal>mrmlScenes", "signal 'mrmlScenesChanged"),
        ("<receiver>volume", "<receiver>volumes", "connects 'volumes'"),
    ],
)
def test_what_a_ui_file_gets_wrong_is_refused(host: Host, tmp_path: Path, old: str, new: str, text: str) -> None:
    import slicer.util

    (tmp_path / "a.ui").write_text(UI.replace(old, new))
    with pytest.raises(HostError, match=text):
        slicer.util.loadUI(str(tmp_path / "a.ui"))
