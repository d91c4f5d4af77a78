"""What the panel drives, without Qt: samples, the scan that is open, runs, and the volumes of the scene."""

from __future__ import annotations

import os
from collections.abc import Sequence
from pathlib import Path
from typing import Any, cast

from MITOReconstructionLib.errors import InputError
from MITOReconstructionLib.jobs import Estimate, Job, estimate
from MITOReconstructionLib.jobs.task import Task
from MITOReconstructionLib.scan import Scan, list_samples
from MITOReconstructionLib.scene.camera import frame_scene
from MITOReconstructionLib.scene.host import Node, Scene
from MITOReconstructionLib.scene.parts import find_part
from MITOReconstructionLib.scene.scan_scene import ScanScene
from MITOReconstructionLib.session.event import Event
from MITOReconstructionLib.session.live_slicing import LiveSlicing
from MITOReconstructionLib.session.names import free_name
from MITOReconstructionLib.session.open_scans import OpenScans
from MITOReconstructionLib.session.opening import require_complete, show_first
from MITOReconstructionLib.session.packages import install_backend
from MITOReconstructionLib.session.places import free_place, same_place, sample_place
from MITOReconstructionLib.session.preferences import Preferences, default_log_folder, read_preferences
from MITOReconstructionLib.session.projection_view import ProjectionView
from MITOReconstructionLib.session.recording import Recording
from MITOReconstructionLib.session.region_list import RegionList
from MITOReconstructionLib.session.runs import Run, Runs
from MITOReconstructionLib.session.scene_watch import watch_scene
from MITOReconstructionLib.session.simulating import SIMULATED_SCALE, SIMULATED_TURNS, simulation
from MITOReconstructionLib.session.state import State
from MITOReconstructionLib.session.volumes import VolumeActions

__all__ = ["Event", "Session"]

END_SECONDS = 10.0
"""That what goes on may take to end when the session is closed."""


