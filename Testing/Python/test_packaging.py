"""The extension as Slicer sees it: CMake files, catalogue entries, the package, and what the module file imports."""

from __future__ import annotations

import ast
import json
import re
import shutil
import struct
import subprocess
import sys
import tarfile
import tomllib
from pathlib import Path

import pytest

ROOT = Path(__file__).parents[2]
LIBRARY = ROOT / "MITOReconstructionLib"
MODULE = ROOT / "MITOReconstruction"
INSTALLED = "lib/Slicer-5.13/qt-scripted-modules"
PROGRAMS = "lib/Slicer-5.13/cli-modules"
CLI = {"MITOReconstructionCLI.py", "MITOReconstructionCLI.xml"}

CATALOGUE_KEYS = {
    "$schema", "category", "scm_url", "scm_revision", "scm_type", "build_dependencies", "build_subdirectory", "enabled", "tier",
    "dicom_support_rule",
}  # fmt: skip
S4EXT_KEYS = {
    "scm", "scmurl", "scmrevision", "depends", "recommends", "build_subdirectory", "homepage", "contributors", "category", "iconurl",
    "status", "tier", "description", "screenshoturls", "enabled",
}  # fmt: skip


def cmake_settings() -> dict[str, str]:
    text = (ROOT / "CMakeLists.txt").read_text()
    settings = dict(re.findall(r'^set\(EXTENSION_(\w+) "?([^"]*?)"?\)', text, re.MULTILINE))
    settings["NAME"] = re.search(r"^project\((\w+)", text, re.MULTILINE)[1]
    return settings


def s4ext() -> dict[str, str]:
    lines = (ROOT / "MITOReconstruction.s4ext").read_text().splitlines()
    pairs = [line.split(" ", 1) for line in lines if line and not line.startswith("#")]
    assert len({key for key, _ in pairs}) == len(pairs)
    return dict(pairs)


def catalogue() -> dict:
    return json.loads((ROOT / "MITOReconstruction.json").read_text())


def listed_scripts(folder: Path, kind: str = "SCRIPTS") -> list[str]:
    block = re.search(rf"set\(MODULE_PYTHON_{kind}\s(.*?)\)", (folder / "CMakeLists.txt").read_text(), re.DOTALL)[1]
    return block.replace("${MODULE_NAME}", folder.name).split()


def own_files() -> list[Path]:
    names = subprocess.run(
        ["git", "ls-files", "--cached", "--others", "--exclude-standard", "-z"], cwd=ROOT, capture_output=True, check=False
    ).stdout.decode()
    return [ROOT / name for name in names.split("\0") if name and (ROOT / name).is_file()]


# ---- lists and catalogue -----------------------------------------------------------------------------------------


def test_every_file_of_the_library_is_packaged() -> None:
    listed = listed_scripts(LIBRARY)
    there = {path.relative_to(LIBRARY).as_posix() for path in LIBRARY.rglob("*") if path.is_file()}
    there = {name for name in there if "__pycache__" not in name}
    there -= {"CMakeLists.txt", *listed_scripts(LIBRARY, "RESOURCES")}
    missing, gone = sorted(there - set(listed)), sorted(set(listed) - there)
    assert not missing, "add to MITOReconstructionLib/CMakeLists.txt:\n  " + "\n  ".join(missing)
    assert not gone, "remove from MITOReconstructionLib/CMakeLists.txt:\n  " + "\n  ".join(gone)
    assert listed == sorted(listed), "keep MITOReconstructionLib/CMakeLists.txt sorted"


def test_every_package_of_the_library_has_an_init() -> None:
    folders = {path.parent for path in LIBRARY.rglob("*.py")}
    assert [folder for folder in folders if not (folder / "__init__.py").exists()] == []


def test_every_script_and_resource_of_the_module_is_packaged() -> None:
    text = (MODULE / "CMakeLists.txt").read_text().replace("${MODULE_NAME}", MODULE.name)
    for path in MODULE.rglob("*"):
        name = path.relative_to(MODULE).as_posix()
        if path.is_file() and "__pycache__" not in name and name != "CMakeLists.txt" and path.suffix != ".svg":
            assert re.search(rf"^\s*{re.escape(name)}$", text, re.MULTILINE), f"{name} is not listed in MITOReconstruction/CMakeLists.txt"


def test_the_module_folder_holds_one_module() -> None:
    # Slicer takes every .py directly in a module folder for a module
    assert [path.name for path in MODULE.glob("*.py")] == ["MITOReconstruction.py"]


def test_the_catalogue_entry_has_only_known_keys() -> None:
    entry = catalogue()
    assert set(entry) <= CATALOGUE_KEYS
    assert {"$schema", "category", "scm_url"} <= set(entry)
    assert entry["$schema"].endswith("/slicer-extension-catalog-entry-schema-v1.0.2.json#")
    assert entry["scm_url"].startswith("https://")
    assert entry["category"] == "Tomographic Reconstruction"
    assert entry["tier"] in (1, 3, 5)
    assert isinstance(entry["enabled"], bool)
    assert entry["build_dependencies"] == []


