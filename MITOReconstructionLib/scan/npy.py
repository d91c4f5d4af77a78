"""Opening .npy files with every fault named: nothing is read but the header until somebody asks."""

from __future__ import annotations

import contextlib
import io
import math
import os
import sys
import warnings
from dataclasses import dataclass, field
from pathlib import Path
from typing import IO

import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.errors import InputError
from MITOReconstructionLib.files import is_endless

__all__ = ["ArrayFile", "open_array", "read_array"]

LONGEST_HEADER = 1 << 16
"""Bytes; numpy refuses headers of more than 10,000 characters anyway."""

HINT_BYTES = 128 << 10
"""Linux takes up no more of one hint than its read-ahead, 128 KiB where nobody has changed it."""


@dataclass(frozen=True)
class ArrayFile:
    """What the header of a .npy file says: path, dtype, shape, and where the data begin (bytes).

    header : the header itself, where it is no longer to change; it is then compared at each reading.
    """

    path: Path
    dtype: np.dtype[np.floating]
    shape: tuple[int, ...]
    offset: int
    header: bytes = field(default=b"", repr=False)

    @property
    def nbytes(self) -> int:
        """Bytes of the whole file, header and data."""
        return self.offset + math.prod(self.shape) * self.dtype.itemsize

    def read(
        self, first: int, last: int, out: NDArray[np.float32] | None = None, columns: tuple[int, int] | None = None
    ) -> NDArray[np.float32]:
        """Read the items ``first`` to ``last`` (exclusive) along the first axis as native float32.

        The data pass through a buffer of the caller's or of this call; no page of the file stays mapped, so that
        reading a whole sinogram block by block needs no more memory than one block.

        Parameters
        ----------
        first, last : int
            Range within 0..shape[0].
        out : float32 array of the shape that is read, C order, optional
        columns : (int, int), optional
            First and last (exclusive) along the second axis; all by default.

        Raises
        ------
        InputError
            When the file is shorter than its header says, is gone or is another one by now, or ``out`` is no such array.

        Notes
        -----
        A float64 value beyond the range of float32 becomes infinite.
        """
        low, high = columns or (0, self.shape[1])
        shape = (last - first, high - low, *self.shape[2:])
        column = math.prod(self.shape[2:]) * self.dtype.itemsize
        out = block_to_fill(out, shape)
        direct = self.dtype == np.dtype(np.float32)
        buffer = out.reshape(-1) if direct else np.empty(math.prod(shape), dtype=self.dtype)
        try:
            with self.path.open("rb", buffering=0) as file:
                if self.header and file.read(self.offset) != self.header:
                    raise _replaced(self)
                pieces = [buffer] if high - low == self.shape[1] else np.split(buffer, last - first) if last > first else []
                for number, piece in enumerate(pieces):
                    file.seek(self.offset + ((first + number) * self.shape[1] + low) * column)
                    self._fill(file, memoryview(piece.view(np.uint8).data))
        except OSError as error:
            raise _lost(self, error) from error
        if not direct:
            with np.errstate(all="ignore"):
                out[...] = buffer.reshape(shape)
        return out

    def _fill(self, file: IO[bytes], view: memoryview) -> None:
        while len(view):
            count = file.readinto(view)  # type: ignore[attr-defined]
            if not count:
                raise _truncated(self)
            view = view[count:]

    def whole(self) -> int:
        """Items along the first axis that are there whole, as long as the file is now; an InputError when it is gone."""
        return max(0, self._stat().st_size - self.offset) // (math.prod(self.shape[1:]) * self.dtype.itemsize)

    def _stat(self) -> os.stat_result:
        try:
            return os.stat(self.path)
        except OSError as error:
            raise _lost(self, error) from error

    def stamp(self) -> tuple[int, int]:
        """Size in bytes and time of the last change in ns, by which a file is told from what it was before.

        Raises
        ------
        InputError
            When the file is shorter than its header says or is gone.
        """
        found = self._stat()
        if found.st_size < self.nbytes:
            raise _truncated(self)
        return found.st_size, found.st_mtime_ns

    def announce(self, first: int, last: int) -> None:
        """Have the system bring the items ``first`` to ``last`` (exclusive) from the disk into its cache, if it can.

        Linux is told, and does it while this process computes. Elsewhere they are read and forgotten, so this is for a
        thread for which nobody waits. A file that is gone is told when it is read.
        """
        item = math.prod(self.shape[1:]) * self.dtype.itemsize
        begin, end = self.offset + first * item, self.offset + last * item
        with contextlib.suppress(OSError), self.path.open("rb", buffering=0) as file:
            if sys.platform == "linux":
                for place in range(begin, end, HINT_BYTES):
                    os.posix_fadvise(file.fileno(), place, min(HINT_BYTES, end - place), os.POSIX_FADV_WILLNEED)
            else:
                file.seek(begin)
                part = memoryview(bytearray(HINT_BYTES))
                while begin < end and (count := file.readinto(part[: end - begin])):
                    begin += count

    def memmap(self) -> NDArray[np.floating]:
        """A read-only memory map of the whole array, in the file's own dtype."""
        return np.memmap(self.path, dtype=self.dtype, mode="r", offset=self.offset, shape=self.shape)


