"""Opening .npy files with every fault named: nothing is read but the header until somebody asks."""

from __future__ import annotations

import math
import os
from dataclasses import dataclass
from pathlib import Path

import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.errors import InputError

__all__ = ["ArrayFile", "open_array", "read_array"]


@dataclass(frozen=True)
class ArrayFile:
    """What the header of a .npy file says: path, dtype, shape, and where the data begin (bytes)."""

    path: Path
    dtype: np.dtype[np.floating]
    shape: tuple[int, ...]
    offset: int

    def read(self, first: int, last: int, out: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
        """Read the items ``first`` to ``last`` (exclusive) along the first axis as native float32.

        The data pass through a buffer of the caller's or of this call; no page of the file stays mapped, so that
        reading a whole sinogram block by block needs no more memory than one block.

        Parameters
        ----------
        first, last : int
            Range within 0..shape[0].
        out : float32 array of shape (last - first, *shape[1:]), C order, optional

        Raises
        ------
        InputError
            When the file is shorter than its header says.
        """
        shape = (last - first, *self.shape[1:])
        item = math.prod(self.shape[1:])
        if out is None:
            out = np.empty(shape, dtype=np.float32)
        direct = self.dtype == np.dtype(np.float32) and out.flags.c_contiguous
        buffer = out.reshape(-1) if direct else np.empty(shape, dtype=self.dtype).reshape(-1)
        with self.path.open("rb", buffering=0) as file:
            file.seek(self.offset + first * item * self.dtype.itemsize)
            view = memoryview(buffer.view(np.uint8).data)
            while len(view):
                count = file.readinto(view)
                if not count:
                    raise _truncated(self)
                view = view[count:]
        if not direct:
            out[...] = buffer.reshape(shape)
        return out

    def memmap(self) -> NDArray[np.floating]:
        """A read-only memory map of the whole array, in the file's own dtype."""
        return np.memmap(self.path, dtype=self.dtype, mode="r", offset=self.offset, shape=self.shape)


def open_array(path: Path, axes: tuple[str, ...]) -> ArrayFile:
    """Read the header of a .npy file of real numbers and check that the file is whole.

    Parameters
    ----------
    path : Path
    axes : tuple of str
        Names of the axes that the array must have, used in the errors.

    Raises
    ------
    InputError
        When the file is missing, is no .npy file, holds pickled objects, anything but float32 or float64, another
        number of axes, nothing at all, Fortran order, or less data than its header says.
    """
    expected = f"a .npy file of float32 or float64 with axes ({', '.join(axes)})"
    if not path.is_file():
        found = "a folder of that name" if path.is_dir() else "no such file"
        raise InputError(path, expected=expected, found=found, remedy="Copy the complete sample folder.")
    try:
        with path.open("rb") as file:
            version = np.lib.format.read_magic(file)
            reader = np.lib.format.read_array_header_1_0 if version == (1, 0) else np.lib.format.read_array_header_2_0
            shape, fortran, dtype = reader(file)
            offset = file.tell()
    except OSError as error:
        raise InputError(path, expected=expected, found=str(error), remedy="Check the file and its permissions.") from error
    except (ValueError, EOFError, SyntaxError) as error:
        found = "an empty file" if path.stat().st_size == 0 else f"a file that is none ({error})"
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
    if math.prod(shape) == 0:
        raise InputError(
            path, expected=f"at least one value along ({', '.join(axes)})", found=f"shape {shape}", remedy="Export the scan again."
        )
    if fortran and sum(n > 1 for n in shape) > 1:
        raise InputError(
            path, expected="C order (the last axis contiguous)", found="Fortran order", remedy="Save numpy.ascontiguousarray(array)."
        )
    array = ArrayFile(path, dtype, shape, offset)
    if os.path.getsize(path) < offset + math.prod(shape) * dtype.itemsize:
        raise _truncated(array)
    return array


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


def _truncated(array: ArrayFile) -> InputError:
    whole = array.offset + math.prod(array.shape) * array.dtype.itemsize
    return InputError(
        array.path,
        expected=f"{whole} bytes for {array.dtype} of shape {array.shape}",
        found=f"{os.path.getsize(array.path)} bytes: the file is truncated",
        remedy="Copy it again.",
    )
