"""The outline of a grid: where a volume is, or will be. Regions, which a person draws, are in ``regions.py``."""

from __future__ import annotations

from MITOReconstructionLib.geometry import VolumeGrid
from MITOReconstructionLib.scene.host import Scene
from MITOReconstructionLib.scene.parts import Part, only_node

__all__ = ["GridBox"]


class GridBox(Part):
    """A vtkMRMLMarkupsROINode whose box is the outer edges of a grid.

    Parameters
    ----------
    scene : vtkMRMLScene
    scan : str
        Name of the scan.
    """

    def __init__(self, scene: Scene, scan: str) -> None:
        node = only_node(scene, "vtkMRMLMarkupsROINode", scan, "region", f"{scan} region")
        super().__init__(scene, [node])
        if node.GetDisplayNode() is None:
            node.CreateDefaultDisplayNodes()
        display = node.GetDisplayNode()
        was = display.StartModify()
        display.SetFillOpacity(0.0)
        display.SetPropertiesLabelVisibility(False)
        display.SetPointLabelsVisibility(False)
        display.SetGlyphScale(0.0)
        display.SetHandlesInteractive(False)
        display.EndModify(was)
        self.style(colour=(0.2, 0.9, 0.85), line_width=2.0)

    def show(self, grid: VolumeGrid) -> None:
        """Put the box around a grid's outer edges."""
        was = self.node.StartModify()
        self.node.SetCenter(*((a + b) / 2 for a, b in zip(grid.minimum, grid.maximum, strict=True)))
        self.node.SetSize(*(b - a for a, b in zip(grid.minimum, grid.maximum, strict=True)))
        self.node.EndModify(was)

    @property
    def bounds(self) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
        """Minimum and maximum of the box in mm, RAS."""
        b = [0.0] * 6
        self.node.GetRASBounds(b)
        return (b[0], b[2], b[4]), (b[1], b[3], b[5])
