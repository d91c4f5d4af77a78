"""Writing files so that nothing half-written is ever left under the name that was asked for.

What is being written lies beside the target under a hidden name, locked by whoever writes it. The lock ends with the process, however
that ends. So what a process left that was killed is told from what another one is writing, and is removed when the same target is
written the next time. Windows has no such locks, and nothing is removed there.
"""

from __future__ import annotations

import contextlib
import os
import re
import secrets
import shutil
import sys
import tempfile
from collections.abc import Callable, Iterator
from pathlib import Path

from MITOReconstructionLib.errors import InputError, WorkError

if sys.platform != "win32":
    import fcntl

__all__ = ["folder_beside", "is_endless", "mebibytes", "replacing", "replacing_folder", "temporary_folder"]

LONGEST_PART = 32
"""Bytes of the target's stem, and of its suffix, that a temporary name repeats at most; a name has room for 255."""


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary name beside ``path``; on success it takes the place of ``path``, else it is removed.

    The temporary name keeps the suffix, so that writers which choose a format by it work. Where ``path`` is a link,
    the file that it leads to is replaced.

    Raises
    ------
    InputError
        When the folder does not exist, or ``path`` is a folder or no possible name.
    WorkError
        When writing fails, for example because the disk is full.
    """
    target = _checked(path)
    if target.is_dir():
        raise InputError(target, expected="a file name", found="a folder of that name", remedy="Choose another name.")
    try:
        with _beside(target, target.suffix, _new_file) as temporary:
            yield temporary
            temporary.replace(target)
    except ConnectionError:  # a listener who went away, no disk
        raise
    except OSError as error:
        raise _unwritable(target, error) from error


@contextlib.contextmanager
def replacing_folder(path: str | os.PathLike[str], *, overwrite: bool = False) -> Iterator[Path]:
    """Give a temporary folder beside ``path``; on success it takes the place of ``path``, else it is removed.

    With ``overwrite`` the old folder stays whole until the new one is, and comes back where the exchange fails.

    Raises
    ------
    InputError
        When the parent does not exist, ``path`` is a file or no possible name, or a folder that is not empty and
        ``overwrite`` is false.
    WorkError
        When writing fails, for example because the disk is full.
    """
    target = _checked(path)
    if target.exists() and not target.is_dir():
        raise InputError(target, expected="a folder name", found="a file of that name", remedy="Choose another name.")
    if not overwrite and target.exists() and not _is_empty(target):
        raise InputError(target, expected="a new or an empty folder", found="something there already", remedy="Choose another folder.")
    try:
        with _beside(target, "", Path.mkdir) as temporary:
            yield temporary
            if overwrite and target.is_dir():
                _exchange(temporary, target)
            else:
                if target.is_dir():
                    target.rmdir()  # refuses where something has come into it meanwhile
                temporary.replace(target)
    except ConnectionError:  # a listener who went away, no disk
        raise
    except OSError as error:
        raise _unwritable(target, error) from error


@contextlib.contextmanager
def folder_beside(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary folder beside ``path``, for what is made on the way to it; in the end it is removed.

    Raises
    ------
    InputError
        When the parent does not exist, or ``path`` is no possible name.
    WorkError
        When no folder can be made there.
    """
    with _beside(_checked(path), "", Path.mkdir) as temporary:
        yield temporary


def _exchange(temporary: Path, target: Path) -> None:
    """Put a folder in the place of another one, which is deleted last and comes back where that fails."""
    aside = target.parent / f".{_short_stem(target)}-{secrets.token_hex(4)}-old"
    try:
        target.replace(aside)
        temporary.replace(target)
    except BaseException:
        if aside.exists() and not target.exists():
            aside.replace(target)
        raise
    shutil.rmtree(aside, ignore_errors=True)


@contextlib.contextmanager
def _beside(target: Path, suffix: str, make: Callable[[Path], None]) -> Iterator[Path]:
    """Make something new and hidden beside the target, and remove it in the end where it is still there.

    Its permissions follow the umask as the target's would.
    """
    stem, suffix = _short_stem(target), suffix if len(os.fsencode(suffix)) <= LONGEST_PART else ""
    _remove_leftovers(target.parent, re.compile(re.escape(f".{stem}-") + "[0-9a-f]{8}" + re.escape(suffix)))
    while True:
        temporary = target.parent / f".{stem}-{secrets.token_hex(4)}{suffix}"
        try:
            make(temporary)
        except FileExistsError:
            continue
        except OSError as error:
            raise _unwritable(target, error) from error
        with _locked(temporary, wait=True):
            if not temporary.exists():  # somebody took it for left over before it was locked
                continue
            try:
                yield temporary
            finally:
                _remove(temporary)
        return


