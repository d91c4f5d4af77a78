"""Packages that are missing, and their installation through Slicer. Without Qt."""

from __future__ import annotations

import importlib
import importlib.util
from collections.abc import Sequence

from MITOReconstructionLib.errors import InputError, WorkError
from MITOReconstructionLib.projectors.backends import BackendState, backend_states
from MITOReconstructionLib.scene.host import slicer

__all__ = ["install", "install_backend", "missing_packages"]

REQUESTER = "MITOReconstruction"

IMPORT_NAMES = {"pynrrd": "nrrd"}
"""What a required package is imported as, where that is not its name."""


def missing_packages(wanted: Sequence[str]) -> list[str]:
    """Those of some packages, named as pip has them (``name>=version``), that are not installed in any version."""
    names = {entry: entry.partition(">")[0] for entry in wanted}
    return [entry for entry, name in names.items() if importlib.util.find_spec(IMPORT_NAMES.get(name, name)) is None]


def install_backend(name: str) -> BackendState:
    """Install what a backend lacks, after Slicer has asked the user; its state afterwards, which may still be that it lacks a GPU.

    Raises
    ------
    InputError
        When there is no backend of that name.
    WorkError
        When the user declines, installing fails, or nothing that can be installed is missing.
    """
    state = _state(name)
    if state.available:
        return state
    if not state.packages:
        raise WorkError(f"{state.title}: nothing that could be installed is missing. {state.text}")
    install(state.packages)
    after = _state(name)
    if after.packages:
        raise WorkError(f"{state.title}: not installed. {after.text} Where it was installed just now, restart Slicer.")
    return after


def install(packages: Sequence[str]) -> None:
    """Install packages, named as pip has them, after Slicer has asked the user; they can be imported at once.

    Raises
    ------
    WorkError
        When the user declines, or installing fails.
    """
    wanted = ", ".join(packages)
    try:
        packaging = importlib.import_module("slicer.packaging")
    except ImportError:  # Slicer 5.10 and older
        packaging = None
    try:
        if packaging is not None:
            packaging.pip_ensure(list(packages), requester=REQUESTER)
        elif slicer.util.confirmOkCancelDisplay(f"These Python packages need to be installed: {wanted}", REQUESTER):
            slicer.util.pip_install(" ".join(f'"{entry}"' for entry in packages))
        else:
            raise WorkError(f"Not installed: {wanted}. It was declined.")
    except WorkError:
        raise
    except Exception as error:  # pip, the network, Slicer: whatever it was, it is told
        raise WorkError(f"{wanted} could not be installed: {error}") from error
    finally:
        importlib.invalidate_caches()


def _state(name: str) -> BackendState:
    states = {state.name: state for state in backend_states()}
    if name not in states:
        raise InputError("backend", expected=f"one of {', '.join(states)}", found=repr(name), remedy="Choose one of these.")
    return states[name]
