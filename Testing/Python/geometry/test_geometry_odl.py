"""Sources and detector points are those of ODL 1.0's ConeBeamGeometry, to 1e-9 mm."""

from __future__ import annotations

import math

import numpy as np
import pytest

from MITOReconstructionLib.geometry import Detector, ScanGeometry

odl = pytest.importorskip("odl", reason="needs odl")

RNG = np.random.default_rng(20)
VIEWS = 9
ANGLES = {
    "rising": np.sort(RNG.uniform(0.3, 14.0, VIEWS)),
    "falling": -np.sort(RNG.uniform(-2.0, 9.0, VIEWS)),
    "equal steps": 0.7 + 1.3 * np.arange(VIEWS),
}
AXIAL = {
    "constant pitch": lambda angles: 40.0 + 106.56 * (angles - angles[0]) / (2 * math.pi),
    "varying pitch": lambda angles: RNG.uniform(-60.0, 60.0, len(angles)),
    "no pitch": lambda angles: np.full(len(angles), -12.5),
}
SHAPES = {
    "centred on the source, through the axis": (503.0, 0.0, 503.0),
    "centred on the source": (503.0, 490.6, 993.6),
    "centre before the source": (500.0, 300.0, 700.0),
    "centre far before the source": (500.0, 300.0, 250.0),
    "centre behind the source": (500.0, 300.0, 1200.0),
    "flat": (500.0, 300.0, math.inf),
    "flat, through the axis": (503.0, 0.0, math.inf),
}
COLUMNS = {"symmetrical": (-0.46521, 0.46521), "asymmetrical": (-0.41, 0.23)}


def odl_geometry(geometry: ScanGeometry):
    order = np.argsort(geometry.angles)
    angles, axial = geometry.angles[order], geometry.axial_positions[order]
    d = geometry.detector

    def shift(angle):
        zero = np.zeros(np.shape(angle))
        return np.stack([zero, zero, np.interp(angle, angles, axial)], axis=-1)

    return odl.applications.tomo.ConeBeamGeometry(
        odl.nonuniform_partition(angles),
        odl.uniform_partition([d.column_min, d.row_min], [d.column_max, d.row_max], [d.columns, d.rows]),
        src_radius=geometry.source_radius,
        det_radius=geometry.detector_radius,
        det_curvature_radius=None if d.is_flat else (d.curvature_radius, None),
        pitch=0,
        src_shift_func=shift,
        det_shift_func=shift,
        axis=(0, 0, 1),
    )


@pytest.mark.parametrize("columns", COLUMNS.values(), ids=COLUMNS)
@pytest.mark.parametrize("shape", SHAPES.values(), ids=SHAPES)
@pytest.mark.parametrize("axial", AXIAL.values(), ids=AXIAL)
@pytest.mark.parametrize("angles", ANGLES.values(), ids=ANGLES)
def test_sources_and_detector_points_are_odls(angles, axial, shape, columns):
    source_radius, detector_radius, curvature = shape
    low, high = (edge * (500.0 if math.isinf(curvature) else 1.0) for edge in columns)
    detector = Detector(6, 5, low, high, -30.0, 41.0, curvature)
    geometry = ScanGeometry(angles, axial(angles), source_radius, detector_radius, detector)
    reference = odl_geometry(geometry)
    assert np.abs(reference.src_position(geometry.angles) - geometry.sources()).max() < 1e-9
    columns_of_pixels, rows_of_pixels = reference.det_partition.grid.coord_vectors
    assert np.abs(detector.column_centres() - columns_of_pixels).max() < 1e-12
    assert np.abs(detector.row_centres() - rows_of_pixels).max() < 1e-12
    points = geometry.detector_points()
    assert points.shape == (VIEWS, 6, 5, 3)
    mesh = np.meshgrid(detector.column_centres(), detector.row_centres(), indexing="ij")
    expected = [reference.det_point_position(angle, [column.ravel() for column in mesh]) for angle in geometry.angles]
    assert np.abs(np.reshape(expected, points.shape) - points).max() < 1e-9


def test_odls_own_pitch_is_this_pitch():
    angles = 0.4 + 0.5 * np.arange(30)
    detector = Detector(4, 3, -0.4, 0.4, -30.0, 30.0, 503.0)
    reference = odl.applications.tomo.ConeBeamGeometry(
        odl.nonuniform_partition(angles),
        odl.uniform_partition([-0.4, -30.0], [0.4, 30.0], [4, 3]),
        src_radius=503.0,
        det_radius=0.0,
        det_curvature_radius=(503.0, None),
        pitch=106.56,
        axis=(0, 0, 1),
    )
    sources = reference.src_position(angles)
    geometry = ScanGeometry(angles, sources[:, 2], 503.0, 0.0, detector)
    assert geometry.pitch == pytest.approx(106.56, abs=1e-9)
    assert np.abs(geometry.sources() - sources).max() < 1e-9
