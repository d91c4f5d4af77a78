"""The regions of a scan as Markups ROI nodes that can be dragged, and that never leave what the scan covers."""

from __future__ import annotations

import json
import uuid
import weakref
from collections.abc import Callable, Sequence
from typing import NamedTuple, Protocol

from MITOReconstructionLib.errors import InputError
from MITOReconstructionLib.scan.regions import UNMOVED, Coverage, Region, Three, coverage, fit
from MITOReconstructionLib.scene.folder import ScanFolder
from MITOReconstructionLib.scene.grid_box import plain_box, put_box
from MITOReconstructionLib.scene.host import Node, Scene, prepare_scene, slicer, vtk
from MITOReconstructionLib.scene.parts import PART, SCAN, Part, find_part, leave_hierarchy
from MITOReconstructionLib.scene.scan_scene import ScanLike

__all__ = ["Entry", "RegionListener", "SceneRegions"]

NAMED = "named region"
"""The part of a scan that these nodes are."""

REGION = "MITO.region"
"""Node attribute: key, place in the list, and the region, as JSON; of the box the node itself is believed."""

HIDDEN = "MITO.hidden"
"""Node attribute: there where the region is hidden by :meth:`SceneRegions.hide`, and not by a person, who may have hidden it too."""

COLOUR, PALE = (0.2, 0.9, 0.85), (0.45, 0.6, 0.6)
HANDLE_SIZE = 2.0


class Entry(NamedTuple):
    """A region and its key, which stays the same when it is renamed."""

    key: str
    region: Region


class RegionListener(Protocol):
    """Is told what is done to the nodes by others than this program."""

    def node_changed(self, key: str, region: Region, dragging: bool) -> None:
        """A region was dragged or renamed in the scene; it is inside of what the scan covers."""

    def drag_ended(self, key: str) -> None:
        """A handle was let go."""


class RegionNode(Part):
    """One region as a vtkMRMLMarkupsROINode.

    Parameters
    ----------
    scene : vtkMRMLScene
    node : vtkMRMLMarkupsROINode
    """

    def __init__(self, scene: Scene, node: Node) -> None:
        super().__init__(scene, [node])
        self.dragging, self.place = False, 0
        self.tags: list[int] = []
        plain_box(node, 0.05, RotationHandleVisibility=False)
        node.GetDisplayNode().SetLineThickness(0.3)

    @property
    def box(self) -> tuple[list[float], list[float]] | None:
        """Minimum and maximum of the box in mm, as it is without a rotation or transform; None where it has none yet."""
        centre, size = self.node.GetCenter(), self.node.GetSize()
        if min(size) <= 0.0:
            return None
        return [c - s / 2 for c, s in zip(centre, size, strict=True)], [c + s / 2 for c, s in zip(centre, size, strict=True)]

    @property
    def turned(self) -> bool:
        """Whether somebody has rotated the box, or has made it a bounding box of points."""
        matrix = self.node.GetObjectToNodeMatrix()
        straight = all(matrix.GetElement(i, j) == float(i == j) for i in range(3) for j in range(3))
        return self.node.GetROIType() != self.node.ROITypeBox or not straight

    def write(self, entry: Entry, place: int, scan: str) -> None:
        """Put a region into the node, unrotated. Nothing is done where all is so already."""
        self.place, region = place, entry.region
        told = json.dumps({"key": entry.key, "place": place, "region": region.to_dict()}, sort_keys=True)
        now, node = self.box, self.node
        same = now is not None and region.same_box(region.change(minimum=tuple(now[0]), maximum=tuple(now[1])))
        was = node.StartModify()
        if self.turned:
            node.SetROIType(node.ROITypeBox)
            matrix = node.GetObjectToNodeMatrix()
            for i in range(3):
                for j in range(3):
                    matrix.SetElement(i, j, float(i == j))
            same = False
        if not same:
            put_box(node, region.minimum, region.maximum)
        if node.GetName() != region.name:
            node.SetName(region.name)
        for name, value in ((SCAN, scan), (PART, NAMED), (REGION, told)):
            if node.GetAttribute(name) != value:
                node.SetAttribute(name, value)
        node.EndModify(was)

    def mark(self, *, chosen: bool, editing: bool) -> None:
        """Show the handles of the region that is edited, and only of that one; the others are paler and locked."""
        display = self.node.GetDisplayNode()
        if display is None:
            return
        handles = chosen and editing
        was = display.StartModify()
        display.SetHandlesInteractive(handles)
        display.SetGlyphScale(HANDLE_SIZE if handles else 0.0)
        display.SetPropertiesLabelVisibility(chosen)
        display.EndModify(was)
        self.style(colour=COLOUR if chosen else PALE)
        if bool(self.node.GetLocked()) is handles:
            self.node.SetLocked(not handles)


