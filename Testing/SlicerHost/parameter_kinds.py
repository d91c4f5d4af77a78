"""What a parameter can be, and how it is kept in a parameter node: text for values, references for nodes.

From the developer guide's pages on parameter nodes: supported types, defaults, validators.
"""

from __future__ import annotations

import enum
import json
import pathlib
import types
import typing
from collections.abc import Callable, Iterable
from typing import Any

import slicer


class Validator:
    """Base of what checks a value."""

    def validate(self, value: Any) -> None:
        """Raise an exception where the value is not allowed."""
        raise NotImplementedError


class _Checked(Validator):
    def __init__(self, *limits: Any) -> None:
        self.limits = limits

    def need(self, fine: bool, text: str) -> None:
        if not fine:
            raise ValueError(text)


class NotNone(_Checked):
    """Something has to be given."""

    def validate(self, value: Any) -> None:
        self.need(value is not None, "Value must not be None")


class IsInstance(_Checked):
    """Of a class, or of one of some."""

    def validate(self, value: Any) -> None:
        self.need(isinstance(value, self.limits[0]), f"Value must be of type {self.limits[0]}, is {type(value).__name__}")


class Minimum(_Checked):
    """Not less."""

    def validate(self, value: Any) -> None:
        self.need(value >= self.limits[0], f"Value must be at least {self.limits[0]}, is {value}")


class Maximum(_Checked):
    """Not more."""

    def validate(self, value: Any) -> None:
        self.need(value <= self.limits[0], f"Value must be at most {self.limits[0]}, is {value}")


class WithinRange(_Checked):
    """Between two values, which are allowed too."""

    def validate(self, value: Any) -> None:
        least, most = self.limits
        values = (value.minimum, value.maximum) if isinstance(value, FloatRange) else (value,)
        self.need(all(least <= entry <= most for entry in values), f"Value must be within range [{least}, {most}], is {value}")


class Choice(_Checked):
    """One of some."""

    def __init__(self, choices: Iterable[Any]) -> None:
        super().__init__(list(choices))

    def validate(self, value: Any) -> None:
        self.need(value in self.limits[0], f"Value must be one of {self.limits[0]}, is {value!r}")


class Exclude(_Checked):
    """None of some."""

    def validate(self, value: Any) -> None:
        self.need(value not in list(self.limits[0]), f"Value must not be one of {self.limits[0]}, is {value!r}")


class Default:
    """The value at first, or the function that makes it."""

    def __init__(self, value: Any = None, *, generator: Callable[[], Any] | None = None) -> None:
        self.make = generator or (lambda: value)


class Decimals:
    """How many decimals a widget shows."""

    def __init__(self, value: int) -> None:
        self.value = value


class SingleStep:
    """How far a widget steps."""

    def __init__(self, value: float) -> None:
        self.value = value


class FloatRange:
    """Two numbers, the first not above the second."""

    def __init__(self, minimum: float, maximum: float) -> None:
        self.minimum, self.maximum = float(minimum), float(maximum)
        if self.minimum > self.maximum:
            raise ValueError(f"the minimum {minimum} is above the maximum {maximum}")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, FloatRange) and (self.minimum, self.maximum) == (other.minimum, other.maximum)

    __hash__ = None  # type: ignore[assignment]


