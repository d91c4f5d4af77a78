#!/usr/bin/env python3
"""Sets up everything in a virtual environment, then shows or tests this project.

    python3 run.py demo [--output FOLDER]     simulate a log scan, reconstruct it, show it
    python3 run.py test [pytest's arguments]  ruff, mypy and the whole test suite
    python3 run.py check                      ruff and mypy only

Needs Python 3.11 or later and nothing else. The environment is .venv beside this file, or the folder that the
environment variable MITO_VENV names; it is made once and made anew when constraints.txt or pyproject.toml change.
"""

import hashlib
import json
import os
import subprocess
import sys
import time
import venv
from pathlib import Path

OLDEST = (3, 11)
ROOT = Path(__file__).resolve().parent
LOCK = "mito-lock.json"
INTERRUPTED = 130
MOST_PROCESSES = 4  # of the tests; each takes up to 2 GB
EXTRAS = {"demo": "scene", "test": "test", "check": "test"}
CHECKS = {"ruff check": ["ruff", "check"], "ruff format": ["ruff", "format", "--check"], "mypy": ["mypy"]}


def main(words):
    """Run one command and return its exit status."""
    if sys.version_info < OLDEST:
        found = ".".join(str(part) for part in sys.version_info[:3])
        return fail(f"Python 3.11 or later is needed; this is {found} ({sys.executable}). Try: python3.11 run.py {' '.join(words)}")
    if not words or words[0] not in EXTRAS:
        print(__doc__)
        return 0 if words[:1] in (["-h"], ["--help"]) else 2
    command, rest = words[0], words[1:]
    try:
        python = prepare(EXTRAS[command])
        if command == "demo":
            return demo(python, rest)
        return test(python, CHECKS if command == "check" else {**CHECKS, "pytest": ["pytest", *(rest or shared_out())]})
    except Trouble as trouble:
        return fail(str(trouble))
    except KeyboardInterrupt:
        return INTERRUPTED


class Trouble(Exception):
    """Something that a person can put right; the text says how."""


def fail(text):
    """Say what is wrong."""
    print("error: " + text, file=sys.stderr)
    return 2


# ---- the commands -----------------------------------------------------------------------------------------------------


def demo(python, rest):
    """Run the demo; its own last lines say where everything is."""
    status = call([python, "-m", "MITOReconstructionLib", "demo", *rest])
    if status == 0:
        say("Open scene.mrb in 3D Slicer, or look at scene.png.")
    return status


def test(python, steps):
    """Check style and types, then run the tests; everything runs, even when an earlier part fails."""
    failed = []
    for name, words in steps.items():
        say(name)
        path = os.pathsep.join([str(python.parent), os.environ.get("PATH", "")])  # for cmake, which is a package too
        status = call([python, "-m", *words], cwd=str(ROOT), env={**os.environ, "PATH": path})
        if status == INTERRUPTED:
            return status
        if status != 0:
            failed.append(name)
    if failed:
        print("failed: " + ", ".join(failed), file=sys.stderr)
    return 1 if failed else 0


def shared_out():
    """What tells pytest to run the whole suite in several processes, a file of tests in one of them."""
    cores = len(os.sched_getaffinity(0)) if hasattr(os, "sched_getaffinity") else os.cpu_count() or 1
    processes = min(cores, MOST_PROCESSES)
    return ["-n", str(processes), "--dist", "loadfile", "--no-loadscope-reorder"] if processes > 1 else []


def call(words, **keywords):
    """Run a program to its end, also after Ctrl-C, which it gets itself; return its exit status."""
    sys.stdout.flush()
    process = subprocess.Popen([str(word) for word in words], **keywords)
    interrupted = False
    while True:
        try:
            status = process.wait()
            return INTERRUPTED if interrupted else status
        except KeyboardInterrupt:
            interrupted = True


def say(text):
    """Say what happens next."""
    print("== " + text, flush=True)


# ---- the environment -------------------------------------------------------------------------------------------------


def prepare(extra):
    """Make the virtual environment, or find it as it should be; return its Python."""
    folder = Path(os.environ.get("MITO_VENV") or ROOT / ".venv").resolve()
    python = folder / ("Scripts/python.exe" if os.name == "nt" else "bin/python")
    wanted, lock = fingerprint(), read_lock(folder)
    if lock.get("key") == wanted and extra in covered(lock.get("extra")) and runs(python):
        return python
    started = time.monotonic()
    if not (python.exists() and runs(python)) or (lock and lock.get("python") != list(sys.version_info[:3])):
        make_environment(folder, bool(lock))
    extra = "test" if lock.get("extra") == "test" else extra
    say(f"installing into {folder}, once (about 1.4 GB of disk; a minute or two)")
    write_lock(folder, key="incomplete", extra=None)
    install(python, extra)
    write_lock(folder, key=wanted, extra=extra)
    say(f"installed in {time.monotonic() - started:.0f} s")
    return python


def covered(extra):
    """The extras that an environment made for one serves."""
    return {"test": ("test", "scene"), "scene": ("scene",)}.get(extra, ())


def runs(python):
    """Whether this is a Python that works and is recent enough."""
    program = "import sys; raise SystemExit(sys.version_info < (3, 11))"
    try:
        return subprocess.call([str(python), "-c", program], stdout=subprocess.DEVNULL, stderr=subprocess.DEVNULL) == 0
    except OSError:
        return False


def make_environment(folder, ours):
    """Make a virtual environment; a folder that holds something else is left alone."""
    if folder.exists() and not ours and not (folder / "pyvenv.cfg").exists() and any(folder.iterdir()):
        raise Trouble(f"{folder} is there already and no virtual environment. Remove it, or name another folder in MITO_VENV.")
    say(f"making a virtual environment in {folder}")
    try:
        venv.EnvBuilder(with_pip=True, clear=True, symlinks=os.name != "nt").create(str(folder))
    except (subprocess.CalledProcessError, ImportError, OSError) as error:
        raise Trouble(f"no virtual environment could be made ({error}). On Debian and Ubuntu install python3-venv.") from error
    write_lock(folder, key="incomplete", extra=None)


def install(python, extra):
    """Install this project and what it needs, in the versions of constraints.txt."""
    words = [python, "-m", "pip", "install", "--disable-pip-version-check", "--no-input", "--progress-bar", "off"]
    words += ["-c", ROOT / "constraints.txt", "-e", f"{ROOT}[{extra}]"]
    done = subprocess.run([str(word) for word in words], stdout=subprocess.PIPE, stderr=subprocess.STDOUT, check=False)
    if done.returncode != 0:
        print(done.stdout.decode("utf-8", "replace"), file=sys.stderr)
        raise Trouble("pip could not install the packages; what it said is above. Check the network and the free disk space.")


def fingerprint():
    """What an environment depends on: the lock, the project's metadata, the place of the checkout, this Python."""
    content = [(ROOT / name).read_bytes() for name in ("constraints.txt", "pyproject.toml")]
    content.append(repr((str(ROOT), sys.version_info[:3])).encode())
    return hashlib.sha256(b"\0".join(content)).hexdigest()


def read_lock(folder):
    """What was noted about an environment when it was made; empty where there is no note."""
    try:
        return json.loads((folder / LOCK).read_text(encoding="utf-8"))
    except (OSError, ValueError):
        return {}


def write_lock(folder, key, extra):
    """Note what an environment holds."""
    note = {"key": key, "extra": extra, "python": list(sys.version_info[:3])}
    (folder / LOCK).write_text(json.dumps(note), encoding="utf-8")


if __name__ == "__main__":
    sys.exit(main(sys.argv[1:]))
