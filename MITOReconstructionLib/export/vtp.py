"""The geometry of a scan as VTK polygonal data, in VTK's XML format, written without VTK."""

from __future__ import annotations

import base64
from pathlib import Path
from typing import NamedTuple
from xml.sax.saxutils import quoteattr

import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.geometry import ScanGeometry
from MITOReconstructionLib.geometry.scan_geometry import Views

__all__ = ["DETECTOR", "RAYS", "TRAJECTORY", "sparse_views", "write_vtp"]

TRAJECTORY, DETECTOR, RAYS = 0, 1, 2
"""Values of the cell array 'part'."""

_SPARSE = 16
_COLUMNS, _ROWS = 32, 2  # quadrilaterals of a detector; even counts, so that edges have a point in the middle
_TYPES = {"f": "Float64", "i": "Int64", "u": "UInt8"}


class _Cells(NamedTuple):
    """points : (n, 3); the views they belong to, (n,); lines, (m, 2); quads, (q, 4); the views of lines and quads."""

    points: NDArray[np.float64]
    point_views: NDArray[np.int64]
    lines: NDArray[np.int64]
    line_views: NDArray[np.int64]
    quads: NDArray[np.int64]
    quad_views: NDArray[np.int64]


def sparse_views(geometry: ScanGeometry) -> NDArray[np.int64]:
    """Up to 16 view indices, spread evenly from the first view to the last."""
    return np.unique(np.linspace(0, geometry.views - 1, min(_SPARSE, geometry.views)).round().astype(np.int64))


def write_vtp(path: Path, geometry: ScanGeometry, views: Views = None) -> None:
    """Write trajectory, detectors and rays as :func:`MITOReconstructionLib.export.save_geometry` describes them.

    Parameters
    ----------
    path : Path
        Written in place; the caller sees to it that nothing half-written is left.
    geometry : ScanGeometry
    views : selection of views, optional
        Those whose detector and rays are written; :func:`sparse_views` by default.
    """
    chosen = sparse_views(geometry) if views is None else np.asarray(geometry.view_indices(views), dtype=np.int64)
    cells = _cells(geometry, chosen)
    trajectory = np.arange(geometry.views, dtype=np.int64)
    line_points = np.concatenate([trajectory, cells.lines.ravel()])
    line_ends = geometry.views + 2 * np.arange(len(cells.lines) + 1, dtype=np.int64)
    quad_ends = 4 * np.arange(1, len(cells.quads) + 1, dtype=np.int64)
    part = np.concatenate([[TRAJECTORY], np.full(len(cells.lines), RAYS), np.full(len(cells.quads), DETECTOR)]).astype(np.uint8)
    view = np.concatenate([[-1], cells.line_views, cells.quad_views]).astype(np.int64)
    point_view = np.concatenate([trajectory, cells.point_views])
    text = "".join(
        [
            '<?xml version="1.0"?>\n',
            '<VTKFile type="PolyData" version="1.0" byte_order="LittleEndian" header_type="UInt64">\n<PolyData>\n',
            f'<Piece NumberOfPoints="{len(point_view)}" NumberOfVerts="0" NumberOfLines="{len(line_ends)}" ',
            f'NumberOfStrips="0" NumberOfPolys="{len(quad_ends)}">\n',
            "<PointData>\n",
            _array("view", point_view),
            _array("angle", geometry.angles[point_view]),
            _array("axial_position", geometry.axial_positions[point_view]),
            "</PointData>\n<CellData>\n",
            _array("part", part),
            _array("view", view),
            "</CellData>\n<Points>\n",
            _array("Points", np.concatenate([geometry.sources(), cells.points])),
            "</Points>\n<Lines>\n",
            _array("connectivity", line_points),
            _array("offsets", line_ends),
            "</Lines>\n<Polys>\n",
            _array("connectivity", cells.quads.ravel()),
            _array("offsets", quad_ends),
            "</Polys>\n</Piece>\n</PolyData>\n</VTKFile>\n",
        ]
    )
    path.write_text(text, encoding="ascii", newline="\n")


def _cells(geometry: ScanGeometry, chosen: NDArray[np.int64]) -> _Cells:
    """Detectors and rays of the views chosen; the trajectory's points, one a view, come before theirs."""
    d = geometry.detector
    columns = np.linspace(d.column_min, d.column_max, _COLUMNS + 1)
    rows = np.linspace(d.row_min, d.row_max, _ROWS + 1)
    points = geometry.detector_points(chosen, columns=columns, rows=rows)
    count = (_COLUMNS + 1) * (_ROWS + 1)
    index = np.arange(count).reshape(_COLUMNS + 1, _ROWS + 1)
    first = (geometry.views + count * np.arange(len(chosen)))[:, None]
    quad = np.stack([index[:-1, :-1], index[1:, :-1], index[1:, 1:], index[:-1, 1:]], axis=-1).reshape(-1, 4)
    outline = index[:: _COLUMNS // 2, :: _ROWS // 2].ravel()
    outline = np.delete(outline, outline.size // 2)  # all but the middle: four corners and four middles of edges
    ends = first + outline
    lines = np.stack([np.broadcast_to(chosen[:, None], ends.shape), ends], axis=-1).reshape(-1, 2)
    return _Cells(
        points=points.reshape(-1, 3),
        point_views=np.repeat(chosen, count),
        lines=lines,
        line_views=np.repeat(chosen, outline.size),
        quads=(first[..., None] + quad).reshape(-1, 4),
        quad_views=np.repeat(chosen, len(quad)),
    )


def _array(name: str, values: NDArray[np.generic]) -> str:
    """One DataArray element, its values in base64 behind their length in bytes."""
    kind = _TYPES[values.dtype.kind]
    data = np.ascontiguousarray(values, dtype={"Float64": "<f8", "Int64": "<i8", "UInt8": "u1"}[kind]).tobytes()
    parts = f' NumberOfComponents="{values.shape[1]}"' if values.ndim == 2 else ""
    packed = base64.b64encode(len(data).to_bytes(8, "little") + data).decode("ascii")
    return f'<DataArray type="{kind}" Name={quoteattr(name)}{parts} format="binary">{packed}</DataArray>\n'
