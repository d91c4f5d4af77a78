"""The table of reconstruction methods."""

from __future__ import annotations

import importlib
import importlib.util
import os
import sys
import threading
import types
from collections.abc import Callable
from dataclasses import dataclass, field
from importlib.metadata import entry_points
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.errors import InputError
from MITOReconstructionLib.geometry import ScanGeometry, VolumeGrid
from MITOReconstructionLib.methods.parameters import Parameters
from MITOReconstructionLib.monitor import Monitor
from MITOReconstructionLib.projectors.backends import Backend
from MITOReconstructionLib.scan import Scan

__all__ = ["Method", "Problem", "Result", "describe_methods", "get", "load_folder", "methods", "problems", "register"]


@dataclass(frozen=True, eq=False)
class Problem:
    """What a method is given to work on.

    scan : Scan;
    views : int array, shape (n,), the scan's views to use;
    geometry : ScanGeometry of these views, in this order;
    grid : VolumeGrid to reconstruct on;
    backend : what computes projections of a volume, and their transpose;
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
        the whole of those on the slabs; else None.
    """

    name: str
    title: str
    help: str
    unit: str
    parameters: type[Parameters]
    run: Callable[[Problem, Any], Result]
    volumes: int = 3
    join_slabs: Callable[[list[dict[str, Any]]], dict[str, Any]] | None = None

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
BUILT_IN = ("fbp", "sirt", "cgls", "os-sart", "tv", "landweber", "adjoint")


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
    """All methods by name, in the order in which they are shown: the built-in ones, then those of others.

    Those of others are looked for once: by entry points and in the folders of MITO_METHODS_PATH; what does not load is in
    :func:`problems`.
    """
    for name in BUILT_IN:
        if name not in _METHODS:
            importlib.import_module(f"MITOReconstructionLib.methods.{name.replace('-', '_')}")
    find_others()
    first = [name for name in BUILT_IN if name in _METHODS]
    return {name: _METHODS[name] for name in (*first, *(name for name in _METHODS if name not in first))}


def describe_methods() -> list[dict[str, Any]]:
    """JSON-ready descriptions of all methods, in the order in which they are shown."""
    return [method.describe() for method in methods().values()]


def get(name: str) -> Method:
    """The method of that name.

    Raises
    ------
    InputError
        When there is none, with the names there are, and with what did not load.
    """
    known = methods()
    if name not in known:
        faults = "".join(f" Not loaded: {problem}" for problem in problems())
        raise InputError("method", expected=f"one of {', '.join(known)}", found=repr(name), remedy=f"Choose one of these.{faults}")
    return known[name]


# ---- methods of others -------------------------------------------------------------------------------------------------

ENTRY_POINTS = "mito_reconstruction.methods"
"""Group of entry points; each names a :class:`Method`, or a module that registers some."""

PATH_VARIABLE = "MITO_METHODS_PATH"
"""Environment variable: folders of method files, separated as in PATH."""

_searched = False
_files: dict[Path, str] = {}
_problems: dict[str, str] = {}
_lock = threading.RLock()


def problems() -> tuple[str, ...]:
    """One sentence for every entry point, folder or file of others that could not be loaded."""
    return tuple(_problems.values())


def find_others() -> None:
    """Load the methods of entry points and of the folders in MITO_METHODS_PATH, once in a process."""
    global _searched
    with _lock:
        if _searched:
            return
        _searched = True
        for entry in sorted(entry_points(group=ENTRY_POINTS), key=lambda entry: entry.name):
            _attempt(f"entry point {entry.name} ({entry.value})", entry.load)
        for folder in filter(None, os.environ.get(PATH_VARIABLE, "").split(os.pathsep)):
            try:
                load_folder(folder)
            except InputError as error:
                _problems[folder] = f"{PATH_VARIABLE}: {error}"


def load_folder(path: str | os.PathLike[str]) -> tuple[str, ...]:
    """Import every .py file of a folder, each under a name of its own; a file loaded before is not loaded again.

    A file that fails leaves nothing behind; what is wrong with it is in :func:`problems`, and the others are loaded all the same.

    Parameters
    ----------
    path : path
        Folder of files that call :func:`register`.

    Returns
    -------
    tuple of str
        Names of the methods that were added.

    Raises
    ------
    InputError
        When there is no such folder.
    """
    folder = Path(path).expanduser().absolute()
    if not folder.is_dir():
        raise InputError(folder, expected="a folder of method files", found="no such folder", remedy="Correct the path.")
    methods()  # so that the built-in names are taken
    with _lock:
        before = set(_METHODS)
        for file in sorted(folder.glob("*.py")):
            if file not in _files:
                _files[file] = f"_mito_methods_{len(_files)}_{file.stem}"
                if not _attempt(str(file), lambda file=file: _import_file(file, _files[file])):  # type: ignore[misc]
                    del _files[file]
        return tuple(name for name in _METHODS if name not in before)


def _import_file(file: Path, name: str) -> types.ModuleType:
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"no loader for {file}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module


def _attempt(where: str, load: Callable[[], object]) -> bool:
    """Load a method, or a module that registers some; take back what it registered where it fails."""
    before = dict(_METHODS)
    try:
        loaded = load()
        if isinstance(loaded, Method) and _METHODS.get(loaded.name) is not loaded:
            register(loaded)
        elif not isinstance(loaded, (Method, types.ModuleType)):
            raise TypeError(f"it is a {type(loaded).__name__}, not a Method or a module that registers one")
        if len(_METHODS) == len(before) and isinstance(loaded, types.ModuleType):
            raise TypeError("it registers no method")
    except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever somebody's file does, the built-in methods stay
        _METHODS.clear()
        _METHODS.update(before)
        _problems[where] = f"{where}: {type(error).__name__}: {error}"
        return False
    _problems.pop(where, None)
    return True
