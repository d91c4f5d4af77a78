"""A scan in the scene: its trajectory, source, detector, rays, region and volumes, and moving to another view."""

from __future__ import annotations

import contextlib
from collections.abc import Mapping
from typing import Any, Protocol

import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.errors import InputError
from MITOReconstructionLib.geometry import ScanGeometry, VolumeGrid
from MITOReconstructionLib.scene.detector import DetectorModel
from MITOReconstructionLib.scene.folder import ScanFolder
from MITOReconstructionLib.scene.grid_box import GridBox
from MITOReconstructionLib.scene.host import Scene, prepare_scene
from MITOReconstructionLib.scene.looks import Colour, Look
from MITOReconstructionLib.scene.parts import Part
from MITOReconstructionLib.scene.projection import ProjectionImage
from MITOReconstructionLib.scene.rays import DetectorOutlines, RaysModel
from MITOReconstructionLib.scene.source import SourceModel
from MITOReconstructionLib.scene.trajectory import TrajectoryModel, TrajectoryWindow
from MITOReconstructionLib.scene.volume import VolumePart

__all__ = ["PARTS", "ScanLike", "ScanScene"]

PARTS = ("trajectory", "source", "detector", "rays", "region")
"""The parts that can be shown and hidden, besides the volumes."""

WINDOW_VIEWS = 5
"""Views that the projections' window is chosen by."""


class ScanLike(Protocol):
    """What the scene needs to know of a scan."""

    @property
    def name(self) -> str:
        """Name shown to people."""

    @property
    def geometry(self) -> ScanGeometry:
        """Where source and detector are."""

    @property
    def default_grid(self) -> VolumeGrid:
        """The grid that a reconstruction is made on by default."""

    def projection(self, view: int, /) -> NDArray[np.float32]:
        """Line integrals of one view, float32, shape (columns, rows)."""


