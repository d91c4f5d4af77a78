"""Volumes as NRRD files, a slab at a time, so that no second copy of a volume is ever held."""

from __future__ import annotations

import bz2
import gzip
import math
import os
import zlib
from collections.abc import Callable, Iterator, Mapping
from pathlib import Path
from typing import Any, BinaryIO, cast

import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.errors import InputError, WorkError
from MITOReconstructionLib.export.nrrd_header import NRRDHeader, header_bytes, read_header
from MITOReconstructionLib.files import replacing
from MITOReconstructionLib.geometry import VolumeGrid

__all__ = ["load_header", "load_volume", "require_nrrd_suffix", "save_volume", "volume_header", "write_samples", "write_slabs"]

SLAB_BYTES = 16 << 20

_SPACES = {
    "right-anterior-superior": (1, 1, 1),
    "ras": (1, 1, 1),
    "left-anterior-superior": (-1, 1, 1),
    "las": (-1, 1, 1),
    "left-posterior-superior": (-1, -1, 1),
    "lps": (-1, -1, 1),
}
_TYPES = {
    **dict.fromkeys(("signed char", "int8", "int8_t"), "i1"),
    **dict.fromkeys(("uchar", "unsigned char", "uint8", "uint8_t"), "u1"),
    **dict.fromkeys(("short", "short int", "signed short", "signed short int", "int16", "int16_t"), "i2"),
    **dict.fromkeys(("ushort", "unsigned short", "unsigned short int", "uint16", "uint16_t"), "u2"),
    **dict.fromkeys(("int", "signed int", "int32", "int32_t"), "i4"),
    **dict.fromkeys(("uint", "unsigned int", "uint32", "uint32_t"), "u4"),
    "float": "f4",
    "double": "f8",
}
_OPENERS: dict[str, Callable[[Any], Any] | None] = {"raw": None, "gzip": gzip.open, "gz": gzip.open, "bzip2": bz2.open, "bz2": bz2.open}


def save_volume(
    path: str | os.PathLike[str],
    array: NDArray[Any],
    grid: VolumeGrid,
    provenance: Mapping[str, Any] | None = None,
    *,
    compress: bool = False,
) -> None:
    """Write a volume as an NRRD file that loads in Slicer in the right place.

    Parameters
    ----------
    path : path
        Ends in ``.nrrd``. Replaced only when everything is written.
    array : array of numbers, shape grid.shape
        Indexed [x, y, z]; written as float32, x fastest. Beside it only a slab of about 16 MiB is held.
    grid : VolumeGrid
        Where the voxels are: 'space origin' is the first voxel's centre, 'space directions' the spacing, in mm, RAS.
    provenance : mapping, optional
        Written as key/value pairs; strings as they are, other values as JSON.
    compress : bool, optional
        Whether to write gzip, which takes far longer and saves little for noisy data; raw by default.

    Raises
    ------
    InputError
        When the array's shape is not the grid's, or ``path`` cannot be used.
    WorkError
        When writing fails, for example because the disk is full. Nothing is left behind.
    """
    target = require_nrrd_suffix(path)
    if array.shape != grid.shape:
        raise InputError(
            "volume",
            expected=f"an array of shape {grid.shape} (x, y, z), the grid's",
            found=f"shape {array.shape}",
            remedy="Give the grid that the array was made on.",
        )
    write_samples(target, volume_header(grid, provenance or {}, "gzip" if compress else "raw"), array, compress=compress)


def volume_header(grid: VolumeGrid, provenance: Mapping[str, Any], encoding: str = "raw") -> bytes:
    """The head of a volume's file."""
    return header_bytes(grid.shape, grid.origin, np.diag(grid.spacing).tolist(), provenance, encoding=encoding)


def require_nrrd_suffix(path: str | os.PathLike[str]) -> Path:
    """The path, when it ends in ``.nrrd``.

    Raises
    ------
    InputError
        When it does not.
    """
    target = Path(path)
    if target.suffix.lower() != ".nrrd":
        raise InputError(target, expected="a file name that ends in .nrrd", found=repr(target.suffix), remedy="Change the suffix.")
    return target


def write_samples(path: Path, header: bytes, array: NDArray[Any], *, compress: bool) -> None:
    """Write a header and then a three-dimensional array as little-endian float32, its first axis fastest.

    Raises
    ------
    WorkError
        When writing fails. Nothing is left behind.
    """
    with replacing(path) as temporary, temporary.open("wb") as stream:
        stream.write(header)
        if not compress:
            write_slabs(stream, array)
            return
        with gzip.GzipFile(filename="", mode="wb", compresslevel=1, fileobj=stream, mtime=0) as packed:
            write_slabs(cast("BinaryIO", packed), array)


def write_slabs(stream: BinaryIO, array: NDArray[Any]) -> None:
    """Write an array as little-endian float32, its first axis fastest, a slab of about 16 MiB at a time."""
    for first, last in _slabs(array.shape, 4):
        stream.write(np.ascontiguousarray(array[:, :, first:last].T, dtype="<f4").data)


