"""A scan: projections on disk or in memory, with their geometry."""

from __future__ import annotations

import contextlib
import math
import os
from collections.abc import Hashable, Iterator
from dataclasses import dataclass, field, replace
from pathlib import Path
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.errors import Incomplete, InputError
from MITOReconstructionLib.geometry import ScanGeometry, VolumeGrid
from MITOReconstructionLib.scan.metadata import LARGEST, Metadata, read_metadata
from MITOReconstructionLib.scan.npy import ArrayFile, block_to_fill, open_array, read_array
from MITOReconstructionLib.scan.oddities import oddities, require_radians

__all__ = ["Scan", "open_scan"]

VIEW_AXES = ("views", "columns", "rows")


@dataclass(frozen=True, eq=False)
class Scan:
    """Projections with their geometry. Made by :func:`open_scan` or :meth:`from_arrays`.

    name : shown to people;
    geometry : ScanGeometry;
    default_grid : the grid that a reconstruction takes where none is named;
    projections : shape (views, columns, rows), line integrals without unit; a read-only memory map where the scan is on
        disk, in the file's own dtype;
    folder, metadata : of a scan on disk, else None;
    warnings : oddities of the files, as sentences;
    planned_views : where the recording was aborted the number of views that there should have been, else None; the geometry
        has those that were recorded.
    """

    name: str
    geometry: ScanGeometry
    default_grid: VolumeGrid
    projections: NDArray[np.floating]
    folder: Path | None = None
    metadata: Metadata | None = None
    warnings: tuple[str, ...] = ()
    planned_views: int | None = None
    _file: ArrayFile | None = field(default=None, repr=False)

    @classmethod
    def from_arrays(
        cls, projections: NDArray[np.floating], geometry: ScanGeometry, *, name: str = "scan", grid: VolumeGrid | None = None
    ) -> Scan:
        """Make a scan from an array in memory.

        Parameters
        ----------
        projections : float array, shape (views, columns, rows)
            Line integrals of attenuation (after -log).
        geometry : ScanGeometry
        name : str
        grid : VolumeGrid, optional
            The default grid; by default the field of view at the detector's resolution.

        Raises
        ------
        InputError
            When the shape is not that of the geometry or the dtype is not real.
        """
        array = np.asarray(projections)
        expected = (geometry.views, geometry.detector.columns, geometry.detector.rows)
        if array.shape != expected or array.dtype.kind != "f":
            raise InputError(
                "projections",
                expected=f"floating-point numbers of shape (views, columns, rows) = {expected}",
                found=f"{array.dtype} of shape {array.shape}",
                remedy="Transpose or convert the array.",
            )
        view = array.view()
        view.setflags(write=False)
        return cls(name, geometry, grid or covered_grid(geometry), view)

    @property
    def recording(self) -> dict[str, int]:
        """For provenances: ``recorded_views`` and ``planned_views`` of a scan whose recording was aborted; else empty."""
        return {} if self.planned_views is None else {"recorded_views": self.geometry.views, "planned_views": self.planned_views}

    def read(self, first: int, last: int, out: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
        """Read the views ``first`` to ``last`` (exclusive) into memory as float32, shape (last - first, columns, rows).

        Parameters
        ----------
        first, last : int
            Range within 0..views.
        out : float32 array of that shape, C order, optional
            Written and returned.

        Raises
        ------
        InputError
            When a value is NaN or infinite (as float32), naming its view, when the file has been cut short, or ``out``
            is another array.
        """
        if not 0 <= first <= last <= self.geometry.views:
            raise InputError(
                "views",
                expected=f"a range within 0 to {self.geometry.views}",
                found=f"{first} to {last}",
                remedy="Choose views of this scan.",
            )
        if self._file is not None:
            block = self._file.read(first, last, out)
        else:
            block = block_to_fill(out, (last - first, *self.projections.shape[1:]))
            with np.errstate(all="ignore"):
                block[...] = self.projections[first:last]
        self._check_finite(block, first)
        return block

    def read_columns(self, first: int, last: int, columns: tuple[int, int], out: NDArray[np.float32] | None = None) -> NDArray[np.float32]:
        """As :meth:`read`, only the columns ``columns[0]`` to ``columns[1]`` (exclusive); values in others are not looked at.

        Raises
        ------
        InputError
            As :meth:`read`, and when the columns lie outside of the detector.
        """
        low, high = columns
        if not 0 <= low <= high <= self.projections.shape[1]:
            raise InputError(
                "columns",
                expected=f"a range within 0 to {self.projections.shape[1]}",
                found=f"{low} to {high}",
                remedy="Choose columns of this detector.",
            )
        if self._file is None or not 0 <= first <= last <= self.geometry.views:
            out = block_to_fill(out, (last - first, high - low, *self.projections.shape[2:])) if last >= first else out
            part = self.read(first, last)[:, low:high]
            if out is None:
                return part
            out[...] = part
            return out
        block = self._file.read(first, last, out, columns)
        self._check_finite(block, first, low)
        return block

    def stamp(self) -> Hashable:
        """What stays the same as long as nobody has changed the projections' file; None of projections in memory.

        Raises
        ------
        InputError
            When the file has been cut short or is gone.
        """
        return None if self._file is None else self._file.stamp()

    def announce(self, first: int, last: int) -> None:
        """Say that the views ``first`` to ``last`` (exclusive) will be read soon, so that the disk can begin; not more than a hint."""
        if self._file is not None:
            self._file.announce(first, last)

    def projection(self, view: int) -> NDArray[np.float32]:
        """The detector image of one view, float32, shape (columns, rows).

        Raises
        ------
        InputError
            When there is no such view, or it holds a NaN or an infinity.
        """
        index = int(self.geometry.view_indices(view)[0])
        block = self.read(index, index + 1)
        return block.reshape(block.shape[1:])

    def _check_finite(self, block: NDArray[np.float32], first: int, left: int = 0) -> None:
        values = block.reshape(len(block), math.prod(block.shape[1:]))
        with np.errstate(invalid="ignore"):
            finite = np.isfinite(values.max(axis=1)) & np.isfinite(values.min(axis=1))  # quicker than a sum; both give NaN for a NaN
        for offset in np.flatnonzero(~finite):
            bad = np.argwhere(~np.isfinite(block[offset]))
            column, row = bad[0]
            where = self._file.path if self._file is not None else "projections"
            raise InputError(
                f"{where}: view {first + offset}",
                expected="finite line integrals",
                found=f"{block[offset, column, row]} in {len(bad)} pixels, the first at column {left + column}, row {row}",
                remedy="Repair the view (for example from its neighbours), or leave it out of the view range.",
            )


def open_scan(folder: str | os.PathLike[str], *, name: str | None = None, recorded: int | None = None) -> Scan:
    """Open a MITO sample folder: everything is checked but the projections' values, and nothing large is read.

    Parameters
    ----------
    folder : path
        Holds sinogram.npy, angles.npy, axial_positions.npy, shifts.npy and metadata.json.
    name : str, optional
        Shown to people; by default the folder's name.
    recorded : int, optional
        Of a scan whose recording was aborted: how many views it has. The scan is made of the first so many, and its default
        grid ends where these do; sinogram.npy may be shorter than its header and the other files say.

    Returns
    -------
    Scan

    Raises
    ------
    InputError
        Naming file, what was expected, what was found and the remedy. It is an :class:`Incomplete` where nothing is wrong but
        that views are lacking at the end.
    """
    path = Path(folder).absolute()  # so that it can be read whatever the working folder is by then
    sample = _whole_sample(path) if recorded is None else _recorded_sample(path, recorded)
    planned = None if recorded is None or recorded == sample.planned else sample.planned
    return Scan(
        name or path.resolve().name,
        sample.geometry,
        sample.grid,
        sample.sinogram.memmap(),
        folder=path,
        metadata=sample.metadata,
        warnings=(*sample.metadata.warnings, *oddities(path, sample.sinogram, sample.angles, sample.geometry, sample.grid, planned)),
        planned_views=planned,
        _file=sample.sinogram,
    )


class Description(NamedTuple):
    """What the files of a sample folder say: metadata, header of the sinogram, angles as stored, geometry, default grid.

    planned : views that there should be, which is what there are unless the recording was aborted.
    """

    metadata: Metadata
    sinogram: ArrayFile
    angles: NDArray[np.float64]
    geometry: ScanGeometry
    grid: VolumeGrid
    planned: int


def describe_sample(path: Path, *, growing: bool = False) -> Description:
    """Read and check everything of a sample folder but its projections.

    Parameters
    ----------
    path : Path
    growing : bool
        Whether the sinogram may still be shorter than the other files say.

    Raises
    ------
    InputError
        As :func:`open_scan`.
    """
    if not os.path.isdir(path):
        found = "a file" if os.path.exists(path) else "no such folder"
        raise InputError(
            path, expected="a sample folder", found=found, remedy="Choose the folder that holds sinogram.npy and metadata.json."
        )
    metadata = read_metadata(path / "metadata.json")
    sinogram = open_array(path / "sinogram.npy", VIEW_AXES, growing=growing)
    detector = metadata.detector
    if sinogram.shape[1:] != (detector.columns, detector.rows):
        raise InputError(
            sinogram.path,
            expected=f"shape (views, {detector.columns}, {detector.rows}), as DET_NPX_X and DET_NPX_Z in metadata.json say",
            found=f"shape {sinogram.shape}",
            remedy="Copy the sample's files from one and the same scan; the axes are view, column, row.",
        )
    views = None if growing else sinogram.shape[0]
    angles = _finite(path / "angles.npy", read_array(path / "angles.npy", ("views",), (views,)))
    require_radians(path / "angles.npy", angles)
    _require_possible(path / "angles.npy", angles)
    axial = _finite(path / "axial_positions.npy", read_array(path / "axial_positions.npy", ("views",), (len(angles),)))
    shifts = read_array(path / "shifts.npy", ("views", "components"), (len(angles), 3))[:, 2]
    _finite(path / "shifts.npy", shifts)
    with np.errstate(all="ignore"):
        unwrapped, positions = np.unwrap(angles), axial + shifts
    with _naming(path):
        geometry = ScanGeometry(unwrapped, positions, metadata.source_radius, metadata.detector_radius, detector)
    _require_possible(path / "axial_positions.npy", axial)
    _require_possible(path / "shifts.npy", shifts)
    with _naming(path):
        grid = _default_grid(metadata, geometry)
    return Description(metadata, sinogram, angles, geometry, grid, len(angles))


@contextlib.contextmanager
def _naming(path: Path) -> Iterator[None]:
    """Say in errors about what is made of the files which folder they are in."""
    try:
        yield
    except InputError as error:
        raise InputError(f"{path}: {error.where}", expected=error.expected, found=error.found, remedy=error.remedy) from error


def _whole_sample(path: Path) -> Description:
    """A sample that is complete; an Incomplete where nothing but views is lacking."""
    try:
        return describe_sample(path)
    except InputError as error:
        try:
            sample = describe_sample(path, growing=True)
            there = sample.sinogram.whole()
        except InputError:
            raise error from None
        if there >= sample.planned:  # something else is wrong with it
            raise
        remedy = error.remedy
        if there:
            remedy += (
                f" Or, if its recording was aborted, open the {there} of {sample.planned} views that are there: "
                f"recorded={there} (--recorded {there} on the command line)."
            )
        raise Incomplete(error, remedy=remedy, there=there, planned=sample.planned) from error


def _recorded_sample(path: Path, recorded: int) -> Description:
    """The first views of a sample whose recording was aborted."""
    sample = describe_sample(path, growing=True)
    there = min(sample.sinogram.whole(), sample.planned)
    if isinstance(recorded, bool) or not isinstance(recorded, (int, np.integer)) or not 1 <= recorded <= there:
        raise InputError(
            f"{sample.sinogram.path}: recorded views",
            expected=f"a whole number from 1 to {there}, the views that are there of {sample.planned}" if there else "at least one view",
            found=repr(recorded) if there else "none",
            remedy="Give the number of views that were recorded." if there else "There is nothing to reconstruct; record it again.",
        )
    count = int(recorded)
    geometry = sample.geometry.select(slice(0, count))
    return sample._replace(
        sinogram=replace(sample.sinogram, shape=(count, *sample.sinogram.shape[1:])),
        angles=sample.angles[:count],
        geometry=geometry,
        grid=_shortened(_default_grid(sample.metadata, geometry), sample.geometry, geometry),
    )


def covered_grid(geometry: ScanGeometry, *, spacing: float | None = None) -> VolumeGrid:
    """The box about the field of view over the axial range of :func:`axial_range`.

    Parameters
    ----------
    geometry : ScanGeometry
    spacing : float, optional
        Voxel side in mm; by default a detector column as it appears at the rotation axis.
    """
    if spacing is None:
        spacing = geometry.detector.pixel_size[0] * geometry.source_radius / geometry.source_to_detector
    radius = geometry.field_of_view_radius
    if radius == 0.0:  # the fan lies beside the axis; the views together cover a ring about it
        radius = geometry.source_radius * math.sin(max(abs(angle) for angle in geometry.fan_angles))
    low, high = axial_range(geometry)
    return VolumeGrid.from_bounds((-radius, -radius, low), (radius, radius, high), spacing=spacing)


def axial_range(geometry: ScanGeometry) -> tuple[float, float]:
    """Axial range in mm that a scan covers for sure.

    A helix loses half a turn's advance at either end, where a voxel may be seen from less than half a turn; a circle
    covers the cone about its plane as it is on the near side of the field of view.
    """
    low, high = float(geometry.axial_positions.min()), float(geometry.axial_positions.max())
    margin = abs(geometry.pitch) / 2
    if not geometry.is_circular and high - low > 2 * margin:
        return low + margin, high - margin
    near = max(geometry.source_radius - geometry.field_of_view_radius, 0.1 * geometry.source_radius) / geometry.source_to_detector
    middle = (low + high) / 2
    return middle + geometry.detector.row_min * near, middle + geometry.detector.row_max * near


def _default_grid(metadata: Metadata, geometry: ScanGeometry) -> VolumeGrid:
    (x_min, x_max, nx), (y_min, y_max, ny) = metadata.lateral
    if metadata.axial is not None:
        z_min, z_max, nz = metadata.axial
    else:
        z_min, z_max = axial_range(geometry)
        nz = max(1, math.floor((z_max - z_min) / metadata.voxel_size + 1e-9))
        z_max = z_min + nz * metadata.voxel_size
    return VolumeGrid((x_min, y_min, z_min), (x_max, y_max, z_max), (nx, ny, nz))


def _shortened(grid: VolumeGrid, planned: ScanGeometry, recorded: ScanGeometry) -> VolumeGrid:
    """The slices of a grid before the end at which views are lacking; all where none is, or would be left."""
    (low, high), (planned_low, planned_high) = axial_range(recorded), axial_range(planned)
    nx, ny, nz = grid.shape
    first, last = 0, nz
    if planned_high - high >= low - planned_low:
        last = min(nz, math.floor((high - grid.minimum[2]) / grid.spacing[2] + 1e-6))
    else:
        first = max(0, math.ceil((low - grid.minimum[2]) / grid.spacing[2] - 1e-6))
    return grid.region((0, 0, first), (nx, ny, last)) if 0 <= first < last <= nz else grid


def _finite(path: Path, values: NDArray[np.float64]) -> NDArray[np.float64]:
    bad = np.flatnonzero(~np.isfinite(values))
    if bad.size:
        raise InputError(
            path,
            expected="finite numbers",
            found=f"{values[bad[0]]} at view {bad[0]} ({bad.size} such values)",
            remedy="Correct the value, or export the scan again.",
        )
    return values


def _require_possible(path: Path, values: NDArray[np.float64]) -> None:
    """Refuse numbers with which nothing can be computed."""
    view = int(np.abs(values).argmax())
    if abs(values[view]) > LARGEST:
        expected, found = f"numbers from {-LARGEST:g} to {LARGEST:g}", f"{values[view]:g} at view {view}"
        raise InputError(path, expected=expected, found=found, remedy="Correct the value, or export the scan again.")
