# mypy: disable-error-code="no-untyped-def,no-untyped-call"
"""Along the axis: one line of intervals resampled onto another by their overlaps, sixteen outputs at a time.

Inputs are the intervals [i, i + 1] of a line; output k is [start + k step, start + (k + 1) step]. Every output is the sum of
the inputs, each times the length that the two share. Lines lie in a buffer with zeros on both sides, so that nothing has
to be done for their ends.
"""

from __future__ import annotations

import numba
import numpy as np

from MITOReconstructionLib.projectors.cpu_lanes import (
    COMPILE,
    FRACTION,
    LANES,
    load,
    long_overlaps,
    read,
    short_overlaps,
    store,
    write,
    zero,
)

__all__ = ["AFTER", "BEFORE", "aligned", "close", "copy_run", "overlaps", "whole_vectors"]

device = numba.njit(**COMPILE)

BEFORE = 48  # zeros before a line: outputs of a vector may begin up to LANES steps, of at most 2, before its first input
AFTER = 48  # zeros after it: a vector that begins within its last input reads that far
DIGITS = 40  # binary digits behind the point of places in a line, which are 64-bit integers
FINE = 1 << DIGITS
LONGEST = 1 << 22  # inputs of a line in which places can be given so


@device
def aligned(count):
    """An empty float32 array that begins where a vector register's cache line does."""
    array = np.empty(count + LANES, np.float32)
    first = (-(array.ctypes.data // 4)) % LANES
    return array[first : first + count]


@device
def whole_vectors(count):
    """A count rounded up to whole vectors."""
    return (count + LANES - 1) // LANES * LANES


@device
def close(line, inputs):
    """Put AFTER zeros behind the inputs in a buffer."""
    for k in range(0, AFTER, LANES):
        store(line, BEFORE + inputs + k, zero())


@device
def copy_run(source, first, count, line):
    """Copy a run of a line to a buffer, behind BEFORE zeros, which are there already, and before AFTER zeros."""
    full = count // LANES * LANES
    for k in range(0, full, LANES):
        store(line, BEFORE + k, load(source, first + k))
    for k in range(full, count):
        write(line, BEFORE + k, read(source, first + k))
    close(line, count)


@device
def overlaps(line, inputs, start, step, count, out):
    """Outputs 0..count of a line in a buffer, into whole vectors of ``out``; ``start`` may be up to LANES steps below 0."""
    if step > 2.0 or inputs > LONGEST:
        for k in range(count):
            write(out, k, long_sum(line, max(0.0, start + k * step), min(float(inputs), start + (k + 1) * step)))
        for k in range(count, whole_vectors(count)):
            write(out, k, np.float32(0.0))
        return
    # Of a place's DIGITS a vector gets the first FRACTION.
    place, advance = int((start + BEFORE) * FINE), int(LANES * step * FINE)
    width, little = np.float32(step), np.int32(step * (1 << FRACTION) + 0.5)
    for k in range(0, count, LANES):
        base, rest = place >> DIGITS, np.int32((place & (FINE - 1)) >> (DIGITS - FRACTION))
        if step <= 1.0:
            store(out, k, short_overlaps(line, base, rest, little, width))
        else:
            store(out, k, long_overlaps(line, base, rest, little, width))
        place += advance


@device
def long_sum(line, low, high):
    """What [low, high] covers of a line in a buffer."""
    if low >= high:
        return np.float32(0.0)
    bottom, top = int(low), int(high)
    total = (high - top) * read(line, BEFORE + top) - (low - bottom) * read(line, BEFORE + bottom)
    for i in range(bottom, top):
        total += read(line, BEFORE + i)
    return np.float32(total)
