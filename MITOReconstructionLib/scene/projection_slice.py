"""The slice view that shows projections: its own, of its own view group, which follows the view that is chosen."""

from __future__ import annotations

import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.scene.host import Node, Scene, in_application, slicer, vtk
from MITOReconstructionLib.scene.observers import Observers
from MITOReconstructionLib.scene.projection import ProjectionImage

__all__ = ["COLOUR", "LABEL", "NAME", "VIEW_GROUP", "ProjectionSlice"]

NAME = "Projection"
"""Name of the view: layout name and singleton tag of its slice node."""

LABEL = "P"

COLOUR = "#9fb4c8"

VIEW_GROUP = 27
"""Views are linked within a group only; the application's own views are in group 0."""

SHOWS = "MITO.projection"
"""Attribute of the view's composite node: ID of the projection's volume node. Whoever showed a projection last has the view."""

MARGIN = 1.03


class ProjectionSlice:
    """Shows the projection of the current view in a slice view, upright, as seen from the source, and nothing else.

    The view is the one named :data:`NAME` of the scene, which a layout makes (:mod:`projection_layout`); where there is
    none, :meth:`open` makes one that belongs to this object. The slice lies in the plane of the projection's image and
    moves with it. Size and place in the view are chosen by :meth:`fit`, once for each size of the view, so that a person
    may zoom and pan. Background, foreground and label of the view are kept as they are here, whatever else shows volumes
    in all slice views.

    Parameters
    ----------
    scene : vtkMRMLScene
    """

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.image: ProjectionImage | None = None
        self.node: Node = None
        self._own: Node = None
        self._nodes: tuple[Node, Node] = (None, None)
        self._setting = False
        self._size: tuple[int, int] = (0, 0)
        self._resized_to: tuple[float, ...] = ()
        self._watched, self._followed = Observers(), Observers()

    # ---- the view --------------------------------------------------------------------------------------------------

    @property
    def logic(self) -> Node | None:
        """The vtkMRMLSliceLogic that computes the slice: the application's, or this object's own; None without a view."""
        if self._own is not None or self.node is None or not in_application():
            return self._own
        return slicer.app.applicationLogic().GetSliceLogic(self.node)

    @property
    def composite(self) -> Node | None:
        """The vtkMRMLSliceCompositeNode of the view; None without a view."""
        return _view_nodes(self.scene)[1]

    def open(self, size: tuple[int, int] = (780, 240)) -> Node:
        """Make the view where the scene has none, of ``size`` (width, height) pixels, and attach to it; its node is returned."""
        if self.scene.GetSingletonNode(NAME, "vtkMRMLSliceNode") is None:
            self._own = slicer.vtkMRMLSliceLogic()
            self._own.SetMRMLScene(self.scene)
            node = self._own.AddSliceNode(NAME)
            node.SetLayoutLabel(LABEL)
            node.SetDimensions(*size, 1)
        self.resume()
        return self.node

    def attach(self) -> bool:
        """Take over the view where the scene has one; whether it has."""
        node, composite = _view_nodes(self.scene)
        if (node, composite) == self._nodes:
            self._dress()
            return node is not None
        self._watched.clear()
        self.node, self._nodes, self._size = node, (node, composite), (0, 0)
        if node is None:
            return False
        self._watched.add(node, self._resized)
        if composite is not None:
            self._watched.add(composite, self._keep)
        self._dress()
        return True

    def _dress(self) -> None:
        """Link the view to nothing; closing a scene makes view nodes as they are by default."""
        node, composite = self.node, self.composite
        if node is not None:
            node.SetViewGroup(VIEW_GROUP)
            node.SetRulerType(node.RulerTypeThin)
        if composite is not None:
            composite.SetLinkedControl(False)
            composite.SetHotLinkedControl(False)
            composite.SetDoPropagateVolumeSelection(False)

    # ---- what is shown ---------------------------------------------------------------------------------------------

    def show(self, image: ProjectionImage | None) -> None:
        """Show the projections of a scan from now on; None shows nothing, where the view shows those of this object."""
        self._release()
        self.image = image
        if image is not None:
            self._followed.add(image.node, self._follow)
        if self.attach() and image is not None and image.alive and self.composite is not None:
            self.composite.SetAttribute(SHOWS, image.node.GetID())
            self._keep()
            self._follow()
            self.fit()

    def resume(self) -> None:
        """Show the projections again after the view has come, or come back, unless it shows those of somebody else."""
        if self.attach() and self.image is not None and (self.is_shown or self.is_free):
            self.show(self.image)

    @property
    def is_shown(self) -> bool:
        """Whether the view shows the projections of this object."""
        composite = self.composite
        if self.image is None or not self.image.alive or composite is None:
            return False
        return bool(composite.GetAttribute(SHOWS) == self.image.node.GetID())

    @property
    def is_free(self) -> bool:
        """Whether the view shows nobody's projections."""
        composite = self.composite
        shows = None if composite is None else composite.GetAttribute(SHOWS)
        return shows is None or self.scene.GetNodeByID(shows) is None

    def _release(self) -> None:
        self._followed.clear()
        composite = self.composite
        if composite is not None and (self.is_shown or self.is_free):
            composite.SetAttribute(SHOWS, None)
            self.image = None
            composite.SetBackgroundVolumeID(None)

    def fit(self) -> None:
        """Show the whole projection, as large as it fits into the view, pixels square."""
        if self.node is None or not self.is_shown:
            return
        width, height = self.node.GetDimensions()[:2]
        across, along = self._extent()
        pixel = MARGIN * max(across / max(1, width), along / max(1, height))
        self._setting = True
        try:
            self._size = (width, height)
            self.node.SetXYZOrigin(0.0, 0.0, 0.0)
            self.node.SetFieldOfView(pixel * width, pixel * height, 1.0)
        finally:
            self._setting = False

    def close(self) -> None:
        """Take the view out of the scene, with everything that was made for it, unless it shows somebody else's projections."""
        logic, free = self.logic, self.is_shown or self.is_free
        self._followed.clear()
        self._watched.clear()
        if free:
            _remove_view(self.scene, logic)
        self.node, self.image, self._nodes = None, None, (None, None)
        if self._own is not None:
            self._own.SetMRMLScene(None)
            self._own = None

    # ---- following -------------------------------------------------------------------------------------------------

    def _keep(self) -> None:
        """Have nothing but the projection in the view."""
        composite = self.composite
        if self._setting or self.image is None or not self.is_shown or self.scene.IsClosing():
            return
        self._setting = True
        try:
            for layer, value in (("Background", self.image.node.GetID()), ("Foreground", None), ("Label", None)):
                if getattr(composite, f"Get{layer}VolumeID")() != value:
                    getattr(composite, f"Set{layer}VolumeID")(value)
        finally:
            self._setting = False

    def _follow(self) -> None:
        """Lay the slice into the plane of the projection."""
        if self.node is None or not self.is_shown:
            return
        matrix, plane = self.node.GetSliceToRAS(), self._plane()
        if np.array_equal(_array(matrix)[:3], plane):
            return
        _fill(matrix, plane)
        self.node.UpdateMatrices()
        if self._is_half_set():  # Slicer is at its matrices just now, and does not take this in
            for kind in ("XY", "UVW"):
                _fill(getattr(self.node, f"Get{kind}ToRAS")(), _array(matrix) @ _array(getattr(self.node, f"Get{kind}ToSlice")()))
            self.node.Modified()

    def _resized(self) -> None:
        """Fit again after the view has got another size, for which Slicer chooses a field of view, and may set it twice."""
        if self._setting or self.node is None or not self.is_shown:
            return
        if self._is_off():
            self._follow()
        field = tuple(self.node.GetFieldOfView())
        if tuple(self.node.GetDimensions()[:2]) != self._size:
            self._resized_to = field
            self.fit()
        elif field == self._resized_to:
            self.fit()
        elif self._is_half_set():
            self.node.UpdateMatrices()

    def _is_half_set(self) -> bool:
        """Whether the node's matrices disagree: what is set while Slicer is setting something is not taken into all of them."""
        across = self.node.GetFieldOfView()[0] / max(1, self.node.GetDimensions()[0])
        to_slice = _array(self.node.GetXYToSlice())
        whole = _array(self.node.GetSliceToRAS()) @ to_slice
        return bool(abs(to_slice[0, 0] - across) > 1e-9 * across or not np.allclose(_array(self.node.GetXYToRAS()), whole, atol=1e-6))

    def _is_off(self) -> bool:
        """Whether the slice has left the projection's plane: the mouse wheel moves slices, and fitting turns them."""
        now, plane = _array(self.node.GetSliceToRAS())[:3], self._plane()
        return bool(not np.allclose(now[:, :3], plane[:, :3], atol=1e-6) or abs((now - plane)[:, 3] @ plane[:, 2]) > 1e-3)

    def _image_matrix(self) -> NDArray[np.float64]:
        matrix = vtk.vtkMatrix4x4()
        if self.image is not None:
            self.image.node.GetIJKToRASMatrix(matrix)
        return _array(matrix)

    def _plane(self) -> NDArray[np.float64]:
        """Columns: to the right, up and towards the source, of length 1, and the projection's middle in mm; shape (3, 4)."""
        matrix = self._image_matrix()
        columns, rows = self._counts()
        middle = matrix @ np.array([(columns - 1) / 2, (rows - 1) / 2, 0.0, 1.0])
        directions = matrix[:3, :3] / np.linalg.norm(matrix[:3, :3], axis=0)
        return np.column_stack([directions, middle[:3]])

    def _extent(self) -> tuple[float, float]:
        """Width and height of the projection in mm."""
        columns, rows = self._counts()
        width, height = np.linalg.norm(self._image_matrix()[:3, :2], axis=0)
        return columns * float(width), rows * float(height)

    def _counts(self) -> tuple[int, int]:
        pixels = None if self.image is None else self.image.node.GetImageData()
        return (1, 1) if pixels is None else tuple(pixels.GetDimensions()[:2])


def _array(matrix: Node) -> NDArray[np.float64]:
    """A vtkMatrix4x4 as an array."""
    return np.array([[matrix.GetElement(i, j) for j in range(4)] for i in range(4)])


def _fill(matrix: Node, values: NDArray[np.float64]) -> None:
    """Set the first three rows of a vtkMatrix4x4."""
    for i in range(3):
        for j in range(4):
            matrix.SetElement(i, j, float(values[i, j]))


def _view_nodes(scene: Scene) -> tuple[Node, Node]:
    """Slice node and slice composite node of the view; None where there is none."""
    node = scene.GetSingletonNode(NAME, "vtkMRMLSliceNode")
    return node, None if node is None else slicer.vtkMRMLSliceLogic.GetSliceCompositeNode(node)


def _remove_view(scene: Scene, logic: Node | None) -> None:
    """Take the view's slice node out of a scene, with the nodes that its logic made for it."""
    parts = list(_view_nodes(scene))
    if logic is not None:
        parts += [logic.GetSliceModelNode(), logic.GetSliceModelDisplayNode(), logic.GetSliceModelTransformNode()]
    for part in parts:
        if part is not None and part.GetScene() is not None:
            scene.RemoveNode(part)
