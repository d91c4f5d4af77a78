"""Slicer's own views drawn without the application, into images."""

from __future__ import annotations

import os
import subprocess
import sys
from functools import cache
from types import TracebackType

import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.errors import InputError, WorkError
from MITOReconstructionLib.scene.annotation import annotate_slice
from MITOReconstructionLib.scene.arrangement import SLICES, Arrangement
from MITOReconstructionLib.scene.camera import AZIMUTH, ELEVATION
from MITOReconstructionLib.scene.host import Node, Scene, in_application, numpy_support, quiet, slicer, vtk
from MITOReconstructionLib.scene.parts import find_part

__all__ = ["OffscreenViews", "require_opengl"]

_MANAGERS_3D = (
    "vtkMRMLCameraDisplayableManager",
    "vtkMRMLViewDisplayableManager",
    "vtkMRMLModelDisplayableManager",
    "vtkMRMLMarkupsDisplayableManager",
    "vtkMRMLVolumeRenderingDisplayableManager",
    "vtkMRMLOrientationMarkerDisplayableManager",
)
_MANAGERS_SLICE = ("vtkMRMLModelSliceDisplayableManager", "vtkMRMLMarkupsDisplayableManager", "vtkMRMLRulerDisplayableManager")

_PROBE = """
import vtk
w = vtk.vtkRenderWindow(); w.SetOffScreenRendering(1); w.SetShowWindow(False); w.SetSize(8, 8)
r = vtk.vtkRenderer(); r.SetBackground(1, 0, 0); w.AddRenderer(r); w.Render()
g = vtk.vtkWindowToImageFilter(); g.SetInput(w); g.Update()
raise SystemExit(0 if g.GetOutput().GetScalarComponentAsDouble(4, 4, 0, 0) > 200 else 3)
"""


@cache
def require_opengl() -> None:
    """Make sure that VTK can draw without a screen, by trying it in another process, for a failure may end a process.

    Raises
    ------
    WorkError
        When it cannot.
    """
    try:
        tried = subprocess.run([sys.executable, "-c", _PROBE], capture_output=True, text=True, timeout=120, check=False, env=os.environ)
        works, why = tried.returncode == 0, f"exit status {tried.returncode}: {tried.stderr.strip()[-300:]}"
    except subprocess.TimeoutExpired:
        works, why = False, "no answer within 120 s"
    if not works:
        raise WorkError(
            f"VTK could not draw without a screen ({why}). On Debian and Ubuntu install libegl1, libegl-mesa0 and libgl1-mesa-dri; "
            "or libosmesa6, with the environment variable VTK_DEFAULT_OPENGL_WINDOW=vtkOSOpenGLRenderWindow."
        )


class _Window:
    """An offscreen render window with the displayable managers of one view."""

    def __init__(self, size: tuple[int, int], application: Node, factory: Node, managers: tuple[str, ...]) -> None:
        self.renderer = vtk.vtkRenderer()
        with quiet():  # without a screen VTK tries X first, then EGL
            self.window = vtk.vtkRenderWindow()
        self.window.SetOffScreenRendering(1)
        self.window.SetShowWindow(False)
        self.window.SetMultiSamples(0)
        self.window.SetSize(*size)
        self.window.AddRenderer(self.renderer)
        self.interactor = vtk.vtkGenericRenderWindowInteractor()
        self.interactor.SetRenderWindow(self.window)
        for name in managers:
            if not factory.IsDisplayableManagerRegistered(name):
                factory.RegisterDisplayableManager(name)
        factory.SetMRMLApplicationLogic(application)
        self.group = slicer.vtkMRMLDisplayableManagerGroup()
        self.group.Initialize(factory, self.renderer)

    def add_below(self, actor: Node) -> None:
        """Draw something in a layer of its own, below what the displayable managers draw: else filled boxes hide it."""
        below = vtk.vtkRenderer()
        below.AddViewProp(actor)
        self.window.SetNumberOfLayers(2)
        self.renderer.SetLayer(1)
        self.window.AddRenderer(below)

    def pixels(self) -> NDArray[np.uint8]:
        self.window.Render()
        grab = vtk.vtkWindowToImageFilter()
        grab.SetInput(self.window)
        grab.ReadFrontBufferOff()
        grab.ShouldRerenderOff()
        grab.Update()
        image = grab.GetOutput()
        width, height, _ = image.GetDimensions()
        flat = numpy_support.vtk_to_numpy(image.GetPointData().GetScalars())
        return np.ascontiguousarray(flat.reshape(height, width, 3)[::-1])

    def close(self) -> None:
        self.group.SetMRMLDisplayableNode(None)
        self.interactor.SetRenderWindow(None)
        self.window.RemoveRenderer(self.renderer)
        self.window.Finalize()


