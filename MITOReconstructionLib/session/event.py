"""How the sections of the panel learn that something has changed."""

from __future__ import annotations

from collections.abc import Callable

__all__ = ["Event"]


class Event:
    """Tells those who want to know that something has changed."""

    def __init__(self) -> None:
        self._listeners: list[Callable[[], object]] = []

    def connect(self, listener: Callable[[], object]) -> None:
        """Have something called each time."""
        self._listeners.append(listener)

    def clear(self) -> None:
        """Forget all listeners."""
        self._listeners.clear()

    def __call__(self) -> None:
        """Tell them."""
        for listener in list(self._listeners):
            listener()
