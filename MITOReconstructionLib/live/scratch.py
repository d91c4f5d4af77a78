"""Large arrays that are kept in a file in place of memory, and are gone with it in the end."""

from __future__ import annotations

import contextlib
import errno
import math
import os
import tempfile
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import DTypeLike, NDArray

from MITOReconstructionLib.errors import InputError, WorkError
from MITOReconstructionLib.files import mebibytes

__all__ = ["delete", "scratch_array"]

CHUNK = 1 << 20
"""Bytes that are written at a time where the system cannot reserve room."""

CANNOT = (errno.EINVAL, errno.ENOSYS, errno.ENOTSUP, errno.EOPNOTSUPP)
"""What a file system says that cannot reserve room."""


def scratch_array(
    where: str, folder: str | os.PathLike[str], shape: tuple[int, ...], dtype: DTypeLike, *, prefix: str, what: str
) -> tuple[NDArray[Any], Path]:
    """An array of zeros in a new file.

    All the room that it needs on the disk is taken at once: a write to a mapped file for which there is none ends the process.

    Parameters
    ----------
    where : str
        Name of the argument that ``folder`` is, for the error.
    folder : path
    shape, dtype
    prefix : str
        Of the file's name.
    what : str
        What the array is, for the error: "a cache".

    Returns
    -------
    array : shape ``shape``, dtype ``dtype``, a writable memory map
    path : Path
        The file; :func:`delete` it once the array is no longer used.

    Raises
    ------
    InputError
        When there is no such folder.
    WorkError
        When the file cannot be made, or the disk has no room for it.
    """
    place = Path(folder)
    if not place.is_dir():
        raise InputError(where, expected="a folder that exists", found=str(folder), remedy="Make it, or choose another one.")
    size, path = math.prod(shape) * np.dtype(dtype).itemsize, None
    try:
        number, name = tempfile.mkstemp(prefix=prefix, dir=place)
        path = Path(name)
        with os.fdopen(number, "r+b", buffering=0) as file:
            _reserve(file, size)
            return np.memmap(file, dtype=dtype, mode="r+", shape=shape), path
    except OSError as error:
        if path is not None:
            delete(path)
        raise WorkError(f"{place}: no room for {what} of {mebibytes(size)}: {error.strerror or error}.") from error


def _reserve(file: Any, size: int) -> None:
    """Make a file that long, with all its room on the disk."""
    if hasattr(os, "posix_fallocate"):
        try:
            os.posix_fallocate(file.fileno(), 0, size)
            return
        except OSError as error:
            if error.errno not in CANNOT:
                raise
    file.seek(0)
    zeros = memoryview(bytes(min(CHUNK, size)))
    while size:
        size -= file.write(zeros[: min(CHUNK, size)])


def delete(path: Path) -> None:
    """Delete a file of :func:`scratch_array`; where the system keeps it while somebody has it mapped, it stays."""
    with contextlib.suppress(OSError):
        path.unlink(missing_ok=True)
