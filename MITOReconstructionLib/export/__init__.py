"""Writing results to files that other programs read: NRRD volumes and projections, geometry, progress."""

from MITOReconstructionLib.export.geometry_files import GEOMETRY_SUFFIXES, load_geometry, save_geometry
from MITOReconstructionLib.export.progress import ProgressWriter
from MITOReconstructionLib.export.projection import save_projection
from MITOReconstructionLib.export.slabs import SlabFile, volume_in_slabs
from MITOReconstructionLib.export.volume import load_volume, save_volume

__all__ = [
    "GEOMETRY_SUFFIXES", "ProgressWriter", "SlabFile", "load_geometry", "load_volume", "save_geometry", "save_projection", "save_volume",
    "volume_in_slabs",
]  # fmt: skip
