"""Running a request in a subprocess, so that nothing that happens to it happens to this process."""

from __future__ import annotations

import collections
import contextlib
import json
import queue
import shutil
import subprocess
import tempfile
import threading
import time
from collections.abc import Callable, Iterator, Sequence
from pathlib import Path
from typing import IO, Any, NamedTuple

import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.errors import Cancelled, InputError, WorkError
from MITOReconstructionLib.files import temporary_folder
from MITOReconstructionLib.jobs.exchange import (
    CANCEL,
    CANCEL_FILE,
    FINISH,
    FINISH_FILE,
    HOLD,
    INITIAL,
    PREVIEW,
    PREVIEW_EVERY,
    PREVIEW_FAILED,
    PROVENANCE,
    REQUEST,
    SLAB_BYTES,
    VOLUME,
)
from MITOReconstructionLib.jobs.failures import rebuild_error
from MITOReconstructionLib.jobs.interpreter import child_environment, interpreter
from MITOReconstructionLib.jobs.preview import Post, read_preview
from MITOReconstructionLib.jobs.processes import describe_exit, end_tree, start
from MITOReconstructionLib.jobs.request import Request
from MITOReconstructionLib.jobs.volume import Volume
from MITOReconstructionLib.monitor import Monitor, Progress

__all__ = ["GRACE", "Looker", "reconstruct_in_child"]

GRACE = 0.7
"""Seconds that a child has to stop by itself after it was asked to."""

LINGER = 5.0
"""Seconds that a child may take to end after its last line, or after it closed its output."""

TAIL = 2000
"""Characters of the child's standard error that are told on."""

POLL = 0.03
LONGEST_LINE = 1 << 20


class Looker(NamedTuple):
    """Who wants to see previews.

    post : where they are put;
    every : iterations from one to the next;
    failed : called once with a sentence where there will be no more.
    """

    post: Post
    every: int
    failed: Callable[[str], object]


def reconstruct_in_child(
    request: Request,
    monitor: Monitor,
    report: Callable[[Progress], object],
    *,
    folder: Path | None = None,
    looker: Looker | None = None,
) -> Volume:
    """Run a request in a subprocess and wait for its volume; no file of it is left behind, however it ends.

    Parameters
    ----------
    request : Request
        Its scan is on disk.
    monitor : Monitor
        Where it is cancelled, the child is asked to stop, and ended with all its processes GRACE seconds later.
    report : callable
        Called with each Progress of the child, in this thread.
    folder : Path, optional
        Where files are exchanged (in a new folder); by default the system's folder for temporary files.
    looker : Looker, optional
        Gets previews.

    Raises
    ------
    InputError
        The child's own; or when the scan is not on disk, or there is no interpreter.
    WorkError
        The child's own; or when it could not be started, crashed, or ended without a result.
    Cancelled
        When the monitor was asked to stop.
    """
    text = json.dumps(request.to_dict() | {PREVIEW_EVERY: 0 if looker is None else looker.every})
    command = [interpreter(), "-m", "MITOReconstructionLib.jobs.worker"]
    with _exchange(folder) as place:
        try:
            (place / REQUEST).write_text(text, encoding="utf-8")
            if request.initial is not None:
                with (place / INITIAL).open("wb") as file:
                    file.write(np.ascontiguousarray(request.initial).data)
        except OSError as error:
            raise WorkError(f"{place}: what the subprocess needs could not be written there: {error.strerror or error}.") from error
        monitor.check()
        child = _Child([*command, str(place / REQUEST)], place, report, looker)
        try:
            child.follow(monitor)
        finally:
            child.end()
        child.require_done()
        return _load(place, request, monitor)


