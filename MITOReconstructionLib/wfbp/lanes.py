"""What the kernels of filtered backprojection do with sixteen floats at a time (:mod:`MITOReconstructionLib.simd`)."""

from __future__ import annotations

from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic
from numba.np import arrayobj

from MITOReconstructionLib.simd import (
    FLOAT,
    FLOATS,
    INT32,
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
    "LANES",
    "PICKS",
    "add",
    "blend",
    "gather_line",
    "load",
    "multiply",
    "multiply_add",
    "pick_line",
    "pick_long_line",
    "prefetch",
    "row_weight",
    "share",
    "store",
    "zero",
]

FAST = ("fast",)

add, multiply_add = make_add(FAST), make_multiply_add(FAST)


def _address(context: Any, builder: Any, kind: Any, array: Any, index: Any) -> Any:
    """Pointer to an item of a one-dimensional contiguous array."""
    return builder.gep(arrayobj.make_array(kind)(context, builder, array).data, [index])


@intrinsic
def load(_typing: Any, array: Any, index: Any) -> Any:
    """The vector at ``array[index : index + LANES]`` of a one-dimensional contiguous float32 array."""

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        return load_at(builder, _address(context, builder, signature.args[0], values[0], values[1]))

    return lanes(array, types.intp), codegen


@intrinsic
def store(_typing: Any, array: Any, index: Any, vector: Any) -> Any:
    """Write a vector to ``array[index : index + LANES]``."""

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        store_at(builder, values[2], _address(context, builder, signature.args[0], values[0], values[1]))
        return context.get_dummy_value()

    return types.void(array, types.intp, lanes), codegen


@intrinsic
def prefetch(_typing: Any, array: Any, index: Any) -> Any:
    """Begin to fetch ``array[index]`` into the second cache; the index may lie anywhere."""

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        fetch_at(builder, _address(context, builder, signature.args[0], values[0], values[1]), 2)
        return context.get_dummy_value()

    return types.void(array, types.intp), codegen


@intrinsic
def multiply(_typing: Any, left: Any, right: Any) -> Any:
    """The product of two vectors."""
    return lanes(lanes, lanes), lambda context, builder, signature, values: builder.fmul(values[0], values[1], flags=FAST)


@intrinsic
def share(_typing: Any, part: Any, total: Any, factor: Any, least: Any) -> Any:
    """``factor * part / total``, 0 where that is less than ``least`` or the total is 0; factor and least are float32."""

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        whole = largest(builder, values[1], constant(1e-30), FAST)
        found = builder.fdiv(builder.fmul(values[0], splat(builder, values[2], FLOATS), flags=FAST), whole, flags=FAST)
        enough = builder.fcmp_ordered(">=", found, splat(builder, values[3], FLOATS), flags=FAST)
        return builder.select(enough, found, constant(0.0))

    return lanes(lanes, lanes, types.float32, types.float32), codegen


@intrinsic
def row_weight(_typing: Any, first: Any, low: Any, high: Any, start: Any, step: Any, softness: Any, least: Any) -> Any:
    """``(1 - q^2)^4 / (q^2 + softness) + least`` at q = start + step * k, k = first + (0 .. LANES - 1); all are float32.

    Where q is beyond 1 the first part is 0; where k is not in ``low`` to ``high`` (exclusive) all of it.
    """

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        first, low, high, start, step, softness, least = (splat(builder, value, FLOATS) for value in values)
        nothing, one = constant(0.0), constant(1.0)
        number = builder.fadd(ir.Constant(FLOATS, [float(lane) for lane in range(LANES)]), first, flags=FAST)
        q = builder.fadd(builder.fmul(number, step, flags=FAST), start, flags=FAST)
        square = builder.fmul(q, q, flags=FAST)
        a = largest(builder, builder.fsub(one, square, flags=FAST), nothing, FAST)
        a = builder.fmul(a, a, flags=FAST)
        value = builder.fdiv(builder.fmul(a, a, flags=FAST), builder.fadd(square, softness, flags=FAST), flags=FAST)
        value = builder.fadd(value, least, flags=FAST)
        inside = builder.and_(builder.fcmp_ordered(">=", number, low), builder.fcmp_ordered("<", number, high))
        return builder.select(inside, value, nothing)

    return lanes(*[types.float32] * 7), codegen


