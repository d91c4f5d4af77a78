"""Processing of slices: functions of one slice, chained, with parameters that are described once.

A plugin is one Python function ``run(image, parameters) -> image``, float32 of the same shape, and a frozen
:class:`~MITOReconstructionLib.methods.Parameters` dataclass (fields bool, int, float, or a choice of texts). What
:func:`track` is told while it runs is listed with the slice.

The whole of a plugin, in a file of a folder that MITO_PLUGINS_PATH names::

    from dataclasses import dataclass

    from MITOReconstructionLib.live.plugins import Plugin, register, track
    from MITOReconstructionLib.methods import Parameters, parameter


    @dataclass(frozen=True)
    class ScaleParameters(Parameters):
        factor: float = parameter(1.0, "Factor on the slice.", above=0.0)


    def run(image, parameters):
        track("brightest", image.max())
        return image * parameters.factor


    register(Plugin("scale", "Scale", "The slice times a factor.", ScaleParameters, run))
"""

from __future__ import annotations

import math
import os
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from importlib.metadata import entry_points
from pathlib import Path
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.errors import InputError
from MITOReconstructionLib.methods.parameters import Parameters
from MITOReconstructionLib.methods.registry import import_file

__all__ = ["Plugin", "PluginStep", "get", "load_folder", "plugins", "problems", "register", "run_steps", "track"]

ENTRY_POINTS = "mito_reconstruction.plugins"
"""Group of entry points; each names a :class:`Plugin`, or a module that registers some."""

PATH_VARIABLE = "MITO_PLUGINS_PATH"
"""Environment variable: folders of plugin files, separated as in PATH."""


@dataclass(frozen=True)
class Plugin:
    """A processing step of slices.

    name : used in calls, lower case;
    title : shown to people;
    help : one or two sentences;
    parameters : a frozen :class:`Parameters` dataclass; its ``describe()`` says what to draw;
    run : ``run(image, parameters) -> image``; the image is float32, shape (n, m), 1/mm, read-only, and the result has the same shape.
        Called in the engine's thread.
    """

    name: str
    title: str
    help: str
    parameters: type[Parameters]
    run: Callable[[NDArray[np.float32], Any], NDArray[Any]]

    def describe(self) -> dict[str, Any]:
        """A JSON-ready description."""
        return {"name": self.name, "title": self.title, "help": self.help, "parameters": self.parameters.describe()}


@dataclass(frozen=True)
class PluginStep:
    """A plugin with the values of its parameters: one step of a chain."""

    plugin: Plugin
    parameters: Parameters

    @classmethod
    def of(cls, name: str, parameters: Mapping[str, Any] | None = None) -> PluginStep:
        """The step of the plugin of that name.

        Raises
        ------
        InputError
            When there is no such plugin, or a parameter is unknown or out of range.
        """
        plugin = get(name)
        return cls(plugin, plugin.parameters.from_dict(parameters or {}))


# ---- running -----------------------------------------------------------------------------------------------------------

_tracked = threading.local()


def track(name: str, value: float) -> None:
    """Called by a plugin while it runs: note a value to follow; it is in ``SliceResult.values`` under that name."""
    values: dict[str, float] | None = getattr(_tracked, "values", None)
    if values is not None:
        values[str(name)] = float(value)


Processed = tuple[NDArray[np.float32], dict[str, float], dict[str, float], str]


def run_steps(image: NDArray[np.float32], steps: Sequence[PluginStep]) -> Processed:
    """Put an image through a chain of plugins; the first one that fails ends it.

    Parameters
    ----------
    image : float32, shape (n, m), read-only
    steps : sequence of PluginStep

    Returns
    -------
    image : float32, shape (n, m)
        Where a plugin failed, as it was before that one.
    values : dict
        What the plugins track.
    seconds : dict
        "plugins" for all, "plugin NAME" for each.
    error : str
        Empty, or one sentence.
    """
    values: dict[str, float] = {}
    seconds: dict[str, float] = {}
    for step in steps:
        name = step.plugin.name
        start = time.perf_counter()
        _tracked.values = values
        try:
            image = _checked(step.plugin.run(image, step.parameters), image.shape)
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever somebody's function does, the slice is shown
            text = " ".join(str(error).split())
            return image, values, seconds, f"plugin {name}: {type(error).__name__}: {text}"
        finally:
            _tracked.values = None
            taken = time.perf_counter() - start
            seconds[f"plugin {name}"] = seconds.get(f"plugin {name}", 0.0) + taken
            seconds["plugins"] = seconds.get("plugins", 0.0) + taken
    return image, values, seconds, ""


