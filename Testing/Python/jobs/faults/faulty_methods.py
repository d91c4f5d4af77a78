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


FAULTS = {f.__name__: f for f in (
    killed, crashed, exited, silent, garbage, no_disk, half_a_result, short_result, wrong_input, wrong_work, no_package, bug, no_memory,
    fails_at_exit,
)}  # fmt: skip


def run(problem: Problem, parameters: FaultyParameters) -> Result:
    problem.monitor.report("sawing", 0.5, iteration=3, residual=float("nan"))
    numbers = [os.getpid()]
    if parameters.how == "deaf":  # hears no cancel, and has a subprocess that hears none either
        numbers.append(subprocess.Popen([sys.executable, "-c", "import time; time.sleep(60)"]).pid)
    if parameters.note:
        Path(parameters.note).write_text(" ".join(map(str, numbers)))
    if parameters.how in FAULTS:
        FAULTS[parameters.how]()
    while parameters.how in ("slow", "deaf"):
        time.sleep(0.01)
        if parameters.how == "slow":
            problem.monitor.report("sawing", 0.5)
    shape = (1, 2, 3) if parameters.how == "wrong_shape" else problem.grid.shape
    return Result(np.full(shape, 0.25, dtype=np.float32), {"numpy": np.float32(0.5), "array": np.arange(2)})


FAULTY = register(Method("faulty", "Faulty", "Goes wrong.", "1/mm", FaultyParameters, run))
