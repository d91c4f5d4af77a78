"""Objects of PySide that behave from outside as PythonQt's do.

Each class of PySide gets a class here, made from its metaobject when it is first needed: its properties are attributes,
its methods are methods, its enums are ints. Names that are properties are not methods too: ``spin.value`` is a number
and ``spin.value()`` fails, as it does in Slicer. Attributes that do not exist can be neither read nor set.
"""

from __future__ import annotations

import sys
from collections.abc import Callable
from typing import Any

import PySide6
import shiboken6
from PySide6 import QtCore

from SlicerHost.errors import HostError, record
from SlicerHost.signals import HostSignal, connect, disconnect, signatures

if "ReadOnly" not in vars(QtCore.QIODeviceBase):
    raise ImportError("PySide6 was imported before SlicerHost, so that its enums are no ints; import SlicerHost first")

if sys.version_info < (3, 12) and tuple(map(int, PySide6.__version__.split(".")[:2])) >= (6, 12):
    raise ImportError("PySide6 6.12 takes a reference from None at each call, which ends Python 3.11: install PySide6-Essentials<6.12")

HIDDEN = {"connect", "disconnect", "emit", "sender", "receivers", "tr", "findChild", "findChildren", "staticMetaObject", "SIGNATURES"}
"""What PySide has and PythonQt has not, or has otherwise."""

NO_METHODS = {"Signal", "Property", "EnumType"}
"""Types of what stands in a class besides methods; by name, for isinstance with PySide's Signal takes False's last reference."""

OWN = {"_q"}
"""The attributes that a wrapper has itself."""

_CLASSES: dict[type, type] = {}


class Wrapper:
    """An object of PySide seen as PythonQt shows it; the base of all the classes made here."""

    _native: type
    _generated = True

    def __init__(self, *arguments: Any) -> None:
        _adopt(self, _native_class(type(self))(*(unwrap(value) for value in arguments)))

    def __init_subclass__(cls, **keywords: Any) -> None:
        super().__init_subclass__(**keywords)
        cls._generated = False  # written by hand in a module: it may store what it likes

    def __getattr__(self, name: str) -> Any:
        if name in OWN or name.startswith("__"):
            raise AttributeError(name)
        native = self._q
        if isinstance(native, QtCore.QObject) and name.encode() in [bytes(key) for key in native.dynamicPropertyNames()]:
            return wrap(native.property(name))
        raise HostError(f"{self._native.__name__} has no attribute '{name}' in Testing/SlicerHost")

    def __setattr__(self, name: str, value: Any) -> None:
        found = next((vars(kind)[name] for kind in type(self).__mro__ if name in vars(kind)), None)
        if hasattr(type(found), "__set__"):
            found.__set__(self, value)
        elif not type(self)._generated:
            object.__setattr__(self, name, value)
        elif found is not None:
            raise AttributeError(f"{self._native.__name__}.{name} cannot be set")
        elif isinstance(self._q, QtCore.QObject) and name.encode() in [bytes(key) for key in self._q.dynamicPropertyNames()]:
            self._q.setProperty(name, unwrap(value))
        else:
            raise HostError(f"{self._native.__name__} has no attribute '{name}' in Testing/SlicerHost, and takes no new ones")

    def __eq__(self, other: object) -> bool:
        return isinstance(other, Wrapper) and _pointer(self) == _pointer(other)

    def __hash__(self) -> int:
        return hash(_pointer(self))

    def __bool__(self) -> bool:
        return shiboken6.isValid(self._q)

    def __repr__(self) -> str:
        return f"{type(self).__name__} (at: {_pointer(self)[0]:#x})"