class ScanScene:
    """Shows a scan in a scene. Moving to another view changes what nodes contain, never which nodes there are.

    A scene that holds the scan's nodes already, because it was saved and opened again, keeps and reuses them.

    Parameters
    ----------
    scene : vtkMRMLScene
        ``slicer.mrmlScene`` inside Slicer.
    scan : ScanLike
    view : int, optional
        View to begin with.

    Raises
    ------
    InputError
        When ``scene`` is no scene, or the view is outside the scan.
    """

    def __init__(self, scene: Scene, scan: ScanLike, *, view: int = 0) -> None:
        prepare_scene(scene)
        self.scene = scene
        self.scan = scan
        geometry, name = scan.geometry, scan.name
        self.view = self._checked(view)
        self.around = 0
        self.folder = ScanFolder(scene, name)
        self.trajectory = TrajectoryModel(scene, name, geometry)
        self.trajectory_window = TrajectoryWindow(scene, name, geometry)
        self.source = SourceModel(scene, name, geometry)
        self.projection = ProjectionImage(scene, name, geometry)
        self.detector = DetectorModel(scene, name, geometry, self.projection)
        self.outlines = DetectorOutlines(scene, name, geometry)
        self.rays = RaysModel(scene, name, geometry)
        self.region: GridBox | None = None
        self.volumes: dict[str, VolumePart] = {}
        for part in self._models():
            self.folder.add(part.node)
        if self.projection.window_is_automatic:
            self.projection.fit_window(_samples(scan))
        self.show_view(view)

    def _models(self) -> tuple[Part, ...]:
        return (self.trajectory, self.trajectory_window, self.source, self.detector, self.outlines, self.rays, self.projection)

    def _checked(self, view: int) -> int:
        return int(self.scan.geometry.view_indices(np.array([view]))[0])

    # ---- moving ----------------------------------------------------------------------------------------------------

    def show_view(self, index: int, projection: NDArray[np.float32] | None = None) -> None:
        """Move source, rays and detector to a view and put its projection on the detector.

        Parameters
        ----------
        index : int
            View; negative values count from the end.
        projection : float32, shape (columns, rows), optional
            What to show on the detector, a simulated or a filtered projection, say; the scan's own by default.

        Raises
        ------
        InputError
            When the view is outside the scan, or the projection has another shape than the detector.
        """
        view = self._checked(index)
        self.projection.show(view, self.scan.projection(view) if projection is None else projection)
        self.view = view
        self.source.show(view)
        self.rays.show(view)
        self.detector.show(view)
        self._move_window()

    def show_window(self, around: int) -> None:
        """Show also the views around the current one: their stretch of the trajectory and outlines of the detector.

        Parameters
        ----------
        around : int
            Views to either side; 0 hides the window.

        Raises
        ------
        InputError
            When the number is negative.
        """
        if around < 0:
            raise InputError("around", expected="a number of views of at least 0", found=str(around), remedy="Give 0 to hide the window.")
        self.around = int(around)
        self._move_window()
        self.trajectory_window.visible = around > 0 and self.trajectory.visible
        self.outlines.visible = around > 0 and self.detector.visible

    def _move_window(self) -> None:
        if self.around:
            first, last = max(0, self.view - self.around), min(self.scan.geometry.views - 1, self.view + self.around)
            self.trajectory_window.show(first, last)
            self.outlines.show(first, last)

    # ---- region and volumes ----------------------------------------------------------------------------------------

    def show_region(self, grid: VolumeGrid | None = None) -> GridBox:
        """Show the outline of a grid, the scan's default grid where none is given."""
        if self.region is None or not self.region.alive:
            self.region = GridBox(self.scene, self.scan.name)
            self.folder.add(self.region.node)
        self.region.show(self.scan.default_grid if grid is None else grid)
        return self.region

    def show_volume(
        self, array: NDArray[np.floating], grid: VolumeGrid, name: str = "volume", provenance: Mapping[str, Any] | None = None
    ) -> VolumePart:
        """Show a volume; one of that name is overwritten in place.

        Parameters
        ----------
        array : float, shape ``grid.shape``, indexed [x, y, z]
            Attenuation per mm.
        grid : VolumeGrid
        name : str, optional
            Name of the volume node.
        provenance : mapping, optional
            How the volume came to be.

        Raises
        ------
        InputError
            When array and grid disagree, or the provenance cannot be kept.
        """
        self.volumes = {part.node.GetName(): part for part in self.volumes.values() if part.alive}  # a renamed one is kept
        part = self.volumes.get(name)
        if part is not None:
            part.show(array, grid, provenance)
            return part
        part = VolumePart(self.scene, self.scan.name, name)
        try:
            part.show(array, grid, provenance)
        except InputError:
            part.remove()
            raise
        part.visible = True
        self.folder.add(part.node)
        self.volumes[name] = part
        return part

    # ---- looks -----------------------------------------------------------------------------------------------------

    def part(self, name: str) -> Part:
        """A part by its name, one of :data:`PARTS`.

        Raises
        ------
        InputError
            When there is no such part.
        """
        part = getattr(self, name, None) if name in PARTS else None
        if part is None and name == "region":
            return self.show_region()
        if not isinstance(part, Part):
            raise InputError("part", expected="one of " + ", ".join(PARTS), found=repr(name), remedy="Choose one of these names.")
        return part

    def set_visible(self, name: str, value: bool) -> None:
        """Show or hide a part, with the views around that belong to it."""
        part = self.part(name)
        part.visible = value
        if name == "trajectory":
            self.trajectory_window.visible = value and self.around > 0
        elif name == "detector":
            self.outlines.visible = value and self.around > 0

    def is_visible(self, name: str) -> bool:
        """Whether a part is shown."""
        return (name != "region" or self.region is not None) and self.part(name).visible

    def style(self, name: str, *, colour: Colour | None = None, opacity: float | None = None, line_width: float | None = None) -> None:
        """Change the look of a part: colour as red, green, blue 0 to 1, opacity 0 to 1, line width in pixels."""
        self.part(name).style(colour=colour, opacity=opacity, line_width=line_width)

    def set_looks(self, looks: Mapping[str, Look]) -> None:
        """Change the looks of parts, by their names as in ``looks.LOOKS``; the others stay as they are."""
        for name, look in looks.items():
            part = getattr(self, name)
            if part.alive:
                part.look(look)

    def set_projection_window(self, low: float, high: float) -> None:
        """Show line integrals of ``low`` as black and of ``high`` as white on the detector."""
        self.projection.set_window(low, high)
        self.detector.refresh()

    def remove(self) -> None:
        """Take everything that this object put into the scene out of it."""
        for part in self.volumes.values():
            part.remove()
        self.volumes.clear()
        self._remove_models()
        self.folder.remove()

    def remove_models(self) -> None:
        """Take everything but volumes out of the scene, and the folder where nothing is left in it."""
        self._remove_models()
        if not self.folder.members:
            self.folder.remove()

    def _remove_models(self) -> None:
        if self.detector.alive:
            self.detector.display.SetTextureImageDataConnection(None)
        for part in (*self._models(), *([self.region] if self.region else [])):
            part.remove()
        self.region = None


def _samples(scan: ScanLike) -> NDArray[np.float32]:
    """Line integrals of a few views along the scan, without those that cannot be read: no pass over the data is made."""
    found = []
    for view in np.unique(np.linspace(0, scan.geometry.views - 1, WINDOW_VIEWS).round().astype(int)):
        with contextlib.suppress(InputError):
            found.append(scan.projection(int(view))[::2, ::2])
    return np.array(found, dtype=np.float32)
