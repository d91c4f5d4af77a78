"""Plugins: those given, chains, parameters, faults, files of others."""

from __future__ import annotations

import dataclasses
from pathlib import Path
from types import SimpleNamespace

import numpy as np
import pytest
from live_cases import MU, axial

from MITOReconstructionLib import InputError, Scan, extensions
from MITOReconstructionLib.live import LiveSlices, Plugin, plugins, track
from MITOReconstructionLib.live import plugins as list_plugins
from MITOReconstructionLib.live.given_plugins import otsu_threshold
from MITOReconstructionLib.live.once import reconstruct_slice
from MITOReconstructionLib.live.plugins import TABLE, PluginStep, run_steps
from MITOReconstructionLib.methods import Parameters, parameter

PATIENCE = 300.0


@dataclasses.dataclass(frozen=True)
class Factor(Parameters):
    """A factor."""

    factor: float = parameter(2.0, "Factor.", above=0.0)
    negative: bool = parameter(False, "Whether to change the sign.")


def step_of(run, parameters: Parameters | None = None, name: str = "mine") -> PluginStep:
    return PluginStep(Plugin(name, "Mine", "A test's.", Factor, run), parameters or Factor())


def two_discs() -> np.ndarray:
    i, j = np.ogrid[:64, :64]
    image = np.zeros((64, 64), np.float32)
    image[np.hypot(i - 20, j - 20) < 12] = 1.0
    image += np.random.default_rng(0).normal(0, 0.05, image.shape).astype(np.float32)
    image.setflags(write=False)
    return image


def test_otsu_separates_two_materials() -> None:
    image = two_discs()
    assert 0.2 < otsu_threshold(image) < 0.8
    mask, values, seconds, error = run_steps(image, [PluginStep.of("otsu")])
    assert error == ""
    assert set(np.unique(mask)) == {0.0, 1.0}
    assert np.array_equal(mask == 1.0, image > 0.5)
    assert values["otsu share"] == pytest.approx(mask.mean())
    assert set(seconds) == {"plugins", "plugin otsu"}
    kept = run_steps(image, [PluginStep.of("otsu", {"keep": "values", "shift": 10.0})])[0]
    assert not kept.any()
    assert otsu_threshold(np.full((4, 4), 3.0, np.float32)) == pytest.approx(3.0, abs=0.6)


def test_gaussian_keeps_the_mean_and_lowers_the_noise() -> None:
    image = two_discs()
    smooth = run_steps(image, [PluginStep.of("gaussian", {"sigma": 2.0})])[0]
    assert smooth.mean() == pytest.approx(image.mean(), rel=0.02)
    assert smooth[40:, 40:].std() < 0.2 * image[40:, 40:].std()
    assert np.array_equal(run_steps(image, [PluginStep.of("gaussian", {"sigma": 0.0})])[0], image)


def test_rings_are_removed_and_the_object_stays() -> None:
    i, j = np.ogrid[:128, :128]
    radius = np.hypot(i - 63.5, j - 63.5)
    clean = (np.hypot(i - 50, j - 70) < 30).astype(np.float32)
    ringed = clean + np.where((radius > 40) & (radius < 42), np.float32(0.3), np.float32(0.0))
    ringed.setflags(write=False)
    better = run_steps(ringed, [PluginStep.of("rings")])[0]
    assert np.abs(better - clean).mean() < 0.4 * np.abs(ringed - clean).mean()
    untouched = run_steps(ringed, [PluginStep.of("rings", {"strength": 0.0})])[0]
    assert np.array_equal(untouched, ringed)


def test_a_chain_in_the_engine_with_what_it_tracks(small: Scan) -> None:
    def scale(image: np.ndarray, parameters: Factor) -> np.ndarray:
        track("brightest", image.max())
        return image * (-parameters.factor if parameters.negative else parameters.factor)

    raw = reconstruct_slice(small, axial()).image
    with LiveSlices(small, plugins=[step_of(scale), step_of(scale, Factor(factor=3.0, negative=True), "again")]) as live:
        live.request("Red", axial())
        assert live.wait(PATIENCE)
        first = live.poll()[-1]
        filtered = live.status().filtered
        live.process([step_of(scale)])
        assert [entry.plugin.name for entry in live.plugins] == ["mine"]
        assert live.wait(PATIENCE)
        second = live.poll()[-1]
    assert np.allclose(first.image, -6 * raw, atol=1e-3 * MU)
    assert np.allclose(second.image, 2 * raw, atol=1e-3 * MU)
    assert second.level == "final"
    assert second.complete
    assert second.number > first.number
    assert first.values["brightest"] == pytest.approx(2 * raw.max(), rel=1e-3)
    assert second.values["maximum"] == pytest.approx(second.image.max())
    assert {"plugins", "plugin mine", "plugin again", "backproject"} <= set(first.seconds)
    assert filtered > 0


FAULTS = {
    "raises": (lambda image, parameters: 1 / 0, "plugin mine: ZeroDivisionError: division by zero"),
    "nothing": (lambda image, parameters: None, "plugin mine: TypeError: expected an array of numbers of shape (64, 64); found NoneType"),
    "shape": (lambda image, parameters: image[1:], "plugin mine: TypeError: expected an array of numbers of shape (64, 64); found float32"),
    "texts": (lambda image, parameters: image.astype(str), "plugin mine: TypeError: expected an array of numbers of shape (64, 64)"),
    "complex": (
        lambda image, parameters: image * 1j,
        "plugin mine: TypeError: expected an array of numbers of shape (64, 64); found compl",
    ),
    "NaN": (lambda image, parameters: image * np.nan, "plugin mine: ValueError: expected finite numbers; found NaN or infinity"),
    "writes": (lambda image, parameters: np.add(image, 1, out=image), "plugin mine: ValueError: output array is read-only"),
    "arguments": (lambda image: image, "plugin mine: TypeError: "),
}


