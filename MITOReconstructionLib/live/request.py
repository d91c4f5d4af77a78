"""What is wanted of an engine, and how far the work on it is."""

from __future__ import annotations

from collections.abc import Generator

import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.live.plane import Plane
from MITOReconstructionLib.live.result import Level
from MITOReconstructionLib.live.task import Image

__all__ = ["ContextRequest", "Request"]


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
        self.failed = False
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
        self.stage, self.task, self.seconds, self.before, self.failed = "preview", None, {}, None, False

    def again(self, since: float) -> None:
        """Make the final image anew, because more of the scan has come."""
        self.stage, self.task, self.since, self.seconds = "final", None, since, {}


class ContextRequest:
    """The context volume that is wanted."""

    def __init__(self, voxels: int) -> None:
        self.voxels = voxels
        self.done, self.failed = False, False
        self.task: Generator[None, None, NDArray[np.float32]] | None = None
        self.ready = (0, 0)
        self.seconds = 0.0
