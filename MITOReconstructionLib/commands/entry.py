"""From the words of a command line to an exit status."""

from __future__ import annotations

import errno
import os
import sys
import traceback
from collections.abc import Sequence

from MITOReconstructionLib.commands.output import flush, say_error
from MITOReconstructionLib.commands.parser import UsageError, parse
from MITOReconstructionLib.commands.signals import stoppable
from MITOReconstructionLib.errors import Cancelled, InputError, MITOError

__all__ = ["BAD_INPUT", "CANCELLED", "DONE", "FAILED", "main"]

DONE, BAD_INPUT, FAILED, CANCELLED = 0, 2, 3, 130


def main(argv: Sequence[str] | None = None) -> int:
    """Run one command.

    Parameters
    ----------
    argv : sequence of str, optional
        The words behind the program's name; by default those it was started with.

    Returns
    -------
    int
        0 done; 2 bad input; 3 a failure at work; 130 cancelled.
    """
    try:
        with stoppable():
            arguments = parse(sys.argv[1:] if argv is None else argv)
            if arguments is not None:
                arguments.run(arguments)
            flush()
    except BrokenPipeError:
        _forget_output()  # the reader of a pipe, such as head, has seen enough
    except (Cancelled, KeyboardInterrupt):
        _traceback()
        say_error("cancelled; nothing half-written was left behind")
        return CANCELLED
    except (UsageError, InputError) as error:
        return _failed(BAD_INPUT, str(error))
    except MITOError as error:
        return _failed(FAILED, str(error))
    except MemoryError as error:
        return _failed(FAILED, f"not enough memory: {error}. Choose a smaller region or larger voxels.")
    except OSError as error:
        if error.errno == errno.ENAMETOOLONG:
            return _failed(BAD_INPUT, f"{error.filename}: expected a name that a disk can hold; found a longer one. Choose a shorter name.")
        where = f"{error.filename}: " if error.filename else ""
        return _failed(FAILED, f"{where}{error.strerror or error}. Check the disk and the permissions.")
    except Exception as error:  # noqa: BLE001 - the last resort: whatever it is, a person gets one line
        hint = "" if _debugging() else " Set MITO_DEBUG=1 to see where."
        return _failed(FAILED, f"unexpected {type(error).__name__}: {error}.{hint}")
    return DONE


def _failed(status: int, text: str) -> int:
    _traceback()
    say_error(f"error: {text}")
    return status


def _debugging() -> bool:
    return os.environ.get("MITO_DEBUG", "") not in ("", "0")


def _traceback() -> None:
    if _debugging():
        traceback.print_exc()


def _forget_output() -> None:
    """Send what is still buffered nowhere, for the interpreter would complain about it at its end."""
    nowhere = os.open(os.devnull, os.O_WRONLY)
    os.dup2(nowhere, sys.stdout.fileno())
    os.close(nowhere)
