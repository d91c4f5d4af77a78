"""A volume that comes from a cluster in parts, on the side of whoever asked for it."""

from __future__ import annotations

import contextlib
import os
import time
from typing import Any

import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.errors import Cancelled, InputError, MITOError
from MITOReconstructionLib.export.slab_file import SlabFile, save_in_slabs
from MITOReconstructionLib.export.volume import require_nrrd_suffix
from MITOReconstructionLib.jobs.estimate import require_disk
from MITOReconstructionLib.jobs.request import Request
from MITOReconstructionLib.jobs.slab_ranges import SLAB_BYTES, slab_ranges, slab_starts

__all__ = ["Order"]


class Order:
    """A request, the file that its volume goes into, and how far it is. It ends done, or with an ``error``.

    ``ranges`` are those of :meth:`cut`; ``submitted_again`` counts the tasks that the scheduler had dropped.

    Parameters
    ----------
    number : int
        Its place among the orders of a run.
    path : path
        The file to write.
    request : Request

    Raises
    ------
    InputError
        When the file cannot be written there, the scan is not on disk, or the request brings a volume to start from.
    """

    def __init__(self, number: int, path: str | os.PathLike[str], request: Request) -> None:
        self.number, self.path, self.request = number, path, request
        self.in_slabs = request.method.name == "fbp"
        self.provenance: dict[str, Any] = {}
        self.error: MITOError | None = None
        self.ranges: list[tuple[int, int]] = []
        self.submitted_again = 0
        self._told: dict[int, float] = {}
        self._taken: set[int] = set()
        self._file: SlabFile | None = None
        self._context: contextlib.AbstractContextManager[SlabFile] | None = None
        self._started = time.monotonic()
        self._require_possible()

    def cut(self, machines: int) -> list[tuple[int, int]]:
        """Ranges of slices that come back one by one: slabs, or what a volume made in one piece is cut into afterwards."""
        grid = self.request.grid
        if self.in_slabs:
            self.ranges = slab_ranges(grid, self.request.geometry, machines)
        else:
            self.ranges = slab_starts(grid.shape[2], min(grid.shape[2], -(-grid.nbytes // SLAB_BYTES)))
        return self.ranges

    def tell(self, part: int, fraction: float) -> None:
        """Take the report of a task."""
        self._told[part] = max(fraction, self._told.get(part, 0.0))

    @property
    def fraction(self) -> float:
        """How much is done, 0 to 1."""
        if self.error is not None:
            return 1.0
        if not self.in_slabs:
            return 1.0 if len(self._taken) == len(self.ranges) > 0 else 0.99 * self._told.get(0, 0.0)
        done = sum((b - a) * (1.0 if n in self._taken else 0.99 * self._told.get(n, 0.0)) for n, (a, b) in enumerate(self.ranges))
        return done / self.request.grid.shape[2]

    def take(self, part: int, slab: NDArray[np.float32], provenance: dict[str, Any], cluster: dict[str, Any]) -> None:
        """Write a part; with the last one the file comes under its name. ``cluster`` goes into the provenance.

        Raises
        ------
        WorkError
            When writing fails.
        """
        if self._file is None:
            self.provenance = {**provenance, "cluster": {**cluster, "parts": len(self.ranges) if self.in_slabs else 1}}
            self._context = save_in_slabs(self.path, self.request.grid, self.provenance)
            self._file = self._context.__enter__()
        elif self.in_slabs:
            self._add_report(provenance)
        try:
            self._file.write(self.ranges[part][0], slab)
        except OSError as error:
            self._leave(error)
            raise
        self._taken.add(part)
        if len(self._taken) == len(self.ranges):
            self.provenance["cluster"]["submitted_again"] = self.submitted_again
            self.provenance["seconds"] = round(time.monotonic() - self._started, 3)
            self._file.provenance = self.provenance
            self._leave(None)

    def fail(self, error: MITOError) -> None:
        """End with an error; nothing is left of the file."""
        self.error = error
        self._leave(error)

    def abandon(self) -> None:
        """Remove what was begun and not ended."""
        self._leave(Cancelled("The run was cancelled."))

    def _leave(self, error: BaseException | None) -> None:
        """End writing: put the file in its place, or remove it."""
        context, self._context, self._file = self._context, None, None
        if context is not None and error is None:
            context.__exit__(None, None, None)
        elif context is not None and error is not None:
            context.__exit__(type(error), error, error.__traceback__)

    def _add_report(self, provenance: dict[str, Any]) -> None:
        """Counts of voxels add up from slab to slab; all else is the same in each."""
        report = self.provenance["report"]
        if "unseen_voxels" in report:
            report["unseen_voxels"] += provenance["report"]["unseen_voxels"]

    def _require_possible(self) -> None:
        self.request.to_dict()  # refuses what no other process can open
        if self.request.initial is not None:
            raise InputError(
                "initial volume", expected="none, on a cluster", found="a volume to start from", remedy="Leave it out, or run it here."
            )
        folder = require_nrrd_suffix(self.path).absolute().parent
        if not folder.is_dir():
            raise InputError(self.path, expected="a folder that exists to write into", found=f"no folder {folder}", remedy="Make it first.")
        require_disk(self.request, folder)
