"""Sixteen floats at a time, written out: vectors as values in numba's kernels.

LLVM turns a loop into vector instructions where it can show that what is written is not read by the same loop. Numba
does not tell it that two arrays never overlap, so for every short loop it asks at run time, which costs more than the loop.
These functions say what is to be loaded, computed and stored at once; LLVM maps a vector onto the registers that there are.
"""

from __future__ import annotations

from typing import Any

import numba
from llvmlite import ir
from llvmlite.binding import get_host_cpu_features
from numba import types
from numba.core import cgutils
from numba.extending import intrinsic, models, register_model
from numba.np import arrayobj

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
    "row_weight",
    "share",
    "store",
    "zero",
]

LANES = 16
"""Floats in a vector: one AVX-512 register, two of AVX2, four of SSE or Neon."""

FLOAT, INT32, INT64 = ir.FloatType(), ir.IntType(32), ir.IntType(64)
FLOATS, INTS, LONGS = ir.VectorType(FLOAT, LANES), ir.VectorType(INT32, LANES), ir.VectorType(INT64, LANES)
FAST = ("fast",)

PICKS = numba.config.CPU_NAME is None and bool(get_host_cpu_features().get("avx512f", False))
"""Whether kernels are compiled for a processor that picks from two registers at once (AVX-512)."""


class Lanes(types.Type):  # type: ignore[misc]
    """Numba's type of a vector."""

    def __init__(self) -> None:
        super().__init__(name="Lanes")


lanes = Lanes()


@register_model(Lanes)
class LanesModel(models.PrimitiveModel):  # type: ignore[misc]
    """A vector is an LLVM vector, in memory and in registers."""

    def __init__(self, manager: Any, kind: Any) -> None:
        super().__init__(manager, kind, FLOATS)


def _splat(builder: Any, value: Any, kind: Any) -> Any:
    first = builder.insert_element(ir.Constant(kind, ir.Undefined), value, ir.Constant(INT32, 0))
    return builder.shuffle_vector(first, ir.Constant(kind, ir.Undefined), ir.Constant(INTS, [0] * LANES))


def _address(context: Any, builder: Any, kind: Any, array: Any, index: Any) -> Any:
    """Pointer to an item of a one-dimensional contiguous array."""
    return builder.gep(arrayobj.make_array(kind)(context, builder, array).data, [index])


def _vector_at(builder: Any, pointer: Any) -> Any:
    return builder.bitcast(pointer, FLOATS.as_pointer())


@intrinsic
def load(_typing: Any, array: Any, index: Any) -> Any:
    """The vector at ``array[index : index + LANES]`` of a one-dimensional contiguous float32 array."""

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        place = _vector_at(builder, _address(context, builder, signature.args[0], values[0], values[1]))
        return builder.load(place, align=4)

    return lanes(array, types.intp), codegen


@intrinsic
def store(_typing: Any, array: Any, index: Any, vector: Any) -> Any:
    """Write a vector to ``array[index : index + LANES]``."""

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        place = _vector_at(builder, _address(context, builder, signature.args[0], values[0], values[1]))
        builder.store(values[2], place, align=4)
        return context.get_dummy_value()

    return types.void(array, types.intp, lanes), codegen


@intrinsic
def prefetch(_typing: Any, array: Any, index: Any) -> Any:
    """Begin to fetch ``array[index]`` into the second cache; the index may lie anywhere."""

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        place = builder.bitcast(_address(context, builder, signature.args[0], values[0], values[1]), ir.IntType(8).as_pointer())
        read, near, data = (ir.Constant(INT32, value) for value in (0, 2, 1))
        _call(builder, "llvm.prefetch.p0", ir.VoidType(), place, read, near, data)
        return context.get_dummy_value()

    return types.void(array, types.intp), codegen


@intrinsic
def zero(_typing: Any) -> Any:
    """A vector of zeros."""
    return lanes(), lambda context, builder, signature, values: ir.Constant(FLOATS, [0.0] * LANES)


@intrinsic
def multiply_add(_typing: Any, vector: Any, factor: Any, addend: Any) -> Any:
    """``vector * factor + addend`` with a float32 factor."""

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        product = builder.fmul(values[0], _splat(builder, values[1], FLOATS), flags=FAST)
        return builder.fadd(product, values[2], flags=FAST)

    return lanes(lanes, types.float32, lanes), codegen


@intrinsic
def multiply(_typing: Any, left: Any, right: Any) -> Any:
    """The product of two vectors."""
    return lanes(lanes, lanes), lambda context, builder, signature, values: builder.fmul(values[0], values[1], flags=FAST)


@intrinsic
def add(_typing: Any, left: Any, right: Any) -> Any:
    """The sum of two vectors."""
    return lanes(lanes, lanes), lambda context, builder, signature, values: builder.fadd(values[0], values[1], flags=FAST)


@intrinsic
def share(_typing: Any, part: Any, total: Any, factor: Any, least: Any) -> Any:
    """``factor * part / total``, 0 where that is less than ``least`` or the total is 0; factor and least are float32."""

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        whole = _largest(builder, values[1], ir.Constant(FLOATS, [1e-30] * LANES))
        found = builder.fdiv(builder.fmul(values[0], _splat(builder, values[2], FLOATS), flags=FAST), whole, flags=FAST)
        enough = builder.fcmp_ordered(">=", found, _splat(builder, values[3], FLOATS), flags=FAST)
        return builder.select(enough, found, ir.Constant(FLOATS, [0.0] * LANES))

    return lanes(lanes, lanes, types.float32, types.float32), codegen


