"""The Slicer module: choose a sample, reconstruct it, see it. Everything else is in MITOReconstructionLib beside it."""

from __future__ import annotations

import importlib
import importlib.util
import logging
import sys
import tempfile
import threading
from collections.abc import Callable
from pathlib import Path
from typing import Any

import slicer
import slicer.util
from slicer.i18n import tr as _
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)

NAME = "MITOReconstruction"
HOMEPAGE = "https://github.com/MITOReconstruction/MITOReconstruction"
IMPORT_NAMES = {"pynrrd": "nrrd"}
"""What a required package is imported as, where that is not its name."""

POLL_MILLISECONDS = 30
YIELD_SECONDS = 0.02


def library(name: str = "") -> Any:
    """The library, or a module of it such as ``scan.simulation``.

    Installed, it lies beside this file, where Slicer finds it. Where only this module's folder was given to Slicer
    ('Additional module paths'), the folder above is added to the path.
    """
    if importlib.util.find_spec("MITOReconstructionLib") is None:
        sys.path.append(str(Path(__file__).resolve().parents[1]))
        importlib.invalidate_caches()
    return importlib.import_module("MITOReconstructionLib" + (f".{name}" if name else ""))


def requirements_file() -> Path:
    """The file that lists the packages to install."""
    return Path(__file__).parent / "Resources" / "requirements.txt"


class MITOReconstruction(ScriptedLoadableModule):
    """What Slicer shows of the module."""

    def __init__(self, parent: Any) -> None:
        ScriptedLoadableModule.__init__(self, parent)
        parent.title = _("MITO Reconstruction")
        parent.categories = ["Tomographic Reconstruction"]
        parent.dependencies = []
        parent.contributors = ["MITOReconstruction developers"]
        parent.helpText = (
            _(
                "Reconstructs helical cone-beam CT scans taken with a curved detector. Choose a folder with samples, choose "
                "the sample, and press Reconstruct. "
            )
            + f'<a href="{HOMEPAGE}">{HOMEPAGE}</a>'
        )
        parent.acknowledgementText = _("Built on 3D Slicer, and on ODL and the ASTRA toolbox where they are installed.")


class Run:
    """Work in a thread of its own, which ends exactly once: done, failed or cancelled.

    ``work`` is called with a Monitor; what it returns becomes ``result``.
    """

    def __init__(self, work: Callable[[Any], Any]) -> None:
        self.state = "running"
        self.message = ""
        self.result: Any = None
        self.progress: Any = None
        self._errors = library("errors")
        self._monitor = library("monitor").Monitor(self._report)
        self._thread = threading.Thread(target=self._work, args=(work,), name=NAME, daemon=True)
        self._thread.start()

    def cancel(self) -> None:
        """Ask the work to stop; it is still to be waited for."""
        self._monitor.cancel()

    def wait(self, seconds: float | None = None) -> bool:
        """Wait for the end, for a while or until it comes; true where it came."""
        self._thread.join(seconds)
        return self.state != "running"

    def _report(self, progress: Any) -> None:
        self.progress = progress

    def _work(self, work: Callable[[Any], Any]) -> None:
        state, message = "failed", ""
        try:
            self.result = work(self._monitor)
            state = "done"
        except self._errors.Cancelled as error:
            state, message = "cancelled", str(error)
        except self._errors.MITOError as error:
            message = str(error)
        except MemoryError:
            message = "There is not enough memory. Choose a smaller region or larger voxels."
        except Exception as error:  # the end of a thread: whatever it was has to be shown
            logging.exception("MITOReconstruction failed")
            message = f"{type(error).__name__}: {error}"
        finally:
            self.message = message
            self.state = state


