"""What this machine has to offer: memory and disk space that a run could take."""

from __future__ import annotations

import contextlib
import os
import re
import shutil
import subprocess
import sys
from pathlib import Path

from MITOReconstructionLib.errors import InputError

__all__ = ["VARIABLE", "available_memory", "free_disk", "gibibytes"]

VARIABLE = "MITO_MEMORY"
"""Bytes of memory that a run may take (or 8G, 500M), in the place of what is measured."""

UNITS = {"": 1, "K": 1 << 10, "M": 1 << 20, "G": 1 << 30, "T": 1 << 40}
GROUPS = Path("/sys/fs/cgroup")


def available_memory() -> int | None:
    """Bytes of memory that can be taken now without swapping, within the limits of a container; None where unknown.

    Raises
    ------
    InputError
        When the environment variable MITO_MEMORY is no number of bytes.
    """
    if VARIABLE in os.environ:
        return _named(os.environ[VARIABLE])
    with contextlib.suppress(OSError, ValueError, subprocess.SubprocessError, AttributeError):
        if sys.platform == "win32":
            return _windows()
        if sys.platform == "darwin":
            return _macos()
        return _linux()
    return None


def free_disk(folder: Path) -> int | None:
    """Bytes that can be written into a folder, or into the nearest one above that exists; None where unknown."""
    place = folder.absolute()
    while not place.is_dir() and place != place.parent:
        place = place.parent
    try:
        return shutil.disk_usage(place).free
    except OSError:
        return None


def gibibytes(count: float) -> str:
    """A number of bytes for people, in MiB or GiB."""
    return f"{count / 2**20:.0f} MiB" if count < 2**30 else f"{count / 2**30:.1f} GiB"


def _named(text: str) -> int:
    match = re.fullmatch(r"(\d+(?:\.\d*)?)\s*([KMGT]?)I?B?", text.strip().upper())
    if match is None:
        raise InputError(
            f"environment variable {VARIABLE}",
            expected="bytes, such as 8G or 500M",
            found=repr(text),
            remedy="Correct it, or remove it to have the memory measured.",
        )
    return int(float(match[1]) * UNITS[match[2]])


def _linux() -> int | None:
    entries = dict(line.split(":", 1) for line in Path("/proc/meminfo").read_text(encoding="ascii").splitlines() if ":" in line)
    free = 1024 * int(entries["MemAvailable"].split()[0]) if "MemAvailable" in entries else None
    rooms = [room for room in (free, _group_room()) if room is not None]
    return min(rooms) if rooms else None


def _group_room() -> int | None:
    """What the control groups of this process leave; cached files within their limits can be given up."""
    rooms = []
    for folder, limit, usage in _groups():
        with contextlib.suppress(OSError, ValueError):  # "max" is no number: no limit
            most = int((folder / limit).read_text(encoding="ascii"))
            used = int((folder / usage).read_text(encoding="ascii"))
            rooms.append(max(0, most - used + _cached(folder)))
    return min(rooms) if rooms else None


def _groups() -> list[tuple[Path, str, str]]:
    """Folder and the names of the files with limit and usage, of each memory control group about this process."""
    found = []
    for line in Path("/proc/self/cgroup").read_text(encoding="utf-8").splitlines():
        _, controllers, path = line.split(":", 2)
        if controllers == "":
            top, names = GROUPS, ("memory.max", "memory.current")
        elif "memory" in controllers.split(","):
            top, names = GROUPS / "memory", ("memory.limit_in_bytes", "memory.usage_in_bytes")
        else:
            continue
        group = top / path.lstrip("/")
        found += [(folder, *names) for folder in (group, *group.parents) if folder == top or top in folder.parents]
    return found


def _cached(folder: Path) -> int:
    """Bytes of files in a control group's memory that it can give up."""
    entries = dict(line.split() for line in (folder / "memory.stat").read_text(encoding="ascii").splitlines())
    names = ("total_active_file", "total_inactive_file") if "total_active_file" in entries else ("active_file", "inactive_file")
    return sum(int(entries.get(name, 0)) for name in names)


def _macos() -> int:
    text = subprocess.run(["vm_stat"], capture_output=True, text=True, check=True, timeout=5).stdout
    page = int(re.search(r"page size of (\d+)", text)[1])  # type: ignore[index]
    names = ("free", "inactive", "speculative", "purgeable")
    return page * sum(int(number) for name in names for number in re.findall(rf"Pages {name}:\s+(\d+)", text))


if sys.platform == "win32":

    def _windows() -> int | None:
        import ctypes

        class _Status(ctypes.Structure):
            _fields_ = [("length", ctypes.c_ulong), ("load", ctypes.c_ulong)] + [
                (name, ctypes.c_ulonglong) for name in ("total", "available", "page", "page_free", "virtual", "virtual_free", "extended")
            ]

        status = _Status()
        status.length = ctypes.sizeof(status)
        if not ctypes.windll.kernel32.GlobalMemoryStatusEx(ctypes.byref(status)):
            raise OSError("GlobalMemoryStatusEx failed")
        return int(status.available)

else:

    def _windows() -> int | None:
        return None
