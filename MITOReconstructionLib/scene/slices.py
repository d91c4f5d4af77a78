"""Which volumes the slice views show. Views of another view group, such as the one of the projection, are left alone."""

from __future__ import annotations

from MITOReconstructionLib.scene.host import Node, Scene, in_application, nodes_of_class, slicer
from MITOReconstructionLib.scene.live_volume import LIVE
from MITOReconstructionLib.scene.parts import PART, is_clone

__all__ = ["ShownVolumes", "fit_slices", "set_opacity", "show_again", "show_in_slices", "shown_in_slices", "still_there"]

ShownVolumes = dict[str, tuple[str | None, str | None, float]]
"""As of :func:`shown_in_slices`."""


def _is_live(composite: Node) -> bool:
    """Whether a view shows a live slice."""
    scene = composite.GetScene()
    over = None if scene is None else scene.GetNodeByID(composite.GetForegroundVolumeID() or "")
    return over is not None and over.GetAttribute(PART) == LIVE and not is_clone(over)


def _composites(scene: Scene, spare_live: bool = False) -> list[Node]:
    names = {node.GetLayoutName() for node in nodes_of_class(scene, "vtkMRMLSliceNode") if node.GetViewGroup() == 0}
    found = [node for node in nodes_of_class(scene, "vtkMRMLSliceCompositeNode") if node.GetLayoutName() in names]
    return [node for node in found if not (spare_live and _is_live(node))]


def show_in_slices(scene: Scene, volume: Node | None, over: Node | None = None, opacity: float = 0.5, *, spare_live: bool = False) -> None:
    """Show a volume in the slice views, and another one over it.

    Parameters
    ----------
    scene : vtkMRMLScene
    volume : vtkMRMLVolumeNode or None
        The background.
    over : vtkMRMLVolumeNode, optional
        The foreground.
    opacity : float
        Of the foreground, 0 to 1.
    spare_live : bool, optional
        Whether views that show live slices are left alone.
    """
    for node in _composites(scene, spare_live):
        was = node.StartModify()
        node.SetBackgroundVolumeID(None if volume is None else volume.GetID())
        node.SetForegroundVolumeID(None if over is None else over.GetID())
        node.SetForegroundOpacity(float(opacity) if over is not None else 0.0)
        node.EndModify(was)


def set_opacity(scene: Scene, opacity: float) -> None:
    """Set the opacity of what is shown over another volume, 0 to 1; a live slice keeps its own."""
    for node in _composites(scene, True):
        node.SetForegroundOpacity(float(opacity))


def shown_in_slices(scene: Scene) -> ShownVolumes:
    """What the slice views without live slices show, by the ID of their composite nodes: background, foreground and its opacity."""
    found = _composites(scene, True)
    return {n.GetID(): (n.GetBackgroundVolumeID(), n.GetForegroundVolumeID(), n.GetForegroundOpacity()) for n in found}


def show_again(scene: Scene, before: ShownVolumes) -> None:
    """Show what was shown before in those slice views whose volume is gone; where another one was chosen meanwhile, it stays."""
    for node in _composites(scene, True):
        if node.GetID() in before and still_there(scene, node.GetBackgroundVolumeID()) is None:
            under, over, opacity = before[node.GetID()]
            was = node.StartModify()
            node.SetBackgroundVolumeID(still_there(scene, under))
            node.SetForegroundVolumeID(still_there(scene, over))
            node.SetForegroundOpacity(opacity)
            node.EndModify(was)


def still_there(scene: Scene, identifier: str | None) -> str | None:
    """The ID of a node, or None where the scene has it no longer."""
    return identifier if scene.GetNodeByID(identifier or "") is not None else None


def fit_slices(scene: Scene, *, spare_live: bool = False) -> None:
    """Let the slice views show the whole of their volumes, live ones but where these are spared; outside of the application nothing."""
    if not in_application() or scene is not slicer.mrmlScene:
        return
    logics = slicer.app.applicationLogic().GetSliceLogics()
    for logic in [logics.GetItemAsObject(i) for i in range(logics.GetNumberOfItems())]:
        if logic.GetSliceNode() is None or logic.GetSliceNode().GetViewGroup() != 0:
            continue
        if not (spare_live and _is_live(logic.GetSliceCompositeNode())):
            logic.FitSliceToAll()
