"""Sixteen floats at a time for the CPU projector's kernels: vectors as values in numba, as in the backprojection's lanes.py.

LLVM vectorises a loop where it can show that what is written is not read by it; numba does not tell it that arrays never
overlap. These functions say what is loaded, computed and stored at once. (wfbp, which has such vectors too, lies above the
projectors, so that they cannot be imported from there.)

Arrays are given by the address of their first item: a function that loops over an array counts a reference to it, which
takes as long as a hundred additions.
"""

from __future__ import annotations

from typing import Any

import numba
from llvmlite import ir
from llvmlite.binding import get_host_cpu_features
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model

__all__ = [
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

LANES = 16
"""Floats in a vector: one AVX-512 register, two of AVX2, four of SSE or Neon."""

FRACTION = 26
"""Binary digits behind the point of places along a line; the five before it count what a vector may reach."""

FLOAT, INT32, INT64 = ir.FloatType(), ir.IntType(32), ir.IntType(64)
FLOATS, INTS, LONGS = ir.VectorType(FLOAT, LANES), ir.VectorType(INT32, LANES), ir.VectorType(INT64, LANES)
FAST = ("contract", "nsz", "arcp")

PICKS = numba.config.CPU_NAME is None and bool(get_host_cpu_features().get("avx512f", False))
"""Whether kernels are compiled for a processor that picks from two registers at once (AVX-512)."""


class FloatLanes(types.Type):  # type: ignore[misc]
    """Numba's type of a vector."""

    def __init__(self) -> None:
        super().__init__(name="FloatLanes")


lanes = FloatLanes()


@register_model(FloatLanes)
class FloatLanesModel(models.PrimitiveModel):  # type: ignore[misc]
    """A vector is an LLVM vector, in memory and in registers."""

    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, FLOATS)


def _splat(builder: Any, value: Any, kind: Any) -> Any:
    first = builder.insert_element(ir.Constant(kind, ir.Undefined), value, ir.Constant(INT32, 0))
    return builder.shuffle_vector(first, ir.Constant(kind, ir.Undefined), ir.Constant(INTS, [0] * LANES))


def _floats(value: float) -> Any:
    return ir.Constant(FLOATS, [value] * LANES)


def _pointer(builder: Any, address: Any, index: Any) -> Any:
    """Pointer to an item of a line of floats."""
    return builder.gep(builder.inttoptr(address, FLOAT.as_pointer()), [index])


def _load(builder: Any, pointer: Any, offset: int = 0) -> Any:
    place = builder.gep(pointer, [ir.Constant(INT64, offset)])
    return builder.load(builder.bitcast(place, FLOATS.as_pointer()), align=4)


@intrinsic
def load(_typing: Any, address: Any, index: Any) -> Any:
    """The vector that begins ``index`` floats from an address."""

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return _load(builder, _pointer(builder, values[0], values[1]))

    return lanes(types.intp, types.intp), codegen


@intrinsic
def store(_typing: Any, address: Any, index: Any, vector: Any) -> Any:
    """Write a vector to where :func:`load` reads it."""

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        place = _pointer(builder, values[0], values[1])
        builder.store(values[2], builder.bitcast(place, FLOATS.as_pointer()), align=4)
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
        place = builder.bitcast(_pointer(builder, values[0], values[1]), ir.IntType(8).as_pointer())
        kind = ir.FunctionType(ir.VoidType(), [place.type, INT32, INT32, INT32])
        function = cgutils.get_or_insert_function(builder.module, kind, "llvm.prefetch.p0")
        builder.call(function, [place, ir.Constant(INT32, 0), ir.Constant(INT32, 3), ir.Constant(INT32, 1)])
        return context.get_dummy_value()

    return types.void(types.intp, types.intp), codegen


@intrinsic
def zero(_typing: Any) -> Any:
    """A vector of zeros."""
    return lanes(), lambda context, builder, signature, values: _floats(0.0)


@intrinsic
def add(_typing: Any, left: Any, right: Any) -> Any:
    """The sum of two vectors."""
    return lanes(lanes, lanes), lambda context, builder, signature, values: builder.fadd(values[0], values[1], flags=FAST)


