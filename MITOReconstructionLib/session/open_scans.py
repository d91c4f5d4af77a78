"""The scans that are open, without Qt: each with its folder in the Subject Hierarchy and its regions; one is looked at."""

from __future__ import annotations

import contextlib
import os
from collections.abc import Callable, Sequence
from dataclasses import dataclass, field
from pathlib import Path
from typing import Any, Protocol

from MITOReconstructionLib.errors import InputError, MITOError
from MITOReconstructionLib.live import GrowingScan
from MITOReconstructionLib.scan import Scan
from MITOReconstructionLib.scene.folder import rename_scan, sample_of
from MITOReconstructionLib.scene.host import Node, Scene
from MITOReconstructionLib.scene.parts import VIEW, find_part
from MITOReconstructionLib.scene.scan_scene import PARTS, ScanScene
from MITOReconstructionLib.session.event import Event
from MITOReconstructionLib.session.opening import open_sample
from MITOReconstructionLib.session.places import same_place
from MITOReconstructionLib.session.region_list import RegionList
from MITOReconstructionLib.session.state import State

__all__ = ["OpenScans"]

HIDEABLE = [part for part in PARTS if part != "region"]


class Shower(Protocol):
    """Shows a scan, as ``Session.show_scan`` does."""

    def __call__(self, scan: Scan, view: int | None = None, /) -> ScanScene:
        """Show it, at a view where one is given."""


@dataclass
class Opened:
    """A scan that is open.

    scan, regions : of it;
    visible : the parts that were shown when another scan came to the fore.
    """

    scan: Scan
    regions: RegionList
    visible: dict[str, bool] = field(default_factory=dict)


