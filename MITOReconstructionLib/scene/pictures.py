"""A picture of a scene: the 3D view and the three slice views, arranged as in one of Slicer's layouts."""

from __future__ import annotations

import os
from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.errors import InputError, WorkError
from MITOReconstructionLib.files import replacing
from MITOReconstructionLib.scene.annotation import title_bar
from MITOReconstructionLib.scene.arrangement import SLICES
from MITOReconstructionLib.scene.camera import AZIMUTH, ELEVATION
from MITOReconstructionLib.scene.host import Node, Scene, numpy_support, vtk
from MITOReconstructionLib.scene.offscreen import OffscreenViews
from MITOReconstructionLib.scene.parts import SCAN, VIEW, find_part

__all__ = ["render_picture"]

_COLOURS = {"Red": (243, 74, 51), "Green": (110, 176, 75), "Yellow": (237, 213, 76), "3D": (124, 134, 217)}
_BORDER, _BAR = 2, 24


class _Panel(NamedTuple):
    """Where a view with its bar is in the picture, in pixels from the top left corner."""

    left: int
    top: int
    width: int
    height: int


def render_picture(
    scene: Scene,
    path: str | os.PathLike[str],
    size: tuple[int, int] = (1600, 1200),
    *,
    layout: str = "conventional",
    volume: Node | None = None,
    azimuth: float = AZIMUTH,
    elevation: float = ELEVATION,
) -> None:
    """Draw a scene without a screen and write it as a PNG file.

    Parameters
    ----------
    scene : vtkMRMLScene
        Left as it was.
    path : path
        The PNG file.
    size : (int, int), optional
        Width and height in pixels, at least 320 x 240.
    layout : str, optional
        ``conventional``: the 3D view above the three slice views; ``four-up``: four views of one size.
    volume : vtkMRMLScalarVolumeNode, optional
        Shown in the slice views; the last volume of a scan in the scene by default.
    azimuth, elevation : float, optional
        Where the camera is, in degrees: about z from the direction of the source, and above the plane of rotation.

    Raises
    ------
    InputError
        When the file's name, the size or the layout cannot be used, or this runs inside the application.
    WorkError
        When VTK cannot draw without a screen, or writing fails.
    """
    _check(path, size)
    panels = _panels(layout, size)
    inner = {name: (panel.width, panel.height - _BAR) for name, panel in panels.items()}
    picture = np.full((size[1], size[0], 3), 40, dtype=np.uint8)
    with OffscreenViews(scene, size_3d=inner["3D"], size_slice=inner["Red"], volume=volume) as views:
        views.aim(azimuth=azimuth, elevation=elevation)
        for name, panel in panels.items():
            picture[panel.top : panel.top + panel.height, panel.left : panel.left + panel.width] = _titled(views, name)
    _write(picture, path)


def _panels(layout: str, size: tuple[int, int]) -> dict[str, _Panel]:
    b = _BORDER
    if layout == "four-up":
        width, height = (size[0] - 3 * b) // 2, (size[1] - 3 * b) // 2
        places = {"Red": (0, 0), "3D": (1, 0), "Green": (0, 1), "Yellow": (1, 1)}
        return {name: _Panel(b + i * (width + b), b + j * (height + b), width, height) for name, (i, j) in places.items()}
    if layout == "conventional":
        width, height = (size[0] - 4 * b) // 3, round(0.38 * size[1])
        top = size[1] - b - height
        slices = {name: _Panel(b + i * (width + b), top, width, height) for i, name in enumerate(("Red", "Green", "Yellow"))}
        return {"3D": _Panel(b, b, size[0] - 2 * b, top - 2 * b), **slices}
    raise InputError("layout", expected="conventional or four-up", found=repr(layout), remedy="Choose one of the two.")


def _check(path: str | os.PathLike[str], size: tuple[int, int]) -> None:
    if not os.fspath(path).lower().endswith(".png"):
        raise InputError(path, expected="a name that ends in .png", found=os.fspath(path), remedy="Pictures are PNG files.")
    if min(size[0] / 320, size[1] / 240) < 1 or max(size) > 8192:
        raise InputError("size", expected="320 x 240 to 8192 x 8192 pixels", found=f"{size[0]} x {size[1]}", remedy="Choose another size.")


def _titled(views: OffscreenViews, name: str) -> NDArray[np.uint8]:
    pixels = views.pixels(name)
    if name == "3D":
        text = "   ".join(["3D", *_told(views.arrangement.scene)])
    elif views.volume is None:
        text = SLICES[name]
    else:
        letter, at = views.position(name)
        text = f"{SLICES[name]}   {letter}: {at:.2f} mm   {views.volume.GetName()}"
    return np.concatenate([title_bar(text, pixels.shape[1], _BAR, _COLOURS[name]), pixels])


def _told(scene: Scene) -> list[str]:
    """Which scans and views the scene shows."""
    detectors = find_part(scene, "vtkMRMLModelNode", "detector")
    return [f"{node.GetAttribute(SCAN)}, view {node.GetAttribute(VIEW)}" for node in detectors]


def _write(picture: NDArray[np.uint8], path: str | os.PathLike[str]) -> None:
    image = vtk.vtkImageData()
    image.SetDimensions(picture.shape[1], picture.shape[0], 1)
    flat = np.ascontiguousarray(picture[::-1]).reshape(-1, 3)
    image.GetPointData().SetScalars(numpy_support.numpy_to_vtk(flat, deep=True))
    with replacing(path) as temporary:
        writer = vtk.vtkPNGWriter()
        writer.SetFileName(str(temporary))
        writer.SetInputData(image)
        writer.Write()
        if writer.GetErrorCode():
            raise WorkError(f"{path}: could not be written (VTK error {writer.GetErrorCode()}).")
