"""Live slices of a scan in a scene: slice views are followed, and what they show is reconstructed as they move."""

from __future__ import annotations

import time
from collections import deque
from dataclasses import dataclass, replace
from typing import Protocol

import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.errors import InputError
from MITOReconstructionLib.geometry import VolumeGrid
from MITOReconstructionLib.live import LiveSlices, Plane, SliceResult
from MITOReconstructionLib.scene.folder import ScanFolder
from MITOReconstructionLib.scene.followed_view import FollowedView
from MITOReconstructionLib.scene.host import Node, Scene, nodes_of_class
from MITOReconstructionLib.scene.image import grey_display
from MITOReconstructionLib.scene.live_plot import LivePlot
from MITOReconstructionLib.scene.live_volume import PINNED, PinnedPlane, SliceVolume, composite_of, free_pin_number
from MITOReconstructionLib.scene.scan_scene import ScanLike
from MITOReconstructionLib.scene.slice_plane import MOST_PIXELS, look_at, plane_of_view
from MITOReconstructionLib.scene.volume import VolumePart
from MITOReconstructionLib.scene.window import checked_window, contrast_of

__all__ = ["CONTEXT", "LivePlace", "LiveScene", "Place"]

CONTEXT = "live context"
"""Part of the low-resolution volume behind the live slices."""

REMEMBERED = 400
"""Results of which values and timings are kept."""


class Place(Protocol):
    """Where slices are shown; a :class:`ScanScene` is one."""

    @property
    def scan(self) -> ScanLike:
        """The scan."""

    scene: Scene
    folder: ScanFolder


class LivePlace:
    """A scan's place in a scene that shows nothing else of it: one that has no projections yet, say."""

    def __init__(self, scene: Scene, scan: ScanLike) -> None:
        self.scan, self.scene = scan, scene
        self.folder = ScanFolder(scene, scan.name)


@dataclass
class _Pinned:
    volume: SliceVolume
    model: PinnedPlane


def _serves(plane: Plane, entry: FollowedView) -> bool:
    """Whether an image is of the plane that is asked for or, until that is there, of one in it: where a view is panned."""
    if plane == entry.plane or entry.plane is None:
        return plane == entry.plane
    return entry.volume.plane != entry.plane and entry.plane.is_coplanar(plane)