def _checked(result: Any, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """What a plugin gave, as a read-only float32 array of its own, once it is sure that it is an image."""
    if not isinstance(result, np.ndarray) or result.shape != shape or result.dtype.kind not in "fiub":
        found = f"{result.dtype} of shape {result.shape}" if isinstance(result, np.ndarray) else type(result).__name__
        raise TypeError(f"expected an array of numbers of shape {shape}; found {found}")
    image = np.array(result, dtype=np.float32, order="C")
    if not math.isfinite(float(image.sum(dtype=np.float64))):
        raise ValueError("expected finite numbers; found NaN or infinity")
    image.setflags(write=False)
    return image


# ---- the table ---------------------------------------------------------------------------------------------------------

_PLUGINS: dict[str, Plugin] = {}
_files: set[Path] = set()
_problems: dict[str, str] = {}
_lock = threading.RLock()
_searched = False


def register(plugin: Plugin) -> Plugin:
    """Add a plugin to the table.

    Raises
    ------
    InputError
        When there is a plugin of that name already.
    """
    with _lock:
        if plugin.name in _PLUGINS:
            raise InputError(
                f"plugin {plugin.name}", expected="a name not taken yet", found="a plugin of that name", remedy="Choose another name."
            )
        _PLUGINS[plugin.name] = plugin
    return plugin


def plugins() -> dict[str, Plugin]:
    """All plugins by name: those given (otsu, gaussian, rings), then those of others, which are looked for once, as methods are.

    Those of others come from entry points of the group ``mito_reconstruction.plugins`` and from the .py files in the folders that
    the environment variable MITO_PLUGINS_PATH names; what does not load is in :func:`problems`.
    """
    global _searched
    from MITOReconstructionLib.live import given_plugins

    with _lock:
        for plugin in given_plugins.GIVEN:
            _PLUGINS.setdefault(plugin.name, plugin)
        if not _searched:
            _searched = True
            for entry in sorted(entry_points(group=ENTRY_POINTS), key=lambda entry: entry.name):
                _attempt(f"entry point {entry.name} ({entry.value})", entry.load)
            for folder in filter(None, os.environ.get(PATH_VARIABLE, "").split(os.pathsep)):
                try:
                    load_folder(folder)
                except InputError as error:
                    _problems[folder] = f"{PATH_VARIABLE}: {error}"
        return dict(_PLUGINS)


def get(name: str) -> Plugin:
    """The plugin of that name.

    Raises
    ------
    InputError
        When there is none, with the names there are, and with what did not load.
    """
    known = plugins()
    if name not in known:
        faults = "".join(f" Not loaded: {problem}" for problem in problems())
        raise InputError("plugin", expected=f"one of {', '.join(known)}", found=repr(name), remedy=f"Choose one of these.{faults}")
    return known[name]


def problems() -> tuple[str, ...]:
    """One sentence for every entry point, folder or file of others that could not be loaded."""
    return tuple(_problems.values())


def load_folder(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """Import every .py file of a folder; a file loaded before is not loaded again, and one that fails leaves nothing behind.

    Parameters
    ----------
    path : path
        Folder of files that call :func:`register`.

    Returns
    -------
    tuple of str
        Names of the plugins that were added.

    Raises
    ------
    InputError
        When there is no such folder.
    """
    folder = Path(path).expanduser().absolute()
    if not folder.is_dir():
        raise InputError(folder, expected="a folder of plugin files", found="no such folder", remedy="Correct the path.")
    plugins()
    with _lock:
        before = set(_PLUGINS)
        for file in sorted(folder.glob("*.py")):
            name = f"_mito_plugins_{len(_files)}_{file.stem}"
            if file not in _files and _attempt(str(file), lambda file=file, name=name: import_file(file, name)):  # type: ignore[misc]
                _files.add(file)
        return tuple(name for name in _PLUGINS if name not in before)


def _attempt(where: str, load: Callable[[], object]) -> bool:
    """Load a plugin, or a module that registers some; take back what it registered where it fails."""
    before = dict(_PLUGINS)
    try:
        loaded = load()
        if isinstance(loaded, Plugin) and _PLUGINS.get(loaded.name) is not loaded:
            register(loaded)
        elif not isinstance(loaded, (Plugin, ModuleType)):
            raise TypeError(f"it is a {type(loaded).__name__}, not a Plugin or a module that registers one")
        if len(_PLUGINS) == len(before):
            raise TypeError("it registers no plugin")
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever somebody's file does, the others stay
        _PLUGINS.clear()
        _PLUGINS.update(before)
        _problems[where] = f"{where}: {type(error).__name__}: {error}"
        return False
    _problems.pop(where, None)
    return True
