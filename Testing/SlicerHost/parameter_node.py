"""``slicer.parameterNodeWrapper``: classes whose attributes live in a parameter node of the scene."""

# ruff: noqa: N815 the names are those in C++

from __future__ import annotations

import typing
from collections.abc import Callable
from typing import Any

from SlicerHost.parameter_gui import Connection
from SlicerHost.parameter_kinds import Default, Kind

CHANGES = ("pop", "clear", "__setitem__", "__delitem__")
CHANGES_LIST = (*CHANGES, "append", "extend", "insert", "remove", "sort", "reverse", "__iadd__", "__imul__")
CHANGES_DICT = (*CHANGES, "update", "popitem", "setdefault", "__ior__")


def _observed(base: type, names: tuple[str, ...]) -> type:
    """A list or dict that writes itself into the parameter node when it is changed."""

    def changing(name: str) -> Callable:
        def change(self: Any, *arguments: Any, **keywords: Any) -> Any:
            result = getattr(base, name)(self, *arguments, **keywords)
            self.write(self)
            return self if name in ("__iadd__", "__imul__", "__ior__") else result

        return change

    return type(f"Observed{base.__name__.title()}", (base,), {**{name: changing(name) for name in names}, "write": None})


ObservedList = _observed(list, CHANGES_LIST)
ObservedDict = _observed(dict, CHANGES_DICT)


def _kinds(cls: type) -> dict[str, Kind]:
    kinds = {name: Kind(hint) for name, hint in typing.get_type_hints(cls, include_extras=True).items()}
    for name, kind in kinds.items():
        if name in vars(cls):
            given = vars(cls)[name]
            kind.check(given)
            kind.notes.append(Default(given))
    return kinds


# ---- packs -----------------------------------------------------------------------------------------------------------


def parameterPack(cls: type) -> type:
    """A class whose annotated attributes are checked, and can be kept in a parameter node."""
    kinds = _kinds(cls)

    def construct(self: Any, *values: Any, **named: Any) -> None:
        given = {**dict(zip(kinds, values, strict=False)), **named}
        unknown = set(given) - set(kinds)
        if unknown or len(values) > len(kinds):
            raise TypeError(f"{cls.__name__} has the parameters {', '.join(kinds)}")
        for name, kind in kinds.items():
            setattr(self, name, given.get(name, kind.default()) if name in given else kind.default())

    def put(self: Any, name: str, value: Any) -> None:
        if name in kinds:
            kinds[name].check(value)
        elif not hasattr(type(self), name) and not name.startswith("_"):
            raise AttributeError(f"{cls.__name__} has no parameter '{name}'")
        object.__setattr__(self, name, value)
        written = vars(self).get("_written")
        if name in kinds and written is not None:
            written(name, value)

    def same(self: Any, other: object) -> bool:
        return type(self) is type(other) and all(getattr(self, name) == getattr(other, name) for name in kinds)

    made = {"__setattr__": put, "__repr__": lambda self: f"{cls.__name__}({', '.join(f'{n}={getattr(self, n)!r}' for n in kinds)})"}
    made |= {"__init__": construct, "__eq__": same, "__hash__": None, "pack_kinds": kinds}
    for name, value in made.items():
        if name == "__setattr__" or name not in vars(cls) or name == "__hash__":
            setattr(cls, name, value)
    return cls


# ---- wrappers --------------------------------------------------------------------------------------------------------


class _Parameter:
    """An attribute that is kept in the parameter node."""

    def __init__(self, name: str) -> None:
        self.name = name

    def __get__(self, owner: Any, _kind: type | None = None) -> Any:
        return self if owner is None else owner.getValue(self.name)

    def __set__(self, owner: Any, value: Any) -> None:
        owner.setValue(self.name, value)