@intrinsic
def blend(_typing: Any, left: Any, right: Any, share: Any) -> Any:
    """``left + share * (right - left)`` with a float32 share."""

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        rise = builder.fsub(values[1], values[0], flags=FAST)
        return builder.fadd(values[0], builder.fmul(rise, splat(builder, values[2], FLOATS), flags=FAST), flags=FAST)

    return lanes(lanes, lanes, types.float32), codegen


def _places(builder: Any, start: Any, step: Any, last: Any) -> tuple[Any, Any, Any]:
    """Whole and fractional part of start + step * lane, held between 0 and last, and the least whole part."""
    ramp = ir.Constant(FLOATS, [float(lane) for lane in range(LANES)])
    place = builder.fadd(builder.fmul(ramp, splat(builder, step, FLOATS), flags=FAST), splat(builder, start, FLOATS), flags=FAST)
    place = largest(builder, place, constant(0.0), FAST)
    place = smallest(builder, place, splat(builder, last, FLOATS), FAST)
    whole = builder.fptosi(place, INTS)
    first = builder.fptosi(smallest(builder, largest(builder, start, ir.Constant(FLOAT, 0.0), FAST), last, FAST), INT64)
    return whole, builder.fsub(place, builder.sitofp(whole, FLOATS), flags=FAST), first


def _between(builder: Any, first: Any, second: Any, share: Any) -> Any:
    return builder.fadd(first, builder.fmul(share, builder.fsub(second, first, flags=FAST), flags=FAST), flags=FAST)


@intrinsic
def gather_line(_typing: Any, array: Any, base: Any, start: Any, step: Any, last: Any) -> Any:
    """A line of samples, interpolated linearly at start + step * (0 .. LANES - 1).

    Parameters
    ----------
    array : float32, one-dimensional, contiguous
    base : int
        Index of sample 0 in the array.
    start, step : float32
    last : float32
        What the place is held below, a little less than the index of the line's last sample; at least 0.
    """

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        whole, share, _ = _places(builder, *values[2:])
        places = addresses(builder, _address(context, builder, signature.args[0], values[0], values[1]), whole)
        first, second = gather(builder, places), gather(builder, places, 1)
        return _between(builder, first, second, share)

    return lanes(array, types.intp, types.float32, types.float32, types.float32), codegen


@intrinsic
def pick_line(_typing: Any, array: Any, base: Any, start: Any, step: Any, last: Any) -> Any:
    """As :func:`gather_line`, where step is less than 2: from two registers of samples, without looking up in memory.

    For processors with AVX-512 (``PICKS``). It reads 2 * LANES samples from the first place on, which must be in the array.
    """

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        whole, share, first = _places(builder, *values[2:])
        line = builder.gep(_address(context, builder, signature.args[0], values[0], values[1]), [first])
        low, high = load_at(builder, line), load_at(builder, line, LANES)
        index = builder.sub(whole, splat(builder, builder.trunc(first, INT32), INTS))
        after = builder.add(index, ir.Constant(INTS, [1] * LANES))
        below, above = (pick(builder, low, at, high) for at in (index, after))
        return _between(builder, below, above, share)

    return lanes(array, types.intp, types.float32, types.float32, types.float32), codegen


@intrinsic
def pick_long_line(_typing: Any, array: Any, base: Any, start: Any, step: Any, last: Any) -> Any:
    """As :func:`pick_line`, where step is less than 4; it reads 4 * LANES samples."""

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        whole, share, first = _places(builder, *values[2:])
        line = builder.gep(_address(context, builder, signature.args[0], values[0], values[1]), [first])
        a, b, c, d = (load_at(builder, line, part * LANES) for part in range(4))
        index = builder.sub(whole, splat(builder, builder.trunc(first, INT32), INTS))
        picked = []
        for at in (index, builder.add(index, ir.Constant(INTS, [1] * LANES))):
            low, high = pick(builder, a, at, b), pick(builder, c, at, d)
            picked.append(builder.select(builder.icmp_unsigned("<", at, ir.Constant(INTS, [2 * LANES] * LANES)), low, high))
        return _between(builder, picked[0], picked[1], share)

    return lanes(array, types.intp, types.float32, types.float32, types.float32), codegen
