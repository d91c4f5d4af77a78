"""The image of a live slice in the scene: a volume node of one slice that lies exactly on its plane."""

from __future__ import annotations

import numpy as np

from MITOReconstructionLib.live import Plane, SliceResult
from MITOReconstructionLib.scene.host import Node, Scene, nodes_of_class, numpy_support
from MITOReconstructionLib.scene.image import ImageNode, grey_display
from MITOReconstructionLib.scene.parts import ModelPart, Part, cell_array, keep_renamed, part_node
from MITOReconstructionLib.scene.window import contrast_of

__all__ = ["LIVE", "PINNED", "PinnedPlane", "SliceVolume", "composite_of", "free_pin_number"]

LIVE, PINNED = "live", "pinned"
"""Parts: a volume node that follows a slice view, and one that stays."""


class SliceVolume(Part):
    """A vtkMRMLScalarVolumeNode of shape (n, m, 1) with the image of a plane.

    Parameters
    ----------
    scene : vtkMRMLScene
    scan : str
        Name of the scan.
    name : str
        Of the node.
    part : {"live", "pinned"}
        What follows a view is not saved with the scene.
    """

    def __init__(self, scene: Scene, scan: str, name: str, part: str = LIVE) -> None:
        node = part_node(scene, "vtkMRMLScalarVolumeNode", scan, part, name)
        super().__init__(scene, [node])
        node.SetSaveWithScene(part == PINNED)
        grey_display(node).SetSaveWithScene(part == PINNED)
        self._image = ImageNode(node)
        self.shown: SliceResult | None = None
        self._passing = name if part == LIVE else None

    def remove(self) -> None:
        """Take it out of the scene; one that follows a view and that somebody has renamed stays, and is theirs."""
        if self._passing is None or not keep_renamed(self.node, self._passing):
            super().remove()

    @property
    def plane(self) -> Plane | None:
        """Where it lies; None before the first image."""
        return None if self.shown is None else self.shown.plane

    def show(self, result: SliceResult) -> None:
        """Put an image where its plane is. The first one sets window and level; afterwards these are the user's."""
        was = self.node.StartModify()
        self._image.write(result.image[:, :, None])
        matrix = result.plane.matrix()
        self._image.place(matrix[:3, :3], matrix[:3, 3])
        self.node.EndModify(was)
        self.shown = result

    def set_window(self, low: float, high: float) -> None:
        """Show ``low`` as black and ``high`` as white."""
        grey_display(self.node).SetWindowLevelMinMax(low, high)

    @property
    def window(self) -> tuple[float, float]:
        """What is shown as black and as white."""
        display = grey_display(self.node)
        return float(display.GetWindowLevelMin()), float(display.GetWindowLevelMax())

    def fit_window(self) -> None:
        """Set window and level to the object in the image."""
        if self.shown is not None:
            contrast = contrast_of(self.shown.image)
            self.set_window(contrast.low, contrast.high)


class PinnedPlane(ModelPart):
    """A rectangle in the 3D views with the image of a pinned slice on it.

    Parameters
    ----------
    scene : vtkMRMLScene
    scan, part : str
        Name of the scan, and of this part.
    volume : SliceVolume
        Gives place and texture.
    """

    def __init__(self, scene: Scene, scan: str, part: str, volume: SliceVolume) -> None:
        super().__init__(scene, scan, part, np.zeros((4, 3)), polygons=cell_array(np.array([[0, 1, 2, 3]])))
        corners = numpy_support.numpy_to_vtk(np.array([[0, 0], [1, 0], [1, 1], [0, 1]], dtype=np.float32), deep=True)
        corners.SetName("TextureCoordinates")
        self.polydata.GetPointData().SetTCoords(corners)
        self.node.SetSaveWithScene(False)
        display = self.display
        was = display.StartModify()
        display.SetSaveWithScene(False)
        display.SetScalarVisibility(False)
        display.SetLighting(False)
        display.SetBackfaceCulling(False)
        display.SetInterpolateTexture(True)
        display.SetTextureImageDataConnection(volume.node.GetDisplayNode().GetOutputImageDataConnection())
        display.EndModify(was)
        self.style(colour=(1.0, 1.0, 1.0))

    def show(self, plane: Plane) -> None:
        """Move it to the outer edges of a plane's pixels."""
        n, m = plane.shape
        ends = ((-0.5, -0.5), (n - 0.5, -0.5), (n - 0.5, m - 0.5), (-0.5, m - 0.5))
        self.move(np.array([plane.position(i, j) for i, j in ends]))

    def remove(self) -> None:
        """Take it out of the scene."""
        if self.display is not None:
            self.display.SetTextureImageDataConnection(None)
        super().remove()


def free_pin_number(scene: Scene, scan: str) -> int:
    """The first number that no pinned slice of a scan has in its name, with its plane: one of before, or of a saved scene, stays."""
    number = 1
    while any(scene.GetFirstNodeByName(f"{scan} {kind} {number}") is not None for kind in ("pinned", "pinned plane")):
        number += 1
    return number


def composite_of(scene: Scene, view: Node) -> Node:
    """The vtkMRMLSliceCompositeNode of a slice view; None where it has none."""
    nodes = nodes_of_class(scene, "vtkMRMLSliceCompositeNode")
    return next((node for node in nodes if node.GetLayoutName() == view.GetLayoutName()), None)
