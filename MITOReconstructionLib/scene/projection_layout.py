"""The layout '3D + projection': a 3D view above a slice view that shows the projection."""

from __future__ import annotations

from collections.abc import Callable

from MITOReconstructionLib.scene.host import Node, Scene, slicer
from MITOReconstructionLib.scene.observers import Observers
from MITOReconstructionLib.scene.projection_slice import COLOUR, LABEL, NAME, VIEW_GROUP

__all__ = ["DESCRIPTION", "LAYOUT", "ProjectionLayout"]

LAYOUT = 27160
"""Number of the layout; Slicer's own are below 500."""

DESCRIPTION = f"""<layout type="vertical" split="true">
 <item splitSize="680"><view class="vtkMRMLViewNode" singletontag="1"><property name="viewlabel" action="default">1</property></view></item>
 <item splitSize="320"><view class="vtkMRMLSliceNode" singletontag="{NAME}">
  <property name="orientation" action="default">Axial</property>
  <property name="viewlabel" action="default">{LABEL}</property>
  <property name="viewcolor" action="default">{COLOUR}</property>
  <property name="viewgroup" action="default">{VIEW_GROUP}</property>
 </view></item>
</layout>"""


class ProjectionLayout:
    """Shows and leaves the layout, through the scene's layout node: no Qt is needed, and nothing happens without that node.

    Parameters
    ----------
    scene : vtkMRMLScene
    changed : callable, optional
        Called without arguments when this layout, or another in its place, is shown.
    """

    def __init__(self, scene: Scene, changed: Callable[[], object] | None = None) -> None:
        self.scene = scene
        self._changed = changed
        self._before: int | None = None
        self._was = False
        self._observers = Observers()
        self._observe()

    @property
    def node(self) -> Node | None:
        """The scene's vtkMRMLLayoutNode; None where there is none, as without the application."""
        return self.scene.GetFirstNodeByClass("vtkMRMLLayoutNode")

    @property
    def shown(self) -> bool:
        """Whether the layout is the one that is shown."""
        node = self.node
        return node is not None and node.GetViewArrangement() == LAYOUT

    def show(self) -> bool:
        """Show the layout; whether there is one to show."""
        node = self.node
        if node is None:
            return False
        self._observe()
        if not node.IsLayoutDescription(LAYOUT):
            node.AddLayoutDescription(LAYOUT, DESCRIPTION)
        elif node.GetLayoutDescription(LAYOUT) != DESCRIPTION:
            node.SetLayoutDescription(LAYOUT, DESCRIPTION)
        if not self.shown:
            self._before = node.GetViewArrangement()
            node.SetViewArrangement(LAYOUT)
        return True

    def leave(self) -> None:
        """Show the layout from before again, where this one is shown."""
        node = self.node
        if node is not None and self.shown:
            before, self._before = self._before, None
            node.SetViewArrangement(before or slicer.vtkMRMLLayoutNode.SlicerLayoutFourUpView)

    def close(self, *, leave: bool = True) -> None:
        """Leave the layout, unless told not to, and no longer watch it; the layout node forgets no description."""
        self._observers.clear()
        if leave:
            self.leave()

    def _observe(self) -> None:
        node = self.node
        if node is not None and not self._observers:
            self._was = self.shown
            self._observers.add(node, self._look)

    def _look(self) -> None:
        if self.shown != self._was:
            self._was = not self._was
            if self._changed is not None:
                self._changed()
