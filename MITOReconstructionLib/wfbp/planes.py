"""Backprojection of filtered parallel beams onto planes: the same sums as :mod:`.backproject`, for pixels anywhere in space.

All beams of a direction (half turns apart) are worked on together, so that the row weights of a pixel are found once and add up to
their own normalisation. Along a row of pixels the detector row is a smooth function; it is worked out at a few nodes and
interpolated by cubics between them (see :func:`node_distance`), which leaves the four look-ups of a pixel as the main work.
"""

from __future__ import annotations

from typing import NamedTuple

import numba
import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.parallel import KERNELS, cores
from MITOReconstructionLib.wfbp import plane_kernels as kernels
from MITOReconstructionLib.wfbp.backproject import COMPILE, BeamTables
from MITOReconstructionLib.wfbp.coverage import DIRECTIONS

__all__ = ["BeamStore", "PlaneSums", "add_directions", "beams_seeing_plane", "finish", "node_distance", "store_beams"]

ROW_ERROR = 5e-3
"""Largest error of the interpolated detector row, in rows."""


class BeamStore(NamedTuple):
    """Filtered beams as 16-bit numbers.

    values : int16, shape (slots, rays, rows), C order;
    scales : float32, shape (slots,): a value times its beam's scale is in 1/mm per radian;
    slots : int64, shape (beams,): where each beam of the plan lies, -1 for those that are not there.
    """

    values: NDArray[np.int16]
    scales: NDArray[np.float32]
    slots: NDArray[np.int64]

    @property
    def pairs(self) -> NDArray[np.int32]:
        """Every value together with the one behind it, as one 32-bit number, shape (size - 1,): a view of the same memory."""
        flat = self.values.reshape(-1)
        return np.ndarray((flat.size - 1,), np.dtype("<i4"), flat, strides=(2,))


class PlaneSums(NamedTuple):
    """A plane that is being worked on.

    image : float32, shape (n, m), C order, added to, in 1/mm;
    unseen : uint8, shape (n, m), set to 1 where a direction does not see the pixel;
    origin, u, v : float64, shape (3,): centre of pixel (0, 0), and steps to its neighbours along i and j, in mm.
    """

    image: NDArray[np.float32]
    unseen: NDArray[np.uint8]
    origin: NDArray[np.float64]
    u: NDArray[np.float64]
    v: NDArray[np.float64]


def node_distance(tables: BeamTables) -> float:
    """Length in mm of a row of pixels over which a cubic keeps to :data:`ROW_ERROR`.

    The row is to first order h / l(s), l the distance from the source, whose fourth derivative g is at most 24 h / l^4; a cubic through
    four evenly spread points over a length d is off by at most g d^4 / 1944.
    """
    reach = float(tables.reach.min())
    nearest = max(reach - abs(tables.t_first), 0.1 * reach)
    return float(nearest * (81.0 * ROW_ERROR * tables.row_pitch / tables.row_reach) ** 0.25)


def add_directions(
    planes: list[PlaneSums], store: BeamStore, tables: BeamTables, ready: tuple[int, int], first: int, last: int, *, check: bool = True
) -> None:
    """Add the beams of some directions to planes.

    Every beam within ``ready`` counts for the weights; those without a slot add nothing, so that the sum can be made in parts, each
    beam once.

    Parameters
    ----------
    planes : list of PlaneSums
        Changed in place.
    store : BeamStore
    tables : BeamTables
    ready : (int, int)
        First and last (exclusive) beam that there is.
    first, last : int
        Directions, within 0 to ``tables.half_turn``; direction d has the beams d, d + half_turn, ...
    check : bool
        Whether to set ``unseen`` (on the directions that :func:`~MITOReconstructionLib.wfbp.coverage.fill_unseen` looks at).
    """
    stride = max(1, tables.half_turn // DIRECTIONS) if check else 0
    distance = node_distance(tables)
    for plane in planes:
        n, m = plane.image.shape
        width = _even(m, min(kernels.TILE, max(2, int(distance / np.linalg.norm(plane.v)))))
        height = _even(n, min(kernels.TILE, max(2, int(distance / np.linalg.norm(plane.u))), max(8, -(-n // (2 * cores())))))
        with KERNELS:
            kernels.add_directions(*plane, store.pairs, store, ready, first, last, stride, width, height, tables)


def _even(count: int, most: int) -> int:
    """Size of the tiles, at most ``most``, that divide ``count`` pixels evenly."""
    return -(-count // -(-count // most))


def beams_seeing_plane(plane: PlaneSums, tables: BeamTables) -> NDArray[np.bool_]:
    """Which beams see a part of a plane, shape (beams,); few of those that do not are marked too."""
    n, m = plane.image.shape
    seeing = np.zeros(tables.beams, dtype=np.bool_)
    kernels.mark_seeing(seeing, plane.origin, plane.u, plane.v, n, m, -(-max(n, m) // 6), tables)
    return seeing


def finish(plane: PlaneSums, fill_value: float) -> None:
    """Give the pixels that some direction does not see a value."""
    plane.image[plane.unseen != 0] = np.float32(fill_value)


def store_beams(beams: NDArray[np.float32], values: NDArray[np.int16], scales: NDArray[np.float32]) -> None:
    """Write beams as 16-bit numbers, the largest of each beam becoming 32767; the mean square error is (largest / 113,000)^2.

    Parameters
    ----------
    beams : float32, shape (n, rays, rows)
    values : int16, shape (n, rays, rows)
        Written.
    scales : float32, shape (n,)
        Written.
    """
    with KERNELS:
        _store(beams, values, scales)


@numba.njit(parallel=True, **COMPILE)
def _store(beams, values, scales):  # type: ignore[no-untyped-def]
    count, rays, rows = beams.shape
    for number in numba.prange(count):
        largest = np.float32(0.0)
        for ray in range(rays):
            for row in range(rows):
                largest = max(largest, abs(beams[number, ray, row]))
        scale = largest / np.float32(32767.0)
        inverse = np.float32(1.0) / scale if scale > 0.0 else np.float32(0.0)
        scales[number] = scale
        for ray in range(rays):
            for row in range(rows):
                value = beams[number, ray, row] * inverse
                values[number, ray, row] = np.int16(np.int32(value + (np.float32(0.5) if value >= 0.0 else np.float32(-0.5))))
