"""What the panel drives, without Qt: samples, the scan that is open, runs, and the volumes of the scene."""

from __future__ import annotations

import weakref
from collections.abc import Callable
from pathlib import Path
from typing import Any, TypeVar

from MITOReconstructionLib.errors import InputError
from MITOReconstructionLib.jobs import Estimate, Job, Volume, estimate
from MITOReconstructionLib.jobs.task import Task
from MITOReconstructionLib.monitor import Monitor
from MITOReconstructionLib.panels.live_slicing import LiveSlicing
from MITOReconstructionLib.scan import Scan, list_samples, open_scan
from MITOReconstructionLib.scan.phantoms import make_phantom
from MITOReconstructionLib.scan.simulation import default_grid, mito_geometry, simulate
from MITOReconstructionLib.scene.host import Node, Scene, slicer
from MITOReconstructionLib.scene.parts import SCAN, find_part
from MITOReconstructionLib.scene.scan_scene import ScanScene

__all__ = ["Event", "Session"]

T = TypeVar("T", Job, Task[Path])

SIMULATED_SCALE = 12.0
"""How many times coarser than the real scanner a simulated log is by default."""

SIMULATED_TURNS = 3.0


class Event:
    """Tells those who want to know that something has changed."""

    def __init__(self) -> None:
        self._listeners: list[Callable[[], object]] = []

    def connect(self, listener: Callable[[], object]) -> None:
        """Have something called each time."""
        self._listeners.append(listener)

    def clear(self) -> None:
        """Forget all listeners."""
        self._listeners.clear()

    def __call__(self) -> None:
        """Tell them."""
        for listener in list(self._listeners):
            listener()


class Session:
    """The work of the module on one scene. When the scene is closed, runs are cancelled and scans forgotten.

    Parameters
    ----------
    scene : vtkMRMLScene

    Attributes
    ----------
    scan : Scan or None
        The one that is open in the panel.
    job : Job, Task or None
        The run that goes on.
    live : LiveSlicing
        The scans that are looked through live.
    scan_changed, job_changed, results_changed : Event
    """

    def __init__(self, scene: Scene) -> None:
        self.scene = scene
        self.scan: Scan | None = None
        self.job: Job | Task[Path] | None = None
        self.scan_changed, self.job_changed, self.results_changed = Event(), Event(), Event()
        self.live = LiveSlicing()
        self._shown: dict[str, tuple[Scan, ScanScene]] = {}
        self._observers = _observe(scene, self)

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
        return [(sample.name, Path(sample.folder)) for sample in list_samples(place)]

    def load(self, folder: str | Path, name: str | None = None) -> Scan:
        """Open a sample and show its first view.

        Raises
        ------
        InputError
            When it cannot be read; what was open stays open.
        """
        scan = open_scan(folder, name=name)
        self.show_scan(scan)
        self.scan = scan
        self.scan_changed()
        return scan

    def simulate(self, folder: str | Path, *, scale: float = SIMULATED_SCALE, turns: float = SIMULATED_TURNS) -> Task[Path]:
        """Simulate a log into a new sample folder, in the background; the task's ``value`` is the folder.

        Raises
        ------
        InputError
            When something runs already.
        """

        def work(monitor: Monitor) -> Path:
            phantom, geometry = make_phantom("log"), mito_geometry(scale=scale, turns=turns)
            return simulate(Path(folder), phantom, geometry, grid=default_grid(phantom, geometry), monitor=monitor)

        return self._begin(Task(work, "simulation"))

    # ---- runs ------------------------------------------------------------------------------------------------------

    def estimate(self, **options: Any) -> Estimate:
        """What a run on the scan that is open will take; options as of ``MITOReconstructionLib.estimate``.

        Raises
        ------
        MITOError
            When no scan is open, or an option cannot be used.
        """
        return estimate(self._open_scan(), **options)

    def start(self, **options: Any) -> Job:
        """Reconstruct the scan that is open, in the background; options as of ``MITOReconstructionLib.Job``.

        Raises
        ------
        MITOError
            When no scan is open, something runs already, or an option cannot be used.
        """
        return self._begin(Job(self._open_scan(), **options))

    def ended(self) -> None:
        """Let go of the run, which has ended."""
        self.job = None
        self.job_changed()

    def cancel(self) -> None:
        """Ask the run to stop, where there is one."""
        if self.job is not None:
            self.job.cancel()

    def _open_scan(self) -> Scan:
        if self.scan is None:
            raise InputError("scan", expected="a sample that is open", found="none", remedy="Choose a sample and press Load.")
        return self.scan

    def _begin(self, job: T) -> T:
        if self.job is not None:
            raise InputError("run", expected="none that goes on", found=self.job.name, remedy="Wait for its end, or cancel it.")
        job.start()
        self.job = job
        self.job_changed()
        return job

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
            shown = ScanScene(self.scene, scan, view=view or 0)
            self._shown[scan.name] = scan, shown
        elif view is not None:
            shown.show_view(view)
        return shown

    def show_volume(self, volume: Volume, scan: Scan, name: str | None = None) -> Node:
        """Show a volume beside its scan; the volume node is returned. One of the same name is replaced."""
        title = name or str(volume.provenance.get("method", "volume"))
        node = self.show_scan(scan).show_volume(volume.array, volume.grid, title, provenance=volume.provenance).node
        self.results_changed()
        return node

    def results(self) -> list[Node]:
        """The volume nodes of the scene that reconstructions made, the first one first."""
        return find_part(self.scene, "vtkMRMLScalarVolumeNode", "volume")

    def free_name(self, method: str) -> str:
        """A name for the next volume of the scan that is open: the method's, with a number from the second on."""
        scan = None if self.scan is None else self.scan.name
        taken = {node.GetName() for node in self.results() if node.GetAttribute(SCAN) == scan}
        number = 1
        while (name := method if number == 1 else f"{method} {number}") in taken:
            number += 1
        return name

    def forget(self) -> None:
        """Cancel what runs and let go of every scan: the scene was closed."""
        self.cancel()
        self.live.close()
        self._shown.clear()
        if self.scan is not None:
            self.scan = None
            self.scan_changed()
        self.results_changed()

    def close(self) -> None:
        """Cancel what runs, wait for its end, and no longer watch the scene."""
        for event in (self.scan_changed, self.job_changed, self.results_changed):
            event.clear()
        if self.job is not None:
            self.job.cancel()
            self.job.wait(10.0)
            self.job = None
        self.forget()
        for tag in self._observers:
            self.scene.RemoveObserver(tag)
        self._observers = []


_kept: dict[int, tuple[Callable[..., None], ...]] = {}
"""What scenes call: a scene may outlive its session, and calls while it is itself collected, when it must still be whole."""


def _observe(scene: Scene, session: Session) -> list[int]:
    """Watch a scene on behalf of a session that may be gone one day."""
    known, kind = weakref.ref(session), slicer.vtkMRMLScene

    def closed(*_: object) -> None:
        if (found := known()) is not None:
            found.forget()

    def changed(*_: object) -> None:
        if (found := known()) is not None and not found.scene.IsBatchProcessing():
            found.results_changed()

    events = {kind.EndCloseEvent: closed, kind.EndImportEvent: changed, kind.NodeRemovedEvent: changed}
    _kept[id(session)] = (closed, changed)
    weakref.finalize(session, _kept.pop, id(session), None)
    return [scene.AddObserver(event, callback) for event, callback in events.items()]
