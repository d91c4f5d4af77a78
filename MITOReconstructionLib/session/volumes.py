"""What a session does with the volumes of the scene. Without Qt."""

from __future__ import annotations

import os
from pathlib import Path
from typing import Any

from MITOReconstructionLib.errors import InputError
from MITOReconstructionLib.jobs import Job, Volume, options_of
from MITOReconstructionLib.scan import Scan, open_scan
from MITOReconstructionLib.scene.difference import difference
from MITOReconstructionLib.scene.folder import ScanFolder
from MITOReconstructionLib.scene.host import Node, Scene, nodes_of_class
from MITOReconstructionLib.scene.parts import PART, SCAN, find_part
from MITOReconstructionLib.scene.rendering import LOOKS
from MITOReconstructionLib.scene.results import adopt, fit_window, render, volume_of
from MITOReconstructionLib.scene.scan_scene import ScanScene
from MITOReconstructionLib.scene.slices import fit_slices, show_in_slices
from MITOReconstructionLib.scene.volume import VolumePart, provenance_of
from MITOReconstructionLib.session.event import Event
from MITOReconstructionLib.session.names import free_name

__all__ = ["VolumeActions"]


class VolumeActions:
    """The part of a :class:`Session` that is about volumes.

    Attributes
    ----------
    newest : str
        ID of the volume node that this session has made last.
    """

    newest = ""
    scene: Scene
    results_changed: Event
    _shown: dict[str, tuple[Scan, ScanScene]]
    _looked_at: set[tuple[str, str]]

    def show_scan(self, scan: Scan, view: int | None = None) -> ScanScene:
        """Show a scan."""
        raise NotImplementedError

    def add_run(self, scan: Scan, name: str | None = None, **options: Any) -> Job:
        """Reconstruct a scan in the background."""
        raise NotImplementedError

    # ---- which there are ---------------------------------------------------------------------------------------------

    def show_volume(self, volume: Volume, scan: Scan, name: str | None = None) -> Node:
        """Show a volume beside its scan; the volume node is returned. One of the same name is replaced."""
        title = name or str(volume.provenance.get("method", "volume"))
        node = self.show_scan(scan).show_volume(volume.array, volume.grid, title, provenance=volume.provenance).node
        self._rendered_alone(node)
        self._made(node)
        return node

    def show_result(self, volume: Volume, scan: Scan, name: str) -> Node:
        """As :meth:`show_volume`, but as a new volume, and the scan is left as it is shown, or not shown.

        Meanwhile the scan may have been closed or opened anew, and another volume may have been given the name.
        """
        name = free_name(name, self.names_of(scan.name))
        _scan, shown = self._shown.get(scan.name, (None, None))
        if shown is not None:
            node = shown.show_volume(volume.array, volume.grid, name, provenance=volume.provenance).node
        else:
            part = VolumePart(self.scene, scan.name, name)
            part.show(volume.array, volume.grid, volume.provenance)
            part.visible, node = True, part.node
            ScanFolder(self.scene, scan.name).add(node)
        self._rendered_alone(node)
        self._made(node)
        return node

    def names_of(self, scan: str) -> set[str]:
        """Names of the volumes of a scan."""
        return {node.GetName() for node in self.results() if node.GetAttribute(SCAN) == scan}

    def results(self) -> list[Node]:
        """The volume nodes of the scene that reconstructions made, the first one first; those from NRRD files that say so too."""
        self.adopt_files()
        return find_part(self.scene, "vtkMRMLScalarVolumeNode", "volume")

    def adopt_files(self) -> None:
        """Take volumes that were loaded from NRRD files into the results, where the files say how they came to be."""
        for node in self.strangers():
            storage = node.GetStorageNode()
            if storage is not None and storage.GetFileName():
                self._looked_at.add(self._mark(node))
                adopt(node)

    def strangers(self) -> list[Node]:
        """Volumes that are no part of a scan, and whose files were not looked at yet."""
        nodes = nodes_of_class(self.scene, "vtkMRMLScalarVolumeNode")
        return [node for node in nodes if node.GetAttribute(PART) is None and self._mark(node) not in self._looked_at]

    @staticmethod
    def _mark(node: Node) -> tuple[str, str]:
        storage = node.GetStorageNode()
        return str(node.GetID()), "" if storage is None else str(storage.GetFileName() or "")

    # ---- one of them -------------------------------------------------------------------------------------------------

    def volume(self, node: Node) -> Volume:
        """The volume in a node: ``array``, ``grid``, ``provenance``.

        Raises
        ------
        InputError
            When it is no volume along the axes of RAS.
        """
        return volume_of(node)

    def save(self, node: Node, path: str | os.PathLike[str]) -> None:
        """Write a volume with its provenance into an NRRD file.

        Raises
        ------
        InputError
            When the name cannot be used.
        WorkError
            When writing fails; nothing is left under the name, or what was there before.
        """
        volume_of(node).save(path)

    def rerun(self, node: Node, name: str | None = None, **changes: Any) -> Job:
        """Reconstruct again what made a volume, after the runs that wait already.

        Parameters
        ----------
        node : vtkMRMLScalarVolumeNode
            Of a run, of a saved scene, or loaded from an NRRD file that this program wrote.
        name : str, optional
            Of the new volume.
        **changes
            Options in the place of those of then, and further ones, as of :meth:`Session.start`.

        Raises
        ------
        InputError
            When the provenance does not suffice, or the sample is not where it was.
        """
        provenance = provenance_of(node)
        options = options_of(provenance, volume_of(node).grid) | changes
        return self.add_run(self._scan_of(provenance, node.GetAttribute(SCAN)), name, **options)

    def show_in_views(self, node: Node, *, spare_live: bool = False) -> None:
        """Show a volume in the slice views, as large as they are; those that show live slices may be spared."""
        show_in_slices(self.scene, node, spare_live=spare_live)
        fit_slices(self.scene, spare_live=spare_live)

    def fit_window(self, node: Node | None = None, low: float = 0.5, high: float = 99.5) -> None:
        """Set window and level of a volume, or of each one, to two percentiles of its object's values.

        Raises
        ------
        InputError
            When the percentiles do not rise.
        """
        for each in self.results() if node is None else [node]:
            fit_window(each, low, high)

    def render(self, node: Node, look: str | None = LOOKS[0]) -> None:
        """Show a volume in the 3D views as wood, in the place of any other: "knots" in a veil, solid with "rings"; None: no longer.

        Raises
        ------
        InputError
            When there is no such look.
        """
        render(self.scene, node, look)

    # ---- two of them -------------------------------------------------------------------------------------------------

    def compare(self, first: Node, second: Node, opacity: float = 0.5, *, spare_live: bool = False) -> None:
        """Show a volume in the slice views and another one over it, with an opacity of 0 to 1; views of live slices may be spared."""
        show_in_slices(self.scene, first, second, opacity, spare_live=spare_live)
        fit_slices(self.scene, spare_live=spare_live)

    def difference(self, first: Node, second: Node) -> Node:
        """The node of a new volume, first - second, where both are; the second is resampled where its voxels are others.

        Its name has those of the two, with those of their scans where these are not the same.

        Raises
        ------
        InputError
            When they have no place in common, or are no volumes along the axes of RAS.
        """
        names, scans = [first.GetName(), second.GetName()], [node.GetAttribute(SCAN) or "" for node in (first, second)]
        if scans[0] != scans[1]:
            names = [f"{name} ({scan})" if scan else name for name, scan in zip(names, scans, strict=True)]
        volume = difference(volume_of(first), volume_of(second), (names[0], names[1]))
        scan = scans[0] or "Reconstructions"
        part = VolumePart(self.scene, scan, self._free_title(f"{names[0]} - {names[1]}", scan))
        part.show(volume.array, volume.grid, volume.provenance)
        reach = max(abs(float(volume.array.min())), abs(float(volume.array.max()))) or 1.0
        part.node.GetScalarVolumeDisplayNode().SetWindowLevelMinMax(-reach, reach)
        ScanFolder(self.scene, scan).add(part.node)
        self._made(part.node)
        return part.node

    # ---- helpers -----------------------------------------------------------------------------------------------------

    def _free_title(self, title: str, scan: str) -> str:
        """The title of a difference, or with a number in brackets, for one without them would belong to the second name."""
        taken, number, free = self.names_of(scan), 1, title
        while free in taken:
            number += 1
            free = f"{title} ({number})"
        return free

    def _made(self, node: Node) -> None:
        self.newest = node.GetID()
        self.results_changed()

    def _rendered_alone(self, node: Node) -> None:
        """Volumes that are in the same place are not rendered together."""
        for other in self.results():
            if other is not node:
                render(self.scene, other, None)

    def _scan_of(self, provenance: dict[str, Any], name: str | None) -> Scan:
        """The scan that a volume was made from: one that is shown already, or opened from where it was."""
        sample = str(provenance.get("sample", ""))
        known = [scan for scan, _ in self._shown.values()]
        for scan in known:
            if (scan.folder is not None and Path(scan.folder) == Path(sample)) or (scan.folder is None and scan.name == sample):
                return scan
        if sample and os.path.isfile(Path(sample) / "metadata.json"):
            return open_scan(sample, name=name, recorded=provenance.get("recorded_views"))
        for scan in known:
            if scan.name in (name, Path(sample).name):  # the sample was moved and loaded from where it is now
                return scan
        raise InputError(
            "sample", expected=f"the folder {sample}", found="no sample there", remedy="Load it from where it is now, and run it again."
        )
