"""Dialogs that do not open: what they would have said is noted, and what a person would have answered is the test's to say."""

from __future__ import annotations

from collections.abc import Callable
from types import ModuleType
from typing import Any, NamedTuple

from SlicerHost.errors import UnansweredError

STATIC = {
    "QMessageBox": ("question", "information", "warning", "critical", "about"),
    "QFileDialog": ("getExistingDirectory", "getOpenFileName", "getOpenFileNames", "getSaveFileName"),
    "QInputDialog": ("getText", "getInt", "getDouble", "getItem"),
    "QColorDialog": ("getColor",),
}
RUNNING = {"QDialog": ("exec_", "exec", "open"), "QMenu": ("exec_", "exec", "popup"), "QFileDialog": ("exec_",), "QMessageBox": ("exec_",)}


class Shown(NamedTuple):
    """A dialog that would have opened: which one, and what it was given."""

    dialog: str
    text: str
    arguments: tuple[Any, ...]


class Answers:
    """What the person in front of Slicer would answer.

    ``answers.give('QFileDialog.getExistingDirectory', '/data')`` answers the next such dialog; a callable is called with
    the dialog's arguments. A dialog without an answer raises UnansweredError. All that were shown are in ``shown``.
    """

    def __init__(self) -> None:
        self.shown: list[Shown] = []
        self._given: dict[str, list[Any]] = {}

    def give(self, dialog: str, *answers: Any) -> None:
        """Answer the next dialogs of this name, in this order."""
        self._given.setdefault(dialog, []).extend(answers)

    def clear(self) -> None:
        """Forget answers that were not used, and what was shown."""
        self.shown.clear()
        self._given.clear()

    def left(self) -> list[str]:
        """Dialogs that still wait to be shown."""
        return [dialog for dialog, answers in self._given.items() if answers]

    def ask(self, dialog: str, *arguments: Any) -> Any:
        """Show a dialog: the answer given to it."""
        text = " | ".join(entry for entry in arguments if isinstance(entry, str))
        self.shown.append(Shown(dialog, text, arguments))
        waiting = self._given.get(dialog)
        if not waiting:
            raise UnansweredError(f"{dialog} would have opened ({text}); give it an answer: host.answers.give('{dialog}', ...)")
        answer = waiting.pop(0)
        return answer(*arguments) if callable(answer) else answer

    def note(self, dialog: str, *arguments: Any) -> None:
        """A message that wants no answer."""
        self.shown.append(Shown(dialog, " | ".join(entry for entry in arguments if isinstance(entry, str)), arguments))


ANSWERS = Answers()


def guard_dialogs(qt: ModuleType) -> None:
    """Let no dialog of the module open."""
    for kind, names in STATIC.items():
        for name in names:
            setattr(getattr(qt, kind), name, staticmethod(_asking(f"{kind}.{name}")))
    for kind, names in RUNNING.items():
        for name in names:
            setattr(getattr(qt, kind), name, _running(f"{kind}.{name.rstrip('_')}"))


def _asking(dialog: str) -> Callable:
    return lambda *arguments: ANSWERS.ask(dialog, *arguments)


def _running(dialog: str) -> Callable:
    def run(self: Any, *arguments: Any) -> Any:
        words = [getattr(self, name) for name in ("windowTitle", "text") if isinstance(getattr(self, name, None), str)]
        return ANSWERS.ask(dialog, *words, self, *arguments)

    return run
