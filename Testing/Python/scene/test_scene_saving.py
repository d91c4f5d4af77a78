"""Scenes written to .mrb files and read again."""

from __future__ import annotations

import zipfile
from pathlib import Path

import numpy as np
import pytest

from MITOReconstructionLib.errors import InputError, WorkError
from MITOReconstructionLib.geometry import VolumeGrid
from MITOReconstructionLib.scene import ScanScene, load_scene, new_scene, provenance_of, save_scene
from MITOReconstructionLib.scene.detector import _MOST_CELLS, _binned, with_values
from MITOReconstructionLib.scene.host import numpy_support, slicer
from MITOReconstructionLib.scene.parts import find_part

REGION = VolumeGrid((-20.0, -31.0, 130.0), (81.0, 60.0, 201.5), (10, 20, 30))


@pytest.fixture
def shown(scan_scene, ball_scan):
    scan_scene.show_view(ball_scan.view_that_sees_the_ball())
    scan_scene.show_region(REGION)
    scan_scene.show_volume(ball_scan.volume(), ball_scan.default_grid, "FBP", {"method": "fbp", "views": [0, 241]})
    return scan_scene


def points_of(node):
    return numpy_support.vtk_to_numpy(node.GetPolyData().GetPoints().GetData())


def test_everything_comes_back(shown, scene, ball_scan, tmp_path):
    save_scene(scene, tmp_path / "scene.mrb")
    loaded = load_scene(tmp_path / "scene.mrb")
    geometry, view = ball_scan.geometry, shown.view
    model = {part: find_part(loaded, "vtkMRMLModelNode", part, ball_scan.name)[0] for part in ("trajectory", "source", "rays", "detector")}
    np.testing.assert_allclose(points_of(model["trajectory"]), geometry.sources(), atol=1e-6)
    np.testing.assert_allclose(points_of(model["rays"])[0], geometry.sources(view)[0], atol=1e-6)
    (region,) = find_part(loaded, "vtkMRMLMarkupsROINode", "region")
    bounds = [0.0] * 6
    region.GetRASBounds(bounds)
    np.testing.assert_allclose(np.reshape(bounds, (3, 2)), np.transpose([REGION.minimum, REGION.maximum]), atol=1e-6)
    (volume,) = find_part(loaded, "vtkMRMLScalarVolumeNode", "volume")
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(volume), ball_scan.volume().transpose(2, 1, 0))
    assert volume.GetOrigin() == pytest.approx(ball_scan.default_grid.origin, abs=1e-6)
    assert provenance_of(volume) == {"method": "fbp", "views": [0, 241]}
    before, after = (n.GetScalarVolumeDisplayNode() for n in (shown.volumes["FBP"].node, volume))
    assert after.GetWindowLevelMax() == pytest.approx(before.GetWindowLevelMax())
    hierarchy = loaded.GetSubjectHierarchyNode()
    folder = hierarchy.GetItemByName(ball_scan.name)
    assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(volume)) == folder
    assert hierarchy.GetItemParent(hierarchy.GetItemByDataNode(region)) == folder


def test_the_saved_detector_carries_the_projection(shown, scene, ball_scan, tmp_path):
    save_scene(scene, tmp_path / "scene.mrb")
    loaded = load_scene(tmp_path / "scene.mrb")
    (node,) = find_part(loaded, "vtkMRMLModelNode", "detector")
    d = ball_scan.geometry.detector
    assert node.GetAttribute("MITO.view") == str(shown.view)
    polydata, display = node.GetPolyData(), node.GetDisplayNode()
    assert polydata.GetNumberOfCells() == d.columns * d.rows
    values = numpy_support.vtk_to_numpy(polydata.GetCellData().GetArray("line integral"))
    np.testing.assert_allclose(values.reshape(d.columns, d.rows), ball_scan.projection(shown.view), rtol=1e-6)
    quads = numpy_support.vtk_to_numpy(polydata.GetPolys().GetConnectivityArray()).reshape(-1, 4)
    centres = points_of(node)[quads].mean(axis=1).reshape(d.columns, d.rows, 3)
    np.testing.assert_allclose(centres, ball_scan.geometry.detector_points(shown.view)[0], atol=0.05)  # chords of the arc
    assert display.GetScalarVisibility()
    assert display.GetColorNodeID() == "vtkMRMLColorTableNodeGrey"
    assert display.GetScalarRange() == pytest.approx(shown.projection.window)
    assert display.GetLighting() == 0


def test_saving_leaves_the_scene_as_it_was(shown, scene, tmp_path, node_ids):
    before, polydata = node_ids(scene), shown.detector.node.GetPolyData()
    texture = shown.detector.display.GetTextureImageDataConnection()
    save_scene(scene, tmp_path / "scene.mrb")
    assert node_ids(scene) == before
    assert polydata is shown.detector.polydata
    assert shown.detector.display.GetTextureImageDataConnection() is texture
    assert shown.detector.display.GetScalarVisibility() == 0
    assert [path.name for path in tmp_path.iterdir()] == ["scene.mrb"]
    shown.show_view(3)
    assert shown.detector.node.GetPolyData() is polydata


