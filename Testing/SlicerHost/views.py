"""The 3D, slice and plot views: widgets over render windows without a screen, made when something is to be drawn."""

# ruff: noqa: N801 the names are those in C++

from __future__ import annotations

from typing import Any

import slicer
import vtk
from PySide6 import QtCore, QtGui, QtWidgets
from vtk.util import numpy_support

MANAGERS_3D = (
    "vtkMRMLCameraDisplayableManager",
    "vtkMRMLViewDisplayableManager",
    "vtkMRMLModelDisplayableManager",
    "vtkMRMLMarkupsDisplayableManager",
    "vtkMRMLVolumeRenderingDisplayableManager",
    "vtkMRMLOrientationMarkerDisplayableManager",
)
MANAGERS_SLICE = ("vtkMRMLModelSliceDisplayableManager", "vtkMRMLMarkupsDisplayableManager", "vtkMRMLRulerDisplayableManager")
BACKGROUND = "#1a1a1e"


class RenderView(QtWidgets.QWidget):
    """A view of the scene. It paints itself only while ``drawing`` is set, for painting takes a second."""

    drawing = False

    def __init__(self, node: Any, application: Any, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._node = node
        self._application = application
        self._window: Any = None
        self._group: Any = None
        self.setMinimumSize(60, 60)

    def _open(self) -> None:
        factory, managers = self._factory()
        self._renderer = vtk.vtkRenderer()
        shown = vtk.vtkObject.GetGlobalWarningDisplay()
        vtk.vtkObject.GlobalWarningDisplayOff()  # without a screen VTK tries X first, then EGL
        self._window = vtk.vtkRenderWindow()
        vtk.vtkObject.SetGlobalWarningDisplay(shown)
        self._window.SetOffScreenRendering(1)
        self._window.SetShowWindow(False)
        self._window.SetMultiSamples(0)
        self._window.SetSize(max(self.width(), 8), max(self.height(), 8))
        self._window.AddRenderer(self._renderer)
        self._interactor = vtk.vtkGenericRenderWindowInteractor()
        self._interactor.SetRenderWindow(self._window)
        for name in managers:
            if not factory.IsDisplayableManagerRegistered(name):
                factory.RegisterDisplayableManager(name)
        factory.SetMRMLApplicationLogic(self._application)
        self._group = slicer.vtkMRMLDisplayableManagerGroup()
        self._group.Initialize(factory, self._renderer)
        self._group.SetMRMLDisplayableNode(self._node)

    def _factory(self) -> tuple[Any, tuple[str, ...]]:
        raise NotImplementedError

    def renderWindow(self) -> Any:
        """VTK's render window; made at the first call."""
        if self._window is None:
            self._open()
        return self._window

    def displayableManagerByClassName(self, name: str) -> Any:
        """A displayable manager of the view, or None."""
        self.renderWindow()
        found = [self._group.GetNthDisplayableManager(i) for i in range(self._group.GetDisplayableManagerCount())]
        return next((manager for manager in found if manager.IsA(name)), None)

    def forceRender(self) -> None:
        """Draw now, where the view is drawn at all."""
        if self._window is not None:
            self._window.Render()

    def scheduleRender(self) -> None:
        """Draw soon."""
        self.update()

    def image(self) -> QtGui.QImage:
        """What the view shows."""
        window = self.renderWindow()
        window.SetSize(max(self.width(), 8), max(self.height(), 8))
        window.Render()
        grab = vtk.vtkWindowToImageFilter()
        grab.SetInput(window)
        grab.ReadFrontBufferOff()
        grab.ShouldRerenderOff()
        grab.Update()
        width, height, _ = grab.GetOutput().GetDimensions()
        pixels = numpy_support.vtk_to_numpy(grab.GetOutput().GetPointData().GetScalars()).reshape(height, width, 3)[::-1].tobytes()
        return QtGui.QImage(pixels, width, height, 3 * width, QtGui.QImage.Format_RGB888).copy()

    def paintEvent(self, _event: QtGui.QPaintEvent) -> None:
        """Draw the scene."""
        painter = QtGui.QPainter(self)
        if RenderView.drawing:
            painter.drawImage(0, 0, self.image())
        else:
            painter.fillRect(self.rect(), QtGui.QColor(BACKGROUND))

    def close_window(self) -> None:
        """Let go of the render window and of the scene."""
        if self._window is not None:
            self._group.SetMRMLDisplayableNode(None)
            self._interactor.SetRenderWindow(None)
            self._window.RemoveRenderer(self._renderer)
            self._window.Finalize()
            self._window = self._group = None


class qMRMLThreeDView(RenderView):
    """What is drawn in a 3D view."""

    def _factory(self) -> tuple[Any, tuple[str, ...]]:
        return slicer.vtkMRMLThreeDViewDisplayableManagerFactory.GetInstance(), MANAGERS_3D

    def mrmlViewNode(self) -> Any:
        """The view's node."""
        return self._node

    def cameraNode(self) -> Any:
        """The view's camera."""
        self.renderWindow()
        manager = self.displayableManagerByClassName("vtkMRMLCameraDisplayableManager")
        return manager.GetCameraNode()

    def resetFocalPoint(self) -> None:
        """Look at the middle of what is shown."""
        self.renderWindow()
        bounds = [0.0] * 6
        self._renderer.ComputeVisiblePropBounds(bounds)
        if bounds[0] <= bounds[1]:
            self.cameraNode().GetCamera().SetFocalPoint(*((bounds[2 * i] + bounds[2 * i + 1]) / 2 for i in range(3)))
        self._node.InvokeEvent(slicer.vtkMRMLViewNode.ResetFocalPointRequestedEvent)  # the box about everything follows

    def resetCamera(self) -> None:
        """Place the camera so that everything is seen."""
        self.renderWindow()
        self.cameraNode().Reset(True, True, True, self._renderer)


class qMRMLSliceView(RenderView):
    """What is drawn in a slice view."""

    def __init__(self, node: Any, logic: Any, application: Any, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(node, application, parent)
        self._logic = logic

    def _factory(self) -> tuple[Any, tuple[str, ...]]:
        return slicer.vtkMRMLSliceViewDisplayableManagerFactory.GetInstance(), MANAGERS_SLICE

    def mrmlSliceNode(self) -> Any:
        """The view's node."""
        return self._node

    def _open(self) -> None:
        super()._open()
        self._mapper = vtk.vtkImageMapper()
        self._mapper.SetColorWindow(255)
        self._mapper.SetColorLevel(127.5)
        self._actor = vtk.vtkActor2D()
        self._actor.SetMapper(self._mapper)
        self._actor.GetProperty().SetDisplayLocationToBackground()
        self._below = vtk.vtkRenderer()  # the image has a layer of its own, below what the displayable managers draw
        self._window.SetNumberOfLayers(2)
        self._renderer.SetLayer(1)
        self._window.AddRenderer(self._below)

    def image(self) -> QtGui.QImage:
        """What the view shows."""
        self.renderWindow()
        if self._logic.GetImageDataConnection() is not None:
            self._mapper.SetInputConnection(self._logic.GetImageDataConnection())
            self._below.AddViewProp(self._actor)
        else:
            self._below.RemoveViewProp(self._actor)
        return super().image()

    def resizeEvent(self, event: QtGui.QResizeEvent) -> None:
        """Tell the slice how large it is."""
        self._logic.ResizeSliceNode(self.width(), self.height())
        self._node.SetDimensions(self.width(), self.height(), 1)
        super().resizeEvent(event)


class ViewWidget(QtWidgets.QWidget):
    """A view with a bar above it that has the view's colour and name."""

    def __init__(self, node: Any, view: QtWidgets.QWidget, colour: str) -> None:
        super().__init__()
        self._node, self._view = node, view
        self._bar = QtWidgets.QLabel(node.GetLayoutLabel() or node.GetLayoutName(), self)
        self._bar.setAutoFillBackground(True)
        self._bar.setAlignment(QtCore.Qt.AlignCenter)
        palette = self._bar.palette()
        palette.setColor(QtGui.QPalette.Window, QtGui.QColor(colour))
        palette.setColor(QtGui.QPalette.WindowText, QtGui.QColor("black"))
        self._bar.setPalette(palette)
        layout = QtWidgets.QVBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.setSpacing(0)
        layout.addWidget(self._bar)
        layout.addWidget(view, 1)

    def close_window(self) -> None:
        """Let go of what VTK holds."""
        if isinstance(self._view, RenderView):
            self._view.close_window()


class qMRMLThreeDWidget(ViewWidget):
    """A 3D view and its bar."""

    def __init__(self, node: Any, application: Any) -> None:
        super().__init__(node, qMRMLThreeDView(node, application), "#a4a4d8")

    def threeDView(self) -> Any:
        """The view."""
        return self._view

    def threeDController(self) -> Any:
        """The bar."""
        return self._bar

    def mrmlViewNode(self) -> Any:
        """The view's node."""
        return self._node


class qMRMLSliceWidget(ViewWidget):
    """A slice view and its bar."""

    def __init__(self, node: Any, application: Any, scene: Any) -> None:
        self._logic = slicer.vtkMRMLSliceLogic()
        self._logic.SetMRMLApplicationLogic(application)
        self._logic.SetMRMLScene(scene)
        self._logic.SetSliceNode(node)
        colour = QtGui.QColor.fromRgbF(*node.GetLayoutColor()).name()
        super().__init__(node, qMRMLSliceView(node, self._logic, application), colour)

    def sliceView(self) -> Any:
        """The view."""
        return self._view

    def sliceController(self) -> Any:
        """The bar."""
        return self._bar

    def sliceLogic(self) -> Any:
        """The logic that makes the slice."""
        return self._logic

    def mrmlSliceNode(self) -> Any:
        """The view's node."""
        return self._node

    def mrmlSliceCompositeNode(self) -> Any:
        """Which volumes are shown."""
        return self._logic.GetSliceCompositeNode()

    def fitSliceToBackground(self) -> None:
        """Show the whole of the volume in the background."""
        self._logic.FitSliceToBackground()

    def close_window(self) -> None:
        """Let go of what VTK holds."""
        super().close_window()
        self._logic.SetMRMLScene(None)


class qMRMLPlotView(RenderView):
    """What is drawn in a plot view: the chart of its node, its series as lines with their markers."""

    def mrmlPlotViewNode(self) -> Any:
        """The view's node."""
        return self._node

    def plotSeries(self) -> list[Any]:
        """The series of the chart that is shown."""
        chart = self._node.GetPlotChartNode()
        return [] if chart is None else [chart.GetNthPlotSeriesNode(i) for i in range(chart.GetNumberOfPlotSeriesNodes())]

    def _open(self) -> None:
        self._context = vtk.vtkContextView()
        self._context.GetRenderer().SetBackground(1.0, 1.0, 1.0)
        shown = vtk.vtkObject.GetGlobalWarningDisplay()
        vtk.vtkObject.GlobalWarningDisplayOff()
        self._window = self._context.GetRenderWindow()
        vtk.vtkObject.SetGlobalWarningDisplay(shown)
        self._window.SetOffScreenRendering(1)
        self._window.SetShowWindow(False)
        self._window.SetMultiSamples(0)

    def image(self) -> QtGui.QImage:
        """What the view shows."""
        self.renderWindow()
        scene = self._context.GetScene()
        scene.ClearItems()
        node = self._node.GetPlotChartNode()
        if node is not None:
            chart = vtk.vtkChartXY()
            chart.SetTitle(node.GetTitle() or "")
            for place, title, log in (
                (vtk.vtkAxis.BOTTOM, node.GetXAxisTitle(), node.GetXAxisLogScale()),
                (vtk.vtkAxis.LEFT, node.GetYAxisTitle(), node.GetYAxisLogScale()),
            ):
                chart.GetAxis(place).SetTitle(title or "")
                chart.GetAxis(place).SetLogScale(log)
            for series in self.plotSeries():
                table = series.GetTableNode().GetTable()
                if table.GetNumberOfRows() > 0:
                    line = chart.AddPlot(vtk.vtkChart.LINE)
                    line.SetInputData(table, series.GetXColumnName(), series.GetYColumnName())
                    line.SetColorF(*series.GetColor())
                    line.SetWidth(series.GetLineWidth())
                    line.SetMarkerStyle(series.GetMarkerStyle())
            scene.AddItem(chart)
        return super().image()

    def close_window(self) -> None:
        """Let go of the render window."""
        if self._window is not None:
            self._context.GetScene().ClearItems()
            self._window.Finalize()
            self._window = self._context = None


class qMRMLPlotWidget(ViewWidget):
    """A plot view and its bar."""

    def __init__(self, node: Any, application: Any) -> None:
        super().__init__(node, qMRMLPlotView(node, application), "#b4b4b4")

    def plotView(self) -> Any:
        """The view."""
        return self._view

    def mrmlPlotViewNode(self) -> Any:
        """The view's node."""
        return self._node
