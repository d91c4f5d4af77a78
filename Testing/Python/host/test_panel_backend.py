"""What computes: the choice, what is missing in words, and the button that installs it."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("slicer.util", reason="needs slicer-core")
pytest.importorskip("shiboken6", reason="needs PySide6-Essentials")

from SlicerHost import Host

from MITOReconstructionLib.errors import InputError, WorkError

pytestmark = pytest.mark.skipif(importlib.util.find_spec("astra") is not None, reason="needs astra not to be there")

AUTO, CUDA, GPU, CPU = range(4)
ENSURE = "slicer.packaging.pip_ensure"
PACKAGE = "astra-toolbox>=2.5.0"
TOOLBOX = """
__version__ = "2.5"
def use_cuda(): return {gpu}
def get_gpu_info(): return "H200"
"""


@pytest.fixture
def place(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> Path:
    """A folder that packages are installed into."""
    monkeypatch.syspath_prepend(str(tmp_path))
    yield tmp_path
    sys.modules.pop("astra", None)


def installer(place: Path, gpu: bool = True) -> Any:
    def install(*_arguments: Any) -> bool:
        (place / "astra.py").write_text(TOOLBOX.format(gpu=gpu))
        return True

    return install


@pytest.fixture
def part(panel: Any, place: Path) -> Any:
    return panel.reconstruction.backends


def test_what_is_missing_is_said(part: Any) -> None:
    assert [part.combo.itemText(i) for i in range(4)] == ["Automatic", "GPU (CUDA)", "GPU (ASTRA)", "CPU"]
    assert (part.name, part.install_button.visible) == ("auto", True)
    assert part.status.text.startswith("CPU, ")
    assert part.status.text.endswith("; GPU (CUDA) is not there; GPU (ASTRA) is not there")
    part.combo.currentIndex = GPU
    assert "needs the Python package 'astra-toolbox', which is not installed" in part.status.text
    assert "color" in part.status.label.styleSheet
    assert (part.install_button.text, part.install_button.visible) == ("Install what GPU (ASTRA) needs", True)
    assert PACKAGE.replace(">", "&gt;") in part.install_button.toolTip
    part.combo.currentIndex = CPU
    assert (part.install_button.visible, part.name) == (False, "cpu")
    assert "color" not in part.status.label.styleSheet


def test_it_is_there_as_soon_as_it_is_installed(host: Host, loaded: Any, place: Path) -> None:
    part = loaded.reconstruction.backends
    host.answers.give(ENSURE, installer(place))
    part.combo.currentIndex = GPU
    part.install_button.click()
    (shown,) = host.answers.shown
    assert shown.arguments == ("MITOReconstruction", PACKAGE)
    assert part.status.text == "GPU H200 (ASTRA 2.5)"
    assert (part.install_button.visible, part.install_button.enabled) == (False, True)
    assert loaded.reconstruction.options["backend"] == "astra"
    part.combo.currentIndex = AUTO
    assert part.status.text.startswith("GPU H200 (ASTRA 2.5); CPU, ")
    assert part.status.text.endswith("; GPU (CUDA) is not there")
    assert "cupy" in part.install_button.toolTip


def test_installed_where_there_is_no_gpu(host: Host, part: Any, place: Path) -> None:
    host.answers.give(ENSURE, installer(place, gpu=False))
    part.combo.currentIndex = GPU
    part.install_button.click()
    assert "expected an NVIDIA GPU that ASTRA can use; found none" in part.status.text
    assert not part.install_button.visible


def declined(*_arguments: Any) -> bool:
    raise RuntimeError("the user declined")


@pytest.mark.parametrize(("answer", "text"), [(declined, "could not be installed: the user declined"), (False, "not installed.")])
def test_declined(host: Host, part: Any, answer: Any, text: str) -> None:
    host.answers.give(ENSURE, answer)
    part.install_button.click()
    assert text in part.status.text
    assert "color" in part.status.label.styleSheet
    assert (part.install_button.visible, part.install_button.enabled) == (True, True)


@pytest.mark.parametrize("agrees", [True, False])
def test_older_slicer(host: Host, part: Any, place: Path, monkeypatch: pytest.MonkeyPatch, agrees: bool) -> None:
    import slicer

    monkeypatch.setitem(sys.modules, "slicer.packaging", None)
    host.answers.give("slicer.util.confirmOkCancelDisplay", agrees)
    monkeypatch.setattr(slicer.util, "pip_install", lambda words: (host.installed.append(words), installer(place)()))
    part.combo.currentIndex = GPU
    part.install_button.click()
    if agrees:
        assert host.installed == [f'"{PACKAGE}"']
        assert part.status.text == "GPU H200 (ASTRA 2.5)"
    else:
        assert host.installed == []
        assert part.status.text == f"Not installed: {PACKAGE}. It was declined."


def test_without_the_panel(host: Host, widget: Any, place: Path) -> None:
    session = widget.logic.session
    assert session.install_backend("cpu").available
    with pytest.raises(InputError, match="expected one of cuda, astra, cpu; found 'gpu'"):
        session.install_backend("gpu")
    host.answers.give(ENSURE, installer(place, gpu=False))
    assert not session.install_backend("astra").available
    with pytest.raises(WorkError, match="nothing that could be installed is missing"):
        session.install_backend("astra")


# ---- parameters --------------------------------------------------------------------------------------------------------


def test_every_kind_of_parameter_has_its_widget(host: Host, panel: Any) -> None:
    from dataclasses import dataclass

    from MITOReconstructionLib.methods import Parameters, parameter
    from MITOReconstructionLib.panels.parameters import ParameterWidgets

    @dataclass(frozen=True)
    class Every(Parameters):
        switch: bool = parameter(True, "On or off.")
        count: int = parameter(7, "How many.", unit="knots", above=2, below=10)
        length: float = parameter(0.00025, "How long.", unit="mm", minimum=0.0, maximum=0.001)
        open_end: float = parameter(2.5, "Any number.")
        share: float = parameter(0.5, "A part.", above=0.0, below=1.0)
        kind: str = parameter("oak", "Which.", choices=("oak", "pine"))
        note: str = parameter("", "Anything.")

    changes: list[int] = []
    made = ParameterWidgets(Every.describe(), lambda: changes.append(1))
    assert Every.from_dict(made.values) == Every()
    fields = made.fields
    assert [kind.className() for kind in fields.values()] == [
        "QCheckBox", "QSpinBox", "QDoubleSpinBox", "QDoubleSpinBox", "QDoubleSpinBox", "QComboBox", "QLineEdit",
    ]  # fmt: skip
    assert (fields["count"].suffix, fields["length"].suffix) == (" knots", " mm")
    assert (fields["count"].minimum, fields["count"].maximum) == (3, 9)
    assert all(entry["help"] in fields[entry["name"]].toolTip for entry in Every.describe())
    fields["switch"].checked = False
    fields["count"].value = 99
    fields["length"].value = 5.0
    fields["open_end"].value = -3.25
    fields["share"].value = 0.0
    fields["kind"].currentIndex = 1
    fields["note"].text = "dry"
    assert len(changes) == 7
    values = Every.from_dict(made.values)
    assert (values.switch, values.count, values.length, values.open_end, values.kind, values.note) == (
        False,
        9,
        0.001,
        -3.25,
        "pine",
        "dry",
    )
    assert 0.0 < values.share < 0.01
    before = fields["length"].value
    fields["length"].stepBy(-1)
    assert 0.0 < fields["length"].value < before
