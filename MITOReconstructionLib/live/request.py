"""What is wanted of an engine, and how far the work on it is."""

from __future__ import annotations

import time
from collections.abc import Generator, Sequence

import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.live.plane import Plane
from MITOReconstructionLib.live.plugins import PluginStep, run_steps
from MITOReconstructionLib.live.result import Level, SliceResult
from MITOReconstructionLib.live.task import Image

__all__ = ["ContextRequest", "Request", "sentence"]


class Request:
    """A plane that is wanted, and how far it is: "preview", "between" (a better one, where it is worth it), "final", then "done"."""

    def __init__(self, key: str, plane: Plane, since: float) -> None:
        self.key, self.plane, self.since = key, plane, since
        self.stage = "preview"
        self.task: Generator[None, None, Image] | None = None
        self.seconds: dict[str, float] = {}
        self.ready = (0, 0)
        self.image: NDArray[np.float32] | None = None
        self.level: Level = "preview"
        self.complete = False
        self.reprocess = False
        self.given_up = False
        self.before: Request | None = None

    def instead_of(self, old: Request) -> None:
        """Take the place of an older request of the same key.

        A preview under way is given up, but not two in a row: the second one is brought to its end and shown first. Else nothing
        would be shown during a drag whose requests come faster than previews are made.
        """
        if old.stage != "preview":
            return
        self.before, self.given_up = old.before, old.given_up
        if self.before is None and old.task is not None:
            self.before, self.given_up = (old, False) if old.given_up else (None, True)

    def restart(self) -> None:
        """Begin anew: the levels it was worked on with are gone."""
        self.stage, self.task, self.seconds, self.before = "preview", None, {}, None

    def again(self, since: float) -> None:
        """Make the final image anew, because more of the scan has come."""
        self.stage, self.task, self.since, self.seconds = "final", None, since, {}

    def result(self, plugins: Sequence[PluginStep], number: int, fault: str) -> SliceResult:
        """Its image, put through the plugins; where there is none, zeros and the fault."""
        seconds, error = dict(self.seconds), fault if self.image is None else ""
        values: dict[str, float] = {}
        image: NDArray[np.float32] = np.zeros(self.plane.shape, np.float32) if self.image is None else self.image
        image.setflags(write=False)
        if self.image is not None:
            image, values, spent, error = run_steps(image, plugins)
            seconds |= spent
            values |= {"mean": float(image.mean()), "minimum": float(image.min()), "maximum": float(image.max())}
        seconds["total"] = time.perf_counter() - self.since
        return SliceResult(self.key, self.plane, image, self.level, self.complete, number, seconds, values, error)


class ContextRequest:
    """The context volume that is wanted."""

    def __init__(self, voxels: int) -> None:
        self.voxels = voxels
        self.done = False
        self.task: Generator[None, None, NDArray[np.float32]] | None = None
        self.ready = (0, 0)
        self.seconds = 0.0


def sentence(error: BaseException) -> str:
    """What a fault says, in one line; with its kind, where it is none that is meant for people."""
    text = " ".join(str(error).split())
    return text if text and isinstance(error, (ValueError, RuntimeError)) else f"{type(error).__name__}: {text}".rstrip(": ")
