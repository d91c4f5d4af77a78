"""Node contents against the geometry, and moving in place."""

from __future__ import annotations

import numpy as np
import pytest

from MITOReconstructionLib.errors import InputError
from MITOReconstructionLib.geometry import VolumeGrid
from MITOReconstructionLib.scene import PARTS, ScanScene
from MITOReconstructionLib.scene.host import numpy_support, slicer, vtk


def points_of(node):
    return numpy_support.vtk_to_numpy(node.GetPolyData().GetPoints().GetData())


def matrix_of(node):
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    return np.array([[matrix.GetElement(i, j) for j in range(4)] for i in range(4)])


def test_the_trajectory_goes_through_every_source(scan_scene, ball_scan):
    node = scan_scene.trajectory.node
    assert points_of(node).dtype == np.float64
    np.testing.assert_allclose(points_of(node), ball_scan.geometry.sources(), atol=1e-9)
    line = numpy_support.vtk_to_numpy(node.GetPolyData().GetLines().GetConnectivityArray())
    np.testing.assert_array_equal(line, np.arange(ball_scan.geometry.views))
    view = numpy_support.vtk_to_numpy(node.GetPolyData().GetPointData().GetArray("view"))
    np.testing.assert_array_equal(view, np.arange(ball_scan.geometry.views))


@pytest.mark.parametrize("view", [0, 77, 240])
def test_source_rays_and_detector_are_where_the_geometry_says(scan_scene, ball_scan, view):
    scan_scene.show_view(view)
    geometry, d = ball_scan.geometry, ball_scan.geometry.detector
    source = geometry.sources(view)[0]
    ball = points_of(scan_scene.source.node)
    np.testing.assert_allclose(np.linalg.norm(ball - source, axis=1), geometry.source_radius / 50, atol=1e-4)
    rays = points_of(scan_scene.rays.node)
    np.testing.assert_allclose(rays[0], source, atol=1e-9)
    corners = geometry.detector_points(view, columns=[d.column_min, d.column_max], rows=[d.row_min, d.row_max])[0]
    for corner in corners.reshape(-1, 3):
        assert np.linalg.norm(rays[1:] - corner, axis=1).min() < 1e-9
    mesh = geometry.detector_mesh(view, columns=scan_scene.detector.columns).points.reshape(-1, 3)
    np.testing.assert_allclose(points_of(scan_scene.detector.node), mesh, atol=1e-9)


def test_every_quadrilateral_of_the_detector_has_its_texture_coordinates(scan_scene, ball_scan):
    d = ball_scan.geometry.detector
    polydata = scan_scene.detector.node.GetPolyData()
    texture = numpy_support.vtk_to_numpy(polydata.GetPointData().GetTCoords())
    column = d.column_min + texture[:, 0] * (d.column_max - d.column_min)
    row = d.row_min + texture[:, 1] * (d.row_max - d.row_min)
    for point, b, v in zip(points_of(scan_scene.detector.node), column, row, strict=True):
        expected = ball_scan.geometry.detector_points(0, columns=[b], rows=[v]).reshape(3)
        np.testing.assert_allclose(point, expected, atol=1e-3)  # texture coordinates are float32
    quads = numpy_support.vtk_to_numpy(polydata.GetPolys().GetConnectivityArray()).reshape(-1, 4)
    width = texture[quads[:, 1], 0] - texture[quads[:, 0], 0]
    height = texture[quads[:, 3], 1] - texture[quads[:, 0], 1]
    np.testing.assert_allclose(width * height, 1 / len(quads), rtol=1e-4)


def test_the_texture_is_the_windowed_projection_columns_first(scan_scene, ball_scan):
    d = ball_scan.geometry.detector
    pixels = np.zeros((d.columns, d.rows), dtype=np.float32)
    pixels[3, 7], pixels[100, 30] = 1.0, 2.0
    scan_scene.set_projection_window(0.0, 2.0)
    scan_scene.show_view(5, pixels)
    end = scan_scene.detector.display.GetTextureImageDataConnection()
    end.GetProducer().Update()
    image = end.GetProducer().GetOutputDataObject(end.GetIndex())
    assert image.GetDimensions() == (d.columns, d.rows, 1)
    assert [image.GetScalarComponentAsDouble(3, 7, 0, 0), image.GetScalarComponentAsDouble(100, 30, 0, 0)] == pytest.approx(
        [127, 255], abs=1
    )
    grey = numpy_support.vtk_to_numpy(image.GetPointData().GetScalars()).reshape(d.rows, d.columns, -1)[:, :, 0]
    assert np.count_nonzero(grey) == 2


