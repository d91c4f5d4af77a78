"""What a run is asked to do: checked where it is asked, and carried to a subprocess as JSON."""

from __future__ import annotations

import dataclasses
from collections.abc import Mapping
from dataclasses import dataclass
from functools import cached_property
from typing import Any

import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.errors import InputError
from MITOReconstructionLib.geometry import ScanGeometry, VolumeGrid
from MITOReconstructionLib.geometry.scan_geometry import Views
from MITOReconstructionLib.jobs.volume import Volume
from MITOReconstructionLib.methods import Method, Parameters, get
from MITOReconstructionLib.projectors.backends import AUTO, Backend, choose_backend
from MITOReconstructionLib.scan import Scan, open_scan

__all__ = ["Request"]


@dataclass(frozen=True, eq=False)
class Request:
    """A method to be run on a scan. Made by :meth:`make`.

    scan : Scan;
    grid : VolumeGrid to reconstruct on;
    method, parameters : Method and its Parameters;
    views : int array, shape (n,), the scan's views to use;
    backend : name of a backend, or a backend;
    initial : float32, shape grid.shape, to start from, or None.
    """

    scan: Scan
    grid: VolumeGrid
    method: Method
    parameters: Parameters
    views: NDArray[np.intp]
    backend: str | Backend = AUTO
    initial: NDArray[np.float32] | None = None

    @classmethod
    def make(
        cls,
        scan: Scan,
        *,
        grid: VolumeGrid | None = None,
        method: str = "fbp",
        parameters: Mapping[str, Any] | Parameters | None = None,
        views: Views = None,
        backend: str | Backend = AUTO,
        initial: Volume | NDArray[np.floating] | None = None,
    ) -> Request:
        """Check the arguments of :func:`MITOReconstructionLib.reconstruct` and fill in what was left out.

        Raises
        ------
        InputError
            Naming the argument at fault.
        """
        chosen = get(method)
        settings = _settings(chosen, parameters)
        index = scan.geometry.view_indices(views)
        if not index.size:
            raise InputError("views", expected="at least one view", found="an empty selection", remedy="Choose a larger view range.")
        for name, value, kinds in (("grid", grid, (VolumeGrid, type(None))), ("backend", backend, (str, Backend))):
            if not isinstance(value, kinds):
                expected = " or ".join(kind.__name__ for kind in kinds)
                raise InputError(
                    name, expected=expected, found=type(value).__name__, remedy=f"Give a {kinds[0].__name__}, or leave it out."
                )
        box = grid or scan.default_grid
        return cls(scan, box, chosen, settings, index, backend, None if initial is None else _start(initial, box))

    @cached_property
    def geometry(self) -> ScanGeometry:
        """Geometry of the views to use, in their order."""
        return self.scan.geometry.select(self.views)

    @cached_property
    def device(self) -> Backend:
        """The backend that it comes to.

        Raises
        ------
        InputError
            When there is none of that name, it does not do what the method wants, or it finds no device.
        MissingPackageError
            When its package is not installed.
        """
        return choose_backend(self.backend, self.method.purpose)

    def to_dict(self) -> dict[str, Any]:
        """A JSON-ready description, that :meth:`from_dict` reads back in another process.

        Raises
        ------
        InputError
            When the scan is not on disk.
        """
        if self.scan.folder is None:
            raise InputError(
                "scan",
                expected="a scan on disk, for a run in a subprocess",
                found=f"the scan '{self.scan.name}' in memory",
                remedy="Write it with write_sample and open that folder, or run it in this process.",
            )
        return {
            "sample": str(self.scan.folder),
            "name": self.scan.name,
            "recorded": self.scan.recording.get("recorded_views"),
            "geometry": self.scan.geometry.to_dict(),
            "grid": self.grid.to_dict(),
            "method": self.method.name,
            "parameters": self.parameters.to_dict(),
            "views": self.views.tolist(),
            "backend": self.backend if isinstance(self.backend, str) else self.backend.name,
        }

    @classmethod
    def from_dict(cls, data: Mapping[str, Any], *, initial: NDArray[np.float32] | None = None) -> Request:
        """Open the scan that :meth:`to_dict` named, and check everything again; ``initial`` may be flat.

        Raises
        ------
        InputError
            Naming the file or argument at fault.
        """
        try:
            scan = open_scan(data["sample"], name=data["name"], recorded=data["recorded"])
            scan = _with_geometry(scan, ScanGeometry.from_dict(data["geometry"]))
            rest = {name: data[name] for name in ("method", "parameters", "views", "backend")}
            grid = VolumeGrid.from_dict(data["grid"])
            start = initial.reshape(grid.shape) if initial is not None and initial.size == grid.size else initial
            return cls.make(scan, grid=grid, initial=start, **rest)
        except KeyError as error:
            raise InputError(
                "request", expected=f"an entry {error}", found="no such entry", remedy="Take what Request.to_dict gave."
            ) from error


def _with_geometry(scan: Scan, geometry: ScanGeometry) -> Scan:
    """The scan with the geometry that the caller has of it; InputError where the files have other views or pixels by now."""
    expected = (geometry.views, geometry.detector.columns, geometry.detector.rows)
    if scan.projections.shape != expected:
        raise InputError(
            f"{scan.folder}: sinogram.npy",
            expected=f"shape {expected}, as when the scan was opened",
            found=f"shape {scan.projections.shape}",
            remedy="Load the sample again.",
        )
    return dataclasses.replace(scan, geometry=geometry)


def _start(initial: Volume | NDArray[np.floating], grid: VolumeGrid) -> NDArray[np.float32]:
    """The values to start from, copied where they are not float32."""
    given = np.asarray(initial.array if isinstance(initial, Volume) else initial)
    if given.shape != grid.shape or given.dtype.kind not in "fiu":
        raise InputError(
            "initial volume",
            expected=f"finite numbers of shape (x, y, z) = {grid.shape}, as the grid has",
            found=f"shape {given.shape}" if given.shape != grid.shape else str(given.dtype),
            remedy="Resample or correct the volume, or start from zero.",
        )
    if isinstance(initial, Volume) and not np.allclose(
        [initial.grid.minimum, initial.grid.maximum], [grid.minimum, grid.maximum], atol=1e-3 * min(grid.spacing)
    ):
        raise InputError(
            "initial volume",
            expected=f"the grid of the reconstruction, {grid.shape} voxels from {grid.minimum} to {grid.maximum} mm",
            found=f"{initial.grid.shape} voxels from {initial.grid.minimum} to {initial.grid.maximum} mm",
            remedy="Reconstruct on the volume's grid, or resample the volume.",
        )
    return given.astype(np.float32, copy=False)


def _settings(method: Method, parameters: Mapping[str, Any] | Parameters | None) -> Parameters:
    if parameters is None:
        return method.parameters()
    if isinstance(parameters, method.parameters):
        return parameters
    if isinstance(parameters, Mapping):
        return method.parameters.from_dict(parameters)
    raise InputError(
        "parameters",
        expected=f"names and values, or {method.parameters.__name__}, for method {method.name}",
        found=type(parameters).__name__,
        remedy="Give a dict.",
    )