def _slabs(shape: tuple[int, ...], itemsize: int) -> Iterator[tuple[int, int]]:
    thickness = max(1, SLAB_BYTES // (shape[0] * shape[1] * itemsize))
    for first in range(0, shape[2], thickness):
        yield first, min(first + thickness, shape[2])


def load_volume(path: str | os.PathLike[str]) -> tuple[NDArray[np.float32], VolumeGrid, dict[str, Any]]:
    """Read a volume from an NRRD file of Slicer, ITK, the reference program or :func:`save_volume`.

    The axes may come in any order and direction, in the RAS, LAS or LPS frame, as long as each lies along one of the
    frame's; the volume is returned in RAS with rising x, y and z. Encodings: raw, gzip, bzip2, in the same file.

    Returns
    -------
    array : float32, shape grid.shape, C order
        Indexed [x, y, z].
    grid : VolumeGrid
        Edges in mm.
    provenance : dict
        The key/value pairs; values that are JSON are decoded.

    Raises
    ------
    InputError
        When the file is missing, is no NRRD volume, is cut short, or is oblique.
    WorkError
        When it cannot be read, or does not fit into memory.
    """
    source = Path(path)
    if not source.is_file():
        found = "a folder" if source.is_dir() else "no such file"
        raise InputError(source, expected="an NRRD file", found=found, remedy="Check the path.")
    try:
        with source.open("rb") as stream:
            header = read_header(stream, source)
            dtype = _sample_type(source, header)
            sizes, origin, directions = _placement(source, header)
            order, forward = _axes(source, directions)
            shape = tuple(sizes[axis] for axis in order)
            grid = _grid(source, shape, origin, directions, order, forward)
            samples = _samples(stream, source, header, shape, dtype)
            array = _room(shape)
            on_disk = array[tuple(slice(None, None, 1 if way else -1) for way in forward)].transpose(np.argsort(order))
            _read_slabs(samples, source, on_disk, dtype)
    except MemoryError as error:
        raise WorkError(f"{source}: does not fit into memory.") from error
    except OSError as error:
        raise WorkError(f"{source}: could not be read: {error.strerror or error}.") from error
    return array, grid, header.pairs


def load_header(path: str | os.PathLike[str]) -> dict[str, Any]:
    """The provenance in an NRRD file, without its voxels: the key/value pairs, values that are JSON decoded.

    Raises
    ------
    InputError
        When the file is missing or is no NRRD file.
    """
    source = Path(path)
    try:
        with source.open("rb") as stream:
            return read_header(stream, source).pairs
    except OSError as error:
        raise InputError(source, expected="an NRRD file", found=error.strerror or str(error), remedy="Check the path.") from error


def _field(path: Path, header: NRRDHeader, name: str, expected: str) -> Any:
    if name not in header.fields:
        raise InputError(f"{path}: NRRD field '{name}'", expected=expected, found="nothing", remedy="Save the volume from Slicer as .nrrd.")
    return header.fields[name]


def _sample_type(path: Path, header: NRRDHeader) -> np.dtype[Any]:
    name = str(_field(path, header, "type", "a number type"))
    if name not in _TYPES:
        raise InputError(
            f"{path}: NRRD field 'type'",
            expected="float, double or an integer of up to 32 bits",
            found=repr(name),
            remedy="Save the volume as float.",
        )
    endian = {"little": "<", "big": ">"}.get(str(header.fields.get("endian", "little")).lower())
    if endian is None:
        raise InputError(
            f"{path}: NRRD field 'endian'", expected="little or big", found=repr(header.fields["endian"]), remedy="Get the file again."
        )
    return np.dtype(endian + _TYPES[name])


def _placement(path: Path, header: NRRDHeader) -> tuple[tuple[int, ...], NDArray[np.float64], NDArray[np.float64]]:
    """Sizes, origin (3,) and directions (axis, 3), the latter two in the RAS frame in mm."""
    sizes = tuple(int(n) for n in np.atleast_1d(_field(path, header, "sizes", "three counts")))
    if header.fields.get("dimension") != 3 or len(sizes) != 3 or min(sizes) < 1:
        raise InputError(
            f"{path}: NRRD fields 'dimension' and 'sizes'",
            expected="3 and three counts of at least 1",
            found=f"{header.fields.get('dimension')} and {sizes}",
            remedy="Choose a file that holds one volume of single numbers.",
        )
    space = str(_field(path, header, "space", "right-anterior-superior or left-posterior-superior")).lower()
    if space not in _SPACES:
        raise InputError(
            f"{path}: NRRD field 'space'",
            expected="right-anterior-superior, left-anterior-superior or left-posterior-superior",
            found=repr(space),
            remedy="Save the volume from Slicer as .nrrd.",
        )
    sign = np.array(_SPACES[space], dtype=np.float64)
    vectors = []
    for name, shape in (("space origin", (3,)), ("space directions", (3, 3))):
        value = np.asarray(_field(path, header, name, "vectors of three numbers"), dtype=np.float64)
        if value.shape != shape or not np.all(np.isfinite(value)):
            raise InputError(
                f"{path}: NRRD field '{name}'",
                expected=f"finite numbers of shape {shape}",
                found=np.array2string(value, threshold=12).replace("\n", ""),
                remedy="Save the volume from Slicer as .nrrd.",
            )
        vectors.append(value * sign)
    return sizes, vectors[0], vectors[1]


def _axes(path: Path, directions: NDArray[np.float64]) -> tuple[list[int], list[bool]]:
    """For each of x, y, z: the axis of the file that lies along it, and whether it rises."""
    along = np.argmax(np.abs(directions), axis=1)
    main = np.abs(directions)[np.arange(3), along]
    rest = np.abs(directions).sum(axis=1) - main
    if sorted(along) != [0, 1, 2] or np.any(main <= 0.0) or np.any(rest > 1e-6 * main):
        raise InputError(
            f"{path}: NRRD field 'space directions'",
            expected="each axis along x, y or z",
            found="oblique axes " + np.array2string(directions, precision=4, separator=",").replace("\n", ""),
            remedy="Resample the volume to an axis-aligned one, in Slicer with Crop Volume.",
        )
    order = [int(axis) for axis in np.argsort(along)]
    return order, [bool(directions[axis, k] > 0.0) for k, axis in enumerate(order)]


def _grid(
    path: Path, shape: tuple[int, ...], origin: NDArray[np.float64], directions: NDArray[np.float64], order: list[int], forward: list[bool]
) -> VolumeGrid:
    step = np.array([directions[axis, k] for k, axis in enumerate(order)])
    start = origin - step / 2
    end = start + step * np.array(shape)
    low, high = np.where(forward, start, end), np.where(forward, end, start)
    try:
        return VolumeGrid(tuple(low), tuple(high), shape)  # type: ignore[arg-type]
    except InputError as error:
        raise InputError(f"{path}: {error.where}", expected=error.expected, found=error.found, remedy="Get the file again.") from error


def _room(shape: tuple[int, ...]) -> NDArray[np.float32]:
    try:
        return np.empty(shape, dtype=np.float32)
    except ValueError as error:  # more than can be addressed
        raise MemoryError from error


def _samples(stream: BinaryIO, path: Path, header: NRRDHeader, shape: tuple[int, ...], dtype: np.dtype[Any]) -> BinaryIO:
    """The stream of the bare samples behind a header."""
    encoding = str(_field(path, header, "encoding", "raw, gzip or bzip2")).lower()
    elsewhere = [name for name in ("data file", "datafile", "line skip", "lineskip", "byte skip", "byteskip") if header.fields.get(name)]
    if encoding not in _OPENERS or elsewhere:
        raise InputError(
            f"{path}: NRRD field '{elsewhere[0] if elsewhere else 'encoding'}'",
            expected="raw, gzip or bzip2 samples behind the header of the same file",
            found=repr(header.fields[elsewhere[0]] if elsewhere else encoding),
            remedy="Save the volume from Slicer as one .nrrd file.",
        )
    opener = _OPENERS[encoding]
    if opener is not None:
        return cast("BinaryIO", opener(stream))
    expected, found = math.prod(shape) * dtype.itemsize, os.fstat(stream.fileno()).st_size - stream.tell()
    if found < expected:
        raise _cut_short(path, expected, f"{found} bytes")
    return stream


def _read_slabs(stream: BinaryIO, path: Path, on_disk: NDArray[np.float32], dtype: np.dtype[Any]) -> None:
    shape = on_disk.shape
    total = math.prod(shape) * dtype.itemsize
    for first, last in _slabs(shape, dtype.itemsize):
        size = shape[0] * shape[1] * (last - first) * dtype.itemsize
        data = _read(stream, path, size, total)
        if len(data) < size:
            raise _cut_short(path, total, f"{shape[0] * shape[1] * first * dtype.itemsize + len(data)} bytes")
        on_disk[:, :, first:last] = np.frombuffer(data, dtype=dtype).reshape(last - first, shape[1], shape[0]).T
    _read(stream, path, 1, total)  # so that a compressed stream compares its check sum


def _read(stream: BinaryIO, path: Path, size: int, total: int) -> bytes:
    try:
        return stream.read(size)
    except (EOFError, zlib.error, OSError) as error:
        if getattr(error, "errno", None) is not None:
            raise  # the disk's fault, not the file's
        raise _cut_short(path, total, f"compressed samples that end early or are damaged ({error})") from error


def _cut_short(path: Path, expected: int, found: str) -> InputError:
    return InputError(
        path, expected=f"{expected} bytes of samples behind the header", found=found, remedy="The file is cut short; get it again."
    )
