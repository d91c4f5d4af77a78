"""Methods that others bring: by folder and by entry point."""

from __future__ import annotations

import os
import sys
from collections.abc import Iterator
from pathlib import Path

import pytest

from MITOReconstructionLib import InputError
from MITOReconstructionLib.methods import get, load_folder, methods, problems
from MITOReconstructionLib.methods.registry import TABLE

METHOD = """
from dataclasses import dataclass
import numpy as np
from MITOReconstructionLib.methods import Method, Parameters, Result, parameter, register

@dataclass(frozen=True)
class P(Parameters):
    value: float = parameter(1.0, "The value.", unit="1/mm")

def run(problem, parameters):
    return Result(np.full(problem.grid.shape, parameters.value, np.float32))

METHOD = register(Method("{name}", "Constant", "One value everywhere.", "1/mm", P, run))
"""


@pytest.fixture(autouse=True)
def as_before(monkeypatch: pytest.MonkeyPatch) -> Iterator[None]:
    methods()
    for name in ("entries", "_files", "_problems"):
        monkeypatch.setattr(TABLE, name, dict(getattr(TABLE, name)))
    modules = set(sys.modules)
    yield
    for name in set(sys.modules) - modules:
        del sys.modules[name]


def test_a_folder(tmp_path: Path) -> None:
    (tmp_path / "constant.py").write_text(METHOD.format(name="constant"))
    assert load_folder(tmp_path) == ("constant",)
    assert get("constant").parameters().to_dict() == {"value": 1.0}
    assert list(methods())[:7] == ["fbp", "sirt", "cgls", "os-sart", "tv", "landweber", "adjoint"]
    assert list(methods())[-1] == "constant"
    assert "constant" not in sys.modules
    assert load_folder(tmp_path) == ()


def test_faulty_files_are_named_and_leave_nothing(tmp_path: Path) -> None:
    (tmp_path / "a_half.py").write_text(METHOD.format(name="half") + "\nraise SystemExit('no')\n")
    (tmp_path / "b_taken.py").write_text(METHOD.format(name="fbp"))
    (tmp_path / "c_syntax.py").write_text("def")
    (tmp_path / "d_nothing.py").write_text("x = 1\n")
    (tmp_path / "e_good.py").write_text(METHOD.format(name="good"))
    fbp = get("fbp")
    assert load_folder(tmp_path) == ("good",)
    assert get("fbp") is fbp
    told = [problem for problem in problems() if str(tmp_path) in problem]
    assert len(told) == 4
    for problem, file, text in zip(
        told,
        ("a_half", "b_taken", "c_syntax", "d_nothing"),
        ("SystemExit: no", "method fbp: expected a name not taken yet", "SyntaxError", "registers no method"),
        strict=True,
    ):
        assert f"{file}.py" in problem
        assert text in problem
    with pytest.raises(InputError, match=r"Not loaded: .*a_half\.py"):
        get("half")
    (tmp_path / "a_half.py").write_text(METHOD.format(name="half"))
    assert load_folder(tmp_path) == ("half",)
    assert not any("a_half" in problem for problem in problems())


def test_no_such_folder(tmp_path: Path) -> None:
    with pytest.raises(InputError, match="expected a folder of method files; found no such folder"):
        load_folder(tmp_path / "none")


def test_the_environment_variable(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "m.py").write_text(METHOD.format(name="by-variable"))
    monkeypatch.setenv("MITO_METHODS_PATH", f"{tmp_path / 'missing'}{os.pathsep}{tmp_path}")
    monkeypatch.setattr(TABLE, "searched", False)
    assert "by-variable" in methods()
    assert any(problem.startswith("MITO_METHODS_PATH: ") and "missing" in problem for problem in problems())


def test_entry_points_of_an_installed_distribution(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    for number, name in enumerate(("by-object", "by-module")):
        (tmp_path / f"mito_other_{number}.py").write_text(METHOD.format(name=name))
    information = tmp_path / "other-1.0.dist-info"
    information.mkdir()
    (information / "METADATA").write_text("Metadata-Version: 2.1\nName: other\nVersion: 1.0\n")
    (information / "entry_points.txt").write_text(
        "[mito_reconstruction.methods]\na = mito_other_0:METHOD\nb = mito_other_1\nc = mito_missing:METHOD\nd = mito_other_0:P\n"
    )
    monkeypatch.syspath_prepend(tmp_path)
    monkeypatch.setattr(TABLE, "searched", False)
    assert {"by-object", "by-module"} <= set(methods())
    told = "\n".join(problems())
    assert "entry point c (mito_missing:METHOD): ModuleNotFoundError" in told
    assert "entry point d (mito_other_0:P): TypeError: it is a type, not a Method" in told
