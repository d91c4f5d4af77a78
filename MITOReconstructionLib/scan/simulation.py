"""Simulated scans: the geometry of the MITO scanner, and sample folders written from phantoms."""

from __future__ import annotations

import math
import os
from collections.abc import Iterator
from pathlib import Path

import numpy as np
from numpy.typing import ArrayLike, NDArray

from MITOReconstructionLib.errors import InputError
from MITOReconstructionLib.geometry import Detector, ScanGeometry, VolumeGrid
from MITOReconstructionLib.monitor import Monitor
from MITOReconstructionLib.scan.dataset import axial_range
from MITOReconstructionLib.scan.line_integrals import project
from MITOReconstructionLib.scan.shapes import Phantom
from MITOReconstructionLib.scan.writing import write_sample

__all__ = ["axial_wobble", "default_grid", "mito_geometry", "poisson_noise", "simulate"]

COLUMNS, ROWS, VIEWS_PER_TURN = 1560, 230, 2664
SOURCE_RADIUS = 503.0
HALF_FAN, HALF_HEIGHT = 0.46521, 34.5
VOXEL_PER_PIXEL = 5.0 / 3.0
"""Default voxel side over the pixel side at the rotation axis: 0.5 mm over 0.3 mm in the real samples."""
BLOCK_BYTES = 32 * 2**20


def mito_geometry(
    scale: float = 1,
    pitch: float = 106.56,
    turns: float = 4.5,
    views_per_turn: int | None = None,
    *,
    centre: float = 277.125,
    start_angle: float = 0.0,
    direction: int = 1,
    source_radius: float = SOURCE_RADIUS,
    detector_radius: float = 0.0,
    curvature_radius: float | None = None,
    wobble: float = 0.0,
    seed: int = 0,
) -> ScanGeometry:
    """The MITO scanner, whole or coarser.

    Parameters
    ----------
    scale : float, optional
        1 is the real scanner (1560 x 230 pixels of 0.3 mm, 2664 views per turn); 6 is one sixth of its resolution.
    pitch : float, optional
        Advance along z per turn in mm; 0 makes a circle.
    turns : float, optional
    views_per_turn : int, optional
        By default 2664 / scale.
    centre : float, optional
        Axial position in mm of the middle of the scan.
    start_angle : float, optional
        Angle of the first view in radians.
    direction : int, optional
        1 for rising angles, -1 for falling ones.
    source_radius, detector_radius : float, optional
        Distance from the axis to the source, and to the detector's midpoint, in mm. The fan angle stays, and the
        detector's height grows with its distance from the source, so that the beam at the axis stays as it is.
    curvature_radius : float, optional
        Radius of the detector cylinder in mm, ``math.inf`` for a flat detector; by default centred on the source.
    wobble : float, optional
        Largest axial shift in mm; the shifts are those of :func:`axial_wobble` and part of the axial positions.
    seed : int, optional
        Of the wobble.

    Returns
    -------
    ScanGeometry

    Raises
    ------
    InputError
        When a value is out of range.
    """
    if direction not in (1, -1):
        raise InputError("direction", expected="1 or -1", found=repr(direction), remedy="Use 1 for rising and -1 for falling angles.")
    _above_zero("scale", scale)
    per_turn = round(VIEWS_PER_TURN / scale) if views_per_turn is None else views_per_turn
    _above_zero("views_per_turn", per_turn)
    views = max(1, round(_above_zero("turns", turns) * per_turn))
    distance = source_radius + detector_radius
    rho = distance if curvature_radius is None else curvature_radius
    columns, rows = max(1, round(COLUMNS / scale)), max(1, round(ROWS / scale))
    fan = HALF_FAN * columns * scale / COLUMNS
    height = HALF_HEIGHT * rows * scale / ROWS * distance / source_radius
    edge = float(Detector(1, 1, -1e-3, 1e-3, -1.0, 1.0, rho).column_at_fan_angle(np.array(fan), distance))
    detector = Detector(columns, rows, -edge, edge, -height, height, rho)
    step = np.arange(views)
    axial = centre + pitch * (step - (views - 1) / 2) / per_turn + axial_wobble(views, wobble, seed)[:, 2]
    angles = np.asarray(start_angle + direction * (2 * math.pi / per_turn) * step, dtype=np.float64)
    return ScanGeometry(angles, axial, source_radius, detector_radius, detector)


def axial_wobble(views: int, amplitude: float, seed: int = 0) -> NDArray[np.float64]:
    """Smooth random axial shifts such as a real scanner's corrections.

    Parameters
    ----------
    views : int
    amplitude : float
        Largest shift in mm.
    seed : int, optional

    Returns
    -------
    float64, shape (views, 3)
        Shifts in mm as in shifts.npy: only the last column is used.
    """
    random = np.random.default_rng([seed, 1])
    phase = np.arange(views)[:, None] / max(views, 1) * 2 * math.pi * np.array([3.0, 11.0, 37.0]) + random.uniform(0, 2 * math.pi, 3)
    shifts = np.zeros((views, 3))
    shifts[:, 2] = amplitude * (np.sin(phase) @ np.array([0.5, 0.3, 0.2]))
    return shifts


