"""The kernels of :mod:`.planes`."""

from __future__ import annotations

import math

import numba
import numpy as np

from MITOReconstructionLib.wfbp.backproject import COMPILE, LEAST, SOFTNESS

__all__ = ["LANES", "TILE", "add_directions", "mark_seeing"]

TILE = 128
"""Pixels along each side of the tiles that are worked on at a time: what they see of a beam stays in the first-level cache."""

LANES = 16
"""Pixels are worked on in whole groups of so many, so that no loop has a remainder that is not vectorised."""

FAR = np.float32(1e9)
"""Stands for a row that no detector has."""


@numba.njit(**COMPILE)
def _ray_at(t, beam, tables):  # type: ignore[no-untyped-def]
    """Of the ray at t: height of the source, in-plane distance from it to the point nearest to the axis and to the detector."""
    place = (t - tables.t_first) / tables.t_step
    ray = min(max(int(place), 0), len(tables.reach) - 2)
    share = min(max(place - ray, 0.0), 1.0)
    reach = tables.reach[ray] + share * (tables.reach[ray + 1] - tables.reach[ray])
    distance = tables.distance[ray] + share * (tables.distance[ray + 1] - tables.distance[ray])
    position = beam + tables.axial_offset + tables.fan_steps[ray] + share * (tables.fan_steps[ray + 1] - tables.fan_steps[ray])
    index = int(position)
    source = tables.axial[index] + (position - index) * (tables.axial[index + 1] - tables.axial[index])
    return source, reach, distance


@numba.njit(**COMPILE)
def _row_at(t, depth, z, beam, tables):  # type: ignore[no-untyped-def]
    """Where a beam sees a point, as row coordinate over half of the row range from the middle row, and how far it is from the source."""
    source, reach, distance = _ray_at(t, beam, tables)
    along = reach + depth
    if along <= 1e-3 * reach:
        return float(FAR), 0.0
    return ((z - source) * distance / along - tables.row_middle) / tables.row_half, along / reach


