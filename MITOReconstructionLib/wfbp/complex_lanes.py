"""Complex numbers side by side in vector registers, as a type for numba's kernels (see :mod:`MITOReconstructionLib.simd`).

A value of this type is two vectors: :data:`LANES` real parts and as many imaginary parts.
"""

from __future__ import annotations

import operator
from collections.abc import Callable
from typing import Any

from llvmlite import ir
from numba import types
from numba.extending import intrinsic, models, overload, register_model

from MITOReconstructionLib.simd import FLOATS, LANES, load_at, splat, store_at

__all__ = ["LANES", "load", "scale", "store", "swap", "times", "turn"]

_PAIR = ir.ArrayType(FLOATS, 2)
_FLAGS = ("contract", "nsz")


class ComplexLanes(types.Type):  # type: ignore[misc]
    """numba's type of such a value: real parts, then imaginary parts."""

    def __init__(self) -> None:
        super().__init__(name=f"ComplexLanes({LANES})")


LANES_TYPE = ComplexLanes()


@register_model(ComplexLanes)
class _ComplexLanesModel(models.PrimitiveModel):  # type: ignore[misc]
    def __init__(self, manager: Any, kind: ComplexLanes) -> None:
        super().__init__(manager, kind, _PAIR)


def _parts(builder: Any, value: Any) -> tuple[Any, Any]:
    return builder.extract_value(value, 0), builder.extract_value(value, 1)


def _pair(builder: Any, real: Any, imaginary: Any) -> Any:
    return builder.insert_value(builder.insert_value(ir.Constant(_PAIR, ir.Undefined), real, 0), imaginary, 1)


def _turned(builder: Any, value: Any, cosine: Any, sine: Any) -> Any:
    """A value times cosine + i sine."""
    a, b = _parts(builder, value)
    c, s = splat(builder, cosine, FLOATS), splat(builder, sine, FLOATS)
    ac, bs, as_, bc = (builder.fmul(x, y, flags=_FLAGS) for x, y in ((a, c), (b, s), (a, s), (b, c)))
    return _pair(builder, builder.fsub(ac, bs, flags=_FLAGS), builder.fadd(as_, bc, flags=_FLAGS))


def _places(context: Any, builder: Any, kind: Any, array: Any, first: Any, offsets: Any) -> list[tuple[Any, Any]]:
    """Pointers to the real and to the imaginary parts of each leg."""
    data = context.make_array(kind)(context, builder, array).data
    starts = [builder.add(first, builder.extract_value(offsets, number)) for number in range(offsets.type.count)]
    return [tuple(builder.gep(data, [builder.add(at, at.type(part))]) for part in (0, LANES)) for at in starts]


def _with_table(values: Any, table: Any, one: Callable[..., Any]) -> Any:
    """Signature and code of what changes each value of a tuple by items of a table from an index on."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        data = context.make_array(table)(context, builder, arguments[1]).data

        def item(number: int) -> Any:
            return builder.load(builder.gep(data, [builder.add(arguments[2], arguments[2].type(number))]))

        changed = [one(builder, number, builder.extract_value(arguments[0], number), item) for number in range(values.count)]
        return context.make_tuple(builder, signature.return_type, changed)

    return values(values, table, types.intp), code


def _arithmetic(name: str) -> Any:
    @intrinsic
    def work(typing: Any, a: Any, b: Any) -> Any:
        def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
            pairs = zip(*(_parts(builder, value) for value in arguments), strict=True)
            return _pair(builder, *(getattr(builder, name)(x, y, flags=_FLAGS) for x, y in pairs))

        return LANES_TYPE(LANES_TYPE, LANES_TYPE), code

    return work


_add, _subtract = _arithmetic("fadd"), _arithmetic("fsub")


@overload(operator.add, strict=False)
def _overload_add(a: Any, b: Any) -> Any:
    return (lambda a, b: _add(a, b)) if isinstance(a, ComplexLanes) and isinstance(b, ComplexLanes) else None


@overload(operator.sub, strict=False)
def _overload_subtract(a: Any, b: Any) -> Any:
    return (lambda a, b: _subtract(a, b)) if isinstance(a, ComplexLanes) and isinstance(b, ComplexLanes) else None


@intrinsic
def swap(typing: Any, values: Any) -> Any:
    """Real and imaginary parts exchanged, of a tuple of values."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        pairs = [_parts(builder, builder.extract_value(arguments[0], number)) for number in range(values.count)]
        return context.make_tuple(builder, signature.return_type, [_pair(builder, *reversed(pair)) for pair in pairs])

    return values(values), code


@intrinsic
def times(typing: Any, value: Any, cosine: Any, sine: Any) -> Any:
    """One value times the complex number cosine + i sine, float32."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        return _turned(builder, arguments[0], *arguments[1:])

    return LANES_TYPE(LANES_TYPE, types.float32, types.float32), code


@intrinsic
def scale(typing: Any, values: Any, table: Any, first: Any) -> Any:
    """Values of a tuple times the real numbers of a float32 array from item ``first`` on."""

    def one(builder: Any, number: int, value: Any, item: Callable[[int], Any]) -> Any:
        factors = splat(builder, item(number), FLOATS)
        return _pair(builder, *(builder.fmul(part, factors, flags=_FLAGS) for part in _parts(builder, value)))

    return _with_table(values, table, one)


@intrinsic
def turn(typing: Any, values: Any, table: Any, first: Any) -> Any:
    """Values of a tuple but the first times complex numbers: pairs of a float32 array from item ``first`` on."""

    def one(builder: Any, number: int, value: Any, item: Callable[[int], Any]) -> Any:
        return _turned(builder, value, item(2 * number - 2), item(2 * number - 1)) if number else value

    return _with_table(values, table, one)


@intrinsic
def load(typing: Any, array: Any, first: Any, offsets: Any) -> Any:
    """A tuple of values from a float32 array: real and imaginary parts one after the other at ``first`` plus each offset."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        places = _places(context, builder, array, *arguments)
        loaded = [_pair(builder, *(load_at(builder, place) for place in pair)) for pair in places]
        return context.make_tuple(builder, signature.return_type, loaded)

    return types.UniTuple(LANES_TYPE, offsets.count)(array, types.intp, offsets), code


@intrinsic
def store(typing: Any, array: Any, first: Any, offsets: Any, values: Any) -> Any:
    """Write a tuple of values where :func:`load` reads them."""

    def code(context: Any, builder: Any, signature: Any, arguments: Any) -> Any:
        places = _places(context, builder, array, *arguments[:3])
        for number, pair in enumerate(places):
            for place, part in zip(pair, _parts(builder, builder.extract_value(arguments[3], number)), strict=True):
                store_at(builder, part, place)
        return context.get_dummy_value()

    return types.void(array, types.intp, offsets, values), code
