"""Processing of slices: functions of one slice, chained, with parameters that are described once.

A plugin is one Python function ``run(image, parameters) -> image``, float32 of the same shape, and a frozen
:class:`~MITOReconstructionLib.methods.Parameters` dataclass (fields bool, int, float, or a choice of texts). What
:func:`track` is told while it runs is listed with the slice.
"""

from __future__ import annotations

import os
from collections.abc import Callable, Mapping
from dataclasses import dataclass
from typing import Any

import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.methods.parameters import Parameters

__all__ = ["Plugin", "PluginStep", "get", "load_folder", "plugins", "problems", "register", "track"]


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


def plugins() -> dict[str, Plugin]:
    """All plugins by name: those given (otsu, gaussian, rings), then those of others, found as methods are.

    Those of others come from entry points of the group ``mito_reconstruction.plugins`` and from the .py files in the folders that
    the environment variable MITO_PLUGINS_PATH names; what does not load is in :func:`problems`.
    """
    raise NotImplementedError


def get(name: str) -> Plugin:
    """The plugin of that name; InputError with the names there are where there is none."""
    raise NotImplementedError


def register(plugin: Plugin) -> Plugin:
    """Add a plugin to the table; InputError where the name is taken."""
    raise NotImplementedError


def problems() -> tuple[str, ...]:
    """One sentence for every entry point, folder or file of others that could not be loaded."""
    raise NotImplementedError


def load_folder(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """Import every .py file of a folder, as :func:`MITOReconstructionLib.methods.load_folder` does; the names that were added."""
    raise NotImplementedError


def track(name: str, value: float) -> None:
    """Called by a plugin while it runs: note a value to follow; it is in ``SliceResult.values`` under that name."""
    raise NotImplementedError
