"""Compiled kernels that were made before a function that they call was changed are not used."""

from __future__ import annotations

import os
import re
import subprocess
import sys
import time
from pathlib import Path

import MITOReconstructionLib
from MITOReconstructionLib import compiled
from MITOReconstructionLib.compiled import drop_outdated

KERNEL = """
import numba
from {name}.wfbp.called import value

@numba.njit(cache=True)
def kernel():
    return value()
"""

CALLED = """
import numba

@numba.njit
def value():
    return {value}
"""


def library(folder: Path, name: str) -> Path:
    """A package with one kernel, which calls a function of another file."""
    (folder / name / "wfbp").mkdir(parents=True)
    for package in (folder / name, folder / name / "wfbp"):
        (package / "__init__.py").touch()
    (folder / name / "wfbp" / "kernels.py").write_text(KERNEL.format(name=name))
    return folder / name


def run(package: Path, value: int) -> int:
    """What the kernel gives in a process of its own after the function that it calls was changed."""
    called = package / "wfbp" / "called.py"
    called.write_text(CALLED.format(value=value))
    code = f"""
from pathlib import Path
from MITOReconstructionLib.compiled import drop_outdated
drop_outdated(Path({str(package)!r}))
from {package.name}.wfbp.kernels import kernel
print(kernel())
"""
    environment = {key: value for key, value in os.environ.items() if key != "NUMBA_CACHE_DIR"}
    environment["PYTHONDONTWRITEBYTECODE"] = "1"  # called.py is written twice, maybe within the second that Python tells apart
    environment["PYTHONPATH"] = os.pathsep.join([str(package.parent), str(Path(__file__).parents[2])])
    done = subprocess.run([sys.executable, "-c", code], env=environment, capture_output=True, text=True, check=True)
    return int(done.stdout)


def test_a_kernel_is_compiled_anew_when_what_it_calls_has_changed(tmp_path: Path) -> None:
    package = library(tmp_path, "scanner")
    assert run(package, 1) == 1
    assert list((package / "wfbp" / "__pycache__").glob("*.nbi"))
    assert run(package, 2) == 2


def test_newer_ones_stay_and_dates_to_come_do_not_count(tmp_path: Path) -> None:
    package = library(tmp_path, "scanner")
    kept = package / "wfbp" / "__pycache__" / "kernels.kernel.nbi"
    kept.parent.mkdir()
    kept.touch()
    assert drop_outdated(package) == 0
    later = time.time() + 3600
    os.utime(package / "wfbp" / "kernels.py", (later, later))
    assert drop_outdated(package) == 0
    assert kept.exists()
    os.utime(kept, (1e9, 1e9))
    assert drop_outdated(package) == 1
    assert not kept.exists()


def test_what_kernels_call_in_other_files_is_watched() -> None:
    """A file that compiles functions is watched where another such file imports it, and has its kernels dropped."""
    name, folder = MITOReconstructionLib.__name__, Path(MITOReconstructionLib.__file__).parent
    sources = {path: path.read_text(encoding="utf-8") for path in folder.rglob("*.py")}
    compiling = {path for path, text in sources.items() if re.search(r"\bnjit\b|^from llvmlite", text, re.MULTILINE)}
    imported = {
        folder / f"{module.replace('.', '/')}.py"
        for path in compiling
        for module in re.findall(rf"^from {name}\.([\w.]+) import", sources[path], re.MULTILINE)
    }
    assert folder / "simd.py" in imported & compiling
    assert imported & compiling <= {path for pattern in compiled.CALLED for path in folder.glob(pattern)}
    assert {path.parent.name for path in compiling - {folder / "simd.py"}} == set(compiled.KERNELS)


def test_a_source_that_cannot_be_read_is_passed_over(tmp_path: Path) -> None:
    """As the link to nowhere that Emacs leaves beside a file which is being changed."""
    package = library(tmp_path, "scanner")
    (package / "wfbp" / ".#kernels.py").symlink_to(tmp_path / "nowhere")
    assert drop_outdated(package) == 0


def test_the_library_does_it_when_it_is_imported() -> None:
    folder = Path(MITOReconstructionLib.__file__).parent / "wfbp" / "__pycache__"
    folder.mkdir(exist_ok=True)
    outdated = folder / "of_a_test.nbi"
    outdated.touch()
    os.utime(outdated, (1e9, 1e9))
    try:
        subprocess.run([sys.executable, "-c", "import MITOReconstructionLib"], cwd=Path(__file__).parents[2], check=True)
        assert not outdated.exists()
    finally:
        outdated.unlink(missing_ok=True)