class Kind:
    """A type hint: its default, what is allowed, and its text."""

    def __init__(self, hint: Any) -> None:
        self.notes: list[Any] = []
        while typing.get_origin(hint) is typing.Annotated:
            self.notes = [*hint.__metadata__, *self.notes]
            hint = hint.__origin__
        self.hint = hint
        self.origin = typing.get_origin(hint)
        self.parts = [Kind(part) for part in typing.get_args(hint) if part not in (Ellipsis, type(None))]
        self.optional = self.origin in (typing.Union, types.UnionType) and type(None) in typing.get_args(hint)
        known = self.of(int, float, str, bool, FloatRange, enum.Enum, pathlib.PurePath, slicer.vtkMRMLNode)
        known = known or self.origin in (list, tuple, dict, typing.Union, types.UnionType) or self.pack
        if not known:
            raise TypeError(f"a parameter cannot be of the type {hint!r} in Testing/SlicerHost")

    def of(self, *classes: type) -> bool:
        """Whether the hint is a class, and one of these."""
        return isinstance(self.hint, type) and self.origin is None and issubclass(self.hint, classes)

    @property
    def pack(self) -> bool:
        """Whether this is a parameter pack."""
        return hasattr(self.hint, "pack_kinds")

    @property
    def is_node(self) -> bool:
        """Whether this is a node, or one of some classes of nodes."""
        if self.origin in (typing.Union, types.UnionType):
            return bool(self.parts) and all(part.is_node for part in self.parts)
        return self.of(slicer.vtkMRMLNode)

    def note(self, kind: type) -> Any:
        """The annotation of a class, or None."""
        return next((note for note in self.notes if isinstance(note, kind)), None)

    def default(self) -> Any:
        """The value at first."""
        given = self.note(Default)
        if given is not None:
            return given.make()
        if self.optional or self.is_node:
            return None
        if self.origin in (typing.Union, types.UnionType):
            return self.parts[0].default()
        if self.origin is tuple:
            return tuple(part.default() for part in self.parts)
        if self.of(enum.Enum):
            return next(iter(self.hint))
        choice = self.note(Choice)
        if choice is not None:
            return choice.limits[0][0]
        return (self.origin or self.hint)()

    def check(self, value: Any) -> None:
        """Raise where a value is not allowed."""
        if value is None and (self.optional or self.is_node):
            return
        if self.is_node:
            kinds = [part.hint for part in self.parts] or [self.hint]
            IsInstance(tuple(kinds)).validate(value)
        elif self.origin in (typing.Union, types.UnionType):
            if not any(_allows(part, value) for part in self.parts):
                raise ValueError(f"{value!r} is none of {self.hint}")
        elif self.origin in (list, tuple, dict):
            IsInstance((list, tuple) if self.origin is list else self.origin).validate(value)
            self._check_parts(value)
        else:
            IsInstance((float, int) if self.hint is float else self.hint).validate(value)
        for note in self.notes:
            if isinstance(note, Validator):
                note.validate(value)

    def _check_parts(self, value: Any) -> None:
        if self.origin is tuple:
            if len(value) != len(self.parts):
                raise ValueError(f"{len(self.parts)} values are expected, {len(value)} were given")
            pairs = list(zip(self.parts, value, strict=True))
        elif self.origin is list:
            pairs = [(self.parts[0], entry) for entry in value]
        else:
            pairs = [(part, entry) for item in value.items() for part, entry in zip(self.parts, item, strict=True)]
        for part, entry in pairs:
            part.check(entry)

    # ---- text --------------------------------------------------------------------------------------------------------

    def plain(self, value: Any) -> Any:
        """What JSON keeps of a value."""
        if value is None:
            return None
        if self.origin in (typing.Union, types.UnionType):
            number = next(i for i, part in enumerate(self.parts) if _allows(part, value))
            return [number, self.parts[number].plain(value)]
        if self.origin is dict:
            return [[self.parts[0].plain(key), self.parts[1].plain(entry)] for key, entry in value.items()]
        if self.origin is list:
            return [self.parts[0].plain(entry) for entry in value]
        if self.origin is tuple:
            return [part.plain(entry) for part, entry in zip(self.parts, value, strict=True)]
        if self.is_node:
            return value.GetID()
        if isinstance(value, FloatRange):
            return [value.minimum, value.maximum]
        if isinstance(value, enum.Enum):
            return value.name
        return str(value) if isinstance(value, pathlib.PurePath) else value

    def value(self, plain: Any, scene: Any) -> Any:
        """The value that JSON kept."""
        if plain is None:
            return None
        if self.origin in (typing.Union, types.UnionType):
            return self.parts[plain[0]].value(plain[1], scene)
        if self.origin is dict:
            return {self.parts[0].value(key, scene): self.parts[1].value(entry, scene) for key, entry in plain}
        if self.origin is list:
            return [self.parts[0].value(entry, scene) for entry in plain]
        if self.origin is tuple:
            return tuple(part.value(entry, scene) for part, entry in zip(self.parts, plain, strict=True))
        if self.is_node:
            return scene.GetNodeByID(plain)
        if self.hint is FloatRange:
            return FloatRange(*plain)
        return self.hint[plain] if self.of(enum.Enum) else self.hint(plain)

    def text(self, value: Any) -> str:
        """How a parameter node keeps a value."""
        plain = self.plain(value)
        return plain if isinstance(plain, str) else str(plain) if self.of(bool, int, float) else json.dumps(plain)

    def read(self, text: str, scene: Any) -> Any:
        """The value that a parameter node keeps."""
        if self.of(bool):
            return text == "True"
        if self.of(str, int, float, enum.Enum, pathlib.PurePath):
            return self.value(text, scene)
        return self.value(json.loads(text), scene)


def _allows(kind: Kind, value: Any) -> bool:
    try:
        kind.check(value)
    except (ValueError, TypeError):
        return False
    return True
