"""The samples of a data folder."""

from __future__ import annotations

import json
import os
from dataclasses import dataclass
from pathlib import Path, PurePosixPath, PureWindowsPath

from MITOReconstructionLib.errors import InputError
from MITOReconstructionLib.files import is_endless

__all__ = ["Sample", "list_samples"]

EXPECTED = 'a JSON list of objects with exactly "folder" and "name", both texts'


@dataclass(frozen=True)
class Sample:
    """One sample of a data folder: where it is, and the name shown to people."""

    folder: Path
    name: str


def list_samples(data_folder: str | os.PathLike[str]) -> list[Sample]:
    """The samples of a data folder: those of samples.json, in its order, or else every child that holds a sample.

    Raises
    ------
    InputError
        When the folder is missing, holds no sample, or its samples.json is at fault.
    """
    data = Path(data_folder)
    if not os.path.isdir(data):
        found = "a file" if os.path.exists(data) else "no such folder"
        raise InputError(data, expected="a data folder", found=found, remedy="Choose the folder that holds the sample folders.")
    listing = data / "samples.json"
    if os.path.lexists(listing):
        return _listed(data, listing)
    try:
        children = sorted(child for child in data.iterdir() if not child.name.startswith("."))
    except OSError as error:
        raise InputError(data, expected="a data folder", found=str(error), remedy="Check its permissions.") from error
    samples = [Sample(child, child.name) for child in children if os.path.isfile(child / "metadata.json")]
    if not samples:
        raise InputError(
            data,
            expected="samples.json or child folders with a metadata.json",
            found="neither",
            remedy="Choose the folder that holds the sample folders; to open one sample, name its own folder.",
        )
    return samples


def _listed(data: Path, listing: Path) -> list[Sample]:
    if is_endless(listing):
        raise InputError(listing, expected=EXPECTED, found="a pipe or a device of that name", remedy="Remove it.")
    try:
        entries = json.loads(listing.read_text(encoding="utf-8-sig"))
    except (OSError, ValueError, RecursionError) as error:
        raise InputError(
            listing, expected=EXPECTED, found=f"unreadable content ({error})", remedy="Correct the file, or remove it."
        ) from error
    if not isinstance(entries, list) or not entries:
        found = "an empty list" if entries == [] else f"a JSON {type(entries).__name__}"
        raise InputError(listing, expected=EXPECTED, found=found, remedy="Correct the file, or remove it.")
    samples: list[Sample] = []
    for number, entry in enumerate(entries):
        where = f"{listing}: entry {number}"
        if not isinstance(entry, dict) or set(entry) != {"folder", "name"} or not all(isinstance(v, str) and v for v in entry.values()):
            raise InputError(
                where, expected='an object with exactly "folder" and "name"', found=json.dumps(entry), remedy="Correct the entry."
            )
        folder = _inside(data, entry["folder"], where)
        if any(folder == sample.folder for sample in samples):
            raise InputError(where, expected="every folder once", found=f'"{entry["folder"]}" again', remedy="Remove one of the entries.")
        samples.append(Sample(folder, entry["name"]))
    return samples


def _inside(data: Path, name: str, where: str) -> Path:
    """The sample folder of that name, refused where it leads outside the data folder."""
    pure = PurePosixPath(name.replace("\\", "/"))
    escapes = pure.is_absolute() or bool(PureWindowsPath(name).drive) or ".." in pure.parts or not pure.parts or "\0" in name
    folder = data / pure
    if escapes or not _leads_into(folder, data):
        raise InputError(
            where,
            expected="a folder inside the data folder",
            found=f'"{name}", which leads outside',
            remedy="Name a child folder; to use a sample elsewhere, open its own folder.",
        )
    return folder


def _leads_into(folder: Path, data: Path) -> bool:
    try:
        return folder.resolve().is_relative_to(data.resolve())
    except (OSError, RuntimeError, ValueError):  # links in a circle, or no possible name
        return False
