"""Writing files so that nothing half-written is ever left under the name that was asked for."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
from collections.abc import Iterator
from pathlib import Path

from MITOReconstructionLib.errors import InputError, WorkError

__all__ = ["replacing", "replacing_folder"]


@contextlib.contextmanager
def replacing(path: str | os.PathLike[str]) -> Iterator[Path]:
    """Give a temporary name beside ``path``; on success it takes the place of ``path``, else it is removed.

    The temporary name keeps the suffix, so that writers which choose a format by it work.

    Raises
    ------
    InputError
        When the folder does not exist, or ``path`` is a folder.
    WorkError
        When writing fails, for example because the disk is full.
    """
    target = Path(path)
    _require_parent(target)
    if target.is_dir():
        raise InputError(target, expected="a file name", found="a folder of that name", remedy="Choose another name.")
    try:
        handle, name = tempfile.mkstemp(prefix=f".{target.stem}-", suffix=target.suffix, dir=target.parent)
    except OSError as error:
        raise _unwritable(target, error) from error
    os.close(handle)
    temporary = Path(name)
    try:
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o666 & ~umask)
        temporary.replace(target)
    except OSError as error:
        raise _unwritable(target, error) from error
    finally:
        temporary.unlink(missing_ok=True)


@contextlib.contextmanager
def replacing_folder(path: str | os.PathLike[str], *, overwrite: bool = False) -> Iterator[Path]:
    """Give a temporary folder beside ``path``; on success it takes the place of ``path``, else it is removed.

    Raises
    ------
    InputError
        When the parent does not exist, or ``path`` exists, is not empty, and ``overwrite`` is false.
    WorkError
        When writing fails, for example because the disk is full.
    """
    target = Path(path)
    _require_parent(target)
    if target.exists() and not overwrite and not (target.is_dir() and not any(target.iterdir())):
        raise InputError(target, expected="a new or an empty folder", found="something there already", remedy="Choose another folder.")
    try:
        temporary = Path(tempfile.mkdtemp(prefix=f".{target.name}-", dir=target.parent))
    except OSError as error:
        raise _unwritable(target, error) from error
    try:
        yield temporary
        umask = os.umask(0)
        os.umask(umask)
        temporary.chmod(0o777 & ~umask)
        if target.is_dir():
            shutil.rmtree(target)
        temporary.replace(target)
    except OSError as error:
        raise _unwritable(target, error) from error
    finally:
        shutil.rmtree(temporary, ignore_errors=True)


def _unwritable(target: Path, error: OSError) -> WorkError:
    return WorkError(f"{target}: could not be written: {error.strerror or error}. Nothing was left behind.")


def _require_parent(target: Path) -> None:
    if not target.parent.is_dir():
        raise InputError(target, expected="a folder that exists to write into", found=f"no folder {target.parent}", remedy="Make it first.")
