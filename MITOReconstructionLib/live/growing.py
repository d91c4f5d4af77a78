"""Scans whose projections arrive while the scan runs."""

from __future__ import annotations

import contextlib
import os
import threading
from collections.abc import Callable, Hashable
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.errors import InputError
from MITOReconstructionLib.geometry import ScanGeometry, VolumeGrid
from MITOReconstructionLib.live.scratch import delete, scratch_array
from MITOReconstructionLib.scan import Scan, covered_grid
from MITOReconstructionLib.scan.dataset import describe_sample
from MITOReconstructionLib.scan.npy import ArrayFile, block_to_fill

__all__ = ["GrowingScan", "open_growing"]


class GrowingScan(Scan):
    """A scan of known geometry whose views come one by one; :class:`LiveSlices` takes it like any other :class:`Scan`.

    ``read`` gives the views that have come, and is an InputError for others; ``projections`` are those of :meth:`add_view`, or
    nothing but NaN where the views come in a file.

    Parameters
    ----------
    geometry : ScanGeometry
        Of the finished scan.
    name : str, optional
    grid : VolumeGrid, optional
        The default grid; by default the field of view at the detector's resolution.
    folder : path, optional
        Where the views are kept, in a file that goes with :meth:`close`; by default they are kept in memory.

    Raises
    ------
    InputError
        When there is no such folder.
    WorkError
        When its disk has no room for all the views.
    """

    def __init__(
        self, geometry: ScanGeometry, *, name: str = "scan", grid: VolumeGrid | None = None, folder: str | os.PathLike[str] | None = None
    ) -> None:
        shape = (geometry.views, geometry.detector.columns, geometry.detector.rows)
        path: Path | None = None
        if folder is None:
            kept = np.empty(shape, dtype=np.float32)  # takes memory as it is written
        else:
            kept, path = scratch_array("folder", folder, shape, np.float32, prefix=".mito-views-", what="the views")
        self._start(name, geometry, grid or covered_grid(geometry), kept, None)
        object.__setattr__(self, "_temporary", path)

    _state: _State
    _temporary: Path | None

    def _start(
        self, name: str, geometry: ScanGeometry, grid: VolumeGrid, kept: NDArray[np.floating], file: ArrayFile | None, **told: Any
    ) -> None:
        super().__init__(name, geometry, grid, kept, _file=file, **told)
        object.__setattr__(self, "_state", _State(geometry.views))
        object.__setattr__(self, "_temporary", None)

    @classmethod
    def _of_folder(cls, path: Path, name: str) -> GrowingScan:
        sample = describe_sample(path, growing=True)
        geometry, header = sample.geometry, sample.sinogram
        shape = (geometry.views, geometry.detector.columns, geometry.detector.rows)
        scan = cls.__new__(cls)
        scan._start(
            name, geometry, sample.grid, np.broadcast_to(np.array(np.nan, header.dtype), shape),
            ArrayFile(header.path, header.dtype, shape, header.offset),
            folder=path, metadata=sample.metadata, warnings=sample.metadata.warnings,
        )  # fmt: skip
        _ = scan.arrived
        return scan

    def add_view(self, index: int, projection: NDArray[np.floating]) -> None:
        """Take one view, from any thread and in any order.

        Parameters
        ----------
        index : int
            The view.
        projection : float array, shape (columns, rows)
            Line integrals of attenuation (after -log).

        Raises
        ------
        InputError
            When there is no such view, it came before, its shape or dtype is another, or the views come in a file.
        """
        shape = self.projections.shape[1:]
        array = np.asarray(projection)
        if self._file is not None:
            raise InputError("add_view", expected="a scan made with GrowingScan()", found="one that grows in a file", remedy="Let it grow.")
        if array.shape != shape or array.dtype.kind != "f":
            raise InputError(
                f"view {index}", expected=f"floating-point numbers of shape (columns, rows) = {shape}",
                found=f"{array.dtype} of shape {array.shape}", remedy="Transpose or convert the array.",
            )  # fmt: skip
        state = self._state
        with state.lock:
            if not 0 <= index < len(state.there) or state.there[index]:
                found = "one that came before" if 0 <= index < len(state.there) else str(index)
                raise InputError("view", expected=f"a new one of 0 to {len(state.there) - 1}", found=found, remedy="Give each view once.")
            self.projections[index] = array
            state.there[index] = True
            before = state.arrived
            while state.arrived < len(state.there) and state.there[state.arrived]:
                state.arrived += 1
            listeners = list(state.listeners) if state.arrived > before else []
        for listener in listeners:
            listener()

    @property
    def arrived(self) -> int:
        """How many views are there, counted from the first without a gap; of a file, whole views as long as it is now.

        Raises
        ------
        InputError
            When the file is gone.
        """
        if self._file is None:
            return self._state.arrived
        self._state.arrived = min(self.geometry.views, self._file.whole())
        return self._state.arrived

    @property
    def seen(self) -> int:
        """What :attr:`arrived` was when it was last looked at; the file is not looked at."""
        return self._state.arrived

    @property
    def finished(self) -> bool:
        """Whether all views were there when :attr:`arrived` was last looked at."""
        return self._state.arrived == self.geometry.views

    def read(self, first: int, last: int, out: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
        """As :meth:`Scan.read`; an InputError also for views that have not come."""
        if last > self._state.arrived:
            there = self._state.arrived
            remedy = f"Wait; or use those that are there, views=slice(0, {there})."
            raise InputError("views", expected=f"views that have come, below {there}", found=f"{last - 1}", remedy=remedy)
        if self._file is None:
            out = block_to_fill(out, (last - first, *self.projections.shape[1:]))
        return super().read(first, last, out)

    def stamp(self) -> Hashable:
        """As :meth:`Scan.stamp`; of a file that still grows another one each time."""
        return super().stamp() if self.finished else object()

    def subscribe(self, listener: Callable[[], None]) -> Callable[[], None]:
        """Have ``listener`` called, in the thread that adds, whenever views have come; the function given back ends that.

        Of a scan that grows in a file nobody is told.
        """
        with self._state.lock:
            self._state.listeners.append(listener)

        def end() -> None:
            with self._state.lock, contextlib.suppress(ValueError):
                self._state.listeners.remove(listener)

        return end

    def close(self) -> None:
        """Let go of the file that :meth:`add_view` writes; nothing can be read after that."""
        if self._temporary is not None:
            object.__setattr__(self, "projections", np.broadcast_to(np.float32(np.nan), self.projections.shape))
            delete(self._temporary)
            object.__setattr__(self, "_temporary", None)


class _State:
    """What changes of a growing scan."""

    def __init__(self, views: int) -> None:
        self.lock = threading.RLock()  # an engine that is collected as garbage unsubscribes, in whatever thread that happens
        self.arrived = 0
        self.there = np.zeros(views, dtype=np.bool_)
        self.listeners: list[Callable[[], None]] = []


def open_growing(folder: str | os.PathLike[str], *, name: str | None = None) -> GrowingScan:
    """Open a sample folder whose sinogram.npy still grows; the other files are those of the finished scan.

    The header of sinogram.npy may state the final shape or any other number of views; what counts is how long the file is. It is
    looked at whenever :attr:`GrowingScan.arrived` is asked for, which the engine does a few times a second. So a file that was made
    in its full length at once, to be filled later, will not do: give its views to :meth:`GrowingScan.add_view`. A file that becomes
    shorter is another recording: the engine forgets what it has read of it.

    Raises
    ------
    InputError
        As :func:`MITOReconstructionLib.open_scan`, but for a sinogram that is too short.
    """
    path = Path(folder).absolute()
    return GrowingScan._of_folder(path, name or path.resolve().name)
