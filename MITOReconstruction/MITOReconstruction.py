"""The Slicer module: description, widget and logic. The panel is in MITOReconstructionLib/panels, the work beside it."""

from __future__ import annotations

import importlib
import importlib.util
import logging
import sys
from pathlib import Path
from typing import Any

import slicer
import slicer.util
import vtk
from slicer.i18n import tr as _
from slicer.ScriptedLoadableModule import (
    ScriptedLoadableModule,
    ScriptedLoadableModuleLogic,
    ScriptedLoadableModuleTest,
    ScriptedLoadableModuleWidget,
)

NAME = "MITOReconstruction"
HOMEPAGE = "https://github.com/MITOReconstruction/MITOReconstruction"


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


def open_in_application(path: str) -> list[Any]:
    """Open what was dropped, a file or a folder, in the module's own session; the nodes that show it. The module is shown."""
    nodes = slicer.util.getModuleLogic(NAME).open(path)
    if slicer.util.mainWindow() is not None:
        slicer.util.selectModule(NAME)
    return nodes


def register() -> None:
    """Tell the application, when it has started, of the sample data and of the page of settings."""
    library("panels.startup").register(Path(__file__).parent / "Resources" / "Icons" / f"{NAME}.png")


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
                "the sample, press Load, and then Reconstruct. "
            )
            + f'<a href="{HOMEPAGE}">{HOMEPAGE}</a>'
        )
        parent.acknowledgementText = _("Built on 3D Slicer, and on ODL and the ASTRA toolbox where they are installed.")
        if getattr(slicer, "app", None) is not None:
            slicer.app.connect("startupCompleted()", register)


class MITOReconstructionFileReader:
    """Reads a sample or a data folder by one of its files: 'Add data', drag and drop, ``slicer.util.loadNodeFromFile``.

    Slicer makes it, and takes the IDs of what was loaded from ``parent.loadedNodes``.
    """

    def __init__(self, parent: Any) -> None:
        self.parent = parent

    def description(self) -> str:
        """What is read, for people."""
        return _("MITO sample")

    def fileType(self) -> str:
        """What is read, for scripts."""
        return "MITOSample"

    def extensions(self) -> list[str]:
        """Names of the files."""
        return [_("MITO sample") + " (*.json *.npy)"]

    def canLoadFile(self, path: str) -> bool:
        """Whether a file is one of a sample's; asked by Slicer 5.6 and older."""
        return self.canLoadFileConfidence(path) > 0.0

    def canLoadFileConfidence(self, path: str) -> float:
        """How sure it is that a file or folder is a sample's: more than readers are that go by a file's name (0.5)."""
        return 0.9 if library("session.places").sample_place(path) is not None else 0.0

    def load(self, properties: dict[str, Any]) -> bool:
        """Open the sample; where a data folder has several, they are listed in the panel."""
        try:
            nodes = open_in_application(str(properties["fileName"]))
        except Exception as error:  # noqa: BLE001 Slicer shows its text to the user
            logging.error("%s: %s", properties.get("fileName"), error)
            if hasattr(self.parent, "userMessages"):  # Slicer 5.2 and later
                self.parent.userMessages().AddMessage(vtk.vtkCommand.ErrorEvent, str(error))
            return False
        self.parent.loadedNodes = [node.GetID() for node in nodes]
        return True


class MITOReconstructionFileDialog:
    """Takes sample and data folders that are dropped on the application's window."""

    def __init__(self, parent: Any) -> None:
        self.parent = parent
        parent.fileType = "MITOFolder"
        parent.description = _("Open as MITO sample")
        parent.action = slicer.qSlicerFileDialog.Read
        self.path = ""

    def execDialog(self) -> None:
        """There is no dialog."""

    def isMimeDataAccepted(self) -> None:
        """Say whether what is dragged is one folder of samples."""
        mime = self.parent.mimeData()
        paths = [str(url.toLocalFile()) for url in mime.urls()] if mime.hasUrls() else []
        self.path = paths[0] if len(paths) == 1 and Path(paths[0]).is_dir() else ""
        self.parent.acceptMimeData(bool(self.path) and library("session.places").sample_place(self.path) is not None)

    def dropEvent(self) -> None:
        """Open the folder."""
        with slicer.util.tryWithErrorDisplay(_("The sample could not be opened."), waitCursor=False):
            open_in_application(self.path)