class _Wrapped:
    """What ``parameterNodeWrapper`` adds to a class."""

    allParameters: dict[str, Kind]

    def __init__(self, parameterNode: Any) -> None:
        object.__setattr__(self, "parameterNode", parameterNode)
        object.__setattr__(self, "_connections", {})
        before = parameterNode.StartModify()
        for name, kind in self.allParameters.items():
            self._default(name, kind)
        parameterNode.EndModify(before)

    def __setattr__(self, name: str, value: Any) -> None:
        if not hasattr(type(self), name) and not name.startswith("_"):
            raise AttributeError(f"{type(self).__name__} has no parameter '{name}'")
        object.__setattr__(self, name, value)

    def _default(self, name: str, kind: Kind) -> None:
        if kind.pack:
            given = kind.default()
            for part, inner in kind.hint.pack_kinds.items():
                if not inner.pack and not inner.is_node and not self.parameterNode.HasParameter(f"{name}.{part}"):
                    self._write(f"{name}.{part}", inner, getattr(given, part))
                elif inner.pack:
                    self._default(f"{name}.{part}", inner)
        elif not kind.is_node and not _nodes(kind) and not self.parameterNode.HasParameter(name):
            value = kind.default()
            kind.check(value)
            self._write(name, kind, value)

    def _kind(self, name: str) -> Kind:
        first, *rest = name.split(".")
        if first not in self.allParameters:
            raise ValueError(f"{type(self).__name__} has no parameter '{first}'; it has {', '.join(self.allParameters)}")
        kind = self.allParameters[first]
        for part in rest:
            kind = kind.hint.pack_kinds[part]
        return kind

    def dataType(self, name: str) -> Any:
        """The type of a parameter."""
        return self._kind(name).hint

    def default(self, name: str) -> Any:
        """The value of a parameter at first."""
        return self._kind(name).default()

    def isParameter(self, name: str) -> bool:
        """Whether there is such a parameter."""
        return name.split(".")[0] in self.allParameters

    def getValue(self, name: str) -> Any:
        """A parameter's value; parts of packs are named with dots."""
        kind, node = self._kind(name), self.parameterNode
        if kind.pack:
            pack = object.__new__(kind.hint)
            for part in kind.hint.pack_kinds:
                object.__setattr__(pack, part, self.getValue(f"{name}.{part}"))
            object.__setattr__(pack, "_written", lambda part, value: self.setValue(f"{name}.{part}", value))
            return pack
        if kind.is_node:
            return node.GetNodeReference(name)
        if _nodes(kind):
            value: Any = [node.GetNthNodeReference(name, i) for i in range(node.GetNumberOfNodeReferences(name))]
        else:
            value = kind.read(node.GetParameter(name), node.GetScene())
        if isinstance(value, (list, dict)):
            value = (ObservedList if isinstance(value, list) else ObservedDict)(value)
            value.write = lambda changed: self.setValue(name, type(changed).__mro__[1](changed))
        return value

    def setValue(self, name: str, value: Any) -> None:
        """Set a parameter; ValueError where the value is not allowed."""
        kind = self._kind(name)
        kind.check(value)
        before = self.parameterNode.StartModify()
        try:
            if kind.pack:
                for part in kind.hint.pack_kinds:
                    self.setValue(f"{name}.{part}", getattr(value, part))
            else:
                self._write(name, kind, value)
        finally:
            self.parameterNode.EndModify(before)

    def _write(self, name: str, kind: Kind, value: Any) -> None:
        node = self.parameterNode
        if kind.is_node:
            node.SetNodeReferenceID(name, None if value is None else value.GetID())
        elif _nodes(kind):
            node.RemoveNodeReferenceIDs(name)
            for entry in value:
                node.AddNodeReferenceID(name, entry.GetID())
        else:
            node.SetParameter(name, kind.text(value))

    # ---- the node ----------------------------------------------------------------------------------------------------

    def AddObserver(self, *arguments: Any) -> int:
        """Observe the parameter node."""
        return self.parameterNode.AddObserver(*arguments)

    def RemoveObserver(self, tag: int) -> None:
        """Observe the parameter node no longer."""
        self.parameterNode.RemoveObserver(tag)

    def StartModify(self) -> int:
        """Hold back events."""
        return self.parameterNode.StartModify()

    def EndModify(self, before: int) -> int:
        """Send the events that were held back."""
        return self.parameterNode.EndModify(before)

    def Modified(self) -> None:
        """Say that something has changed."""
        self.parameterNode.Modified()

    # ---- widgets -----------------------------------------------------------------------------------------------------

    def connectGui(self, gui: Any) -> int:
        """Connect each widget that has the property SlicerParameterName; what comes back undoes it."""
        widgets = gui.findChildren("QWidget") if hasattr(gui, "findChildren") else list(vars(gui).values())
        found = [(widget.property("SlicerParameterName"), widget) for widget in widgets if hasattr(widget, "property")]
        return self.connectParametersToGui({name: widget for name, widget in found if name})

    def connectParametersToGui(self, mapping: dict[str, Any]) -> int:
        """Connect widgets to parameters by their names; what comes back undoes it."""
        tag = max(self._connections, default=0) + 1
        self._connections[tag] = Connection(self, {name: (self._kind(name), widget) for name, widget in mapping.items()})
        return tag

    def disconnectGui(self, tag: int) -> None:
        """Undo a connection."""
        connection = self._connections.pop(tag, None)
        if connection is not None:
            connection.close()


def _nodes(kind: Kind) -> bool:
    return kind.origin is list and kind.parts[0].is_node


def parameterNodeWrapper(cls: type) -> type:
    """A class whose annotated attributes are kept in a vtkMRMLScriptedModuleNode."""
    kinds = _kinds(cls)
    for name in kinds:
        setattr(cls, name, _Parameter(name))
    return type(cls.__name__, (cls, _Wrapped), {"allParameters": kinds, "__module__": cls.__module__, "__doc__": cls.__doc__})
