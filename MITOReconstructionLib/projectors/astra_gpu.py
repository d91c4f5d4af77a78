"""Projection on an NVIDIA GPU through the ASTRA toolbox 2.5; the only file that imports astra.

ASTRA's quirks are kept here:

* projections are (rows, views, columns) and volumes (z, y, x), so arrays are rearranged on their way in and out, on the
  GPU where they live there;
* ``cyl_cone_vec`` and ``cone_vec`` mean different things by the fourth to sixth number (see :func:`astra_vectors`);
* for a curved detector the back projection kernel 'matched_bp' is the transpose of the forward projection up to the
  rounding of its texture look-ups; a flat one has only a voxel-driven back projection, close to the transpose;
* arrays in the computer's memory that do not fit on the GPU are split by ASTRA itself; views go in blocks of at most
  BLOCK_VIEWS, since longer scans crash some of its algorithms (astra-toolbox issue 278) and a caller may want to stop;
* read-only arrays are refused by its DLPack reader, so they are copied.
"""

from __future__ import annotations

import importlib.util
from types import ModuleType
from typing import Any

import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.errors import InputError, MissingPackageError, WorkError
from MITOReconstructionLib.geometry import ScanGeometry, VolumeGrid
from MITOReconstructionLib.geometry.scan_geometry import Views
from MITOReconstructionLib.projectors.arguments import PROJECTION_AXES, VOLUME_AXES, Report, blocks, input_array, output_array

__all__ = ["AstraBackend", "astra_vectors", "astra_volume"]

BLOCK_VIEWS = 8192
BLOCK_BYTES = 512 << 20
INSTALL = "pip install 'mito-reconstruction[astra]'"


def astra_vectors(geometry: ScanGeometry, views: Views = None) -> NDArray[np.float64]:
    """ASTRA's numbers for views: 13 of them for a curved detector ('cyl_cone_vec'), 12 for a flat one ('cone_vec').

    Returns
    -------
    float64 array, shape (n, 13) or (n, 12), in mm
        Source (3), centre of the detector (3), u (3), v (3), and for a curved detector its radius. v leads from a row to
        the next. On a flat detector u leads from a column to the next; on a curved one it is the tangent at the detector's
        centre, as long as a column is wide on the surface, and the centre is the middle of the column range on the surface.
    """
    d = geometry.detector
    index = geometry.view_indices(views)
    column, row = (d.column_min + d.column_max) / 2, (d.row_min + d.row_max) / 2
    angles = geometry.angles[index]
    turn = 0.0 if d.is_flat else column
    vectors = np.zeros((len(index), 12 if d.is_flat else 13))
    vectors[:, 0:3] = geometry.sources(index)
    vectors[:, 3:6] = geometry.detector_points(index, columns=[column], rows=[row])[:, 0, 0]
    width, height = d.pixel_size
    vectors[:, 6] = width * np.cos(angles - turn)
    vectors[:, 7] = width * np.sin(angles - turn)
    vectors[:, 11] = height
    if not d.is_flat:
        vectors[:, 12] = d.curvature_radius
    return vectors


def astra_volume(grid: VolumeGrid) -> tuple[Any, ...]:
    """The arguments of astra.create_vol_geom for a grid: counts along y, x, z, then edges along x, y, z in mm."""
    nx, ny, nz = grid.shape
    edges = [edge for axis in range(3) for edge in (grid.minimum[axis], grid.maximum[axis])]
    return (ny, nx, nz, *edges)


