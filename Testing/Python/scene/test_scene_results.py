"""What is done with volume nodes: reading them back, window and level, charts, slice views, differences."""

from __future__ import annotations

from pathlib import Path

import numpy as np
import pytest

pytest.importorskip("slicer.util", reason="needs slicer-core")

from MITOReconstructionLib.errors import InputError
from MITOReconstructionLib.geometry import VolumeGrid
from MITOReconstructionLib.jobs import Volume
from MITOReconstructionLib.scene import new_scene
from MITOReconstructionLib.scene.difference import difference, same_grid
from MITOReconstructionLib.scene.host import slicer, vtk
from MITOReconstructionLib.scene.plots import ResidualPlot
from MITOReconstructionLib.scene.preview import PreviewPart
from MITOReconstructionLib.scene.results import adopt, fit_window, volume_of
from MITOReconstructionLib.scene.slices import set_opacity, show_again, show_in_slices, shown_in_slices
from MITOReconstructionLib.scene.volume import VolumePart
from MITOReconstructionLib.scene.window import window_of

GRID = VolumeGrid((-4.0, 0.0, 10.0), (4.0, 9.0, 20.0), (8, 3, 5))


@pytest.fixture
def scene():
    return new_scene()


def field(grid: VolumeGrid) -> np.ndarray:
    """Linear in x, y and z."""
    x, y, z = (grid.origin[axis] + grid.spacing[axis] * np.arange(grid.shape[axis]) for axis in range(3))
    return (x[:, None, None] + 3 * y[None, :, None] - 2 * z[None, None, :]).astype(np.float32)


# ---- reading back ------------------------------------------------------------------------------------------------------


def test_a_volume_comes_back_as_it_was(scene) -> None:
    part = VolumePart(scene, "log", "fbp")
    part.show(field(GRID), GRID, {"method": "fbp"})
    volume = volume_of(part.node)
    np.testing.assert_array_equal(volume.array, field(GRID))
    assert same_grid(volume.grid, GRID)
    assert volume.provenance == {"method": "fbp"}
    volume.array[...] = 0  # a copy
    assert part.array.any()


def test_axes_that_fall_are_turned(scene) -> None:
    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "short")
    image = vtk.vtkImageData()
    image.SetDimensions(2, 3, 1)
    image.AllocateScalars(vtk.VTK_SHORT, 1)
    for i in range(2):
        for j in range(3):
            image.SetScalarComponentFromDouble(i, j, 0, 0, 10 * i + j)
    node.SetAndObserveImageData(image)
    matrix = vtk.vtkMatrix4x4()
    for row, (step, first) in enumerate(((-2.0, 5.0), (1.0, 0.0), (-3.0, 7.0))):
        matrix.SetElement(row, row, step)
        matrix.SetElement(row, 3, first)
    node.SetIJKToRASMatrix(matrix)
    volume = volume_of(node)
    np.testing.assert_array_equal(volume.array[:, :, 0], [[10, 11, 12], [0, 1, 2]])
    assert (volume.grid.minimum, volume.grid.maximum) == ((2.0, -0.5, 5.5), (6.0, 2.5, 8.5))


def test_what_is_no_volume_along_the_axes_is_refused(scene) -> None:
    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", "empty")
    with pytest.raises(InputError, match="volume empty: expected voxels with one value each; found none"):
        volume_of(node)
    part = VolumePart(scene, "log", "fbp")
    part.show(field(GRID), GRID)
    part.node.SetIJKToRASDirections(0, 1, 0, 1, 0, 0, 0, 0, 1)
    with pytest.raises(InputError, match="expected axes along R, A and S, and no transform"):
        volume_of(part.node)


def test_only_files_of_reconstructions_are_adopted(scene, tmp_path: Path) -> None:
    def loaded(name: str, content: object) -> object:
        node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode", name)
        storage = scene.AddNewNodeByClass("vtkMRMLVolumeArchetypeStorageNode")
        storage.SetFileName(str(tmp_path / name))
        node.SetAndObserveStorageNodeID(storage.GetID())
        if isinstance(content, bytes):
            (tmp_path / name).write_bytes(content)
        elif content is not None:
            Volume(field(GRID), GRID, content).save(tmp_path / name)
        return node

    told = {"sample": "/data/pine", "method": "fbp"}
    node = loaded("good.nrrd", told)
    assert adopt(node)
    assert (node.GetAttribute("MITO.scan"), node.GetAttribute("MITO.part")) == ("pine", "volume")
    assert not adopt(node)
    others = (("plain.nrrd", {"patient": "x"}), ("damaged.nrrd", b"NRRD0004\n"), ("missing.nrrd", None), ("text.nii", b"x"))
    assert [adopt(loaded(name, content)) for name, content in others] == [False] * 4


# ---- looks -------------------------------------------------------------------------------------------------------------


def test_percentiles_are_of_the_object_alone(scene) -> None:
    array = np.zeros((20, 20, 20), np.float32)
    array[5:15, 5:15, 5:15] = np.linspace(1.0, 3.0, 1000).reshape(10, 10, 10)
    assert window_of(array, 25.0, 75.0) == pytest.approx((1.5, 2.5), abs=0.01)
    part = VolumePart(scene, "log", "fbp")
    part.show(array, VolumeGrid((0, 0, 0), (20, 20, 20), (20, 20, 20)))
    ends = fit_window(part.node, 10.0, 90.0)
    assert ends == pytest.approx((1.2, 2.8), abs=0.01)
    display = part.node.GetScalarVolumeDisplayNode()
    assert (display.GetWindowLevelMin(), display.GetWindowLevelMax()) == pytest.approx(ends)
    for low, high in ((50.0, 50.0), (-1.0, 50.0), (0.0, 101.0), (float("nan"), 50.0)):
        with pytest.raises(InputError, match="percentiles: expected two of 0 to 100, the first below the second"):
            window_of(array, low, high)
    assert window_of(np.ones((4, 4, 4), np.float32), 1.0, 99.0) == (0.0, 2.0)


