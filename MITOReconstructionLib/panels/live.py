"""The section 'Live slices': what the slice views show is reconstructed as they move."""

from __future__ import annotations

from collections.abc import Iterator
from dataclasses import asdict
from typing import Any

import qt
from slicer.i18n import tr as _

from MITOReconstructionLib.errors import MITOError
from MITOReconstructionLib.files import mebibytes
from MITOReconstructionLib.live import GrowingScan, LiveSettings, LiveStatus
from MITOReconstructionLib.panels.live_chain import ChainWidget
from MITOReconstructionLib.panels.live_chart import LiveChart
from MITOReconstructionLib.panels.live_pins import PinsWidget
from MITOReconstructionLib.panels.live_table import ValuesTable
from MITOReconstructionLib.panels.parameters import ParameterWidgets
from MITOReconstructionLib.panels.status import Status
from MITOReconstructionLib.projectors.backends import AUTO
from MITOReconstructionLib.scan import Scan
from MITOReconstructionLib.scene.live_scene import LiveScene
from MITOReconstructionLib.session.session import Session

__all__ = ["LiveSection"]

TICK_MILLISECONDS = 30

TILT_STEP = 0.05
"""Degrees."""

DEFAULT_VIEWS = ("Red", "Green", "Yellow")
"""Followed from the beginning, where the scene has them."""