class AstraBackend:
    """Forward and back projection on the GPU that ASTRA sees.

    Besides numpy arrays it takes arrays that live on the GPU (CuPy, PyTorch; float32): they stay there, and the result is
    of the same kind.

    Raises
    ------
    MissingPackageError
        When astra is not installed, or its CUDA libraries are missing.
    InputError
        When ASTRA sees no GPU.
    """

    name = "astra"
    matched = False

    def __init__(self) -> None:
        self._astra = _import_astra()
        if not self._astra.use_cuda():
            raise InputError(
                "backend",
                expected="an NVIDIA GPU that ASTRA can use",
                found="none",
                remedy="Use the backend 'cpu', or check the NVIDIA driver.",
            )

    @property
    def description(self) -> str:
        """The GPU and the version of ASTRA."""
        return f"GPU {self._astra.get_gpu_info()} (ASTRA {getattr(self._astra, '__version__', '')})"

    def forward(
        self,
        volume: Any,
        grid: VolumeGrid,
        geometry: ScanGeometry,
        out: Any = None,
        *,
        views: Views = None,
        accumulate: bool = False,
        report: Report | None = None,
    ) -> Any:
        """Line integrals of a volume; see :func:`MITOReconstructionLib.projectors.cpu.forward`."""
        index = geometry.view_indices(views)
        d = geometry.detector
        volume = _checked("volume", volume, VOLUME_AXES, grid.shape)
        out = _output(out, volume, PROJECTION_AXES, (len(index), d.columns, d.rows), accumulate)
        source = _rearranged(volume, (2, 1, 0))
        for first, last in blocks(len(index), _views_per_block(geometry), report):
            block = _empty(source, (d.rows, last - first, d.columns))
            self._run("direct_FP", geometry, grid, index[first:last], source, block)
            result = _rearranged(block, (1, 2, 0))
            out[first:last] = out[first:last] + result if accumulate else result
        return out

    def back(
        self,
        projections: Any,
        grid: VolumeGrid,
        geometry: ScanGeometry,
        out: Any = None,
        *,
        views: Views = None,
        accumulate: bool = False,
        report: Report | None = None,
    ) -> Any:
        """The adjoint of :meth:`forward`; see :func:`MITOReconstructionLib.projectors.cpu.back`."""
        index = geometry.view_indices(views)
        d = geometry.detector
        projections = _checked("projections", projections, PROJECTION_AXES, (len(index), d.columns, d.rows))
        out = _output(out, projections, VOLUME_AXES, grid.shape, accumulate)
        if not accumulate:
            out[...] = 0.0
        part = _empty(projections, grid.shape[::-1])
        for first, last in blocks(len(index), _views_per_block(geometry), report):
            block = _rearranged(projections[first:last], (2, 0, 1))
            self._run("direct_BP", geometry, grid, index[first:last], block, part)
            out += _rearranged(part, (2, 1, 0))
        return out

    def _run(self, verb: str, geometry: ScanGeometry, grid: VolumeGrid, index: NDArray[np.intp], source: Any, target: Any) -> None:
        astra = self._astra
        d = geometry.detector
        kind = "cone_vec" if d.is_flat else "cyl_cone_vec"
        config = astra.astra_dict("cuda3d")
        config["ProjectionGeometry"] = astra.create_proj_geom(kind, d.rows, d.columns, astra_vectors(geometry, index))
        config["VolumeGeometry"] = astra.create_vol_geom(*astra_volume(grid))
        if not d.is_flat:
            config["ProjectionKernel"] = "matched_bp"
        projector = astra.projector3d.create(config)
        try:
            getattr(astra.projector3d, verb)(projector, source, out=target)
        except Exception as error:
            raise WorkError(f"ASTRA failed on the GPU ({verb}, {len(index)} views, {grid.shape} voxels): {error}") from error
        finally:
            astra.projector3d.delete(projector)


def _import_astra() -> ModuleType:
    if importlib.util.find_spec("astra") is None:
        raise MissingPackageError("astra-toolbox", "The backend 'astra'", INSTALL)
    try:
        import astra
    except ImportError as error:
        raise MissingPackageError("astra-toolbox", f"The backend 'astra' ({error})", INSTALL) from error
    return astra  # type: ignore[no-any-return]


def _views_per_block(geometry: ScanGeometry) -> int:
    return max(1, min(BLOCK_VIEWS, BLOCK_BYTES // (4 * geometry.detector.columns * geometry.detector.rows)))


def _on_gpu(array: Any) -> bool:
    """Whether an array lives elsewhere than in the computer's memory."""
    return not isinstance(array, np.ndarray) and hasattr(array, "__dlpack_device__") and int(array.__dlpack_device__()[0]) != 1


def _checked(name: str, values: Any, axes: str, shape: tuple[int, int, int]) -> Any:
    if not _on_gpu(values):
        return np.asarray(input_array(name, values, axes, shape), dtype=np.float32)
    _require_float32(name, values, axes, shape)
    return values


def _output(out: Any, source: Any, axes: str, shape: tuple[int, int, int], accumulate: bool) -> Any:
    """The caller's output after a check, or a new array where ``source`` lives."""
    if out is None and _on_gpu(source) and not accumulate:
        return _empty(source, shape)
    if out is None or not _on_gpu(out):
        return output_array("out", out, axes, shape, accumulate=accumulate)
    _require_float32("out", out, axes, shape)
    return out


def _require_float32(name: str, array: Any, axes: str, shape: tuple[int, int, int]) -> None:
    if tuple(array.shape) != shape or str(array.dtype).rpartition(".")[2] != "float32":
        raise InputError(
            name,
            expected=f"float32 numbers of shape ({axes}) = {shape}",
            found=f"{array.dtype} of shape {tuple(array.shape)}",
            remedy="Transpose or convert the array.",
        )


def _rearranged(array: Any, axes: tuple[int, int, int]) -> Any:
    """A writable copy in C order with its axes permuted; numpy, CuPy or PyTorch, on its own device."""
    if hasattr(array, "permute"):
        return array.permute(*axes).clone().contiguous()
    return array.transpose(axes).copy(order="C")


def _empty(like: Any, shape: tuple[int, ...]) -> Any:
    """A float32 array of the same kind and on the same device."""
    return like.new_empty(shape) if hasattr(like, "new_empty") else type(like)(shape, dtype=like.dtype)