def _short_stem(target: Path) -> str:
    return os.fsdecode(os.fsencode(target.stem)[:LONGEST_PART]).encode(errors="ignore").decode()  # no half characters


def _new_file(path: Path) -> None:
    path.touch(exist_ok=False)


def _remove(path: Path) -> None:
    if path.is_dir():
        shutil.rmtree(path, ignore_errors=True)
    else:
        path.unlink(missing_ok=True)


def _remove_leftovers(folder: Path, names: re.Pattern[str]) -> None:
    """Remove what has such a name and nobody is writing."""
    with contextlib.suppress(OSError):
        for name in filter(names.fullmatch, os.listdir(folder)):
            with contextlib.suppress(OSError), _locked(folder / name, wait=False) as locked:
                if locked:
                    _remove(folder / name)


if sys.platform == "win32":

    @contextlib.contextmanager
    def _locked(path: Path, *, wait: bool) -> Iterator[bool]:
        yield False

else:

    @contextlib.contextmanager
    def _locked(path: Path, *, wait: bool) -> Iterator[bool]:
        """Hold the lock of a file or folder; whether it is held, which it is not where another process has it or a disk knows none."""
        descriptor, held = None, False
        with contextlib.suppress(OSError):
            descriptor = os.open(path, os.O_RDONLY if path.is_dir() else os.O_RDWR)
            fcntl.flock(descriptor, fcntl.LOCK_EX | (0 if wait else fcntl.LOCK_NB))
            held = True
        try:
            yield held
        finally:
            if descriptor is not None:
                os.close(descriptor)


def _unwritable(target: Path, error: OSError) -> WorkError:
    other = error.filename if isinstance(error.filename, str) and target.parent not in Path(error.filename).parents else None
    reason = f"{error.strerror or error}" + (f" ({other})" if other else "")
    return WorkError(f"{target}: could not be written: {reason}. Nothing was left behind.")


def _is_empty(folder: Path) -> bool:
    try:
        return not any(folder.iterdir())
    except OSError:  # what cannot be listed is left alone
        return False


def _checked(path: str | os.PathLike[str]) -> Path:
    """The absolute path of what is to be replaced, links followed, once it is sure that it could be."""
    target = Path(path).absolute()
    try:
        if target.is_symlink():
            target = Path(os.path.realpath(target))
        with contextlib.suppress(FileNotFoundError, NotADirectoryError):
            target.lstat()
        parent_exists = target.parent.is_dir()
    except (OSError, ValueError) as error:
        found = error.strerror or str(error) if isinstance(error, OSError) else str(error)
        raise InputError(path, expected="the name of a file or folder", found=found, remedy="Choose another name.") from error
    if is_endless(target):
        found = "a pipe or a device of that name"
        raise InputError(target, expected="the name of a file or folder", found=found, remedy="Choose another name.")
    if not parent_exists:
        raise InputError(target, expected="a folder that exists to write into", found=f"no folder {target.parent}", remedy="Make it first.")
    return target


def is_endless(path: str | os.PathLike[str]) -> bool:
    """Whether reading a path could wait for ever or go on without end: a pipe, a socket or a device."""
    return os.path.exists(path) and not os.path.isfile(path) and not os.path.isdir(path)


def temporary_folder() -> Path:
    """The system's folder for temporary files.

    Raises
    ------
    WorkError
        When none can be written into.
    """
    try:
        return Path(tempfile.gettempdir())
    except OSError as error:
        told = f"No folder for temporary files can be written into: {error.strerror or error}."
        raise WorkError(f"{told} Free some room, or set TMPDIR to another folder.") from error


def mebibytes(size: float) -> str:
    """A size in bytes for people."""
    for unit, factor in (("GiB", 2**30), ("MiB", 2**20), ("KiB", 2**10)):
        if size >= factor:
            return f"{size / factor:.1f} {unit}"
    return f"{size:.0f} bytes"