class LiveSection:
    """Starts and stops live slices of the scan that is open, and steers them; ``widget`` is what is shown.

    Parameters
    ----------
    session : Session
    """

    title = "Live slices"

    def __init__(self, session: Session) -> None:
        self.session = session
        self.widget = qt.QWidget()
        self.status = Status("liveStatus")
        self._setting = False
        self._listed: tuple[LiveScene | None, int] = (None, 0)
        self.boxes: dict[str, Any] = {}
        layout = qt.QVBoxLayout(self.widget)
        self._make_start(layout)
        self.steering = qt.QWidget()
        layout.addWidget(self.steering)
        self._make_steering()
        self.timer = qt.QTimer()
        self.timer.setInterval(TICK_MILLISECONDS)
        self.timer.connect("timeout()", self.tick)
        session.scan_changed.connect(self.update)
        session.live.changed.connect(self.update)
        session.recording.changed.connect(self._fit_mode)
        self.update()

    def _make_start(self, layout: Any) -> None:
        self.start_button = qt.QPushButton(_("Look through the scan"))
        self.start_button.checkable = True
        self.start_button.toolTip = _("Reconstruct what the slice views show, as they are moved, tilted and zoomed")
        layout.addWidget(self.start_button)
        layout.addWidget(self.status.label)
        self.start_button.connect("toggled(bool)", self._start)

    def _make_steering(self) -> None:
        layout = qt.QVBoxLayout(self.steering)
        layout.setContentsMargins(0, 0, 0, 0)
        form = qt.QFormLayout()
        layout.addLayout(form)
        self._views = qt.QHBoxLayout()
        form.addRow(_("Views:"), self._views)
        self.planes = qt.QCheckBox(_("planes"))
        self.context = qt.QCheckBox(_("volume"))
        self.planes.toolTip = _("Show the planes in the 3D view")
        self.context.toolTip = _("Show a low-resolution volume of the whole scan in the 3D view")
        form.addRow(_("In 3D:"), _row(self.planes, self.context))
        self.low, self.high, self.fit_button = _intensity(), _intensity(), qt.QPushButton(_("Fit"))
        self.fit_button.toolTip = _("Set the range to the object in the slices")
        form.addRow(_("Shown range:"), _row(self.low, self.high, self.fit_button))
        self.parameters = ParameterWidgets(LiveSettings.describe(), self._changed)
        layout.addWidget(self.parameters.widget)
        self.chain = ChainWidget(self._chain_changed)
        layout.addWidget(self.chain.widget)
        self.pins = PinsWidget(self.status)
        layout.addWidget(self.pins.widget)
        self.values = ValuesTable()
        layout.addWidget(self.values.widget)
        self.chart = LiveChart()
        layout.addWidget(self.chart.widget)
        self.planes.connect("toggled(bool)", lambda on: self._with(lambda live: live.show_in_3d(on)))
        self.context.connect("toggled(bool)", lambda on: self._with(lambda live: live.show_context(on)))
        self.fit_button.connect("clicked()", lambda: self._with(lambda live: live.fit_window()))
        for field in (self.low, self.high):
            field.connect("valueChanged(double)", self._range_changed)

    # ---- what a person does ----------------------------------------------------------------------------------------------

    @property
    def live(self) -> LiveScene | None:
        """The live slices of the scan that is open; None where it is not looked through."""
        return self.session.live.of(self.session.scan)

    def _start(self, on: bool) -> None:
        if self._setting:
            return
        scan, shown = self.session.scan, self.session.shown
        if not on or scan is None or shown is None:
            if scan is not None:
                self.session.live.stop(scan.name)
            self.update()
            return
        fault = ""
        try:
            settings, chain = LiveSettings(**self.parameters.values), self.chain.steps
            in_3d, context = self.planes.checked, self.context.checked
            live = self.session.live.start(scan, shown, settings, plugins=chain, backend=self._backend())
            for name in DEFAULT_VIEWS:
                if name in live.views:
                    self.session.live.follow(scan, name)
            live.show_in_3d(in_3d)
            live.show_context(context)
        except MITOError as error:
            fault = str(error)
        self.update()
        if fault:  # after the update, which says what goes on
            self.status.fail(fault)

    def _backend(self) -> str:
        """The one that reconstructions are computed by, where it does slices."""
        chosen = self.session.state.backend
        chosen = self.session.preferences.backend if chosen == AUTO else chosen
        return AUTO if chosen == "astra" else str(chosen)

    def _follow(self, name: str, on: bool) -> None:
        scan = self.session.scan
        if not self._setting and scan is not None:
            with self.status.catching():
                self.session.live.follow(scan, name, on)

    def _changed(self) -> None:
        self._with(lambda live: live.engine.change(LiveSettings(**self.parameters.values)))

    def _chain_changed(self) -> None:
        self._with(lambda live: live.engine.process(self.chain.steps))

    def _range_changed(self, _value: float) -> None:
        self._with(lambda live: live.set_window(float(self.low.value), float(self.high.value)))

    def _with(self, act: Any) -> None:
        live = self.live
        if live is not None and not self._setting:
            with self.status.catching():
                act(live)

    # ---- what comes of it ------------------------------------------------------------------------------------------------

    def tick(self) -> None:
        """Ask for what the views show, and show what has come."""
        try:
            results = self.session.live.tick()
        except MITOError as error:
            self.status.fail(str(error))
            return
        live = self.live
        if live is None:
            if self.start_button.checked or not self.session.live.running:
                self.update()
            return
        ticked = {name for name, box in self.boxes.items() if box.checked}
        if list(live.views) != list(self.boxes) or ticked != set(live.followed):  # other views, or one that shows something else
            self.update()
        newest = live, live.history[-1].number if live.history else 0
        if newest != self._listed:  # a script may have taken the results
            self._listed = newest
            self.values.show(live.history)
            self.pins.refresh()
            self.chart.refresh()
        self._show_range(live)
        faults = [result.error for result in results if result.error]
        state = live.engine.status()
        if faults or state.error:
            self.status.fail(faults[0] if faults else state.error)
        elif results or state.busy or not self.status.failed:
            self.status.say(_in_words(state))

    def _show_range(self, live: LiveScene) -> None:
        if live.window is not None and live.window != (self.low.value, self.high.value):
            self._setting = True
            step = (live.window[1] - live.window[0]) / 50
            for field, value in zip((self.low, self.high), live.window, strict=True):
                field.singleStep = step
                field.value = value
            self._setting = False

    def update(self) -> None:
        """Show what goes on for the scan that is open."""
        scan, live = self.session.scan, self.live
        self._setting = True
        self.start_button.enabled = scan is not None
        self.start_button.checked = live is not None
        self.start_button.text = _("Look through the scan") if live is None else _("Stop looking through")
        self.steering.visible = live is not None
        for box in self.boxes.values():
            self._views.removeWidget(box)
            box.deleteLater()
        self.boxes = dict(self._view_boxes(live))
        self.pins.use(live)
        self.chart.use(live)
        if scan is not None:
            self._fit_fields(scan)
        if live is not None:
            self._take(live)
        self._setting = False
        if self.session.live.running and not self.timer.active:
            self.timer.start()
        if live is None:
            self._listed = None, 0
            self.status.say(_("Load a sample first.") if scan is None else "")
            if not self.session.live.running:
                self.timer.stop()

    def _fit_fields(self, scan: Scan) -> None:
        """Give the fields the limits and steps that make sense for a scan."""
        fields, views = self.parameters.fields, scan.geometry.views
        for name, most in (("first_view", views - 1), ("last_view", views)):
            if fields[name].value > most:  # of a longer scan
                fields[name].value = 0
            fields[name].maximum = most
        fields["last_view"].specialValueText = _("end")
        fields["last_view"].toolTip = _("View behind the last one that is used, at most {views}; 0 stands for the end.").format(views=views)
        fields["axis_offset"].singleStep = round(scan.geometry.detector.pixel_size[0] / 2, 3)
        fields["tilt"].singleStep = TILT_STEP
        self._fit_mode()

    def _fit_mode(self) -> None:
        """What of a scan is used can be chosen while it grows."""
        self.parameters.fields["mode"].enabled = isinstance(self.session.scan, GrowingScan)

    def _take(self, live: LiveScene) -> None:
        """Show how live slices are steered, which may be those of another scan than before."""
        self.parameters.values = asdict(live.engine.settings)
        self.chain.use(live.engine.plugins)
        self.planes.checked, self.context.checked = live.in_3d, live.context.alive and live.context.visible

    def _view_boxes(self, live: LiveScene | None) -> Iterator[tuple[str, Any]]:
        for name in [] if live is None else live.views:
            box = qt.QCheckBox(name)
            box.checked = live is not None and name in live.followed
            box.connect("toggled(bool)", lambda on, name=name: self._follow(name, on))
            self._views.addWidget(box)
            yield name, box

    def close(self) -> None:
        """Stop the timers; the session ends the live slices."""
        self.timer.stop()
        self.chart.close()


def _row(*widgets: Any) -> Any:
    row = qt.QHBoxLayout()
    for widget in widgets:
        row.addWidget(widget)
    return row


def _intensity() -> Any:
    field = qt.QDoubleSpinBox()
    field.decimals = 5
    field.setRange(-1e6, 1e6)
    field.toolTip = _("Attenuation in 1/mm that is shown as black and as white")
    field.minimumWidth = 80
    return field


def _in_words(state: LiveStatus) -> str:
    if state.compiling:
        return str(_("Preparing the kernels; the first time on a computer this takes about a minute ..."))
    parts = [
        _("{done} of {all} beams filtered, {size} kept").format(done=state.filtered, all=state.beams, size=mebibytes(state.cache_bytes))
    ]
    if state.backend:
        parts.append(state.backend)
    if state.arrived < state.views:
        parts.append(_("{done} of {all} projections have come").format(done=state.arrived, all=state.views))
    return ", ".join(parts)
