"""The scene: trajectory, detector, rays, regions and volumes as MRML nodes. The only package that imports slicer or vtk.

Everything here works on a scene that is passed in: ``slicer.mrmlScene`` inside 3D Slicer, or a bare
``slicer.vtkMRMLScene()`` where only the Python package ``slicer-core`` is installed. The names below are imported
when they are first used, so that importing this package costs nothing and needs neither package.
"""

from __future__ import annotations

import importlib
from typing import TYPE_CHECKING, Any

if TYPE_CHECKING:
    from MITOReconstructionLib.scene.host import new_scene as new_scene
    from MITOReconstructionLib.scene.offscreen import OffscreenViews as OffscreenViews
    from MITOReconstructionLib.scene.pictures import render_picture as render_picture
    from MITOReconstructionLib.scene.saving import load_scene as load_scene
    from MITOReconstructionLib.scene.saving import save_scene as save_scene
    from MITOReconstructionLib.scene.scan_scene import PARTS as PARTS
    from MITOReconstructionLib.scene.scan_scene import ScanLike as ScanLike
    from MITOReconstructionLib.scene.scan_scene import ScanScene as ScanScene
    from MITOReconstructionLib.scene.show import show as show
    from MITOReconstructionLib.scene.volume import VolumePart as VolumePart
    from MITOReconstructionLib.scene.volume import provenance_of as provenance_of

_HOMES = {
    "OffscreenViews": "offscreen",
    "PARTS": "scan_scene",
    "ScanLike": "scan_scene",
    "ScanScene": "scan_scene",
    "VolumePart": "volume",
    "load_scene": "saving",
    "new_scene": "host",
    "provenance_of": "volume",
    "render_picture": "pictures",
    "show": "show",
    "save_scene": "saving",
}

__all__ = list(_HOMES)


def __getattr__(name: str) -> Any:
    if name not in _HOMES:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOMES[name]}"), name)
    globals()[name] = value  # also in the place of a module of that name
    return value


def __dir__() -> list[str]:
    return sorted([*globals(), *_HOMES])