@numba.njit(**COMPILE)
def _may_see(x, y, z, across, down, u, v, sin, cos, beam, least_distance, tables):  # type: ignore[no-untyped-def]
    """Whether a beam can see a part of a tile of pixels that begins at x, y, z; only sometimes true where it cannot."""
    low, high, top, bottom, along = 1e30, -1e30, -1e30, 1e30, 0.0
    for corner in range(5):  # the last one is the middle
        a = 0.5 * across if corner == 4 else across * (corner % 2)
        b = 0.5 * down if corner == 4 else down * (corner // 2)
        px, py, pz = x + a * u[0] + b * v[0], y + a * u[1] + b * v[1], z + a * u[2] + b * v[2]
        source, reach, _ = _ray_at(px * cos + py * sin, beam, tables)
        low, high = min(low, source), max(high, source)
        bottom, top = min(bottom, pz), max(top, pz)
        along = max(along, reach + py * cos - px * sin)
    reach = 1.1 * (tables.row_reach + abs(tables.row_middle)) * along / least_distance + 0.1 * (high - low) + tables.row_pitch
    return bottom - high <= reach and low - top <= reach


@numba.njit(**COMPILE)
def _range_within(start, step, count, low, high):  # type: ignore[no-untyped-def]
    """First and last (exclusive) k of 0 to ``count`` with low <= start + step k <= high."""
    if abs(step) * count < 1e-9:
        return (0, count) if low <= start <= high else (0, 0)
    a, b = (low - start) / step, (high - start) / step
    first = int(math.ceil(min(max(min(a, b), -1.0), count + 1.0)))  # noqa: RUF046 (a float in numba)
    last = int(math.floor(min(max(max(a, b), -2.0), count + 1.0))) + 1  # noqa: RUF046
    return max(first, 0), min(last, count)


@numba.njit(**COMPILE)
def _cubic(p0, p1, p2, p3, length):  # type: ignore[no-untyped-def]
    """Coefficients of the cubic with these values at 0, 1, 2 and 3 thirds of a length."""
    third = length / 3.0
    return (
        p0,
        (-5.5 * p0 + 9.0 * p1 - 4.5 * p2 + p3) / (3.0 * third),
        (9.0 * p0 - 22.5 * p1 + 18.0 * p2 - 4.5 * p3) / (9.0 * third * third),
        (-4.5 * p0 + 13.5 * p1 - 13.5 * p2 + 4.5 * p3) / (27.0 * third * third * third),
    )


@numba.njit(**COMPILE)
def _tile_cubics(cubics, x, y, z, height, width, u, v, sin, cos, beam, tables):  # type: ignore[no-untyped-def]
    """Write the row coordinate at 4 x 4 nodes of a tile as cubics along i, shape (4 nodes along j, 4); whether they stand for all of it.

    They do not where the tile reaches beyond the fan or close to the source.
    """
    for node in range(4):
        values = (0.0, 0.0, 0.0, 0.0)
        for number in range(4):
            a, b = height * number / 3.0, width * node / 3.0
            px, py, pz = x + a * u[0] + b * v[0], y + a * u[1] + b * v[1], z + a * u[2] + b * v[2]
            t = px * cos + py * sin
            place = (t - tables.t_first) / tables.t_step
            value, near = _row_at(t, py * cos - px * sin, pz, beam, tables)
            if place < 0.0 or place > len(tables.reach) - 1 or near < 0.1:
                return False
            values = (values[1], values[2], values[3], value)
        a0, a1, a2, a3 = _cubic(values[0], values[1], values[2], values[3], height)
        cubics[node, 0], cubics[node, 1], cubics[node, 2], cubics[node, 3] = a0, a1, a2, a3
    return True


@numba.njit(**COMPILE)
def _cubic_line(q, first, last, p0, p1, p2, p3, limit):  # type: ignore[no-untyped-def]
    """Write the cubic through four values, a third of the pixels ``first`` to ``last`` apart; whether any is within the limit."""
    least, most = min(min(p0, p1), min(p2, p3)), max(max(p0, p1), max(p2, p3))
    spare = limit + 0.02 + 0.1 * (most - least)
    if least > spare or most < -spare:
        return False
    c0, c1, c2, c3 = _cubic(p0, p1, p2, p3, float(last - first))
    a, b, c, d = np.float32(c0), np.float32(c1), np.float32(c2), np.float32(c3)
    begin = first // LANES * LANES
    start, shift = np.float32(np.int32(begin - first)), np.uintp(begin)
    for n in range((last - begin + LANES - 1) // LANES * LANES):
        s = start + np.float32(np.int32(n))
        q[np.uintp(n) + shift] = a + s * (b + s * (c + s * d))
    return True


@numba.njit(**COMPILE)
def _row_line(q, first, last, t, dt, depth, ddepth, z, dz, beam, limit, tables):  # type: ignore[no-untyped-def]
    """Write the row coordinate of pixels ``first`` to ``last`` (exclusive), by a cubic through four of them; whether any is seen."""
    third = (last - first) / 3.0
    s1, s2 = first + third, first + 2.0 * third
    p0, near0 = _row_at(t + dt * first, depth + ddepth * first, z + dz * first, beam, tables)
    p1, near1 = _row_at(t + dt * s1, depth + ddepth * s1, z + dz * s1, beam, tables)
    p2, near2 = _row_at(t + dt * s2, depth + ddepth * s2, z + dz * s2, beam, tables)
    p3, near3 = _row_at(t + dt * last, depth + ddepth * last, z + dz * last, beam, tables)
    if min(min(near0, near1), min(near2, near3)) < 0.1:  # close to the source, or behind it
        for n in range(first, last):
            q[n] = np.float32(_row_at(t + dt * n, depth + ddepth * n, z + dz * n, beam, tables)[0])
        return True
    return _cubic_line(q, first, last, p0, p1, p2, p3, limit)


@numba.njit(**COMPILE)
def _find(q, begin, count, start, step, rows, ray_most, limit, weight, along, across, at):  # type: ignore[no-untyped-def]
    """Row weight of pixels, index of the value below each one, and the shares of its neighbours along rows and across rays."""
    half_rows, last_row = np.float32(0.5) * np.float32(rows), np.float32(rows) - np.float32(1.0)
    width, row_most = np.int32(rows), np.int32(max(rows - 2, 0))
    shift = np.uintp(begin)
    for n in range(count):
        k = np.uintp(n) + shift
        value = q[k]
        s = value * value
        a = max(np.float32(1.0) - s, np.float32(0.0))
        a *= a
        w = a * a / (s + SOFTNESS) + LEAST
        weight[k] = w if s <= limit else np.float32(0.0)
        row = min(max(value * half_rows + half_rows - np.float32(0.5), np.float32(0.0)), last_row)
        whole = min(np.int32(row), row_most)
        along[k] = row - np.float32(whole)
        ray = max(start + step * np.float32(np.int32(n)), np.float32(0.0))
        whole_ray = min(np.int32(ray), ray_most)
        across[k] = ray - np.float32(whole_ray)
        at[k] = whole_ray * width + whole  # in whole numbers: float32 ends at 2^24


@numba.njit(**COMPILE)
def _look_up(pairs, at, near, far, begin, count, origin, next_ray):  # type: ignore[no-untyped-def]
    """The pairs of values of both rays of each pixel; a loop of its own, because look-ups are not vectorised and the rest is."""
    shift = np.uintp(begin)
    for n in range(count):
        k = np.uintp(n) + shift
        p = origin + np.uintp(np.uint32(at[k]))
        near[k] = pairs[p]
        far[k] = pairs[p + next_ray]


@numba.njit(**COMPILE)
def _blend(near, far, along, across, weight, total, weights, begin, count, scale):  # type: ignore[no-untyped-def]
    """Interpolate between pairs of values and add them, and their weights."""
    shift = np.uintp(begin)
    for n in range(count):
        k = np.uintp(n) + shift
        a, b = near[k], far[k]
        a0, a1 = np.float32(np.int16(a)), np.float32(np.int32(a >> 16))
        b0, b1 = np.float32(np.int16(b)), np.float32(np.int32(b >> 16))
        left, right = a0 + along[k] * (a1 - a0), b0 + along[k] * (b1 - b0)
        total[k] += weight[k] * scale * (left + across[k] * (right - left))
        weights[k] += weight[k]


@numba.njit(**COMPILE)
def _add_beam(pairs, offset, rays, rows, scale, q, first, last, place, dplace, limit, total, weights, work):  # type: ignore[no-untyped-def]
    """Add a beam's values to ``total`` and its weights to ``weights``, for pixels ``first`` to ``last`` (exclusive)."""
    weight, along, across, at, near, far = work
    base = int(math.floor(min(place + dplace * first, place + dplace * (last - 1))))  # noqa: RUF046
    base = min(max(base, 0), rays - 2)
    begin = first // LANES * LANES
    count = (last - begin + LANES - 1) // LANES * LANES
    start = np.float32(place + dplace * begin - base)
    _find(
        q,
        begin,
        count,
        start,
        np.float32(dplace),
        rows,
        np.int32(rays - 2 - base),
        np.float32(limit),
        weight,
        along,
        across,
        at,
    )
    _look_up(pairs, at, near, far, begin, count, np.uintp(offset + base * rows), np.uintp(rows))
    _blend(near, far, along, across, weight, total, weights, begin, count, scale)


@numba.njit(**COMPILE)
def _add_weights(q, first, last, limit, weights):  # type: ignore[no-untyped-def]
    """Add the weights of a beam that is not there."""
    limit, shift = np.float32(limit), np.uintp(first)
    for n in range(last - first):
        k = np.uintp(n) + shift
        s = q[k] * q[k]
        a = max(np.float32(1.0) - s, np.float32(0.0))
        a *= a
        w = a * a / (s + SOFTNESS) + LEAST
        weights[k] += w if s <= limit else np.float32(0.0)


@numba.njit(**COMPILE)
def _end_direction(image, unseen, i, begin, count, low, high, theta_step, total, weights, checked):  # type: ignore[no-untyped-def]
    """Add the weighted mean of a direction to a row of pixels, and note those that no beam has seen."""
    shift, line = np.uintp(low), np.uintp(begin)
    for n in range(high - low):
        k = np.uintp(n) + shift
        w = weights[k]
        image[i, k + line] += theta_step * total[k] / w if w > np.float32(0.0) else np.float32(0.0)
    if checked:
        for pixel in range(count):
            if pixel < low or pixel >= high or weights[pixel] <= 0.0:
                unseen[i, begin + pixel] = 1


@numba.njit(**COMPILE)
def _beams_of(chosen, turned, cubics, direction, x, y, z, height, width, u, v, ready, least_distance, tables):  # type: ignore[no-untyped-def]
    """List the beams of a direction that can see a tile, with sine and cosine of their angles and the tile's cubics; how many there are.

    ``chosen`` is the beam and whether the cubics stand.
    """
    count = 0
    for beam in range(direction, ready[1], tables.half_turn):
        if beam >= ready[0]:
            theta = tables.theta_first + beam * tables.theta_step
            sin, cos = math.sin(theta), math.cos(theta)
            if _may_see(x, y, z, height - 1, width - 1, u, v, sin, cos, beam, least_distance, tables):
                chosen[count, 0] = beam
                chosen[count, 1] = _tile_cubics(cubics[count], x, y, z, height, width, u, v, sin, cos, beam, tables)
                turned[count, 0], turned[count, 1] = sin, cos
                count += 1
    return count


@numba.njit(**COMPILE)
def _seen_pixels(q, s, beam, cubics, x, y, z, v, sin, cos, place, dplace, count, edge, tables):  # type: ignore[no-untyped-def]
    """Write the row coordinates of the row of pixels that begins at x, y, z; the first and last (exclusive) that the beam sees."""
    first, last = 0, count
    if beam[1]:
        p0 = cubics[0, 0] + s * (cubics[0, 1] + s * (cubics[0, 2] + s * cubics[0, 3]))
        p1 = cubics[1, 0] + s * (cubics[1, 1] + s * (cubics[1, 2] + s * cubics[1, 3]))
        p2 = cubics[2, 0] + s * (cubics[2, 1] + s * (cubics[2, 2] + s * cubics[2, 3]))
        p3 = cubics[3, 0] + s * (cubics[3, 1] + s * (cubics[3, 2] + s * cubics[3, 3]))
        some = _cubic_line(q, first, last, p0, p1, p2, p3, edge)
    else:
        first, last = _range_within(place, dplace, count, 0.0, len(tables.reach) - 1.0)
        if first >= last:
            return 0, 0
        t, dt = x * cos + y * sin, v[0] * cos + v[1] * sin
        depth, ddepth = y * cos - x * sin, v[1] * cos - v[0] * sin
        some = _row_line(q, first, last, t, dt, depth, ddepth, z, v[2], beam[0], edge, tables)
    if not some:
        return 0, 0
    while first < last and abs(q[first]) > edge:
        first += 1
    while first < last and abs(q[last - 1]) > edge:
        last -= 1
    q[first // LANES * LANES : first] = FAR
    q[last : (last + LANES - 1) // LANES * LANES] = FAR
    return first, last


@numba.njit(**COMPILE)
def _add_tile(image, unseen, i_first, i_last, j_first, origin, u, v, pairs, store, ready, first, last, stride, width, tables):  # type: ignore[no-untyped-def]
    """Add some directions to the pixels of a tile."""
    rays, rows = store.values.shape[1:]
    edge, least_distance = tables.row_reach / tables.row_half * (1.0 + 1e-6), tables.distance.min()
    limit, theta_step = np.float32(edge * edge), np.float32(tables.theta_step)
    count, most = min(width, image.shape[1] - j_first), tables.beams // tables.half_turn + 1
    q, total, weights = np.empty(TILE, np.float32), np.zeros(TILE, np.float32), np.zeros(TILE, np.float32)
    work = (
        np.empty(TILE, np.float32), np.empty(TILE, np.float32), np.empty(TILE, np.float32),
        np.empty(TILE, np.int32), np.empty(TILE, np.int32), np.empty(TILE, np.int32),
    )  # fmt: skip
    chosen, turned, cubics = np.empty((most, 2), np.int64), np.empty((most, 2)), np.empty((most, 4, 4))
    corner = origin + i_first * u + j_first * v
    for direction in range(first, last):
        beams = _beams_of(
            chosen, turned, cubics, direction, corner[0], corner[1], corner[2], i_last - i_first, count, u, v, ready, least_distance, tables
        )
        for i in range(i_last - i_first):
            x, y, z = corner[0] + i * u[0], corner[1] + i * u[1], corner[2] + i * u[2]
            total[:] = 0.0
            weights[:] = 0.0
            low, high = count, 0
            for number in range(beams):
                beam, sin, cos = chosen[number], turned[number, 0], turned[number, 1]
                place = (x * cos + y * sin - tables.t_first) / tables.t_step
                dplace = (v[0] * cos + v[1] * sin) / tables.t_step
                begin, end = _seen_pixels(q, float(i), beam, cubics[number], x, y, z, v, sin, cos, place, dplace, count, edge, tables)
                if begin >= end:
                    continue
                low, high = min(low, begin), max(high, end)
                slot = store.slots[beam[0]]
                if slot >= 0:
                    scale = store.scales[slot]
                    _add_beam(pairs, slot * rays * rows, rays, rows, scale, q, begin, end, place, dplace, limit, total, weights, work)
                else:
                    _add_weights(q, begin, end, limit, weights)
            checked = stride > 0 and direction % stride == 0
            _end_direction(image, unseen, i_first + i, j_first, count, low, high, theta_step, total, weights, checked)


@numba.njit(parallel=True, **COMPILE)
def add_directions(image, unseen, origin, u, v, pairs, store, ready, first, last, stride, width, height, tables):  # type: ignore[no-untyped-def]
    """As :func:`MITOReconstructionLib.wfbp.planes.add_directions`, for one plane in tiles of height x width pixels."""
    n, m = image.shape
    along, down = (n + height - 1) // height, (m + width - 1) // width
    for number in numba.prange(along * down):
        i, j = (number // down) * height, (number % down) * width
        _add_tile(image, unseen, i, min(i + height, n), j, origin, u, v, pairs, store, ready, first, last, stride, width, tables)


@numba.njit(**COMPILE)
def mark_seeing(seeing, origin, u, v, n, m, tile, tables):  # type: ignore[no-untyped-def]
    """Set the items of ``seeing``, shape (beams,), to true for the beams that may see a plane of n x m pixels, looked at in tiles."""
    least_distance = tables.distance.min()
    along, down = (n + tile - 1) // tile, (m + tile - 1) // tile
    for beam in range(len(seeing)):
        theta = tables.theta_first + beam * tables.theta_step
        sin, cos = math.sin(theta), math.cos(theta)
        for number in range(along * down):
            i, j = (number // down) * tile, (number % down) * tile
            height, width = min(tile, n - i), min(tile, m - j)
            x, y, z = origin[0] + i * u[0] + j * v[0], origin[1] + i * u[1] + j * v[1], origin[2] + i * u[2] + j * v[2]
            if _may_see(x, y, z, height - 1, width - 1, u, v, sin, cos, beam, least_distance, tables):
                seeing[beam] = True
                break
