"""One call to see a scan or a volume."""

from __future__ import annotations

from pathlib import Path

from MITOReconstructionLib.errors import InputError
from MITOReconstructionLib.jobs import Volume
from MITOReconstructionLib.scan import Scan
from MITOReconstructionLib.scene.folder import ScanFolder
from MITOReconstructionLib.scene.host import Scene, in_application, prepare_scene, slicer
from MITOReconstructionLib.scene.scan_scene import ScanScene
from MITOReconstructionLib.scene.volume import VolumePart

__all__ = ["show"]


def show(thing: Scan | Volume, *, scene: Scene = None, name: str = "volume") -> ScanScene | VolumePart:
    """Put a scan or a volume into a Slicer scene; what is there already under that name is updated.

    Parameters
    ----------
    thing : Scan or Volume
    scene : vtkMRMLScene, optional
        Inside 3D Slicer by default the application's scene.
    name : str
        Name of a volume's node.

    Returns
    -------
    ScanScene or VolumePart

    Raises
    ------
    InputError
        When there is no scene, or ``thing`` is neither.
    """
    if scene is None:
        if not in_application():
            raise InputError(
                "scene",
                expected="a scene, outside the 3D Slicer application",
                found="none",
                remedy="Pass scene=MITOReconstructionLib.scene.new_scene().",
            )
        scene = slicer.mrmlScene
    if isinstance(thing, Scan):
        return ScanScene(scene, thing)
    if not isinstance(thing, Volume):
        raise InputError(
            "show", expected="a Scan or a Volume", found=type(thing).__name__, remedy="Pass what open_scan or reconstruct gives."
        )
    prepare_scene(scene)
    sample = Path(str(thing.provenance.get("sample") or "Reconstructions")).name
    part = VolumePart(scene, sample, name)
    part.show(thing.array, thing.grid, thing.provenance)
    part.visible = True
    ScanFolder(scene, sample).add(part.node)
    return part
