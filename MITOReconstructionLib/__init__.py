"""Helical cone-beam CT reconstruction with curved detectors, in 3D Slicer and in Python.

>>> import MITOReconstructionLib as mito
>>> scan = mito.open_scan("data/pine_16_1")                                 # doctest: +SKIP
>>> volume = mito.reconstruct(scan, method="fbp", progress=print)           # doctest: +SKIP
>>> volume.save("pine.nrrd")                                                # doctest: +SKIP

Every name is imported when it is first used, so that importing this package needs nothing but Python.
"""

from __future__ import annotations

import importlib
from pathlib import Path
from typing import TYPE_CHECKING, Any

from MITOReconstructionLib.compiled import drop_outdated
from MITOReconstructionLib.version import __version__

if TYPE_CHECKING:
    from MITOReconstructionLib.errors import Cancelled, InputError, MissingPackageError, MITOError, WorkError
    from MITOReconstructionLib.export import load_geometry, load_volume, save_geometry, save_projection, save_volume
    from MITOReconstructionLib.geometry import Detector, ScanGeometry, VolumeGrid
    from MITOReconstructionLib.jobs import Estimate, Job, Queue, Volume, estimate, reconstruct, reconstruct_to_file
    from MITOReconstructionLib.jobs.cluster import reconstruct_all_on, reconstruct_on
    from MITOReconstructionLib.live import GrowingScan, LiveSettings, LiveSlices, Plane, open_growing
    from MITOReconstructionLib.methods import describe_methods, methods
    from MITOReconstructionLib.monitor import Monitor, Progress
    from MITOReconstructionLib.projectors.operator import ray_transform
    from MITOReconstructionLib.scan import Sample, Scan, list_samples, open_scan
    from MITOReconstructionLib.scan.phantoms import make_phantom
    from MITOReconstructionLib.scan.simulation import mito_geometry, simulate
    from MITOReconstructionLib.scene import show

_PUBLIC = {
    "errors": ("Cancelled", "InputError", "MITOError", "MissingPackageError", "WorkError"),
    "export": ("load_geometry", "load_volume", "save_geometry", "save_projection", "save_volume"),
    "geometry": ("Detector", "ScanGeometry", "VolumeGrid"),
    "jobs": ("Estimate", "Job", "Queue", "Volume", "estimate", "reconstruct", "reconstruct_to_file"),
    "jobs.cluster": ("reconstruct_all_on", "reconstruct_on"),
    "live": ("GrowingScan", "LiveSettings", "LiveSlices", "Plane", "open_growing"),
    "methods": ("describe_methods",),
    "monitor": ("Monitor", "Progress"),
    "projectors.operator": ("ray_transform",),
    "scan": ("Sample", "Scan", "list_samples", "open_scan"),
    "scan.phantoms": ("make_phantom",),
    "scan.simulation": ("mito_geometry", "simulate"),
    "scene": ("show",),
}
_HOME = {name: home for home, names in _PUBLIC.items() for name in names}

__all__ = [
    "Cancelled", "Detector", "Estimate", "GrowingScan", "InputError", "Job", "LiveSettings", "LiveSlices", "MITOError",
    "MissingPackageError", "Monitor", "Plane", "Progress", "Queue", "Sample", "Scan", "ScanGeometry", "Volume", "VolumeGrid",
    "WorkError", "__version__", "describe_methods", "estimate", "list_samples", "load_geometry", "load_volume", "make_phantom",
    "methods", "mito_geometry", "open_growing", "open_scan", "ray_transform", "reconstruct", "reconstruct_all_on", "reconstruct_on",
    "reconstruct_to_file", "save_geometry", "save_projection", "save_volume", "show", "simulate",
]  # fmt: skip

drop_outdated(Path(__file__).parent)


def __getattr__(name: str) -> Any:
    if name == "methods":
        return importlib.import_module(f"{__name__}.methods")  # a package that can be called
    if name not in _HOME:
        raise AttributeError(f"module {__name__!r} has no attribute {name!r}")
    value = getattr(importlib.import_module(f"{__name__}.{_HOME[name]}"), name)
    globals()[name] = value
    return value


def __dir__() -> list[str]:
    return sorted({*globals(), *_HOME, "methods"})