def block_to_fill(out: NDArray[np.float32] | None, shape: tuple[int, ...]) -> NDArray[np.float32]:
    """The caller's array, once it is sure that it can take the values, or a new one.

    Raises
    ------
    InputError
        When it is not a writable float32 array of that shape in C order.
    """
    if out is None:
        return np.empty(shape, dtype=np.float32)
    if out.shape != shape or out.dtype != np.dtype(np.float32) or not out.flags.c_contiguous or not out.flags.writeable:
        order = "C order" if out.flags.c_contiguous else "not in C order"
        raise InputError(
            "out",
            expected=f"a writable float32 array of shape {shape} in C order",
            found=f"{out.dtype} of shape {out.shape}, {order}{'' if out.flags.writeable else ', read-only'}",
            remedy="Give such an array, or none.",
        )
    return out


def open_array(path: Path, axes: tuple[str, ...], *, growing: bool = False) -> ArrayFile:
    """Read the header of a .npy file of real numbers and check that the file is whole.

    Parameters
    ----------
    path : Path
    axes : tuple of str
        Names of the axes that the array must have, used in the errors.
    growing : bool
        Whether the file may still be shorter, and its first axis stated shorter, than they will be.

    Raises
    ------
    InputError
        When the file is missing, is no .npy file, holds pickled objects, anything but float32 or float64, another
        number of axes, nothing at all, Fortran order, or less data than its header says.
    """
    expected = f"a .npy file of float32 or float64 with axes ({', '.join(axes)})"
    if not os.path.isfile(path):
        found = (
            "a folder of that name" if os.path.isdir(path) else "a pipe or a device of that name" if is_endless(path) else "no such file"
        )
        raise InputError(path, expected=expected, found=found, remedy="Copy the complete sample folder.")
    try:
        with path.open("rb") as file:
            start = file.read(LONGEST_HEADER)
    except OSError as error:
        raise InputError(path, expected=expected, found=str(error), remedy="Check the file and its permissions.") from error
    try:
        shape, fortran, dtype, offset = _read_header(start)
    except Exception as error:  # numpy parses the header as Python source and fails in many ways on garbage
        found = f"a file that is none ({_first_line(error)})" if start else "an empty file"
        raise InputError(path, expected=expected, found=found, remedy="Write it again with numpy.save, or copy it again.") from error
    if dtype.hasobject:
        raise InputError(
            path,
            expected=expected,
            found="pickled Python objects, which are never loaded",
            remedy="Save it as plain numbers with numpy.save.",
        )
    if dtype.kind != "f" or dtype.itemsize not in (4, 8):
        raise InputError(path, expected=expected, found=f"dtype {dtype}", remedy="Convert it with array.astype('float32').")
    if len(shape) != len(axes):
        raise InputError(path, expected=expected, found=f"shape {shape}", remedy="Save it with these axes.")
    if min(shape[1:] if growing else shape, default=1) < 1:
        raise InputError(
            path, expected=f"at least one value along ({', '.join(axes)})", found=f"shape {shape}", remedy="Export the scan again."
        )
    if fortran and sum(n > 1 for n in shape) > 1:
        raise InputError(
            path, expected="C order (the last axis contiguous)", found="Fortran order", remedy="Save numpy.ascontiguousarray(array)."
        )
    array = ArrayFile(path, dtype, shape, offset, start[:offset])
    if not growing and os.path.getsize(path) < array.nbytes:
        raise _truncated(array)
    return array


def _read_header(start: bytes) -> tuple[tuple[int, ...], bool, np.dtype[np.floating], int]:
    """Shape, whether in Fortran order, dtype and length of the header."""
    file = io.BytesIO(start)
    version = np.lib.format.read_magic(file)
    if version not in ((1, 0), (2, 0), (3, 0)):
        raise ValueError(f"its format version is {version[0]}.{version[1]}")
    with warnings.catch_warnings():
        warnings.simplefilter("ignore")  # about headers that Python 2 wrote
        reader = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
        shape, fortran, dtype = reader(file)
    return shape, fortran, dtype, file.tell()


def _first_line(error: Exception) -> str:
    text = (str(error).splitlines() or [type(error).__name__])[0]
    return text if len(text) <= 200 else text[:200] + " ..."


def read_array(path: Path, axes: tuple[str, ...], shape: tuple[int | None, ...]) -> NDArray[np.float64]:
    """Read a small .npy file whole, as float64, and check its shape (None: any length).

    Raises
    ------
    InputError
        As :func:`open_array`, and when the shape is another.
    """
    array = open_array(path, axes)
    if any(want is not None and want != have for want, have in zip(shape, array.shape, strict=True)):
        wanted = ", ".join("any" if n is None else str(n) for n in shape)
        raise InputError(
            path,
            expected=f"shape ({wanted}) for axes ({', '.join(axes)}), as the sinogram has it",
            found=f"shape {array.shape}",
            remedy="Copy the sample's files from one and the same scan.",
        )
    return np.array(array.memmap(), dtype=np.float64)


def _lost(array: ArrayFile, error: OSError) -> InputError:
    return InputError(
        array.path,
        expected="the file as it was when the scan was opened",
        found=str(error.strerror or error),
        remedy="Check the file and the disk, and open the scan again.",
    )


def _replaced(array: ArrayFile) -> InputError:
    return InputError(
        array.path,
        expected=f"{array.dtype} of shape {array.shape}, as when the scan was opened",
        found="another header: the file was replaced",
        remedy="Load the sample again.",
    )


def _truncated(array: ArrayFile) -> InputError:
    return InputError(
        array.path,
        expected=f"{array.nbytes} bytes for {array.dtype} of shape {array.shape}",
        found=f"{os.path.getsize(array.path)} bytes: the file is truncated",
        remedy="Copy it again.",
    )
