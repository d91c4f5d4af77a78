"""Text in pictures: orientation letters at the edges of slice views, and the coloured bar above each view."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.scene.host import Node, numpy_support, vtk

__all__ = ["annotate_slice", "title_bar"]

_LETTERS = {"Axial": "RLAP", "Coronal": "RLSI", "Sagittal": "APSI"}
"""Letters at the left, right, top and bottom edge, as Slicer's default orientations have them."""


def annotate_slice(renderer: Node, orientation: str, size: tuple[int, int]) -> None:
    """Add the orientation letters to a slice view of the given width and height in pixels."""
    width, height = size
    places = ((8, height / 2, 0, 1), (width - 8, height / 2, 2, 1), (width / 2, height - 8, 1, 2), (width / 2, 34, 1, 0))
    for letter, (x, y, across, along) in zip(_LETTERS[orientation], places, strict=True):
        text = vtk.vtkTextActor()
        text.SetInput(letter)
        text.SetPosition(x, y)
        style = text.GetTextProperty()
        style.SetFontSize(18)
        style.SetBold(True)
        style.SetColor(1.0, 1.0, 1.0)
        style.SetShadow(True)
        style.SetJustification(across)
        style.SetVerticalJustification(along)
        renderer.AddViewProp(text)


def title_bar(text: str, width: int, height: int, colour: tuple[int, int, int]) -> NDArray[np.uint8]:
    """A bar of one colour with a dark text at its left.

    Returns
    -------
    uint8, shape (height, width, 3)
    """
    bar = np.empty((height, width, 3), dtype=np.uint8)
    bar[...] = colour
    style = vtk.vtkTextProperty()
    style.SetFontSize(max(8, round(height * 0.62)))
    style.SetBold(True)
    style.SetColor(1.0, 1.0, 1.0)
    image = vtk.vtkImageData()
    size = [0, 0]
    if not vtk.vtkTextRenderer.GetInstance().RenderString(style, text, image, size, 72):
        return bar
    columns, rows, _ = image.GetDimensions()
    drawn = numpy_support.vtk_to_numpy(image.GetPointData().GetScalars()).reshape(rows, columns, -1)[::-1]
    left, top = height // 3, 0
    drawn = drawn[drawn[:, :, 3].any(axis=1)][: height - 2, : max(0, width - left)]
    top = (height - drawn.shape[0]) // 2
    share = drawn[:, :, 3:].astype(np.float64) / 255.0
    patch = bar[top : top + drawn.shape[0], left : left + drawn.shape[1]]
    patch[...] = np.round(patch * (1.0 - share) + 20.0 * share).astype(np.uint8)
    return bar