def test_a_preview_is_written_in_place(scene, tmp_path: Path) -> None:
    part = PreviewPart(scene, "log", "sirt")
    part.show(field(GRID), GRID, 3)
    image = part.node.GetImageData()
    part.show(2 * field(GRID), GRID, 6)
    assert part.node.GetImageData() is image
    assert PreviewPart(scene, "log", "sirt").node is part.node
    np.testing.assert_array_equal(volume_of(part.node).array, 2 * field(GRID))
    assert (part.node.GetName(), part.node.GetAttribute("MITO.iteration")) == ("sirt (preview)", "6")
    before = scene.GetNumberOfNodes()
    part.remove()
    assert scene.GetNumberOfNodes() == before - 2


def test_a_chart_follows_and_goes(scene) -> None:
    before = scene.GetNumberOfNodes()
    plot = ResidualPlot(scene, "log", "sirt")
    added = scene.GetNumberOfNodes() - before
    plot.update([(1, 1.0), (2, 0.5), (3, 0.0)])
    assert plot.values == [(1.0, 1.0), (2.0, 0.5)]  # a logarithmic axis has no 0
    plot.update([(1, 1.0), (2, 0.5), (3, 0.0), (4, 0.1)])
    assert plot.values[-1] == (4.0, 0.1)
    again = ResidualPlot(scene, "log", "sirt")
    assert again.nodes == plot.nodes
    assert plot.chart.GetNumberOfPlotSeriesNodes() == 1
    series = plot.chart.GetNthPlotSeriesNode(0)
    assert (series.GetXColumnName(), series.GetYColumnName()) == ("Iteration", "Relative residual")
    assert series.GetTableNode() is plot.table
    scene.RemoveNode(plot.table)
    assert not plot.alive
    plot.update([(1, 1.0)])  # a person has deleted a part of it
    plot.remove()
    assert added >= 3
    assert scene.GetNodesByClass("vtkMRMLPlotChartNode").GetNumberOfItems() == 0


def test_slice_views_of_the_main_group(scene) -> None:
    part = VolumePart(scene, "log", "fbp")
    part.show(field(GRID), GRID)
    made = {}
    for name, group in (("Red", 0), ("Projection", 5)):
        for kind in ("vtkMRMLSliceNode", "vtkMRMLSliceCompositeNode"):
            node = slicer.vtkMRMLSliceNode() if kind.endswith("SliceNode") else slicer.vtkMRMLSliceCompositeNode()
            node.SetSingletonTag(name)
            node.SetLayoutName(name)
            made[name, kind] = scene.AddNode(node)
        made[name, "vtkMRMLSliceNode"].SetViewGroup(group)
    red, other = (made[name, "vtkMRMLSliceCompositeNode"] for name in ("Red", "Projection"))
    show_in_slices(scene, part.node, part.node, 0.25)
    set_opacity(scene, 0.75)
    assert (red.GetBackgroundVolumeID(), red.GetForegroundVolumeID(), red.GetForegroundOpacity()) == (*[part.node.GetID()] * 2, 0.75)
    before = shown_in_slices(scene)
    assert before == {red.GetID(): (part.node.GetID(), part.node.GetID(), 0.75)}
    assert (other.GetBackgroundVolumeID(), other.GetForegroundOpacity()) == (None, 0.0)
    show_in_slices(scene, None)
    assert shown_in_slices(scene) == {red.GetID(): (None, None, 0.0)}
    show_again(scene, before)
    assert shown_in_slices(scene) == before


# ---- difference --------------------------------------------------------------------------------------------------------


def test_the_same_voxels_are_subtracted() -> None:
    a = Volume(field(GRID), GRID, {"sample": "/data/pine", "method": "fbp", "unit": "1/mm"})
    shifted = VolumeGrid((-4.0005, 0.0, 10.0), (3.9995, 9.0, 20.0), GRID.shape)
    made = difference(a, Volume(np.ones(GRID.shape, np.float32), shifted, {"method": "sirt"}), ("x", "y"))
    np.testing.assert_array_equal(made.array, field(GRID) - 1)
    assert made.provenance["resampled"] == "no: the voxels are the same"
    assert made.provenance["minuend"] == {"name": "x", **a.provenance}
    assert (made.provenance["sample"], made.provenance["subtrahend"]) == ("/data/pine", {"name": "y", "method": "sirt"})


@pytest.mark.parametrize("same_shape", [False, True])
def test_other_voxels_are_resampled_linearly(same_shape: bool) -> None:
    shape = GRID.shape if same_shape else (11, 13, 7)
    other = VolumeGrid((-6.0, -2.0, 6.0), (2.0, 12.0, 25.0), shape)
    made = difference(Volume(field(GRID), GRID), Volume(field(other), other), ("x", "y"))
    assert made.grid.shape == (6, 3, 5)
    assert made.grid.maximum[0] == pytest.approx(2.0)
    assert made.grid.minimum == pytest.approx(GRID.minimum)
    inner = made.array[:-1]  # the outermost voxel is beyond the other volume's last centre
    np.testing.assert_allclose(inner, 0.0, atol=2e-5)
    assert made.provenance["resampled"].startswith("y, linearly, from voxels of ")


def test_volumes_apart_have_no_difference() -> None:
    far = VolumeGrid((100.0, 0.0, 10.0), (108.0, 9.0, 20.0), GRID.shape)
    with pytest.raises(InputError, match="difference of a and b: expected volumes with a place in common; found x -4 to 4"):
        difference(Volume(field(GRID), GRID), Volume(field(far), far))
