"""What the application is told of when it has started: sample data and a page of settings. Needs no package."""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import Any

import slicer
import slicer.util
from slicer.i18n import tr as _

__all__ = ["register"]

NAME = "MITOReconstruction"


def register(icon: Path) -> None:
    """Add a simulated log, with an icon, to Slicer's Sample Data, and where there is a window a page to its settings."""
    import SampleData

    SampleData.SampleDataLogic.registerCustomSampleDataSource(
        category=_("MITO Reconstruction"),
        sampleName=_("Simulated log"),
        thumbnailFileName=str(icon),
        customDownloader=simulated_log,
    )
    if slicer.util.mainWindow() is not None:
        page = _later("panels.settings").SettingsPage()
        slicer.app.settingsDialog().addPanel(_("MITO Reconstruction"), page)
        page.connect("settingChanged(QString,QVariant)", apply_settings)


def simulated_log(_source: Any) -> list[Any]:
    """The sample of Slicer's Sample Data: a log, simulated when it is first wanted; the nodes that show it."""
    logic = slicer.util.getModuleLogic(NAME)
    logic.check_requirements()
    nodes: list[Any] = _later("session.sample_data").load_simulated_log(logic.session, alive=slicer.app.processEvents)
    return nodes


def apply_settings(*_change: Any) -> None:
    """Have the module's panel follow the application's settings, where it was opened."""
    logic = getattr(getattr(slicer.modules, f"{NAME}Widget", None), "logic", None)
    if logic is not None and not logic.missing_requirements():
        logic.session.set_preferences(_later("session.preferences").read_preferences())


def _later(name: str) -> Any:
    """A module of the library, imported when it is used: it may need packages."""
    return importlib.import_module(f"MITOReconstructionLib.{name}")
