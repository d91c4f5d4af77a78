"""The parameter node wrapper, as Slicer's developer guide describes it."""

import enum
from pathlib import Path
from typing import Annotated, Optional

import numpy as np
import pytest

pytest.importorskip("slicer.util", reason="needs slicer-core")
pytest.importorskip("shiboken6", reason="needs PySide6-Essentials")

from SlicerHost import Host


class Wood(enum.Enum):
    PINE = 1
    SPRUCE = 2


@pytest.fixture
def wrapper(host: Host):
    import slicer
    from slicer.parameterNodeWrapper import Choice, FloatRange, WithinRange, parameterNodeWrapper, parameterPack

    @parameterPack
    class Box:
        width: Annotated[float, WithinRange(0, 100)] = 5.0
        names: list[str]

    @parameterNodeWrapper
    class Parameters:
        iterations: Annotated[int, WithinRange(1, 50)] = 10
        relaxation: float = 0.5
        filter: Annotated[str, Choice(["Ram-Lak", "Hann"])] = "Hann"
        subtract: bool = True
        wood: Wood
        folder: Path
        volume: slicer.vtkMRMLScalarVolumeNode
        regions: list[slicer.vtkMRMLMarkupsROINode]
        views: tuple[int, int] = (0, 5)
        heights: FloatRange = FloatRange(1, 2)
        table: dict[str, list[int]]
        turn: Optional[int]  # noqa: UP045 the developer guide's spelling
        box: Box

    return Parameters


def new_node(host: Host):
    return host.scene.AddNewNodeByClass("vtkMRMLScriptedModuleNode", "Parameters")


def test_defaults(host: Host, wrapper) -> None:
    parameters = wrapper(new_node(host))
    assert (parameters.iterations, parameters.relaxation, parameters.filter, parameters.subtract) == (10, 0.5, "Hann", True)
    assert (parameters.wood, parameters.folder, parameters.volume, parameters.regions) == (Wood.PINE, Path(), None, [])
    assert (parameters.views, parameters.table, parameters.turn, parameters.box.width) == ((0, 5), {}, None, 5.0)
    assert (parameters.heights.maximum, parameters.default("views"), parameters.dataType("subtract")) == (2.0, (0, 5), bool)


@pytest.mark.parametrize(
    ("name", "value"),
    [("iterations", 51), ("iterations", 1.5), ("iterations", None), ("filter", "Shepp"), ("views", (1,)), ("wood", 1), ("box.width", -1.0)],
)
def test_what_is_not_allowed_is_refused(host: Host, wrapper, name: str, value: object) -> None:
    parameters = wrapper(new_node(host))
    with pytest.raises(ValueError, match=r"[Vv]alue"):
        parameters.setValue(name, value)
    with pytest.raises(AttributeError, match="has no parameter 'iteration'"):
        parameters.iteration = 3


def test_values_come_back_from_a_saved_scene(host: Host, wrapper, tmp_path: Path) -> None:
    import slicer.util

    parameters = wrapper(new_node(host))
    parameters.iterations, parameters.relaxation, parameters.filter, parameters.subtract = 7, 0.1, "Ram-Lak", False
    parameters.wood, parameters.folder, parameters.views, parameters.turn = Wood.SPRUCE, Path("/data/pine 16"), (3, 8), 4
    parameters.volume = slicer.util.addVolumeFromArray(np.zeros((2, 3, 4), np.float32), name="log")
    parameters.regions = [host.scene.AddNewNodeByClass("vtkMRMLMarkupsROINode", name) for name in ("a", "b")]
    parameters.table = {"a": [1]}
    parameters.table["b"] = [2, 3]
    parameters.box.width = 6.5
    names = parameters.box.names
    names.append("knot")
    host.save_scene(tmp_path / "scene.mrb")
    host.close_scene()
    host.open_scene(tmp_path / "scene.mrb")
    again = wrapper(slicer.util.getNode("Parameters"))
    assert (again.iterations, again.relaxation, again.filter, again.subtract) == (7, 0.1, "Ram-Lak", False)
    assert (again.wood, again.folder, again.views, again.turn) == (Wood.SPRUCE, Path("/data/pine 16"), (3, 8), 4)
    assert (again.volume.GetName(), [node.GetName() for node in again.regions]) == ("log", ["a", "b"])
    assert (again.table, again.box.width, again.box.names) == ({"a": [1], "b": [2, 3]}, 6.5, ["knot"])


def test_a_change_is_an_event(host: Host, wrapper) -> None:
    import vtk

    parameters, got = wrapper(new_node(host)), []
    tag = parameters.AddObserver(vtk.vtkCommand.ModifiedEvent, lambda *_: got.append(parameters.iterations))
    parameters.iterations = 3
    parameters.volume = host.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    assert got[0] == 3
    assert len(got) >= 2
    parameters.RemoveObserver(tag)
    seen = len(got)
    parameters.iterations = 4
    assert len(got) == seen


def test_widgets_follow_and_lead(host: Host, wrapper) -> None:
    import ctk
    import qt
    import slicer

    parameters = wrapper(new_node(host))
    panel = qt.QWidget()
    widgets = {
        "iterations": qt.QSpinBox(panel),
        "relaxation": ctk.ctkSliderWidget(panel),
        "filter": qt.QComboBox(panel),
        "subtract": qt.QCheckBox(panel),
        "wood": qt.QComboBox(panel),
        "folder": ctk.ctkPathLineEdit(panel),
        "volume": slicer.qMRMLNodeComboBox(panel),
        "heights": ctk.ctkRangeWidget(panel),
        "box.width": qt.QDoubleSpinBox(panel),
    }
    widgets["volume"].nodeTypes, widgets["volume"].noneEnabled = ["vtkMRMLScalarVolumeNode"], True
    widgets["volume"].setMRMLScene(slicer.mrmlScene)
    for name, widget in widgets.items():
        widget.setProperty("SlicerParameterName", name)
    tag = parameters.connectGui(panel)
    assert (widgets["iterations"].maximum, widgets["iterations"].value, widgets["filter"].currentText) == (50, 10, "Hann")
    widgets["iterations"].value = 20
    widgets["filter"].currentIndex = 0
    widgets["subtract"].click()
    widgets["folder"].currentPath = "/data"
    widgets["heights"].setValues(3, 4)
    widgets["box.width"].value = 9
    assert (parameters.iterations, parameters.filter, parameters.subtract, parameters.folder) == (20, "Ram-Lak", False, Path("/data"))
    assert (parameters.heights.minimum, parameters.box.width) == (3.0, 9.0)
    parameters.wood = Wood.SPRUCE
    parameters.volume = node = host.scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    assert (widgets["wood"].currentText, widgets["volume"].currentNode()) == ("SPRUCE", node)
    parameters.disconnectGui(tag)
    widgets["iterations"].value = 1
    parameters.relaxation = 0.25
    assert (parameters.iterations, widgets["relaxation"].value) == (20, 0.5)


def test_a_widget_that_does_not_fit_is_refused(host: Host, wrapper) -> None:
    import qt

    parameters = wrapper(new_node(host))
    with pytest.raises(ValueError, match="'iterations' of the type <class 'int'> cannot be shown by a QLineEdit"):
        parameters.connectParametersToGui({"iterations": qt.QLineEdit()})
    with pytest.raises(ValueError, match="has no parameter 'nothing'"):
        parameters.connectParametersToGui({"nothing": qt.QLineEdit()})
