"""The module ``ctk``, and which classes there are besides Qt's for .ui files."""

from __future__ import annotations

from types import ModuleType

from SlicerHost import ctk_numbers, ctk_widgets, mrml_widgets
from SlicerHost.bridge import wrapper_class
from SlicerHost.qt_module import StrictModule

NATIVE: dict[str, type] = {
    name: kind
    for module in (ctk_numbers, ctk_widgets, mrml_widgets)
    for name, kind in vars(module).items()
    if name.startswith(("ctk", "qMRML", "qSlicer")) and isinstance(kind, type)
}
"""The stand-ins for classes of CTK and of Slicer, by their names in C++."""


def make_ctk() -> ModuleType:
    """The module ``ctk``."""
    ctk = StrictModule("ctk")
    for name, kind in NATIVE.items():
        if name.startswith("ctk"):
            setattr(ctk, name, wrapper_class(kind))
    return ctk