class MITOReconstructionLogic(ScriptedLoadableModuleLogic):
    """Opens, reconstructs and shows scans, without Qt: for the widget, the Python console and scripts.

    Parameters
    ----------
    scene : vtkMRMLScene, optional
        Where scans and volumes are shown; the application's scene by default.
    """

    def __init__(self, scene: Any = None) -> None:
        ScriptedLoadableModuleLogic.__init__(self)
        self._scene = scene
        self._shown: list[tuple[Any, Any]] = []  # scans and how they are shown

    @property
    def scene(self) -> Any:
        """The scene that scans and volumes are shown in."""
        return slicer.mrmlScene if self._scene is None else self._scene

    # ---- packages --------------------------------------------------------------------------------------------------

    @staticmethod
    def requirements() -> list[str]:
        """The packages that the library needs and Slicer lacks, as pip has them: name>=version."""
        return requirements_file().read_text(encoding="utf-8").split()

    @classmethod
    def missing_requirements(cls) -> list[str]:
        """Those of :meth:`requirements` that are not installed."""
        names = {entry: entry.partition(">")[0] for entry in cls.requirements()}
        return [entry for entry, name in names.items() if importlib.util.find_spec(IMPORT_NAMES.get(name, name)) is None]

    @classmethod
    def install_requirements(cls) -> None:
        """Install what is missing, after Slicer has asked the user.

        Raises
        ------
        RuntimeError
            When the user declines, or something is still missing afterwards.
        """
        if not cls.missing_requirements():
            return
        try:
            packaging = importlib.import_module("slicer.packaging")
        except ImportError:  # Slicer 5.10 and older
            packaging = None
        if packaging is not None:
            packaging.pip_ensure(packaging.load_requirements(str(requirements_file())), requester=NAME)
        elif slicer.util.confirmOkCancelDisplay(
            _("These Python packages need to be installed: {packages}").format(packages=", ".join(cls.missing_requirements())), NAME
        ):
            slicer.util.pip_install(" ".join(f'"{entry}"' for entry in cls.missing_requirements()))
        importlib.invalidate_caches()
        if cls.missing_requirements():
            raise RuntimeError(_("Python packages are missing: {packages}").format(packages=", ".join(cls.missing_requirements())))

    # ---- scans -----------------------------------------------------------------------------------------------------

    @staticmethod
    def samples(folder: str | Path) -> list[tuple[str, Path]]:
        """Name and folder of each sample of a data folder, or of the one sample that the folder is.

        Raises
        ------
        InputError
            When there is none.
        """
        place = Path(folder)
        if (place / "metadata.json").is_file():
            return [(place.name, place)]
        return [(sample.name, Path(sample.folder)) for sample in library().list_samples(place)]

    @staticmethod
    def open_scan(folder: str | Path) -> Any:
        """Open the sample in a folder; see ``MITOReconstructionLib.open_scan``."""
        return library().open_scan(folder)

    @staticmethod
    def reconstruct(scan: Any, **options: Any) -> Any:
        """Reconstruct a scan and wait for the volume.

        Parameters
        ----------
        scan : Scan
        **options
            As of ``MITOReconstructionLib.reconstruct``: grid, method, parameters, views, backend, progress, monitor.

        Returns
        -------
        Volume
            ``array`` float32 indexed [x, y, z], ``grid`` in mm, ``provenance``.
        """
        return library().reconstruct(scan, **options)

    def start(self, folder: str | Path, **options: Any) -> Run:
        """Open and reconstruct the sample in a folder in a thread; the result is the pair of scan and volume."""
        mito = library()

        def work(monitor: Any) -> tuple[Any, Any]:
            scan = mito.open_scan(folder)
            return scan, mito.reconstruct(scan, monitor=monitor, **options)

        return Run(work)

    # ---- the scene -------------------------------------------------------------------------------------------------

    def show_scan(self, scan: Any, view: int = 0) -> Any:
        """Show trajectory, source, detector and rays of a scan at a view; the ScanScene is returned."""
        for known, shown in self._shown:
            if known is scan:
                shown.show_view(view)
                return shown
        shown = library("scene").ScanScene(self.scene, scan, view=view)
        self._shown.append((scan, shown))
        return shown

    def show_volume(self, volume: Any, scan: Any, name: str | None = None) -> Any:
        """Show a volume beside its scan; the volume node is returned.

        Parameters
        ----------
        volume : Volume
        scan : Scan
            The scan that it was made from.
        name : str, optional
            Of the node; the method's name by default. A volume of the same name is replaced.
        """
        title = name or str(volume.provenance.get("method", "volume"))
        part = self.show_scan(scan).show_volume(volume.array, volume.grid, title, provenance=volume.provenance)
        return part.node

    def forget(self) -> None:
        """Let go of everything shown, for a scene that was closed."""
        self._shown.clear()