class MITOReconstructionLogic(ScriptedLoadableModuleLogic):
    """Opens, reconstructs and shows scans, without Qt: for the widget, the Python console and scripts.

    Parameters
    ----------
    scene : vtkMRMLScene, optional
        Where scans and volumes are shown; the application's scene by default.

    Examples
    --------
    In Slicer's Python console, on what the panel shows; a script makes a ``MITOReconstructionLogic()`` of its own::

        logic = slicer.util.getModuleLogic("MITOReconstruction")
        scan = logic.load("/data/pine_16_1")
        logic.regions.add("Knot", (-20, -60, 200), (40, 0, 260), spacing=0.5)  # mm; it is chosen now
        logic.regions.change("Knot", views=(2000, 6000))                       # else the views are automatic
        logic.regions.undo()
        logic.regions.save("/data/pine-regions.json")
        logic.state.update(method="sirt", parameters={"iterations": 30})
        volume = logic.reconstruct(scan, **logic.options)
        logic.show_volume(volume, scan, "Knot")
        slicer.util.saveScene("/data/pine.mrb")                                # opened again, all of this goes on
    """

    def __init__(self, scene: Any = None) -> None:
        ScriptedLoadableModuleLogic.__init__(self)
        self._scene = scene
        self._session: Any = None

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
        return library("session.packages").missing_packages(cls.requirements())

    @classmethod
    def check_requirements(cls) -> None:
        """Raise RuntimeError where packages are missing, with what to do about it."""
        if cls.missing_requirements():
            raise RuntimeError(_("Open the module {name} and press Install first.").format(name=NAME))

    @classmethod
    def install_requirements(cls) -> None:
        """Install what is missing, after Slicer has asked the user.

        Raises
        ------
        RuntimeError
            When the user declines, installing fails, or something is still missing afterwards.
        """
        missing = cls.missing_requirements()
        if missing:
            library("session.packages").install(missing)
            missing = cls.missing_requirements()
        if missing:
            raise RuntimeError(_("Python packages are missing: {packages}").format(packages=", ".join(missing)))

    # ---- work ------------------------------------------------------------------------------------------------------

    @property
    def session(self) -> Any:
        """What the panel drives, and scripts do with the same names; needs the packages. Docs/scripting.md has them all.

        ``load``, ``simulate``, ``estimate``, ``start``, ``cancel``, ``wait``, ``runs``, ``results``, ``save``, ``rerun``, ``fit_window``,
        ``render``, ``compare``, ``difference``, ``install_backend``, ``regions``, ``opened``, ``state``.
        """
        if self._session is None:
            self._session = library("session.session").Session(self.scene)
        return self._session

    @property
    def regions(self) -> Any:
        """The regions of the scan that is looked at, a ``RegionList``; InputError where none is open.

        ``add``, ``change``, ``rename``, ``duplicate``, ``delete``, ``undo``, ``redo``, ``save``, ``load``, ``chosen``.
        """
        return self.session.regions

    @property
    def scans(self) -> list[Any]:
        """The scans that are open."""
        return list(self.session.opened.scans)

    @property
    def state(self) -> Any:
        """The settings that a saved scene keeps, as attributes: ``method``, ``parameters``, ``backend``, ``folder`` ..."""
        return self.session.state

    @property
    def options(self) -> dict[str, Any]:
        """What is set up: the chosen region's grid and views, method, parameters and backend, as ``reconstruct`` takes them."""
        return dict(self.session.options)

    def load(self, folder: str | Path, name: str | None = None, *, growing: bool = False, recorded: int | None = None) -> Any:
        """Open a sample beside those that are open, show it, and look at it; the Scan is returned.

        Where ``growing`` says so it may be one that is still being recorded; see ``session.recording``. Of one whose recording
        was aborted ``recorded`` is the number of views.
        """
        return self.session.load(folder, name, growing=growing, recorded=recorded)

    def choose_scan(self, name: str) -> Any:
        """Look at another scan that is open; InputError where it is not."""
        return self.session.opened.choose(name)

    def close_scan(self, name: str) -> None:
        """Close a scan; its volumes and regions stay in the scene."""
        self.session.opened.close(name)

    @staticmethod
    def samples(folder: str | Path) -> list[tuple[str, Path]]:
        """Name and folder of each sample of a data folder, or of the one sample that the folder is; InputError where none is."""
        return library("session.session").Session.samples(folder)

    def open(self, path: str | Path) -> list[Any]:
        """Take a sample or data folder, or a file of it, as the panel's folder; the only sample of it is loaded and shown.

        Parameters
        ----------
        path : path
            A folder, its metadata.json or samples.json, or a sample's sinogram.npy.

        Returns
        -------
        list of vtkMRMLNode
            What shows the sample: projection, detector, trajectory; empty where there are several samples to choose from.

        Raises
        ------
        MITOError
            When there is no sample, or it cannot be read.
        RuntimeError
            When packages are missing.
        """
        self.check_requirements()
        if self.session.is_open(path):  # of a folder that is dropped, Slicer has each file read
            return self.session.nodes()
        return self.session.nodes() if len(self.session.open(path)) == 1 else []

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

    def start(self, folder: str | Path, **options: Any) -> Any:
        """Open the sample in a folder and reconstruct it in the background: the ``MITOReconstructionLib.Job`` is returned.

        ``job.wait()`` waits for its end, ``job.volume`` is the volume then, and ``job.request.scan`` the scan.
        """
        job = library().Job(self.open_scan(folder), **options)
        job.start()
        return job

    def show_scan(self, scan: Any, view: int | None = None) -> Any:
        """Show trajectory, source, detector and rays of a scan at a view; the ScanScene is returned."""
        return self.session.show_scan(scan, view)

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
        return self.session.show_volume(volume, scan, name)

    def forget(self) -> None:
        """Let go of everything shown; done by itself when the scene is closed."""
        if self._session is not None:
            self._session.forget()

    def close(self) -> None:
        """Stop what runs and no longer watch the scene."""
        if self._session is not None:
            self._session.close()
            self._session = None