def simulate(
    folder: str | os.PathLike[str],
    phantom: Phantom,
    geometry: ScanGeometry,
    *,
    noise_photons: float | None = None,
    seed: int = 0,
    subrays: tuple[int, int] = (1, 1),
    shifts: ArrayLike | None = None,
    grid: VolumeGrid | None = None,
    name: str | None = None,
    overwrite: bool = False,
    block: int | None = None,
    monitor: Monitor | None = None,
) -> Path:
    """Write a MITO sample folder with the projections of a phantom.

    Parameters
    ----------
    folder : path
        The new sample folder; its parent must exist.
    phantom : Phantom
    geometry : ScanGeometry
    noise_photons : float, optional
        Mean photon count of an unattenuated pixel; Poisson noise is added. By default there is none.
    seed : int, optional
        The same seed gives the same noise, whatever ``block`` is.
    subrays : (int, int), optional
        Rays within each pixel along columns and rows.
    shifts : array, shape (views, 3), optional
        Content of shifts.npy in mm; its last column is taken off the geometry's axial positions, so that the scan
        that is read back has this geometry. Zero by default.
    grid : VolumeGrid, optional
        The default volume of the sample, with cubic voxels; by default :func:`default_grid`.
    name : str, optional
        The name shown to people; with it, the sample is entered in the samples.json beside its folder.
    overwrite : bool, optional
        Whether an existing folder may be replaced.
    block : int, optional
        Views computed at a time; by default as many as fit into 32 MiB.
    monitor : Monitor, optional
        Gets the progress of the step 'simulate' and may stop it; nothing is left behind then.

    Returns
    -------
    Path
        The sample folder.

    Raises
    ------
    InputError
        When the folder is in the way, or an argument is out of range.
    WorkError
        When writing fails.
    Cancelled
        When the monitor's run was cancelled.
    """
    if seed < 0:
        raise InputError("seed", expected="a whole number of at least 0", found=f"{seed}", remedy="Choose another seed.")
    monitor = monitor or Monitor()
    if noise_photons is not None:
        _above_zero("noise_photons", noise_photons)
    if block is not None:
        _above_zero("block", block)
    volume = default_grid(phantom, geometry) if grid is None else grid
    blocks = _projected(phantom, geometry, noise_photons, seed, subrays, block, monitor)
    return write_sample(folder, geometry, volume, blocks, shifts=shifts, name=name, overwrite=overwrite)


def default_grid(phantom: Phantom, geometry: ScanGeometry) -> VolumeGrid:
    """The grid about a phantom as far as a scan covers it, with voxels of 5/3 pixels at the rotation axis.

    Raises
    ------
    InputError
        When the phantom is outside the field of view.
    """
    spacing = VOXEL_PER_PIXEL * geometry.detector.row_pitch * geometry.source_radius / geometry.source_to_detector
    view = geometry.field_of_view_radius
    bottom, top = axial_range(geometry)
    low, high = (np.array(corner) for corner in phantom.box)
    low = np.maximum(low - 2 * spacing, [-view, -view, bottom])
    high = np.minimum(high + 2 * spacing, [view, view, top])
    if not np.all(low < high):
        raise InputError(
            "phantom",
            expected=f"an object within {view:g} mm of the axis, between z = {bottom:g} and {top:g} mm",
            found=f"one from {phantom.box[0]} to {phantom.box[1]}",
            remedy="Move the phantom or the scan.",
        )
    return VolumeGrid.from_bounds(low.tolist(), high.tolist(), spacing=spacing)


def poisson_noise(integrals: NDArray[np.float32], photons: float, seed: int, first_view: int = 0) -> None:
    """Replace line integrals in place by what a counting detector would measure.

    Counts are Poisson distributed about ``photons * exp(-integral)``, at least 1, and turned back by -log.

    Parameters
    ----------
    integrals : float32, shape (n, columns, rows)
        Overwritten.
    photons : float
        Mean count of an unattenuated pixel.
    seed : int
    first_view : int, optional
        Index of the first of the n views; every view has its own stream of random numbers.
    """
    for i, view in enumerate(integrals):
        random = np.random.default_rng(np.random.SeedSequence(seed, spawn_key=(first_view + i,)))
        counts = random.poisson(photons * np.exp(-view.astype(np.float64)))
        view[...] = math.log(photons) - np.log(np.maximum(counts, 1))


def _projected(
    phantom: Phantom,
    geometry: ScanGeometry,
    photons: float | None,
    seed: int,
    subrays: tuple[int, int],
    block: int | None,
    monitor: Monitor,
) -> Iterator[NDArray[np.float32]]:
    """The projections of all views, block by block."""
    detector, views = geometry.detector, geometry.views
    fitting = max(1, BLOCK_BYTES // (4 * detector.columns * detector.rows))
    size = int(block) if block is not None else min(fitting, max(1, views // 20))
    monitor.report("simulate", 0.0)
    for first in range(0, views, size):
        last = min(first + size, views)
        values = project(phantom, geometry, slice(first, last), subrays=subrays)
        if photons is not None:
            poisson_noise(values, photons, seed, first)
        yield values
        monitor.report("simulate", last / views)


def _above_zero(name: str, value: float) -> float:
    if not (math.isfinite(value) and value > 0):
        raise InputError(name, expected="a number above 0", found=f"{value}", remedy="Correct it.")
    return value
