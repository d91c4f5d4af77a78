"""The host that stands in for the Slicer application."""

from __future__ import annotations

import importlib.util
import sys
from collections.abc import Iterator
from pathlib import Path
from typing import Any

import pytest

sys.path.insert(0, str(Path(__file__).parents[2]))

if importlib.util.find_spec("slicer") and importlib.util.find_spec("shiboken6"):  # the test files say what is missing
    from SlicerHost.fixtures import host, slicer_host  # noqa: F401

ROOT = Path(__file__).parents[3]


@pytest.fixture
def widget(host: Any) -> Iterator[Any]:
    """The module's widget, set up and entered."""
    yield host.load_module(ROOT / "MITOReconstruction" / "MITOReconstruction.py")
    made = host.modules.mitoreconstruction.widgetRepresentation().self()
    host.select_module("")
    made.cleanup()


@pytest.fixture
def panel(widget: Any) -> Any:
    """The panel with nothing loaded, and every section open."""
    for button in widget.panel.buttons:
        button.collapsed = False
    return widget.panel


@pytest.fixture
def loaded(host: Any, panel: Any, sample: Path) -> Any:
    """The panel with the cylinder loaded."""
    panel.data.folder.currentPath = str(sample)
    panel.data.load_button.click()
    host.check()
    return panel
