"""The outline of a grid: where a volume is, or will be. Regions, which a person draws, are in ``regions.py``."""

from __future__ import annotations

from collections.abc import Sequence

from MITOReconstructionLib.geometry import VolumeGrid
from MITOReconstructionLib.scene.host import Node, Scene
from MITOReconstructionLib.scene.parts import Part, only_node

__all__ = ["GridBox", "plain_box", "put_box"]


def plain_box(node: Node, fill: float, **switches: bool) -> None:
    """Show a vtkMRMLMarkupsROINode without labels at its points, and as opaque as ``fill`` says, 0 to 1; a display node is made.

    ``switches`` are further ones of the display node by their names, such as ``HandlesInteractive``.
    """
    if node.GetDisplayNode() is None:
        node.CreateDefaultDisplayNodes()
    display = node.GetDisplayNode()
    was = display.StartModify()
    display.SetFillOpacity(fill)
    display.SetPointLabelsVisibility(False)
    for name, on in switches.items():
        getattr(display, f"Set{name}")(on)
    display.EndModify(was)


def put_box(node: Node, minimum: Sequence[float], maximum: Sequence[float]) -> None:
    """Put the box of a vtkMRMLMarkupsROINode, which is neither rotated nor transformed, between two corners in mm."""
    node.SetCenter(*((a + b) / 2 for a, b in zip(minimum, maximum, strict=True)))
    node.SetSize(*(b - a for a, b in zip(minimum, maximum, strict=True)))


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
        plain_box(node, 0.0, PropertiesLabelVisibility=False, HandlesInteractive=False)
        node.GetDisplayNode().SetGlyphScale(0.0)
        self.style(colour=(0.2, 0.9, 0.85), line_width=2.0)

    def show(self, grid: VolumeGrid) -> None:
        """Put the box around a grid's outer edges."""
        was = self.node.StartModify()
        put_box(self.node, grid.minimum, grid.maximum)
        self.node.EndModify(was)

    @property
    def bounds(self) -> tuple[tuple[float, float, float], tuple[float, float, float]]:
        """Minimum and maximum of the box in mm, RAS."""
        b = [0.0] * 6
        self.node.GetRASBounds(b)
        return (b[0], b[2], b[4]), (b[1], b[3], b[5])
