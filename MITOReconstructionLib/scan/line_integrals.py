"""Exact projections and volumes of phantoms.

A ray through a shape is a line ``q(s) = q0 + s d`` in the shape's own coordinates (see :mod:`.shapes`). Inside a ball
``|q|^2 <= 1``, inside a cone ``q_x^2 + q_y^2 <= (w0 + w1 q_z)^2``: both are ``a s^2 + 2 b s + c <= 0``, and a cone is cut
off at ``|q_z| = 1``. The chord's length times the attenuation, summed over the shapes, is the line integral.

Here ``s`` is the distance from the source in the plane of rotation and ``t`` the ray's rise per unit of ``s``, the same
for every view. Along a detector column only ``t`` changes, in equal steps, and a, b, c are polynomials in it.
"""

from __future__ import annotations

import math

import numba
import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.errors import InputError
from MITOReconstructionLib.geometry import ScanGeometry, VolumeGrid
from MITOReconstructionLib.geometry.scan_geometry import Views
from MITOReconstructionLib.scan.shapes import Phantom, pack

__all__ = ["project", "sample"]

TINY = 1e-12

_inner = numba.njit(cache=True, nogil=True, error_model="numpy")
_outer = numba.njit(cache=True, nogil=True, error_model="numpy", parallel=True)


def project(
    phantom: Phantom,
    geometry: ScanGeometry,
    views: Views = None,
    *,
    subrays: tuple[int, int] = (1, 1),
    out: NDArray[np.float32] | None = None,
) -> NDArray[np.float32]:
    """Exact line integrals of a phantom, from the source through every pixel.

    Parameters
    ----------
    phantom : Phantom
    geometry : ScanGeometry
    views : selection of views, optional
        All by default.
    subrays : (int, int), optional
        Rays within each pixel along columns and rows, evenly spread; their mean line integral is the pixel's value.
    out : float32, shape (n, columns, rows), optional
        Where to put the result.

    Returns
    -------
    float32, shape (n, columns, rows)
        Line integrals (no unit) along the whole ray, also beyond a detector that stands inside the object.

    Raises
    ------
    InputError
        When ``subrays`` are not whole numbers above 0, ``out`` does not fit, or ``views`` leave the scan.
    """
    index = geometry.view_indices(views)
    detector = geometry.detector
    across_rays, row_rays = _subrays(subrays)
    shape = (len(index), detector.columns, detector.rows)
    result = np.empty(shape, dtype=np.float32) if out is None else out
    if result.shape != shape or result.dtype != np.float32:
        raise InputError(
            "out", expected=f"float32 of shape {shape}", found=f"{result.dtype} of shape {result.shape}", remedy="Leave it out."
        )
    column = np.asarray(
        detector.column_min + (np.arange(detector.columns * across_rays) + 0.5) * (detector.column_pitch / across_rays), dtype=np.float64
    )
    across, along = detector.surface(column, geometry.source_to_detector)
    distance = np.hypot(across, along)
    fan = np.stack([across / distance, along / distance, distance], axis=-1)
    step = detector.row_pitch / row_rays
    phi = geometry.angles[index]
    gantry = np.stack([np.sin(phi), np.cos(phi), geometry.axial_positions[index]], axis=-1)
    _project_views(
        pack(phantom.shapes), gantry, geometry.source_radius, fan, detector.row_min + step / 2, step, across_rays, row_rays, result
    )
    return result


def sample(phantom: Phantom, grid: VolumeGrid, supersample: int = 3) -> NDArray[np.float32]:
    """The attenuation of a phantom, averaged over every voxel.

    Parameters
    ----------
    phantom : Phantom
    grid : VolumeGrid
    supersample : int, optional
        Each voxel is averaged over this number squared of lines along z, evenly spread over its x-y face; along
        them the average is exact.

    Returns
    -------
    float32, shape ``grid.shape`` (x, y, z)
        Attenuation in 1/mm.

    Raises
    ------
    InputError
        When ``supersample`` is no whole number above 0.
    """
    rays, _ = _subrays((supersample, 1))
    volume = np.empty(grid.shape, dtype=np.float32)
    _sample_slabs(pack(phantom.shapes), np.array(grid.minimum), np.array(grid.spacing), rays, volume)
    return volume