def test_the_file_opens_in_the_applications_views(shown, scene, tmp_path):
    save_scene(scene, tmp_path / "scene.mrb")
    loaded = load_scene(tmp_path / "scene.mrb")
    (volume,) = find_part(loaded, "vtkMRMLScalarVolumeNode", "volume")
    for name in ("Red", "Green", "Yellow"):
        assert loaded.GetNodeByID(f"vtkMRMLSliceCompositeNode{name}").GetBackgroundVolumeID() == volume.GetID()
    assert loaded.GetFirstNodeByClass("vtkMRMLCameraNode").GetLayoutName() == "1"
    again = tmp_path / "again.mrb"
    camera = loaded.GetFirstNodeByClass("vtkMRMLCameraNode")
    camera.SetPosition(1.0, 2.0, 3.0)
    save_scene(loaded, again)  # views that are there stay as they are
    assert camera.GetPosition() == (1.0, 2.0, 3.0)
    assert loaded.GetNumberOfNodesByClass("vtkMRMLCameraNode") == 1


def test_work_goes_on_in_a_loaded_scene(shown, scene, ball_scan, tmp_path, node_ids):
    save_scene(scene, tmp_path / "scene.mrb")
    loaded = load_scene(tmp_path / "scene.mrb")
    before = node_ids(loaded)
    again = ScanScene(loaded, ball_scan, view=11)
    again.show_region()
    again.show_volume(ball_scan.volume(), ball_scan.default_grid, "FBP")
    assert node_ids(loaded) == before
    assert again.detector.display.GetScalarVisibility() == 0
    np.testing.assert_allclose(points_of(again.rays.node)[0], ball_scan.geometry.sources(11)[0], atol=1e-9)


def test_the_bundle_is_one_folder_with_one_scene(shown, scene, tmp_path):
    save_scene(scene, tmp_path / "log.mrb")
    with zipfile.ZipFile(tmp_path / "log.mrb") as bundle:
        names = bundle.namelist()
        assert bundle.testzip() is None
    assert {name.split("/")[0] for name in names} == {"log"}
    assert [name for name in names if name.endswith(".mrml")] == ["log/log.mrml"]


def test_large_projections_are_binned_without_moving_anything():
    pixels = np.arange(1560 * 230, dtype=np.float32).reshape(1560, 230)
    values, edges = _binned(pixels)
    assert values.size <= _MOST_CELLS
    assert values.shape == (780, 115)
    assert values[5, 7] == pytest.approx(pixels[10:12, 14:16].mean())
    odd, edges = _binned(np.ones((1001, 701), dtype=np.float32))
    np.testing.assert_allclose(odd, 1.0)
    assert (edges[0][0], edges[0][-1], edges[1][-1]) == (0.0, 1.0, 1.0)
    assert np.diff(edges[0])[-1] == pytest.approx(1 / 1001)


def test_a_model_without_a_projection_is_left_alone(scene, shown):
    polydata = shown.rays.node.GetPolyData()
    with with_values(shown.rays.node):
        assert shown.rays.node.GetPolyData() is polydata


def test_faults_of_file_names(shown, scene, tmp_path):
    with pytest.raises(InputError, match=r"ends in \.mrb"):
        save_scene(scene, tmp_path / "scene.mrml")
    with pytest.raises(InputError, match="a folder that exists"):
        save_scene(scene, tmp_path / "none" / "scene.mrb")
    with pytest.raises(InputError, match="no such file"):
        load_scene(tmp_path / "none.mrb")
    (tmp_path / "bad.mrb").write_bytes(b"no zip")
    with pytest.raises(InputError, match="a scene bundle; found no archive"):
        load_scene(tmp_path / "bad.mrb")
    with zipfile.ZipFile(tmp_path / "other.mrb", "w") as bundle:
        bundle.writestr("other/readme.txt", "no scene")
    here = Path.cwd()
    with pytest.raises(InputError, match="a scene bundle"):
        load_scene(tmp_path / "other.mrb")
    assert Path.cwd() == here


def test_a_failure_leaves_nothing_behind(shown, tmp_path, monkeypatch):
    class Failing:
        def __getattr__(self, name):
            return getattr(shown.scene, name)

        def WriteToMRB(self, *_):
            return False

    monkeypatch.setattr("MITOReconstructionLib.scene.saving.prepare_scene", lambda scene: None)
    monkeypatch.setattr("MITOReconstructionLib.scene.saving._arranged", lambda scene: __import__("contextlib").nullcontext())
    with pytest.raises(WorkError, match="could not be written"):
        save_scene(Failing(), tmp_path / "scene.mrb")
    assert list(tmp_path.iterdir()) == []
    assert shown.detector.display.GetScalarVisibility() == 0


def test_an_empty_scene_is_saved(tmp_path):
    save_scene(new_scene(), tmp_path / "empty.mrb")
    assert find_part(load_scene(tmp_path / "empty.mrb"), "vtkMRMLModelNode", "detector") == []
