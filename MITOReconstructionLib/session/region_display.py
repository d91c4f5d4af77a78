"""How the regions of a scan look in the scene: the nodes, handles, first and last position; without Qt."""

from __future__ import annotations

from collections.abc import Callable, Sequence
from typing import Any

from MITOReconstructionLib.scan import Scan
from MITOReconstructionLib.scene.host import Scene
from MITOReconstructionLib.scene.parts import find_part
from MITOReconstructionLib.scene.regions import Entry, RegionListener, SceneRegions
from MITOReconstructionLib.scene.scan_scene import ScanScene
from MITOReconstructionLib.scene.view_range import VIEW_RANGE, ViewRangeModel

__all__ = ["RegionDisplay"]


class Switch:
    """Something that is on or off; the display is told where it is set."""

    def __init__(self, default: bool, text: str) -> None:
        self._default, self.__doc__ = default, text

    def __set_name__(self, _owner: type, name: str) -> None:
        self._name = f"_{name}"

    def __get__(self, owner: Any, _kind: type | None = None) -> bool:
        return bool(getattr(owner, self._name, self._default))

    def __set__(self, owner: Any, value: bool) -> None:
        if bool(value) != self.__get__(owner):
            setattr(owner, self._name, bool(value))
            owner.switched()


class RegionDisplay:
    """Shows regions, and for the one that is edited the handles and the first and last position of source and detector.

    Parameters
    ----------
    scene : vtkMRMLScene
    shown : ScanScene
        The scan, as it is shown.
    scan : Scan
    listener : RegionListener
        Is told what is done to the nodes.
    refresh : callable
        Called where a switch was set; it calls :meth:`show`.
    """

    editing = Switch(True, "Whether the chosen region has handles in the views.")
    positions = Switch(True, "Whether first and last position of source and detector are shown while a region is edited.")
    paused = Switch(False, "Whether nothing is edited for the time being, because another module is open.")
    hidden = Switch(False, "Whether nothing is shown, because another scan is looked at.")

    def __init__(self, scene: Scene, shown: ScanScene, scan: Scan, listener: RegionListener, refresh: Callable[[], object]) -> None:
        self.shown, self.scan = shown, scan
        self.nodes = SceneRegions(scene, scan, listener)
        self._refresh = refresh
        self._range: ViewRangeModel | None = None
        if find_part(scene, "vtkMRMLModelNode", VIEW_RANGE, scan.name):  # of a saved scene
            self._range = ViewRangeModel(scene, scan.name, scan.geometry)

    @property
    def edited(self) -> bool:
        """Whether the chosen region has handles now."""
        return self.editing and not self.paused and not self.hidden

    @property
    def view_range(self) -> ViewRangeModel | None:
        """What shows the first and the last position; None as long as it was never shown."""
        return self._range

    def switched(self) -> None:
        """A switch was set."""
        self._refresh()

    def show(self, entries: Sequence[Entry], chosen: str | None, views: tuple[int, int] | None) -> None:
        """Show these regions and no others.

        Parameters
        ----------
        entries : sequence of Entry
        chosen : str or None
            Key of the one that is edited.
        views : pair of int, optional
            Its first view and the one after its last.
        """
        self.nodes.show(entries, chosen, self.edited)
        self.nodes.hide(self.hidden)
        wanted = views if chosen is not None and self.edited and self.positions else None
        if wanted is not None and (self._range is None or not self._range.alive):
            self._range = ViewRangeModel(self.shown.scene, self.scan.name, self.scan.geometry)
            self.shown.folder.add(self._range.node)
        if self._range is not None and self._range.alive:
            if wanted is not None:
                self._range.show(wanted[0], wanted[1] - 1)
            self._range.visible = wanted is not None

    def close(self) -> None:
        """Watch the nodes no longer; they stay."""
        self.nodes.close()
        if self._range is not None and self._range.alive:
            self._range.visible = False
