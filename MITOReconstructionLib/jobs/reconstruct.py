"""Running a method on a scan."""

from __future__ import annotations

import time
from collections.abc import Callable, Mapping
from typing import Any

import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.errors import InputError, WorkError
from MITOReconstructionLib.geometry import VolumeGrid
from MITOReconstructionLib.geometry.scan_geometry import Views
from MITOReconstructionLib.jobs.estimate import require_fit
from MITOReconstructionLib.jobs.request import Request
from MITOReconstructionLib.jobs.volume import Volume
from MITOReconstructionLib.methods import Parameters, Problem, Result
from MITOReconstructionLib.monitor import Monitor, Progress
from MITOReconstructionLib.projectors.backends import AUTO, Backend
from MITOReconstructionLib.scan import Scan
from MITOReconstructionLib.version import __version__

__all__ = ["provenance", "reconstruct", "run_request"]


def reconstruct(
    scan: Scan,
    *,
    grid: VolumeGrid | None = None,
    method: str = "fbp",
    parameters: Mapping[str, Any] | Parameters | None = None,
    views: Views = None,
    backend: str | Backend = AUTO,
    progress: Callable[[Progress], object] | None = None,
    monitor: Monitor | None = None,
    initial: Volume | NDArray[np.floating] | None = None,
) -> Volume:
    """Reconstruct a scan.

    Parameters
    ----------
    scan : Scan
    grid : VolumeGrid, optional
        By default the scan's default grid.
    method : str
        Name of a method; :func:`MITOReconstructionLib.methods` lists them.
    parameters : mapping or Parameters, optional
        Of the method; those not named keep their defaults.
    views : slice, array of indices or of booleans, optional
        The views to use, by default all.
    backend : str
        What computes: "auto", "cpu", or an NVIDIA GPU by "cuda" for filtered backprojection and "astra" for the other methods.
    progress : callable, optional
        Called with every :class:`Progress`.
    monitor : Monitor, optional
        In the place of ``progress``, for callers that want to cancel.
    initial : Volume or array, shape grid.shape, axes [x, y, z], 1/mm, optional
        What an iterative method starts from.

    Returns
    -------
    Volume
        Values in 1/mm for every method that inverts; its provenance says how it came to be.

    Raises
    ------
    InputError
        Naming the argument, file or view at fault; or the grid, with what would fit, where memory does not suffice.
    WorkError
        When memory runs out or an iteration diverges.
    Cancelled
        When the monitor was asked to stop.
    """
    if progress is not None and monitor is not None:
        raise InputError("progress", expected="either progress or monitor", found="both", remedy="Give the callable to the monitor.")
    watch = monitor or Monitor(progress)
    request = Request.make(scan, grid=grid, method=method, parameters=parameters, views=views, backend=backend, initial=initial)
    return run_request(request, watch)


def run_request(request: Request, monitor: Monitor) -> Volume:
    """Do what :func:`reconstruct` was asked to.

    Raises
    ------
    InputError, WorkError, Cancelled
        As :func:`reconstruct`.
    """
    chosen, target = request.method, request.grid
    device = request.device
    started = time.monotonic()
    monitor.check()
    require_fit(request, disk=False)
    problem = Problem(request.scan, request.views, request.geometry, target, device, monitor, request.initial)
    try:
        result = chosen.run(problem, request.parameters)
    except MemoryError as error:
        raise WorkError(
            f"Not enough memory to reconstruct {target.shape} voxels ({target.nbytes / 2**30:.2f} GiB a volume). "
            "Choose a smaller box or larger voxels."
        ) from error
    monitor.check()
    array = _values(chosen.name, result, target)
    return Volume(array, target, provenance(request, device, time.monotonic() - started, result.report))


def provenance(request: Request, device: Backend, seconds: float, report: Mapping[str, Any]) -> dict[str, Any]:
    """How a volume came to be, JSON-ready."""
    scan = request.scan
    return {
        "sample": str(scan.folder) if scan.folder is not None else scan.name,
        "method": request.method.name,
        "parameters": request.parameters.to_dict(),
        "unit": request.method.unit,
        "views": _describe_views(request.views),
        **scan.recording,
        "grid": request.grid.to_dict(),
        "backend": device.description,
        "backend_name": device.name,
        "version": __version__,
        "seconds": round(seconds, 3),
        "report": dict(report),
    }


def _values(name: str, result: object, grid: VolumeGrid) -> NDArray[np.float32]:
    """What a method gave, float32 in C order; a WorkError where that is no volume on the grid. Methods of others can give anything."""
    array = result.array if isinstance(result, Result) else None
    if not isinstance(array, np.ndarray) or array.dtype.kind not in "fiu":
        kind = f"an array of {array.dtype}" if isinstance(array, np.ndarray) else type(result if array is None else array).__name__
        raise WorkError(f"The method {name} gave {kind} in the place of a Result with an array of real numbers.")
    if array.shape != grid.shape:
        raise WorkError(f"The method {name} gave an array of shape {array.shape} for a grid of shape {grid.shape}.")
    with np.errstate(over="ignore", invalid="ignore"):
        values = np.ascontiguousarray(array, dtype=np.float32)
        bad = sum(slab.size - int(np.isfinite(slab).sum()) for slab in values if not np.isfinite(slab.sum()))
    if bad:
        raise WorkError(f"The method {name} gave {bad} voxels that are NaN or infinite. Check the projections' values and the parameters.")
    return values


def _describe_views(index: NDArray[np.intp]) -> str:
    """The views as first:last:step (last exclusive), or as a list where they are not evenly spaced."""
    steps = np.unique(np.diff(index))
    if len(index) == 1:
        return f"{index[0]}:{index[0] + 1}"
    if len(steps) != 1 or steps[0] <= 0:
        return ",".join(str(i) for i in index)
    step = "" if steps[0] == 1 else f":{steps[0]}"
    return f"{index[0]}:{index[-1] + 1}{step}"
