"""The table of reconstruction methods."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.errors import InputError
from MITOReconstructionLib.geometry import ScanGeometry, VolumeGrid
from MITOReconstructionLib.methods.parameters import Parameters
from MITOReconstructionLib.monitor import Monitor
from MITOReconstructionLib.projectors.backends import Backend
from MITOReconstructionLib.scan import Scan

__all__ = ["Method", "Problem", "Result", "describe_methods", "get", "methods", "register"]


@dataclass(frozen=True, eq=False)
class Problem:
    """What a method is given to work on.

    scan : Scan;
    views : int array, shape (n,), the scan's views to use;
    geometry : ScanGeometry of these views, in this order;
    grid : VolumeGrid to reconstruct on;
    backend : what computes projections of a volume, and their transpose;
    monitor : takes progress, and says when to stop.
    """

    scan: Scan
    views: NDArray[np.intp]
    geometry: ScanGeometry
    grid: VolumeGrid
    backend: Backend
    monitor: Monitor


@dataclass(frozen=True, eq=False)
class Result:
    """What a method gives back.

    array : float32, shape grid.shape, axes x, y, z;
    report : JSON-ready facts about the run, kept in the provenance.
    """

    array: NDArray[np.float32]
    report: dict[str, Any] = field(default_factory=dict)


@dataclass(frozen=True)
class Method:
    """A reconstruction method.

    name : used in calls, lower case;
    title : shown to people;
    help : one or two sentences;
    unit : of its volumes;
    parameters : a frozen :class:`Parameters` dataclass;
    run : ``run(problem, parameters) -> Result``.
    """

    name: str
    title: str
    help: str
    unit: str
    parameters: type[Parameters]
    run: Callable[[Problem, Any], Result]

    def describe(self) -> dict[str, Any]:
        """A JSON-ready description."""
        return {
            "name": self.name,
            "title": self.title,
            "help": self.help,
            "unit": self.unit,
            "parameters": self.parameters.describe(),
        }


_METHODS: dict[str, Method] = {}
BUILT_IN = ("fbp", "landweber", "adjoint")


def register(method: Method) -> Method:
    """Add a method to the table.

    Raises
    ------
    InputError
        When there is a method of that name already.
    """
    if method.name in _METHODS:
        raise InputError(
            f"method {method.name}", expected="a name not taken yet", found="a method of that name", remedy="Choose another name."
        )
    _METHODS[method.name] = method
    return method


def methods() -> dict[str, Method]:
    """All methods by name, in the order in which they are shown."""
    for name in BUILT_IN:
        if name not in _METHODS:
            importlib.import_module(f"MITOReconstructionLib.methods.{name}")
    return dict(_METHODS)


def describe_methods() -> list[dict[str, Any]]:
    """JSON-ready descriptions of all methods, in the order in which they are shown."""
    return [method.describe() for method in methods().values()]


def get(name: str) -> Method:
    """The method of that name.

    Raises
    ------
    InputError
        When there is none, with the names there are.
    """
    known = methods()
    if name not in known:
        raise InputError("method", expected=f"one of {', '.join(known)}", found=repr(name), remedy="Choose one of these.")
    return known[name]
