"""What the host raises, and the list of what went wrong inside of slots and observers."""

from __future__ import annotations

import sys
import traceback


class HostError(AttributeError):
    """Something was used that Qt, CTK or Slicer lacks, or that the host does not provide (yet).

    It is an AttributeError, so that ``hasattr`` works as it does in Slicer.
    """


class UnansweredError(RuntimeError):
    """A dialog would have opened, and the test had given no answer to it."""


SLOT_ERRORS: list[BaseException] = []
"""What slots and observers raised: Slicer prints it and goes on, a test has to know."""


def record(error: BaseException) -> None:
    """Note an exception of a slot and print it, as Slicer does."""
    SLOT_ERRORS.append(error)
    traceback.print_exception(error, file=sys.stderr)
