"""Parameters of methods: frozen dataclasses whose fields carry range, unit and help.

The command line, the JSON description and the panel's widgets are all made from them.
"""

from __future__ import annotations

import math
from collections.abc import Mapping
from dataclasses import MISSING, Field, asdict, dataclass, field, fields
from typing import Any, ClassVar, Self

from MITOReconstructionLib.errors import InputError

__all__ = ["Parameters", "parameter"]

TYPES = {"bool": bool, "int": int, "float": float, "str": str}
LARGEST = 3.4e38
"""Of numbers that are computed with in 32 bits."""

WORDS = {"bool": "true or false", "int": "a whole number", "float": "a number", "str": "a text"}


def parameter(
    default: Any,
    help: str,
    *,
    unit: str = "",
    minimum: float | None = None,
    maximum: float | None = None,
    above: float | None = None,
    below: float | None = None,
    choices: tuple[str, ...] | None = None,
    aliases: tuple[str, ...] = (),
    reason: str = "",
) -> Any:
    """A field of a :class:`Parameters` dataclass.

    Parameters
    ----------
    default : bool, int, float or str
    help : str
        One sentence for people.
    unit : str
        Unit of the value, where it has one.
    minimum, maximum : float, optional
        Range, the ends allowed.
    above, below : float, optional
        Range, the ends not allowed.
    choices : tuple of str, optional
        The texts that are allowed.
    aliases : tuple of str
        Other names under which the value is accepted.
    reason : str
        Said where a value is out of range.
    """
    details = {
        "help": help, "unit": unit, "minimum": minimum, "maximum": maximum, "above": above, "below": below,
        "choices": choices, "aliases": aliases, "reason": reason,
    }  # fmt: skip
    return field(default=default, metadata=details)


@dataclass(frozen=True)
class Parameters:
    """Base of the parameters of a method. Values are checked when it is made.

    Raises
    ------
    InputError
        Naming the parameter, what was expected and what was found.
    """

    where: ClassVar[str] = "parameter"

    def __post_init__(self) -> None:
        for entry in fields(self):
            object.__setattr__(self, entry.name, _checked(entry, getattr(self, entry.name), self.where))

    def to_dict(self) -> dict[str, Any]:
        """Names and values, ready for JSON; :meth:`from_dict` reads them back."""
        return asdict(self)

    @classmethod
    def from_dict(cls, values: Mapping[str, Any]) -> Self:
        """Make parameters from names (or aliases) and values; those not named keep their defaults.

        Raises
        ------
        InputError
            When a name is unknown or given twice, or a value is out of range.
        """
        names = {alias: entry.name for entry in fields(cls) for alias in (entry.name, *entry.metadata["aliases"])}
        chosen: dict[str, Any] = {}
        for key, value in values.items():
            if key not in names:
                known = ", ".join(entry.name for entry in fields(cls)) or "none at all"
                raise InputError(
                    f"{cls.where} {key}", expected=f"one of {known}", found="an unknown name", remedy="Correct the parameter's name."
                )
            if names[key] in chosen:
                raise InputError(
                    f"{cls.where} {names[key]}", expected="one value", found=f"a second one, as {key}", remedy="Give the parameter once."
                )
            chosen[names[key]] = value
        return cls(**chosen)

    @classmethod
    def from_text(cls, texts: Mapping[str, str]) -> Self:
        """Make parameters from texts, as the command line gives them.

        Raises
        ------
        InputError
            As :meth:`from_dict`, and when a text is no value of its parameter's type.
        """
        kinds = {alias: _kind(entry) for entry in fields(cls) for alias in (entry.name, *entry.metadata["aliases"])}
        return cls.from_dict({name: _from_text(f"{cls.where} {name}", kinds.get(name, "str"), text) for name, text in texts.items()})

    @classmethod
    def describe(cls) -> list[dict[str, Any]]:
        """One JSON-ready description for each parameter: name, type, default, help, unit, range or choices, aliases."""
        described = []
        for entry in fields(cls):
            details = {key: value for key, value in entry.metadata.items() if value not in (None, "", ())}
            details = {key: list(value) if isinstance(value, tuple) else value for key, value in details.items()}
            described.append({"name": entry.name, "type": _kind(entry), "default": entry.default, **details})
        return described


def _kind(entry: Field[Any]) -> str:
    if entry.default is MISSING or type(entry.default).__name__ not in TYPES:
        raise TypeError(f"parameter {entry.name} needs a default that is a bool, int, float or str")
    return type(entry.default).__name__


def _checked(entry: Field[Any], value: Any, prefix: str) -> Any:
    details, kind, where = entry.metadata, _kind(entry), f"{prefix} {entry.name}"
    if hasattr(value, "item") and not isinstance(value, (bool, int, float, str)):
        value = value.item()  # a number of numpy's
    right = isinstance(value, TYPES[kind]) and (kind == "bool" or not isinstance(value, bool))
    if kind == "float" and isinstance(value, int) and not isinstance(value, bool):
        value, right = float(value), True
    if kind == "int" and isinstance(value, float) and value.is_integer():
        value, right = int(value), True
    if not right or (kind == "float" and not math.isfinite(value)):
        raise InputError(where, expected=_expectation(details, kind), found=repr(value), remedy=details["reason"] or "Correct the value.")
    if kind == "float" and abs(value) > LARGEST:
        raise InputError(where, expected=f"a number of at most {LARGEST:g} in size", found=repr(value), remedy="Correct the value.")
    outside = (
        (details["minimum"] is not None and value < details["minimum"])
        or (details["maximum"] is not None and value > details["maximum"])
        or (details["above"] is not None and value <= details["above"])
        or (details["below"] is not None and value >= details["below"])
        or (details["choices"] is not None and value not in details["choices"])
    )
    if outside:
        raise InputError(where, expected=_expectation(details, kind), found=repr(value), remedy=details["reason"] or "Correct the value.")
    return value


def _expectation(details: Mapping[str, Any], kind: str) -> str:
    if details["choices"]:
        return "one of " + ", ".join(details["choices"])
    bounds = [
        f"{word} {details[key]:g}"
        for key, word in (("minimum", "at least"), ("above", "above"), ("maximum", "at most"), ("below", "below"))
        if details[key] is not None
    ]
    unit = f" in {details['unit']}" if details["unit"] else ""
    return " ".join([WORDS[kind] + unit, " and ".join(bounds)]).strip()


def _from_text(where: str, kind: str, text: str) -> Any:
    if kind == "str":
        return text
    words = {"true": True, "yes": True, "1": True, "false": False, "no": False, "0": False}
    try:
        return words[text.strip().lower()] if kind == "bool" else TYPES[kind](text)
    except (KeyError, ValueError) as error:
        raise InputError(where, expected=WORDS[kind], found=f'"{text}"', remedy="Correct the value.") from error