class LiveScene:
    """Follows slice views and shows in them, as their foreground, what the engine reconstructs; call :meth:`tick` often.

    The background of a followed view is a low-resolution volume of the whole scan: it is there at once when the view
    moves, and it is what the view's slider runs over, for Slicer limits a view to its background volume.

    Parameters
    ----------
    shown : Place
        The scan in its scene.
    engine : LiveSlices
        Reconstructs; closed by :meth:`close`.
    grid : VolumeGrid, optional
        What is covered, and how fine; the scan's default grid by default.

    Attributes
    ----------
    history : deque of SliceResult
        The newest results without their images, for values and timings.
    """

    def __init__(self, shown: Place, engine: LiveSlices, grid: VolumeGrid | None = None) -> None:
        self.shown, self.engine, self.scene = shown, engine, shown.scene
        self.grid = grid or shown.scan.default_grid
        self.history: deque[SliceResult] = deque(maxlen=REMEMBERED)
        self.window: tuple[float, float] | None = None
        self.most_pixels = MOST_PIXELS
        self._followed: dict[str, FollowedView] = {}
        self._pinned: dict[str, _Pinned] = {}
        self._in_3d = False
        self._newest_context = -1
        self._plot: LivePlot | None = None
        self.context = self._make_context()
        engine.request_context()

    def _make_context(self) -> VolumePart:
        """An empty volume over the whole grid, so that the views can be moved before the first one is there."""
        part = VolumePart(self.scene, self.shown.scan.name, f"{self.shown.scan.name} live context", part=CONTEXT)
        for node in (part.node, part.node.GetScalarVolumeDisplayNode(), part.rendering, part.rendering.GetVolumePropertyNode()):
            node.SetSaveWithScene(False)
        empty = VolumeGrid(self.grid.minimum, self.grid.maximum, (2, 2, 2))
        part.show(np.zeros(empty.shape, dtype=np.float32), empty)
        self.shown.folder.add(part.node)
        return part

    # ---- views -----------------------------------------------------------------------------------------------------------

    @property
    def views(self) -> dict[str, Node]:
        """The slice views of the scene by name: Red, Green, Yellow, say; none of another group, such as the projection's."""
        nodes = nodes_of_class(self.scene, "vtkMRMLSliceNode")
        return {node.GetLayoutName(): node for node in nodes if node.GetViewGroup() == 0 and composite_of(self.scene, node) is not None}

    @property
    def followed(self) -> list[str]:
        """Names of the views that are followed."""
        return list(self._followed)

    def follow(self, name: str, on: bool = True) -> None:
        """Follow a slice view, or no longer; it then shows again what it showed before. One that sees nothing of the scan is moved there.

        Raises
        ------
        InputError
            When the scene has no such view.
        """
        if not on:
            self._leave(name)
            return
        if name in self._followed:
            return
        views = self.views
        if name not in views:
            raise InputError(
                "slice view", expected=f"one of {', '.join(views) or 'none'}", found=name, remedy="Choose a view of the scene."
            )
        view = views[name]
        volume = SliceVolume(self.scene, self.shown.scan.name, f"{self.shown.scan.name} live {name}")
        volume.node.SetAndObserveImageData(None)
        self.shown.folder.add(volume.node)
        self._followed[name] = FollowedView(view, composite_of(self.scene, view), self.context.node, volume)
        view.SetSliceVisible(self._in_3d)
        if plane_of_view(view, self.grid) is None:
            look_at(view, self.grid, self._height())

    def _height(self) -> float | None:
        """Where along z in mm the middle of the views is that have come; None where that is less than a turn."""
        geometry, arrived = self.shown.scan.geometry, self.engine.status().arrived
        return float(geometry.axial_positions[:arrived].mean()) if arrived > geometry.views_per_turn else None

    def _leave(self, name: str) -> None:
        entry = self._followed.pop(name, None)
        if entry is None:
            return
        self.engine.forget(name)
        entry.leave(in_3d=self._in_3d)

    @property
    def in_3d(self) -> bool:
        """Whether the planes are shown in the 3D views."""
        return self._in_3d

    def show_in_3d(self, on: bool) -> None:
        """Show the followed views' planes in the 3D views, or no longer."""
        self._in_3d = bool(on)
        for entry in self._followed.values():
            entry.view.SetSliceVisible(self._in_3d)

    def show_context(self, on: bool) -> None:
        """Show the low-resolution volume in the 3D views by volume rendering, or no longer."""
        if self.context.alive:
            self.context.visible = bool(on)

    # ---- what comes ------------------------------------------------------------------------------------------------------

    def tick(self) -> list[SliceResult]:
        """Ask for what the views show now, and show what has come. Never waits; to be called some thirty times a second.

        Returns
        -------
        list of SliceResult
            What was shown, with the time that took as ``seconds["show"]``.
        """
        for name in [name for name, entry in self._followed.items() if entry.is_lost]:
            self._leave(name)
        for key in [key for key, pinned in self._pinned.items() if not pinned.volume.alive]:
            self.unpin(key)
        for name, entry in self._followed.items():
            self._ask(name, entry)
        self._take_window()
        self._show_context()
        results = [shown for shown in map(self._show, self.engine.poll()) if shown is not None]
        if results and self._plot is not None:
            self._plot.update(self.history)
        return results

    def _ask(self, name: str, entry: FollowedView) -> None:
        changed = entry.view.GetMTime()
        if changed == entry.seen:
            return
        entry.seen = changed
        plane = plane_of_view(entry.view, self.grid, most=self.most_pixels)
        if plane == entry.plane:
            return
        entry.plane = plane
        if plane is None:
            self.engine.forget(name)
        else:
            self.engine.request(name, plane)

    def _show(self, result: SliceResult) -> SliceResult | None:
        entry, pinned = self._followed.get(result.key), self._pinned.get(result.key)
        volume = entry.volume if entry is not None else pinned.volume if pinned is not None else None
        if volume is None or not volume.alive or (entry is not None and not _serves(result.plane, entry)):
            return None
        begun = time.perf_counter()
        volume.show(result)
        if pinned is not None:
            pinned.model.show(result.plane)
        if self.window is not None:
            volume.set_window(*self.window)
        elif result.level == "final" and not result.error and np.ptp(result.image) > 0.0:  # else of a growing scan nothing is there
            contrast = contrast_of(result.image)
            self.set_window(contrast.low, contrast.high)  # of the others too, which have one of their previews
        else:
            volume.fit_window()
        seconds = {**result.seconds, "show": time.perf_counter() - begun}
        self.history.append(replace(result, image=np.empty((0, 0), dtype=np.float32), seconds=seconds))
        return replace(result, seconds=seconds)

    def _show_context(self) -> None:
        found = self.engine.context()
        if found is None or found.number == self._newest_context or not self.context.alive:
            return
        self._newest_context = found.number
        self.context.show(found.array, found.grid)
        if self.window is not None:
            grey_display(self.context.node).SetWindowLevelMinMax(*self.window)

    # ---- looks -----------------------------------------------------------------------------------------------------------

    def set_window(self, low: float, high: float) -> None:
        """Show ``low`` as black and ``high`` as white in every live slice.

        Raises
        ------
        InputError
            When the two are not finite or not in rising order.
        """
        self.window = checked_window(low, high)
        for volume in self._volumes():
            volume.set_window(low, high)
        if self.context.alive:
            grey_display(self.context.node).SetWindowLevelMinMax(low, high)

    def fit_window(self) -> None:
        """Set window and level to the object in the slices that are shown."""
        images = [volume.shown.image.reshape(-1) for volume in self._volumes() if volume.shown is not None]
        if images:
            contrast = contrast_of(np.concatenate(images))
            self.set_window(contrast.low, contrast.high)

    def _volumes(self) -> list[SliceVolume]:
        entries = [*(e.volume for e in self._followed.values()), *(p.volume for p in self._pinned.values())]
        return [volume for volume in entries if volume.alive]

    def _take_window(self) -> None:
        """Where the user changed window and level of one slice, the others follow."""
        if self.window is None:
            return
        for volume in self._volumes():
            if volume.shown is not None and not np.allclose(volume.window, self.window, rtol=1e-6, atol=1e-12):
                self.set_window(*volume.window)
                return

    # ---- pinned planes ---------------------------------------------------------------------------------------------------

    @property
    def pinned(self) -> dict[str, SliceVolume]:
        """The pinned slices by their keys."""
        return {key: entry.volume for key, entry in self._pinned.items()}

    def pin(self, name: str) -> str:
        """Keep the slice that a followed view shows now, as a volume node and as a plane in 3D; its key is returned.

        Raises
        ------
        InputError
            When that view shows no live slice.
        """
        shown = self._followed[name].volume.shown if name in self._followed else None
        if shown is None:
            raise InputError("slice view", expected="a view that shows a live slice", found=name, remedy="Follow the view first.")
        key = self.engine.pin(name)
        scan = self.shown.scan.name
        number = free_pin_number(self.scene, scan)
        volume = SliceVolume(self.scene, scan, f"{scan} pinned {number}", PINNED)
        model = PinnedPlane(self.scene, scan, f"pinned plane {number}", volume)
        for node in (volume.node, model.node):
            self.shown.folder.add(node)
        self._pinned[key] = _Pinned(volume, model)
        volume.show(shown)
        volume.set_window(*(self.window or (0.0, 1.0)))
        model.show(shown.plane)
        return key

    def unpin(self, key: str) -> None:
        """Take a pinned slice out of the scene; an unknown key is no fault."""
        entry = self._pinned.pop(key, None)
        if entry is not None:
            self.engine.forget(key)
            entry.model.remove()
            entry.volume.remove()

    def thumbnail(self, key: str, size: int = 96) -> NDArray[np.uint8]:
        """A small grey picture of a pinned slice, shape (height, width), at most ``size`` pixels along a side, top row first.

        Raises
        ------
        InputError
            When there is no such pinned slice.
        """
        if key not in self._pinned:
            raise InputError("pinned slice", expected=f"one of {', '.join(self._pinned) or 'none'}", found=key, remedy="Pin a slice first.")
        volume = self._pinned[key].volume
        image = np.zeros((1, 1), dtype=np.float32) if volume.shown is None else volume.shown.image
        step = max(1, -(-max(image.shape) // size))
        low, high = volume.window
        grey = np.clip((image[::step, ::step] - low) / (high - low), 0.0, 1.0)
        return np.ascontiguousarray((255 * grey.T[::-1]).astype(np.uint8))

    # ---- values ----------------------------------------------------------------------------------------------------------

    @property
    def plotted(self) -> bool:
        """Whether there is a chart."""
        return self._plot is not None and self._plot.alive

    def plot(self, quantity: str = "total ms") -> LivePlot:
        """Plot a value or a timing over the results, in the one chart that there is; it is kept up to date.

        Parameters
        ----------
        quantity : str, optional
            One of :func:`~MITOReconstructionLib.scene.live_plot.quantities` of :attr:`history`.
        """
        if self._plot is None or not self._plot.alive:
            self.end_plot()
            self._plot = LivePlot(self.scene, self.shown.scan.name, quantity)
        self._plot.quantity = quantity
        self._plot.update(self.history)
        return self._plot

    def end_plot(self) -> None:
        """Take the chart out of the scene."""
        if self._plot is not None:
            self._plot.remove()
            self._plot = None

    # ---- the end ---------------------------------------------------------------------------------------------------------

    def close(self) -> None:
        """Let the views show what they showed before, take everything but the pinned slices out, and end the engine; never waits."""
        self.end_plot()
        for name in self.followed:
            self._leave(name)
        for entry in self._pinned.values():
            entry.model.remove()
        self._pinned.clear()
        if self.context.alive:
            self.context.remove()
        self.engine.close(wait=False)
