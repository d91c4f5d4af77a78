"""Signals as PythonQt has them: connected by name or by attribute, unknown ones refused."""

from __future__ import annotations

import inspect
from collections.abc import Callable
from functools import cache
from typing import Any

from PySide6 import QtCore

from SlicerHost.errors import HostError, record


class HostSignal:
    """A signal of an object: ``connect``, ``disconnect``, and emitted by calling it."""

    def __init__(self, owner: Any, name: str) -> None:
        self._owner = owner
        self._name = name

    def connect(self, slot: Callable) -> bool:
        """Call a slot whenever the signal is emitted."""
        return connect(self._owner, self._signature(), slot)

    def disconnect(self, slot: Callable | None = None) -> bool:
        """Call a slot no longer; true where it was connected."""
        return disconnect(self._owner, self._signature(), slot)

    def __call__(self, *arguments: Any) -> None:
        getattr(self._owner._q, self._name).emit(*arguments)

    def _signature(self) -> str:
        return next(text for text, name in signatures(type(self._owner._q)).items() if name == self._name)


@cache  # read once: PySide invalidates metaobjects that it has handed out before
def signatures(native: type) -> dict[str, str]:
    """The signals of a class: signature and name, the fullest signature of a name first."""
    meta = native.staticMetaObject
    found = {}
    for i in range(meta.methodCount()):
        method = meta.method(i)
        text = bytes(method.methodSignature()).decode()
        if method.methodType() == QtCore.QMetaMethod.Signal and "PyObject" not in text:
            found[text] = bytes(method.name()).decode()
    for kind in native.__mro__:
        found.update(getattr(kind, "SIGNATURES", {}))
    return found


def connect(owner: Any, signal: str, slot: Callable) -> bool:
    """Connect a slot to a signal given by its signature.

    Raises
    ------
    HostError
        When the class has no such signal; Slicer prints that and goes on.
    """
    name, text = _find(owner, signal)
    if isinstance(slot, HostSignal):
        slot = slot.__call__
    if not callable(slot):
        raise TypeError(f"{text} cannot be connected to {slot!r}, which cannot be called")
    relay = _relay(slot, _count(text))
    getattr(owner._q, name).connect(relay)
    _connections(owner).append((text, slot, relay))
    return True


def disconnect(owner: Any, signal: str | None, slot: Callable | None) -> bool:
    """Disconnect a slot, or all slots of a signal, or of all signals; true where there was one."""
    text = None if signal is None else _find(owner, signal)[1]
    known = _connections(owner)
    gone = [entry for entry in known if text in (None, entry[0]) and (slot is None or entry[1] == slot)]
    for entry in gone:
        known.remove(entry)
        getattr(owner._q, entry[0].partition("(")[0]).disconnect(entry[2])
    return bool(gone)


def _find(owner: Any, signal: str) -> tuple[str, str]:
    text = bytes(QtCore.QMetaObject.normalizedSignature(signal.lstrip("2"))).decode()
    known = signatures(type(owner._q))
    if text not in known:
        own = ", ".join(sorted(known))
        raise HostError(f"signal '{signal}' does not exist on {type(owner).__name__} in Testing/SlicerHost; it has {own}")
    return known[text], text


def _connections(owner: Any) -> list[tuple[str, Callable, Callable]]:
    native = owner._q
    if not hasattr(native, "_connected"):
        native._connected = []
    return native._connected


def _count(signature: str) -> int:
    inside = signature.partition("(")[2].rstrip(")")
    return inside.count(",") + 1 if inside else 0


def _relay(slot: Callable, given: int) -> Callable:
    """Call the slot with as many of the signal's arguments as it takes; what it raises is noted and not passed on."""
    taken = min(given, _taken(slot, given))

    def relay(*arguments: Any) -> None:
        from SlicerHost.bridge import wrap

        try:
            slot(*(wrap(value) for value in arguments))
        except Exception as error:  # noqa: BLE001 the slot may be anything
            record(error)

    # PySide counts the parameters of what it connects, and gives nothing to *arguments
    return (lambda: relay(), lambda a: relay(a), lambda a, b: relay(a, b), lambda a, b, c: relay(a, b, c), lambda *a: relay(*a))[
        min(taken, 4)
    ]


def _taken(slot: Callable, given: int) -> int:
    name = getattr(slot, "qt_slot", None)
    if name is not None:  # a method of Qt's: the overload with the most arguments that the signal can fill
        native = slot.__self__._q
        meta = native.metaObject()
        methods = [meta.method(i) for i in range(meta.methodCount())]
        counts = [method.parameterCount() for method in methods if bytes(method.name()).decode() == name]
        if counts:
            return max((count for count in counts if count <= given), default=0)
        slot = getattr(native, name)
    try:
        parameters = inspect.signature(slot).parameters.values()
    except (TypeError, ValueError):
        return given
    if any(p.kind is p.VAR_POSITIONAL for p in parameters):
        return given
    return sum(p.kind in (p.POSITIONAL_ONLY, p.POSITIONAL_OR_KEYWORD) for p in parameters)
