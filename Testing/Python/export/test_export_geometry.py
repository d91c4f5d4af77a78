"""Geometry as JSON, NPZ and VTP, and projections as NRRD."""

from __future__ import annotations

import json
import math
import resource
from collections.abc import Iterator
from contextlib import contextmanager
from pathlib import Path

import nrrd
import numpy as np
import pytest

from MITOReconstructionLib.errors import InputError, WorkError
from MITOReconstructionLib.export import GEOMETRY_SUFFIXES, load_geometry, load_volume, save_geometry, save_projection
from MITOReconstructionLib.export.vtp import DETECTOR, RAYS, TRAJECTORY, sparse_views
from MITOReconstructionLib.geometry import Detector, ScanGeometry

CURVED = Detector(columns=24, rows=10, column_min=-0.4, column_max=0.45, row_min=-30.0, row_max=34.0, curvature_radius=503.0)
FLAT = Detector(columns=24, rows=10, column_min=-200.0, column_max=210.0, row_min=-30.0, row_max=34.0)


def helix(detector: Detector = CURVED, views: int = 50, midpoint: float = 0.0) -> ScanGeometry:
    return ScanGeometry(np.linspace(0.3, -17.0, views), np.linspace(90.0, 300.0, views), 503.0, midpoint, detector)


GEOMETRIES = [helix(), helix(FLAT, midpoint=120.0), helix(midpoint=40.0), helix(views=1)]


@contextmanager
def full_disk() -> Iterator[None]:
    """Files may not grow beyond 500 bytes."""
    soft, hard = resource.getrlimit(resource.RLIMIT_FSIZE)
    resource.setrlimit(resource.RLIMIT_FSIZE, (500, hard))
    try:
        yield
    finally:
        resource.setrlimit(resource.RLIMIT_FSIZE, (soft, hard))


# ---- JSON and NPZ ------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("suffix", [".json", ".npz", ".JSON"])
@pytest.mark.parametrize("geometry", GEOMETRIES, ids=repr)
def test_round_trip_is_exact(tmp_path: Path, geometry: ScanGeometry, suffix: str) -> None:
    path = tmp_path / f"geometry{suffix}"
    save_geometry(path, geometry)
    assert load_geometry(path) == geometry


