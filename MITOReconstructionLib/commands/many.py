"""Several samples at once: which ones are meant, and the file for each."""

from __future__ import annotations

import contextlib
from collections.abc import Iterator, Sequence
from pathlib import Path

from MITOReconstructionLib.commands.arguments import check_parent, new_file
from MITOReconstructionLib.errors import InputError
from MITOReconstructionLib.scan import list_samples

__all__ = ["volume_files"]

OPTION = "--output"


def is_data_folder(folder: Path) -> bool:
    """Whether a folder holds samples and is none itself."""
    if (folder / "metadata.json").exists() or not folder.is_dir():
        return False
    return (folder / "samples.json").exists() or any(folder.glob("*/metadata.json"))


@contextlib.contextmanager
def volume_files(words: Sequence[str], output: str) -> Iterator[dict[Path, Path]]:
    """The files to write, each with its sample's folder.

    A single sample goes into the file ``output``; several, or those of a data folder, go into files in that folder, which is made
    where it is missing, and removed again where nothing has come into it.

    Parameters
    ----------
    words : sequence of str
        Sample folders and data folders.
    output : str

    Raises
    ------
    InputError
        When a file cannot be written under that name, two samples would have the same, or a list of samples is at fault.
    """
    if len(words) == 1 and not is_data_folder(Path(words[0])):
        yield {new_file(OPTION, output, (".nrrd",)): Path(words[0])}
        return
    samples: list[Path] = []
    for word in map(Path, words):
        samples += [sample.folder for sample in list_samples(word)] if is_data_folder(word) else [word]
    folder = Path(output)
    where = f"{OPTION} {output}"
    if folder.suffix.lower() == ".nrrd" or (folder.exists() and not folder.is_dir()):
        raise InputError(where, expected="a folder, for several samples", found="a file's name", remedy="Name a folder.")
    files: dict[Path, Path] = {}
    for sample in samples:
        target = folder / f"{sample.resolve().name}.nrrd"
        if target in files:
            remedy = "Reconstruct one of them on its own."
            raise InputError(f"{files[target]} and {sample}", expected="folders of different names", found=target.stem, remedy=remedy)
        files[target] = sample
    made = not folder.exists()
    if made:
        check_parent(where, folder)
        folder.mkdir()
    try:
        yield {new_file(OPTION, str(target), (".nrrd",)): sample for target, sample in files.items()}
    finally:
        if made:
            with contextlib.suppress(OSError):
                folder.rmdir()  # refuses where a volume has come into it
