"""Running again what made a volume, from its provenance."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

from MITOReconstructionLib.errors import InputError
from MITOReconstructionLib.geometry import VolumeGrid
from MITOReconstructionLib.methods import methods
from MITOReconstructionLib.projectors.backends import AUTO

__all__ = ["options_of"]

REMEDY = "Only a volume that a reconstruction of this program made can be made again; set the run up by hand."


def options_of(provenance: Mapping[str, Any], grid: VolumeGrid | None = None) -> dict[str, Any]:
    """The arguments of :func:`MITOReconstructionLib.reconstruct` that made a volume, besides the scan.

    Parameters
    ----------
    provenance : mapping
        Of the volume.
    grid : VolumeGrid, optional
        Of the volume, for provenances that do not say.

    Returns
    -------
    dict
        grid, method, parameters, views, backend.

    Raises
    ------
    InputError
        Naming the entry that is missing or makes no sense, or when the run began with a volume, which is not kept.
    """
    method = provenance.get("method")
    if method not in methods():
        expected = f"one of {', '.join(methods())}"
        raise InputError("provenance: method", expected=expected, found=repr(method) if method else "no such entry", remedy=REMEDY)
    parameters, report = provenance.get("parameters", {}), provenance.get("report", {})
    if not isinstance(parameters, Mapping) or not isinstance(report, Mapping):
        raise InputError("provenance: parameters and report", expected="names and values", found=repr(parameters), remedy=REMEDY)
    if report.get("start") == "given":
        raise InputError(
            "provenance: start",
            expected="a run that began by itself",
            found="one that began with a volume, which is not kept",
            remedy="Start it from Python with that volume as 'initial'.",
        )
    told = provenance.get("grid")
    target = VolumeGrid.from_dict(told) if isinstance(told, dict) else grid
    if target is None:
        raise InputError("provenance: grid", expected="bounds and voxel counts", found=repr(told), remedy=REMEDY)
    return {
        "grid": target,
        "method": str(method),
        "parameters": dict(parameters),
        "views": _views(str(provenance.get("views", ":"))),
        "backend": str(provenance.get("backend_name", AUTO)),
    }


def _views(text: str) -> slice | list[int]:
    """The views of 'first:last', 'first:last:step' or '3,4,5'."""
    try:
        if ":" in text:
            return slice(*(int(part) if part else None for part in text.split(":")))
        return [int(part) for part in text.split(",")]
    except (ValueError, TypeError) as error:
        raise InputError("provenance: views", expected="first:last:step or a list of numbers", found=repr(text), remedy=REMEDY) from error
