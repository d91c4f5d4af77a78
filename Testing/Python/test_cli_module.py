"""The command line module: its description, and the program as Slicer runs it."""

from __future__ import annotations

import argparse
import importlib.util
import os
import re
import signal
import subprocess
import sys
import time
import xml.etree.ElementTree as ElementTree
from pathlib import Path
from types import ModuleType

import numpy as np
import pytest

from MITOReconstructionLib.geometry import VolumeGrid
from MITOReconstructionLib.jobs import Volume
from MITOReconstructionLib.methods.registry import BUILT_IN
from MITOReconstructionLib.projectors.backends import backend_names
from MITOReconstructionLib.scan import open_scan

ROOT = Path(__file__).parents[2]
PROGRAM = ROOT / "MITOReconstructionCLI" / "MITOReconstructionCLI.py"

HEAD = ["category", "title", "description", "version", "documentation-url", "license", "contributor", "acknowledgements"]
KINDS = {
    "integer", "float", "double", "boolean", "string", "integer-vector", "float-vector", "double-vector", "string-vector",
    "integer-enumeration", "float-enumeration", "double-enumeration", "string-enumeration", "file", "directory", "image", "geometry",
    "point", "pointfile", "region", "table", "transform", "measurement",
}  # fmt: skip
PARTS = {"name", "description", "label", "default", "flag", "longflag", "index", "channel", "constraints", "element"}
ATTRIBUTES = {
    "image": {"multiple", "type", "fileExtensions", "reference", "hidden"},
    "region": {"multiple", "coordinateSystem"},
    "directory": {"multiple"},
}
NUMBERS = {"integer": int, "double": float}


@pytest.fixture(scope="module")
def program() -> ModuleType:
    spec = importlib.util.spec_from_file_location("cli_module", PROGRAM)
    loaded = importlib.util.module_from_spec(spec)
    spec.loader.exec_module(loaded)
    return loaded


# ---- the description ---------------------------------------------------------------------------------------------------


def description() -> ElementTree.Element:
    return ElementTree.parse(PROGRAM.with_suffix(".xml")).getroot()


def described() -> dict[str, ElementTree.Element]:
    entries = [entry for group in description().findall("parameters") for entry in group if entry.tag not in ("label", "description")]
    found = {entry.findtext("name"): entry for entry in entries}
    assert len(found) == len(entries)
    return found


def test_the_description_keeps_to_the_schema() -> None:
    root = description()
    assert root.tag == "executable"
    assert [part.tag for part in root][: len(HEAD)] == HEAD
    assert {part.tag for part in root[len(HEAD) :]} == {"parameters"}
    assert all((root.findtext(name) or "").strip() for name in HEAD)
    for group in root.findall("parameters"):
        assert set(group.attrib) <= {"advanced"}
        assert [part.tag for part in group][:2] == ["label", "description"]
    for name, entry in described().items():
        assert re.fullmatch("[a-zA-Z_]+", name)
        assert entry.tag in KINDS
        assert {part.tag for part in entry} <= PARTS
        assert {"name", "description", "label"} <= {part.tag for part in entry}
        assert set(entry.attrib) <= ATTRIBUTES.get(entry.tag, set())
        assert (entry.find("index") is None) != (entry.find("longflag") is None)
        if entry.tag in ("image", "directory"):
            assert entry.findtext("channel") in ("input", "output")
        if entry.tag in NUMBERS:
            NUMBERS[entry.tag](entry.findtext("default"))
        if entry.tag == "string-enumeration":
            assert entry.findtext("default") in [element.text for element in entry.findall("element")]


def test_the_program_takes_what_is_described(program: ModuleType) -> None:
    parser, entries = program.make_parser(), described()
    actions = {action.dest: action for action in parser._actions if not isinstance(action, argparse._HelpAction)}
    assert set(entries) == set(actions)
    places = {entry.findtext("index"): name for name, entry in entries.items() if entry.find("index") is not None}
    assert [places[str(i)] for i in range(2)] == [name for name, action in actions.items() if not action.option_strings]
    for name, entry in entries.items():
        if entry.find("longflag") is not None:
            assert actions[name].option_strings == [f"--{entry.findtext('longflag')}"]
            assert str(actions[name].default) == (entry.findtext("default") or "")
    choices = {name: [element.text for element in entries[name].findall("element")] for name in ("method", "backend")}
    assert choices == {"method": list(BUILT_IN), "backend": list(backend_names())}
    for name, words in choices.items():
        for word in words:
            assert f"--{name} {word} " in " ".join(program.words([f"--{name}", word, "S", "v.nrrd"]))


def test_slicer_takes_it_for_a_command_line_module() -> None:
    assert PROGRAM.read_text().splitlines()[0] == "#!/usr/bin/env python-real"


# ---- from Slicer's words to ours ---------------------------------------------------------------------------------------


@pytest.mark.parametrize(
    ("given", "made"),
    [
        ([], []),
        (["--region", "", "--minimum", "0,0,0", "--maximum", "0,0,0", "--spacing", "0", "--parameters", ""], []),
        (["--region", "-10,0,5,2,3,-4"], ["--min", "-12.0", "-3.0", "1.0", "--max", "-8.0", "3.0", "9.0"]),
        (["--minimum", "-1,-2,-3", "--maximum=4,5,6"], ["--min", "-1.0", "-2.0", "-3.0", "--max", "4.0", "5.0", "6.0"]),
        (["--parameters", "a=1; b=x y;\n c=-2;"], ["--parameter", "a=1", "--parameter", "b=x y", "--parameter", "c=-2"]),
        (["--spacing", "0.5"], ["--spacing", "0.5"]),
        (["--firstview", "3", "--lastview", "0"], ["--views=3:"]),
        (["--lastview", "-5"], ["--views=:-5"]),
        (["--recorded", "900", "--firstview", "3"], ["--recorded", "900", "--views=3:"]),
    ],
)
def test_arguments(program: ModuleType, given: list[str], made: list[str]) -> None:
    head = ["reconstruct", "S", "--output", "v.nrrd", "--method", "fbp", "--backend", "auto", "--filter-tags"]
    assert program.words([*given, "S", "v.nrrd"]) == [*head, *made]


