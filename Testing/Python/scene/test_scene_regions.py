"""Regions dragged with the mouse in a view that Slicer draws: press, move and release on the handles of the ROI."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import numpy as np
import pytest

pytest.importorskip("slicer", reason="needs slicer-core")

from MITOReconstructionLib.scan.regions import Region
from MITOReconstructionLib.scene.host import slicer, vtk
from MITOReconstructionLib.scene.offscreen import OffscreenViews
from MITOReconstructionLib.scene.regions import Entry, SceneRegions

NEAR = 1e-3
KNOT = Region("Knot", (-30.0, -30.0, 180.0), (30.0, 30.0, 220.0))
HEIGHT = 600


class Listener:
    """Notes what it is told."""

    def __init__(self) -> None:
        self.regions: list[Region] = []
        self.dragging: list[bool] = []
        self.ends = 0

    def node_changed(self, key: str, region: Region, dragging: bool) -> None:
        assert key == "k"
        self.regions.append(region)
        self.dragging.append(dragging)

    def drag_ended(self, key: str) -> None:
        assert key == "k"
        self.ends += 1


class Mouse:
    """A mouse in the 3D view of a scene."""

    def __init__(self, views: OffscreenViews) -> None:
        self._views, window = views, views._windows["3D"]
        self._interactor = window.interactor
        self._interactor.SetInteractorStyle(vtk.vtkInteractorStyleUser())
        self._style = slicer.vtkMRMLThreeDViewInteractorStyle()
        self._style.SetDisplayableManagers(window.group)
        self._style.SetInteractor(self._interactor)
        self._interactor.Initialize()
        views.pixels("3D")

    def do(self, event: str, point: Any) -> None:
        x, y = self._views.to_pixel("3D", np.asarray(point))
        self._interactor.SetEventInformation(round(x), round(HEIGHT - y), 0, 0, "\0", 0, None)
        self._interactor.InvokeEvent(event)

    def drag(self, start: Any, *points: Any) -> Iterator[None]:
        """Over the handle, press, move, release; after each move it is the caller's turn."""
        self.do("MouseMoveEvent", start)
        self.do("LeftButtonPressEvent", start)
        for point in points:
            self.do("MouseMoveEvent", point)
            yield
        self.do("LeftButtonReleaseEvent", points[-1])

    def close(self) -> None:
        self._style.SetInteractor(None)


@pytest.fixture
def mouse(opengl: None, scene: Any, ball_scan: Any) -> Iterator[tuple[Mouse, SceneRegions, Listener]]:
    listener = Listener()
    regions = SceneRegions(scene, ball_scan, listener)
    regions.show([Entry("k", KNOT)], "k", True)
    with OffscreenViews(scene, size_3d=(800, HEIGHT), size_slice=(64, 64)) as views:
        made = Mouse(views)
        yield made, regions, listener
        made.close()
    regions.close()


def box(regions: SceneRegions) -> np.ndarray:
    bounds = [0.0] * 6
    regions.node("k").GetRASBounds(bounds)
    return np.array(bounds).reshape(3, 2).T


def test_a_face_is_drawn_out_to_the_limit(mouse: tuple[Mouse, SceneRegions, Listener]) -> None:
    hand, regions, listener = mouse
    most = regions.covered.maximum[0]
    for _ in hand.drag((30.0, 0.0, 200.0), *[(30.0 + 15.0 * step, 0.0, 200.0) for step in range(1, 31)]):
        assert box(regions)[1][0] <= most + NEAR
    last = listener.regions[-1]
    assert last == KNOT.change(maximum=(most, 30.0, 220.0))  # nothing else has changed
    np.testing.assert_allclose(box(regions), [last.minimum, last.maximum], atol=NEAR)
    assert 8 < len(listener.regions) <= 30
    assert (all(listener.dragging), listener.ends) == (True, 1)


def test_the_whole_box_is_moved_up_to_the_limit(mouse: tuple[Mouse, SceneRegions, Listener]) -> None:
    hand, regions, listener = mouse
    for _ in hand.drag((0.0, 0.0, 200.0), *[(0.0, 0.0, 200.0 - 12.0 * step) for step in range(1, 26)]):
        assert np.all(box(regions)[0] >= np.array(regions.covered.minimum) - NEAR)
    last = listener.regions[-1]
    assert last.minimum[2] == pytest.approx(regions.covered.minimum[2], abs=NEAR)
    np.testing.assert_allclose(np.subtract(last.maximum, last.minimum), (60.0, 60.0, 40.0), atol=NEAR)
    assert (all(listener.dragging), listener.ends) == (True, 1)


def test_one_that_is_not_edited_cannot_be_dragged(mouse: tuple[Mouse, SceneRegions, Listener]) -> None:
    hand, regions, listener = mouse
    regions.show([Entry("k", KNOT)], None, True)
    for _ in hand.drag((30.0, 0.0, 200.0), (60.0, 0.0, 200.0), (90.0, 0.0, 200.0)):
        pass
    assert (listener.regions, listener.ends) == ([], 0)
    np.testing.assert_allclose(box(regions), [KNOT.minimum, KNOT.maximum], atol=NEAR)
