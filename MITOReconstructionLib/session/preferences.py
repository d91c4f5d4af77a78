"""What a person prefers, kept in the application's settings; read without Qt.

The page of the application's settings is in ``settings.py``, which writes what is read here.
"""

from __future__ import annotations

from collections.abc import Callable, Mapping
from dataclasses import dataclass, fields
from pathlib import Path
from typing import Any, Protocol

from MITOReconstructionLib.scene.looks import AROUND, RAYS, SOURCE, TRAJECTORY, Colour, Look

__all__ = ["PREFIX", "SHOWN_PARTS", "Preferences", "SettingsLike", "application_settings", "key", "read_preferences"]

PREFIX = "MITOReconstruction/"
"""Begins the keys in the application's settings."""

SHOWN_PARTS = ("source", "detector", "rays", "trajectory")

LOGS = "MITO simulated logs"
"""Name of the folder that simulated logs are put into."""

FASTEST = 1000
"""Views per second."""

WIDEST = 20.0


class SettingsLike(Protocol):
    """What is needed of a QSettings."""

    def contains(self, key: str, /) -> bool:
        """Whether there is a value."""

    def value(self, key: str, /) -> Any:
        """The value."""


@dataclass(frozen=True)
class Preferences:
    """What a person prefers.

    trajectory_colour, source_colour, rays_colour, around_colour : red, green, blue, 0 to 1, of these parts in 3D; the last
        one is that of the views around the current one;
    line_width : pixels;
    show_source, show_detector, show_rays, show_trajectory : what of a scan is shown when it is loaded;
    show_layout : whether the layout '3D + projection' is shown then;
    speed : views per second while playing;
    backend : what computes a reconstruction;
    samples_folder : where samples are looked for as long as none was opened; '' for nowhere;
    log_folder : where simulated logs are put; '' for :func:`default_log_folder`.
    """

    trajectory_colour: Colour = TRAJECTORY
    source_colour: Colour = SOURCE
    rays_colour: Colour = RAYS
    around_colour: Colour = AROUND
    line_width: float = 2.0
    show_source: bool = True
    show_detector: bool = True
    show_rays: bool = True
    show_trajectory: bool = True
    show_layout: bool = False
    speed: int = 50
    backend: str = "auto"
    samples_folder: str = ""
    log_folder: str = ""

    @property
    def looks(self) -> Mapping[str, Look]:
        """How the parts look, by their names in a :class:`ScanScene`."""
        return {
            "trajectory": Look(self.trajectory_colour, line_width=self.line_width),
            "source": Look(self.source_colour),
            "rays": Look(self.rays_colour, line_width=0.75 * self.line_width),
            "trajectory_window": Look(self.around_colour, line_width=3 * self.line_width),
            "outlines": Look(self.around_colour, line_width=0.75 * self.line_width),
        }

    @property
    def shown(self) -> Mapping[str, bool]:
        """Which parts are shown when a scan is loaded."""
        return {part: bool(getattr(self, f"show_{part}")) for part in SHOWN_PARTS}


def key(field: str) -> str:
    """The key of a field of :class:`Preferences` in the application's settings: ``MITOReconstruction/LineWidth``, say."""
    return PREFIX + "".join(word.capitalize() for word in field.split("_"))


def application_settings() -> SettingsLike | None:
    """The user's settings of the 3D Slicer application; None outside of it."""
    from MITOReconstructionLib.scene.host import in_application, slicer

    return slicer.app.userSettings() if in_application() else None


def read_preferences(settings: SettingsLike | None = None) -> Preferences:
    """The preferences as they are now; what is not there, or makes no sense, is as it is by default.

    Parameters
    ----------
    settings : QSettings or alike, optional
        The application's by default.
    """
    place = application_settings() if settings is None else settings
    if place is None:
        return Preferences()
    found = {}
    for field in fields(Preferences):
        if place.contains(key(field.name)):
            try:
                found[field.name] = _READERS[str(field.type)](place.value(key(field.name)))
            except (TypeError, ValueError, AttributeError):
                continue
    return Preferences(**_within(found))


def default_log_folder() -> Path:
    """A folder of its own in the user's documents, where Slicer saves scenes by default."""
    from MITOReconstructionLib.scene.host import in_application, slicer

    documents = Path.home() / "Documents"
    if in_application() and slicer.app.defaultScenePath:
        documents = Path(slicer.app.defaultScenePath)
    return (documents if documents.is_dir() else Path.home()) / LOGS


def _within(found: dict[str, Any]) -> dict[str, Any]:
    if not 1 <= found.get("speed", 1) <= FASTEST:
        del found["speed"]
    if not 0 < found.get("line_width", 1.0) <= WIDEST:
        del found["line_width"]
    return found


def _truth(value: object) -> bool:
    return value.strip().lower() in ("true", "1", "yes") if isinstance(value, str) else bool(value)  # an .ini file holds texts


def _read_colour(value: Any) -> Colour:
    """From a QColor, or from text such as #ff8800."""
    text = str(value if isinstance(value, str) else value.name()).lstrip("#")
    if len(text) != 6:
        raise ValueError(text)
    red, green, blue = (int(text[i : i + 2], 16) / 255 for i in (0, 2, 4))
    return red, green, blue


_READERS: Mapping[str, Callable[[Any], Any]] = {
    "Colour": _read_colour,
    "bool": _truth,
    "float": float,
    "int": lambda value: int(float(value)),
    "str": lambda value: str(value or ""),
}
"""By the type that a field is declared with."""
