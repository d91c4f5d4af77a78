"""run.py, and the documents that name it: the commands, the environment that is reused, what goes wrong."""

from __future__ import annotations

import importlib.util
import json
import re
import subprocess
import sys
import tomllib
from pathlib import Path

import pytest
from packaging.requirements import Requirement

from MITOReconstructionLib.commands.parser import COMMANDS

ROOT = Path(__file__).parents[3]


@pytest.fixture
def script(tmp_path, monkeypatch):
    """run.py as a module, its environment in an empty folder, its installer and its programs only noted."""
    spec = importlib.util.spec_from_file_location("run_script", ROOT / "run.py")
    module = importlib.util.module_from_spec(spec)
    monkeypatch.setattr(sys, "dont_write_bytecode", True)
    spec.loader.exec_module(module)
    monkeypatch.setenv("MITO_VENV", str(tmp_path / "venv"))
    module.done = []

    def make(folder, ours):
        module.done.append("make")
        folder.mkdir(parents=True, exist_ok=True)
        module.write_lock(folder, key="incomplete", extra=None)

    def call(words, **keywords):
        module.done.append(" ".join(map(str, words[2:])))
        return 0

    monkeypatch.setattr(module, "make_environment", make)
    monkeypatch.setattr(module, "install", lambda python, extra: module.done.append(f"install {extra}"))
    monkeypatch.setattr(module, "runs", lambda python: "make" in module.done)
    monkeypatch.setattr(module, "call", call)
    return module


def test_the_demo_installs_once(script, tmp_path, monkeypatch):
    monkeypatch.setattr(script.Path, "exists", lambda path: "make" in script.done)
    assert script.main(["demo", "--output", "there"]) == 0
    demo = "MITOReconstructionLib demo --output there"
    assert script.done == ["make", "install scene", demo]
    assert script.main(["demo"]) == 0
    assert script.done[3:] == ["MITOReconstructionLib demo"]
    assert json.loads((tmp_path / "venv" / script.LOCK).read_text())["extra"] == "scene"
    assert script.main(["test", "-k", "geometry"]) == 0
    assert script.done[4:] == ["install test", "ruff check", "ruff format --check", "mypy", "pytest -k geometry"]
    assert script.main(["demo"]) == 0
    assert script.done[9:] == ["MITOReconstructionLib demo"]


def test_another_lock_installs_again(script, monkeypatch):
    monkeypatch.setattr(script.Path, "exists", lambda path: "make" in script.done)
    assert script.main(["demo"]) == 0
    monkeypatch.setattr(script, "fingerprint", lambda: "another")
    assert script.main(["demo"]) == 0
    assert script.done.count("install scene") == 2
    assert script.done.count("make") == 1


def test_a_failed_installation_is_repeated(script, capsys, monkeypatch):
    monkeypatch.setattr(script.Path, "exists", lambda path: "make" in script.done)
    install = script.install

    def fail(python, extra):
        raise script.Trouble("pip could not install")

    monkeypatch.setattr(script, "install", fail)
    assert script.main(["demo"]) == 2
    assert "error: pip could not install" in capsys.readouterr().err
    monkeypatch.setattr(script, "install", install)
    assert script.main(["demo"]) == 0
    assert "install scene" in script.done


def test_every_check_runs_and_a_failed_one_is_told(script, capsys, monkeypatch):
    monkeypatch.setattr(script, "prepare", lambda extra: Path("venv/bin/python"))
    monkeypatch.setattr(script, "call", lambda words, **keywords: script.done.append(words[2]) or int(words[2] == "mypy"))
    assert script.main(["test"]) == 1
    assert script.done == ["ruff", "ruff", "mypy", "pytest"]
    assert capsys.readouterr().err == "failed: mypy\n"
    script.done.clear()
    assert script.main(["check"]) == 1
    assert script.done == ["ruff", "ruff", "mypy"]


