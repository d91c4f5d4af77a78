"""What is the same for every backend: checks of arrays, and work cut into blocks of views."""

from __future__ import annotations

from collections.abc import Callable, Iterator

import numpy as np
from numpy.typing import ArrayLike, NDArray

from MITOReconstructionLib.errors import InputError

__all__ = ["PROJECTION_AXES", "VOLUME_AXES", "Report", "blocks", "input_array", "output_array"]

VOLUME_AXES = "x, y, z"
PROJECTION_AXES = "views, columns, rows"

Report = Callable[[float], object]
"""Called now and then with the part that is done, 0 to 1; what it raises ends the run."""


def blocks(count: int, size: int, report: Report | None) -> Iterator[tuple[int, int]]:
    """First and last (exclusive) of blocks of at most ``size`` out of ``count``, reporting before each and at the end."""
    for first in range(0, count, size):
        if report is not None:
            report(first / count)
        yield first, min(count, first + size)
    if report is not None:
        report(1.0)


def input_array(name: str, values: ArrayLike, axes: str, shape: tuple[int, int, int]) -> NDArray[np.generic]:
    """The argument as a plain array of real numbers, nothing copied.

    Raises
    ------
    InputError
        When the shape is another one or the values are not real numbers.
    """
    array = np.asarray(values)
    if array.shape == shape and array.dtype.kind in "fiu":
        return array
    raise InputError(
        name,
        expected=f"real numbers of shape ({axes}) = {shape}",
        found=f"{array.dtype} of shape {array.shape}",
        remedy="Transpose or convert the array, or give the grid, geometry and views that it belongs to.",
    )


def output_array(
    name: str, out: NDArray[np.float32] | None, axes: str, shape: tuple[int, int, int], *, accumulate: bool
) -> NDArray[np.float32]:
    """The caller's output after a check, or a new array: zeros.

    Raises
    ------
    InputError
        When the output cannot be written to as float32 in C order, or there is nothing to accumulate on.
    """
    if out is None:
        if accumulate:
            raise InputError(name, expected="an array to add to", found="None", remedy="Give out, or leave accumulate false.")
        return np.zeros(shape, dtype=np.float32)
    good = isinstance(out, np.ndarray) and out.shape == shape and out.dtype == np.float32
    if good and out.flags.c_contiguous and out.flags.writeable and out.flags.aligned:
        return out.view(np.ndarray)
    raise InputError(
        name,
        expected=f"a writable float32 array in C order of shape ({axes}) = {shape}",
        found=_describe(out),
        remedy=f"Make it with numpy.zeros({shape}, dtype=numpy.float32).",
    )


def _describe(out: object) -> str:
    if not isinstance(out, np.ndarray):
        return type(out).__name__
    order = "" if out.flags.c_contiguous else ", not in C order"
    return f"{out.dtype} of shape {out.shape}{order}{'' if out.flags.writeable else ', read-only'}"
