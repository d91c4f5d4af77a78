"""What live slices give: images of planes, and a small volume as context."""

from __future__ import annotations

from dataclasses import dataclass, field
from typing import Literal

import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.geometry import VolumeGrid
from MITOReconstructionLib.live.plane import Plane

__all__ = ["ContextVolume", "LiveStatus", "SliceResult"]

Level = Literal["preview", "final"]


@dataclass(frozen=True, eq=False)
class SliceResult:
    """The image of one plane.

    key : whatever the plane was requested under;
    plane : Plane, exactly the one that was requested;
    image : float32, shape plane.shape, indexed [i, j], in 1/mm (after the plugins: in what they make of it), read-only; pixels that
        the scan does not see from every direction hold the settings' ``fill_value``;
    level : "preview" (from binned projections on a coarse grid, brought to the plane's own pixels; of a large scan a second, better one
        may follow) or "final";
    complete : whether it is a final image and every beam that sees the plane was there; of a scan that still grows it is not;
    number : rises by one from each result of an engine to the next, so that an old one is told from a new one;
    seconds : of each part of the work on this image: "filter" (making beams that were not in the cache), "backproject", "plugins",
        "plugin NAME" for each one, and "total" from the request (or the change of settings) to the result;
    values : what plugins track, by name, and "mean", "minimum", "maximum" of the image;
    error : empty, or one sentence that says what went wrong. Where a plugin failed the image is that before this plugin; where the
        scan failed it is zero throughout.
    """

    key: str
    plane: Plane
    image: NDArray[np.float32]
    level: Level
    complete: bool
    number: int
    seconds: dict[str, float] = field(default_factory=dict)
    values: dict[str, float] = field(default_factory=dict)
    error: str = ""


@dataclass(frozen=True, eq=False)
class ContextVolume:
    """A small volume of the whole scan, from binned projections.

    grid : VolumeGrid;
    array : float32, shape grid.shape, axes x, y, z, in 1/mm, read-only;
    number : as of :class:`SliceResult`;
    complete : whether every beam was there; of a scan that still grows it is not;
    seconds : that it took.
    """

    grid: VolumeGrid
    array: NDArray[np.float32]
    number: int
    complete: bool
    seconds: float


@dataclass(frozen=True)
class LiveStatus:
    """How far the work in the background is.

    busy : whether any request, or the context volume, is not final yet;
    beams : number of parallel beams of the scan as it is used;
    ready : how many of them the views that have come make up;
    filtered : how many of them lie filtered in the cache;
    cache_bytes, cache_limit : bytes that the cache holds, and may hold;
    views, arrived : number of views of the scan, and how many have come;
    compiling : whether the kernels are being compiled, which takes some seconds the first time on a machine; slices come after that;
    backend : what computes the slices; where the GPU had to be given up, that it is the CPU and why;
    error : empty, or one sentence: the last fault of the scan. The engine lives on and tries again when something is requested.
    """

    busy: bool
    beams: int
    ready: int
    filtered: int
    cache_bytes: int
    cache_limit: int
    views: int
    arrived: int
    error: str = ""
    compiling: bool = False
    backend: str = ""
