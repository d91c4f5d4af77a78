"""What a run will take, foreseen, and whether this machine has it."""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import dataclass
from pathlib import Path
from typing import Any

import numpy as np

from MITOReconstructionLib.errors import InputError, WorkError
from MITOReconstructionLib.files import temporary_folder
from MITOReconstructionLib.geometry import ScanGeometry, VolumeGrid
from MITOReconstructionLib.geometry.scan_geometry import Views
from MITOReconstructionLib.geometry.updates import count_updates
from MITOReconstructionLib.jobs.machine import available_memory, free_disk, gibibytes
from MITOReconstructionLib.jobs.memory import gpu_sizes, largest_that_fits, peak_memory
from MITOReconstructionLib.jobs.request import Request
from MITOReconstructionLib.jobs.speed import Speed, fbp_speed, gpu_speed, projector_speed
from MITOReconstructionLib.methods import Parameters
from MITOReconstructionLib.methods.context import context_grid
from MITOReconstructionLib.projectors.backends import AUTO, Backend
from MITOReconstructionLib.projectors.cupy_gpu import CudaBackend
from MITOReconstructionLib.scan import Scan
from MITOReconstructionLib.wfbp.backproject import beam_tables
from MITOReconstructionLib.wfbp.groups import beams_together
from MITOReconstructionLib.wfbp.plan import ParallelPlan

__all__ = ["Estimate", "estimate", "require_disk", "require_fit"]

READING = 4e8
"""Bytes a second at which projections are read and checked."""

NORM_SIZE = 1 << 18
"""Voxels and pixels of a problem on which NORM_STEPS steps take about as long as the search for the projector's norm does."""

NORM_STEPS = 15

SPARE_DISK = 16 << 20
"""Bytes that are left free on a disk."""


@dataclass(frozen=True)
class Estimate:
    """What a run will take.

    input_bytes : of the projections that it reads, as float32;
    output_bytes : of the volume;
    peak_bytes : of memory at its peak, beside what the process has before;
    seconds : from start to end, kernels compiled;
    views : number of views that see the grid;
    reasons : why it cannot run on this machine, or not at all, as sentences; empty where it can;
    gpu_bytes : of a GPU's memory, where filtered backprojection runs on one.
    """

    input_bytes: int
    output_bytes: int
    peak_bytes: int
    seconds: float
    views: int
    reasons: tuple[str, ...] = ()
    gpu_bytes: int = 0

    @property
    def possible(self) -> bool:
        """Whether nothing speaks against it."""
        return not self.reasons


def estimate(
    scan: Scan,
    grid: VolumeGrid | None = None,
    method: str = "fbp",
    parameters: Mapping[str, Any] | Parameters | None = None,
    views: Views = None,
    backend: str | Backend = AUTO,
    *,
    output: Path | str | None = None,
) -> Estimate:
    """Foresee memory and time of a run, and what speaks against it.

    The first call in a process measures the machine's speed, which takes a quarter of a second once the kernels are compiled.

    Parameters
    ----------
    scan, grid, method, parameters, views, backend
        As of :func:`MITOReconstructionLib.reconstruct`.
    output : path, optional
        The file to be written, or its folder: whether the volume fits onto that disk.

    Raises
    ------
    InputError
        When an argument cannot be used.
    MissingPackageError
        When the backend asked for is not installed.
    """
    request = Request.make(scan, grid=grid, method=method, parameters=parameters, views=views, backend=backend)
    device = request.device
    geometry, box, detector = request.geometry, request.grid, request.geometry.detector
    seeing = np.flatnonzero(geometry.views_seeing(box.minimum, box.maximum))
    reasons = [] if len(seeing) else ["No view sees the grid. Move the box, or choose other views."]
    peak, gpu = box.nbytes, 0
    try:
        peak = peak_memory(request)
        sizes = gpu_sizes(request)
        gpu = 0 if sizes is None else sizes.nbytes
    except (WorkError, InputError) as error:  # the GPU's memory, or what the method asks of the views
        reasons.append(str(error))
    for refusal in (_memory_refusal(request), _disk_refusal(request, None if output is None else Path(output))):
        if refusal is not None:
            reasons.append(str(refusal))
    pixels = len(seeing) * detector.columns * detector.rows
    seconds = _seconds(request, seeing, pixels, device) if len(seeing) else 0.0
    return Estimate(4 * pixels, box.nbytes, peak, seconds, len(seeing), tuple(reasons), gpu)