@pytest.mark.parametrize(("option", "value", "count"), [("region", "1,2,3", 6), ("firstview", "nan", 1), ("spacing", "inf", 1)])
def test_numbers_that_are_none(program: ModuleType, capsys: pytest.CaptureFixture[str], option: str, value: str, count: int) -> None:
    with pytest.raises(SystemExit) as ended:
        program.words([f"--{option}", value, "S", "v.nrrd"])
    assert ended.value.code == 2
    assert f"--{option}: expected {count} numbers with commas between them; found '{value}'" in capsys.readouterr().err


# ---- as a subprocess ---------------------------------------------------------------------------------------------------


def command(*arguments: object) -> list[str]:
    return [sys.executable, str(PROGRAM), *map(str, arguments)]


def environment() -> dict[str, str]:
    """Without the library on the path: the program finds it beside its folder."""
    return {**os.environ, "PYTHONPATH": "", "PYTHONSAFEPATH": "1"}


def test_a_run(sample: Path, tmp_path: Path) -> None:
    target = tmp_path / "volume.nrrd"
    options = [
        "--method",
        "landweber",
        "--parameters",
        "iterations=2",
        "--region",
        "-5,0,270,20,20,8",
        "--spacing",
        "8",
        "--firstview",
        "2",
    ]
    done = subprocess.run(command(*options, sample, target), capture_output=True, text=True, env=environment(), check=True)
    assert done.stderr == ""
    names = re.findall(
        r"<filter-start>\n<filter-name>(.+)</filter-name>\n<filter-comment>.+</filter-comment>\n</filter-start>", done.stdout
    )
    ends = re.findall(r"<filter-end>\n<filter-name>(.+)</filter-name>\n<filter-time>[0-9.]+</filter-time>\n</filter-end>", done.stdout)
    assert names == ends
    assert names[-2:] == ["Landweber", "write"]
    shares = [float(share) for share in re.findall(r"<filter-progress>([0-9.]+)</filter-progress>", done.stdout)]
    assert shares[-1] == 1.0
    assert all(0.0 <= share <= 1.0 for share in shares)
    volume = Volume.load(target)
    assert volume.grid.shape == (5, 5, 2)
    np.testing.assert_allclose(volume.grid.minimum, (-25.0, -20.0, 262.0))
    assert volume.provenance["parameters"]["iterations"] == 2
    assert volume.provenance["views"] == f"2:{open_scan(sample).geometry.views}"
    assert float(volume.array.max()) > 0.0
    assert [path.name for path in tmp_path.iterdir()] == ["volume.nrrd"]


@pytest.mark.parametrize(
    ("options", "text"),
    [
        (["--parameters", "knots=1"], "parameter knots: expected one of"),
        (["--method", "saw"], "--method: expected one of fbp"),
        (["--minimum", "5,0,0", "--maximum", "1,9,9"], "along x: expected a minimum below the maximum"),
    ],
)
def test_bad_input_is_one_line_and_status_2(sample: Path, tmp_path: Path, options: list[str], text: str) -> None:
    done = subprocess.run(command(*options, sample, tmp_path / "v.nrrd"), capture_output=True, text=True, env=environment(), check=False)
    assert (done.returncode, done.stderr.count("\n")) == (2, 1)
    assert text in done.stderr
    assert list(tmp_path.iterdir()) == []


@pytest.mark.skipif(os.name != "posix", reason="sends signals")
@pytest.mark.parametrize(("number", "status"), [(signal.SIGTERM, 130), (signal.SIGKILL, -9)])
def test_stopped_it_leaves_what_was_there(sample: Path, tmp_path: Path, number: int, status: int) -> None:
    target = tmp_path / "volume.nrrd"
    target.write_text("old")
    options = ["--method", "landweber", "--parameters", "iterations=100000"]
    with subprocess.Popen(
        command(*options, sample, target), stdout=subprocess.PIPE, stderr=subprocess.PIPE, text=True, env=environment()
    ) as child:
        while "<filter-name>Landweber" not in (line := child.stdout.readline()):
            assert line
        time.sleep(0.1)
        child.send_signal(number)
        _, errors = child.communicate(timeout=300)
    assert child.returncode == status
    assert errors == ("cancelled; nothing half-written was left behind\n" if status == 130 else "")
    assert [(path.name, path.read_text()) for path in tmp_path.iterdir()] == [("volume.nrrd", "old")]


def test_the_whole_sample_by_default(sample: Path, tmp_path: Path) -> None:
    subprocess.run(command(sample, tmp_path / "volume.nrrd"), capture_output=True, env=environment(), check=True)
    volume, grid = Volume.load(tmp_path / "volume.nrrd"), open_scan(sample).default_grid
    assert isinstance(grid, VolumeGrid)
    assert volume.grid.shape == grid.shape
    np.testing.assert_allclose(volume.grid.maximum, grid.maximum)
