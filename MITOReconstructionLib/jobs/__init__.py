"""Running a method: at once or as a job, in this process or as a subprocess; and the volume that comes of it."""

from MITOReconstructionLib.jobs.estimate import Estimate, estimate
from MITOReconstructionLib.jobs.interpreter import interpreter
from MITOReconstructionLib.jobs.job import Job
from MITOReconstructionLib.jobs.queue import Queue
from MITOReconstructionLib.jobs.reconstruct import reconstruct
from MITOReconstructionLib.jobs.slabs import reconstruct_to_file
from MITOReconstructionLib.jobs.volume import Volume

__all__ = ["Estimate", "Job", "Queue", "Volume", "estimate", "interpreter", "reconstruct", "reconstruct_to_file"]
