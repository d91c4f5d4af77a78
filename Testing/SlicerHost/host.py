"""The host: ``SlicerHost.launch()`` starts it, ``Host.shutdown`` takes everything back."""

from __future__ import annotations

import contextlib
import gc
import importlib.util
import sys
import tempfile
import time
from collections.abc import Callable, Iterator
from pathlib import Path
from types import ModuleType, SimpleNamespace
from typing import Any

import slicer
import slicer.util
from PySide6 import QtCore, QtGui, QtWidgets

from SlicerHost import standins
from SlicerHost.application import qSlicerApplication
from SlicerHost.bridge import unwrap, wrap, wrapper_class
from SlicerHost.ctk_module import NATIVE, make_ctk
from SlicerHost.data_module import DataModule
from SlicerHost.dialogs import ANSWERS
from SlicerHost.errors import SLOT_ERRORS, HostError, record
from SlicerHost.module_manager import qSlicerScriptedLoadableModule, qSlicerScriptedLoadableModuleWidget
from SlicerHost.palettes import use_palette
from SlicerHost.qt_module import OpenedUrls, make_qt
from SlicerHost.views import RenderView

NODE_CLASSES = (
    "vtkMRMLMarkupsROINode",
    "vtkMRMLMarkupsROIDisplayNode",
    "vtkMRMLMarkupsJsonStorageNode",
    "vtkMRMLMarkupsROIJsonStorageNode",
    "vtkMRMLScriptedModuleNode",
    "vtkMRMLVolumePropertyJsonStorageNode",
    "vtkMRMLMultiVolumeRenderingDisplayNode",
)
"""Classes that the application's modules register besides those of their logics."""

MOST_GARBAGE = 5000
"""New objects after which the host looks for garbage."""

_MISSING = object()
_RUNNING: list[Host] = []


class Modules(SimpleNamespace):
    """``slicer.modules``: what is not there is refused with a hint."""

    def __getattr__(self, name: str) -> Any:
        raise HostError(f"slicer.modules has no '{name}' in Testing/SlicerHost")


