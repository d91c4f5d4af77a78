"""Draws the module's panel, and the main window with its views, into pictures: for the tutorial, and for looking at them.

    python Testing/SlicerHost/pictures.py FOLDER [--sample FOLDER] [--screen NAME|all]... [--palette light|dark]...

Without a screen those of Docs/tutorial.md are drawn: ``pictures.py Docs/pictures/tutorial --palette light`` renews its pictures.
Without a sample a log is simulated. Where Pillow is installed, the files have 256 colours, which makes them a third as large. A screen is a
function of this file in ``SCREENS``: it brings the module into a
state and returns what is to be drawn.
"""

from __future__ import annotations

import argparse
import importlib.util
import os
import shutil
import sys
import tempfile
from collections.abc import Callable
from pathlib import Path
from typing import Any

ROOT = Path(__file__).resolve().parents[2]
MODULE = ROOT / "MITOReconstruction" / "MITOReconstruction.py"
PALETTES = ("light", "dark")
SECONDS = 600.0
TUTORIAL = ("loaded", "projection", "region", "plotted", "compared", "live")
"""The screens of Docs/tutorial.md."""


def simulate_log(folder: Path, scale: float = 6.0) -> Path:
    """A log scanned with a sixth of the real resolution: the folder of the sample."""
    from MITOReconstructionLib.scan.phantoms import log
    from MITOReconstructionLib.scan.simulation import mito_geometry, simulate

    simulate(folder / "log", log(), mito_geometry(scale=scale, turns=3.0))
    return folder / "log"


def open_view(host: Any) -> Any:
    """The camera of the 3D view, which Slicer has from the beginning and this host once the view was drawn; without the box."""
    view = host.app.layoutManager().threeDWidget(0)
    view.mrmlViewNode().SetBoxVisible(False)
    view.mrmlViewNode().SetAxisLabelsVisible(False)
    host.grab(view, Path(host.app.temporaryPath) / "first.png", views=True)
    return view.threeDView().cameraNode().GetCamera()


def approach(host: Any, part: float = 1.0) -> None:
    """Look at everything as after Load, or go nearer to the middle of the default volume, at a part of that distance."""
    from MITOReconstructionLib.scene.camera import frame_scene

    camera = open_view(host)
    frame_scene(host.scene)
    if part < 1.0:
        grid = sys.modules["slicer"].modules.mitoreconstruction.widgetRepresentation().self().panel.session.scan.default_grid
        middle = [(a + b) / 2 for a, b in zip(grid.minimum, grid.maximum, strict=True)]
        away = [part * (p - f) for p, f in zip(camera.GetPosition(), camera.GetFocalPoint(), strict=True)]
        camera.SetFocalPoint(*middle)
        camera.SetPosition(*(m + a for m, a in zip(middle, away, strict=True)))


# ---- screens ---------------------------------------------------------------------------------------------------------


def start(host: Any, _widget: Any, _sample: Path) -> Any:
    """The panel as it is at first."""
    return host.window


def loaded(host: Any, widget: Any, sample: Path) -> Any:
    """A sample is open, and a view of it is shown."""
    open_view(host)
    data = widget.panel.data
    data.folder.currentPath = str(sample)
    data.load_button.click()
    widget.panel.projections.slider.value = widget.panel.projections.slider.maximum // 3
    return host.window


def projection(host: Any, widget: Any, _sample: Path) -> Any:
    """The layout '3D + projection'."""
    part = widget.panel.projections
    show_section(host, widget, 1)
    part.layout_box.click()
    part.around.value = part.slider.maximum // 20
    host.process_events()
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
    show_section(host, widget, 3)
    part = widget.panel.reconstruction
    part.method.currentIndex = part.method.findText("Total variation")
    host.wait_until(lambda: part.estimate.known, SECONDS)
    return widget.panel.buttons[3]


