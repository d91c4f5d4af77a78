"""The slice view of the projection without the application, its pixels, and observers that keep nobody."""

from __future__ import annotations

import gc
import weakref

import numpy as np
import pytest

pytest.importorskip("slicer.util", reason="needs slicer-core")

from vtk.util import numpy_support

from MITOReconstructionLib.scene.observers import Observers
from MITOReconstructionLib.scene.projection_layout import LAYOUT, ProjectionLayout
from MITOReconstructionLib.scene.projection_slice import NAME, VIEW_GROUP, ProjectionSlice


@pytest.fixture
def view(scene, scan_scene):
    made = ProjectionSlice(scene)
    made.show(scan_scene.projection)
    made.open((260, 160))
    yield made
    made.close()


def drawn(view) -> np.ndarray:
    """Grey values, 0 to 255, indexed [y, x] with y upwards."""
    producer = view.logic.GetImageDataConnection().GetProducer()
    producer.Update()
    image = producer.GetOutputDataObject(0)
    flat = numpy_support.vtk_to_numpy(image.GetPointData().GetScalars())
    return flat.reshape(image.GetDimensions()[1], image.GetDimensions()[0], -1)[:, :, 0].astype(int)


def test_it_follows_the_view(view, scan_scene, ball_scan):
    """Two pixels of the view for one column of the detector, where the view is as wide as the projection."""
    width, height = ball_scan.geometry.detector.pixel_size
    view.node.SetFieldOfView(130 * width, 80 * width, 1.0)
    for number in (0, ball_scan.view_that_sees_the_ball(), 240):
        scan_scene.show_view(number)
        found = drawn(view)
        low, high = scan_scene.projection.window
        grey = 255 * np.clip((ball_scan.projection(number) - low) / (high - low), 0, 1)
        rows = ((np.arange(160) - 80) * width / 2 / height + 20).round(6)
        inside = np.flatnonzero((rows > 0) & (rows < 40) & (np.abs(rows - np.round(rows)) > 0.2))
        expected = grey[(np.arange(260) // 2)][:, np.floor(rows[inside]).astype(int)].T
        np.testing.assert_allclose(found[inside], expected, atol=1.0)


def test_the_size_of_the_view(view, ball_scan):
    d = ball_scan.geometry.detector
    across, along = d.columns * d.pixel_size[0], d.rows * d.pixel_size[1]
    for size in ((900, 100), (300, 300), (60, 400), (61, 400)):
        view.logic.ResizeSliceNode(*size)  # what the application does; it keeps the scale of the smaller side
        fov = view.node.GetFieldOfView()
        assert fov[0] / size[0] == pytest.approx(fov[1] / size[1])
        assert max(across / fov[0], along / fov[1]) == pytest.approx(1 / 1.03)
        assert view.node.GetXYToSlice().GetElement(0, 0) == pytest.approx(fov[0] / size[0])


def test_opening_and_closing_leave_the_scene_as_it_was(scene, scan_scene, node_ids):
    before = node_ids(scene)
    view = ProjectionSlice(scene)
    assert view.logic is None
    view.show(scan_scene.projection)
    assert not view.attach()
    node = view.open()
    assert (node.GetLayoutName(), node.GetViewGroup()) == (NAME, VIEW_GROUP)
    assert view.open() is node
    view.close()
    assert node_ids(scene) == before
    scan_scene.show_view(3)  # nobody follows any more


def test_without_a_layout_node_there_is_no_layout(scene):
    layout = ProjectionLayout(scene)
    assert layout.node is None
    assert not layout.show()
    assert not layout.shown
    layout.leave()
    layout.close()


def test_the_layout_of_a_scene_with_a_layout_node(scene):
    import slicer

    logic = slicer.vtkMRMLLayoutLogic()
    logic.SetMRMLScene(scene)
    changes = []
    layout = ProjectionLayout(scene, lambda: changes.append(layout.shown))
    before = layout.node.GetViewArrangement()
    assert layout.show()
    assert layout.show()
    assert layout.node.GetViewArrangement() == LAYOUT
    assert scene.GetSingletonNode(NAME, "vtkMRMLSliceNode").GetViewGroup() == VIEW_GROUP
    layout.leave()
    assert layout.node.GetViewArrangement() == (before or layout.node.SlicerLayoutFourUpView)
    assert changes == [True, False]
    layout.close()
    logic.SetMRMLScene(None)


def test_observers_keep_nobody(scene):
    class Watcher:
        def __init__(self, node) -> None:
            self.count, self.observers = 0, Observers()
            self.observers.add(node, self.look)

        def look(self) -> None:
            self.count += 1

    node = scene.AddNewNodeByClass("vtkMRMLModelNode")
    watcher = Watcher(node)
    node.Modified()
    assert watcher.count == 1
    watcher.observers.clear()
    node.Modified()
    assert (watcher.count, len(watcher.observers)) == (1, 0)
    watcher.observers.add(node, watcher.look)
    known = weakref.ref(watcher)
    del watcher
    gc.collect()
    assert known() is None
    node.Modified()
