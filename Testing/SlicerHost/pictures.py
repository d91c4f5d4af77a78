"""Draws the module's panel, and the main window with its views, into pictures: for the tutorial, and for looking at them.

    python Testing/SlicerHost/pictures.py FOLDER [--sample FOLDER] [--screen NAME]... [--palette light|dark]...

Without a sample a small log is simulated. A screen is a function of this file in ``SCREENS``: it brings the module into a
state and returns what is to be drawn.
"""

from __future__ import annotations

import argparse
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
MODULE = ROOT / "MITOReconstruction" / "MITOReconstruction.py"
PALETTES = ("light", "dark")
SECONDS = 600.0
CAMERA_DISTANCE = 3.3
"""From the middle, in half diagonals of what is shown."""


def simulate_log(folder: Path, scale: float = 12.0) -> Path:
    """A log scanned coarsely: the folder of the sample."""
    from MITOReconstructionLib.scan.phantoms import log
    from MITOReconstructionLib.scan.simulation import mito_geometry, simulate

    simulate(folder / "log", log(), mito_geometry(scale=scale, turns=3.0))
    return folder / "log"


def aim(host: Any) -> None:
    """Place the camera of the 3D view so that everything is in the picture, seen from an angle."""
    import vtk

    view = host.app.layoutManager().threeDWidget(0)
    if view is None:
        return
    view.mrmlViewNode().SetBoxVisible(False)
    view.mrmlViewNode().SetAxisLabelsVisible(False)
    host.grab(view, Path(host.app.temporaryPath) / "first.png", views=True)  # the view has to be drawn once before it has bounds
    three_d = view.threeDView()
    renderer = three_d.renderWindow().GetRenderers().GetFirstRenderer()
    bounds = [0.0] * 6
    renderer.ComputeVisiblePropBounds(bounds)
    box = vtk.vtkBoundingBox(bounds)
    middle = [0.0] * 3
    box.GetCenter(middle)
    camera = three_d.cameraNode().GetCamera()
    distance = CAMERA_DISTANCE * box.GetDiagonalLength() / 2
    camera.SetFocalPoint(*middle)
    camera.SetPosition(*(m + distance * d for m, d in zip(middle, (0.55, -0.75, 0.37), strict=True)))
    camera.SetViewUp(0, 0, 1)
    renderer.ResetCameraClippingRange()


# ---- screens ---------------------------------------------------------------------------------------------------------


def start(host: Any, _widget: Any, _sample: Path) -> Any:
    """The panel as it is at first."""
    return host.window


def loaded(host: Any, widget: Any, sample: Path) -> Any:
    """A sample is open, and a view of it is shown."""
    data = widget.panel.data
    data.folder.currentPath = str(sample)
    data.load_button.click()
    widget.panel.projections.slider.value = widget.panel.projections.slider.maximum // 3
    aim(host)
    return host.window


def projection(host: Any, widget: Any, _sample: Path) -> Any:
    """The layout '3D + projection'."""
    part = widget.panel.projections
    part.layout_box.click()
    part.around.value = part.slider.maximum // 20
    host.process_events()
    aim(host)
    return host.window


def settings(host: Any, widget: Any, _sample: Path) -> Any:
    """The page of the application's settings; the layout from before is shown again."""
    widget.panel.projections.around.value = 0
    widget.panel.projections.layout_box.click()
    host.startup()
    dialog = host.app.settingsDialog()
    dialog.resize(480, 600)
    return dialog


def set_up(host: Any, widget: Any, _sample: Path) -> Any:
    """Total variation in a region, with its estimate: the section alone."""
    part = widget.panel.reconstruction
    part.method.currentIndex = part.method.findText("Total variation")
    host.wait_until(lambda: part.estimate.known, SECONDS)
    return widget.panel.buttons[3]


def region(host: Any, widget: Any, _sample: Path) -> Any:
    """Two regions, the second one chosen: the section alone, as narrow as people have it."""
    part = widget.panel.regions
    for name in ("Heartwood", "Knot at 280 mm"):
        part.buttons["add"].click()
        part.name.text = name
        part.name._q.editingFinished.emit()
    part.bounds[0].widget.setValues(5.0, 60.0)
    part.bounds[2].widget.maximumValue = part.bounds[2].widget.minimumValue + 40.0
    host.wait_until(lambda: widget.panel.reconstruction.estimate.known, SECONDS)
    aim(host)
    return host.window


def impossible(host: Any, widget: Any, _sample: Path) -> Any:
    """Voxels that are too many: the section alone."""
    part = widget.panel.regions
    part.voxels.sides[0].value = 0.001
    part.voxels.sides[1].value = 0.001
    part.voxels.sides[2].value = 0.001
    host.wait_until(lambda: "expected" in part.estimate.text, SECONDS)
    return widget.panel.buttons[2]


