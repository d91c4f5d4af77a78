"""How the parts of a scan look, where nothing else is chosen."""

from __future__ import annotations

from collections.abc import Mapping
from dataclasses import dataclass
from types import MappingProxyType

__all__ = ["AROUND", "LOOKS", "RAYS", "SOURCE", "TRAJECTORY", "Colour", "Look"]

Colour = tuple[float, float, float]
"""Red, green, blue, each 0 to 1."""


TRAJECTORY: Colour = (1.0, 0.83, 0.25)
SOURCE: Colour = (1.0, 0.45, 0.05)
RAYS: Colour = (1.0, 0.93, 0.6)
AROUND: Colour = (1.0, 0.45, 0.2)
"""The views around the current one."""


@dataclass(frozen=True)
class Look:
    """Colour, opacity 0 to 1, and the width of lines in pixels; None leaves what is."""

    colour: Colour | None = None
    opacity: float | None = None
    line_width: float | None = None


LOOKS: Mapping[str, Look] = MappingProxyType(
    {
        "trajectory": Look(TRAJECTORY, line_width=2.0),
        "source": Look(SOURCE),
        "detector": Look((1.0, 1.0, 1.0)),
        "rays": Look(RAYS, 0.6, 1.5),
        "trajectory_window": Look(AROUND, line_width=6.0),
        "outlines": Look(AROUND, 0.7, 1.5),
    }
)
"""By the part's name in a :class:`ScanScene`."""
