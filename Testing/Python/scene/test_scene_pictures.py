"""Pictures drawn without a screen: things are seen where the geometry puts them."""

from __future__ import annotations

import subprocess
import sys

import numpy as np
import pytest

from MITOReconstructionLib.errors import InputError, WorkError
from MITOReconstructionLib.scene import OffscreenViews, ScanScene, load_scene, render_picture, save_scene
from MITOReconstructionLib.scene import offscreen as offscreen_module
from MITOReconstructionLib.scene.annotation import _LETTERS, title_bar
from MITOReconstructionLib.scene.arrangement import SLICES, Arrangement
from MITOReconstructionLib.scene.camera import scene_points
from MITOReconstructionLib.scene.host import numpy_support, slicer, vtk

pytestmark = pytest.mark.usefixtures("opengl")


def centre_of(bright):
    """Column and row of the middle of the pixels that are set, from the top left corner."""
    rows, columns = np.nonzero(bright)
    assert rows.size > 8
    return np.array([columns.mean() + 0.5, rows.mean() + 0.5])


def only_the_detector(shown):
    for name in ("trajectory", "source", "rays"):
        shown.set_visible(name, False)


def ball_on_detector(scan, view):
    """Where the ray through the ball's centre meets the detector, from the formulas of the geometry alone."""
    g = scan.geometry
    source = g.sources(view)[0]
    phi = g.angles[view]
    to_ball = scan.ball - source
    across, along = to_ball[:2] @ [np.cos(phi), np.sin(phi)], to_ball[:2] @ [-np.sin(phi), np.cos(phi)]
    fan = np.arctan2(across, along)
    height = to_ball[2] * g.detector.curvature_radius / np.hypot(across, along)
    radius = g.detector.curvature_radius
    return source + np.array([-radius * np.sin(phi - fan), radius * np.cos(phi - fan), height])


@pytest.mark.parametrize("shift", [-12, 0, 12])
def test_the_ball_is_on_the_detector_where_its_ray_ends(scene, ball_scan, shift):
    view = ball_scan.view_that_sees_the_ball() + shift
    shown = ScanScene(scene, ball_scan, view=view)
    only_the_detector(shown)
    target = ball_on_detector(ball_scan, view)
    across, along = np.cos(ball_scan.geometry.angles[view]), np.sin(ball_scan.geometry.angles[view])
    offset = (target - ball_scan.geometry.sources(view)[0])[:2] @ [across, along]
    mirrored = target - 2 * offset * np.array([across, along, 0.0])
    with OffscreenViews(scene, size_3d=(900, 600), size_slice=(100, 100)) as views:
        views.aim(azimuth=25.0, elevation=5.0)
        bright = (views.pixels("3D").astype(int).min(axis=2) > 200) & (np.arange(900)[None, :] < 780)
        seen = centre_of(bright)
        expected, wrong = np.array(views.to_pixel("3D", target)), np.array(views.to_pixel("3D", mirrored))
    assert np.linalg.norm(seen - expected) < 4.0
    assert np.linalg.norm(seen - wrong) > 40.0


def test_a_loaded_scene_looks_the_same(scene, ball_scan, tmp_path):
    shown = ScanScene(scene, ball_scan, view=ball_scan.view_that_sees_the_ball())
    only_the_detector(shown)
    save_scene(scene, tmp_path / "scene.mrb")
    loaded = load_scene(tmp_path / "scene.mrb")
    pictures = []
    for each in (scene, loaded):
        with OffscreenViews(each, size_3d=(600, 400), size_slice=(100, 100)) as views:
            pictures.append(views.pixels("3D").astype(int))
    assert pictures[0].std() > 20
    assert np.mean(np.abs(pictures[0] - pictures[1])) < 1.0


