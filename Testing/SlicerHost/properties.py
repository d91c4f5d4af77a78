"""Properties of the stand-ins' classes."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from PySide6 import QtCore


def stored(kind: Any, name: str, default: Any, then: Callable[[Any], None] | None = None) -> QtCore.Property:
    """A property that keeps its value, and calls ``then`` with the object when it has changed."""
    key = f"_kept_{name}"

    def get(self: Any) -> Any:
        return getattr(self, key, default)

    def put(self: Any, value: Any) -> None:
        if value != get(self):
            setattr(self, key, value)
            if then is not None:
                then(self)

    return QtCore.Property(kind, get, put)


def passed(kind: Any, name: str, part: str) -> QtCore.Property:
    """A property that is one of a part's: of the object's attribute of the name ``part``."""

    def get(self: Any) -> Any:
        return getattr(self, part).property(name)

    def put(self: Any, value: Any) -> None:
        getattr(self, part).setProperty(name, value)

    return QtCore.Property(kind, get, put)
