"""Compiling is a step that one sees, once, and only where there is something to compile."""

from __future__ import annotations

import threading

import pytest

from MITOReconstructionLib import Monitor, Progress
from MITOReconstructionLib.projectors import cpu_kernels, warm
from MITOReconstructionLib.projectors.backends import choose_backend


def test_a_first_run_compiles_as_a_step(monkeypatch: pytest.MonkeyPatch) -> None:
    monkeypatch.setattr(warm, "_compiled", threading.Event())
    seen: list[Progress] = []
    warm.prepare(choose_backend("cpu"), Monitor(seen.append))
    assert [p.step for p in seen] == [warm.STEP] * 5
    assert [p.fraction for p in seen] == [0.0, 0.25, 0.5, 0.75, 1.0]
    kernels = [value for value in vars(cpu_kernels).values() if hasattr(value, "signatures") and value.targetoptions.get("parallel")]
    assert len(kernels) >= 2
    assert all(kernel.signatures for kernel in kernels)
    seen.clear()
    warm.prepare(choose_backend("cpu"), Monitor(seen.append))
    assert not seen


def test_other_backends_have_nothing_to_compile(monkeypatch: pytest.MonkeyPatch) -> None:
    class Other:
        name = "other"

    monkeypatch.setattr(warm, "_compiled", threading.Event())
    seen: list[Progress] = []
    warm.prepare(Other(), Monitor(seen.append))  # type: ignore[arg-type]
    assert not seen
