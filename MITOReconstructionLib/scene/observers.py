"""Watching nodes on behalf of objects that may be gone one day."""

from __future__ import annotations

import weakref
from collections.abc import Callable

from MITOReconstructionLib.scene.host import Node, vtk

__all__ = ["Observers"]

_kept: dict[int, list[Callable[..., None]]] = {}
"""What nodes call: they may outlive who watches, and call while they are themselves collected, when it must still be whole."""


class Observers:
    """Calls methods of an object when nodes change; neither keeps the object nor calls it once it is gone."""

    def __init__(self) -> None:
        self._notes: list[tuple[Node, int]] = []
        _kept[id(self)] = []
        weakref.finalize(self, _kept.pop, id(self), None)

    def add(self, node: Node, method: Callable[[], object], event: object = vtk.vtkCommand.ModifiedEvent) -> None:
        """Have a method called, without arguments, whenever a node invokes an event."""
        weak = weakref.WeakMethod(method)

        def call(*_event: object) -> None:
            found = weak()
            if found is not None:
                found()

        _kept[id(self)].append(call)
        self._notes.append((node, node.AddObserver(event, call)))

    def clear(self) -> None:
        """Watch nothing any more."""
        for node, tag in self._notes:
            node.RemoveObserver(tag)
        self._notes.clear()
        _kept[id(self)].clear()

    def __len__(self) -> int:
        return len(self._notes)
