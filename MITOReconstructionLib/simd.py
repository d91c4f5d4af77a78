"""Sixteen floats at a time as one value in numba's kernels (SIMD: single instruction, multiple data).

LLVM turns a loop into vector instructions where it can show that what is written is not read by the same loop. Numba does
not tell it that two arrays never overlap, so for every short loop it asks at run time, which costs more than the loop.
With such values a kernel says itself what is loaded, computed and stored at once, and LLVM maps them onto the registers that
there are.

Here are the type and the instructions from which the kernels' own operations are made, in the files ``*lanes.py``. Those
functions take llvmlite's builder first, and give or take LLVM values; ``flags`` are LLVM's fast-math flags.
"""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import numba
from llvmlite import ir
from numba import types
from numba.core import cgutils
from numba.core.codegen import get_host_cpu_features
from numba.extending import intrinsic, models, register_model

__all__ = [
    "FLOAT",
    "FLOATS",
    "INT32",
    "INT64",
    "INTS",
    "LANES",
    "PICKS",
    "Lanes",
    "addresses",
    "constant",
    "fetch_at",
    "gather",
    "lanes",
    "largest",
    "load_at",
    "make_add",
    "make_multiply_add",
    "pick",
    "smallest",
    "splat",
    "store_at",
    "zero",
]

LANES = 16
"""Floats in a vector: one AVX-512 register, two of AVX2, four of SSE or Neon."""

FLOAT, INT32, INT64 = ir.FloatType(), ir.IntType(32), ir.IntType(64)
FLOATS, INTS, LONGS = ir.VectorType(FLOAT, LANES), ir.VectorType(INT32, LANES), ir.VectorType(INT64, LANES)

_FEATURES: str = get_host_cpu_features() if numba.config.CPU_FEATURES is None else numba.config.CPU_FEATURES
PICKS = numba.config.CPU_NAME is None and "+avx512f" in _FEATURES.split(",")
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


def constant(value: float) -> Any:
    """A vector with the same float in every lane, known beforehand."""
    return ir.Constant(FLOATS, [value] * LANES)


def splat(builder: Any, value: Any, kind: Any) -> Any:
    """A vector of that kind (FLOATS, INTS or LONGS) with the same number in every lane."""
    first = builder.insert_element(ir.Constant(kind, ir.Undefined), value, ir.Constant(INT32, 0))
    return builder.shuffle_vector(first, ir.Constant(kind, ir.Undefined), ir.Constant(INTS, [0] * LANES))


def load_at(builder: Any, pointer: Any, offset: int = 0) -> Any:
    """The vector that begins ``offset`` floats from a pointer to a float."""
    place = builder.gep(pointer, [ir.Constant(INT64, offset)]) if offset else pointer
    return builder.load(builder.bitcast(place, FLOATS.as_pointer()), align=4)


def store_at(builder: Any, vector: Any, pointer: Any) -> None:
    """Write a vector to where a pointer to a float points."""
    builder.store(vector, builder.bitcast(pointer, FLOATS.as_pointer()), align=4)


def _call(builder: Any, name: str, result: Any, *values: Any) -> Any:
    """Call one of LLVM's functions."""
    kind = ir.FunctionType(result, [value.type for value in values])
    return builder.call(cgutils.get_or_insert_function(builder.module, kind, name), values)


def fetch_at(builder: Any, pointer: Any, near: int = 3) -> None:
    """Begin to fetch what a pointer points to, into the first cache (``near`` 3) or the second one (2); it may point anywhere."""
    place = builder.bitcast(pointer, ir.IntType(8).as_pointer())
    _call(builder, "llvm.prefetch.p0", ir.VoidType(), place, *(ir.Constant(INT32, value) for value in (0, near, 1)))


def largest(builder: Any, left: Any, right: Any, flags: Sequence[str] = ()) -> Any:
    """The larger of two numbers, or lane by lane of two vectors."""
    return builder.select(builder.fcmp_ordered(">", left, right, flags=flags), left, right)


def smallest(builder: Any, left: Any, right: Any, flags: Sequence[str] = ()) -> Any:
    """The smaller of two numbers, or lane by lane of two vectors."""
    return builder.select(builder.fcmp_ordered("<", left, right, flags=flags), left, right)


def addresses(builder: Any, line: Any, whole: Any) -> Any:
    """Addresses of the floats ``line[whole]``, for a pointer to a float and a vector of 32-bit whole numbers, not negative."""
    start = builder.ptrtoint(line, INT64)
    return builder.add(builder.shl(builder.zext(whole, LONGS), ir.Constant(LONGS, [2] * LANES)), splat(builder, start, LONGS))


def gather(builder: Any, places: Any, offset: int = 0) -> Any:
    """The floats that lie ``offset`` floats from such addresses."""
    if offset:
        places = builder.add(places, ir.Constant(LONGS, [4 * offset] * LANES))
    pointers, mask = ir.VectorType(FLOAT.as_pointer(), LANES), ir.VectorType(ir.IntType(1), LANES)
    rest = ir.Constant(INT32, 4), ir.Constant(mask, [1] * LANES), constant(0.0)
    return _call(builder, f"llvm.masked.gather.v{LANES}f32.v{LANES}p0", FLOATS, builder.inttoptr(places, pointers), *rest)


def pick(builder: Any, low: Any, whole: Any, high: Any) -> Any:
    """Floats of two vectors, one behind the other, by the last five binary digits of a whole number a lane; where ``PICKS``."""
    return _call(builder, "llvm.x86.avx512.vpermi2var.ps.512", FLOATS, low, whole, high)


@intrinsic
def zero(_typing: Any) -> Any:
    """A vector of zeros, in a kernel."""
    return lanes(), lambda context, builder, signature, values: constant(0.0)


def make_add(flags: Sequence[str]) -> Any:
    """The function ``add`` for kernels."""

    @intrinsic
    def add(_typing: Any, left: Any, right: Any) -> Any:
        """The sum of two vectors."""
        return lanes(lanes, lanes), lambda context, builder, signature, values: builder.fadd(values[0], values[1], flags=flags)

    return add


def make_multiply_add(flags: Sequence[str]) -> Any:
    """The function ``multiply_add`` for kernels."""

    @intrinsic
    def multiply_add(_typing: Any, vector: Any, factor: Any, addend: Any) -> Any:
        """``vector * factor + addend`` with a float32 factor."""

        def codegen(context: Any, builder: Any, signature: Any, values: Any) -> Any:
            product = builder.fmul(values[0], splat(builder, values[1], FLOATS), flags=flags)
            return builder.fadd(product, values[2], flags=flags)

        return lanes(lanes, types.float32, lanes), codegen

    return multiply_add
