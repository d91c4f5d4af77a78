"""Slicer's Sample Data: a simulated log, which is made when it is first wanted."""

from __future__ import annotations

import logging
from collections.abc import Callable
from pathlib import Path
from typing import Any

from MITOReconstructionLib.errors import WorkError
from MITOReconstructionLib.session.session import Session
from MITOReconstructionLib.session.simulating import SIMULATED_SCALE

__all__ = ["load_simulated_log"]

PLACE = "MITOReconstruction"
"""Folder in Slicer's cache, where sample data are kept."""

WAIT_SECONDS = 0.05


def load_simulated_log(session: Session, *, scale: float = SIMULATED_SCALE, alive: Callable[[], object] = lambda: None) -> list[Any]:
    """Load the simulated log of Slicer's cache; it is simulated where the cache does not have it.

    Parameters
    ----------
    session : Session
    scale : float, optional
        How many times coarser than the real scanner.
    alive : callable, optional
        Called some times a second meanwhile, so that the application answers.

    Returns
    -------
    list of vtkMRMLNode
        What shows the log in the scene, its projection first.

    Raises
    ------
    MITOError
        When something runs already, or the simulation fails.
    """
    folder = cache_folder(session) / PLACE / f"log-{scale:g}"
    if not (folder / "metadata.json").is_file():
        _simulate(session, folder, scale, alive)
    session.open(folder)
    return session.nodes()


def cache_folder(session: Session) -> Path:
    """Where Slicer keeps what it has downloaded."""
    manager = session.scene.GetCacheManager()
    found = manager.GetRemoteCacheDirectory() if manager is not None else ""
    return Path(found) if found else session.log_folder


def _simulate(session: Session, folder: Path, scale: float, alive: Callable[[], object]) -> None:
    task = session.simulate(folder, scale=scale)
    said = ""
    try:
        while not task.wait(WAIT_SECONDS):
            alive()
            if task.progress is not None and task.progress.step != said:
                said = task.progress.step
                logging.getLogger(__name__).info("Simulating a log: %s", said)
    finally:
        session.ended()
    if task.state != "done":
        raise task.error or WorkError("The simulation was cancelled.")
