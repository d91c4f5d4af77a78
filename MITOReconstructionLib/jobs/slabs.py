"""Reconstructing straight into a file, slab by slab where the volume would not fit into memory."""

from __future__ import annotations

import math
import time
from collections.abc import Callable, Mapping
from dataclasses import replace
from itertools import pairwise
from pathlib import Path
from typing import Any

import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.errors import InputError
from MITOReconstructionLib.export import volume_in_slabs
from MITOReconstructionLib.export.volume import require_nrrd_suffix
from MITOReconstructionLib.geometry import VolumeGrid
from MITOReconstructionLib.geometry.scan_geometry import Views
from MITOReconstructionLib.jobs.estimate import require_disk
from MITOReconstructionLib.jobs.machine import available_memory
from MITOReconstructionLib.jobs.memory import peak_memory
from MITOReconstructionLib.jobs.reconstruct import provenance, run_request
from MITOReconstructionLib.jobs.request import Request
from MITOReconstructionLib.jobs.volume import Volume
from MITOReconstructionLib.methods import Parameters
from MITOReconstructionLib.monitor import Monitor, Progress
from MITOReconstructionLib.projectors.backends import AUTO, Backend, choose_backend
from MITOReconstructionLib.scan import Scan

__all__ = ["reconstruct_to_file"]


def reconstruct_to_file(
    scan: Scan,
    path: str | Path,
    *,
    grid: VolumeGrid | None = None,
    method: str = "fbp",
    parameters: Mapping[str, Any] | Parameters | None = None,
    views: Views = None,
    backend: str | Backend = AUTO,
    progress: Callable[[Progress], object] | None = None,
    monitor: Monitor | None = None,
    initial: Volume | NDArray[np.floating] | None = None,
    slabs: int | None = None,
) -> dict[str, Any]:
    """Reconstruct a scan into an NRRD file.

    Parameters
    ----------
    scan, grid, method, parameters, views, backend, progress, monitor, initial
        As of :func:`MITOReconstructionLib.reconstruct`.
    path : path
        Ends in ``.nrrd``. Replaced only when everything is written.
    slabs : int, optional
        Number of slabs along z that are reconstructed and written one after the other, for a method that can: it has
        ``join_slabs``. By default as few as free memory makes necessary. What a slab needs is read again for the next,
        as far as both need it.

    Returns
    -------
    dict
        The provenance, as it stands in the file: that of the whole volume, in however many slabs it was made.

    Raises
    ------
    InputError
        Naming the argument, file or view at fault; or the grid, with what would fit, where memory does not suffice even so;
        or the folder, where the disk has not enough room.
    WorkError
        When memory runs out, an iteration diverges, or writing fails. Nothing is left under the name.
    Cancelled
        When the monitor was asked to stop.
    """
    if progress is not None and monitor is not None:
        raise InputError("progress", expected="either progress or monitor", found="both", remedy="Give the callable to the monitor.")
    watch = monitor or Monitor(progress)
    target = require_nrrd_suffix(path)
    request = Request.make(scan, grid=grid, method=method, parameters=parameters, views=views, backend=backend, initial=initial)
    require_disk(request, target.absolute().parent)
    count = _number_of_slabs(request, slabs)
    if count > 1:
        return _in_slabs(request, target, count, watch)
    volume = run_request(request, watch)
    watch.report("write", 0.0)
    volume.save(target)
    watch.report("write", 1.0)
    return volume.provenance


def _in_slabs(request: Request, target: Path, count: int, monitor: Monitor) -> dict[str, Any]:
    nx, ny, nz = request.grid.shape
    edges = [nz * number // count for number in range(count + 1)]
    started, device = time.monotonic(), choose_backend(request.backend)
    reports: list[dict[str, Any]] = []
    with volume_in_slabs(target, request.grid, provenance(request, device, 0.0, {})) as file:
        for number, (first, last) in enumerate(pairwise(edges)):
            initial = None if request.initial is None else request.initial[:, :, first:last]
            part = replace(request, grid=request.grid.region((0, 0, first), (nx, ny, last)), initial=initial)
            volume = run_request(part, monitor.part(f"slab {number + 1} of {count}"))
            monitor.report(f"write, slab {number + 1} of {count}", 0.0)
            file.add(volume.array)
            reports.append(volume.provenance["report"])
            del volume  # before the next one is made
        join = request.method.join_slabs
        file.provenance = provenance(request, device, time.monotonic() - started, join(reports) if join else {})
        written = file.provenance
    monitor.report(f"write, slab {count} of {count}", 1.0)
    return written


def _number_of_slabs(request: Request, slabs: int | None) -> int:
    """As many as were asked for, or the least number whose slabs fit into free memory; 1 where nothing would."""
    height = request.grid.shape[2]
    possible = request.method.join_slabs is not None
    if slabs is not None:
        if not 1 <= slabs <= height or (slabs > 1 and not possible):
            raise InputError(
                "slabs",
                expected=f"a number from 1 to {height}, the voxels along z" if possible else f"1, for method {request.method.name}",
                found=str(slabs),
                remedy="Give fewer." if possible else "Leave it out, or choose a method that can work on slabs, such as fbp.",
            )
        return slabs
    room = available_memory()
    if not possible or room is None or peak_memory(request) <= room:
        return 1
    count = 2
    while count < height:
        need = peak_memory(_thickest(request, count))
        if need <= room:
            return count
        fixed = min(need - _thickest(request, count).grid.nbytes, room - 1)
        count = max(count + 1, min(height, math.ceil(request.grid.nbytes / (room - fixed))))
    return height if peak_memory(_thickest(request, height)) <= room else 1


def _thickest(request: Request, count: int) -> Request:
    """The request on one of so many slabs, in the middle, where most beams are needed."""
    nx, ny, nz = request.grid.shape
    height = -(-nz // count)
    first = (nz - height) // 2
    return replace(request, grid=request.grid.region((0, 0, first), (nx, ny, first + height)))
