"""Sessions on scenes, without Qt."""

from __future__ import annotations

from collections.abc import Callable, Iterator
from pathlib import Path
from typing import Any

import pytest

pytest.importorskip("slicer.util", reason="needs slicer-core")


@pytest.fixture
def open_session() -> Iterator[Callable[..., Any]]:
    """Makes sessions, on new scenes or on one that is given, and closes them."""
    from MITOReconstructionLib.scene import new_scene
    from MITOReconstructionLib.session.session import Session

    made = []

    def make(scene: Any = None) -> Session:
        made.append(Session(new_scene() if scene is None else scene))
        return made[-1]

    yield make
    for session in made:
        session.close()
        session.scene.Clear(1)


@pytest.fixture
def session(open_session: Callable[..., Any], sample: Path) -> Any:
    """A session with the cylinder open."""
    made = open_session()
    made.load(sample)
    return made
