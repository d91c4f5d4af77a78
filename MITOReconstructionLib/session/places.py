"""Where samples are and where simulated logs go: what a file or folder stands for that somebody dropped. No package is needed."""

from __future__ import annotations

import itertools
import json
import os
from pathlib import Path

__all__ = ["FILES", "free_place", "same_place", "sample_place"]

FILES = ("metadata.json", "samples.json", "sinogram.npy")
"""Files that stand for the folder that they are in."""

MOST = 1000
"""Entries of a folder that are looked at: Slicer asks about every folder that is dragged onto it."""

LONGEST = 1 << 20
"""Bytes of a JSON file that is looked into."""


def sample_place(path: str | Path) -> Path | None:
    """The sample or data folder that a path stands for: the folder itself, or the one of its ``FILES``; None for anything else."""
    place = Path(path)
    try:
        if place.is_dir():
            marks = [place / name for name in FILES[:2]]
            return place if any(_is_ours(mark) for mark in marks) or any(_is_ours(c / FILES[0]) for c in _children(place)) else None
        if place.name == FILES[2]:
            return place.parent if place.is_file() and _is_ours(place.parent / FILES[0]) else None
        return place.parent if _is_ours(place) else None
    except OSError:
        return None


def same_place(a: str | Path | None, b: str | Path | None) -> bool:
    """Whether two paths are the same folder, whichever way they are written; None is none."""
    if a is None or b is None:
        return False
    try:
        return os.path.samefile(a, b)
    except (OSError, ValueError):  # one of them is not there
        return Path(a) == Path(b)


def free_place(folder: Path, name: str) -> Path:
    """A path in a folder that is not there yet: its name, or the name with a number from the second on."""
    number = 1
    while (place := folder / (name if number == 1 else f"{name} {number}")).exists():
        number += 1
    return place


def _children(folder: Path) -> list[Path]:
    return [child for child in itertools.islice(folder.iterdir(), MOST) if child.is_dir()]


def _is_ours(path: Path) -> bool:
    """Whether a file is a sample's metadata.json or a data folder's samples.json, by its content: others use these names too."""
    if path.name not in FILES[:2] or not path.is_file() or path.stat().st_size > LONGEST:
        return False
    try:
        content = json.loads(path.read_text(encoding="utf-8-sig"))
    except (ValueError, RecursionError):
        return False
    if path.name == FILES[0]:
        return isinstance(content, dict) and "SRC_RADIUS" in content and "DET_NPX_X" in content
    return isinstance(content, list) and bool(content) and all(isinstance(entry, dict) and "folder" in entry for entry in content)
