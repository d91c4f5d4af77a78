"""The Python modules that Slicer brings besides the application: texts, packages, sample data."""

from __future__ import annotations

import importlib.util
import inspect
from collections.abc import Callable
from pathlib import Path
from types import ModuleType
from typing import Any

from SlicerHost import parameter_kinds, parameter_node, scripted
from SlicerHost.dialogs import ANSWERS
from SlicerHost.errors import HostError
from SlicerHost.qt_module import StrictModule

INSTALLED: list[Any] = []
"""What was to be installed: each call's requirements."""

SAMPLES: list[dict[str, Any]] = []
"""The sample data that modules registered."""


def _module(name: str, **content: Any) -> ModuleType:
    module = StrictModule(name)
    vars(module).update(content)
    return module


# ---- packages --------------------------------------------------------------------------------------------------------


def _pip_install(requirements: Any, **_keywords: Any) -> None:
    INSTALLED.append(requirements)


def _load_requirements(path: str) -> list[str]:
    lines = (line.partition("#")[0].strip() for line in Path(path).read_text(encoding="utf-8").splitlines())
    return [line for line in lines if line]


def _pip_ensure(requirements: Any, requester: str = "", **_keywords: Any) -> None:
    missing = [entry for entry in requirements if not _installed(entry)]
    if missing:
        ANSWERS.ask("slicer.packaging.pip_ensure", requester, ", ".join(missing))
        INSTALLED.append(missing)


def _installed(requirement: str) -> bool:
    name = requirement.partition(">")[0].partition("=")[0].strip()
    return importlib.util.find_spec({"pynrrd": "nrrd", "astra-toolbox": "astra"}.get(name, name)) is not None


# ---- sample data -----------------------------------------------------------------------------------------------------


class SampleDataLogic:
    """``SampleData.SampleDataLogic``: what is registered is noted, and downloaded by ``customDownloader`` only."""

    @staticmethod
    def registerCustomSampleDataSource(
        category: str = "Custom",
        sampleName: str | None = None,
        uris: Any = None,
        fileNames: Any = None,
        nodeNames: Any = None,
        customDownloader: Callable | None = None,
        thumbnailFileName: str | None = None,
        loadFileType: Any = None,
        loadFiles: Any = None,
        loadFileProperties: dict | None = None,
        checksums: Any = None,
        sampleDescription: str | None = None,
    ) -> None:
        """Note a data set."""
        SAMPLES.append({key: value for key, value in locals().items() if value is not None})

    @staticmethod
    def downloadSample(name: str) -> Any:
        """Make a data set as the Sample Data module does, by its ``customDownloader``."""
        for sample in SAMPLES:
            if name == sample.get("sampleName"):
                if "customDownloader" not in sample:
                    raise HostError(f"the sample '{name}' would be downloaded from {sample.get('uris')}")
                return sample["customDownloader"](type("SampleDataSource", (), sample)())
        raise HostError(f"no sample '{name}' was registered")


# ---- slicer.util -----------------------------------------------------------------------------------------------------

CONFIRMATIONS = ("confirmOkCancelDisplay", "confirmYesNoDisplay", "confirmRetryCloseDisplay")
MESSAGES = ("errorDisplay", "warningDisplay", "infoDisplay", "delayDisplay")


def util_changes() -> dict[str, Callable]:
    """What of ``slicer.util`` would open a dialog, and what is done in place of it."""
    changes: dict[str, Callable] = {"pip_install": _pip_install, "restart": lambda: ANSWERS.ask("slicer.util.restart")}
    for name in CONFIRMATIONS:
        changes[name] = lambda text, *_rest, _name=name, **_named: bool(ANSWERS.ask(f"slicer.util.{_name}", text))
    for name in MESSAGES:
        changes[name] = lambda text, *_rest, _name=name, **_named: ANSWERS.note(f"slicer.util.{_name}", text)
    changes["messageBox"] = lambda text, *_rest, **_named: ANSWERS.ask("slicer.util.messageBox", text)
    return changes


def modules() -> dict[str, ModuleType]:
    """The modules by their names."""
    public = {name: value for name, value in vars(parameter_kinds).items() if inspect.isclass(value) and value.__module__.endswith("kinds")}
    public.pop("Kind")
    return {
        "slicer.i18n": _module("slicer.i18n", tr=lambda text: text, translate=lambda context, text: text),
        "slicer.packaging": _module(
            "slicer.packaging", pip_ensure=_pip_ensure, pip_install=_pip_install, load_requirements=_load_requirements
        ),
        "slicer.ScriptedLoadableModule": _module(
            "slicer.ScriptedLoadableModule", **{name: value for name, value in vars(scripted).items() if name.startswith("Scripted")}
        ),
        "slicer.parameterNodeWrapper": _module(
            "slicer.parameterNodeWrapper",
            parameterNodeWrapper=parameter_node.parameterNodeWrapper,
            parameterPack=parameter_node.parameterPack,
            **{name: value for name, value in public.items() if not name.startswith("_")},
        ),
        "SampleData": _module("SampleData", SampleDataLogic=SampleDataLogic),
    }