@pytest.mark.parametrize("name", ["Red", "Green", "Yellow"])
def test_the_ball_is_in_the_slice_views(scene, scan_scene, ball_scan, name):
    scan_scene.show_volume(ball_scan.volume(), ball_scan.default_grid, "FBP")
    with OffscreenViews(scene, size_3d=(200, 200), size_slice=(420, 360)) as views:
        logic = views.arrangement.slices[name]
        logic.GetSliceNode().JumpSliceByOffsetting(*ball_scan.ball)
        letter, at = views.position(name)
        assert at == pytest.approx(ball_scan.ball["RAS".index(letter)])
        picture = views.pixels(name)[30:-60, 40:-40].astype(int)
        expected = np.array(views.to_pixel(name, ball_scan.ball))
        bright = picture.min(axis=2) > 240
        assert np.linalg.norm(centre_of(bright) + np.array([40, 30]) - expected) < 2.5
        rows, columns = np.nonzero(bright)
        field, dimensions = logic.GetSliceNode().GetFieldOfView(), logic.GetSliceNode().GetDimensions()
        assert field[0] / dimensions[0] == pytest.approx(field[1] / dimensions[1], rel=1e-6)
        assert np.ptp(rows) == pytest.approx(np.ptp(columns), abs=0.25 * np.ptp(rows))
        middle = np.array(views.to_pixel(name, ball_scan.ball))
        for letter, towards in zip(_LETTERS[SLICES[name]], ((-1, 0), (1, 0), (0, -1), (0, 1)), strict=True):
            step = 30.0 * np.array(
                [(letter == "R") - (letter == "L"), (letter == "A") - (letter == "P"), (letter == "S") - (letter == "I")]
            )
            there = np.array(views.to_pixel(name, ball_scan.ball + step)) - middle
            np.testing.assert_allclose(there / np.linalg.norm(there), towards, atol=1e-6)


def test_the_whole_volume_fits_into_each_slice_view(scene, scan_scene, ball_scan):
    grid = ball_scan.default_grid
    scan_scene.show_volume(ball_scan.volume(), grid, "FBP")
    with OffscreenViews(scene, size_slice=(420, 360)) as views:
        for name in ("Red", "Green", "Yellow"):
            for corner in (grid.minimum, grid.maximum):
                x, y = views.to_pixel(name, np.array(corner))
                assert 0 < x < 420
                assert 0 < y < 360


def test_everything_is_within_the_3d_view_and_fills_it(scene, scan_scene, ball_scan):
    scan_scene.show_volume(ball_scan.volume(), ball_scan.default_grid, "FBP")
    with OffscreenViews(scene, size_3d=(800, 500), size_slice=(100, 100)) as views:
        for azimuth, elevation in ((54.0, 24.0), (150.0, 60.0)):
            views.aim(azimuth=azimuth, elevation=elevation)
            views.pixels("3D")
            seen = np.array([views.to_pixel("3D", point) for point in scene_points(scene)[0]])
            assert seen.min() > 0
            assert (seen.max(axis=0) < [800, 500]).all()
            assert max(np.ptp(seen[:, 0]) / 800, np.ptp(seen[:, 1]) / 500) > 0.9


def test_a_region_is_drawn_in_3d_and_in_slices(scene, scan_scene, ball_scan):
    scan_scene.show_volume(ball_scan.volume(), ball_scan.default_grid, "FBP")
    scan_scene.show_region()

    def cyan(picture):
        red, green, blue = (picture[:, :, i].astype(int) for i in range(3))
        return np.count_nonzero((green - red > 90) & (blue - red > 90))

    with OffscreenViews(scene, size_3d=(400, 300), size_slice=(400, 300)) as views:
        assert cyan(views.pixels("3D")) > 100
        assert cyan(views.pixels("Red")) > 400
    scan_scene.set_visible("region", False)
    with OffscreenViews(scene, size_3d=(400, 300), size_slice=(400, 300)) as views:
        assert cyan(views.pixels("3D")) == cyan(views.pixels("Red")) == 0


@pytest.mark.parametrize("layout", ["conventional", "four-up"])
def test_a_picture_has_four_views_with_their_bars(scene, scan_scene, ball_scan, tmp_path, layout, node_ids):
    scan_scene.show_volume(ball_scan.volume(), ball_scan.default_grid, "FBP")
    before = node_ids(scene)
    render_picture(scene, tmp_path / "scene.png", (640, 480), layout=layout)
    assert node_ids(scene) == before
    reader = vtk.vtkPNGReader()
    reader.SetFileName(str(tmp_path / "scene.png"))
    reader.Update()
    assert reader.GetOutput().GetDimensions() == (640, 480, 1)
    flat = numpy_support.vtk_to_numpy(reader.GetOutput().GetPointData().GetScalars())
    picture = flat.reshape(480, 640, 3)[::-1].astype(int)
    for colour in ((243, 74, 51), (110, 176, 75), (237, 213, 76), (124, 134, 217)):
        assert np.count_nonzero((picture == colour).all(axis=2)) > 1500
    assert [path.name for path in tmp_path.iterdir()] == ["scene.png"]