class MITOReconstructionWidget(ScriptedLoadableModuleWidget):
    """The panel, or a button that installs what it needs."""

    def __init__(self, parent: Any = None) -> None:
        ScriptedLoadableModuleWidget.__init__(self, parent)
        self.logic: MITOReconstructionLogic | None = None
        self.panel: Any = None
        self.offer: Any = None

    def setup(self) -> None:
        """Make the panel."""
        ScriptedLoadableModuleWidget.setup(self)
        self.logic = MITOReconstructionLogic()
        if self.logic.missing_requirements():
            self.offerInstallation()
        else:
            self.makePanel()

    def makePanel(self) -> None:
        """Put the panel's sections into the layout."""
        self.panel = library("panels.panel").Panel(self.layout, self.logic.session)

    def offerInstallation(self) -> None:
        """Say what is missing, with a button that installs it and makes the panel."""
        offer = library("panels.install_offer").InstallOffer
        self.offer = offer(self.layout, self.logic.missing_requirements(), self.logic.install_requirements, self.makePanel)

    def enter(self) -> None:
        """The module is opened."""
        if self.panel is not None:
            self.panel.enter()

    def exit(self) -> None:
        """Another module is opened."""
        if self.panel is not None:
            self.panel.exit()

    def cleanup(self) -> None:
        """Stop the run, where one goes on, before the module is closed or reloaded."""
        if self.panel is not None:
            self.panel.close()
            self.panel = None
        if self.logic is not None:
            self.logic.close()


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
        library("session.self_test").check_cylinder(MITOReconstructionLogic(slicer.mrmlScene))
