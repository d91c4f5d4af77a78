"""The section 'Projections': moving through the views, and what of a scan is shown."""

from __future__ import annotations

import math
import time

import qt
from slicer.i18n import tr as _

from MITOReconstructionLib.errors import MITOError
from MITOReconstructionLib.panels.status import Status
from MITOReconstructionLib.scene.observers import Observers
from MITOReconstructionLib.scene.scan_scene import ScanScene
from MITOReconstructionLib.session.preferences import FASTEST, SHOWN_PARTS
from MITOReconstructionLib.session.session import Session

__all__ = ["ProjectionsSection"]

TICK_MILLISECONDS = 40
LONGEST_PAUSE = 0.5
"""Seconds: where the application was busy for longer, playing goes on from where it was."""

PAGES = 50
"""Of the slider: a click beside its handle moves by one of so many."""


class ProjectionsSection:
    """A slider over the views, playing, and check boxes for the parts of the scan; ``widget`` is what is shown.

    Parameters
    ----------
    session : Session
    """

    title = "Projections"

    def __init__(self, session: Session) -> None:
        self.session = session
        self.widget = qt.QWidget()
        self.status = Status("projectionStatus")
        self._due = 0.0  # views that playing has not shown yet
        self._ticked = 0.0
        self._setting = False
        self._watched = Observers()
        self._shown: ScanScene | None = None  # whose parts are watched
        self._make()
        self.timer = qt.QTimer()
        self.timer.setInterval(TICK_MILLISECONDS)
        self.timer.connect("timeout()", self._tick)
        session.scan_changed.connect(self._show_scan)
        session.recording.changed.connect(self._show_grown)
        session.view_changed.connect(self._show_layout)
        session.preferences_changed.connect(self._show_preferences)
        self._show_preferences()
        self._show_layout()
        self._show_scan()

    def _make(self) -> None:
        form = qt.QFormLayout(self.widget)
        self.slider = qt.QSlider(qt.Qt.Horizontal)
        self.number = qt.QSpinBox()
        self.number.toolTip = _("Number of the view, from 0")
        row = qt.QHBoxLayout()
        row.addWidget(self.slider)
        row.addWidget(self.number)
        form.addRow(_("View:"), row)
        form.addRow(self.status.label)
        self.play_button = qt.QPushButton(_("Play"))
        self.play_button.checkable = True
        self.speed = qt.QSpinBox()
        self.speed.setRange(1, FASTEST)
        self.speed.suffix = _(" views/s")
        row = qt.QHBoxLayout()
        row.addWidget(self.play_button)
        row.addWidget(self.speed)
        form.addRow(row)
        form.addRow(_("Projection:"), self._view_row())
        self.boxes = {name: qt.QCheckBox(label) for name, label in self._labels().items()}
        row = qt.QGridLayout()
        for place, (name, box) in enumerate(self.boxes.items()):
            row.addWidget(box, place // 2, place % 2)
            box.connect("toggled(bool)", lambda shown, name=name: self._toggle(name, shown))
        form.addRow(_("Show:"), row)
        self.around = qt.QSpinBox()
        self.around.toolTip = _("So many views to either side are outlined too; 0 shows none")
        form.addRow(_("Views around:"), self.around)
        self.slider.connect("valueChanged(int)", self.show_view)
        self.number.connect("valueChanged(int)", self.show_view)
        self.play_button.connect("toggled(bool)", self._play)
        self.around.connect("valueChanged(int)", self._show_window)

    def _view_row(self) -> object:
        self.layout_box = qt.QCheckBox(_("Layout '3D + projection'"))
        self.layout_box.toolTip = _("Show the 3D view with the projection below it; off, the layout from before is shown again")
        self.fit_button = qt.QPushButton(_("Fit view"))
        self.fit_button.toolTip = _("Show the whole projection, with brightness and contrast that suit this view")
        row = qt.QHBoxLayout()
        row.addWidget(self.layout_box, 1)
        row.addWidget(self.fit_button)
        self.layout_box.connect("toggled(bool)", self._toggle_layout)
        self.fit_button.connect("clicked()", self.session.projection_view.fit)
        return row

    @staticmethod
    def _labels() -> dict[str, str]:
        return dict(zip(SHOWN_PARTS, (_("Source"), _("Detector"), _("Rays"), _("Trajectory")), strict=True))

    def show_view(self, view: int) -> None:
        """Move to a view; what cannot be shown is said, and playing stops."""
        shown = self.session.shown
        if self._setting or shown is None:
            return
        self._place(view)
        geometry = shown.scan.geometry
        try:
            shown.show_view(view)
        except MITOError as error:
            self.status.fail(str(error))
            self.play_button.checked = False
            return
        text = _("Angle {angle:.2f}°, axial position {height:.2f} mm")
        self.status.say(text.format(angle=math.degrees(geometry.angles[view]), height=geometry.axial_positions[view]))

    def _place(self, view: int) -> None:
        self._setting = True
        self.slider.value = view
        self.number.value = view
        self._setting = False

    # ---- playing ---------------------------------------------------------------------------------------------------

    def _play(self, on: bool) -> None:
        self.play_button.text = _("Pause") if on else _("Play")
        self._due, self._ticked = 0.0, time.monotonic()
        if on:
            self.timer.start()
        else:
            self.timer.stop()

    def _tick(self) -> None:
        now = time.monotonic()
        self._due += self.speed.value * min(now - self._ticked, LONGEST_PAUSE)
        self._ticked = now
        step = int(self._due)
        self._due -= step
        if step and self.session.scan is not None:
            self.show_view((self.slider.value + step) % (self.slider.maximum + 1))

    # ---- what is shown ---------------------------------------------------------------------------------------------

    def _toggle(self, name: str, visible: bool) -> None:
        shown = self.session.shown
        if shown is not None and not self._setting:
            shown.set_visible(name, visible)

    def _toggle_layout(self, visible: bool) -> None:
        if not self._setting:
            self.session.projection_view.visible = visible
            self._show_layout()

    def _show_layout(self) -> None:
        was, self._setting = self._setting, True
        self.layout_box.checked = self.session.projection_view.visible
        self._setting = was

    def _show_preferences(self) -> None:
        self.speed.value = self.session.preferences.speed

    def _show_window(self, around: int) -> None:
        shown = self.session.shown
        if shown is not None and not self._setting:
            shown.show_window(around)

    def _show_scan(self) -> None:
        self.play_button.checked = False
        self._watched.clear()
        self._shown = None
        shown = self.session.shown
        self.widget.enabled = shown is not None
        if shown is None:
            self.status.say(_("Load a sample first."))
            return
        self._setting = True
        views = shown.scan.geometry.views
        self._fit_range()
        self.slider.pageStep = max(1, views // PAGES)
        self.around.setRange(0, views - 1)
        self.around.value = shown.around
        self._setting = False
        self._shown = shown
        for name in self.boxes:
            if (display := shown.part(name).node.GetDisplayNode()) is not None:
                self._watched.add(display, self._show_parts)
        self._show_parts()
        if self.slider.enabled:
            self.show_view(shown.view)
        else:
            self.status.say(_("No view has been recorded yet."))

    def _show_parts(self) -> None:
        """Say which parts are shown; somebody may have hidden some in the module Data."""
        if self._shown is not None and not self._setting:
            self._setting = True
            for name, box in self.boxes.items():
                box.checked = self._shown.is_visible(name)
            self._setting = False

    def _fit_range(self) -> None:
        """Let the views be chosen that there are."""
        scan = self.session.scan
        growing = self.session.recording.of(scan)
        views = growing.seen if growing is not None else 0 if scan is None else scan.geometry.views
        for widget in (self.slider, self.number):
            widget.setRange(0, max(0, views - 1))
        for widget in (self.slider, self.number, self.play_button):
            widget.enabled = views > 0

    def _show_grown(self) -> None:
        """More views have come; where the last one was shown, go on with the newest."""
        if self.session.shown is None:
            return
        last, was_empty = self.slider.value == self.slider.maximum, not self.slider.enabled
        self._setting = True
        self._fit_range()
        self._setting = False
        if self.slider.enabled and (last or was_empty) and not self.play_button.checked:
            self.show_view(self.slider.maximum)

    def close(self) -> None:
        """Stop playing, and watch nothing any more."""
        self.timer.stop()
        self._watched.clear()
