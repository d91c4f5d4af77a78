"""The benchmark for machines with a GPU runs to its end where there is one, and says in one line where there is none."""

from __future__ import annotations

import importlib.util
import json
import subprocess
import sys
from pathlib import Path
from types import ModuleType

import pytest
from fake_cupy import FakeCupy

SCRIPT = Path(__file__).parents[2] / "Benchmarks" / "gpu.py"


@pytest.fixture
def benchmark(monkeypatch: pytest.MonkeyPatch) -> ModuleType:
    spec = importlib.util.spec_from_file_location("gpu_benchmark", SCRIPT)
    assert spec is not None
    assert spec.loader is not None
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setattr(sys, "path", list(sys.path))
    spec.loader.exec_module(module)
    return module


@pytest.mark.skipif(importlib.util.find_spec("cupy") is not None, reason="needs cupy not to be there")
def test_without_cupy_it_says_so_in_one_line() -> None:
    done = subprocess.run([sys.executable, str(SCRIPT)], capture_output=True, text=True, check=False)
    assert (done.returncode, done.stdout) == (2, "")
    assert done.stderr.count("\n") == 1
    assert done.stderr.startswith("error: Missing packages: cupy-cuda12x. Install them, or carry their wheels")


def test_without_a_gpu_it_says_so_in_one_line(cupy: FakeCupy, benchmark: ModuleType, capsys: pytest.CaptureFixture[str]) -> None:
    cupy.devices = 0
    assert benchmark.main([]) == 2
    said = capsys.readouterr()
    assert said.out == ""
    assert said.err.startswith("error: backend: expected an NVIDIA GPU that CuPy can use; found none (cudaErrorInsufficientDriver")
    assert said.err.count("\n") == 1


@pytest.mark.usefixtures("cupy")
def test_it_measures_and_compares(benchmark: ModuleType, tmp_path: Path, capsys: pytest.CaptureFixture[str]) -> None:
    words = ["--scale", "24", "--turns", "2.5", "--folder", str(tmp_path), "--output", str(tmp_path / "gpu.json")]
    assert benchmark.main(words) == 0
    figures = json.loads((tmp_path / "gpu.json").read_text())
    assert figures == json.loads(capsys.readouterr().out)
    assert list(figures) == ["machine", "against_cpu", "backprojection", "slices", "full_size", "projectors"]
    assert set(figures["against_cpu"]) == {"helix", "little memory", "circle", "flat", "wobbling"}
    assert all(case["right"] and case["difference"] > 0 for case in figures["against_cpu"].values())
    assert figures["against_cpu"]["little memory"]["slabs"] > 1
    assert figures["backprojection"]["updates"] > 1000
    assert set(figures["slices"]) == {"axial", "oblique", "axial, timed", "oblique, timed"}
    assert all(figures["slices"][name]["right"] for name in ("axial", "oblique"))
    assert 0 < figures["slices"]["oblique, timed"]["beams_seeing"] <= figures["slices"]["oblique, timed"]["beams_on_the_gpu"]
    assert figures["full_size"]["right"]
    assert set(figures["full_size"]["parts"]) == {"read", "copy", "rebin", "filter", "backprojection", "coverage"}
    assert [path.name for path in tmp_path.iterdir()] == ["gpu.json"]


@pytest.mark.parametrize(
    ("figures", "bad"),
    [({"a": {"b": {"right": False}}}, True), ({"a": {"right": True}, "c": {"left_out": "no astra"}}, False)],
)
def test_a_wrong_result_is_a_failure(benchmark: ModuleType, figures: dict[str, object], bad: bool) -> None:
    assert benchmark.wrong(figures) == bad
