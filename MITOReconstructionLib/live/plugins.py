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
import threading
import time
from collections.abc import Callable, Mapping, Sequence
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.extensions import Table
from MITOReconstructionLib.methods.parameters import Parameters

__all__ = ["Plugin", "PluginStep", "get", "load_folder", "plugins", "problems", "register", "run_steps", "track"]


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

GIVEN = ("otsu", "gaussian", "rings")


def _give() -> None:
    from MITOReconstructionLib.live import given_plugins

    for plugin in given_plugins.GIVEN:
        TABLE.entries.setdefault(plugin.name, plugin)


TABLE = Table(Plugin, "plugin", _give, group="mito_reconstruction.plugins", variable="MITO_PLUGINS_PATH", first=GIVEN)
"""All plugins: those given, and those of others, found by entry points and in the folders of the variable."""

register, get, problems, load_folder, plugins = TABLE.register, TABLE.get, TABLE.problems, TABLE.load_folder, TABLE.all