def test_the_projection_lies_in_the_plane_of_a_flat_detector(scene, make_ball_scan):
    scan = make_ball_scan(curvature_radius=np.inf, detector_radius=300.0)
    shown = ScanScene(scene, scan, view=100)
    d = scan.geometry.detector
    i, j = np.meshgrid(np.arange(d.columns), np.arange(d.rows), indexing="ij")
    at = np.stack([i, j, np.zeros_like(i), np.ones_like(i)], axis=-1) @ matrix_of(shown.projection.node).T
    np.testing.assert_allclose(at[..., :3], scan.geometry.detector_points(100)[0], atol=1e-9)
    assert np.linalg.det(matrix_of(shown.projection.node)[:3, :3]) > 0
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(shown.projection.node)[0], scan.projection(100).T)
    assert shown.detector.columns == 1


def test_two_hundred_views_keep_every_node(scene, scan_scene, ball_scan, node_ids):
    scan_scene.show_region()
    scan_scene.show_window(12)
    scan_scene.show_view(0)
    before = node_ids(scene)
    polydata, image = scan_scene.detector.node.GetPolyData(), scan_scene.projection.node.GetImageData()
    events: dict[str, int] = {}
    watched = scan_scene.folder.members
    for node in watched:
        node.AddObserver(vtk.vtkCommand.AnyEvent, lambda caller, _: events.update({caller.GetID(): events.get(caller.GetID(), 0) + 1}))
    for view in range(200):
        scan_scene.show_view(view)
    for node in watched:
        node.RemoveObservers(vtk.vtkCommand.AnyEvent)
    assert node_ids(scene) == before
    assert scan_scene.detector.node.GetPolyData() is polydata
    assert scan_scene.projection.node.GetImageData() is image
    np.testing.assert_allclose(points_of(scan_scene.rays.node)[0], ball_scan.geometry.sources(199)[0], atol=1e-9)
    assert scan_scene.trajectory.node.GetID() not in events
    assert max(events.values()) <= 200 * 6, events


def test_the_views_around_are_shown_and_hidden(scan_scene, ball_scan):
    geometry = ball_scan.geometry
    scan_scene.show_window(10)
    scan_scene.show_view(100)
    assert scan_scene.trajectory_window.visible
    assert scan_scene.outlines.visible
    ends = points_of(scan_scene.trajectory_window.node)[[0, -1]]
    np.testing.assert_allclose(ends, geometry.sources([90, 110]), atol=1e-9)
    d = geometry.detector
    first = geometry.detector_points(90, columns=[d.column_min], rows=[d.row_min]).reshape(3)
    np.testing.assert_allclose(points_of(scan_scene.outlines.node)[0], first, atol=1e-9)
    scan_scene.show_view(3)  # cut off at the first view
    np.testing.assert_allclose(points_of(scan_scene.trajectory_window.node)[0], geometry.sources(0)[0], atol=1e-9)
    scan_scene.show_window(0)
    assert not scan_scene.trajectory_window.visible
    assert not scan_scene.outlines.visible
    with pytest.raises(InputError, match="around"):
        scan_scene.show_window(-1)


def test_the_region_box_has_the_outer_edges_of_the_grid(scan_scene):
    grid = VolumeGrid((-20.0, -31.0, 130.0), (81.0, 60.0, 201.5), (10, 20, 30))
    box = scan_scene.show_region(grid)
    bounds = [0.0] * 6
    box.node.GetRASBounds(bounds)
    np.testing.assert_allclose(np.reshape(bounds, (3, 2)), np.transpose([grid.minimum, grid.maximum]), atol=1e-9)
    np.testing.assert_allclose(box.bounds, [grid.minimum, grid.maximum], atol=1e-9)
    assert scan_scene.show_region().node is box.node
    np.testing.assert_allclose(box.bounds[0], scan_scene.scan.default_grid.minimum, atol=1e-9)