class ObjectMethods:
    """What PythonQt adds to every QObject."""

    _q: Any

    def connect(self, signal: str, *target: Any) -> bool:
        """``connect('clicked(bool)', callable)``, or with a receiver and the name of its slot."""
        if len(target) == 2:
            target = (getattr(target[0], str(target[1]).lstrip("12").partition("(")[0]),)
        (slot,) = target
        return connect(self, signal, slot)

    def disconnect(self, signal: str | None = None, slot: Callable | None = None) -> bool:
        """Undo ``connect``; true where there was something to undo."""
        return disconnect(self, signal, slot)

    def className(self) -> str:
        """The class's name in C++."""
        return self._q.metaObject().className()

    @property
    def name(self) -> str:
        """The object's name, as ``slicer.util.childWidgetVariables`` reads it."""
        return self._q.objectName()

    @name.setter
    def name(self, value: str) -> None:
        self._q.setObjectName(value)

    def findChildren(self, kind: Any, name: str = "") -> tuple[Any, ...]:
        """All descendants of a class, or of a class of that name, and of the given name."""
        children = [wrap(child) for child in self._q.findChildren(QtCore.QObject)]
        fits = [c for c in children if (c._q.inherits(kind) if isinstance(kind, str) else isinstance(c, kind))]
        return tuple(child for child in fits if not name or child.name == name)

    def findChild(self, kind: Any, name: str = "") -> Any:
        """The first of :meth:`findChildren`, or None."""
        return next(iter(self.findChildren(kind, name)), None)


class Property:
    """A property of a class: read and set as an attribute, with its C++ type checked."""

    def __init__(self, meta: QtCore.QMetaProperty, native: type) -> None:
        self.name = meta.name()
        self.kind = meta.typeName()
        self.writable = meta.isWritable()
        self.python = type(vars(native).get(self.name)).__name__ == "Property"
        static = vars(native).get(self.name)
        self._static = _function(self.name, getattr(native, self.name)) if isinstance(static, staticmethod) else None

    def __get__(self, owner: Any, _kind: type | None = None) -> Any:
        if owner is None:  # QTimer.singleShot is a function of the class and a property of its objects
            return self._static or self
        return wrap(getattr(owner._q, self.name) if self.python else owner._q.property(self.name))

    def __set__(self, owner: Any, value: Any) -> None:
        if not self.writable:
            raise AttributeError(f"Property '{self.name}' of {type(owner).__name__} is read-only")
        self.check(owner, value)
        if self.python:
            setattr(owner._q, self.name, unwrap(value))
        elif not owner._q.setProperty(self.name, unwrap(value)):
            raise ValueError(f"{type(owner).__name__}.{self.name} of type '{self.kind}' does not take {value!r}")

    def check(self, owner: Any, value: Any) -> None:
        """Raise TypeError where the value is of another type than the property."""
        wanted = {"int": (int,), "double": (int, float), "bool": (bool, int), "QString": (str,)}.get(self.kind)
        if wanted and not isinstance(value, wanted):
            raise TypeError(
                f"{type(owner).__name__}.{self.name} of type '{self.kind}' does not take {value!r} of type {type(value).__name__}"
            )


class Static:
    """A function of a class; some, such as ``QFile.exists``, are methods of its objects as well."""

    def __init__(self, name: str, native: type) -> None:
        self.name, self.native = name, native

    def __get__(self, owner: Any, _kind: type | None = None) -> Any:
        return _function(self.name, getattr(self.native if owner is None else owner._q, self.name))


