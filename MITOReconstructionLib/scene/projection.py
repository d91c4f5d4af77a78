"""The projection of the current view as a volume node: one slice of detector pixels with its window and level."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.errors import InputError
from MITOReconstructionLib.geometry import ScanGeometry
from MITOReconstructionLib.scene.host import Scene
from MITOReconstructionLib.scene.image import ImageNode, grey_display
from MITOReconstructionLib.scene.parts import Part, only_node
from MITOReconstructionLib.scene.window import checked_window

__all__ = ["ProjectionImage"]

WINDOW = "MITO.window"
"""Node attribute: the window that was chosen automatically; where the node has another one, a person has changed it."""


class ProjectionImage(Part):
    """A vtkMRMLScalarVolumeNode of shape (columns, rows, 1) that holds the line integrals of the current view.

    It lies in the plane that touches the detector at its midpoint, so that it can also be looked at in a slice view;
    its display node's window and level are those of the detector's texture.
    """

    def __init__(self, scene: Scene, scan: str, geometry: ScanGeometry) -> None:
        self._geometry = geometry
        node = only_node(scene, "vtkMRMLScalarVolumeNode", scan, "projection", f"{scan} projection")
        super().__init__(scene, [node])
        d = geometry.detector
        self._image = ImageNode(node)
        self._image.write(np.zeros((d.columns, d.rows, 1), dtype=np.float32))
        grey_display(node).SetInterpolate(False)

    @property
    def window(self) -> tuple[float, float] | None:
        """What is shown as black and as white; None before anything was shown."""
        display = self.node.GetDisplayNode()
        if self.node.GetAttribute(WINDOW) is None or display is None:
            return None
        return display.GetWindowLevelMin(), display.GetWindowLevelMax()

    @property
    def window_is_automatic(self) -> bool:
        """Whether nobody has changed the window since it was chosen automatically."""
        return self.window is None or self.node.GetAttribute(WINDOW) == _words(self.window)

    @property
    def texture(self) -> object:
        """The pipeline end that gives the windowed image, one RGBA pixel per detector pixel."""
        return self.node.GetDisplayNode().GetOutputImageDataConnection()

    @property
    def array(self) -> NDArray[np.float32]:
        """Line integrals shown, float32, shape (columns, rows); a copy."""
        return self._image.read()[:, :, 0]

    def set_window(self, low: float, high: float) -> None:
        """Show ``low`` as black and ``high`` as white.

        Raises
        ------
        InputError
            When the two are not finite or not in rising order.
        """
        low, high = checked_window(low, high)
        display = self.node.GetDisplayNode()
        if display is not None:  # a person may have deleted it
            display.SetWindowLevelMinMax(low, high)
        if self.node.GetAttribute(WINDOW) is None:
            self.node.SetAttribute(WINDOW, "")

    def fit_window(self, pixels: NDArray[np.float32]) -> None:
        """Choose the window by line integrals, of one or of several views: nearly all of them are within.

        Parameters
        ----------
        pixels : float32, any shape
            What is not finite is left out.
        """
        self.set_window(*_window_of(pixels))
        self.node.SetAttribute(WINDOW, _words(self.window))

    def show(self, view: int, projection: NDArray[np.float32]) -> None:
        """Show a projection.

        Parameters
        ----------
        view : int
        projection : float32, shape (columns, rows)
            Line integrals.

        Raises
        ------
        InputError
            When the shape is not that of the detector.
        """
        d = self._geometry.detector
        pixels = np.asarray(projection)
        if pixels.shape != (d.columns, d.rows):
            raise InputError(
                "projection",
                expected=f"shape (columns, rows) = ({d.columns}, {d.rows})",
                found=f"shape {pixels.shape}",
                remedy="Give the image of one view, columns first.",
            )
        if self.window is None:
            self.fit_window(pixels)
        was = self.node.StartModify()
        self._image.write(pixels[:, :, None])
        self._image.place(*self._plane(view))
        self.node.EndModify(was)

    def _plane(self, view: int) -> tuple[NDArray[np.float64], NDArray[np.float64]]:
        """Directions (three columns, each as long as a pixel) and the first pixel's centre, in mm."""
        g, d = self._geometry, self._geometry.detector
        phi = g.angles[view]
        across = np.array([np.cos(phi), np.sin(phi), 0.0])
        along = np.array([-np.sin(phi), np.cos(phi), 0.0])
        width, height = d.pixel_size
        unit = width / d.column_pitch
        first = g.sources(view)[0] + along * g.source_to_detector + across * d.column_centres()[0] * unit
        first[2] += d.row_centres()[0]
        return np.stack([across * width, np.array([0.0, 0.0, height]), -along], axis=1), first


def _window_of(pixels: NDArray[np.float32]) -> tuple[float, float]:
    finite = pixels[np.isfinite(pixels)]
    if finite.size == 0:
        return 0.0, 1.0
    low, high = (float(v) for v in np.percentile(finite, [0.5, 99.8]))
    low = min(low, 0.0) if low < 0.1 * high else low
    return (low, high) if high > low else (low, low + 1.0)


def _words(window: tuple[float, float] | None) -> str:
    return "" if window is None else f"{window[0]:.6g} {window[1]:.6g}"
