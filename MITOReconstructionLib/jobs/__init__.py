"""Running a method, and the volume that comes of it."""

from MITOReconstructionLib.jobs.reconstruct import reconstruct
from MITOReconstructionLib.jobs.volume import Volume

__all__ = ["Volume", "reconstruct"]