class SignalAttribute:
    """Makes ``button.clicked`` a signal that is connected to, and emitted by calling it."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, owner: Any, _kind: type | None = None) -> Any:
        return self if owner is None else HostSignal(owner, self.name)


# ---- classes ---------------------------------------------------------------------------------------------------------


def wrapper_class(native: type) -> type:
    """The class that shows a class of PySide; made when it is first asked for."""
    if native in _CLASSES:
        return _CLASSES[native]
    bases = tuple(wrapper_class(base) for base in native.__bases__ if issubclass(base, shiboken6.Shiboken.Object) and _shown(base))
    if native is QtCore.QObject:
        bases = (ObjectMethods, Wrapper)
    made = type(native.__name__, bases or (Wrapper,), _content(native))
    made._generated = True
    _CLASSES[native] = made
    return made


def _shown(native: type) -> bool:
    return native is not shiboken6.Shiboken.Object


def _content(native: type) -> dict[str, Any]:
    meta = native.staticMetaObject if issubclass(native, QtCore.QObject) else None
    inherited = {meta.property(i).name() for i in range(meta.propertyCount())} if meta else set()
    content: dict[str, Any] = {"_native": native, "__doc__": native.__doc__}
    for name, value in vars(native).items():
        if name.startswith("_") or name in HIDDEN | inherited or type(value).__name__ in NO_METHODS:
            continue
        if isinstance(value, int):
            content[name] = value
        elif isinstance(value, staticmethod):
            content[name] = Static(name, native)
        elif callable(value):
            content[name] = _method(name, value)
    if meta:
        for i in range(meta.propertyOffset(), meta.propertyCount()):
            made = Property(meta.property(i), native)
            content[made.name] = made
            if made.writable and made.python:
                content.setdefault("set" + made.name[0].upper() + made.name[1:], _setter(made))
        content.update({name: SignalAttribute(name) for name in signatures(native).values() if name in vars(native) or not _python(native)})
    return content


def _python(native: type) -> bool:
    return not native.__module__.startswith("PySide6")


def _method(name: str, function: Callable) -> Callable:
    def method(self: Any, *arguments: Any) -> Any:
        return wrap(function(self._q, *(unwrap(value) for value in arguments)))

    method.__name__ = method.__qualname__ = name
    method.qt_slot = name  # type: ignore[attr-defined]
    return method


def _function(name: str, function: Callable) -> Callable:
    def static(*arguments: Any) -> Any:
        return wrap(function(*(unwrap(value) for value in arguments)))

    static.__name__ = static.__qualname__ = name
    return static


def _setter(made: Property) -> Callable:
    def setter(self: Any, value: Any) -> None:
        made.__set__(self, value)

    return setter


# ---- objects ---------------------------------------------------------------------------------------------------------


def wrap(value: Any) -> Any:
    """Show what PySide returned as PythonQt would."""
    if isinstance(value, shiboken6.Shiboken.Object):
        if getattr(value, "_shown_as", None) is not None:
            return value._shown_as
        if isinstance(value, QtCore.QObject) or type(value) in _CLASSES:
            shown = object.__new__(wrapper_class(type(value)))
            _adopt(shown, value)
            return shown
        return value
    if isinstance(value, list):
        shown = [wrap(entry) for entry in value]
        return tuple(shown) if shown and all(isinstance(entry, str) for entry in shown) else shown
    return value


def unwrap(value: Any) -> Any:
    """What PySide takes in place of what PythonQt shows."""
    if isinstance(value, Wrapper):
        return value._q
    if isinstance(value, (list, tuple)) and any(isinstance(entry, Wrapper) for entry in value):
        return type(value)(unwrap(entry) for entry in value)
    if isinstance(value, dict):
        return {key: unwrap(entry) for key, entry in value.items()}
    return value


def _adopt(shown: Wrapper, native: Any) -> None:
    object.__setattr__(shown, "_q", native)
    native._shown_as = shown  # one lives as long as the other


def _pointer(shown: Wrapper) -> tuple[int, ...]:
    return shiboken6.getCppPointer(shown._q) if shiboken6.isValid(shown._q) else (id(shown),)


def _native_class(shown: type) -> type:
    """The class of PySide to construct; one that calls back where a module's class overrides virtual methods."""
    native = shown._native
    overridden = {}
    for kind in reversed(shown.__mro__):
        if issubclass(kind, Wrapper) and not kind._generated:
            overridden.update({name: None for name, value in vars(kind).items() if callable(value) and name in dir(native)})
    overridden.pop("__init__", None)
    names = [name for name in overridden if not name.startswith("_")]
    if not names:
        return native
    return type(shown.__name__, (native,), {name: _override(name, native) for name in names})


def _override(name: str, native: type) -> Callable:
    def virtual(self: Any, *arguments: Any) -> Any:
        shown = getattr(self, "_shown_as", None)
        if shown is None:
            return getattr(native, name)(self, *arguments)
        try:
            return unwrap(getattr(shown, name)(*(wrap(value) for value in arguments)))
        except Exception as error:  # noqa: BLE001 as in Slicer, what a virtual method raises is printed
            record(error)
            return getattr(native, name)(self, *arguments)

    return virtual