class SceneRegions:
    """The region nodes of one scan, in the scan's Subject Hierarchy folder.

    What a person drags is put back inside of what the scan covers while it is dragged; a rotation is undone. A transform that
    somebody puts a node below has no effect on the region, and is taken off at the next change: taking it off within the
    event that tells of it would end the application. Nodes that are in the scene already, from a saved scene, are taken up.

    Parameters
    ----------
    scene : vtkMRMLScene
    scan : ScanLike
    listener : RegionListener
    """

    def __init__(self, scene: Scene, scan: ScanLike, listener: RegionListener) -> None:
        prepare_scene(scene)
        self.scene = scene
        self.covered: Coverage = coverage(scan)
        self._scan, self._listener = scan.name, listener
        self._nodes: dict[str, RegionNode] = {}
        self._known: dict[str, Entry] = {}
        self._writing = False

    # ---- from the scene --------------------------------------------------------------------------------------------

    def found(self) -> list[Entry]:
        """Take up nodes of the scan that are in the scene; the entries of all that are there, in their order."""
        places: dict[str, int] = {}
        for node in find_part(self.scene, "vtkMRMLMarkupsROINode", NAMED, self._scan):
            if node.GetScene() is not None and all(part.node is not node for part in self._nodes.values()):
                self._take_up(node)  # which takes copies out of the scene; whoever hears of that may look here too
        for key, part in list(self._nodes.items()):
            if not part.alive:
                leave_hierarchy(self.scene, self._forget(key).node)
            else:
                places[key] = part.place
        return [self._known[key] for key in sorted(places, key=lambda key: places[key])]

    def _take_up(self, node: Node) -> None:
        """Begin with a node that came with a scene, or is a clone; one without a region that can be read is left alone."""
        part = RegionNode(self.scene, node)
        box = part.box
        try:
            told = json.loads(node.GetAttribute(REGION) or "")
            place, key = int(told["place"]), str(told["key"])
            written = told["region"].get("name")
            region = Region.from_dict({**told["region"], "name": node.GetName() or written})
            if box is not None and not region.same_box(dragged := region.change(minimum=tuple(box[0]), maximum=tuple(box[1]))):
                region = dragged
        except (ValueError, KeyError, TypeError, OverflowError, InputError):
            return
        region = fit(region, self.covered)
        if key in self._nodes:
            known = self._known[key].region
            if region.name == written and region.change(name=known.name) == known:  # the scene was added to one that has the region
                part.remove()
                return
            key = uuid.uuid4().hex
        self._nodes[key], self._known[key] = part, Entry(key, region)
        self._write(key, place)
        self._watch(key)

    # ---- into the scene --------------------------------------------------------------------------------------------

    def show(self, entries: Sequence[Entry], chosen: str | None, editing: bool) -> None:
        """Let the scene have these regions and no others."""
        wanted = {entry.key for entry in entries}
        for key in [key for key, part in self._nodes.items() if key not in wanted or not part.alive]:
            self._forget(key).remove()
        for place, entry in enumerate(entries):
            if entry.key not in self._nodes:
                node = self.scene.AddNewNodeByClass("vtkMRMLMarkupsROINode", entry.region.name)
                self._nodes[entry.key] = RegionNode(self.scene, node)
                self._known[entry.key] = entry
                self._write(entry.key, place)
                ScanFolder(self.scene, self._scan).add(node)
                self._watch(entry.key)
            else:
                self._known[entry.key] = entry
                self._write(entry.key, place)
            node = self._nodes[entry.key].node
            if node.GetTransformNodeID() is not None:
                node.SetAndObserveTransformNodeID(None)
            self._nodes[entry.key].mark(chosen=entry.key == chosen, editing=editing)

    def node(self, key: str) -> Node:
        """The node of a region."""
        return self._nodes[key].node

    def _write(self, key: str, place: int) -> None:
        self._writing = True
        try:
            self._nodes[key].write(self._known[key], place, self._scan)
        finally:
            self._writing = False

    # ---- what others do to the nodes -------------------------------------------------------------------------------

    def _watch(self, key: str) -> None:
        kind, part = slicer.vtkMRMLMarkupsROINode, self._nodes[key]
        mine, watched = weakref.ref(self), part.node

        def told(event: int) -> Callable[..., None]:
            def call(*_: object) -> None:
                if (found := mine()) is not None:
                    found._told(key, event)

            return call

        events = (vtk.vtkCommand.ModifiedEvent, kind.PointModifiedEvent)
        drags = (kind.PointStartInteractionEvent, kind.PointEndInteractionEvent)
        part.tags = [watched.AddObserver(event, told(event)) for event in (*events, *drags)]

    def _told(self, key: str, event: int) -> None:
        part = self._nodes.get(key)
        if self._writing or part is None or not part.alive:
            return
        kind = slicer.vtkMRMLMarkupsROINode
        if event == kind.PointStartInteractionEvent:
            part.dragging = True
        self._look(key, part)
        if event == kind.PointEndInteractionEvent:
            part.dragging = False
            self._listener.drag_ended(key)

    def _look(self, key: str, part: RegionNode) -> None:
        """Compare a node with what is known of it; put it right and tell of it where it differs."""
        entry = self._known[key]
        box, name = part.box, (part.node.GetName() or "").strip() or entry.region.name
        region = entry.region if box is None else entry.region.change(minimum=tuple(box[0]), maximum=tuple(box[1]))
        moved = box is None or not entry.region.same_box(region)
        if not moved and name == entry.region.name and part.node.GetName() == name and not part.turned:
            return
        if part.turned or box is None:
            region = entry.region
        now = fit(region, self.covered, entry.region).change(name=name)
        now = now.change(minimum=_settled(now.minimum, entry.region.minimum), maximum=_settled(now.maximum, entry.region.maximum))
        self._known[key] = Entry(key, now)
        self._write(key, part.place)
        if now != entry.region:
            self._listener.node_changed(key, now, part.dragging)

    def _forget(self, key: str) -> RegionNode:
        part = self._nodes.pop(key)
        self._known.pop(key, None)
        for tag in part.tags:
            part.node.RemoveObserver(tag)
        part.tags = []
        return part

    def hide(self, hidden: bool) -> None:
        """Hide all nodes, or show them: where another scan is looked at. What a person has hidden stays so."""
        for part in self._nodes.values():
            node = part.node
            if hidden and part.visible:
                node.SetAttribute(HIDDEN, "1")
                part.visible = False
            elif not hidden and node.GetAttribute(HIDDEN) is not None:
                node.SetAttribute(HIDDEN, None)
                part.visible = True

    def close(self) -> None:
        """Watch the nodes no longer; they stay in the scene."""
        for key in list(self._nodes):
            self._forget(key)


def _settled(edges: Three, before: Three) -> Three:
    """Edges without the noise of single precision: one that has hardly moved is where it was."""
    x, y, z = (old if abs(new - old) <= UNMOVED else new for new, old in zip(edges, before, strict=True))
    return x, y, z
