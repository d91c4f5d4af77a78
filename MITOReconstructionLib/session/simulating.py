"""Simulated logs for those without data."""

from __future__ import annotations

from pathlib import Path

from MITOReconstructionLib.jobs.task import Task
from MITOReconstructionLib.monitor import Monitor
from MITOReconstructionLib.scan.phantoms import make_phantom
from MITOReconstructionLib.scan.simulation import default_grid, mito_geometry, simulate

__all__ = ["SIMULATED_SCALE", "SIMULATED_TURNS", "simulation"]

SIMULATED_SCALE = 12.0
"""How many times coarser than the real scanner a simulated log is by default."""

SIMULATED_TURNS = 3.0


def simulation(place: Path, scale: float, turns: float) -> Task[Path]:
    """A task, not started yet, that simulates a log into a new sample folder; the folder is its value."""

    def work(monitor: Monitor) -> Path:
        phantom, geometry = make_phantom("log"), mito_geometry(scale=scale, turns=turns)
        place.parent.mkdir(parents=True, exist_ok=True)
        return simulate(place, phantom, geometry, grid=default_grid(phantom, geometry), monitor=monitor)

    return Task(work, "simulation")
