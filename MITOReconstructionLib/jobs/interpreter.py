"""Which Python runs a subprocess, and how it finds what this process has imported."""

from __future__ import annotations

import os
import shutil
import sys
import sysconfig
from pathlib import Path

from MITOReconstructionLib.errors import InputError

__all__ = ["VARIABLE", "child_environment", "interpreter"]

VARIABLE = "MITO_PYTHON"
"""Names the interpreter, where it is not to be looked for."""

LAUNCHER = "PythonSlicer"


def interpreter() -> str:
    """The Python interpreter for a subprocess.

    The environment variable MITO_PYTHON where it is set; else ``sys.executable`` where its name contains 'python'; else,
    within Slicer, where it does not, PythonSlicer: beside it, in the folder that SLICER_HOME names, or on the PATH.

    Raises
    ------
    InputError
        When there is none.
    """
    if named := os.environ.get(VARIABLE):
        return named
    here = Path(sys.executable or os.curdir)
    if "python" in here.name.lower():
        return str(here)
    folders = [here.parent, here.parent.parent / "bin"]
    if home := os.environ.get("SLICER_HOME"):
        folders += [Path(home) / "bin", Path(home)]
    for folder in folders:
        for name in (LAUNCHER, f"{LAUNCHER}.exe"):
            if (folder / name).is_file():
                return str(folder / name)
    if found := shutil.which(LAUNCHER):
        return found
    raise InputError(
        "interpreter",
        expected=f"Python, or {LAUNCHER} in {' or '.join(map(str, folders))}",
        found=str(sys.executable or "nothing"),
        remedy=f"Name the Python interpreter in the environment variable {VARIABLE}, or run the method in this process.",
    )


def child_environment() -> dict[str, str]:
    """Environment variables for a subprocess that imports this library and what this process can import."""
    library = Path(__file__).resolve().parents[2]
    paths = [str(Path(entry or os.curdir).absolute()) for entry in sys.path if not _comes_with_python(entry)]
    if str(library) not in paths:
        paths.append(str(library))
    return {
        **os.environ,
        "PYTHONPATH": os.pathsep.join(dict.fromkeys(paths)),
        "PYTHONSAFEPATH": "1",  # not the working folder too
        "PYTHONFAULTHANDLER": "1",  # a crash says where
        "PYTHONIOENCODING": "utf-8",
    }


def _comes_with_python(entry: str) -> bool:
    """Whether a folder holds Python's own library, which another interpreter brings along itself."""
    own = {sysconfig.get_path("stdlib"), sysconfig.get_path("platstdlib")}
    return entry in own or Path(entry).name in {"lib-dynload", "DLLs"} or entry.endswith(".zip")
