"""What a job's two processes agree on: the files in its folder, and the lines on the child's standard input."""

from __future__ import annotations

__all__ = [
    "CANCEL",
    "CANCEL_FILE",
    "FINISH",
    "FINISH_FILE",
    "HOLD",
    "INITIAL",
    "PREVIEW",
    "PREVIEW_EVERY",
    "PREVIEW_FAILED",
    "PROVENANCE",
    "REQUEST",
    "SLAB_BYTES",
    "VOLUME",
]

REQUEST = "request.json"
"""What Request.to_dict gave."""

INITIAL = "initial.raw"
"""The volume to start from, where there is one, as the result is."""

VOLUME = "volume.raw"
"""The result: float32, C order, axes x, y, z."""

PROVENANCE = "provenance.json"

PREVIEW = "preview.raw"
"""As of jobs.preview. The child writes it where it is not there, and the parent takes it away once it has read it."""

PREVIEW_EVERY = "preview_every"
"""Entry of the request: iterations from one preview to the next, 0 for none."""

PREVIEW_FAILED = "preview_failed"
"""The key of a line of the child's that says why there are no more previews."""

SLAB_BYTES = 32 << 20
"""Bytes of the volume that are written or read before the next look at whether to stop."""

HOLD = b"hold\n"
"""Written to the child's standard input at the start: its end means from then on that the parent is gone."""

FINISH = b"finish\n"
FINISH_FILE = "finish"

CANCEL = b"cancel\n"
CANCEL_FILE = "cancel"
"""Made in the job's folder beside the line on standard input, in case a launcher in between hands that not on."""
