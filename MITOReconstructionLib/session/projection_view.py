"""The slice view of the projection and the layout '3D + projection', as the session has them; without Qt."""

from __future__ import annotations

from collections.abc import Callable

from MITOReconstructionLib.scene.host import Node, Scene, slicer
from MITOReconstructionLib.scene.observers import Observers
from MITOReconstructionLib.scene.projection_layout import ProjectionLayout
from MITOReconstructionLib.scene.projection_slice import ProjectionSlice
from MITOReconstructionLib.scene.scan_scene import ScanScene

__all__ = ["ProjectionView"]


class ProjectionView:
    """Shows the projection of the scan that is open in a slice view of its own, wherever a layout has that view.

    Parameters
    ----------
    scene : vtkMRMLScene
    changed : callable, optional
        Called without arguments when the layout is shown or left, by whomever.

    Attributes
    ----------
    slice : ProjectionSlice
    layout : ProjectionLayout
    """

    def __init__(self, scene: Scene, changed: Callable[[], object] | None = None) -> None:
        self._changed = changed
        self._shown: ScanScene | None = None
        self.slice = ProjectionSlice(scene)
        self.layout = ProjectionLayout(scene, self._look)
        self._observers = Observers()
        for event in (slicer.vtkMRMLScene.EndImportEvent, slicer.vtkMRMLScene.EndCloseEvent):
            self._observers.add(scene, self._look, event)

    def follow(self, shown: ScanScene | None) -> None:
        """Show the projections of a scan from now on; None shows nothing."""
        self._shown = shown
        self.slice.show(None if shown is None else shown.projection)

    @property
    def visible(self) -> bool:
        """Whether the layout '3D + projection' is shown."""
        return self.layout.shown

    @visible.setter
    def visible(self, value: bool) -> None:
        if not value:
            self.layout.leave()
        elif self.layout.show():
            self.slice.show(self.slice.image)
            self._look()

    def open(self) -> Node:
        """The slice node of the view; the view is made, outside of any layout, where there is none."""
        return self.slice.open()

    def fit(self) -> None:
        """Show the whole projection, and choose the window by the view that is shown."""
        if self._shown is not None and self._shown.projection.alive:
            self._shown.projection.fit_window(self._shown.projection.array)
            self._shown.detector.refresh()
        self.slice.fit()

    def close(self) -> None:
        """Leave the layout and take the view out of the scene, unless somebody else has them, and watch nothing any more."""
        self._observers.clear()
        self.layout.close(leave=self.slice.is_shown or self.slice.is_free)
        self.slice.close()
        self._shown = None

    def _look(self) -> None:
        self.slice.resume()
        if self._changed is not None:
            self._changed()
