"""Data-sized arrays that are needed in every pass: in memory, in a temporary file, or computed anew."""

from __future__ import annotations

import shutil
import tempfile
from collections.abc import Callable
from typing import IO

import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.errors import WorkError

__all__ = ["Kept", "runs"]

MEMORY = 512 << 20
"""Bytes up to which such an array is kept in memory."""

SPARE = 1 << 30
"""Bytes that a temporary file leaves free on its disk."""

Fill = Callable[[NDArray[np.intp], NDArray[np.float32]], object]
"""Computes the projections of some views: indices, shape (n,), and where to write them, shape (n, columns, rows)."""


def runs(index: NDArray[np.intp]) -> list[tuple[int, int]]:
    """Where neighbours follow each other in an index, as first and last (exclusive) positions."""
    breaks = np.flatnonzero(np.diff(index) != 1) + 1
    return list(zip([0, *breaks.tolist()], [*breaks.tolist(), len(index)], strict=True)) if len(index) else []


class Kept:
    """Projections that cost something to compute, by view.

    An array of at most :data:`MEMORY` bytes is kept in memory. A larger one goes to a file without a name in the system's
    temporary folder, which vanishes with this process whatever becomes of it. Where that disk is too full, every read computes
    anew.

    Parameters
    ----------
    shape : (int, int, int)
        Views, columns, rows.
    fill : callable
        Called as ``fill(index, out)``; writes ``out``, float32, shape (n, columns, rows).

    Raises
    ------
    WorkError
        When the temporary file cannot be made.
    """

    def __init__(self, shape: tuple[int, int, int], fill: Fill) -> None:
        self._fill = fill
        self._known = np.zeros(shape[0], dtype=bool)
        self._view_bytes = 4 * shape[1] * shape[2]
        self._array: NDArray[np.float32] | None = None
        self._file: IO[bytes] | None = None
        size = shape[0] * self._view_bytes
        if size <= MEMORY:
            self._array = np.empty(shape, dtype=np.float32)
        else:
            try:
                if shutil.disk_usage(tempfile.gettempdir()).free >= size + SPARE:
                    self._file = tempfile.TemporaryFile(prefix="mito-")  # noqa: SIM115 - closed by close()
            except OSError as error:
                raise _no_file(size, error) from error

    @property
    def place(self) -> str:
        """Where the projections are: "memory", "file" or "nowhere"."""
        return "memory" if self._array is not None else "file" if self._file is not None else "nowhere"

    def read(self, index: NDArray[np.intp], out: NDArray[np.float32]) -> NDArray[np.float32]:
        """Projections of some views, computed where they are not known yet.

        Parameters
        ----------
        index : int array, shape (n,)
        out : float32 array in C order, shape (n, columns, rows)
            Written and returned.

        Raises
        ------
        WorkError
            When the temporary file cannot be written or read.
        """
        if self.place == "nowhere":
            self._fill(index, out)
        elif np.all(self._known[index]):
            self._get(index, out)
        else:
            self._fill(index, out)
            self._put(index, out)
            self._known[index] = True
        return out

    def close(self) -> None:
        """Forget everything; the temporary file is removed."""
        self._known[:] = False
        self._array = None
        if self._file is not None:
            self._file.close()
            self._file = None

    def _get(self, index: NDArray[np.intp], out: NDArray[np.float32]) -> None:
        if self._array is not None:
            np.take(self._array, index, axis=0, out=out, mode="clip")
            return
        for first, last in runs(index):
            part = out[first:last].data.cast("B")
            if self._file is None or self._at(index[first]).readinto(part) != len(part):  # type: ignore[attr-defined]
                raise WorkError("The temporary file of this run ends too early; was the disk full? Free space in the temporary folder.")

    def _put(self, index: NDArray[np.intp], values: NDArray[np.float32]) -> None:
        if self._array is not None:
            self._array[index] = values
            return
        try:
            for first, last in runs(index):
                self._at(index[first]).write(values[first:last].data.cast("B"))
        except OSError as error:
            raise _no_file(len(self._known) * self._view_bytes, error) from error

    def _at(self, view: np.intp) -> IO[bytes]:
        if self._file is None:
            raise WorkError("The projections that this run kept were closed before it ended.")
        self._file.seek(int(view) * self._view_bytes)
        return self._file


def _no_file(size: int, error: OSError) -> WorkError:
    return WorkError(
        f"Cannot keep {size / 2**30:.1f} GiB of projections in the temporary folder {tempfile.gettempdir()}: {error.strerror}. "
        "Free space there, set TMPDIR to another folder, or use fewer views."
    )