def test_the_s4ext_has_every_key_once() -> None:
    assert set(s4ext()) == S4EXT_KEYS


def test_the_three_descriptions_agree() -> None:
    cmake, old, entry = cmake_settings(), s4ext(), catalogue()
    assert cmake["NAME"] == "MITOReconstruction"
    assert (ROOT / f"{cmake['NAME']}.json").exists()
    assert (ROOT / f"{cmake['NAME']}.s4ext").exists()
    assert not cmake["NAME"].startswith("Slicer")
    pairs = {
        "homepage": "HOMEPAGE", "category": "CATEGORY", "contributors": "CONTRIBUTORS", "description": "DESCRIPTION",
        "iconurl": "ICONURL", "screenshoturls": "SCREENSHOTURLS", "depends": "DEPENDS", "status": "STATUS", "tier": "TIER",
        "enabled": "ENABLED",
    }  # fmt: skip
    assert {key: old[key] for key in pairs} == {key: cmake[name] for key, name in pairs.items()}
    assert (old["scm"], old["scmurl"], old["scmrevision"]) == (entry["scm_type"], entry["scm_url"], entry["scm_revision"])
    assert (old["category"], old["build_subdirectory"]) == (entry["category"], entry["build_subdirectory"])
    assert (int(old["tier"]), old["enabled"] == "1") == (entry["tier"], entry["enabled"])
    assert old["iconurl"].endswith("/MITOReconstruction/Resources/Icons/MITOReconstruction.png")


def test_the_icon_is_a_png_of_128_pixels() -> None:
    data = (MODULE / "Resources" / "Icons" / "MITOReconstruction.png").read_bytes()
    assert data[:8] == b"\x89PNG\r\n\x1a\n"
    assert struct.unpack(">II", data[16:24]) == (128, 128)


def test_requirements_are_those_of_the_package() -> None:
    wanted = (MODULE / "Resources" / "requirements.txt").read_text().split()
    package = tomllib.loads((ROOT / "pyproject.toml").read_text())["project"]["dependencies"]
    assert [entry for entry in package if not entry.startswith(("numpy", "scipy"))] == wanted  # Slicer brings these two
    assert all(re.fullmatch(r"[\w-]+>=[\d.]+", entry) for entry in wanted)


def test_text_files_end_their_lines_with_lf() -> None:
    files = own_files()
    assert len(files) > 20
    wrong = [path.relative_to(ROOT).as_posix() for path in files if b"\r\n" in path.read_bytes() and b"\0" not in path.read_bytes()]
    assert wrong == []


def test_the_sources_are_small_enough_for_the_catalogue() -> None:
    assert sum(path.stat().st_size for path in own_files()) < 100e6


# ---- the module file ---------------------------------------------------------------------------------------------


def file_scope_faults(source: str) -> list[str]:
    """What a module file must not have at file scope: foreign imports, and statements that run something."""
    allowed = set(sys.stdlib_module_names) | {"slicer", "vtk", "qt", "ctk", "numpy", "SimpleITK", "scipy"}
    faults = []
    for node in ast.parse(source).body:
        if isinstance(node, (ast.Import, ast.ImportFrom)):
            names = [node.module or ""] if isinstance(node, ast.ImportFrom) else [alias.name for alias in node.names]
            faults += [f"line {node.lineno}: imports {name}" for name in names if name.split(".")[0] not in allowed]
        elif isinstance(node, (ast.Assign, ast.AnnAssign)):
            if any(isinstance(part, ast.Call) for part in ast.walk(node)):
                faults.append(f"line {node.lineno}: calls something")
        elif not isinstance(node, (ast.ClassDef, ast.FunctionDef)) and not (
            isinstance(node, ast.Expr) and isinstance(node.value, ast.Constant)
        ):
            faults.append(f"line {node.lineno}: {type(node).__name__}")
    return faults


def test_the_module_file_runs_nothing_at_file_scope() -> None:
    assert file_scope_faults((MODULE / "MITOReconstruction.py").read_text()) == []


@pytest.mark.parametrize(
    "source", ["import numba", "from odl import tomo", "x = f()", "f()", "for i in []: pass", "import MITOReconstructionLib", "if x: y = 1"]
)
def test_that_check_can_fail(source: str) -> None:
    assert len(file_scope_faults(source)) == 1


def test_the_module_file_is_no_command_line_module() -> None:
    assert not (MODULE / "MITOReconstruction.py").read_text().startswith("#!")


# ---- configure, build, install, package --------------------------------------------------------------------------

needs_cmake = pytest.mark.skipif(shutil.which("cmake") is None, reason="needs cmake")


def cmake(*arguments: object, fails: bool = False) -> str:
    result = subprocess.run(["cmake", *map(str, arguments)], capture_output=True, text=True, check=False)
    assert (result.returncode != 0) == fails, result.stdout + result.stderr
    return result.stdout + result.stderr


