"""Which volumes the slice views show. Views of another view group, such as the one of the projection, are left alone."""

from __future__ import annotations

from MITOReconstructionLib.scene.host import Node, Scene, in_application, slicer

__all__ = ["background", "fit_slices", "set_opacity", "show_in_slices"]


def _of_class(scene: Scene, kind: str) -> list[Node]:
    collection = scene.GetNodesByClass(kind)
    return [collection.GetItemAsObject(i) for i in range(collection.GetNumberOfItems())]


def _composites(scene: Scene) -> list[Node]:
    names = {node.GetLayoutName() for node in _of_class(scene, "vtkMRMLSliceNode") if node.GetViewGroup() == 0}
    return [node for node in _of_class(scene, "vtkMRMLSliceCompositeNode") if node.GetLayoutName() in names]


def show_in_slices(scene: Scene, volume: Node | None, over: Node | None = None, opacity: float = 0.5) -> None:
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
    """
    for node in _composites(scene):
        was = node.StartModify()
        node.SetBackgroundVolumeID(None if volume is None else volume.GetID())
        node.SetForegroundVolumeID(None if over is None else over.GetID())
        node.SetForegroundOpacity(float(opacity) if over is not None else 0.0)
        node.EndModify(was)


def set_opacity(scene: Scene, opacity: float) -> None:
    """Set the opacity of what is shown over another volume, 0 to 1."""
    for node in _composites(scene):
        node.SetForegroundOpacity(float(opacity))


def background(scene: Scene) -> Node | None:
    """The volume that the first slice view shows."""
    for node in _composites(scene):
        return scene.GetNodeByID(node.GetBackgroundVolumeID() or "")
    return None


def fit_slices(scene: Scene) -> None:
    """Let the slice views show the whole of their volumes; outside of the application this does nothing."""
    if not in_application() or scene is not slicer.mrmlScene:
        return
    logics = slicer.app.applicationLogic().GetSliceLogics()
    for logic in [logics.GetItemAsObject(i) for i in range(logics.GetNumberOfItems())]:
        if logic.GetSliceNode() is not None and logic.GetSliceNode().GetViewGroup() == 0:
            logic.FitSliceToAll()