@pytest.mark.parametrize("suffix", [".json", ".npz"])
def test_a_window_of_views_is_written(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"geometry{suffix}"
    save_geometry(path, helix(), slice(10, 20))
    assert load_geometry(path) == helix().select(slice(10, 20))
    view = json.loads(path.read_text())["view"] if suffix == ".json" else np.load(path)["view"].tolist()
    assert view == list(range(10, 20))


def test_json_says_what_it_holds(tmp_path: Path) -> None:
    geometry = helix(FLAT)
    save_geometry(tmp_path / "g.json", geometry)
    content = json.loads((tmp_path / "g.json").read_text())
    assert content["detector"]["curvature_radius"] is None
    assert content["units"]["lengths"] == "mm"
    assert content["units"]["detector.column_min, detector.column_max"] == "mm"
    derived = content["derived"]
    assert derived["pitch"] == pytest.approx(210.0 / (17.3 / (2 * math.pi)))
    assert derived["turns"] == pytest.approx(17.3 / (2 * math.pi))
    assert derived["fan_angles"] == pytest.approx([math.atan2(-200, 503), math.atan2(210, 503)])
    assert derived["field_of_view_radius"] == pytest.approx(503 * math.sin(math.atan2(200, 503)))
    assert derived["axial_range"] == [90.0, 300.0]
    assert derived["pixel_size"] == pytest.approx([410 / 24, 6.4])


def test_a_single_view_has_no_infinity_in_json(tmp_path: Path) -> None:
    save_geometry(tmp_path / "g.json", helix(views=1))
    content = json.loads((tmp_path / "g.json").read_text(), parse_constant=lambda name: pytest.fail(name))
    assert content["derived"]["views_per_turn"] is None


@pytest.mark.parametrize("detector", [CURVED, FLAT], ids=["curved", "flat"])
def test_npz_arrays(tmp_path: Path, detector: Detector) -> None:
    geometry = helix(detector)
    save_geometry(tmp_path / "g.npz", geometry)
    with np.load(tmp_path / "g.npz", allow_pickle=False) as entries:
        np.testing.assert_array_equal(entries["sources"], geometry.sources())
        corners = entries["detector_corners"]
        mesh = geometry.detector_mesh(7).points
        np.testing.assert_allclose(corners[7], mesh[:: len(mesh) - 1, :: mesh.shape[1] - 1], atol=1e-9)
        assert entries["detector_curvature_radius"] == detector.curvature_radius


@pytest.mark.parametrize(
    ("name", "content", "text"),
    [
        ("g.json", b"{", "expected a geometry as save_geometry writes it"),
        ("g.json", b"[1]", "found list in the place of an object"),
        ("g.json", b"{}", "expected an entry 'detector'"),
        ("g.json", b"\xff\xfe", "expected a geometry as save_geometry writes it"),
        ("g.npz", b"", "expected a geometry as save_geometry writes it"),
        ("g.npz", b"PK\x03\x04 no zip", "expected a geometry as save_geometry writes it"),
        ("g.vtp", b"", "expected a file name that ends in .json, .npz; found '.vtp'"),
        ("g.json", None, "expected a geometry file; found no such file"),
    ],
)
def test_unreadable_geometry_files_are_named(tmp_path: Path, name: str, content: bytes | None, text: str) -> None:
    if content is not None:
        (tmp_path / name).write_bytes(content)
    with pytest.raises(InputError) as caught:
        load_geometry(tmp_path / name)
    assert text in str(caught.value)
    assert str(tmp_path / name) in str(caught.value)


def test_a_value_out_of_range_names_file_and_field(tmp_path: Path) -> None:
    save_geometry(tmp_path / "g.json", helix())
    content = json.loads((tmp_path / "g.json").read_text())
    content["source_radius"] = -1
    (tmp_path / "g.json").write_text(json.dumps(content))
    with pytest.raises(InputError, match=r"g\.json: source_radius: expected a positive length in mm; found -1\."):
        load_geometry(tmp_path / "g.json")


def test_pickles_in_npz_are_refused(tmp_path: Path) -> None:
    np.savez(tmp_path / "g.npz", angles=np.array([{}], dtype=object))
    with pytest.raises(InputError, match=r"allow_pickle=False"):
        load_geometry(tmp_path / "g.npz")


def test_an_unknown_suffix_lists_the_choices(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"g\.txt: expected a file name that ends in \.json, \.npz, \.vtp; found '\.txt'"):
        save_geometry(tmp_path / "g.txt", helix())
    assert GEOMETRY_SUFFIXES == (".json", ".npz", ".vtp")


@pytest.mark.parametrize("suffix", GEOMETRY_SUFFIXES)
def test_faults_of_writing_leave_nothing(tmp_path: Path, suffix: str) -> None:
    path = tmp_path / f"g{suffix}"
    with full_disk(), pytest.raises(WorkError, match=r"could not be written: File too large\. Nothing was left behind\."):
        save_geometry(path, helix())
    with pytest.raises(InputError, match=r"expected at least one view from 0 to 49; found none"):
        save_geometry(path, helix(), slice(5, 5))
    with pytest.raises(InputError, match=r"views: expected indices from 0 to 49.*found 60 to 60"):
        save_geometry(path, helix(), 60)
    assert list(tmp_path.iterdir()) == []


# ---- VTP ---------------------------------------------------------------------------------------------------------


def read_vtp(path: Path):
    vtk = pytest.importorskip("vtk")
    from vtk.util.numpy_support import vtk_to_numpy

    reader = vtk.vtkXMLPolyDataReader()
    problems: list[str] = []
    reader.AddObserver("ErrorEvent", lambda *_: problems.append("error"))
    reader.SetFileName(str(path))
    reader.Update()
    assert problems == []
    data = reader.GetOutput()
    points = vtk_to_numpy(data.GetPoints().GetData())
    point_data = {data.GetPointData().GetArrayName(n): vtk_to_numpy(data.GetPointData().GetArray(n)) for n in range(3)}
    cell_data = {data.GetCellData().GetArrayName(n): vtk_to_numpy(data.GetCellData().GetArray(n)) for n in range(2)}
    cells = []
    for n in range(data.GetNumberOfCells()):
        ids = data.GetCell(n).GetPointIds()
        cells.append([ids.GetId(m) for m in range(ids.GetNumberOfIds())])
    return points, point_data, cell_data, cells


@pytest.mark.parametrize("geometry", GEOMETRIES, ids=repr)
@pytest.mark.parametrize("views", [None, slice(10, 13), [0]], ids=str)
def test_vtk_reads_the_geometry(tmp_path: Path, geometry: ScanGeometry, views: slice | list[int] | None) -> None:
    if geometry.views == 1 and isinstance(views, slice):
        views = 0
    save_geometry(tmp_path / "g.vtp", geometry, views)
    points, point_data, cell_data, cells = read_vtp(tmp_path / "g.vtp")
    chosen = sparse_views(geometry) if views is None else geometry.view_indices(views)
    part, view = cell_data["part"], cell_data["view"]

    np.testing.assert_array_equal(np.flatnonzero(part == TRAJECTORY), [0])
    assert view[0] == -1
    np.testing.assert_allclose(points[cells[0]], geometry.sources(), rtol=0, atol=1e-6)
    np.testing.assert_allclose(point_data["angle"], geometry.angles[point_data["view"]])
    np.testing.assert_allclose(point_data["axial_position"], geometry.axial_positions[point_data["view"]])
    np.testing.assert_array_equal(point_data["view"][cells[0]], np.arange(geometry.views))

    d = geometry.detector
    columns = [d.column_min, (d.column_min + d.column_max) / 2, d.column_max]
    rows = [d.row_min, (d.row_min + d.row_max) / 2, d.row_max]
    for n in chosen:
        rays = [cells[m] for m in np.flatnonzero((part == RAYS) & (view == n))]
        assert len(rays) == 8
        for start, _end in rays:
            np.testing.assert_allclose(points[start], geometry.sources(int(n))[0], rtol=0, atol=1e-6)
        ends = {tuple(p) for p in points[[end for _start, end in rays]].round(5)}
        outline = geometry.detector_points(int(n), columns=columns, rows=rows)[0].reshape(9, 3)
        assert ends == {tuple(p) for p in np.delete(outline, 4, axis=0).round(5)}
        quads = [cells[m] for m in np.flatnonzero((part == DETECTOR) & (view == n))]
        assert all(len(quad) == 4 for quad in quads)
        used = np.unique(quads)
        np.testing.assert_array_equal(point_data["view"][used], n)
        mesh = geometry.detector_mesh(int(n), columns=32, rows=2).points.reshape(-1, 3)
        np.testing.assert_allclose(points[used], mesh, rtol=0, atol=1e-6)
        assert surface(points, quads) == pytest.approx(d.pixel_size[0] * d.columns * d.height, rel=1e-3)
    assert set(view[1:]) == {int(n) for n in chosen}


def surface(points: np.ndarray, quads: list[list[int]]) -> float:
    a, b, c, d = (points[np.array(quads)[:, n]] for n in range(4))
    return float(np.linalg.norm(np.cross(c - a, d - b), axis=1).sum() / 2)


def test_long_scans_get_a_sparse_set_of_detectors() -> None:
    views = sparse_views(helix(views=12000))
    assert len(views) == 16
    assert views[0] == 0
    assert views[-1] == 11999
    np.testing.assert_array_equal(sparse_views(helix(views=3)), [0, 1, 2])


# ---- projections -------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("detector", [CURVED, FLAT], ids=["curved", "flat"])
def test_a_projection_is_a_slice_in_mm_on_the_surface(tmp_path: Path, detector: Detector) -> None:
    geometry = helix(detector)
    projection = np.random.default_rng(3).normal(size=(24, 10)).astype(np.float32)
    save_projection(tmp_path / "p.nrrd", projection, geometry, -3, {"sample": "Pine"})
    data, header = nrrd.read(str(tmp_path / "p.nrrd"))
    np.testing.assert_array_equal(data[:, :, 0], projection)
    assert data.shape == (24, 10, 1)
    width, height = detector.pixel_size
    np.testing.assert_allclose(header["space directions"], [[width, 0, 0], [0, 0, height], [0, -width, 0]])
    assert float(header["angle_rad"]) == geometry.angles[47]
    assert float(header["axial_position_mm"]) == geometry.axial_positions[47]
    assert (header["view"], header["sample"]) == ("47", "Pine")
    array, grid, _ = load_volume(tmp_path / "p.nrrd")
    np.testing.assert_array_equal(array[:, 0, :], projection)
    scale = 1.0 if detector.is_flat else 503.0
    np.testing.assert_allclose(grid.centres(0), detector.column_centres() * scale)
    np.testing.assert_allclose(grid.centres(2), detector.row_centres() + geometry.axial_positions[47])


def test_slicer_loads_a_projection(tmp_path: Path) -> None:
    util = pytest.importorskip("slicer.util")
    slicer = pytest.importorskip("slicer")

    projection = np.random.default_rng(3).normal(size=(24, 10)).astype(np.float32)
    save_projection(tmp_path / "p.nrrd", projection, helix(), 4)
    scene = slicer.vtkMRMLScene()
    storage = scene.AddNewNodeByClass("vtkMRMLNRRDStorageNode")
    storage.SetFileName(str(tmp_path / "p.nrrd"))
    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    assert storage.ReadData(node) == 1
    np.testing.assert_array_equal(util.arrayFromVolume(node), projection.T[None])
    np.testing.assert_allclose(node.GetSpacing()[:2], CURVED.pixel_size)
    assert node.GetAttribute("view") == "4"


def test_faults_of_projections_are_named(tmp_path: Path) -> None:
    projection = np.zeros((24, 10), dtype=np.float32)
    with pytest.raises(InputError, match=r"projection: expected an array of shape \(24, 10\) \(columns, rows\).*found shape \(10, 24\)"):
        save_projection(tmp_path / "p.nrrd", projection.T, helix(), 0)
    with pytest.raises(InputError, match=r"views: expected indices from 0 to 49"):
        save_projection(tmp_path / "p.nrrd", projection, helix(), 50)
    with pytest.raises(InputError, match=r"expected a file name that ends in \.nrrd"):
        save_projection(tmp_path / "p.tif", projection, helix(), 0)
    with full_disk(), pytest.raises(WorkError, match=r"File too large"):
        save_projection(tmp_path / "p.nrrd", projection, helix(), 0)
    assert list(tmp_path.iterdir()) == []
