"""Convolution of many real lines at once by a Fourier transform whose vector lanes are the lines.

The transform is in place, of mixed radix: forward by decimation in frequency, back by decimation in time (for both see
Van Loan, 'Computational frameworks for the fast Fourier transform', 1992), so that the frequencies between the two are in
digit-reversed order, and are never sorted: the response is. Two real lines make one complex one; a response that is real
and even keeps them apart.
"""

from __future__ import annotations

import math
from typing import Any

import numba
import numpy as np
from numba.extending import overload
from numpy.typing import NDArray

from MITOReconstructionLib.parallel import KERNELS
from MITOReconstructionLib.wfbp.complex_lanes import LANES, load, scale, store, swap, times, turn

__all__ = ["LINES", "Convolution"]

LINES = 2 * LANES
"""Real lines that are transformed together."""

RADICES = (8, 5, 4, 3, 2)

FORWARD, MIDDLE, BACK = 0, 1, 2
"""Kinds of stages: forward; the last one forward, the response, and the first one back; back.

On the way back real and imaginary parts are exchanged, which makes of a transform forward one back.
"""

COMPILE: dict[str, Any] = {"cache": True, "error_model": "numpy", "nogil": True}


class Convolution:
    """A circular convolution with a real and even kernel.

    Parameters
    ----------
    response : float array, shape (length // 2 + 1,)
        Fourier transform of the kernel.
    length : int
        Samples of a period, at least 2; without prime factors but 2, 3 and 5.
    """

    def __init__(self, response: NDArray[np.floating], length: int) -> None:
        self.length = length
        radices = _radices(length)
        sizes = [length // math.prod(radices[:stage]) for stage in range(len(radices))]
        frequency = _digit_reversed(radices, length)
        tables = [_twiddles(size, radix) for size, radix in zip(sizes[:-1], radices[:-1], strict=True)]
        tables.append((response[np.minimum(frequency, length - frequency)] / length).astype(np.float32))
        starts = np.cumsum([0] + [len(table) for table in tables])
        self._factors = np.concatenate(tables)
        self._stages = np.array(_stages(radices, sizes, [int(start) for start in starts]), dtype=np.int64)

    def apply(self, beams: NDArray[np.float32]) -> None:
        """Convolve along the middle axis, in place, on all cores; each line is padded with zeros to the length.

        Parameters
        ----------
        beams : float32, shape (beams, rays, rows), C order
            At most as many rays as the length.
        """
        with KERNELS:
            work = np.empty((numba.config.NUMBA_NUM_THREADS, self.length * LINES), dtype=np.float32)
            _convolve_beams(beams, work, self._stages, self._factors)


def _stages(radices: list[int], sizes: list[int], starts: list[int]) -> list[tuple[int, ...]]:
    """What is done one after the other, as (kind, radix, first, last, distance of the legs, first factor), in floats.

    After the first stage the parts that it makes are taken all the way forward and back, one at a time, so that most
    stages find their part in the nearest cache.
    """

    def stage(kind: int, number: int, first: int, last: int) -> tuple[int, ...]:
        return kind, radices[number], first * LINES, last * LINES, sizes[number] // radices[number] * LINES, starts[number]

    inner = len(radices) - 1
    if inner == 0:
        return [stage(MIDDLE, 0, 0, sizes[0])]
    done = [stage(FORWARD, 0, 0, sizes[0])]
    for first in range(0, sizes[0], sizes[1]):
        last = first + sizes[1]
        done += [stage(FORWARD, number, first, last) for number in range(1, inner)]
        done += [stage(MIDDLE, inner, first, last)]
        done += [stage(BACK, number, first, last) for number in range(inner - 1, 0, -1)]
    return [*done, stage(BACK, 0, 0, sizes[0])]


def _radices(length: int) -> list[int]:
    found = []
    rest = length
    for radix in RADICES:
        while rest % radix == 0:
            found.append(radix)
            rest //= radix
    if rest != 1:
        raise ValueError(f"{length} has a prime factor other than 2, 3 and 5")
    return found


def _twiddles(size: int, radix: int) -> NDArray[np.float32]:
    """exp(-2 pi i j q / size) for all j of a leg and q from 1, as pairs."""
    angle = -2 * math.pi / size * np.outer(np.arange(size // radix), np.arange(1, radix))
    return np.stack([np.cos(angle), np.sin(angle)], axis=-1).astype(np.float32).ravel()


def _digit_reversed(radices: list[int], length: int) -> NDArray[np.int64]:
    """The frequency at each place after the forward transform."""
    place = np.arange(length)
    frequency, weight, size = np.zeros(length, dtype=np.int64), 1, length
    for radix in radices:
        size //= radix
        frequency += place // size % radix * weight
        weight *= radix
    return frequency


# ---- transforms of a few values ------------------------------------------------------------------------------------

HALF = np.float32(0.5)
ROOT = np.float32(math.sqrt(0.5))
SIN3 = np.float32(math.sqrt(0.75))
COS5, SIN5 = np.float32(math.cos(0.4 * math.pi)), np.float32(math.sin(0.4 * math.pi))
COS5_2, SIN5_2 = np.float32(math.cos(0.8 * math.pi)), np.float32(math.sin(0.8 * math.pi))
ZERO, ONE = np.float32(0.0), np.float32(1.0)


def transform(values: Any) -> Any:
    """Discrete Fourier transform of a tuple of complex values."""
    raise NotImplementedError("for numba's kernels only")


@overload(transform)
def _overload_transform(values: Any) -> Any:
    return {2: _transform2, 3: _transform3, 4: _transform4, 5: _transform5, 8: _transform8}[values.count]


def _transform2(values: Any) -> Any:
    a, b = values
    return a + b, a - b


def _transform3(values: Any) -> Any:
    a, b, c = values
    sum_, turned = b + c, times(b - c, ZERO, -SIN3)
    middle = a + times(sum_, -HALF, ZERO)
    return a + sum_, middle + turned, middle - turned


def _transform4(values: Any) -> Any:
    a, b, c, d = values
    even, odd, sum_, turned = a + c, a - c, b + d, times(b - d, ZERO, -ONE)
    return even + sum_, odd + turned, even - sum_, odd - turned


def _transform5(values: Any) -> Any:
    a, b, c, d, e = values
    outer, inner, outer_, inner_ = b + e, c + d, b - e, c - d
    first = a + (times(outer, COS5, ZERO) + times(inner, COS5_2, ZERO))
    second = a + (times(outer, COS5_2, ZERO) + times(inner, COS5, ZERO))
    first_ = times(outer_, ZERO, -SIN5) + times(inner_, ZERO, -SIN5_2)
    second_ = times(outer_, ZERO, -SIN5_2) - times(inner_, ZERO, -SIN5)
    return a + (outer + inner), first + first_, second + second_, second - second_, first - first_


def _transform8(values: Any) -> Any:
    a, b, c, d, e, f, g, h = values
    p, q, r, s = transform((a, c, e, g))
    t, u, v, w = transform((b, d, f, h))
    u, v, w = times(u, ROOT, -ROOT), times(v, ZERO, -ONE), times(w, -ROOT, -ROOT)
    return p + t, q + u, r + v, s + w, p - t, q - u, r - v, s - w


# ---- stages --------------------------------------------------------------------------------------------------------


@numba.njit(**COMPILE)
def _butterflies(kind: int, work: Any, first: int, last: int, offsets: Any, factors: Any, start: int) -> None:
    """A stage on the part of the lines from ``first`` to ``last`` (exclusive), in floats, in blocks of ``len(offsets)`` legs."""
    step = 2 * (len(offsets) - 1)
    for block in range(first, last, len(offsets) * offsets[1]):
        factor = start + block // LINES if kind == MIDDLE else start
        for place in range(block, block + offsets[1], LINES):
            values = load(work, place, offsets)
            if kind == BACK:
                values = turn(values, factors, factor)
            values = transform(values)
            if kind == FORWARD:
                values = turn(values, factors, factor)
            elif kind == MIDDLE:
                values = transform(swap(scale(values, factors, factor)))
            store(work, place, offsets, values)
            factor += step


@numba.njit(**COMPILE)
def _convolve(work: Any, stages: Any, factors: Any) -> None:
    """Convolve the lines in ``work``, float32, shape (length * LINES,), in place; their two halves change places."""
    for number in range(len(stages)):
        kind, radix, first, last, m, start = stages[number]
        zero = 0 * m  # of m's type, so that there is one version of the code
        if radix == 8:
            _butterflies(kind, work, first, last, (zero, m, 2 * m, 3 * m, 4 * m, 5 * m, 6 * m, 7 * m), factors, start)
        elif radix == 5:
            _butterflies(kind, work, first, last, (zero, m, 2 * m, 3 * m, 4 * m), factors, start)
        elif radix == 4:
            _butterflies(kind, work, first, last, (zero, m, 2 * m, 3 * m), factors, start)
        elif radix == 3:
            _butterflies(kind, work, first, last, (zero, m, 2 * m), factors, start)
        else:
            _butterflies(kind, work, first, last, (zero, m), factors, start)


@numba.njit(**COMPILE)
def _fetch(work: Any, flat: Any, first: int, rays: int, rows: int, count: int) -> None:
    """Copy ``count`` lines to work space, zeros beside and behind them; ray r of line k is item first + r * rows + k of ``flat``."""
    for ray in range(rays):
        if count == LINES:
            store(work, ray * LINES, (0,), load(flat, first + ray * rows, (0,)))
        else:
            for line in range(LINES):
                work[ray * LINES + line] = flat[first + ray * rows + line] if line < count else np.float32(0.0)
    work[rays * LINES :] = np.float32(0.0)


@numba.njit(**COMPILE)
def _put_back(work: Any, flat: Any, first: int, rays: int, rows: int, count: int) -> None:
    """Copy convolved lines to where they came from, real and imaginary parts exchanged."""
    for ray in range(rays):
        if count == LINES:
            store(flat, first + ray * rows, (0,), swap(load(work, ray * LINES, (0,))))
        else:
            for line in range(count):
                flat[first + ray * rows + line] = work[ray * LINES + (line + LANES) % LINES]


@numba.njit(parallel=True, **COMPILE)
def _convolve_beams(beams: Any, work: Any, stages: Any, factors: Any) -> None:
    count, rays, rows = beams.shape
    flat = beams.reshape(count * rays * rows)
    groups = (rows + LINES - 1) // LINES  # of one beam, so that a line's result does not depend on the beams around it
    for number in numba.prange(count * groups):
        beam, group = divmod(np.int64(number), groups)
        own = work[numba.get_thread_id()]
        first = beam * rays * rows + group * LINES
        lines = min(LINES, rows - group * LINES)
        _fetch(own, flat, first, rays, rows, lines)
        _convolve(own, stages, factors)
        _put_back(own, flat, first, rays, rows, lines)