def running(host: Any, widget: Any, _sample: Path) -> Any:
    """Landweber goes on: the section alone."""
    part = widget.panel.reconstruction
    part.target.widget.currentIndex = 0
    part.method.currentIndex = part.method.findText("Landweber")
    part.parameters.fields["iterations"].value = 1000
    host.wait_until(lambda: part.estimate.known, SECONDS)
    part.start_button.click()
    host.wait_until(lambda: "left" in part.status.text, SECONDS)
    return widget.panel.buttons[3]


def reconstructed(host: Any, widget: Any, _sample: Path) -> Any:
    """The volume is in the views."""
    part = widget.panel.reconstruction
    widget.panel.session.cancel()
    host.wait_until(lambda: widget.panel.session.job is None, SECONDS)
    part.method.currentIndex = 0
    host.wait_until(lambda: part.estimate.known, SECONDS)
    part.start_button.click()
    host.wait_until(lambda: widget.panel.session.job is None, SECONDS)
    aim(host)
    return host.window


def plotted(host: Any, widget: Any, _sample: Path) -> Any:
    """A SIRT run that is over, with its residuals, and others in the queue: the whole window."""
    part = widget.panel.reconstruction
    part.method.currentIndex = part.method.findText("SIRT")
    part.parameters.fields["iterations"].value = 30
    part.start_button.click()
    host.wait_until(lambda: widget.panel.session.job is None, SECONDS)
    part.parameters.fields["iterations"].value = 100000
    part.start_button.click()
    part.method.currentIndex = 0
    part.start_button.click()
    host.wait_until(lambda: widget.panel.session.runs.going.preview, SECONDS)
    queue = part.queue
    queue.choose(widget.panel.session.runs[len(widget.panel.session.runs) - 3])
    queue.plot_button.click()
    show_section(host, widget, 2)
    return host.window


def compared(host: Any, widget: Any, _sample: Path) -> Any:
    """One volume over another one, and how the chosen one came to be: the whole window."""
    widget.panel.reconstruction.queue.plot_button.click()
    widget.panel.session.runs.cancel_all()
    host.wait_until(lambda: widget.panel.session.job is None, SECONDS)
    part = widget.panel.results
    part.comparison.compare_button.click()
    show_section(host, widget, 3)
    return host.window


def show_section(host: Any, widget: Any, place: int) -> None:
    """Close the other sections of the panel."""
    for number, button in enumerate(widget.panel.buttons):
        button.collapsed = number != place
    host.process_events()


def panel(host: Any, widget: Any, _sample: Path) -> Any:
    """The panel alone, as high as it is."""
    for button in widget.panel.buttons:
        button.collapsed = False
    host.process_events()
    return widget.parent


SCREENS: dict[str, Callable[[Any, Any, Path], Any]] = {
    "start": start,
    "loaded": loaded,
    "projection": projection,
    "settings": settings,
    "region": region,
    "set-up": set_up,
    "impossible": impossible,
    "running": running,
    "reconstructed": reconstructed,
    "plotted": plotted,
    "compared": compared,
    "panel": panel,
}
"""In this order: each begins where the one before it ended."""


def draw(target: Path, sample: Path, screens: list[str], palettes: list[str]) -> list[Path]:
    """Draw screens into ``target``: NAME-PALETTE.png."""
    import SlicerHost

    target.mkdir(parents=True, exist_ok=True)
    made = []
    with SlicerHost.running() as host:
        widget = host.load_module(MODULE)
        for name, bring in SCREENS.items():
            shown = bring(host, widget, sample)
            for palette in palettes if name in screens else []:
                host.use_palette(palette)
                made.append(host.grab(shown, target / f"{name}-{palette}.png", views=True))
            host.use_palette(palettes[0])
        host.check()
    return made


def main(words: list[str] | None = None) -> int:
    """Draw what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sample", type=Path)
    parser.add_argument("--screen", action="append", choices=list(SCREENS))
    parser.add_argument("--palette", action="append", choices=PALETTES)
    asked = parser.parse_args(words)
    sys.path[:0] = [str(ROOT), str(ROOT / "Testing")]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
        sample = asked.sample or simulate_log(Path(place))
        for path in draw(asked.folder, sample, asked.screen or list(SCREENS), asked.palette or list(PALETTES)):
            print(path)
    return 0


if __name__ == "__main__":
    sys.path.remove(str(Path(__file__).resolve().parent))  # this folder is a package: its files are not modules of their own
    raise SystemExit(main())