@intrinsic
def scale(_typing: Any, vector: Any, factor: Any) -> Any:
    """A vector times a float32."""

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return builder.fmul(values[0], _splat(builder, values[1], FLOATS), flags=FAST)

    return lanes(lanes, types.float32), codegen


@intrinsic
def multiply_add(_typing: Any, vector: Any, factor: Any, addend: Any) -> Any:
    """``vector * factor + addend`` with a float32 factor."""

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        product = builder.fmul(values[0], _splat(builder, values[1], FLOATS), flags=FAST)
        return builder.fadd(product, values[2], flags=FAST)

    return lanes(lanes, types.float32, lanes), codegen


def _call(builder: Any, name: str, result: Any, *values: Any) -> Any:
    """Call one of LLVM's functions."""
    kind = ir.FunctionType(result, [value.type for value in values])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), values)


def _largest(builder: Any, left: Any, right: Any) -> Any:
    return builder.select(builder.fcmp_ordered(">", left, right), left, right)


def _smallest(builder: Any, left: Any, right: Any) -> Any:
    return builder.select(builder.fcmp_ordered("<", left, right), left, right)


def _places(builder: Any, start: Any, step: Any) -> tuple[Any, Any]:
    """Whole part of (start + step * lane) / 2^FRACTION, and the rest as a float, times 2^FRACTION."""
    ramp = ir.Constant(INTS, list(range(LANES)))
    place = builder.add(_splat(builder, start, INTS), builder.mul(ramp, _splat(builder, step, INTS)))
    rest = builder.and_(place, ir.Constant(INTS, [(1 << FRACTION) - 1] * LANES))
    return builder.lshr(place, ir.Constant(INTS, [FRACTION] * LANES)), builder.sitofp(rest, FLOATS)


def _along(builder: Any, rest: Any, offset: Any, sign: float = 1.0) -> Any:
    """offset + sign * rest / 2^FRACTION"""
    return builder.fadd(builder.fmul(rest, _floats(sign / (1 << FRACTION)), flags=FAST), offset, flags=FAST)


def _picked(builder: Any, line: Any, whole: Any, offset: int) -> Any:
    """The samples ``line[offset + whole]``, whole 0 .. 2 LANES - 1."""
    if PICKS:
        low, high = _load(builder, line, offset), _load(builder, line, offset + LANES)
        return _call(builder, "llvm.x86.avx512.vpermi2var.ps.512", FLOATS, low, whole, high)
    pointers, mask = ir.VectorType(FLOAT.as_pointer(), LANES), ir.VectorType(ir.IntType(1), LANES)
    start = builder.ptrtoint(builder.gep(line, [ir.Constant(INT64, offset)]), INT64)
    places = builder.add(builder.shl(builder.zext(whole, LONGS), ir.Constant(LONGS, [2] * LANES)), _splat(builder, start, LONGS))
    rest = ir.Constant(INT32, 4), ir.Constant(mask, [1] * LANES), _floats(0.0)
    return _call(builder, f"llvm.masked.gather.v{LANES}f32.v{LANES}p0", FLOATS, builder.inttoptr(places, pointers), *rest)


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
        line, width = _pointer(builder, address, base), _splat(builder, width, FLOATS)
        whole, rest = _places(builder, start, step)
        left, right = _picked(builder, line, whole, 0), _picked(builder, line, whole, 1)
        part = _largest(builder, _along(builder, rest, builder.fsub(width, _floats(1.0), flags=FAST)), _floats(0.0))
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
        line, width = _pointer(builder, address, base), _splat(builder, width, FLOATS)
        whole, rest = _places(builder, start, step)
        one = _floats(1.0)
        excess = builder.fsub(width, one, flags=FAST)
        weights = (
            _along(builder, rest, one, -1.0),
            _smallest(builder, _along(builder, rest, excess), one),
            _largest(builder, _along(builder, rest, builder.fsub(excess, one, flags=FAST)), _floats(0.0)),
        )
        total = _floats(0.0)
        for offset, weight in enumerate(weights):
            total = builder.fadd(builder.fmul(_picked(builder, line, whole, offset), weight, flags=FAST), total, flags=FAST)
        return total

    return lanes(types.intp, types.intp, types.int32, types.int32, types.float32), codegen
