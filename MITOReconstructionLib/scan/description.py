"""A scan in words and numbers, for people."""

from __future__ import annotations

import math

from MITOReconstructionLib.files import mebibytes
from MITOReconstructionLib.geometry import ScanGeometry, VolumeGrid
from MITOReconstructionLib.scan.dataset import Scan

__all__ = ["describe_scan", "heights_per_turn"]


def heights_per_turn(geometry: ScanGeometry) -> float:
    """Pitch over the detector's height as it appears at the rotation axis."""
    return abs(geometry.pitch) / (geometry.detector.height * geometry.source_radius / geometry.source_to_detector)


def describe_scan(scan: Scan) -> list[tuple[str, str]]:
    """Rows of words and values; the words of a row that goes on are empty."""
    rows = [("name", scan.name), ("folder", str(scan.folder)), *_geometry_rows(scan.geometry), *_grid_rows(scan.default_grid)]
    values, known = scan.projections, scan.metadata.value_range if scan.metadata else None
    rows.append(("sinogram", f"{' x '.join(map(str, values.shape))} {values.dtype}, {mebibytes(values.nbytes)}"))
    if known:
        rows.append(("line integrals", f"{known[0]:.4g} to {known[1]:.4g}"))
    rows += [("warning", text) for text in scan.warnings] or [("warnings", "none")]
    return rows


def _geometry_rows(geometry: ScanGeometry) -> list[tuple[str, str]]:
    d, axial = geometry.detector, geometry.axial_positions
    sense = "rising" if geometry.angle_step >= 0 else "falling"
    per_turn = f", {geometry.views_per_turn:.4g} per turn" if math.isfinite(geometry.views_per_turn) else ""
    helix = "circle" if geometry.is_circular else f"{geometry.pitch:.4g} mm per turn, {heights_per_turn(geometry):.3g} detector heights"
    shape = "flat" if d.is_flat else f"curved with radius {d.curvature_radius:g} mm"
    low, high = (math.degrees(angle) for angle in geometry.fan_angles)
    return [
        ("views", f"{geometry.views} over {geometry.turns:.2f} turns{per_turn}, {sense} angles"),
        ("pitch", helix),
        ("axial positions", f"{axial.min():.2f} to {axial.max():.2f} mm"),
        ("source", f"{geometry.source_radius:g} mm from the axis"),
        ("detector", f"{d.columns} columns x {d.rows} rows of {d.pixel_size[0]:.4g} x {d.pixel_size[1]:.4g} mm, {shape}"),
        (
            "",
            f"{geometry.source_to_detector:g} mm from the source, {d.row_min:g} to {d.row_max:g} mm, fan {low:.2f} to {high:.2f} degrees",
        ),
        ("field of view", f"{geometry.field_of_view_radius:.1f} mm about the axis"),
    ]


def _grid_rows(grid: VolumeGrid) -> list[tuple[str, str]]:
    bounds = ", ".join(f"{axis} {low:g} to {high:g}" for axis, low, high in zip("xyz", grid.minimum, grid.maximum, strict=True))
    spacing = " x ".join(f"{side:.4g}" for side in grid.spacing)
    return [
        ("default volume", f"{bounds} mm"),
        ("", f"{' x '.join(map(str, grid.shape))} voxels of {spacing} mm, {mebibytes(grid.nbytes)}"),
    ]