class Session(VolumeActions):
    """The work of the module on one scene. When the scene is closed, runs are cancelled and scans forgotten.

    Parameters
    ----------
    scene : vtkMRMLScene

    Attributes
    ----------
    opened : OpenScans
        The scans that are open: ``scans``, ``choose``, ``close``, ``regions``.
    state : State
        Settings that a saved scene keeps.
    runs : Runs
        The reconstructions that were asked for, first to last.
    live : LiveSlicing
        The scans that are looked through live.
    recording : Recording
        The open scans that are not complete; its ``look`` sees what has come, and its ``changed`` tells.
    scan_changed, job_changed, results_changed : Event
    node_added : Event
        A volume or a box was added; whether it is a result or a region is known once its file or attributes are, a moment later.
    folder : Path or None
        The sample or data folder that was opened last, by :meth:`open`; ``folder_changed`` tells.
    preferences : Preferences
        Colours and defaults, of the application's settings; ``preferences_changed`` tells.
    projection_view : ProjectionView
        The projection in a slice view of its own; ``view_changed`` tells that its layout was shown or left.
    """

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self._task: Task[Path] | None = None
        self.scan_changed, self.job_changed, self.results_changed, self.node_added = Event(), Event(), Event(), Event()
        self._looked_at = set()
        self.runs = Runs(scene, self.show_result, self.job_changed)
        self.folder: Path | None = None
        self.folder_changed, self.preferences_changed, self.view_changed = Event(), Event(), Event()
        self.preferences = read_preferences()
        self.projection_view = ProjectionView(scene, self.view_changed)
        self.scan_changed.connect(self._follow)
        self.live = LiveSlicing(scene)
        self._shown: dict[str, tuple[Scan, ScanScene]] = {}
        self.state = State(scene)
        self.opened = OpenScans(scene, self.state, self.show_scan, self._drop, self.scan_changed)
        self.recording = Recording(self.opened, self.live, self.show_scan, self._keep_shown)
        self.restore()
        self._observers = watch_scene(scene, self)

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
        if os.path.isfile(place / "metadata.json"):  # false also of what can be no name
            return [(place.name, place)]
        return [(sample.name, Path(sample.folder)) for sample in list_samples(place)]

    def load(self, folder: str | Path, name: str | None = None, *, growing: bool = False, recorded: int | None = None) -> Scan:
        """Open a sample and show its first view; where ``growing`` says so, it may be one that is still being recorded.

        Of one whose recording was aborted ``recorded`` is the number of views, as of ``MITOReconstructionLib.open_scan``.

        Raises
        ------
        InputError
            When it cannot be read; what was open stays open.
        """
        self.opened.trouble = ""
        scan = self.opened.open(folder, name, growing=growing, recorded=recorded)
        if self.preferences.show_layout:
            self.projection_view.visible = True
        frame_scene(self.scene)
        return scan

    @property
    def scan(self) -> Scan | None:
        """The scan that is looked at: the one loaded last, or chosen by ``opened.choose``."""
        return self.opened.scan

    @property
    def regions(self) -> RegionList:
        """The regions of that scan; InputError where none is open."""
        self._open_scan()
        return cast(RegionList, self.opened.regions)

    @property
    def options(self) -> dict[str, Any]:
        """What is set up, for :meth:`estimate` and :meth:`start`: the state's method, parameters and backend, and the region."""
        state = self.state
        return {**self.regions.options, "method": state.method, "parameters": state.parameters, "backend": state.backend}

    def restore(self, nodes: Sequence[Node] = ()) -> None:
        """Go on where the scene's parameter node says, where it has one; a scan that is gone is named in ``opened.trouble``.

        Parameters
        ----------
        nodes : sequence of vtkMRMLNode, optional
            Those that came with the parameter node, where a scene was added to this one.
        """
        if self.state.read():
            self.opened.restore(nodes)
        self.opened.look()

    def open(self, path: str | Path, *, growing: bool = False) -> list[tuple[str, Path]]:
        """Take a sample or data folder, or one of the files that stand for it; a sample that is the only one is loaded.

        Parameters
        ----------
        path : path
            A folder, its metadata.json or samples.json, or a sample's sinogram.npy.
        growing : bool
            As of :meth:`load`.

        Returns
        -------
        list of (str, Path)
            Name and folder of each sample, as :meth:`samples` gives them.

        Raises
        ------
        InputError
            When there is no sample, or the only one cannot be read.
        """
        place = sample_place(path) or Path(path)
        found = self.samples(place)
        self.folder = place
        self.folder_changed()
        if len(found) == 1:
            self.load(found[0][1], found[0][0], growing=growing)
        return found

    def is_open(self, path: str | Path) -> bool:
        """Whether a path stands for the sample that is open."""
        place = sample_place(path)
        return place is not None and self.scan is not None and same_place(self.scan.folder, place) and bool(self.nodes())

    def nodes(self) -> list[Node]:
        """What shows the scan that is open: projection, detector, trajectory; empty where none is open."""
        shown = self.shown
        parts = [] if shown is None else [shown.projection, shown.detector, shown.trajectory]
        return [part.node for part in parts if part.alive]

    @property
    def log_folder(self) -> Path:
        """Where simulated logs are put, as the preferences say."""
        return Path(self.preferences.log_folder) if self.preferences.log_folder else default_log_folder()

    def simulate(self, folder: str | Path | None = None, *, scale: float = SIMULATED_SCALE, turns: float = SIMULATED_TURNS) -> Task[Path]:
        """Simulate a log into a new sample folder, in the background; the task's ``value`` is the folder.

        Parameters
        ----------
        folder : path, optional
            By default a new one in :attr:`log_folder`, which is kept.
        scale : float, optional
            How many times coarser than the real scanner.
        turns : float, optional

        Raises
        ------
        InputError
            When a simulation or a reconstruction goes on.
        """
        if self.job is not None:
            raise InputError("simulation", expected="nothing that runs", found=self.job.name, remedy="Wait for its end, or cancel it.")
        task = simulation(free_place(self.log_folder, "log") if folder is None else Path(folder), scale, turns)
        task.start()
        self._task = task
        self.job_changed()
        return task

    # ---- runs ------------------------------------------------------------------------------------------------------

    def estimate(self, **options: Any) -> Estimate:
        """What a run on the scan that is open will take; options as of ``MITOReconstructionLib.estimate``.

        Raises
        ------
        MITOError
            When no scan is open, or an option cannot be used.
        """
        return estimate(self._open_scan(), **options)

    @property
    def job(self) -> Job | Task[Path] | None:
        """The simulation or the reconstruction that goes on; None once all have ended and their volumes are in the scene."""
        going = self.runs.going
        return self._task if self._task is not None else None if going is None else going.job

    def start(self, *, name: str | None = None, **options: Any) -> Job:
        """Reconstruct the scan that is open, in the background, after the runs that wait already.

        Its volume comes into the scene when :meth:`collect` or :meth:`wait` is called after its end.

        Parameters
        ----------
        name : str, optional
            Of the volume; by default the method's. It gets a number where it is taken: no volume is written over.
        **options
            As of ``MITOReconstructionLib.Job``: grid, method, parameters, views, backend, initial, process, preview_every ...

        Raises
        ------
        MITOError
            When no scan is open or complete, a simulation goes on, or an option cannot be used.
        """
        return self.add_run(self._open_scan(), name, **options)

    def add_run(self, scan: Scan, name: str | None = None, **options: Any) -> Job:
        """As :meth:`start`, for any scan."""
        if self._task is not None:
            raise InputError("run", expected="no simulation that goes on", found="one", remedy="Wait for its end, or cancel it.")
        require_complete(scan)
        job = self.runs.add(scan, name or self.free_name(options.get("method", "fbp"), scan.name), **options).job
        if job is None:
            raise InputError("run", expected="one that waits", found="one that has ended", remedy="Start it again.")
        return job

    def collect(self) -> list[Run]:
        """Bring previews, residuals and volumes of the runs into the scene; the runs that have ended since the last time."""
        return self.runs.collect()

    def wait(self, timeout: float | None = None) -> bool:
        """Wait until every run has ended and its volume is in the scene, at most for ``timeout`` seconds; whether that is so."""
        return self.runs.wait(timeout)

    install_backend = staticmethod(install_backend)

    def ended(self) -> None:
        """Let go of the simulation, which has ended."""
        self._task = None
        self.job_changed()

    def cancel(self) -> None:
        """Ask what goes on to stop: the simulation, or the reconstruction; those that wait then begin."""
        if self._task is not None:
            self._task.cancel()
        elif self.runs.going is not None:
            self.runs.cancel(self.runs.going)

    def _open_scan(self) -> Scan:
        if self.scan is None:
            raise InputError("scan", expected="a sample that is open", found="none", remedy="Choose a sample and press Load.")
        return self.scan

    # ---- the scene -------------------------------------------------------------------------------------------------

    @property
    def shown(self) -> ScanScene | None:
        """How the scan that is open is shown."""
        return None if self.scan is None else self.show_scan(self.scan)

    def show_scan(self, scan: Scan, view: int | None = None) -> ScanScene:
        """Show a scan, at a view where one is given; it stays shown until the scene is closed.

        Raises
        ------
        InputError
            When there is no such view, or its projection cannot be read.
        """
        known, shown = self._shown.get(scan.name, (None, None))
        if known is not scan or shown is None:
            self.live.stop(scan.name)  # of the scan that this one takes the place of
            kept = bool(find_part(self.scene, "vtkMRMLModelNode", "detector", scan.name))  # as of a scene that was saved
            shown = show_first(self.scene, scan, view)
            shown.set_looks(self.preferences.looks)
            for part, visible in () if kept else self.preferences.shown.items():
                shown.set_visible(part, visible)
            self._shown[scan.name] = scan, shown
        elif view is not None:
            shown.show_view(view)
        return shown

    def _keep_shown(self, scan: Scan, shown: ScanScene) -> None:
        self._shown[scan.name] = scan, shown

    def _drop(self, name: str) -> None:
        self.live.end(name)
        self._shown.pop(name)

    def _follow(self) -> None:
        self.projection_view.follow(self.shown)

    def set_preferences(self, preferences: Preferences) -> None:
        """Have other preferences from now on: what is shown takes their colours and line width."""
        self.preferences = preferences
        for _scan, shown in self._shown.values():
            shown.set_looks(preferences.looks)
        self.preferences_changed()

    def free_name(self, method: str, scan: str | None = None) -> str:
        """A name for the next volume of a scan, by default the one that is open: the method's, with a number from the second on."""
        sample = scan or ("" if self.scan is None else self.scan.name)
        waiting = {run.name for run in self.runs if run.sample == sample and not run.over}
        return free_name(method, self.names_of(sample) | waiting)

    def forget(self) -> None:
        """Cancel what runs and let go of every scan: the scene was closed."""
        if self._task is not None:
            self._task.cancel()
        self.runs.forget()
        self.live.close()
        self._shown.clear()
        self._looked_at.clear()
        self.newest = ""
        was = self.scan
        self.opened.forget()
        if was is not None:
            self.scan_changed()
        self.results_changed()

    def close(self) -> None:
        """Cancel what runs, wait for its end, and no longer watch the scene."""
        told = (self.scan_changed, self.job_changed, self.results_changed, self.node_added)
        for event in (*told, self.opened.regions_changed, self.state.changed, self.live.changed):
            event.clear()
        for event in (self.folder_changed, self.preferences_changed, self.view_changed, self.recording.changed):
            event.clear()
        self.projection_view.close()
        if self._task is not None:
            self._task.cancel()
            self._task.wait(END_SECONDS)
            self._task = None
        self.runs.close(END_SECONDS)
        self.forget()
        for tag in self._observers:
            self.scene.RemoveObserver(tag)
        self._observers = []
