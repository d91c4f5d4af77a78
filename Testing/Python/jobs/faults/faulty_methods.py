"""A method that goes wrong as it is told."""

from __future__ import annotations

import faulthandler
import os
import signal
import subprocess
import sys
import time
from dataclasses import dataclass
from pathlib import Path
from typing import BinaryIO

import numpy as np

from MITOReconstructionLib.errors import InputError, MissingPackageError, WorkError
from MITOReconstructionLib.methods import Method, Parameters, Problem, Result, parameter, register


@dataclass(frozen=True)
class FaultyParameters(Parameters):
    how: str = parameter("done", "What happens.")
    note: str = parameter("", "A file to write process numbers to.")


def killed() -> None:
    os.kill(os.getpid(), signal.SIGKILL)


def crashed() -> None:
    sys.stderr.write("about to crash\n")
    faulthandler._sigsegv()


def exited() -> None:
    sys.stderr.write("".join(f"line {n}\n" for n in range(3000)) + "the last line\n")
    sys.stderr.flush()
    os._exit(7)


def silent() -> None:
    os._exit(0)


def garbage() -> None:
    os.write(1, b"\xff\x00 not JSON\n" * 1000 + b'[1, 2]\n{"step": 3}\n' + b"x" * 3_000_000 + b"\n")


def no_disk() -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (4096, 4096))


def half_a_result() -> None:
    worker = sys.modules["__main__"]

    def write(path: Path, array: np.ndarray, monitor: object) -> None:
        path.write_bytes(array.tobytes()[: array.nbytes // 2])
        killed()

    worker._write = write  # type: ignore[attr-defined]


def short_result() -> None:
    worker = sys.modules["__main__"]
    worker._write = lambda path, array, monitor: path.write_bytes(array.tobytes()[:-4])  # type: ignore[attr-defined]


def wrong_input() -> None:
    raise InputError("the knot", expected="a round one", found="a square one", remedy="Take another tree.")


def wrong_work() -> None:
    raise WorkError("The saw is blunt.")


def no_package() -> None:
    raise MissingPackageError("saw", "Sawing", "pip install saw")


def bug() -> None:
    raise KeyError("bark")


def no_memory() -> None:
    raise MemoryError


def fails_at_exit() -> None:
    import atexit

    atexit.register(lambda: os._exit(9))


def killed_in_a_preview() -> None:
    from MITOReconstructionLib.jobs import preview

    def half(file: BinaryIO, array: np.ndarray) -> None:
        file.write(array.tobytes()[: array.nbytes // 2])
        file.flush()
        killed()

    preview._write_voxels = half


def no_disk_for_previews() -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (64, resource.RLIM_INFINITY))


def disk_again() -> None:
    import resource

    resource.setrlimit(resource.RLIMIT_FSIZE, (resource.RLIM_INFINITY, resource.RLIM_INFINITY))


def iterate(problem: Problem, how: str) -> None:
    """Shows a volume that holds the number of the iteration; without an end where it should not end."""
    volume = np.empty(problem.grid.shape, dtype=np.float32)
    number = 0
    while number < 40 or how == "shows_on":
        number += 1
        volume[...] = number
        problem.monitor.report("sawing", 0.5, iteration=number, residual=1.0 / number)
        problem.monitor.show(number, volume)
        time.sleep(0.005)
    if how == "no_disk_for_previews":
        disk_again()


FAULTS = {f.__name__: f for f in (
    killed, crashed, exited, silent, garbage, no_disk, half_a_result, short_result, wrong_input, wrong_work, no_package, bug, no_memory,
    fails_at_exit, killed_in_a_preview, no_disk_for_previews,
)}  # fmt: skip


def run(problem: Problem, parameters: FaultyParameters) -> Result:
    problem.monitor.report("sawing", 0.5, iteration=3, residual=float("nan"))
    numbers = [os.getpid()]
    if parameters.how == "deaf":  # hears no cancel, and has a subprocess that hears none either
        numbers.append(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(1000)"]).pid)
    if parameters.note:
        Path(parameters.note).write_text(" ".join(map(str, numbers)))
    if parameters.how in FAULTS:
        FAULTS[parameters.how]()
    if parameters.how in ("shows", "shows_on", "killed_in_a_preview", "no_disk_for_previews"):
        iterate(problem, parameters.how)
    while parameters.how in ("slow", "deaf"):
        time.sleep(0.01)
        if parameters.how == "slow":
            problem.monitor.report("sawing", 0.5)
    shape = (1, 2, 3) if parameters.how == "wrong_shape" else problem.grid.shape
    return Result(np.full(shape, 0.25, dtype=np.float32), {"numpy": np.float32(0.5), "array": np.arange(2)})


FAULTY = register(Method("faulty", "Faulty", "Goes wrong.", "1/mm", FaultyParameters, run))