class OpenScans:
    """Opens, chooses and closes scans, and keeps in the state which are open.

    Parameters
    ----------
    scene : vtkMRMLScene
    state : State
    show : callable
        Shows a scan in the scene.
    drop : callable
        Called with the name of a scan that is no longer shown.
    changed : Event
        Told when another scan is looked at.

    Attributes
    ----------
    current : str or None
        Name of the scan that is looked at.
    regions_changed : Event
        After each change of its regions, or where it is another scan.
    trouble : str
        What could not be opened when the scene was; empty where all could.
    """

    def __init__(self, scene: Scene, state: State, show: Shower, drop: Callable[[str], object], changed: Event) -> None:
        self.scene, self.state = scene, state
        self._show, self._drop, self._changed = show, drop, changed
        self._open: dict[str, Opened] = {}
        self._lost: list[dict[str, Any]] = []
        self.current: str | None = None
        self.regions_changed = Event()
        self.trouble = ""
        self._paused = False

    # ---- looking ---------------------------------------------------------------------------------------------------

    @property
    def scans(self) -> list[Scan]:
        """All that are open, in the order of opening."""
        return [opened.scan for opened in self._open.values()]

    @property
    def scan(self) -> Scan | None:
        """The one that is looked at."""
        return None if self.current is None else self._open[self.current].scan

    @property
    def regions(self) -> RegionList | None:
        """Its regions."""
        return None if self.current is None else self._open[self.current].regions

    # ---- opening and closing ---------------------------------------------------------------------------------------

    def open(
        self, folder: str | Path, name: str | None = None, view: int | None = None, *, growing: bool = False, recorded: int | None = None
    ) -> Scan:
        """Open a sample, or open it again, and look at it, at the view that the scene shows of it where none is given.

        One of a name that is taken gets a number: by another one that is open, or whose regions and volumes are still in the
        scene, unless its sample is no longer where it was: then this is the same one, elsewhere. Where ``growing`` says so, it
        may be one that is still being recorded; ``recorded`` is the number of views of one whose recording was aborted.

        Raises
        ------
        InputError
            When it cannot be read; what was open stays open.
        """
        scan = open_sample(folder, name, growing=growing, recorded=recorded)
        known = next((key for key, opened in self._open.items() if same_place(opened.scan.folder, scan.folder)), None)
        title = self._free(scan.name, scan.folder) if known is None else known
        if title != scan.name:
            scan = open_sample(folder, title, growing=growing, recorded=recorded)
        shown = self._show(scan, self._kept_view(scan) if view is None else view)
        shown.folder.note_sample(str(scan.folder or ""))
        self._lost = [entry for entry in self._lost if entry.get("name") != title]
        before = self._open.get(title)
        if before is not None and before.scan.geometry == scan.geometry and before.scan.default_grid == scan.default_grid:
            regions = before.regions
            regions.follow(shown, scan)
        else:
            regions = RegionList(self.scene, shown, scan)
            regions.display.paused = self._paused
            regions.changed.connect(self._regions_changed)
            if before is not None:
                before.regions.close()
                regions.chosen_key = before.regions.chosen_key
        self._open[title] = Opened(scan, regions, {} if before is None else before.visible)
        self._look_at(title)
        self.state.keep()
        return scan

    def replace(self, scan: Scan, shown: ScanScene) -> None:
        """Go on with another object of an open scan of that name, whose geometry and default grid are the same."""
        opened = self._open[scan.name]
        opened.scan = scan
        opened.regions.follow(shown, scan)
        self.keep()

    def choose(self, name: str) -> Scan:
        """Look at another scan that is open: its parts are shown, and those of the others hidden.

        Raises
        ------
        InputError
            When no scan of that name is open.
        """
        self._require(name)
        if name != self.current:
            self._look_at(name)
        return self._open[name].scan

    def _look_at(self, name: str) -> None:
        if name != self.current:
            if self.current is not None:
                self._hide(self._open[self.current])
            self.current = name
            opened = self._open[name]
            shown = self._show(opened.scan)
            for part, visible in opened.visible.items():
                shown.set_visible(part, visible)
            opened.visible.clear()
            opened.regions.display.hidden = False
        self._changed()
        self._regions_changed()

    def close(self, name: str) -> None:
        """Close a scan: trajectory, source, detector and rays are taken out of the scene.

        Its volumes stay in its folder, and so do its regions, hidden: opened again it has them.

        Raises
        ------
        InputError
            When no scan of that name is open.
        """
        self._require(name)
        opened = self._open[name]
        opened.regions.chosen_key = None
        opened.regions.display.hidden = True
        opened.regions.close()
        shown = self._show(opened.scan)
        del self._open[name]
        shown.volumes.clear()
        shown.remove_models()
        self._drop(name)
        if self.current == name:
            self.current = None
            if self._open:
                self._look_at(next(reversed(self._open)))
            else:
                self._changed()
        else:
            self._changed()
        self._regions_changed()

    def _hide(self, opened: Opened) -> None:
        shown = self._show(opened.scan)
        opened.visible = {part: shown.is_visible(part) for part in HIDEABLE}
        for part in HIDEABLE:
            shown.set_visible(part, False)
        opened.regions.display.hidden = True

    def _require(self, name: str) -> None:
        if name not in self._open:
            known = ", ".join(self._open) or "none"
            raise InputError("scan", expected=f"one that is open: {known}", found=repr(name), remedy="Open it first.")

    def _kept_view(self, scan: Scan) -> int | None:
        """The view that a scene shows of a scan already, where it was saved with it."""
        for node in find_part(self.scene, "vtkMRMLModelNode", "detector", scan.name):
            with contextlib.suppress(TypeError, ValueError):
                view = int(node.GetAttribute(VIEW))
                return view if 0 <= view < scan.geometry.views else None
        return None

    def _free(self, name: str, folder: Path | None) -> str:
        number = 2
        free = name
        while free in self._open or self._belongs_to_another(free, folder):
            free, number = f"{name} {number}", number + 1
        return free

    def _belongs_to_another(self, name: str, folder: Path | None) -> bool:
        """Whether the scene has things of a scan of that name whose sample is another one."""
        kept = sample_of(self.scene, name)
        return bool(kept) and not same_place(kept, folder) and os.path.isfile(Path(kept) / "metadata.json")

    # ---- the state -------------------------------------------------------------------------------------------------

    def keep(self) -> None:
        """Write into the state what is open and looked at. The view is an attribute of the detector's node."""
        if not self._open and not self._lost and not self.state.scans:
            return
        entries = [self._told(opened) for opened in self._open.values() if opened.scan.folder is not None]
        regions = self.regions
        chosen = None if regions is None else regions.chosen_key
        self.state.update(scans=[*entries, *self._lost], scan=self.current or "", region=chosen or "")

    def _told(self, opened: Opened) -> dict[str, Any]:
        scan = opened.scan
        told = {"name": scan.name, "folder": str(scan.folder), "region": opened.regions.chosen_key or ""}
        recorded = scan.recording.get("recorded_views")
        return {**told, "visible": dict(opened.visible) or None, "growing": isinstance(scan, GrowingScan), "recorded": recorded}

    def restore(self, nodes: Sequence[Node] = ()) -> None:
        """Open what the state names. What cannot be opened is said in ``trouble``, and stays named in the state.

        Parameters
        ----------
        nodes : sequence of vtkMRMLNode
            Those that came with the state, where it is that of a scene that was added: of a scan whose name is taken here they
            get its new name.
        """
        entries, current, problems = self.state.scans, self.state.scan, []
        self._lost = []
        chosen: dict[str, dict[str, Any]] = {}
        for entry in entries:
            name, folder = str(entry.get("name")), str(entry.get("folder"))
            try:
                kind = {"growing": entry.get("growing") is True, "recorded": entry.get("recorded")}
                scan = self.open(folder, self._apart(name, folder, nodes), **kind)
            except MITOError as error:
                self._lost.append(entry)
                problems.append(f"{name}: {error}")
                continue
            chosen[scan.name] = entry
            self._open[scan.name].regions.chosen_key = entry.get("region") or None
        if current in self._open:
            self._look_at(current)
        for name, entry in chosen.items():
            if name != self.current and isinstance(entry.get("visible"), dict):
                self._open[name].visible = {part: bool(entry["visible"].get(part, True)) for part in HIDEABLE}
        self.trouble = " ".join(problems)
        self.keep()
        self._changed()

    def _apart(self, name: str, folder: str, nodes: Sequence[Node]) -> str:
        """The name of a scan of a scene that was added: its own, or a free one, which its nodes have then."""
        known = any(same_place(opened.scan.folder, folder) for opened in self._open.values())
        title = name if known else self._free(name, Path(folder))
        if title != name:
            rename_scan(self.scene, nodes, name, folder, title)
        return title

    @property
    def paused(self) -> bool:
        """Whether no region has handles for the time being, because another module is open."""
        return self._paused

    @paused.setter
    def paused(self, value: bool) -> None:
        self._paused = bool(value)
        for opened in self._open.values():
            opened.regions.display.paused = self._paused

    def look(self) -> None:
        """See what others have done to the regions in the scene."""
        for opened in list(self._open.values()):
            opened.regions.look()

    def forget(self) -> None:
        """The scene was closed."""
        for opened in self._open.values():
            opened.regions.close()
        self._open.clear()
        self._lost.clear()
        self.current, self.trouble = None, ""
        self.state.forget()

    def _regions_changed(self) -> None:
        self.keep()
        self.regions_changed()