def test_a_scene_without_a_volume_or_with_nothing_is_drawn(scene, tmp_path, ball_scan):
    render_picture(scene, tmp_path / "nothing.png", (320, 240))
    ScanScene(scene, ball_scan)
    render_picture(scene, tmp_path / "scan.png", (320, 240))
    assert (tmp_path / "scan.png").stat().st_size > (tmp_path / "nothing.png").stat().st_size


def test_the_users_own_views_are_left_alone(scene, scan_scene, tmp_path):
    arrangement = Arrangement(scene)
    arrangement.aim(1.0)
    position, field = arrangement.camera_node().GetPosition(), arrangement.slices["Red"].GetSliceNode().GetFieldOfView()
    render_picture(scene, tmp_path / "scene.png", (320, 240), azimuth=-30.0)
    assert arrangement.camera_node().GetPosition() == position
    assert arrangement.slices["Red"].GetSliceNode().GetFieldOfView() == field
    arrangement.close()


def test_what_is_added_while_views_are_open_stays(scene, ball_scan):
    with OffscreenViews(scene, size_3d=(320, 240), size_slice=(100, 100)) as views:
        empty = views.pixels("3D").astype(int)
        shown = ScanScene(scene, ball_scan)
        views.aim()
        assert np.abs(views.pixels("3D") - empty).max() > 50
    assert shown.detector.alive
    assert scene.GetFirstNodeByClass("vtkMRMLAbstractViewNode") is None
    assert scene.GetFirstNodeByClass("vtkMRMLCameraNode") is None


def test_faults_are_named(scene, tmp_path, monkeypatch):
    with pytest.raises(InputError, match=r"ends in \.png"):
        render_picture(scene, tmp_path / "scene.jpg")
    with pytest.raises(InputError, match="size: expected 320 x 240"):
        render_picture(scene, tmp_path / "scene.png", (100, 100))
    with pytest.raises(InputError, match="layout: expected conventional or four-up; found 'two'"):
        render_picture(scene, tmp_path / "scene.png", layout="two")
    monkeypatch.setattr(slicer, "app", object(), raising=False)
    with pytest.raises(InputError, match="Screen Capture"):
        OffscreenViews(scene)
    assert list(tmp_path.iterdir()) == []


def test_no_opengl_is_told_with_the_packages_to_install(monkeypatch):
    offscreen_module.require_opengl.cache_clear()
    monkeypatch.setattr(offscreen_module, "_PROBE", "import os; os.abort()")
    with pytest.raises(WorkError, match="libegl1, libegl-mesa0 and libgl1-mesa-dri"):
        offscreen_module.require_opengl()
    offscreen_module.require_opengl.cache_clear()


def test_a_bar_shows_its_text():
    bar = title_bar("Axial   S: 12.00 mm", 300, 24, (200, 100, 50))
    assert bar.shape == (24, 300, 3)
    dark = (bar.astype(int).sum(axis=2) < 150).nonzero()
    assert 40 < dark[1].max() < 260
    assert 3 < dark[0].min() < dark[0].max() < 22


def test_without_slicer_the_library_says_what_to_install():
    code = (
        "import sys; sys.modules['slicer'] = None\n"
        "import MITOReconstructionLib.scene as scene\n"
        "print('vtk' in sys.modules, scene.__all__)\n"
        "from MITOReconstructionLib.errors import MissingPackageError\n"
        "try:\n    scene.save_scene\nexcept MissingPackageError as error:\n    print(error)\n"
    )
    told = subprocess.run([sys.executable, "-c", code], capture_output=True, text=True, check=True).stdout
    assert told.startswith("False ['OffscreenViews'")
    assert 'pip install "mito-reconstruction[scene]"' in told


def test_drawing_and_leaving_does_not_crash(tmp_path):
    code = (
        "import sys\n"
        "from MITOReconstructionLib.scene import new_scene, render_picture, OffscreenViews\n"
        "scene = new_scene()\n"
        "render_picture(scene, sys.argv[1], (320, 240))\n"
        "views = OffscreenViews(scene); views.pixels('3D')\n"  # not closed
    )
    done = subprocess.run([sys.executable, "-c", code, str(tmp_path / "a.png")], capture_output=True, text=True, check=False)
    assert done.returncode == 0, done.stderr
    assert "ERR|" not in done.stderr
    assert "WARN|" not in done.stderr
