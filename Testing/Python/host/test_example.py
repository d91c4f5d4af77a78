"""The example for Slicer without its window, as --python-script runs it."""

from __future__ import annotations

import runpy
import sys
from pathlib import Path
from typing import Any

import numpy as np
import pytest

pytest.importorskip("slicer.util", reason="needs slicer-core")
pytest.importorskip("shiboken6", reason="needs PySide6-Essentials")

from SlicerHost import Host

from MITOReconstructionLib.jobs import Volume

SCRIPT = Path(__file__).parents[3] / "Examples" / "reconstruct_in_slicer.py"


def run(monkeypatch: pytest.MonkeyPatch, *words: object) -> int:
    import slicer.util

    ended: list[int] = []
    monkeypatch.setattr(slicer.util, "exit", ended.append)
    monkeypatch.setattr(sys, "argv", [str(SCRIPT), *map(str, words)])
    runpy.run_path(str(SCRIPT), run_name="__main__")
    (status,) = ended
    return status


def test_it_runs(
    host: Host, widget: Any, sample: Path, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, sample, tmp_path) == 0
    lines = capsys.readouterr().out.splitlines()
    assert lines[1:3] == ["fbp: done ", "sirt: done "]
    assert lines[3].startswith("residuals: 1, ")
    assert lines[4] == "fbp 2: done"
    assert sorted(path.name for path in tmp_path.iterdir()) == ["difference.nrrd", "everything.mrb", "fbp.nrrd", "sirt.nrrd"]
    fbp, sirt, difference = (Volume.load(tmp_path / f"{name}.nrrd") for name in ("fbp", "sirt", "difference"))
    np.testing.assert_allclose(difference.array, sirt.array - fbp.array, atol=1e-7)


def test_it_says_what_is_wrong(
    host: Host, widget: Any, tmp_path: Path, monkeypatch: pytest.MonkeyPatch, capsys: pytest.CaptureFixture[str]
) -> None:
    assert run(monkeypatch, tmp_path / "none", tmp_path) == 1
    assert "none" in capsys.readouterr().err