@pytest.mark.parametrize("fault", FAULTS)
def test_a_plugin_that_fails_is_one_sentence_and_the_engine_lives_on(small: Scan, fault: str) -> None:
    run, expected = FAULTS[fault]
    raw = reconstruct_slice(small, axial()).image

    def double(image: np.ndarray, parameters: Factor) -> np.ndarray:
        return 2 * image

    with LiveSlices(small, plugins=[step_of(double, name="double"), step_of(run), step_of(double, name="never")]) as live:
        live.request("Red", axial())
        assert live.wait(PATIENCE)
        result = live.poll()[-1]
        assert result.error.startswith(expected)
        assert "\n" not in result.error
        assert np.allclose(result.image, 2 * raw, atol=1e-3 * MU)
        assert "plugin never" not in result.seconds
        live.process([])
        assert live.wait(PATIENCE)
        result = live.poll()[-1]
    assert result.error == ""
    assert np.allclose(result.image, raw, atol=1e-3 * MU)


def test_numbers_of_other_types_become_float32() -> None:
    for kind in (bool, np.int64, np.uint8, np.float64):
        image = run_steps(two_discs(), [step_of(lambda image, parameters, kind=kind: (image > 0.5).astype(kind))])[0]
        assert image.dtype == np.float32
        assert set(np.unique(image)) == {0.0, 1.0}


def test_tracking_outside_of_a_plugin_is_nothing() -> None:
    track("alone", 1.0)
    assert run_steps(two_discs(), [])[1] == {}


def test_parameters_are_described_and_checked() -> None:
    described = {name: plugin.describe() for name, plugin in list_plugins().items()}
    assert list(described)[:3] == ["otsu", "gaussian", "rings"]
    assert {entry["type"] for plugin in described.values() for entry in plugin["parameters"]} >= {"str", "float", "int"}
    with pytest.raises(InputError, match="parameter of plugin gaussian sigma: expected a number in pixels at least 0 and at most 50"):
        PluginStep.of("gaussian", {"sigma": -1})
    with pytest.raises(InputError, match="parameter of plugin otsu keep: expected one of mask, values; found 'all'"):
        PluginStep.of("otsu", {"keep": "all"})
    with pytest.raises(InputError, match=r"plugin: expected one of otsu, gaussian, rings.*; found 'sharpen'"):
        PluginStep.of("sharpen")


SOURCE = """
from dataclasses import dataclass
from MITOReconstructionLib.live.plugins import Plugin, register, track
from MITOReconstructionLib.methods import Parameters, parameter

@dataclass(frozen=True)
class ScaleParameters(Parameters):
    factor: float = parameter(1.0, "Factor on the slice.", above=0.0)

def run(image, parameters):
    track("brightest", image.max())
    return image * parameters.factor

register(Plugin("NAME", "Scale", "The slice times a factor.", ScaleParameters, run))
"""


@pytest.fixture
def table(monkeypatch: pytest.MonkeyPatch):
    """The table of plugins, put back in the end."""
    list_plugins()
    for name in ("entries", "_files", "_problems"):
        monkeypatch.setattr(TABLE, name, getattr(TABLE, name).copy())
    return TABLE


def test_a_folder_of_plugins(table, tmp_path: Path) -> None:
    (tmp_path / "a.py").write_text(SOURCE.replace("NAME", "scale"))
    (tmp_path / "b.py").write_text(SOURCE.replace("NAME", "other") + "\nraise RuntimeError('half way')")
    (tmp_path / "c.py").write_text(SOURCE.replace("NAME", "otsu"))
    (tmp_path / "d.py").write_text("x = 1")
    assert table.load_folder(tmp_path) == ("scale",)
    assert table.load_folder(tmp_path) == ()
    assert "other" not in plugins()
    faults = " ".join(table.problems())
    for part in ("b.py: RuntimeError: half way", "a name not taken yet", "d.py: TypeError: it registers no plugin"):
        assert part in faults
    image, values, _, _ = run_steps(two_discs(), [PluginStep.of("scale", {"factor": 3.0})])
    assert values["brightest"] * 3 == pytest.approx(image.max())
    with pytest.raises(InputError, match="expected a folder of plugin files; found no such folder"):
        table.load_folder(tmp_path / "none")


def test_plugins_of_packages_and_of_the_environment(table, tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    (tmp_path / "a.py").write_text(SOURCE.replace("NAME", "from the path"))
    given = Plugin("from a package", "Mine", "A test's.", Factor, lambda image, parameters: image)
    entries = [SimpleNamespace(name="a", value="p:x", load=lambda: given), SimpleNamespace(name="b", value="p:y", load=lambda: 3)]
    monkeypatch.setattr(table, "searched", False)
    monkeypatch.setattr(extensions, "entry_points", lambda group: entries if group == "mito_reconstruction.plugins" else [])
    monkeypatch.setenv("MITO_PLUGINS_PATH", f"{tmp_path}:{tmp_path / 'none'}".replace(":", __import__("os").pathsep))
    assert {"from the path", "from a package"} <= set(plugins())
    faults = " ".join(table.problems())
    assert "entry point b (p:y): TypeError: it is a int, not a Plugin" in faults
    assert "MITO_PLUGINS_PATH: " in faults