def region(host: Any, widget: Any, _sample: Path) -> Any:
    """Two regions, the second one chosen, over the volume that was reconstructed."""
    part = widget.panel.regions
    show_section(host, widget, 2)
    boxes = {"Heartwood": ((-30, 45), (-45, 30), (190, 270)), "Knot at 300 mm": ((20, 85), (0, 45), (282, 318))}
    for name, box in boxes.items():
        part.buttons["add"].click()
        part.name.text = name
        part.name._q.editingFinished.emit()
        for bounds, (low, high) in zip(part.bounds, box, strict=True):
            bounds.widget.setValues(low, high)
    host.wait_until(lambda: widget.panel.reconstruction.estimate.known, SECONDS)
    for name in ("Red", "Green", "Yellow"):
        host.app.layoutManager().sliceWidget(name).mrmlSliceNode().JumpSlice(52.0, 22.0, 300.0)
    approach(host, 0.5)
    return host.window


def impossible(host: Any, widget: Any, _sample: Path) -> Any:
    """Voxels that are too many: the section alone."""
    show_section(host, widget, 2)
    part = widget.panel.regions
    part.voxels.sides[0].value = 0.001
    part.voxels.sides[1].value = 0.001
    part.voxels.sides[2].value = 0.001
    host.wait_until(lambda: "expected" in part.estimate.text, SECONDS)
    return widget.panel.buttons[2]


def running(host: Any, widget: Any, _sample: Path) -> Any:
    """Landweber goes on: the whole window."""
    show_section(host, widget, 3)
    part = widget.panel.reconstruction
    part.target.widget.currentIndex = 0
    part.method.currentIndex = part.method.findText("Landweber")
    part.parameters.fields["iterations"].value = 1000
    host.wait_until(lambda: part.estimate.known, SECONDS)
    part.start_button.click()
    host.wait_until(lambda: "left" in part.status.text, SECONDS)
    return host.window


def reconstructed(host: Any, widget: Any, _sample: Path) -> Any:
    """The volume is in the views."""
    part = widget.panel.reconstruction
    part.method.currentIndex = 0
    host.wait_until(lambda: part.estimate.known, SECONDS)
    part.start_button.click()
    host.wait_until(lambda: widget.panel.session.job is None, SECONDS)
    show_section(host, widget, 4)
    return host.window


def plotted(host: Any, widget: Any, _sample: Path) -> Any:
    """A SIRT run that is over, with its residuals, Landweber that goes on, and one that waits: the whole window."""
    part = widget.panel.reconstruction
    widget.panel.session.runs.cancel_all()
    host.wait_until(lambda: widget.panel.session.job is None, SECONDS)
    part.queue.clear_button.click()
    part.method.currentIndex = part.method.findText("SIRT")
    part.parameters.fields["iterations"].value = 30
    part.start_button.click()
    host.wait_until(lambda: widget.panel.session.job is None, SECONDS)
    first = widget.panel.session.runs[0]
    part.method.currentIndex = part.method.findText("Landweber")
    part.parameters.fields["iterations"].value = 100
    part.start_button.click()
    part.method.currentIndex = 0
    part.start_button.click()
    part.method.currentIndex = part.method.findText("Landweber")
    host.wait_until(lambda: len(widget.panel.session.runs.going.residuals) > 8, SECONDS)
    host.wait_until(lambda: part.estimate.known, SECONDS)
    part.queue.choose(first)
    part.queue.plot_button.click()
    show_section(host, widget, 3)
    return host.window


def compared(host: Any, widget: Any, _sample: Path) -> Any:
    """One volume over another one, and how the chosen one came to be: the whole window."""
    widget.panel.reconstruction.queue.plot_button.click()
    widget.panel.session.runs.cancel_all()
    host.wait_until(lambda: widget.panel.session.job is None, SECONDS)
    part = widget.panel.results
    part.comparison.compare_button.click()
    show_section(host, widget, 4)
    approach(host, 0.5)
    return host.window


def show_section(host: Any, widget: Any, place: int) -> None:
    """Close the other sections of the panel."""
    for number, button in enumerate(widget.panel.buttons):
        button.collapsed = number != place
    host.process_events()


