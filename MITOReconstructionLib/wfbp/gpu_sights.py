"""How beams see points, on an NVIDIA GPU: the tables and numbers of a plan that ``kernels.cu`` looks up for voxels and for pixels."""

from __future__ import annotations

from typing import Any

import numpy as np

from MITOReconstructionLib.wfbp.backproject import BeamTables
from MITOReconstructionLib.wfbp.gpu_beams import GpuWork
from MITOReconstructionLib.wfbp.plan import ParallelPlan

__all__ = ["GpuSights"]


class GpuSights:
    """A plan's tables on a GPU, in float32.

    Parameters
    ----------
    work : GpuWork
    plan : ParallelPlan
    tables : BeamTables
        Of the plan.

    Attributes
    ----------
    directions : float32, shape (beams, 2), on the GPU
        Cosine and sine of every beam's angle.
    rays : float32, shape (rays, 4), on the GPU
        Of every ray the distance in mm from the source to its point nearest to the axis, to the detector, the fan angle in beams, and 0.
    numbers : tuple
        What a kernel needs to look up a ray: rays, t_offset, per_t, axial_first, axial_part, row_middle, as ``kernels.cu`` has them.
    per_half, limit : float32
        Heights on the detector in mm times ``per_half`` are parts of half its height; beyond ``limit`` of these a beam does not see.
    """

    def __init__(self, work: GpuWork, plan: ParallelPlan, tables: BeamTables) -> None:
        self._work, self._axial = work, tables.axial
        theta, t = plan.theta(np.arange(plan.beams)), tables
        self.directions: Any = work.sent(np.stack([np.cos(theta), np.sin(theta)], axis=-1).astype(np.float32))
        self.rays: Any = work.sent(np.stack([t.reach, t.distance, t.fan_steps, np.zeros_like(t.reach)], axis=-1).astype(np.float32))
        whole = int(np.floor(t.axial_offset))
        t_offset, per_t, part = (np.float32(n) for n in (t.t_first / t.t_step, 1.0 / t.t_step, t.axial_offset - whole))
        self.numbers = np.int32(len(t.reach)), t_offset, per_t, np.int32(whole), part, np.float32(t.row_middle)
        self.per_half, self.limit = np.float32(1.0 / t.row_half), np.float32(t.row_reach / t.row_half)

    def heights(self, middle: float) -> Any:
        """The source's axial positions relative to a height in mm: small numbers, so that float32 is enough."""
        return self._work.sent((self._axial - middle).astype(np.float32))