@contextlib.contextmanager
def _exchange(folder: Path | None) -> Iterator[Path]:
    """A new folder for the files of one run, which is removed again."""
    try:
        place = Path(tempfile.mkdtemp(prefix="mito-job-", dir=folder)).absolute()
    except OSError as error:
        where = folder or temporary_folder()
        raise WorkError(f"{where}: no folder could be made there for the subprocess: {error.strerror or error}.") from error
    try:
        yield place
    finally:
        for _ in range(20):  # Windows removes no file that a process is still about to let go
            shutil.rmtree(place, ignore_errors=True)
            if not place.exists():
                break
            time.sleep(0.05)


class _Child:
    """A subprocess that does a request, and what it has said so far."""

    def __init__(self, command: Sequence[str], folder: Path, report: Callable[[Progress], object], looker: Looker | None) -> None:
        self._folder, self._report, self._looker = folder, report, looker
        self._final: dict[str, Any] | None = None
        self._step = ""
        self._asked: float | None = None
        self._finishing = False
        self._lines: queue.SimpleQueue[bytes | None] = queue.SimpleQueue()
        self._garbage: collections.deque[str] = collections.deque(maxlen=8)
        self._errors: collections.deque[bytes] = collections.deque(maxlen=64)
        self._process: subprocess.Popen[bytes] = start(command, child_environment())
        streams = (
            (self._process.stdout, self._lines.put, lambda: self._lines.put(None)),
            (self._process.stderr, self._errors.append, lambda: None),
        )
        self._readers = [threading.Thread(target=_read, args=each, daemon=True) for each in streams]
        for reader in self._readers:
            reader.start()
        self._say(HOLD)

    def follow(self, monitor: Monitor) -> None:
        """Pass the child's reports on until it ends; ask it to stop where the monitor was asked to, and then end it."""
        leave: float | None = None
        while True:
            with contextlib.suppress(queue.Empty):
                line = self._lines.get(timeout=POLL)
                if line is None:
                    break
                self._take(line, monitor)
            self._look(monitor)
            if self._process.poll() is not None:  # what it started may hold its output open
                leave = leave or time.monotonic() + 1.0
            elif self._final is not None:
                leave = leave or time.monotonic() + LINGER
            if self._overdue(monitor) or (leave is not None and time.monotonic() > leave):
                break
        deadline = time.monotonic() + LINGER
        while self._process.poll() is None and time.monotonic() < deadline and not self._overdue(monitor):
            time.sleep(POLL)
        if monitor.cancelled:
            self.end()
            monitor.check()

    def _look(self, monitor: Monitor) -> None:
        """Take the preview that waits, where the one before it was taken."""
        looker, path = self._looker, self._folder / PREVIEW
        if looker is None or monitor.cancelled or not looker.post.empty or not path.exists():
            return
        try:
            looker.post.put(read_preview(path))
            path.unlink()
        except (OSError, WorkError, MemoryError) as error:
            self._looker = None
            looker.failed(f"No more previews of this run: {str(error) or 'not enough memory'}")

    def end(self) -> None:
        """End the child where it still runs, and let go of its streams."""
        end_tree(self._process)
        for reader in self._readers:
            reader.join(0.5)
        if self._process.stdin is not None:
            with contextlib.suppress(OSError):
                self._process.stdin.close()

    def require_done(self) -> None:
        """Raise what the child failed with, or how it ended without saying so."""
        status = self._process.returncode
        final = self._final or {}
        if final.get("state") == "done" and status == 0:
            return
        if "error" in final:
            error = rebuild_error(final["error"])
        elif final.get("state") == "done":
            error = WorkError(f"The subprocess {describe_exit(status)} after its work was done.{self._last_words()}")
        else:
            during = f" while at '{self._step}'" if self._step else ""
            error = WorkError(f"The subprocess {describe_exit(status)}{during}, without a result.{self._last_words()}")
        if not isinstance(error, (InputError, Cancelled)) and self._tail():
            error.add_note(self._tail())
        raise error

    def _overdue(self, monitor: Monitor) -> bool:
        """Ask the child to stop where the monitor was asked to; whether it had its time to do so."""
        if monitor.finishing and not self._finishing:
            self._finishing = True
            self._tell(FINISH_FILE, FINISH)
        if not monitor.cancelled:
            return False
        if self._asked is None:
            self._asked = time.monotonic()
            self._tell(CANCEL_FILE, CANCEL)
        return time.monotonic() - self._asked > GRACE

    def _tell(self, name: str, line: bytes) -> None:
        """Say something both by a file and by a line."""
        with contextlib.suppress(OSError):
            (self._folder / name).touch()
        self._say(line)

    def _say(self, text: bytes) -> None:
        with contextlib.suppress(OSError, ValueError):
            if self._process.stdin is not None:
                self._process.stdin.write(text)

    def _take(self, line: bytes, monitor: Monitor) -> None:
        """A line of the child's: a report, its last words, or something else that was printed."""
        entry = _parsed(line)
        if isinstance(entry, Progress):
            self._step = entry.step
            if not monitor.cancelled:
                self._report(entry)
        elif isinstance(entry, dict) and PREVIEW_FAILED in entry:
            if self._looker is not None:
                self._looker.failed(str(entry[PREVIEW_FAILED]))
        elif isinstance(entry, dict):
            self._final = entry
        elif line.strip():
            self._garbage.append(line.decode(errors="replace").strip()[:200])

    def _tail(self) -> str:
        return b"".join(self._errors).decode(errors="replace").strip()[-TAIL:]

    def _last_words(self) -> str:
        said = "\n".join(part for part in (self._tail(), "\n".join(self._garbage)) if part)
        return f" Its last words:\n{said}" if said else " It said nothing about it."


