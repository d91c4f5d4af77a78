"""The rules of the house, read from the sources: who imports whom, and what the library never does."""

from __future__ import annotations

import ast
import sys
import tomllib
from collections.abc import Iterator
from fnmatch import fnmatch
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LIBRARY = ROOT / "MITOReconstructionLib"
NAME = "MITOReconstructionLib"
LONGEST = 450

GROUND = {"compiled", "errors", "extensions", "files", "monitor", "parallel", "version"}
ORDER = ["geometry", "scan", "projectors", "wfbp", "methods", "jobs", "live", "scene", "session", "panels"]
"""Each imports only those before it; wfbp holds the kernels of a method."""
MAY_IMPORT = {name: GROUND | set(ORDER[: n + 1]) for n, name in enumerate(ORDER)}
for above in ORDER[ORDER.index("jobs") :]:
    MAY_IMPORT[above].add("export")
MAY_IMPORT["export"] = GROUND | {"geometry", "scan", "export"}
MAY_IMPORT |= dict.fromkeys(GROUND, GROUND)
MAY_IMPORT["simd"] = set()
for above in ORDER[ORDER.index("projectors") :]:
    MAY_IMPORT[above].add("simd")
ABOVE_ALL = {"__init__", "__main__", "commands"}
"""The public face and the command line may import everything."""

OUTSIDE = {
    "slicer": {"scene", "session", "panels"},
    "vtk": {"scene", "panels"},
    "vtkmodules": {"scene", "panels"},
    "qt": {"panels"},
    "ctk": {"panels"},
    "SampleData": {"panels"},
}
IN_PROJECTORS = {"odl", "astra", "cupy"}
"""Packages that only a file of projectors/ imports whose name says so, as in projectors/odl_operator.py."""

ONLY_IN = {"distributed": "jobs/cluster"}
"""Packages that only the files whose path begins so import."""

DEPENDENCIES = {
    "nrrd" if entry.startswith("pynrrd") else entry.partition(">")[0]
    for entry in tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
}
LANES_FILES = "*/*lanes.py"
"""The files that import simd.py, and with it llvmlite, which numba is built on and brings along."""

THIRD_PARTY = {part: {"numpy"} for part in (*GROUND, "geometry")} | {"export": {"numpy", "nrrd"}, "simd": {"numba"}}
"""What these parts import from elsewhere; every other part what the package depends on, but for nrrd."""


def part_of(path: str) -> str:
    """The part of the library that a file belongs to: its folder, or its own name at the top."""
    first, _, rest = path.partition("/")
    return first if rest else first.removesuffix(".py")


def imports(tree: ast.AST, path: str) -> Iterator[tuple[int, str]]:
    """Line and dotted name of everything imported, also inside of functions; relative imports made absolute."""
    package = [NAME, *Path(path).parts[:-1]]
    for node in ast.walk(tree):
        if isinstance(node, ast.Import):
            yield from ((node.lineno, alias.name) for alias in node.names)
        elif isinstance(node, ast.ImportFrom):
            base = ".".join(package[: len(package) - node.level + 1]) + "." if node.level else ""
            module = (base + (node.module or "")).rstrip(".")
            yield from ((node.lineno, f"{module}.{alias.name}") for alias in node.names)
        elif isinstance(node, ast.Call) and ast.unparse(node.func).endswith(("import_module", "__import__")):
            yield from ((node.lineno, str(name.value)) for name in node.args[:1] if isinstance(name, ast.Constant))


def import_faults(tree: ast.AST, path: str) -> Iterator[str]:
    part = part_of(path)
    for line, name in imports(tree, path):
        top, _, rest = name.partition(".")
        target = rest.partition(".")[0] if top == NAME else ""
        if target == "simd" and not fnmatch(path, LANES_FILES):
            yield f"{path}:{line}: imports simd, which only {LANES_FILES} does"
        elif top == NAME and part not in ABOVE_ALL:
            if target not in MAY_IMPORT.get(part, set()):
                yield f"{path}:{line}: {part} imports {target or 'the public face'}"
        elif part not in OUTSIDE.get(top, {part}):
            yield f"{path}:{line}: {part} imports {top}"
        elif top == "llvmlite":
            if path != "simd.py" and not fnmatch(path, LANES_FILES):
                yield f"{path}:{line}: imports llvmlite, which only simd.py and {LANES_FILES} do"
        elif top in IN_PROJECTORS and not (part == "projectors" and top in Path(path).stem):
            yield f"{path}:{line}: imports {top}, which only projectors/*{top}*.py does"
        elif top in ONLY_IN and not path.startswith(ONLY_IN[top]):
            yield f"{path}:{line}: imports {top}, which only {ONLY_IN[top]}*.py does"
        elif top not in {
            NAME,
            *OUTSIDE,
            *IN_PROJECTORS,
            *ONLY_IN,
            *sys.stdlib_module_names,
            *THIRD_PARTY.get(part, DEPENDENCIES - {"nrrd"}),
        }:
            yield f"{path}:{line}: {part} imports {top}"