class MITOReconstructionWidget(ScriptedLoadableModuleWidget):
    """Folder, sample, Reconstruct, and how far it is."""

    def __init__(self, parent: Any = None) -> None:
        ScriptedLoadableModuleWidget.__init__(self, parent)
        self.logic: MITOReconstructionLogic | None = None
        self.run: Run | None = None

    def setup(self) -> None:
        """Make the widgets and connect them."""
        import ctk
        import qt

        ScriptedLoadableModuleWidget.setup(self)
        self.logic = MITOReconstructionLogic()
        form = qt.QFormLayout()
        self.layout.addLayout(form)
        self.folderSelector = ctk.ctkPathLineEdit()
        self.folderSelector.filters = ctk.ctkPathLineEdit.Dirs
        self.folderSelector.settingKey = f"{NAME}/DataFolder"
        self.folderSelector.toolTip = _("A folder with samples, or the folder of one sample")
        form.addRow(_("Data folder:"), self.folderSelector)
        self.sampleSelector = qt.QComboBox()
        form.addRow(_("Sample:"), self.sampleSelector)
        self.startButton = qt.QPushButton(_("Reconstruct"))
        self.cancelButton = qt.QPushButton(_("Cancel"))
        form.addRow(self.startButton)
        form.addRow(self.cancelButton)
        self.progressBar = qt.QProgressBar()
        self.progressBar.setRange(0, 100)
        form.addRow(self.progressBar)
        self.statusLabel = qt.QLabel()
        self.statusLabel.wordWrap = True
        form.addRow(self.statusLabel)
        self.layout.addStretch(1)
        self.timer = qt.QTimer()
        self.timer.setInterval(POLL_MILLISECONDS)
        self.timer.connect("timeout()", self.onTimer)
        self.folderSelector.connect("currentPathChanged(QString)", self.onFolderChanged)
        self.startButton.connect("clicked()", self.onStart)
        self.cancelButton.connect("clicked()", self.onCancel)
        self.onFolderChanged(self.folderSelector.currentPath)

    def cleanup(self) -> None:
        """Stop the run, where one goes on, before the module is closed or reloaded."""
        if self.run is not None:
            self.timer.stop()
            self.run.cancel()
            self.run.wait(10.0)
            self.run = None

    def onFolderChanged(self, folder: str) -> None:
        """List the samples of the folder."""
        self.sampleSelector.clear()
        self.samples: list[tuple[str, Path]] = []
        message = _("Choose a folder with samples.")
        if folder:
            try:
                self.samples = self.logic.samples(folder)
                message = ""
            except ValueError as error:  # the library's InputError is one
                message = str(error)
        for name, _folder in self.samples:
            self.sampleSelector.addItem(name)
        self.statusLabel.text = message
        self.updateButtons()

    def updateButtons(self) -> None:
        """Enable what can be pressed now."""
        running = self.run is not None
        self.startButton.enabled = bool(self.samples) and not running
        self.cancelButton.enabled = running
        self.folderSelector.enabled = not running
        self.sampleSelector.enabled = not running

    def onStart(self) -> None:
        """Reconstruct the sample chosen, in a thread."""
        folder = self.samples[self.sampleSelector.currentIndex][1]
        with slicer.util.tryWithErrorDisplay(_("The reconstruction could not be started."), waitCursor=False):
            self.logic.install_requirements()
            self.run = self.logic.start(folder)
            self.progressBar.value = 0
            self.statusLabel.text = _("Starting")
            self.timer.start()
        self.updateButtons()

    def onCancel(self) -> None:
        """Ask the run to stop."""
        if self.run is not None:
            self.run.cancel()
            self.statusLabel.text = _("Cancelling")

    def onTimer(self) -> None:
        """Show how far the run is, and its volume at the end.

        Where Slicer's main thread keeps Python's lock while it waits for events, threads advance only while Python
        code of the main thread waits: so each call waits for a moment.
        """
        run = self.run
        if run is None or not run.wait(YIELD_SECONDS):
            if run is not None and run.progress is not None:
                self.progressBar.value = round(100 * run.progress.fraction)
                self.statusLabel.text = run.progress.step
            return
        self.timer.stop()
        self.run = None
        self.statusLabel.text = {"done": _("Done"), "cancelled": _("Cancelled")}.get(run.state, run.message)
        self.updateButtons()
        if run.state == "done":
            scan, volume = run.result
            with slicer.util.tryWithErrorDisplay(_("The volume could not be shown."), waitCursor=True):
                node = self.logic.show_volume(volume, scan)
                slicer.util.setSliceViewerLayers(background=node, fit=True)
            self.progressBar.value = 100


class MITOReconstructionTest(ScriptedLoadableModuleTest):
    """Simulates a small scan, reconstructs it, and looks at a value: 'Reload and Test', and CTest."""

    def setUp(self) -> None:
        """Begin with an empty scene."""
        slicer.mrmlScene.Clear()

    def runTest(self) -> None:
        """Run every test."""
        self.setUp()
        self.test_cylinder()

    def test_cylinder(self) -> None:
        """A cylinder of 0.02 per mm comes out as one, where it was, in the scene."""
        attenuation, radius, middle = 0.02, 40.0, 277.0
        simulation, phantoms = library("scan.simulation"), library("scan.phantoms")
        grid = library("geometry").VolumeGrid((-60.0, -60.0, middle - 6.0), (60.0, 60.0, middle + 6.0), (40, 40, 4))
        logic = MITOReconstructionLogic(slicer.mrmlScene)
        with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:  # Windows keeps mapped files
            folder = Path(place) / "cylinder"
            phantom = phantoms.cylinder(radius, 680.0, attenuation=attenuation)
            simulation.simulate(folder, phantom, simulation.mito_geometry(scale=16, turns=3.0))
            scan = logic.open_scan(folder)
            volume = logic.reconstruct(scan, grid=grid, method="fbp")
            node = logic.show_volume(volume, scan)
            voxels = slicer.util.arrayFromVolume(node)  # indexed [z, y, x]
            inside, outside = float(voxels[1:3, 16:24, 16:24].mean()), float(abs(voxels[1:3, 18:22, 0:4].mean()))
        if abs(inside - attenuation) > 0.05 * attenuation or outside > 0.1 * attenuation:
            raise AssertionError(f"expected {attenuation} inside and 0 outside of the cylinder; found {inside:g} and {outside:g}")
