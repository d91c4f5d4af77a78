"""Ground floor: where source, detector and voxels are. numpy only; lengths in mm, angles in radians."""

from MITOReconstructionLib.geometry.detector import Detector
from MITOReconstructionLib.geometry.grid import VolumeGrid
from MITOReconstructionLib.geometry.scan_geometry import DetectorMesh, ScanGeometry

__all__ = ["Detector", "DetectorMesh", "ScanGeometry", "VolumeGrid"]
