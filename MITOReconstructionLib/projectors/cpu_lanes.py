"""What the CPU projector's kernels do with sixteen floats at a time (:mod:`MITOReconstructionLib.simd`).

Arrays are given by the address of their first item: a function that loops over an array counts a reference to it, which
takes as long as a hundred additions.
"""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic

from MITOReconstructionLib.simd import (
    FLOAT,
    FLOATS,
    INT64,
    INTS,
    LANES,
    PICKS,
    addresses,
    constant,
    fetch_at,
    gather,
    lanes,
    largest,
    load_at,
    make_add,
    make_multiply_add,
    pick,
    smallest,
    splat,
    store_at,
    zero,
)

__all__ = [
    "COMPILE",
    "FRACTION",
    "LANES",
    "add",
    "fetch",
    "load",
    "long_overlaps",
    "multiply_add",
    "read",
    "scale",
    "short_overlaps",
    "store",
    "write",
    "zero",
]

FRACTION = 26
"""Binary digits behind the point of places along a line; the five before it count what a vector may reach."""

FAST = ("contract", "nsz", "arcp")
"""What LLVM may change about sums and products; NaN and infinity stay what they are."""

COMPILE: dict[str, Any] = {"nogil": True, "fastmath": set(FAST), "error_model": "numpy"}
"""How all functions of the CPU projector are compiled."""

add, multiply_add = make_add(FAST), make_multiply_add(FAST)


def _pointer(builder: Any, address: Any, index: Any) -> Any:
    """Pointer to an item of a line of floats."""
    return builder.gep(builder.inttoptr(address, FLOAT.as_pointer()), [index])


@intrinsic
def load(_typing: Any, address: Any, index: Any) -> Any:
    """The vector that begins ``index`` floats from an address."""

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return load_at(builder, _pointer(builder, values[0], values[1]))

    return lanes(types.intp, types.intp), codegen


@intrinsic
def store(_typing: Any, address: Any, index: Any, vector: Any) -> Any:
    """Write a vector to where :func:`load` reads it."""

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        store_at(builder, values[2], _pointer(builder, values[0], values[1]))
        return context.get_dummy_value()

    return types.void(types.intp, types.intp, lanes), codegen


@intrinsic
def read(_typing: Any, address: Any, index: Any) -> Any:
    """The float32 that lies ``index`` floats from an address."""

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.load(_pointer(builder, values[0], values[1]))

    return types.float32(types.intp, types.intp), codegen


@intrinsic
def write(_typing: Any, address: Any, index: Any, value: Any) -> Any:
    """Write a float32 to where :func:`read` reads it."""

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        builder.store(values[2], _pointer(builder, values[0], values[1]))
        return context.get_dummy_value()

    return types.void(types.intp, types.intp, types.float32), codegen


@intrinsic
def fetch(_typing: Any, address: Any, index: Any) -> Any:
    """Begin to bring the cache line that lies ``index`` floats from an address; it need not be there."""

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        fetch_at(builder, _pointer(builder, values[0], values[1]))
        return context.get_dummy_value()

    return types.void(types.intp, types.intp), codegen


@intrinsic
def scale(_typing: Any, vector: Any, factor: Any) -> Any:
    """A vector times a float32."""

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.fmul(values[0], splat(builder, values[1], FLOATS), flags=FAST)

    return lanes(lanes, types.float32), codegen


def _places(builder: Any, start: Any, step: Any) -> tuple[Any, Any]:
    """Whole part of (start + step * lane) / 2^FRACTION, and the rest as a float, times 2^FRACTION."""
    ramp = ir.Constant(INTS, list(range(LANES)))
    place = builder.add(splat(builder, start, INTS), builder.mul(ramp, splat(builder, step, INTS)))
    rest = builder.and_(place, ir.Constant(INTS, [(1 << FRACTION) - 1] * LANES))
    return builder.lshr(place, ir.Constant(INTS, [FRACTION] * LANES)), builder.sitofp(rest, FLOATS)


def _along(builder: Any, rest: Any, offset: Any, sign: float = 1.0) -> Any:
    """offset + sign * rest / 2^FRACTION"""
    return builder.fadd(builder.fmul(rest, constant(sign / (1 << FRACTION)), flags=FAST), offset, flags=FAST)


def _picked(builder: Any, line: Any, whole: Any, offset: int) -> Any:
    """The samples ``line[offset + whole]``, whole 0 .. 2 LANES - 1."""
    if PICKS:
        return pick(builder, load_at(builder, line, offset), whole, load_at(builder, line, offset + LANES))
    return gather(builder, addresses(builder, builder.gep(line, [ir.Constant(INT64, offset)]), whole))


@intrinsic
def short_overlaps(_typing: Any, address: Any, base: Any, start: Any, step: Any, width: Any) -> Any:
    """Overlap sums of intervals no longer than a sample (step <= 1), one a lane: at most two samples each.

    Interval ``lane`` is [p, p + step] with p = start + step * lane, where sample i of the line is [i, i + 1].

    Parameters
    ----------
    address : int
        Of a line of float32.
    base : int
        Index of sample 0 in the line; ``base`` to ``base + 2 LANES`` (inclusive) must be there.
    start, step : int32
        In units of 2^-FRACTION; start is 0 to 1. So no rounding makes an interval begin elsewhere than its neighbour ends.
    width : float32
        The step.
    """

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        address, base, start, step, width = values
        line, width = _pointer(builder, address, base), splat(builder, width, FLOATS)
        whole, rest = _places(builder, start, step)
        left, right = _picked(builder, line, whole, 0), _picked(builder, line, whole, 1)
        part = largest(builder, _along(builder, rest, builder.fsub(width, constant(1.0), flags=FAST)), constant(0.0))
        rise = builder.fmul(builder.fsub(right, left, flags=FAST), part, flags=FAST)
        return builder.fadd(builder.fmul(left, width, flags=FAST), rise, flags=FAST)

    return lanes(types.intp, types.intp, types.int32, types.int32, types.float32), codegen


@intrinsic
def long_overlaps(_typing: Any, address: Any, base: Any, start: Any, step: Any, width: Any) -> Any:
    """As :func:`short_overlaps` for intervals of one to two samples (1 < step <= 2): at most three samples each.

    ``base`` to ``base + 2 LANES + 1`` (inclusive) must be there.
    """

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        address, base, start, step, width = values
        line, width = _pointer(builder, address, base), splat(builder, width, FLOATS)
        whole, rest = _places(builder, start, step)
        one = constant(1.0)
        excess = builder.fsub(width, one, flags=FAST)
        weights = (
            _along(builder, rest, one, -1.0),
            smallest(builder, _along(builder, rest, excess), one),
            largest(builder, _along(builder, rest, builder.fsub(excess, one, flags=FAST)), constant(0.0)),
        )
        total = constant(0.0)
        for offset, weight in enumerate(weights):
            total = builder.fadd(builder.fmul(_picked(builder, line, whole, offset), weight, flags=FAST), total, flags=FAST)
        return total

    return lanes(types.intp, types.intp, types.int32, types.int32, types.float32), codegen