def _read(stream: IO[bytes], put: Callable[[bytes], object], finish: Callable[[], object]) -> None:
    """Hand over a stream's lines as they come."""
    rest = b""
    with stream, contextlib.suppress(OSError, ValueError):
        while chunk := stream.read(1 << 16):
            *lines, rest = (rest + chunk).split(b"\n")
            for line in lines:
                put(line + b"\n")
            rest = rest[-LONGEST_LINE:]
    put(rest)
    finish()


def _parsed(line: bytes) -> Progress | dict[str, Any] | None:
    """A report, the line that tells the end or that there are no more previews, or None for anything else."""
    try:
        entry = json.loads(line)
        if isinstance(entry, dict) and (entry.get("state") in ("done", "failed", "cancelled") or PREVIEW_FAILED in entry):
            return entry
        numbers = float(entry["fraction"]), float(entry["seconds"])
        return Progress(str(entry["step"]), *numbers, iteration=entry.get("iteration"), residual=entry.get("residual"))
    except (ValueError, TypeError, KeyError, RecursionError):
        return None


def _load(folder: Path, request: Request, monitor: Monitor) -> Volume:
    """The volume that the child has written, read in slabs, so that there is no long wait for a cancel."""
    path = folder / VOLUME
    try:
        provenance = json.loads((folder / PROVENANCE).read_text(encoding="utf-8"))
        found = path.stat().st_size
        if found != request.grid.nbytes:
            raise WorkError(f"The subprocess left {found} bytes in the place of {request.grid.nbytes} for its volume.")
        array: NDArray[np.float32] = np.empty(request.grid.shape, dtype=np.float32)
        data = memoryview(array.reshape(-1).view(np.uint8).data)
        with path.open("rb", buffering=0) as file:
            while data:
                monitor.check()
                count = file.readinto(data[:SLAB_BYTES])
                if not count:
                    raise WorkError(f"{path}: could not be read to its end.")
                data = data[count:]
    except MemoryError as error:
        raise WorkError(f"Not enough memory for the volume of {request.grid.nbytes / 2**30:.2f} GiB that the subprocess made.") from error
    except (OSError, ValueError) as error:
        raise WorkError(f"The subprocess said that it was done, but its result could not be read: {error}.") from error
    return Volume(array, request.grid, provenance)
