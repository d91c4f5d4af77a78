"""Errors on their way from a subprocess to whoever started it: as JSON, and back as the same kind of error."""

from __future__ import annotations

import traceback
from collections.abc import Mapping
from typing import Any

from MITOReconstructionLib.errors import Cancelled, InputError, MissingPackageError, MITOError, WorkError

__all__ = ["describe_error", "rebuild_error", "summary"]


def describe_error(error: BaseException) -> dict[str, Any]:
    """A JSON-ready description of an error, that :func:`rebuild_error` reads back.

    Errors that are not this library's become a WorkError with the last line of their traceback.
    """
    fields: tuple[str, ...]
    match error:
        case InputError():
            fields = ("where", "expected", "found", "remedy")
        case MissingPackageError():
            fields = ("package", "purpose", "install")
        case MITOError():
            kind = "Cancelled" if isinstance(error, Cancelled) else "WorkError"
            return {"kind": kind, "message": str(error)}
        case _:
            return {"kind": "WorkError", "message": summary(error)}
    kind = "InputError" if isinstance(error, InputError) else "MissingPackageError"
    return {"kind": kind} | {name: str(getattr(error, name)) for name in fields}


def rebuild_error(data: Mapping[str, Any]) -> MITOError:
    """The error that :func:`describe_error` described; a WorkError where the description makes no sense."""
    try:
        match data["kind"]:
            case "InputError":
                return InputError(data["where"], expected=data["expected"], found=data["found"], remedy=data["remedy"])
            case "MissingPackageError":
                return MissingPackageError(data["package"], data["purpose"], data["install"])
            case "Cancelled":
                return Cancelled(data["message"])
            case _:
                return WorkError(data["message"])
    except (KeyError, TypeError):
        return WorkError(f"The run failed, and what it said about it is not understood: {data!r}.")


def summary(error: BaseException) -> str:
    """The last line of an error's traceback: its type and text."""
    if isinstance(error, MemoryError):
        return "There is not enough memory. Choose a smaller box or larger voxels."
    return " ".join("".join(traceback.format_exception_only(error)).split())
