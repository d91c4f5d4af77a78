"""The regions of a scan, without Qt: named, chosen, changed, undone, saved; the scene shows them."""

from __future__ import annotations

import os
import uuid
from collections.abc import Iterable, Iterator, Sequence
from typing import Any, NamedTuple

from MITOReconstructionLib.errors import InputError
from MITOReconstructionLib.geometry import VolumeGrid
from MITOReconstructionLib.scan import Scan
from MITOReconstructionLib.scan.region_files import read_regions, write_regions
from MITOReconstructionLib.scan.regions import Coverage, Region, fit, proposed_views
from MITOReconstructionLib.scene.host import Node, Scene
from MITOReconstructionLib.scene.regions import Entry
from MITOReconstructionLib.scene.scan_scene import ScanScene
from MITOReconstructionLib.session.event import Event
from MITOReconstructionLib.session.names import distinct, free_name
from MITOReconstructionLib.session.region_display import RegionDisplay
from MITOReconstructionLib.session.undo import History

__all__ = ["RegionList"]

NEW_SHARE = 0.5
"""Share of the default volume's sides that a new region has."""


class _State(NamedTuple):
    entries: tuple[Entry, ...] = ()
    chosen: str | None = None


class RegionList:
    """The regions of one scan, by their names, and the one that is chosen to be reconstructed.

    Every change goes into the scene at once and can be undone; dragging a handle is one step.

    Parameters
    ----------
    scene : vtkMRMLScene
    shown : ScanScene
        The scan, as it is shown.
    scan : Scan

    Attributes
    ----------
    display : RegionDisplay
        ``editing``, ``positions``, ``paused`` and ``hidden``, each on or off; ``view_range``.
    changed : Event
        After each change, of the list, of a region, of the choice.
    """

    def __init__(self, scene: Scene, shown: ScanScene, scan: Scan) -> None:
        self.changed = Event()
        self._scan = scan
        self.display = RegionDisplay(scene, shown, scan, self, self._refresh)
        self._proposed: tuple[VolumeGrid, tuple[int, int] | None] | None = None
        self._before: _State | None = None  # a drag goes on, that began with this
        self._refreshing = False
        self._history = History(_State(distinct(self.display.nodes.found())))
        self._refresh()

    # ---- looking ---------------------------------------------------------------------------------------------------

    def __len__(self) -> int:
        return len(self._state.entries)

    def __iter__(self) -> Iterator[Region]:
        return iter([entry.region for entry in self._state.entries])

    def __contains__(self, name: object) -> bool:
        return name in self.names

    def __getitem__(self, name: str) -> Region:
        return self._entry(name).region

    @property
    def names(self) -> list[str]:
        """Names in the order of the list."""
        return [entry.region.name for entry in self._state.entries]

    @property
    def covered(self) -> Coverage:
        """What the scan covers: no region leaves it."""
        return self.display.nodes.covered

    @property
    def chosen(self) -> str | None:
        """Name of the region that is to be reconstructed, and that has handles in the views; None for the whole volume.

        Setting it is no step that can be undone. InputError where there is no such region.
        """
        return next((entry.region.name for entry in self._state.entries if entry.key == self._state.chosen), None)

    @chosen.setter
    def chosen(self, name: str | None) -> None:
        key = None if name is None else self._entry(name).key
        if key != self._state.chosen:
            self._history.replace(self._state._replace(chosen=key))
            self._refresh()

    @property
    def chosen_key(self) -> str | None:
        """What stays the same when the chosen region is renamed."""
        return self._state.chosen

    @chosen_key.setter
    def chosen_key(self, key: str | None) -> None:
        known = key if any(entry.key == key for entry in self._state.entries) else None
        self._history.replace(self._state._replace(chosen=known))
        self._refresh()

    @property
    def options(self) -> dict[str, Any]:
        """``grid`` and ``views`` of the chosen region, for ``estimate``, ``start`` and ``reconstruct``; both None for the whole.

        With an automatic view range all views are offered: a method takes those that it needs, and for what lies around
        the region it needs more than those that see it.
        """
        name = self.chosen
        if name is None:
            return {"grid": None, "views": None}
        views = self[name].views
        return {"grid": self.grid(name), "views": None if views is None else slice(*views)}

    def grid(self, name: str) -> VolumeGrid:
        """The voxels of a region."""
        return self[name].grid(self.covered.spacing)

    def views(self, name: str) -> tuple[int, int] | None:
        """First view and the one after the last: those that were set, else those that see the region; None where none does."""
        region = self[name]
        if region.views is not None:
            return region.views
        grid = self.grid(name)
        if self._proposed is None or self._proposed[0] != grid:  # it takes 15 ms for 12,000 views, and is asked several times
            self._proposed = grid, proposed_views(grid, self._scan.geometry)
        return self._proposed[1]

    def node(self, name: str) -> Node:
        """The vtkMRMLMarkupsROINode of a region."""
        return self.display.nodes.node(self._entry(name).key)

    # ---- changing --------------------------------------------------------------------------------------------------

    def add(
        self, name: str | None = None, minimum: Sequence[float] | None = None, maximum: Sequence[float] | None = None, **more: Any
    ) -> Region:
        """Add a region and choose it.

        Parameters
        ----------
        name : str, optional
            'Region 1' and so on by default.
        minimum, maximum : sequence of 3 float, optional
            Edges in mm; the middle of the default volume by default. They are put inside of what the scan covers.
        **more
            ``spacing``, ``shape`` and ``views`` of :class:`MITOReconstructionLib.scan.regions.Region`.

        Raises
        ------
        InputError
            When the name is taken, or a value cannot be used.
        """
        whole = self._scan.default_grid
        share = (1.0 - NEW_SHARE) / 2
        sides = [b - a for a, b in zip(whole.minimum, whole.maximum, strict=True)]
        low = [a + share * side for a, side in zip(whole.minimum, sides, strict=True)] if minimum is None else minimum
        high = [b - share * side for b, side in zip(whole.maximum, sides, strict=True)] if maximum is None else maximum
        title = free_name("Region 1", self.names) if name is None else name
        region = fit(Region(title, low, high, **more), self.covered)  # type: ignore[arg-type]
        self._requirefree_name(region.name)
        self._append([region], f"add {region.name}")
        return region

    def change(self, name: str, *, merge: str = "", **fields: Any) -> Region:
        """Change bounds, voxels or views of a region; what is given as None becomes automatic.

        Parameters
        ----------
        name : str
        merge : str, optional
            Changes of the same thing that follow each other within a second are one step.
        **fields
            ``minimum``, ``maximum``, ``spacing``, ``shape``, ``views``.

        Raises
        ------
        InputError
            When there is no such region, or a value cannot be used.
        """
        entry = self._entry(name)
        region = fit(entry.region.change(**fields), self.covered)
        if region != entry.region:
            self._put(entry.key, region, f"change {name}", merge and f"{entry.key} {merge}")
        return region

    def rename(self, name: str, to: str) -> None:
        """Give a region another name; InputError where it is empty or taken."""
        entry = self._entry(name)
        region = entry.region.change(name=to)
        if region.name != entry.region.name:
            self._requirefree_name(region.name)
            self._put(entry.key, region, f"rename {name}")

    def duplicate(self, name: str) -> Region:
        """Add a region that is the same but for its name, and choose it."""
        region = self[name].change(name=free_name(name, self.names))
        self._append([region], f"duplicate {name}")
        return region

    def delete(self, name: str) -> None:
        """Take a region out; where it was chosen, the next one is, else the one before, else the whole volume."""
        gone = self._entry(name)
        entries = self._state.entries
        place = entries.index(gone)
        left = entries[:place] + entries[place + 1 :]
        chosen = self._state.chosen
        if chosen == gone.key:
            chosen = left[min(place, len(left) - 1)].key if left else None
        self._commit(_State(left, chosen), f"delete {name}")

    # ---- undo ------------------------------------------------------------------------------------------------------

    @property
    def undo_text(self) -> str:
        """What :meth:`undo` takes back; empty where there is nothing."""
        return self._history.undo_text

    @property
    def redo_text(self) -> str:
        """What :meth:`redo` does again; empty where there is nothing."""
        return self._history.redo_text

    def undo(self) -> bool:
        """Take the last change back; whether there was one."""
        return self._went(self._end_drag() and self._history.undo())

    def redo(self) -> bool:
        """Do again what was undone last; whether there was something."""
        return self._went(self._end_drag() and self._history.redo())

    def _went(self, done: bool) -> bool:
        if done:
            self._refresh()
        return done

    # ---- files -----------------------------------------------------------------------------------------------------

    def save(self, path: str | os.PathLike[str]) -> None:
        """Write all regions into a JSON file; InputError or WorkError where it cannot be written."""
        write_regions(path, self, sample=self._scan.name)

    def load(self, path: str | os.PathLike[str]) -> list[str]:
        """Add the regions of a JSON file, also of one that the CT_GUI_Docker client wrote; the first of them is chosen.

        A name that is taken gets a number. Bounds and views come inside of what the scan covers. One step to undo.

        Returns
        -------
        list of str
            The names that they have now.

        Raises
        ------
        InputError
            When the file cannot be read, holds no regions, or one that is outside of what the scan covers altogether;
            nothing is added then.
        """
        taken, added = list(self.names), []
        for region in read_regions(path, views=self.covered.views):
            self._require_near(str(path), region)
            name = free_name(region.name, taken)
            taken.append(name)
            added.append(fit(region.change(name=name), self.covered))
        if added:
            self._append(added, f"read {os.path.basename(path)}")
        return [region.name for region in added]

    def follow(self, shown: ScanScene, scan: Scan) -> None:
        """Go on with the same scan, opened again."""
        self.display.shown = shown
        self.display.scan = self._scan = scan
        self._proposed = None
        self._refresh()

    # ---- the scene -------------------------------------------------------------------------------------------------

    def look(self) -> None:
        """See what others have added to the scene, or taken out of it."""
        if self._refreshing:
            return
        entries = distinct(self.display.nodes.found())
        before = {entry.key for entry in self._state.entries}
        now = {entry.key for entry in entries}
        if now != before:
            chosen = self._state.chosen if self._state.chosen in now else None
            self._commit(_State(entries, chosen), "change in the scene")

    def node_changed(self, key: str, region: Region, dragging: bool) -> None:
        """A region was changed in the scene; see :class:`MITOReconstructionLib.scene.regions.RegionListener`."""
        others = [entry.region.name for entry in self._state.entries if entry.key != key]
        wanted = region.change(name=free_name(region.name, others))
        if not dragging:
            self._put(key, wanted, f"change {wanted.name}", f"{key} node")
            return
        if self._before is None:
            self._before = self._state
        self._history.replace(_replaced(self._state, key, wanted))
        self._refresh()

    def drag_ended(self, key: str) -> None:
        """A handle was let go."""
        del key
        self._end_drag()
        self.changed()

    def _end_drag(self) -> bool:
        before, self._before = self._before, None
        if before is not None and before.entries != self._state.entries:
            now = self._state
            self._history.replace(before)
            self._history.put(now, "drag")
        return True

    def close(self) -> None:
        """Watch the scene no longer; the nodes stay, without handles."""
        self.changed.clear()
        self.display.close()

    # ---- inside ----------------------------------------------------------------------------------------------------

    @property
    def _state(self) -> _State:
        return self._history.state

    def _entry(self, name: str) -> Entry:
        for entry in self._state.entries:
            if entry.region.name == name:
                return entry
        known = ", ".join(self.names) or "none"
        raise InputError("region", expected=f"one of: {known}", found=repr(name), remedy="Choose one of these, or add it.")

    def _requirefree_name(self, name: str) -> None:
        if name in self.names:
            raise InputError("name of a region", expected="one that is not taken", found=repr(name), remedy="Choose another name.")

    def _require_near(self, where: str, region: Region) -> None:
        least, most = self.covered[:2]
        edges = zip(region.minimum, region.maximum, least, most, strict=True)
        if not all(low < limit and high > start for low, high, start, limit in edges):
            raise InputError(
                f"{where}: region '{region.name}'",
                expected=f"a box that reaches into what the scan covers, {_numbers(least)} to {_numbers(most)} mm",
                found=f"{_numbers(region.minimum)} to {_numbers(region.maximum)} mm",
                remedy="Open the sample that the regions were made for.",
            )

    def _append(self, regions: Iterable[Region], text: str) -> None:
        added = tuple(Entry(uuid.uuid4().hex, region) for region in regions)
        self._commit(_State(self._state.entries + added, added[0].key), text)

    def _put(self, key: str, region: Region, text: str, merge: str = "") -> None:
        self._commit(_replaced(self._state, key, region), text, merge)

    def _commit(self, state: _State, text: str, merge: str = "") -> None:
        self._end_drag()
        self._history.put(state, text, merge=merge)
        self._refresh()

    def _refresh(self) -> None:
        """Let scene and listeners have what is."""
        self._refreshing = True
        try:
            name = self.chosen
            self.display.show(self._state.entries, self._state.chosen, None if name is None else self.views(name))
        finally:
            self._refreshing = False
        self.changed()


def _replaced(state: _State, key: str, region: Region) -> _State:
    return state._replace(entries=tuple(Entry(key, region) if entry.key == key else entry for entry in state.entries))


def _numbers(values: Sequence[float]) -> str:
    return "(" + ", ".join(f"{value:.1f}" for value in values) + ")"