def habit_faults(tree: ast.AST, path: str) -> Iterator[str]:
    for node in ast.walk(tree):
        if isinstance(node, ast.Assert):
            yield f"{path}:{node.lineno}: assert"
        elif isinstance(node, ast.ExceptHandler) and node.type is None:
            yield f"{path}:{node.lineno}: bare except"
        elif isinstance(node, ast.Call) and isinstance(node.func, ast.Name) and node.func.id == "print":
            yield f"{path}:{node.lineno}: print"
        elif isinstance(node, ast.ImportFrom) and any(alias.name == "*" for alias in node.names):
            yield f"{path}:{node.lineno}: import of *"


def docstring_faults(tree: ast.Module, path: str) -> Iterator[str]:
    if ast.get_docstring(tree) is None:
        yield f"{path}:1: no module docstring"
    bodies: list[tuple[str, list[ast.stmt]]] = [("", tree.body)]
    while bodies:
        prefix, body = bodies.pop()
        for node in body:
            if not isinstance(node, (ast.FunctionDef, ast.AsyncFunctionDef, ast.ClassDef)) or node.name.startswith("_"):
                continue
            overridden = any(ast.unparse(d).endswith((".setter", "overload")) for d in node.decorator_list)
            if ast.get_docstring(node) is None and not overridden:
                yield f"{path}:{node.lineno}: {prefix}{node.name} has no docstring"
            if isinstance(node, ast.ClassDef):
                bodies.append((f"{prefix}{node.name}.", node.body))


def faults(source: str, path: str) -> list[str]:
    """Everything that a source of the library at ``path`` (relative to the library) does against the rules."""
    tree = ast.parse(source)
    found = [*import_faults(tree, path), *habit_faults(tree, path), *docstring_faults(tree, path)]
    lines = source.count("\n")
    if lines > LONGEST:
        found.append(f"{path}: {lines} lines, more than {LONGEST}")
    if part_of(path) not in set(MAY_IMPORT) | ABOVE_ALL:
        found.append(f"{path}: {part_of(path)} has no place in the order of the layers")
    return found


FILES = sorted(path.relative_to(LIBRARY).as_posix() for path in LIBRARY.rglob("*.py"))


@pytest.mark.parametrize("path", FILES)
def test_the_library_keeps_the_rules(path: str) -> None:
    found = faults((LIBRARY / path).read_text(encoding="utf-8"), path)
    assert not found, "\n".join(found)