@pytest.fixture(scope="module")
def built(tmp_path_factory: pytest.TempPathFactory) -> Path:
    build = tmp_path_factory.mktemp("build")
    cmake("-S", ROOT, "-B", build, f"-DSlicer_DIR={ROOT / 'Testing' / 'CMake'}", "-DBUILD_TESTING=ON")
    cmake("--build", build)
    return build


def library_files() -> set[str]:
    return {path.relative_to(ROOT).as_posix() for kind in ("*.py", "*.cu") for path in LIBRARY.rglob(kind)}


def test_pip_installs_every_file_of_the_library() -> None:
    tool = tomllib.loads((ROOT / "pyproject.toml").read_text())["tool"]["setuptools"]["package-data"]
    data = {path for package, kinds in tool.items() for kind in kinds for path in (ROOT / package.replace(".", "/")).glob(kind)}
    assert data == {LIBRARY / name for name in listed_scripts(LIBRARY, "RESOURCES")}


def expected_files() -> set[str]:
    module = {"MITOReconstruction.py", "Resources/requirements.txt", "Resources/Icons/MITOReconstruction.png"}
    return module | library_files()


@needs_cmake
def test_the_build_tree_can_be_imported(built: Path) -> None:
    modules = built / INSTALLED
    assert {path.relative_to(modules).as_posix() for path in modules.rglob("*") if path.is_file()} == expected_files()
    assert {path.name for path in (built / PROGRAMS).iterdir()} == CLI
    program = "import MITOReconstructionLib, MITOReconstructionLib.export; print(MITOReconstructionLib.__file__)"
    result = subprocess.run(
        [sys.executable, "-B", "-P", "-c", program], cwd=modules, env={"PYTHONPATH": str(modules)}, capture_output=True, text=True
    )
    assert result.stdout.strip() == str(modules / "MITOReconstructionLib" / "__init__.py"), result.stderr


@needs_cmake
def test_install_and_package_hold_every_file(built: Path, tmp_path: Path) -> None:
    cmake("--install", built, "--prefix", tmp_path / "installed")
    folder = tmp_path / "installed" / INSTALLED
    assert {path.relative_to(folder).as_posix() for path in folder.rglob("*") if path.is_file()} == expected_files()
    assert {path.name for path in (tmp_path / "installed" / PROGRAMS).iterdir()} == CLI
    assert (tmp_path / "installed" / PROGRAMS / "MITOReconstructionCLI.py").stat().st_mode & 0o111
    cmake("--build", built, "--target", "package")
    with tarfile.open(built / "MITOReconstruction.tar.gz") as package:
        packed = [name for name in package.getnames() if not package.getmember(name).isdir()]
    names = {name.partition(f"{INSTALLED}/")[2] for name in packed}
    assert names - {""} == expected_files()
    assert {name.rpartition("/")[2] for name in packed if INSTALLED not in name} == CLI
    assert (built / "MITOReconstruction.tar.gz").stat().st_size < 100e6


@needs_cmake
def test_the_tests_that_run_in_slicer_are_registered(built: Path) -> None:
    listing = subprocess.run(["ctest", "-N", "-V"], cwd=built, capture_output=True, text=True, check=True).stdout
    assert "py_nomainwindow_MITOReconstructionSelfTest" in listing
    assert "slicer.testing.runUnitTest" in listing
    assert "--no-main-window" in listing


@needs_cmake
@pytest.mark.parametrize(
    ("name", "old", "new", "text"),
    [
        ("MITOReconstructionLib/CMakeLists.txt", "  errors.py\n", "  errors.py\n  nowhere.py\n", "there is no file 'nowhere.py'"),
        ("MITOReconstructionLib/CMakeLists.txt", "  NAME M", "  NAMES M", "unknown arguments NAMES;MITOReconstructionLib"),
        ("MITOReconstructionLib/CMakeLists.txt", "  errors.py\n", "  errors.py\n  errors.py\n", "'errors.py' is listed twice"),
        ("MITOReconstructionCLI/CMakeLists.txt", "CLI)", "CLIs)", "there is no file 'MITOReconstructionCLIs.py'"),
        ("CMakeLists.txt", "EXTENSION_HOMEPAGE", "EXTENSION_HOMEPAG", "EXTENSION_HOMEPAGE is not set"),
        ("Testing/Python/CMakeLists.txt", "SelfTest.py", "NoTest.py", "there is no file 'MITOReconstructionNoTest.py'"),
    ],
)
def test_the_stand_in_rejects_faults(tmp_path: Path, name: str, old: str, new: str, text: str) -> None:
    source = tmp_path / "source"
    for path in own_files():
        copy = source / path.relative_to(ROOT)
        copy.parent.mkdir(parents=True, exist_ok=True)
        shutil.copy(path, copy)
    changed = (source / name).read_text().replace(old, new)
    assert changed != (source / name).read_text()
    (source / name).write_text(changed)
    output = cmake("-S", source, "-B", tmp_path / "build", f"-DSlicer_DIR={source / 'Testing' / 'CMake'}", "-DBUILD_TESTING=ON", fails=True)
    assert text in " ".join(output.split())