def _subrays(counts: tuple[int, int]) -> tuple[int, int]:
    if len(counts) != 2 or not all(isinstance(n, (int, np.integer)) and n >= 1 for n in counts):
        raise InputError("rays per pixel", expected="whole numbers of at least 1", found=repr(counts), remedy="Use 1 for a single ray.")
    return int(counts[0]), int(counts[1])


@_outer
def _project_views(shapes, gantry, radius, fan, row0, row_step, across_rays, row_rays, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    for view in numba.prange(out.shape[0]):
        _project_view(
            shapes, gantry[view, 0], gantry[view, 1], gantry[view, 2], radius, fan, row0, row_step, across_rays, row_rays, out[view]
        )


@_inner
def _project_view(shapes, sin, cos, z, radius, fan, row0, row_step, across_rays, row_rays, out):  # type: ignore[no-untyped-def]  # pragma: no cover
    """One view: out[column, row] is the mean over the pixel's rays."""
    columns, rows = out.shape
    rays = rows * row_rays
    sx, sy = radius * sin, -radius * cos
    active, origin = _shapes_in_view(shapes, sx, sy, z, row0, row0 + (rays - 1) * row_step, fan[:, 2].min(), fan[:, 2].max())
    integral, total = np.empty(rays), np.empty(rows)
    share = 1.0 / (across_rays * row_rays)
    for column in range(columns):
        total[:] = 0.0
        for ray in range(column * across_rays, (column + 1) * across_rays):
            across, along, distance = fan[ray, 0], fan[ray, 1], fan[ray, 2]
            ex, ey = across * cos - along * sin, across * sin + along * cos
            t0, dt = row0 / distance, row_step / distance
            integral[:] = 0.0
            for i in range(len(active)):
                _add_shape(shapes[active[i]], origin[i], sx, sy, z, ex, ey, t0, dt, integral)
            for j in range(rays):
                t = t0 + j * dt
                total[j // row_rays] += integral[j] * math.sqrt(1.0 + t * t)
        for row in range(rows):
            out[column, row] = total[row] * share


@_inner
def _shapes_in_view(shapes, sx, sy, z, low, high, nearest, farthest):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Which shapes the beam may meet, and the source in their own coordinates; rows span low..high at the detector."""
    active = np.empty(len(shapes), dtype=np.int64)
    origin = np.empty((len(shapes), 3))
    count = 0
    t_low = low / (nearest if low < 0.0 else farthest)
    t_high = high / (nearest if high > 0.0 else farthest)
    for i in range(len(shapes)):
        p = shapes[i]
        centre = math.hypot(p[16] - sx, p[17] - sy)
        near, far = max(centre - p[18], 0.0), centre + p[18]
        bottom = z + t_low * (far if t_low < 0.0 else near)
        top = z + t_high * (far if t_high > 0.0 else near)
        if bottom > p[20] or top < p[19]:
            continue
        active[count] = i
        x, y, h = sx - p[11], sy - p[12], z - p[13]
        for k in range(3):
            origin[count, k] = p[2 + 3 * k] * x + p[3 + 3 * k] * y + p[4 + 3 * k] * h
        count += 1
    return active[:count], origin[:count]


@_inner
def _add_shape(p, q, sx, sy, z, ex, ey, t0, dt, integral):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Add one shape's chords, in units of s, to the rays t0 + j dt of a detector column with in-plane direction e."""
    x, y = p[16] - sx, p[17] - sy
    middle = x * ex + y * ey
    miss = x * ey - y * ex
    reach = p[18] * p[18] - miss * miss
    if reach < 0.0:
        return
    reach = math.sqrt(reach)
    far = middle + reach
    if far <= 0.0:
        return
    near = max(middle - reach, TINY)
    below, above = p[19] - z, p[20] - z
    first = (below / (near if below < 0.0 else far) - t0) / dt
    last = (above / (near if above > 0.0 else far) - t0) / dt
    if not (first <= len(integral) and last >= -1.0):
        return
    start = max(0, math.ceil(max(first, 0.0) - 1e-6))
    stop = math.floor(min(last, len(integral) - 1.0) + 1e-6) + 1
    dx, dy, dz = p[2] * ex + p[3] * ey, p[5] * ex + p[6] * ey, p[8] * ex + p[9] * ey
    if p[0] == 0.0:
        _add_ball(p, q, dx, dy, dz, t0 + start * dt, dt, integral[start:stop])
    else:
        _add_cone(p, q, dx, dy, dz, t0 + start * dt, dt, integral[start:stop])


@_inner
def _add_ball(p, q, dx, dy, dz, t0, dt, integral):  # type: ignore[no-untyped-def]  # pragma: no cover
    mx, my, mz, value = p[4], p[7], p[10], p[1]
    a0, a1, a2 = dx * dx + dy * dy + dz * dz, 2.0 * (dx * mx + dy * my + dz * mz), mx * mx + my * my + mz * mz
    b0, b1 = q[0] * dx + q[1] * dy + q[2] * dz, q[0] * mx + q[1] * my + q[2] * mz
    c = q[0] * q[0] + q[1] * q[1] + q[2] * q[2] - 1.0
    for j in range(len(integral)):
        t = t0 + j * dt
        a = a0 + t * (a1 + t * a2)
        b = b0 + t * b1
        square = b * b - a * c
        root = math.sqrt(square if square > 0.0 else 0.0)
        scale = 1.0 / a
        low, high = (-b - root) * scale, (-b + root) * scale
        low = low if low > 0.0 else 0.0
        high = high if high > low else low
        integral[j] += value * (high - low)


@_inner
def _add_cone(p, q, dx, dy, dz, t0, dt, integral):  # type: ignore[no-untyped-def]  # pragma: no cover
    mx, my, mz, value, w1 = p[4], p[7], p[10], p[1], p[15]
    w = p[14] + w1 * q[2]
    a0, a1, a2 = dx * dx + dy * dy - w1 * w1 * dz * dz, 2.0 * (dx * mx + dy * my - w1 * w1 * dz * mz), mx * mx + my * my - w1 * w1 * mz * mz
    b0, b1 = q[0] * dx + q[1] * dy - w1 * dz * w, q[0] * mx + q[1] * my - w1 * mz * w
    c = q[0] * q[0] + q[1] * q[1] - w * w
    bottom, top = -1.0 - q[2], 1.0 - q[2]
    # 'a' is smallest at an end of the range or where its parabola turns; where it may vanish each ray takes the careful way
    ta, tb = t0, t0 + (len(integral) - 1) * dt
    lowest = min(a0 + ta * (a1 + ta * a2), a0 + tb * (a1 + tb * a2))
    if a2 > 0.0:
        turn = -a1 / (2.0 * a2)
        if ta < turn < tb:
            lowest = min(lowest, a0 + turn * (a1 + turn * a2))
    if not lowest > 1e-4 * (dx * dx + dy * dy + dz * dz):
        for j in range(len(integral)):
            t = t0 + j * dt
            low, high = _cone_interval(q[0], q[1], q[2], dx + t * mx, dy + t * my, dz + t * mz, p[14], w1)
            integral[j] += value * max(0.0, high - max(low, 0.0))
        return
    for j in range(len(integral)):
        t = t0 + j * dt
        a = a0 + t * (a1 + t * a2)
        b = b0 + t * b1
        square = b * b - a * c
        root = math.sqrt(square if square > 0.0 else 0.0)
        scale = 1.0 / a
        low, high = (-b - root) * scale, (-b + root) * scale
        rise = dz + t * mz
        rise = rise if abs(rise) > TINY else TINY
        rise = 1.0 / rise
        one, two = bottom * rise, top * rise
        enter, leave = (one, two) if one < two else (two, one)
        low = low if low > enter else enter
        low = low if low > 0.0 else 0.0
        high = high if high < leave else leave
        high = high if high > low else low
        integral[j] += value * (high - low)


@_inner
def _cone_interval(qx, qy, qz, dx, dy, dz, w0, w1):  # type: ignore[no-untyped-def]  # pragma: no cover
    """Where a line is inside a cone: (low, high), empty when high <= low. Right for every direction."""
    rise = dz if abs(dz) > TINY else TINY
    one, two = (-1.0 - qz) / rise, (1.0 - qz) / rise
    enter, leave = min(one, two), max(one, two)
    w = w0 + w1 * qz
    a = dx * dx + dy * dy - w1 * w1 * dz * dz
    b = qx * dx + qy * dy - w1 * dz * w
    c = qx * qx + qy * qy - w * w
    if abs(a) < 1e-30:
        a = 1e-30
    square = b * b - a * c
    if square < 0.0:
        return (enter, leave) if a < 0.0 else (0.0, 0.0)
    large = -b - math.copysign(math.sqrt(square), b)
    if large == 0.0:
        return (enter, leave) if c <= 0.0 and a < 0.0 else (0.0, 0.0)
    one, two = large / a, c / large
    low, high = min(one, two), max(one, two)
    if a > 0.0:
        return max(low, enter), min(high, leave)
    # steeper than the cone: inside below 'low' and above 'high'; only one of the two is on this side of the tip
    if min(low, leave) > enter:
        return enter, min(low, leave)
    return max(high, enter), leave


@_outer
def _sample_slabs(shapes, minimum, spacing, rays, volume):  # type: ignore[no-untyped-def]  # pragma: no cover
    for i in numba.prange(volume.shape[0]):
        _sample_slab(shapes, minimum, spacing, rays, i, volume[i])


@_inner
def _sample_slab(shapes, minimum, spacing, rays, i, slab):  # type: ignore[no-untyped-def]  # pragma: no cover
    """One x index: slab[y, z]. A line's way through a shape is kept as differences along z, summed at the end."""
    columns, levels = slab.shape
    difference = np.zeros((columns, levels + 2))
    top = minimum[2] + levels * spacing[2]
    for k in range(len(shapes)):
        p = shapes[k]
        if p[19] > top or p[20] < minimum[2]:
            continue
        value = p[1] / (rays * rays)
        first = max(0, math.floor((p[17] - p[22] - minimum[1]) / spacing[1]))
        last = min(columns - 1, math.floor((p[17] + p[22] - minimum[1]) / spacing[1]))
        for u in range(rays):
            x = minimum[0] + (i + (u + 0.5) / rays) * spacing[0]
            if abs(x - p[16]) > p[21]:
                continue
            for j in range(first, last + 1):
                for v in range(rays):
                    y = minimum[1] + (j + (v + 0.5) / rays) * spacing[1]
                    low, high = _vertical(p, x - p[11], y - p[12])
                    low = min(max((low + p[13] - minimum[2]) / spacing[2], 0.0), float(levels))
                    high = min(max((high + p[13] - minimum[2]) / spacing[2], 0.0), float(levels))
                    if high > low:
                        n = int(low)
                        difference[j, n] += value * (n + 1 - low)
                        difference[j, n + 1] += value * (low - n)
                        n = int(high)
                        difference[j, n] -= value * (n + 1 - high)
                        difference[j, n + 1] -= value * (high - n)
    for j in range(columns):
        total = 0.0
        for n in range(levels):
            total += difference[j, n]
            slab[j, n] = total if abs(total) > TINY else 0.0


@_inner
def _vertical(p, x, y):  # type: ignore[no-untyped-def]  # pragma: no cover
    """The z range, from the shape's centre, in which the line along z through (x, y) from that centre is inside."""
    qx, qy, qz = p[2] * x + p[3] * y, p[5] * x + p[6] * y, p[8] * x + p[9] * y
    if p[0] != 0.0:
        return _cone_interval(qx, qy, qz, p[4], p[7], p[10], p[14], p[15])
    a = p[4] * p[4] + p[7] * p[7] + p[10] * p[10]
    b = qx * p[4] + qy * p[7] + qz * p[10]
    square = b * b - a * (qx * qx + qy * qy + qz * qz - 1.0)
    if square <= 0.0:
        return 0.0, 0.0
    root = math.sqrt(square)
    return (-b - root) / a, (-b + root) / a