@pytest.mark.parametrize(
    ("path", "source", "fault"),
    [
        ("geometry/a.py", "from MITOReconstructionLib.scan import Scan", "geometry imports scan"),
        ("geometry/a.py", "from ..scan.dataset import Scan", "geometry imports scan"),
        ("geometry/a.py", "from .. import scan", "geometry imports scan"),
        ("geometry/a.py", "import MITOReconstructionLib", "geometry imports the public face"),
        ("errors.py", "from MITOReconstructionLib.geometry import VolumeGrid", "errors imports geometry"),
        ("scan/a.py", "def _f():\n    from MITOReconstructionLib.jobs import run", "scan imports jobs"),
        ("scan/a.py", "import importlib\nimportlib.import_module('MITOReconstructionLib.jobs')", "scan imports jobs"),
        ("methods/a.py", "from MITOReconstructionLib.export import save_volume", "methods imports export"),
        ("export/a.py", "from MITOReconstructionLib.projectors import x", "export imports projectors"),
        ("jobs/a.py", "import slicer", "jobs imports slicer"),
        ("live/a.py", "from vtkmodules.util import numpy_support", "live imports vtkmodules"),
        ("scene/a.py", "import qt", "scene imports qt"),
        ("session/a.py", "import qt", "session imports qt"),
        ("session/a.py", "from MITOReconstructionLib.panels.panel import Panel", "session imports panels"),
        ("methods/odl.py", "import odl", "imports odl, which only projectors/*odl*.py does"),
        ("projectors/cpu.py", "import astra", "imports astra, which only projectors/*astra*.py does"),
        ("jobs/job.py", "import distributed", "imports distributed, which only jobs/cluster*.py does"),
        ("scan/cluster.py", "from distributed import Client", "imports distributed, which only jobs/cluster*.py does"),
        ("wfbp/gpu.py", "def _f():\n    import cupy", "imports cupy, which only projectors/*cupy*.py does"),
        ("geometry/a.py", "import numba", "geometry imports numba"),
        ("wfbp/a.py", "from llvmlite import ir", "imports llvmlite, which only simd.py and */*lanes.py do"),
        ("wfbp/a.py", "from MITOReconstructionLib.simd import splat", "imports simd, which only */*lanes.py does"),
        ("commands/a.py", "from MITOReconstructionLib import simd", "imports simd, which only */*lanes.py does"),
        ("scan/lanes.py", "from MITOReconstructionLib.simd import splat", "scan imports simd"),
        ("simd.py", "from MITOReconstructionLib.errors import WorkError", "simd imports errors"),
        ("simd.py", "import numpy", "simd imports numpy"),
        ("jobs/a.py", "import nrrd", "jobs imports nrrd"),
        ("methods/a.py", "import torch", "methods imports torch"),
        ("scan/a.py", "x = 1\nassert x", "assert"),
        ("scan/a.py", "try:\n    pass\nexcept:\n    raise", "bare except"),
        ("scan/a.py", "print(1)", "print"),
        ("scan/a.py", "from numpy import *", "import of *"),
        ("scan/a.py", "def f():\n    pass", "f has no docstring"),
        ("scan/a.py", "class C:\n    'c'\n    def m(self):\n        pass", "C.m has no docstring"),
        ("scan/a.py", "\n" * 451, "451 lines, more than 450"),
        ("elsewhere/a.py", "", "elsewhere has no place in the order of the layers"),
    ],
)
def test_each_rule_can_be_broken(path: str, source: str, fault: str) -> None:
    found = faults(f'"""A file."""\n{source}', path) if not source.startswith("\n") else faults('"""A file."""' + source, path)
    assert len(found) == 1, found
    assert found[0].endswith(fault)


def test_a_file_without_a_docstring_is_a_fault() -> None:
    assert faults("x = 1\n", "scan/a.py") == ["scan/a.py:1: no module docstring"]


@pytest.mark.parametrize(
    ("path", "source"),
    [
        ("scan/a.py", "from MITOReconstructionLib.geometry import VolumeGrid\nfrom . import b\nfrom .b import c"),
        ("jobs/a.py", "from MITOReconstructionLib.export import save_volume\nfrom MITOReconstructionLib.errors import WorkError"),
        ("export/a.py", "from MITOReconstructionLib.geometry import VolumeGrid\nimport nrrd"),
        ("projectors/odl_operator.py", "import odl"),
        ("projectors/astra_backend.py", "import astra"),
        ("jobs/cluster_tasks.py", "from distributed import get_worker"),
        ("projectors/cupy_gpu.py", "import cupy"),
        ("simd.py", "import numba\nfrom llvmlite import ir"),
        ("projectors/cpu_lanes.py", "from llvmlite import ir\nfrom MITOReconstructionLib.simd import splat"),
        ("scene/a.py", "import slicer\nimport vtk\nfrom MITOReconstructionLib.live import x"),
        ("panels/a.py", "import qt\nimport ctk\nimport slicer"),
        ("__init__.py", "from MITOReconstructionLib.scene import show"),
        ("scan/a.py", "def _private():\n    pass\n\nclass C:\n    'c'\n    def __len__(self):\n        return 1"),
    ],
)
def test_what_is_allowed_is_no_fault(path: str, source: str) -> None:
    assert faults(f'"""A file."""\n{source}\n', path) == []


def test_there_is_something_to_check() -> None:
    assert len(FILES) > 10