class Host:
    """Stands in for the application; one at a time. Use :func:`launch`."""

    def __init__(self) -> None:
        if _RUNNING:
            raise RuntimeError("a host is running already; shut it down first")
        self._folder = tempfile.TemporaryDirectory(prefix="SlicerHost")
        self.qt_application = QtWidgets.QApplication.instance() or QtWidgets.QApplication(["Slicer"])
        QtCore.qInstallMessageHandler(_qt_message)
        QtCore.QCoreApplication.setOrganizationName("SlicerHost")
        QtCore.QCoreApplication.setApplicationName("Slicer")
        QtCore.QSettings.setDefaultFormat(QtCore.QSettings.IniFormat)
        QtCore.QSettings.setPath(QtCore.QSettings.IniFormat, QtCore.QSettings.UserScope, self._folder.name)
        self.answers = ANSWERS
        self.installed, self.samples, self.opened = standins.INSTALLED, standins.SAMPLES, OpenedUrls.opened
        self._before: list[tuple[Any, str, Any]] = []
        self._files: list[Any] = []
        self.scene = slicer.vtkMRMLScene()
        self.use_palette("light")
        _RUNNING.append(self)
        gc.disable()  # objects of Qt must not be deleted by a thread that happens to collect garbage; the host does it in this one
        try:
            self._install()
        except BaseException:
            self.shutdown()
            raise

    def _install(self) -> None:
        for name, module in {"qt": make_qt(), "ctk": make_ctk(), **standins.modules()}.items():
            self._put(sys.modules, name, module)
            if name.startswith("slicer."):
                self._put(slicer, name.partition(".")[2], module)
        for name, value in standins.util_changes().items():
            self._put(slicer.util, name, value)
        for name, kind in NATIVE.items():
            if name.startswith("q"):
                self._put(slicer, name, wrapper_class(kind))
        self._put(slicer, "qSlicerScriptedLoadableModule", wrapper_class(qSlicerScriptedLoadableModule))
        self._put(slicer, "qSlicerScriptedLoadableModuleWidget", wrapper_class(qSlicerScriptedLoadableModuleWidget))
        self._put(slicer, "qSlicerFileDialog", SimpleNamespace(Read=0, Write=1))
        self._put(slicer, "mrmlScene", self.scene)
        self._put(slicer, "selfTests", {})
        self._put(sys, "excepthook", lambda _kind, error, _trace: record(error))  # VTK hands what observers raise to it
        self.modules = Modules()
        self._put(slicer, "modules", self.modules)
        self._native = qSlicerApplication(self.scene, Path(self._folder.name))
        self.app = wrap(self._native)
        self._put(slicer, "app", self.app)
        for name, logic in self._native.module_logics.items():
            setattr(self.modules, name.lower(), SimpleNamespace(name=name, logic=lambda logic=logic: logic))
        for name in NODE_CLASSES:
            if hasattr(slicer, name) and not self.scene.IsNodeClassRegistered(name):
                self.scene.RegisterNodeClass(getattr(slicer, name)())
        self.data_module = DataModule(self.scene)
        self.window = wrap(self._native.window)
        self._native.window.show()
        self.process_events()

    def _put(self, place: Any, name: str, value: Any) -> None:
        if isinstance(place, dict):
            self._before.append((place, name, place.get(name, _MISSING)))
            place[name] = value
        else:
            self._before.append((place, name, getattr(place, name, _MISSING)))
            setattr(place, name, value)

    # ---- modules -----------------------------------------------------------------------------------------------------

    def load_module(self, path: str | Path, *, enter: bool = True) -> Any:
        """Load a module's file as Slicer does at its start, and open it.

        Returns
        -------
        The object of the module's widget class, set up; None where the module has no widget class.
        """
        place = Path(path).resolve()
        name = place.stem
        if str(place.parent) not in sys.path:
            sys.path.insert(0, str(place.parent))
        spec = importlib.util.spec_from_file_location(name, place)
        loaded = importlib.util.module_from_spec(spec)
        self._put(sys.modules, name, loaded)
        spec.loader.exec_module(loaded)
        module = qSlicerScriptedLoadableModule()
        module.name, module.path = name, str(place)
        module.make = lambda parent: getattr(sys.modules[name], name + "Widget")(parent)
        shown = wrap(module)
        module.described = getattr(loaded, name)(shown)
        self._native.moduleManager().modules[name] = module
        setattr(self.modules, name.lower(), shown)
        self._native.coreIOManager().register(name, loaded)
        self.app._q.moduleManager().moduleLoaded.emit(name)
        if not hasattr(loaded, name + "Widget"):
            return None
        widget = shown.widgetRepresentation().self()
        if enter:
            self.select_module(name)
        return widget

    def select_module(self, name: str) -> None:
        """Open a module, closing the one that is open; '' opens none."""
        self._native.window.moduleSelector().selectModule(name)
        self.process_events()

    def startup(self) -> None:
        """Say that the application has started: modules add settings and sample data then."""
        self._native.startupCompleted.emit()
        self.process_events()

    def reload(self, module: str | ModuleType) -> Any:
        """Reload a module as the button of the developer mode does; its new widget is returned."""
        name = module if isinstance(module, str) else module.__name__
        slicer.util.reloadScriptedModule(name)
        self.process_events()
        return slicer.util.getModuleWidget(name)

    def file_reader(self, name: str) -> Any:
        """The ``<Module>FileReader`` of a module, as Slicer has made it."""
        kind = getattr(sys.modules[name], name + "FileReader")
        return next(reader.python for reader in self._native.coreIOManager().readers.values() if isinstance(reader.python, kind))

    def drop(self, *paths: str | Path, on: Any = None) -> None:
        """Drop files and folders on the application's window, or on a widget."""
        if on is None:
            self._native.coreIOManager().drop([str(path) for path in paths])
            self.process_events()
            return
        mime = QtCore.QMimeData()
        mime.setUrls([QtCore.QUrl.fromLocalFile(str(path)) for path in paths])
        target: Any = unwrap(on)
        while not target.acceptDrops() and target.parentWidget() is not None:  # Qt asks the widgets around it next
            target = target.parentWidget()
        for kind in (QtGui.QDragEnterEvent, QtGui.QDropEvent):
            place = QtCore.QPoint(3, 3) if kind is QtGui.QDragEnterEvent else QtCore.QPointF(3, 3)
            event = kind(place, QtCore.Qt.CopyAction, mime, QtCore.Qt.LeftButton, QtCore.Qt.NoModifier)
            self.qt_application.sendEvent(target, event)
            if not event.isAccepted():
                break
        self.process_events()

    # ---- the scene ---------------------------------------------------------------------------------------------------

    def close_scene(self) -> None:
        """Close the scene, as File / Close scene does."""
        self.scene.Clear()
        self.process_events()

    def save_scene(self, path: str | Path) -> None:
        """Write the scene into an .mrb file."""
        if not slicer.util.saveScene(str(path), {}):
            raise OSError(f"the scene could not be written to {path}")

    def open_scene(self, path: str | Path) -> None:
        """Close the scene and read another."""
        slicer.mrmlScene.Clear()
        slicer.util.loadScene(str(path), {})
        self.process_events()

    # ---- time --------------------------------------------------------------------------------------------------------

    def process_events(self) -> None:
        """Let Qt do what waits to be done."""
        for _ in range(3):
            self.qt_application.processEvents()
        self.qt_application.sendPostedEvents(None, QtCore.QEvent.DeferredDelete)
        if gc.get_count()[0] > MOST_GARBAGE:
            gc.collect(1)

    def wait_until(self, predicate: Callable[[], Any], seconds: float = 300.0) -> Any:
        """Process events until something is so; what it is.

        Raises
        ------
        TimeoutError
            When it was not so in time.
        BaseException
            What a slot or an observer raised meanwhile.
        """
        limit = time.monotonic() + seconds
        while True:
            self.process_events()
            self.check()
            found = predicate()
            if found:
                return found
            if time.monotonic() > limit:
                raise TimeoutError(f"it was not so within {seconds:g} s")
            time.sleep(0.002)

    def check(self) -> None:
        """Raise what a slot or an observer raised since the last time."""
        errors = self.take_errors()
        if errors:
            raise errors[0]

    def take_errors(self) -> list[BaseException]:
        """What slots and observers raised; forgotten here, for a test that expects it."""
        errors = list(SLOT_ERRORS)
        SLOT_ERRORS.clear()
        return errors

    # ---- pictures ----------------------------------------------------------------------------------------------------

    def use_palette(self, name: str) -> None:
        """Use ``light`` or ``dark`` colours."""
        use_palette(self.qt_application, name)

    def grab(self, widget: Any, path: str | Path, *, views: bool = False) -> Path:
        """Draw a widget, the panel or the main window, say, into a picture; with what the views show, or without."""
        RenderView.drawing = views
        try:
            self.process_events()
            picture: QtGui.QPixmap = unwrap(widget).grab()
            if not picture.save(str(path)):
                raise OSError(f"the picture could not be written to {path}")
        finally:
            RenderView.drawing = False
        return Path(path)

    # ---- the end -----------------------------------------------------------------------------------------------------

    def clean(self) -> None:
        """Forget answers, messages, settings and what was noted, and close the scene: between two tests."""
        self.close_scene()
        self.answers.clear()
        for notes in (SLOT_ERRORS, self.installed, self.opened):
            notes.clear()
        QtCore.QSettings().clear()

    def shutdown(self) -> None:
        """Close the modules and the application, and take back everything that was installed."""
        with contextlib.suppress(ValueError):
            _RUNNING.remove(self)
        if hasattr(self, "window"):
            self.select_module("")
            for module in self._native.moduleManager().modules.values():
                if module._widget is not None:
                    module._widget.self().cleanup()
            self._native.aboutToQuit.emit()
            self.process_events()
            self.data_module.close()
            self._native.shut()
            self.scene.Clear(True)
        for place, name, value in reversed(self._before):
            _restore(place, name, value)
        self._before.clear()
        self.samples.clear()
        QtCore.qInstallMessageHandler(None)
        self._folder.cleanup()
        gc.collect()
        gc.enable()


def _restore(place: Any, name: str, value: Any) -> None:
    if isinstance(place, dict):
        if value is _MISSING:
            place.pop(name, None)
        else:
            place[name] = value
    elif value is _MISSING:
        with contextlib.suppress(AttributeError):
            delattr(place, name)
    else:
        setattr(place, name, value)


def _qt_message(_kind: QtCore.QtMsgType, _context: QtCore.QMessageLogContext, text: str) -> None:
    if "propagateSizeHints" not in text:  # what Qt's offscreen platform says at every window
        sys.stderr.write(f"Qt: {text}\n")


def launch() -> Host:
    """Start the host: Qt without a screen, a scene, the application; ``qt``, ``ctk`` and ``slicer.app`` are there then."""
    return Host()


@contextlib.contextmanager
def running() -> Iterator[Host]:
    """A host for a while."""
    host = launch()
    try:
        yield host
    finally:
        host.shutdown()
