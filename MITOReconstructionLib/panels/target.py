"""A combo box for what is reconstructed: the whole volume, or a region of the list."""

from __future__ import annotations

from typing import Any

from slicer.i18n import tr as _

from MITOReconstructionLib.panels.narrow import narrow_combo
from MITOReconstructionLib.session.session import Session

__all__ = ["TargetCombo"]


class TargetCombo:
    """Chooses among the regions of the scan; ``widget`` is the QComboBox. It follows the list of regions, and that follows it.

    Parameters
    ----------
    session : Session
    changed : callable
        Called without arguments when something else is to be reconstructed, or the region has changed.
    """

    def __init__(self, session: Session, changed: Any) -> None:
        self.session = session
        self.widget = narrow_combo()
        self.widget.toolTip = _("The whole default volume of the sample, or one of its regions")
        self._changed, self._setting = changed, False
        self.widget.connect("currentIndexChanged(int)", self._chosen)
        session.opened.regions_changed.connect(self.update)
        self._fill()

    @property
    def options(self) -> dict[str, Any]:
        """``grid`` and ``views`` of what is chosen, both None for the whole."""
        return {"grid": None, "views": None} if self.session.scan is None else self.session.regions.options

    def update(self) -> None:
        """Show the regions as they are, and say that they have changed."""
        self._fill()
        self._changed()

    def _fill(self) -> None:
        regions = None if self.session.scan is None else self.session.regions
        names = [_("Whole volume"), *([] if regions is None else regions.names)]
        chosen = None if regions is None else regions.chosen
        self._setting = True
        if [self.widget.itemText(place) for place in range(self.widget.count)] != names:
            self.widget.clear()
            for name in names:
                self.widget.addItem(name)
        self.widget.setCurrentIndex(0 if chosen is None or regions is None else 1 + regions.names.index(chosen))
        self._setting = False

    def _chosen(self, place: int) -> None:
        if not self._setting and self.session.scan is not None and place >= 0:
            self.session.regions.chosen = self.session.regions.names[place - 1] if place else None
