"""A slice view that shows live slices, and what it showed before."""

from __future__ import annotations

from MITOReconstructionLib.live import Plane
from MITOReconstructionLib.scene.host import Node
from MITOReconstructionLib.scene.live_volume import SliceVolume
from MITOReconstructionLib.scene.slices import still_there

__all__ = ["FollowedView"]


class FollowedView:
    """A slice view with a live slice as its foreground, over a low-resolution volume.

    Parameters
    ----------
    view, composite : vtkMRMLSliceNode, vtkMRMLSliceCompositeNode
        Of the view.
    context : vtkMRMLScalarVolumeNode
        The low-resolution volume.
    volume : SliceVolume
        The live slice.

    Attributes
    ----------
    seen : int
        Modification time of the view when it was looked at last.
    plane : Plane or None
        What was asked for last.
    """

    def __init__(self, view: Node, composite: Node, context: Node, volume: SliceVolume) -> None:
        self.view, self.composite, self.volume = view, composite, volume
        self.seen = -1
        self.plane: Plane | None = None
        self._ours = {context.GetID(), volume.node.GetID()}
        self._before = composite.GetBackgroundVolumeID(), composite.GetForegroundVolumeID(), composite.GetForegroundOpacity()
        was = composite.StartModify()
        composite.SetBackgroundVolumeID(context.GetID())
        composite.SetForegroundVolumeID(volume.node.GetID())
        composite.SetForegroundOpacity(1.0)
        composite.EndModify(was)

    @property
    def is_lost(self) -> bool:
        """Whether the view is gone, or shows something that somebody else has put there."""
        if self.view.GetScene() is None or self.composite.GetScene() is None or not self.volume.alive:
            return True
        return bool(self.composite.GetForegroundVolumeID() != self.volume.node.GetID())

    def leave(self, *, in_3d: bool) -> None:
        """Show again what was shown before, but for a volume that somebody has chosen meanwhile; hide the plane that is shown in 3D."""
        background, foreground, opacity = self._before
        composite, scene = self.composite, self.composite.GetScene()
        if scene is not None:
            was = composite.StartModify()
            if composite.GetBackgroundVolumeID() in self._ours:
                composite.SetBackgroundVolumeID(still_there(scene, background))
            if composite.GetForegroundVolumeID() in self._ours:
                composite.SetForegroundVolumeID(still_there(scene, foreground))
                composite.SetForegroundOpacity(opacity)
            composite.EndModify(was)
        if in_3d and self.view.GetScene() is not None:
            self.view.SetSliceVisible(False)
        self.volume.remove()
