"""The page 'MITO Reconstruction' of the application's settings; ``preferences.py`` reads what it writes."""

from __future__ import annotations

from collections.abc import Callable
from dataclasses import fields
from typing import Any

import ctk
import qt
from slicer.i18n import tr as _

from MITOReconstructionLib.scene.looks import Colour
from MITOReconstructionLib.session.preferences import FASTEST, WIDEST, Preferences, key

__all__ = ["SettingsPage", "keep"]

BACKENDS = ("auto", "cuda", "astra", "cpu")


class SettingsPage(ctk.ctkSettingsPanel):  # type: ignore[misc]
    """Fields for every preference, which are kept under ``MITOReconstruction/`` as they are changed.

    Attributes
    ----------
    fields : dict
        The widgets, by the names of the fields of :class:`Preferences`.
    """

    page: SettingsPage | None = None

    def __init__(self) -> None:
        ctk.ctkSettingsPanel.__init__(self)
        SettingsPage.page = self
        self.fields: dict[str, Any] = {}
        layout = qt.QVBoxLayout(self)
        for title, names in _groups().items():
            group = qt.QGroupBox(title)
            form = qt.QFormLayout(group)
            for name, label in names.items():
                self._add(form, name, label)
            layout.addWidget(group)
        layout.addStretch(1)

    def _add(self, form: Any, name: str, label: str) -> None:
        default = {field.name: field.default for field in fields(Preferences)}[name]
        widget, member, signal = _widget(name, default, label)
        if isinstance(default, bool):
            form.addRow(widget)
        else:
            form.addRow(label, widget)
        self.fields[name] = widget
        self.registerProperty(key(name), widget, member, str(qt.SIGNAL(signal)))


def keep(name: str, value: Any) -> None:
    """Keep a preference that was chosen elsewhere; the page shows it too, and its 'Cancel' does not take it back.

    Parameters
    ----------
    name : str
        A field of :class:`Preferences` that is a folder.
    value : str
    """
    qt.QSettings().setValue(key(name), value)
    if SettingsPage.page:  # a widget that Qt has deleted is false
        SettingsPage.page.fields[name].currentPath = value
        SettingsPage.page.applySettings()


def _groups() -> dict[str, dict[str, str]]:
    return {
        _("Colours in 3D"): {
            "trajectory_colour": _("Trajectory:"),
            "source_colour": _("Source:"),
            "rays_colour": _("Rays:"),
            "around_colour": _("Views around:"),
            "line_width": _("Line width:"),
        },
        _("When a sample is loaded"): {
            "show_source": _("Show the source"),
            "show_detector": _("Show the detector with the projection"),
            "show_rays": _("Show the rays"),
            "show_trajectory": _("Show the trajectory"),
            "show_layout": _("Change to the layout '3D + projection'"),
        },
        _("Defaults"): {
            "speed": _("Playing:"),
            "backend": _("Computed by:"),
            "samples_folder": _("Folder with samples:"),
            "log_folder": _("Folder for simulated logs:"),
        },
    }


def _widget(name: str, default: Any, label: str) -> tuple[Any, str, str]:
    """A widget with the default, its property that is kept, and the signal of a change."""
    if isinstance(default, bool):
        box = qt.QCheckBox(label)
        box.checked = default
        return box, "checked", "toggled(bool)"
    if isinstance(default, tuple):
        return _colour_button(default), "color", "colorChanged(QColor)"
    if name == "backend":
        return _backend_box(default), "currentText", "currentTextChanged(QString)"
    makers: dict[type, Callable[[Any], tuple[Any, str, str]]] = {int: _speed_field, float: _width_field, str: _folder_field}
    return makers[type(default)](default)


def _colour_button(default: Colour) -> Any:
    button = ctk.ctkColorPickerButton()
    button.displayColorName = False
    button.color = qt.QColor.fromRgbF(*default)
    return button


def _backend_box(default: str) -> Any:
    box = qt.QComboBox()
    for backend in BACKENDS:
        box.addItem(backend)
    box.currentText = default
    return box


def _speed_field(default: int) -> tuple[Any, str, str]:
    field = qt.QSpinBox()
    field.setRange(1, FASTEST)
    field.suffix = _(" views/s")
    field.value = default
    return field, "value", "valueChanged(int)"


def _width_field(default: float) -> tuple[Any, str, str]:
    field = qt.QDoubleSpinBox()
    field.setRange(0.5, WIDEST)
    field.decimals = 1
    field.singleStep = 0.5
    field.suffix = _(" pixels")
    field.value = default
    return field, "value", "valueChanged(double)"


def _folder_field(default: str) -> tuple[Any, str, str]:
    field = ctk.ctkPathLineEdit()
    field.filters = ctk.ctkPathLineEdit.Dirs
    field.currentPath = default
    return field, "currentPath", "currentPathChanged(QString)"
