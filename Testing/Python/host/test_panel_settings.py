"""The page of the application's settings: what is changed there is followed at once, kept, and read without Qt."""

from __future__ import annotations

from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("slicer.util", reason="needs slicer-core")
pytest.importorskip("shiboken6", reason="needs PySide6-Essentials")

from SlicerHost import Host


@pytest.fixture
def page(host: Host, widget: Any) -> Any:
    """The page in the dialog of the application's settings, as it is after the application has started."""
    import slicer

    from MITOReconstructionLib.panels.settings import SettingsPage

    host.startup()
    assert slicer.app.settingsDialog().panel("MITO Reconstruction") is not None
    return SettingsPage.page


def colour(part: Any) -> tuple[float, ...]:
    return tuple(part.node.GetDisplayNode().GetColor())


def load(panel: Any, sample: Path) -> Any:
    panel.data.folder.currentPath = str(sample)
    panel.data.load_button.click()
    return panel.session.shown


def test_colours_and_line_width_follow(host: Host, page: Any, widget: Any, sample: Path) -> None:
    import qt

    shown = load(widget.panel, sample)
    for name, part in (("trajectory", "trajectory"), ("source", "source"), ("rays", "rays"), ("around", "outlines")):
        host.answers.give("ctkColorPickerButton.changeColor", qt.QColor(51, 102, 255))
        page.fields[f"{name}_colour"].click()
        assert colour(getattr(shown, part)) == pytest.approx((0.2, 0.4, 1.0), abs=1e-6)
    assert colour(shown.trajectory_window) == colour(shown.outlines)
    page.fields["line_width"].value = 4.0
    assert shown.trajectory.display.GetLineWidth() == 4.0
    assert shown.rays.display.GetLineWidth() == 3.0
    widget.panel.data.load_button.click()  # the nodes are made anew or used again: the colours are the same
    assert colour(widget.panel.session.shown.source) == pytest.approx((0.2, 0.4, 1.0), abs=1e-6)
    host.close_scene()
    assert colour(load(widget.panel, sample).trajectory) == pytest.approx((0.2, 0.4, 1.0), abs=1e-6)


def test_what_is_shown_when_a_sample_is_loaded(host: Host, page: Any, widget: Any, sample: Path) -> None:
    import slicer

    page.fields["show_rays"].checked = False
    page.fields["show_layout"].checked = True
    shown = load(widget.panel, sample)
    assert (shown.is_visible("rays"), shown.is_visible("source")) == (False, True)
    assert not widget.panel.projections.boxes["rays"].checked
    assert slicer.app.layoutManager().sliceViewNames() == ("Projection",)
    widget.panel.projections.boxes["rays"].click()
    widget.panel.data.load_button.click()
    assert widget.panel.session.shown.is_visible("rays")  # what a person has changed since stays
    widget.panel.session.projection_view.visible = False


def test_defaults(host: Host, page: Any, widget: Any, sample: Path, tmp_path: Path) -> None:
    page.fields["speed"].value = 120
    page.fields["backend"].currentText = "cpu"
    page.fields["samples_folder"].currentPath = str(sample.parent)
    page.fields["log_folder"].currentPath = str(tmp_path)
    assert widget.panel.projections.speed.value == 120
    assert widget.panel.session.log_folder == tmp_path
    fresh = host.reload("MITOReconstruction").panel
    assert fresh.projections.speed.value == 120
    assert fresh.reconstruction.backends.name == "cpu"
    assert fresh.data.folder.currentPath == str(sample.parent)
    assert fresh.data.sample.currentText == "cylinder"
    assert fresh.session.log_folder == tmp_path


def test_cancel_takes_back_and_ok_keeps(host: Host, page: Any, widget: Any, sample: Path) -> None:
    import slicer

    shown, dialog = load(widget.panel, sample), slicer.app.settingsDialog()
    page.fields["line_width"].value = 9.0
    dialog.reject()
    assert (page.fields["line_width"].value, shown.trajectory.display.GetLineWidth()) == (2.0, 2.0)
    page.fields["line_width"].value = 5.0
    dialog.accept()
    dialog.reject()
    assert shown.trajectory.display.GetLineWidth() == 5.0
    page.restoreDefaultSettings()
    assert shown.trajectory.display.GetLineWidth() == 2.0


def test_a_folder_chosen_in_the_panel_is_not_taken_back(host: Host, page: Any, widget: Any, tmp_path: Path) -> None:
    import slicer

    host.answers.give("QFileDialog.getExistingDirectory", str(tmp_path))
    widget.panel.data.log_button.click()
    assert page.fields["log_folder"].currentPath == str(tmp_path)
    slicer.app.settingsDialog().reject()
    assert widget.panel.session.log_folder == tmp_path


def test_every_preference_has_a_field_and_its_default(host: Host, page: Any) -> None:
    from dataclasses import fields

    from MITOReconstructionLib.session.preferences import Preferences, read_preferences

    page.restoreDefaultSettings()
    assert set(page.fields) == {field.name for field in fields(Preferences)}
    read, default = read_preferences(), Preferences()
    for field in fields(Preferences):
        assert getattr(read, field.name) == pytest.approx(getattr(default, field.name), abs=0.005), field.name


def test_backends_are_those_there_are(host: Host, page: Any) -> None:
    from MITOReconstructionLib.panels.settings import BACKENDS
    from MITOReconstructionLib.projectors.backends import backend_names

    assert sorted(BACKENDS) == sorted(backend_names())


def test_settings_that_make_no_sense_do_no_harm(host: Host, widget: Any) -> None:
    import qt

    from MITOReconstructionLib.session.preferences import Preferences, read_preferences

    settings = qt.QSettings()
    for name, value in (("Speed", "fast"), ("LineWidth", -3), ("SourceColour", "reddish"), ("RaysColour", 7), ("Backend", None)):
        settings.setValue(f"MITOReconstruction/{name}", value)
    settings.setValue("MITOReconstruction/ShowRays", "false")
    settings.setValue("MITOReconstruction/AroundColour", "#00ff00")
    read, default = read_preferences(), Preferences()
    assert (read.speed, read.line_width, read.source_colour, read.rays_colour) == (50, 2.0, default.source_colour, default.rays_colour)
    assert (read.show_rays, read.around_colour) == (False, (0.0, 1.0, 0.0))


def test_the_page_needs_no_package(host: Host, widget: Any) -> None:
    """It is made when Slicer starts, before anybody has installed anything."""
    import subprocess
    import sys

    program = (
        "import sys; import MITOReconstructionLib.session.preferences as p, MITOReconstructionLib.session.places;"
        "p.Preferences(); assert not {'numba', 'scipy', 'nrrd', 'numpy', 'vtk', 'slicer'} & set(sys.modules)"
    )
    subprocess.run([sys.executable, "-c", program], check=True, cwd=Path(__file__).parents[3])
