"""The table of reconstruction methods."""

from __future__ import annotations

import importlib
from collections.abc import Callable
from dataclasses import dataclass, field
from typing import Any

import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.extensions import Table
from MITOReconstructionLib.geometry import ScanGeometry, VolumeGrid
from MITOReconstructionLib.methods.parameters import Parameters
from MITOReconstructionLib.monitor import Monitor
from MITOReconstructionLib.projectors.backends import PROJECTION, Backend
from MITOReconstructionLib.scan import Scan

__all__ = ["Method", "Problem", "Result", "describe_methods", "get", "load_folder", "methods", "problems", "register"]


@dataclass(frozen=True, eq=False)
class Problem:
    """What a method is given to work on.

    scan : Scan;
    views : int array, shape (n,), the scan's views to use;
    geometry : ScanGeometry of these views, in this order;
    grid : VolumeGrid to reconstruct on;
    backend : what computes projections of a volume, and their transpose; for filtered backprojection what does that;
    monitor : takes progress, and says when to stop;
    initial : float32, shape grid.shape, 1/mm, the volume that an iterative method starts from, or None.
    """

    scan: Scan
    views: NDArray[np.intp]
    geometry: ScanGeometry
    grid: VolumeGrid
    backend: Backend
    monitor: Monitor
    initial: NDArray[np.float32] | None = None


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
    run : ``run(problem, parameters) -> Result``;
    volumes : how many arrays of the volume's size a run holds at its peak, for estimates of memory;
    join_slabs : for a method whose runs on slabs of a grid along z give the voxels of a run on the whole: makes the report on
        the whole of those on the slabs; else None;
    purpose : what it wants of its backend, see :func:`MITOReconstructionLib.projectors.backends.choose_backend`.
    """

    name: str
    title: str
    help: str
    unit: str
    parameters: type[Parameters]
    run: Callable[[Problem, Any], Result]
    volumes: int = 3
    join_slabs: Callable[[list[dict[str, Any]]], dict[str, Any]] | None = None
    purpose: str = PROJECTION

    def describe(self) -> dict[str, Any]:
        """A JSON-ready description."""
        return {
            "name": self.name,
            "title": self.title,
            "help": self.help,
            "unit": self.unit,
            "parameters": self.parameters.describe(),
        }


BUILT_IN = ("fbp", "sirt", "cgls", "os-sart", "tv", "landweber", "adjoint")


def _give() -> None:
    for name in BUILT_IN:
        if name not in TABLE.entries:
            importlib.import_module(f"MITOReconstructionLib.methods.{name.replace('-', '_')}")


TABLE = Table(Method, "method", _give, group="mito_reconstruction.methods", variable="MITO_METHODS_PATH", first=BUILT_IN)
"""All methods: the built-in ones, and those of others, found by entry points and in the folders of the variable."""

register, get, problems, load_folder, methods = TABLE.register, TABLE.get, TABLE.problems, TABLE.load_folder, TABLE.all


def describe_methods() -> list[dict[str, Any]]:
    """JSON-ready descriptions of all methods, in the order in which they are shown."""
    return [method.describe() for method in methods().values()]
