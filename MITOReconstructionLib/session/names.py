"""Names of regions and volumes, none of them twice."""

from __future__ import annotations

from collections.abc import Collection, Sequence

from MITOReconstructionLib.scene.regions import Entry

__all__ = ["distinct", "free_name"]


def distinct(entries: Sequence[Entry]) -> tuple[Entry, ...]:
    """The same, each with a name of its own."""
    made: list[Entry] = []
    for entry in entries:
        name = free_name(entry.region.name, [known.region.name for known in made])
        made.append(Entry(entry.key, entry.region.change(name=name)))
    return tuple(made)


def free_name(name: str, taken: Collection[str]) -> str:
    """The name, or where it is taken the next number behind it that is not."""
    if name not in taken:
        return name
    stem, _, end = name.rpartition(" ")
    number = int(end) + 1 if stem and end.isdecimal() and len(end) < 6 else 2
    stem = stem if stem and end.isdecimal() and len(end) < 6 else name
    while f"{stem} {number}" in taken:
        number += 1
    return f"{stem} {number}"