@intrinsic
def row_weight(_typing: Any, first: Any, low: Any, high: Any, start: Any, step: Any, softness: Any, least: Any) -> Any:
    """``(1 - q^2)^4 / (q^2 + softness) + least`` at q = start + step * k, k = first + (0 .. LANES - 1); all are float32.

    Where q is beyond 1 the first part is 0; where k is not in ``low`` to ``high`` (exclusive) all of it.
    """

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        first, low, high, start, step, softness, least = (_splat(builder, value, FLOATS) for value in values)
        nothing, one = ir.Constant(FLOATS, [0.0] * LANES), ir.Constant(FLOATS, [1.0] * LANES)
        number = builder.fadd(ir.Constant(FLOATS, [float(lane) for lane in range(LANES)]), first, flags=FAST)
        q = builder.fadd(builder.fmul(number, step, flags=FAST), start, flags=FAST)
        square = builder.fmul(q, q, flags=FAST)
        a = _largest(builder, builder.fsub(one, square, flags=FAST), nothing)
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
        return builder.fadd(values[0], builder.fmul(rise, _splat(builder, values[2], FLOATS), flags=FAST), flags=FAST)

    return lanes(lanes, lanes, types.float32), codegen


def _call(builder: Any, name: str, result: Any, *values: Any) -> Any:
    """Call one of LLVM's functions."""
    kind = ir.FunctionType(result, [value.type for value in values])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), values)


def _places(builder: Any, start: Any, step: Any, last: Any) -> tuple[Any, Any, Any]:
    """Whole and fractional part of start + step * lane, held between 0 and last, and the least whole part."""
    ramp = ir.Constant(FLOATS, [float(lane) for lane in range(LANES)])
    place = builder.fadd(builder.fmul(ramp, _splat(builder, step, FLOATS), flags=FAST), _splat(builder, start, FLOATS), flags=FAST)
    place = _largest(builder, place, ir.Constant(FLOATS, [0.0] * LANES))
    place = _smallest(builder, place, _splat(builder, last, FLOATS))
    whole = builder.fptosi(place, INTS)
    first = builder.fptosi(_smallest(builder, _largest(builder, start, ir.Constant(FLOAT, 0.0)), last), INT64)
    return whole, builder.fsub(place, builder.sitofp(whole, FLOATS), flags=FAST), first


def _largest(builder: Any, left: Any, right: Any) -> Any:
    return builder.select(builder.fcmp_ordered(">", left, right, flags=FAST), left, right)


def _smallest(builder: Any, left: Any, right: Any) -> Any:
    return builder.select(builder.fcmp_ordered("<", left, right, flags=FAST), left, right)


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
        pointers, mask = ir.VectorType(FLOAT.as_pointer(), LANES), ir.VectorType(ir.IntType(1), LANES)
        line = builder.ptrtoint(_address(context, builder, signature.args[0], values[0], values[1]), INT64)
        below = builder.add(builder.shl(builder.zext(whole, LONGS), ir.Constant(LONGS, [2] * LANES)), _splat(builder, line, LONGS))
        above = builder.add(below, ir.Constant(LONGS, [4] * LANES))
        rest = ir.Constant(INT32, 4), ir.Constant(mask, [1] * LANES), ir.Constant(FLOATS, [0.0] * LANES)
        name = f"llvm.masked.gather.v{LANES}f32.v{LANES}p0"
        first, second = (_call(builder, name, FLOATS, builder.inttoptr(address, pointers), *rest) for address in (below, above))
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
        low = builder.load(_vector_at(builder, line), align=4)
        high = builder.load(_vector_at(builder, builder.gep(line, [ir.Constant(INT64, LANES)])), align=4)
        index = builder.sub(whole, _splat(builder, builder.trunc(first, INT32), INTS))
        after = builder.add(index, ir.Constant(INTS, [1] * LANES))
        name = "llvm.x86.avx512.vpermi2var.ps.512"
        below, above = (_call(builder, name, FLOATS, low, at, high) for at in (index, after))
        return _between(builder, below, above, share)

    return lanes(array, types.intp, types.float32, types.float32, types.float32), codegen


@intrinsic
def pick_long_line(_typing: Any, array: Any, base: Any, start: Any, step: Any, last: Any) -> Any:
    """As :func:`pick_line`, where step is less than 4; it reads 4 * LANES samples."""

    def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
        whole, share, first = _places(builder, *values[2:])
        line = builder.gep(_address(context, builder, signature.args[0], values[0], values[1]), [first])
        a, b, c, d = (
            builder.load(_vector_at(builder, builder.gep(line, [ir.Constant(INT64, part * LANES)])), align=4) for part in range(4)
        )
        index = builder.sub(whole, _splat(builder, builder.trunc(first, INT32), INTS))
        picked = []
        for at in (index, builder.add(index, ir.Constant(INTS, [1] * LANES))):
            low = _call(builder, "llvm.x86.avx512.vpermi2var.ps.512", FLOATS, a, at, b)
            high = _call(builder, "llvm.x86.avx512.vpermi2var.ps.512", FLOATS, c, at, d)
            picked.append(builder.select(builder.icmp_unsigned("<", at, ir.Constant(INTS, [2 * LANES] * LANES)), low, high))
        return _between(builder, picked[0], picked[1], share)

    return lanes(array, types.intp, types.float32, types.float32, types.float32), codegen
