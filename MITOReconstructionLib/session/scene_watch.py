"""Watching a scene on behalf of a session: it is closed, opened, and nodes come and go."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from typing import TYPE_CHECKING

from MITOReconstructionLib.scene.host import Node, Scene, nodes_of_class, slicer, vtk

if TYPE_CHECKING:
    from MITOReconstructionLib.session.session import Session

__all__ = ["watch_scene"]

ROI = "vtkMRMLMarkupsROINode"

_kept: dict[int, tuple[Callable[..., None], ...]] = {}
"""What scenes call: a scene may outlive its session, and calls while it is itself collected, when it must still be whole."""


def watch_scene(scene: Scene, session: Session) -> list[int]:
    """Watch a scene on behalf of a session that may be gone one day; the tags of the observers are returned."""
    known, kind = weakref.ref(session), slicer.vtkMRMLScene

    def closed(*_: object) -> None:
        if (found := known()) is not None:
            found.forget()

    before: list[set[str]] = []  # while a scene is imported, and others are told before this session: the nodes of before

    def changed(*_: object) -> None:
        if (found := known()) is not None and not found.scene.IsBatchProcessing() and not before:
            found.opened.look()
            found.results_changed()

    def importing(*_: object) -> None:
        if (found := known()) is not None:
            before[:] = [{node.GetID() for node in nodes_of_class(found.scene, "vtkMRMLNode")}]

    def imported(*_: object) -> None:
        if (found := known()) is not None:
            known_nodes = before.pop() if before else set()
            found.restore([node for node in nodes_of_class(found.scene, "vtkMRMLNode") if node.GetID() not in known_nodes])
            found.results_changed()

    def added(_scene: object, _event: str, node: Node) -> None:
        if (found := known()) is not None and not found.scene.IsBatchProcessing() and (node.IsA(ROI) or found.strangers()):
            found.node_added()

    added.CallDataType = vtk.VTK_OBJECT  # type: ignore[attr-defined]  # how VTK is told that the node is wanted

    events = {
        kind.EndCloseEvent: closed,
        kind.StartImportEvent: importing,
        kind.EndImportEvent: imported,
        kind.NodeRemovedEvent: changed,
        kind.NodeAddedEvent: added,
        kind.EndBatchProcessEvent: changed,
    }
    _kept[id(session)] = (closed, changed, importing, imported, added)
    weakref.finalize(session, _kept.pop, id(session), None)
    return [scene.AddObserver(event, callback) for event, callback in events.items()]