def require_fit(request: Request, folder: Path | None = None, *, disk: bool = True) -> None:
    """Refuse a run whose memory this machine does not have, or whose volume does not fit into a folder.

    Parameters
    ----------
    request : Request
    folder : Path, optional
        By default the system's folder for temporary files.
    disk : bool
        Whether to look at the folder at all.

    Raises
    ------
    InputError
        With the numbers, and what would fit.
    """
    place = (folder or temporary_folder()) if disk else None
    for refusal in (_memory_refusal(request), _disk_refusal(request, place)):
        if refusal is not None:
            raise refusal


def require_disk(request: Request, folder: Path) -> None:
    """Refuse a run whose volume does not fit into a folder.

    Raises
    ------
    InputError
        With the numbers.
    """
    refusal = _disk_refusal(request, folder)
    if refusal is not None:
        raise refusal


def _memory_refusal(request: Request) -> InputError | None:
    room = available_memory()
    try:
        if room is None or (need := peak_memory(request)) <= room:
            return None
        smaller = largest_that_fits(request, room)
    except InputError:  # not about memory; the method says it better
        return None
    if smaller is None:
        remedy = "No voxel size would fit: end other programs, or choose another method."
    else:
        side = max(smaller.spacing)
        unit = 10.0 ** (math.floor(math.log10(side)) - 1)
        remedy = f"Voxels of {math.ceil(side / unit - 1e-9) * unit:.3g} mm or larger would fit; or choose a smaller box."
    return InputError(
        "grid",
        expected=f"at most {gibibytes(room)} of memory at work, which is what is free",
        found=f"{gibibytes(need)} for {' x '.join(map(str, request.grid.shape))} voxels with {request.method.title}",
        remedy=remedy,
    )


def _disk_refusal(request: Request, place: Path | None) -> InputError | None:
    free = None if place is None else free_disk(place)
    if free is None or request.grid.nbytes + SPARE_DISK <= free:
        return None
    return InputError(
        str(place),
        expected=f"{gibibytes(request.grid.nbytes + SPARE_DISK)} of free disk space for the volume and some to spare",
        found=gibibytes(free),
        remedy="Free some, choose another folder, or choose a smaller box or larger voxels.",
    )


def _seconds(request: Request, seeing: np.ndarray, pixels: int, device: Backend) -> float:
    """Seconds for a run with the views ``seeing``."""
    columns, voxels = count_updates(request.geometry, request.grid, seeing)
    reading = 4 * pixels / READING
    if request.method.name == "fbp" and isinstance(device, CudaBackend):
        return reading + gpu_speed(device).seconds(columns, voxels, pixels)
    if request.method.name == "fbp":
        return reading + 1.6 * _fbp_speed(request.geometry, request.grid).seconds(columns, voxels, pixels)  # the rest is for the coverage
    speed = projector_speed(device)
    iterations = getattr(request.parameters, "iterations", None)
    if iterations is None:  # one way only
        return reading + 0.5 * speed.seconds(columns, voxels)
    before = 0.0
    coarse = context_grid(request.grid, request.geometry) if getattr(request.parameters, "context", False) else None
    if coarse is not None:  # what lies outside the grid is reconstructed, projected and taken off
        around = count_updates(request.geometry, coarse, np.arange(request.geometry.views))
        before += reading + 1.6 * _fbp_speed(request.geometry, coarse).seconds(*around, pixels) + 0.5 * speed.seconds(*around)
    if hasattr(request.parameters, "relaxation"):  # ||A||^2 comes first, from a smaller problem
        side = min(1.0, NORM_SIZE / request.grid.size) ** (1 / 3)
        share = min(1.0, NORM_SIZE / max(1, pixels)) ** (1 / 3)
        before += NORM_STEPS * speed.seconds(share * side**2 * columns, share * side**3 * voxels)
    return before + float(iterations) * (reading + speed.seconds(columns, voxels))


def _fbp_speed(geometry: ScanGeometry, grid: VolumeGrid) -> Speed:
    try:
        tables = beam_tables(ParallelPlan(geometry))
    except InputError:  # too few views, which is among the reasons
        return fbp_speed(1)
    return fbp_speed(beams_together(tables, grid, geometry.detector.rows)[0])