def live(host: Any, widget: Any, _sample: Path) -> Any:
    """The slice views show the scan as it is reconstructed."""
    part = widget.panel.live
    show_section(host, widget, 5)
    widget.panel.regions.list.setCurrentRow(-1)
    part.start_button.checked = True
    part.planes.checked = True
    host.wait_until(lambda: part.live.engine.wait(0.0) and len(part.live.history) > 2, SECONDS)
    for _ in range(5):
        part.tick()
        host.process_events()
    return host.window


def panel(host: Any, widget: Any, _sample: Path) -> Any:
    """The panel alone, as high as it is."""
    for button in widget.panel.buttons:
        button.collapsed = False
    host.process_events()
    return widget.parent


def recording(host: Any, widget: Any, sample: Path) -> Any:
    """Two thirds of a scan have been recorded, and are looked through: the whole window."""
    folder = Path(shutil.copytree(sample, Path(host.app.temporaryPath) / "today"))
    whole = (folder / "sinogram.npy").stat().st_size
    os.truncate(folder / "sinogram.npy", 2 * whole // 3)
    data, part = widget.panel.data, widget.panel.live
    data.growing.checked = True
    data.folder.currentPath = str(folder)
    data.load_button.click()
    part.start_button.checked = True
    host.wait_until(lambda: part.live.engine.wait(0.0) and len(part.live.history) > 2, SECONDS)
    show_section(host, widget, 0)
    return host.window


SCREENS: dict[str, Callable[[Any, Any, Path], Any]] = {
    "start": start,
    "loaded": loaded,
    "projection": projection,
    "settings": settings,
    "reconstructed": reconstructed,
    "region": region,
    "set-up": set_up,
    "impossible": impossible,
    "running": running,
    "plotted": plotted,
    "compared": compared,
    "live": live,
    "panel": panel,
    "recording": recording,
}
"""In this order: each begins where the one before it ended."""


def draw(target: Path, sample: Path, screens: list[str], palettes: list[str]) -> list[Path]:
    """Draw screens into ``target``: NAME-PALETTE.png."""
    import SlicerHost

    target.mkdir(parents=True, exist_ok=True)
    made = []
    with SlicerHost.running() as host:
        widget = host.load_module(MODULE)
        for name, bring in list(SCREENS.items())[: 1 + max(list(SCREENS).index(name) for name in screens)]:
            shown = bring(host, widget, sample)
            for palette in palettes if name in screens else []:
                host.use_palette(palette)
                made.append(shrunk(host.grab(shown, target / f"{name}-{palette}.png", views=True)))
            host.use_palette(palettes[0])
        host.check()
    return made


def shrunk(path: Path) -> Path:
    """Write a picture again with 256 colours, where Pillow is there."""
    if importlib.util.find_spec("PIL") is not None:
        from PIL import Image

        with Image.open(path) as picture:
            small = picture.convert("RGB").quantize(256, dither=Image.Dither.NONE)
        small.save(path, optimize=True)
    return path


def main(words: list[str] | None = None) -> int:
    """Draw what the command line names."""
    parser = argparse.ArgumentParser(description=__doc__.partition("\n")[0])
    parser.add_argument("folder", type=Path)
    parser.add_argument("--sample", type=Path)
    parser.add_argument("--screen", action="append", choices=[*SCREENS, "all"])
    parser.add_argument("--palette", action="append", choices=PALETTES)
    asked = parser.parse_args(words)
    screens = list(SCREENS) if "all" in (asked.screen or ()) else asked.screen or list(TUTORIAL)
    sys.path[:0] = [str(ROOT), str(ROOT / "Testing")]
    with tempfile.TemporaryDirectory(ignore_cleanup_errors=True) as place:
        sample = asked.sample or simulate_log(Path(place))
        for path in draw(asked.folder, sample, screens, asked.palette or list(PALETTES)):
            print(path)
    return 0


if __name__ == "__main__":
    sys.path.remove(str(Path(__file__).resolve().parent))  # this folder is a package: its files are not modules of their own
    raise SystemExit(main())