def test_parts_are_hidden_and_styled(scan_scene):
    scan_scene.show_region()
    for name in PARTS:
        assert scan_scene.is_visible(name)
        scan_scene.set_visible(name, False)
        assert not scan_scene.is_visible(name)
        assert scan_scene.part(name).node.GetDisplayNode().GetVisibility() == 0
    scan_scene.style("rays", colour=(0.1, 0.2, 0.3), opacity=0.4, line_width=5)
    display = scan_scene.rays.display
    assert display.GetColor() == (0.1, 0.2, 0.3)
    assert (display.GetOpacity(), display.GetLineWidth()) == (0.4, 5)
    scan_scene.trajectory.coloured_by_view = True
    assert scan_scene.trajectory.display.GetScalarRange() == (0, 240)
    with pytest.raises(InputError, match="trajectory, source, detector, rays, region; found 'knot'"):
        scan_scene.set_visible("knot", True)


def test_everything_is_in_one_folder_and_remove_leaves_nothing(scene, ball_scan, node_ids):
    before = node_ids(scene)
    shown = ScanScene(scene, ball_scan)
    shown.show_region()
    shown.show_volume(ball_scan.volume(), ball_scan.default_grid, "FBP")
    hierarchy = scene.GetSubjectHierarchyNode()
    assert hierarchy.GetItemName(shown.folder.item) == ball_scan.name
    assert len(shown.folder.members) == 9
    for node in shown.folder.members:
        assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(node)) == shown.folder.item
    shown.remove()
    assert [i for i in node_ids(scene) if i not in before] == [hierarchy.GetID()]
    assert hierarchy.GetItemByName(ball_scan.name) == hierarchy.GetInvalidItemID()


def test_what_a_user_put_into_the_folder_outlives_it(scene, scan_scene):
    hierarchy = scene.GetSubjectHierarchyNode()
    markup = scene.AddNewNodeByClass("vtkMRMLModelNode", "mine")
    scan_scene.folder.add(markup)
    scan_scene.remove()
    assert markup.GetScene() is scene
    assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(markup)) == hierarchy.GetSceneItemID()


def test_a_part_that_the_user_deleted_stays_away(scene, scan_scene):
    scene.RemoveNode(scan_scene.rays.node)
    scan_scene.show_view(9)
    assert not scan_scene.rays.alive
    assert scan_scene.view == 9
    region = scan_scene.show_region()
    scene.RemoveNode(region.node)
    assert scan_scene.show_region().alive


def test_a_second_look_at_the_same_scan_reuses_its_nodes(scene, scan_scene, ball_scan, node_ids):
    before = node_ids(scene)
    again = ScanScene(scene, ball_scan, view=7)
    assert node_ids(scene) == before
    assert again.detector.node is scan_scene.detector.node
    assert again.folder.item == scan_scene.folder.item


def test_the_scans_own_projection_is_read_once_a_view(scan_scene, ball_scan):
    ball_scan.asked.clear()
    scan_scene.show_view(-1)
    scan_scene.show_view(5, np.ones((130, 40), dtype=np.float32))
    assert ball_scan.asked == [240]
    np.testing.assert_array_equal(scan_scene.projection.array, 1.0)


def test_faults_are_named(scene, scan_scene, ball_scan):
    with pytest.raises(InputError, match="views: expected indices from 0 to 240"):
        scan_scene.show_view(241)
    with pytest.raises(InputError, match=r"projection: expected shape \(columns, rows\) = \(130, 40\); found shape \(40, 130\)"):
        scan_scene.show_view(1, np.zeros((40, 130), dtype=np.float32))
    with pytest.raises(InputError, match="window: expected"):
        scan_scene.set_projection_window(2.0, 1.0)
    with pytest.raises(InputError, match="scene: expected a vtkMRMLScene; found NoneType"):
        ScanScene(None, ball_scan)
    assert scan_scene.view == 0
