"""The Slicer module: description, widget and logic. The panel is in MITOReconstructionLib/panels, the work beside it."""

from __future__ import annotations

import importlib
import importlib.util
import sys
import tempfile
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
                "the sample, press Load, and then Reconstruct. "
            )
            + f'<a href="{HOMEPAGE}">{HOMEPAGE}</a>'
        )
        parent.acknowledgementText = _("Built on 3D Slicer, and on ODL and the ASTRA toolbox where they are installed.")


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

    # ---- work ------------------------------------------------------------------------------------------------------

    @property
    def session(self) -> Any:
        """What the panel drives, and scripts do with the same names; needs the packages. Docs/scripting.md has them all.

        ``load``, ``simulate``, ``estimate``, ``start``, ``cancel``, ``wait``, ``runs``, ``results``, ``save``, ``rerun``, ``fit_window``,
        ``render``, ``compare``, ``difference``, ``install_backend``, ``regions``, ``opened``, ``state``.
        """
        if self._session is None:
            self._session = library("panels.session").Session(self.scene)
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

    def load(self, folder: str | Path, name: str | None = None) -> Any:
        """Open a sample beside those that are open, show it, and look at it; the Scan is returned."""
        return self.session.load(folder, name)

    def choose_scan(self, name: str) -> Any:
        """Look at another scan that is open; InputError where it is not."""
        return self.session.opened.choose(name)

    def close_scan(self, name: str) -> None:
        """Close a scan; its volumes and regions stay in the scene."""
        self.session.opened.close(name)

    @staticmethod
    def samples(folder: str | Path) -> list[tuple[str, Path]]:
        """Name and folder of each sample of a data folder, or of the one sample that the folder is; InputError where none is."""
        return library("panels.session").Session.samples(folder)

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
        """Say what is missing, with a button that installs it."""
        import qt

        missing = ", ".join(self.logic.missing_requirements())
        self.missingLabel = qt.QLabel(_("These Python packages need to be installed: {packages}").format(packages=missing))
        self.missingLabel.wordWrap = True
        self.installButton = qt.QPushButton(_("Install"))
        self.installButton.connect("clicked()", self.onInstall)
        self.layout.addWidget(self.missingLabel)
        self.layout.addWidget(self.installButton)

    def onInstall(self) -> None:
        """Install what is missing and make the panel."""
        with slicer.util.tryWithErrorDisplay(_("The packages could not be installed."), waitCursor=False):
            self.logic.install_requirements()
            for widget in (self.missingLabel, self.installButton):
                widget.hide()
            self.makePanel()

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
            logic.close()
            voxels = slicer.util.arrayFromVolume(node)  # indexed [z, y, x]
            inside, outside = float(voxels[1:3, 16:24, 16:24].mean()), float(abs(voxels[1:3, 18:22, 0:4].mean()))
        if abs(inside - attenuation) > 0.05 * attenuation or outside > 0.1 * attenuation:
            raise AssertionError(f"expected {attenuation} inside and 0 outside of the cylinder; found {inside:g} and {outside:g}")
