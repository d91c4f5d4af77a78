"""The stand-ins for CTK's and Slicer's widgets."""

from __future__ import annotations

from pathlib import Path

import pytest

pytest.importorskip("slicer.util", reason="needs slicer-core")
pytest.importorskip("shiboken6", reason="needs PySide6-Essentials")

from SlicerHost import Host, HostError


@pytest.fixture
def ctk(host: Host):
    import ctk

    return ctk


def test_unknown_classes_are_refused(ctk) -> None:
    with pytest.raises(HostError, match="'ctk' has no 'ctkNoSuch'"):
        ctk.ctkNoSuch  # noqa: B018
    with pytest.raises(HostError, match="ctkSliderWidget has no attribute 'valu'"):
        ctk.ctkSliderWidget().valu = 3


def test_slider(ctk) -> None:
    slider, got = ctk.ctkSliderWidget(), []
    slider.connect("valueChanged(double)", got.append)
    slider.minimum, slider.maximum, slider.decimals, slider.suffix = 5, 10, 1, " mm"
    slider.value = 7.25
    slider.setValue(20)
    assert (got[0], slider.value, slider.maximum) == (5.0, 10.0, 10.0)
    assert slider.decimals == 1
    with pytest.raises(HostError, match="signal 'valueChanged\\(int\\)' does not exist"):
        slider.connect("valueChanged(int)", print)


@pytest.mark.parametrize("kind", ["ctkRangeWidget", "ctkDoubleRangeSlider"])
def test_ranges(ctk, kind: str) -> None:
    both, got = getattr(ctk, kind)(), []
    both.setRange(0, 50)
    both.connect("valuesChanged(double,double)", lambda low, high: got.append((low, high)))
    both.setValues(10, 20)
    both.minimumValue = 15
    both.maximumValue = 70
    assert got == [(10.0, 20.0), (15.0, 20.0), (15.0, 50.0)]
    assert (both.minimumValue, both.maximumValue, both.minimum, both.maximum) == (15.0, 50.0, 0.0, 50.0)


def test_coordinates(ctk) -> None:
    box, got = ctk.ctkCoordinatesWidget(), []
    box.connect("coordinatesChanged(double*)", lambda: got.append(box.coordinates))
    box.coordinates = "1,2.5,-3"
    box.setCoordinates(1, 2.5, -3)
    assert got == ["1,2.5,-3"]
    box.dimension = 2
    with pytest.raises(ValueError, match="2 coordinates are expected, 3"):
        box.setCoordinates(1, 2, 3)


def test_a_section_folds(host: Host, ctk) -> None:
    import qt

    section, got = ctk.ctkCollapsibleButton(), []
    section.text = "Regions"
    form = qt.QFormLayout(section)
    label, hidden = qt.QLabel("inside"), qt.QLabel("hidden")
    form.addRow(label)
    form.addRow(hidden)
    hidden.visible = False
    section.show()
    section.connect("contentsCollapsed(bool)", got.append)
    assert label.visible
    section.collapsed = True
    assert not label.visible
    section.click()
    assert (label.visible, hidden.visible, section.collapsed, got) == (True, False, False, [True, False])


def test_a_path_and_its_history(host: Host, ctk, tmp_path: Path) -> None:
    line, got = ctk.ctkPathLineEdit(), []
    line.filters = ctk.ctkPathLineEdit.Dirs | ctk.ctkPathLineEdit.Readable
    line.settingKey = "MITO/DataFolder"
    line.currentPathChanged.connect(got.append)
    line.currentPath = str(tmp_path)
    line.addCurrentPathToHistory()
    host.answers.give("ctkPathLineEdit.browse", "/data")
    line.browse()
    assert got[0] == str(tmp_path)
    assert got[-1] == line.currentPath == "/data"
    other = ctk.ctkPathLineEdit()
    other.settingKey = "MITO/DataFolder"
    assert other.currentPath == str(tmp_path)


def test_settings_panel_and_colour(host: Host, ctk) -> None:
    import qt
    import slicer

    panel, box, colour = ctk.ctkSettingsPanel(), qt.QSpinBox(), ctk.ctkColorPickerButton()
    panel.registerProperty("MITO/Width", box, "value", str(qt.SIGNAL("valueChanged(int)")))
    slicer.app.settingsDialog().addPanel("MITO", panel)
    assert slicer.app.settingsDialog().panel("MITO") is panel
    box.value = 4
    assert int(slicer.app.settings().value("MITO/Width")) == 4
    again = qt.QSpinBox()
    panel.registerProperty("MITO/Width", again, "value", qt.SIGNAL("valueChanged(int)"))
    assert again.value == 4
    with pytest.raises(ValueError, match="has no property 'valu'"):
        panel.registerProperty("MITO/Width", box, "valu", qt.SIGNAL("valueChanged(int)"))
    colour.color = qt.QColor("#ff0000")
    assert colour.color.name() == "#ff0000"


def test_what_settings_panels_take_back(host: Host, ctk) -> None:
    import qt
    import slicer

    settings, panel, box, got = qt.QSettings(), ctk.ctkSettingsPanel(), qt.QSpinBox(), []
    box.value = 2
    panel.registerProperty("MITO/Number", box, "value", str(qt.SIGNAL("valueChanged(int)")))
    assert not settings.contains("MITO/Number")  # it does not know yet where to keep it
    panel.connect("settingChanged(QString,QVariant)", lambda key, value: got.append((key, value)))
    slicer.app.settingsDialog().addPanel("Numbers", panel)
    assert int(settings.value("MITO/Number")) == 2
    box.value = 7
    panel.applySettings()
    box.value = 9
    panel.resetSettings()
    assert (box.value, int(settings.value("MITO/Number"))) == (7, 7)
    panel.restoreDefaultSettings()
    assert (box.value, int(settings.value("MITO/Number"))) == (2, 2)
    assert [value for _key, value in got][-4:] == [7, 9, 7, 2]


def test_the_node_selector_follows_the_scene(host: Host) -> None:
    import slicer

    selector, got = slicer.qMRMLNodeComboBox(), []
    selector.nodeTypes = ["vtkMRMLMarkupsROINode"]
    selector.noneEnabled = True
    selector.setMRMLScene(slicer.mrmlScene)
    selector.connect("currentNodeChanged(vtkMRMLNode*)", got.append)
    node = slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "knot")
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLModelNode", "other")
    assert selector.currentNode() is None
    selector.setCurrentNode(node)
    assert (selector.currentNode(), selector.currentNodeID, selector.nodeCount()) == (node, node.GetID(), 1)
    slicer.mrmlScene.RemoveNode(node)
    assert selector.currentNode() is None
    assert got == [node, None]
    slicer.mrmlScene.AddNewNodeByClass("vtkMRMLMarkupsROINode", "knot")
    host.close_scene()
    assert selector.nodeCount() == 0