class OffscreenViews:
    """One 3D view and the three slice views of a scene, drawn into images; a context manager.

    Parameters
    ----------
    scene : vtkMRMLScene
        Left as it was when the views are closed.
    size_3d, size_slice : (int, int)
        Width and height of the 3D view and of each slice view in pixels.
    volume : vtkMRMLScalarVolumeNode, optional
        Shown in the slice views; the last volume of a scan in the scene by default.

    Raises
    ------
    InputError
        Inside the application, whose own views show the scene.
    WorkError
        When VTK cannot draw without a screen.
    """

    def __init__(
        self, scene: Scene, *, size_3d: tuple[int, int] = (800, 600), size_slice: tuple[int, int] = (800, 600), volume: Node | None = None
    ) -> None:
        if in_application():
            raise InputError(
                "offscreen views",
                expected="Python outside the application",
                found="Slicer itself",
                remedy="Use the application's own views and the Screen Capture module.",
            )
        require_opengl()
        volumes = find_part(scene, "vtkMRMLScalarVolumeNode", "volume")
        self.volume = volumes[-1] if volume is None and volumes else volume
        self.arrangement = Arrangement(scene, prefix="Offscreen")
        try:
            self._size_3d = size_3d
            self.arrangement.show_volume(self.volume, dict.fromkeys(SLICES, size_slice))
            self.arrangement.aim(size_3d[0] / size_3d[1])
            self._windows = {"3D": self._open_3d(size_3d), **{name: self._open_slice(name, size_slice) for name in SLICES}}
            self.arrangement.claim()
        except BaseException:
            self.arrangement.close()
            raise

    def _open_3d(self, size: tuple[int, int]) -> _Window:
        factory = slicer.vtkMRMLThreeDViewDisplayableManagerFactory.GetInstance()
        window = _Window(size, self.arrangement.application, factory, _MANAGERS_3D)
        window.group.SetMRMLDisplayableNode(self.arrangement.view_node)
        return window

    def _open_slice(self, name: str, size: tuple[int, int]) -> _Window:
        factory = slicer.vtkMRMLSliceViewDisplayableManagerFactory.GetInstance()
        window = _Window(size, self.arrangement.application, factory, _MANAGERS_SLICE)
        logic = self.arrangement.slices[name]
        window.group.SetMRMLDisplayableNode(logic.GetSliceNode())
        if self.volume is not None:
            mapper = vtk.vtkImageMapper()
            mapper.SetColorWindow(255)
            mapper.SetColorLevel(127.5)
            mapper.SetInputConnection(logic.GetImageDataConnection())
            actor = vtk.vtkActor2D()
            actor.SetMapper(mapper)
            actor.GetProperty().SetDisplayLocationToBackground()
            window.add_below(actor)
        annotate_slice(window.renderer, SLICES[name], size)
        return window

    def pixels(self, name: str) -> NDArray[np.uint8]:
        """Draw a view: ``3D``, ``Red``, ``Green`` or ``Yellow``.

        Returns
        -------
        uint8, shape (height, width, 3)
            Red, green, blue; the first row is the top one.
        """
        return self._windows[name].pixels()

    def position(self, name: str) -> tuple[str, float]:
        """The axis (R, A or S) that a slice view looks along, and where on it the slice is, in mm."""
        axis = {"Sagittal": 0, "Coronal": 1, "Axial": 2}[SLICES[name]]
        return "RAS"[axis], float(self.arrangement.slices[name].GetSliceNode().GetSliceToRAS().GetElement(axis, 3))

    def aim(self, *, azimuth: float = AZIMUTH, elevation: float = ELEVATION) -> None:
        """Place the camera; see :meth:`Arrangement.aim`."""
        self.arrangement.aim(self._size_3d[0] / self._size_3d[1], azimuth=azimuth, elevation=elevation)

    def to_pixel(self, name: str, point: NDArray[np.float64]) -> tuple[float, float]:
        """Where a point in mm, RAS, is in a view's picture: column and row, in pixels from the top left corner."""
        window = self._windows[name]
        height = window.window.GetSize()[1]
        if name == "3D":
            window.renderer.SetWorldPoint(*(float(v) for v in point), 1.0)
            window.renderer.WorldToDisplay()
            x, y, _ = window.renderer.GetDisplayPoint()
            return x, height - y
        matrix = vtk.vtkMatrix4x4()
        vtk.vtkMatrix4x4.Invert(self.arrangement.slices[name].GetSliceNode().GetXYToRAS(), matrix)
        x, y, _, _ = matrix.MultiplyPoint((*(float(v) for v in point), 1.0))
        return x, height - y

    def close(self) -> None:
        """Close the windows and leave the scene as it was."""
        for window in self._windows.values():
            window.close()
        self._windows.clear()
        self.arrangement.close()

    def __enter__(self) -> OffscreenViews:
        return self

    def __exit__(self, kind: type[BaseException] | None, error: BaseException | None, trace: TracebackType | None) -> None:
        self.close()
