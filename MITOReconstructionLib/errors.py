"""The errors that this library raises on purpose.

Everything that a caller can put right is an :class:`InputError`; its text names the file or field, what was
expected, what was found, and the remedy. Everything that went wrong while working on good input is a
:class:`WorkError`. A run that its caller stopped ends with :class:`Cancelled`.
"""

from __future__ import annotations

__all__ = ["Cancelled", "Diverged", "Incomplete", "InputError", "MITOError", "MissingPackageError", "WorkError"]


class MITOError(Exception):
    """Base of every error that this library raises on purpose."""


class InputError(MITOError, ValueError):
    """Input that cannot be used: a file, a field or an argument.

    Parameters
    ----------
    where : str
        The file, field or argument at fault.
    expected, found : str
        What would have been right, and what was there instead.
    remedy : str
        What the reader can do about it.
    """

    def __init__(self, where: object, *, expected: str, found: str, remedy: str) -> None:
        self.where = str(where)
        self.expected = expected
        self.found = found
        self.remedy = remedy
        super().__init__(f"{self.where}: expected {expected}; found {found}. {remedy}")

    def __reduce__(self) -> tuple[object, ...]:
        return _rebuild_input_error, (self.where, self.expected, self.found, self.remedy)


def _rebuild_input_error(where: str, expected: str, found: str, remedy: str) -> InputError:
    return InputError(where, expected=expected, found=found, remedy=remedy)


class Incomplete(InputError):
    """A sample of which nothing is wrong but that views are lacking at the end: still being recorded, aborted, or copied in part.

    Parameters
    ----------
    error : InputError
        What was found.
    remedy : str
    there, planned : int
        Views that are there whole, and views that there should be.
    """

    def __init__(self, error: InputError, *, remedy: str, there: int, planned: int) -> None:
        self.there, self.planned = there, planned
        super().__init__(error.where, expected=error.expected, found=error.found, remedy=remedy)


class MissingPackageError(MITOError, ImportError):
    """A package that an optional part needs is not installed; the text says how to install it."""

    def __init__(self, package: str, purpose: str, install: str) -> None:
        self.package = package
        self.purpose = purpose
        self.install = install
        super().__init__(f"{purpose} needs the Python package '{package}', which is not installed. Install it with: {install}")

    def __reduce__(self) -> tuple[object, ...]:
        return MissingPackageError, (self.package, self.purpose, self.install)


class WorkError(MITOError, RuntimeError):
    """A failure at work on good input: no memory, no disk space, a process that died."""


class Diverged(WorkError):
    """An iteration went astray; the text names it, and what to choose instead."""


class Cancelled(MITOError):
    """The run was stopped by its caller; nothing was left behind."""
