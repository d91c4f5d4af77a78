"""A table of things by name that others may add to: reconstruction methods, plugins of live slices."""

from __future__ import annotations

import importlib.util
import os
import sys
import threading
import types
from collections.abc import Callable
from functools import partial
from importlib.metadata import entry_points
from pathlib import Path
from typing import Generic, Protocol, TypeVar

from MITOReconstructionLib.errors import InputError

__all__ = ["Table", "import_file"]


class Named(Protocol):
    """What the table holds."""

    @property
    def name(self) -> str:
        """Used in calls."""


E = TypeVar("E", bound=Named)


class Table(Generic[E]):
    """Entries by name: the given ones, then those of others, from entry points and from the .py files of folders.

    Parameters
    ----------
    kind : type
        Of the entries.
    word : str
        What an entry is called in messages: method, plugin.
    give : callable
        Makes sure that the given entries are registered; called before others are looked for.
    group : str
        Group of entry points; each names an entry, or a module that registers some.
    variable : str
        Environment variable with folders of files that register entries, separated as in PATH.
    first : tuple of str
        Names of the given entries, in the order in which they are shown.

    Attributes
    ----------
    entries : dict
        By name, in the order in which they were registered.
    searched : bool
        Whether those of others were looked for, which is done once in a process.
    """

    def __init__(self, kind: type[E], word: str, give: Callable[[], None], *, group: str, variable: str, first: tuple[str, ...]) -> None:
        self.kind, self.word, self.group, self.variable, self.first = kind, word, group, variable, first
        self.entries: dict[str, E] = {}
        self.searched = False
        self._give = give
        self._files: dict[Path, str] = {}
        self._problems: dict[str, str] = {}
        self._lock = threading.RLock()

    def register(self, entry: E) -> E:
        """Add an entry.

        Raises
        ------
        InputError
            When there is one of that name already.
        """
        with self._lock:
            if entry.name in self.entries:
                raise InputError(
                    f"{self.word} {entry.name}",
                    expected="a name not taken yet",
                    found=f"a {self.word} of that name",
                    remedy="Choose another name.",
                )
            self.entries[entry.name] = entry
        return entry

    def all(self) -> dict[str, E]:
        """All entries by name, the given ones first, in their order.

        Those of others are looked for at the first call; what does not load is in :meth:`problems`.
        """
        with self._lock:
            self._give()
            if not self.searched:
                self.searched = True
                self._search()
            given = {name: self.entries[name] for name in self.first if name in self.entries}
            return {**given, **self.entries}

    def get(self, name: str) -> E:
        """The entry of that name.

        Raises
        ------
        InputError
            When there is none, with the names there are, and with what did not load.
        """
        known = self.all()
        if name not in known:
            faults = "".join(f" Not loaded: {problem}" for problem in self.problems())
            raise InputError(self.word, expected=f"one of {', '.join(known)}", found=repr(name), remedy=f"Choose one of these.{faults}")
        return known[name]

    def problems(self) -> tuple[str, ...]:
        """One sentence for every entry point, folder or file of others that could not be loaded."""
        return tuple(self._problems.values())

    def load_folder(self, path: str | os.PathLike[str]) -> tuple[str, ...]:
        """Import every .py file of a folder, each under a name of its own; a file loaded before is not loaded again.

        A file that fails leaves nothing behind; what is wrong with it is in :meth:`problems`, and the others are loaded all the same.

        Parameters
        ----------
        path : path
            Folder of files that register entries.

        Returns
        -------
        tuple of str
            Names of the entries that were added.

        Raises
        ------
        InputError
            When there is no such folder.
        """
        folder = Path(path).expanduser().absolute()
        if not folder.is_dir():
            raise InputError(folder, expected=f"a folder of {self.word} files", found="no such folder", remedy="Correct the path.")
        with self._lock:
            self.all()  # so that the given names are taken
            before = set(self.entries)
            for file in sorted(folder.glob("*.py")):
                if file not in self._files:
                    self._files[file] = name = f"_mito_{self.word}s_{len(self._files)}_{file.stem}"
                    if not self._attempt(str(file), partial(import_file, file, name)):
                        del self._files[file]
            return tuple(name for name in self.entries if name not in before)

    def _search(self) -> None:
        for entry in sorted(entry_points(group=self.group), key=lambda entry: entry.name):
            self._attempt(f"entry point {entry.name} ({entry.value})", entry.load)
        for folder in filter(None, os.environ.get(self.variable, "").split(os.pathsep)):
            try:
                self.load_folder(folder)
            except InputError as error:
                self._problems[folder] = f"{self.variable}: {error}"

    def _attempt(self, where: str, load: Callable[[], object]) -> bool:
        """Load an entry, or a module that registers some; take back what it registered where it fails."""
        before = dict(self.entries)
        try:
            loaded = load()
            if isinstance(loaded, self.kind) and self.entries.get(loaded.name) is not loaded:
                self.register(loaded)
            elif not isinstance(loaded, (self.kind, types.ModuleType)):
                raise TypeError(f"it is a {type(loaded).__name__}, not a {self.kind.__name__} or a module that registers one")
            if len(self.entries) == len(before) and isinstance(loaded, types.ModuleType):
                raise TypeError(f"it registers no {self.word}")
        except (Exception, SystemExit) as error:  # noqa: BLE001 - whatever somebody's file does, the other entries stay
            self.entries.clear()
            self.entries.update(before)
            self._problems[where] = f"{where}: {type(error).__name__}: {error}"
            return False
        self._problems.pop(where, None)
        return True


def import_file(file: Path, name: str) -> types.ModuleType:
    """Import a file as the module of that name, which it does not keep where the file fails."""
    spec = importlib.util.spec_from_file_location(name, file)
    if spec is None or spec.loader is None:
        raise ImportError(f"no loader for {file}")
    module = importlib.util.module_from_spec(spec)
    sys.modules[name] = module
    try:
        spec.loader.exec_module(module)
    except BaseException:
        del sys.modules[name]
        raise
    return module