@pytest.mark.parametrize(
    ("cores", "words"),
    [
        (1, []),
        (2, ["-n", "2", "--dist", "loadfile", "--no-loadscope-reorder"]),
        (64, ["-n", "4", "--dist", "loadfile", "--no-loadscope-reorder"]),
    ],
)
def test_the_whole_suite_is_shared_out_over_the_cores(script, monkeypatch, cores, words):
    monkeypatch.setattr(script.os, "sched_getaffinity", lambda process: range(cores), raising=False)
    monkeypatch.setattr(script, "prepare", lambda extra: Path("venv/bin/python"))
    assert script.main(["test"]) == 0
    assert script.main(["test", "-x"]) == 0
    assert script.done[3] == " ".join(["pytest", *words])
    assert script.done[-1] == "pytest -x"


def test_a_foreign_folder_is_left_alone(tmp_path):
    (tmp_path / "mine.txt").write_text("mine")
    done = subprocess.run(
        [sys.executable, "-B", ROOT / "run.py", "demo"], env={"MITO_VENV": str(tmp_path), "PATH": ""}, capture_output=True, text=True
    )
    assert done.returncode == 2
    assert "is there already and no virtual environment" in done.stderr
    assert done.stderr.count("\n") == 1
    assert [path.name for path in tmp_path.iterdir()] == ["mine.txt"]


def test_an_old_python_is_told(script, capsys, monkeypatch):
    monkeypatch.setattr(script, "OLDEST", (99, 0))
    assert script.main(["demo"]) == 2
    assert "Python 3.11 or later is needed" in capsys.readouterr().err


def test_without_a_command_it_says_what_there_is(script, capsys):
    assert script.main([]) == 2
    assert script.main(["--help"]) == 0
    assert "python3 run.py demo" in capsys.readouterr().out


# ---- the documents ---------------------------------------------------------------------------------------------------


def section(text: str, heading: str) -> str:
    return re.split(r"^## ", text.split(f"## {heading}\n", 1)[1], maxsplit=1, flags=re.MULTILINE)[0]


def test_the_readme_has_one_command_for_each():
    readme = (ROOT / "README.md").read_text(encoding="utf-8")
    assert re.findall(r"^python3 run\.py.*$", section(readme, "Try it"), re.MULTILINE) == ["python3 run.py demo"]
    assert re.findall(r"^python3 run\.py.*$", section(readme, "Run the tests"), re.MULTILINE) == ["python3 run.py test"]
    ci = (ROOT / ".ci" / "run").read_text()
    assert re.search(r"run\.py test", ci)
    for package in ("libegl1", "libegl-mesa0", "libgl1-mesa-dri"):
        assert package in readme
        assert package in ci
    commands = re.findall(r"^\| `(\w+)", section(readme, "The command line"), re.MULTILINE)
    assert commands == list(COMMANDS)


def test_the_options_in_the_readme_are_those_of_the_commands(cli):
    table = section((ROOT / "README.md").read_text(encoding="utf-8"), "The command line")
    for name, words in re.findall(r"^\| `(\w+)(.*?)` \|", table, re.MULTILINE):
        helped = cli(name, "--help").out
        for option in re.findall(r"--[a-z-]+", words):
            assert option in helped, f"{name} {option}"


@pytest.mark.parametrize("name", ["README.md", "CONTRIBUTING.md", "CHANGELOG.md", "Docs/conventions.md", "Docs/architecture.md"])
def test_links_between_documents_lead_somewhere(name):
    page = ROOT / name
    for target in re.findall(r"\]\(([^)#]+)\)", page.read_text(encoding="utf-8")):
        if not target.startswith("https://"):
            assert (page.parent / target).exists(), target


def test_the_lock_names_every_requirement_in_a_version_that_is_allowed():
    project = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]
    lines = [line for line in (ROOT / "constraints.txt").read_text().splitlines() if not line.startswith("#")]
    locked = dict(line.partition(";")[0].lower().replace("_", "-").split("==") for line in lines)
    extras = [entry for group in project["optional-dependencies"].values() for entry in group]
    for entry in [*project["dependencies"], *extras]:
        wanted = Requirement(entry)
        assert wanted.specifier.contains(locked[wanted.name.lower()]), entry
        assert any(bound.operator == ">=" for bound in wanted.specifier), entry


def test_the_picture_is_small_enough():
    assert 50_000 < (ROOT / "Docs" / "pictures" / "demo.png").stat().st_size < 700_000
