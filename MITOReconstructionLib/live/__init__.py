"""Slices on demand: any plane of a scan, reconstructed as it is asked for, without a volume."""

from MITOReconstructionLib.live.engine import LiveSlices
from MITOReconstructionLib.live.growing import GrowingScan, open_growing
from MITOReconstructionLib.live.plane import Plane
from MITOReconstructionLib.live.plugins import Plugin, plugins, track
from MITOReconstructionLib.live.result import ContextVolume, LiveStatus, SliceResult
from MITOReconstructionLib.live.settings import LiveSettings

__all__ = [
    "ContextVolume",
    "GrowingScan",
    "LiveSettings",
    "LiveSlices",
    "LiveStatus",
    "Plane",
    "Plugin",
    "SliceResult",
    "open_growing",
    "plugins",
    "track",
]
