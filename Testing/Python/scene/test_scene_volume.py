"""Volumes: where their voxels are, what their window shows, how they came to be."""

from __future__ import annotations

import numpy as np
import pytest

from MITOReconstructionLib.errors import InputError
from MITOReconstructionLib.geometry import VolumeGrid
from MITOReconstructionLib.scene import provenance_of
from MITOReconstructionLib.scene.host import slicer, vtk
from MITOReconstructionLib.scene.window import contrast_of

GRID = VolumeGrid((-11.0, 4.0, 100.0), (1.0, 13.0, 104.0), (4, 3, 2))


def test_voxel_centres_in_ras(scan_scene):
    array = np.arange(24, dtype=np.float32).reshape(GRID.shape)
    node = scan_scene.show_volume(array, GRID, "small").node
    assert slicer.util.arrayFromVolume(node).shape == (2, 3, 4)
    np.testing.assert_array_equal(slicer.util.arrayFromVolume(node), array.transpose(2, 1, 0))
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    for index in np.ndindex(*GRID.shape):
        expected = [GRID.centres(axis)[i] for axis, i in enumerate(index)]
        assert matrix.MultiplyPoint((*index, 1.0))[:3] == pytest.approx(expected, abs=1e-9)
        assert node.GetImageData().GetScalarComponentAsDouble(*index, 0) == array[index]
    assert node.GetOrigin() == pytest.approx(GRID.origin)
    assert node.GetSpacing() == pytest.approx(GRID.spacing)


def test_the_same_name_is_overwritten_in_place(scene, scan_scene, node_ids):
    part = scan_scene.show_volume(np.zeros(GRID.shape, dtype=np.float32), GRID, "FBP")
    before, image = node_ids(scene), part.node.GetImageData()
    again = scan_scene.show_volume(np.ones(GRID.shape, order="F"), GRID, "FBP")
    assert again is part
    assert node_ids(scene) == before
    assert part.node.GetImageData() is image
    np.testing.assert_array_equal(part.array, 1.0)
    assert part.array.dtype == np.float32
    other = VolumeGrid((0.0, 0.0, 0.0), (5.0, 5.0, 5.0), (5, 6, 7))
    scan_scene.show_volume(np.full(other.shape, 2.0, dtype=np.float32), other, "FBP")
    assert node_ids(scene) == before
    assert part.array.shape == other.shape
    scan_scene.show_volume(np.ones(GRID.shape), GRID, "SIRT")
    assert set(scan_scene.volumes) == {"FBP", "SIRT"}


def test_provenance_is_kept(scan_scene):
    told = {"method": "fbp", "parameters": {"filter": 'Hann; "x": <y>&', "cut": np.float32(0.5)}, "views": [0, 12], "sample": "kådå"}
    node = scan_scene.show_volume(np.zeros(GRID.shape), GRID, "FBP", told).node
    assert provenance_of(node) == {**told, "parameters": {"filter": 'Hann; "x": <y>&', "cut": 0.5}}
    assert provenance_of(scan_scene.projection.node) == {}
    with pytest.raises(InputError, match="provenance: expected names with numbers"):
        scan_scene.show_volume(np.zeros(GRID.shape), GRID, "new", {"scan": object()})
    assert "new" not in scan_scene.volumes
    node.SetAttribute("MITO.provenance", "{")
    with pytest.raises(InputError, match="Delete the attribute"):
        provenance_of(node)


def test_a_wrong_shape_is_named(scene, scan_scene, node_ids):
    before = node_ids(scene)
    with pytest.raises(InputError, match=r"volume array: expected shape \(x, y, z\) = \(4, 3, 2\) of its grid; found shape \(2, 3, 4\)"):
        scan_scene.show_volume(np.zeros((2, 3, 4)), GRID, "turned")
    assert node_ids(scene) == before


def test_the_window_covers_wood_and_keeps_air_black(scan_scene, ball_scan):
    array = ball_scan.volume()
    part = scan_scene.show_volume(array, ball_scan.default_grid, "FBP")
    display = part.node.GetScalarVolumeDisplayNode()
    assert display.GetAutoWindowLevel() == 0
    assert 0.0 <= display.GetWindowLevelMin() < 0.02
    assert display.GetWindowLevelMax() == pytest.approx(0.05, rel=0.02)
    opacity = part.rendering.GetVolumePropertyNode().GetVolumeProperty().GetScalarOpacity()
    assert opacity.GetValue(0.0) == 0.0
    assert 0.0 < opacity.GetValue(0.02) < opacity.GetValue(0.05)
    assert part.visible
    part.visible = False
    assert part.rendering.GetVisibility() == 0


def rings(seed: int = 3) -> np.ndarray:
    random = np.random.default_rng(seed)
    x, y = np.meshgrid(np.arange(80) - 40.0, np.arange(80) - 40.0, indexing="ij")
    r = np.hypot(x, y)
    wood = np.where(r < 30, 0.02 + 0.004 * np.sin(r), 0.0)[:, :, None] + random.normal(0, 0.0005, (80, 80, 10))
    return np.asarray(wood, dtype=np.float32)


def test_contrast_parts_air_from_wood():
    contrast = contrast_of(rings())
    assert 0.003 < contrast.threshold < 0.0155
    assert contrast.high == pytest.approx(0.0255, abs=0.001)
    assert 0.005 < contrast.low < 0.0155


@pytest.mark.parametrize("outside", [np.nan, -1000.0, np.inf])
def test_contrast_ignores_the_outside_of_a_masked_volume(outside):
    masked = rings()
    masked[:30] = outside
    plain, seen = contrast_of(rings()), contrast_of(masked)
    np.testing.assert_allclose(seen, plain, atol=0.002)


@pytest.mark.parametrize("array", [np.zeros((3, 3, 3)), np.full((2, 2, 2), np.nan), np.full((4, 4, 4), 0.3), np.zeros((0, 2, 2))])
def test_contrast_of_nothing_is_still_a_window(array):
    contrast = contrast_of(array)
    assert np.isfinite(contrast).all()
    assert contrast.low < contrast.high
