"""The subprocess of a job: ``python -m MITOReconstructionLib.jobs.worker FOLDER/request.json``.

Standard output carries the lines of :class:`MITOReconstructionLib.export.ProgressWriter`; the last one has the error too,
where there was one. The volume goes into ``volume.raw`` (float32, C order, axes x, y, z) and its provenance into
``provenance.json``, both in the request's folder. The exit status is 0 done, 2 bad input, 3 a failure at work, 130
cancelled.
"""

from __future__ import annotations

import contextlib
import json
import os
import shutil
import sys
import time
import traceback
from collections.abc import Sequence
from pathlib import Path
from typing import Any, Self, TextIO

import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.errors import Cancelled, InputError, WorkError
from MITOReconstructionLib.export import ProgressWriter
from MITOReconstructionLib.files import replacing
from MITOReconstructionLib.jobs.exchange import INITIAL, PREVIEW, PREVIEW_EVERY, PREVIEW_FAILED, PROVENANCE, REQUEST, SLAB_BYTES, VOLUME
from MITOReconstructionLib.jobs.failures import describe_error
from MITOReconstructionLib.jobs.leash import Leash
from MITOReconstructionLib.jobs.preview import Previewer, write_preview
from MITOReconstructionLib.jobs.reconstruct import run_request
from MITOReconstructionLib.jobs.request import Request
from MITOReconstructionLib.monitor import Monitor

__all__ = ["main"]


class _Lines(ProgressWriter):
    """A ProgressWriter onto a stream that is open already; ``last`` is added to the line that tells the end."""

    def __init__(self, stream: TextIO) -> None:
        super().__init__("standard output")
        self._given = stream
        self.last: dict[str, Any] = {}

    def __enter__(self) -> Self:
        self._stream = self._given
        self._start = time.monotonic()
        return self

    def no_more_previews(self, why: str) -> None:
        """Tell the parent why it gets no more previews."""
        self._write({PREVIEW_FAILED: why})

    def _write(self, entry: dict[str, Any]) -> None:
        super()._write({**entry, **self.last} if "state" in entry else entry)


def main(arguments: Sequence[str] | None = None) -> int:
    """Do what a request says; the exit status is returned."""
    (path,) = map(Path, sys.argv[1:] if arguments is None else arguments)
    folder = path.absolute().parent
    with _protocol() as stream:
        lines = _Lines(stream)
        monitor = Monitor(lines)
        leash = Leash(folder, monitor.cancel, monitor.finish, lambda: _abandon(folder))
        leash.start()
        try:
            with lines:
                try:
                    _work(folder, monitor, lines)
                except BaseException as error:
                    lines.last = {"error": describe_error(error)}
                    raise
        except (Cancelled, KeyboardInterrupt):
            return 130
        except InputError:
            return 2
        except Exception:  # noqa: BLE001 - the parent is told by the line; whoever reads the log finds the place here
            sys.stderr.write(traceback.format_exc())
            return 3
        finally:
            if leash.orphaned:
                shutil.rmtree(folder, ignore_errors=True)
    return 0


@contextlib.contextmanager
def _protocol() -> Any:
    """A stream to standard output for the lines alone: what else is printed, by libraries too, goes to standard error."""
    sys.stdout.flush()
    own = os.dup(1)
    os.dup2(2, 1)
    with open(own, "w", encoding="utf-8", newline="\n") as stream:
        yield stream


def _work(folder: Path, monitor: Monitor, lines: _Lines) -> None:
    try:
        initial = np.fromfile(folder / INITIAL, dtype=np.float32) if (folder / INITIAL).exists() else None
        asked = json.loads((folder / REQUEST).read_text(encoding="utf-8"))
        request = Request.from_dict(asked, initial=initial)
    except OSError as error:
        raise WorkError(f"{folder / REQUEST}: could not be read: {error.strerror or error}.") from error
    if every := int(asked.get(PREVIEW_EVERY, 0)):
        place = folder / PREVIEW
        previewer = Previewer(
            request.grid, lambda: not place.exists(), lambda preview: write_preview(place, preview), lines.no_more_previews
        )
        monitor.previews(previewer, every)
    volume = run_request(request, monitor)
    with replacing(folder / PROVENANCE) as temporary:
        temporary.write_text(json.dumps(volume.provenance, default=_plain), encoding="utf-8")
    _write(folder / VOLUME, volume.array, monitor)


def _write(path: Path, array: NDArray[np.float32], monitor: Monitor) -> None:
    """Write the volume in slabs, so that there is no long wait for a cancel."""
    data = memoryview(np.ascontiguousarray(array, dtype=np.float32).reshape(-1).view(np.uint8).data)
    with replacing(path) as temporary, temporary.open("wb", buffering=0) as file:
        for first in range(0, len(data), SLAB_BYTES):
            monitor.report("handing over", first / len(data))
            slab = data[first : first + SLAB_BYTES]
            while slab:
                slab = slab[file.write(slab) :]
    monitor.report("handing over", 1.0)


def _plain(value: Any) -> Any:
    """numpy's numbers and arrays as JSON knows them; anything else as text."""
    return value.tolist() if hasattr(value, "tolist") else str(value)


def _abandon(folder: Path) -> None:
    """End at once: the parent is gone, and the work does not stop by itself."""
    shutil.rmtree(folder, ignore_errors=True)
    os._exit(3)


if __name__ == "__main__":
    sys.exit(main())
