"""Watching a run: its progress bar, its progress file, and stopping it."""

from __future__ import annotations

import argparse
import contextlib
import io
import sys
from collections.abc import Iterator
from typing import NamedTuple

from MITOReconstructionLib.commands.arguments import new_file
from MITOReconstructionLib.commands.bar import ProgressBar
from MITOReconstructionLib.commands.filter_tags import FilterTags
from MITOReconstructionLib.commands.signals import stops
from MITOReconstructionLib.export import ProgressWriter
from MITOReconstructionLib.monitor import Monitor, Progress

__all__ = ["Watch", "add_progress_argument", "watched"]


class Watch(NamedTuple):
    """What a run reports to, and the bar that knows how long each step took."""

    monitor: Monitor
    bar: ProgressBar


def add_progress_argument(parser: argparse.ArgumentParser) -> None:
    """Add ``--progress FILE.jsonl``."""
    parser.add_argument("--progress", metavar="FILE.jsonl", help="write every report as a line of JSON, the last one with the final state")


@contextlib.contextmanager
def watched(progress: str | None = None, *, tags: bool = False) -> Iterator[Watch]:
    """Show progress on standard error where that is a terminal, write it to a file where one is named, and as tags on standard output.

    Raises
    ------
    InputError
        When the file cannot be made, or its name is not one of a progress file: it would be overwritten.
    """
    with contextlib.ExitStack() as stack:
        target = None if progress is None else new_file("--progress", progress, (".jsonl",), stream=True)
        writer = None if target is None else stack.enter_context(ProgressWriter(target))
        bar = stack.enter_context(ProgressBar(sys.stderr or io.StringIO()))
        filters = stack.enter_context(FilterTags(sys.stdout or io.StringIO())) if tags else None

        def report(latest: Progress) -> None:
            bar(latest)
            if filters is not None:
                filters(latest)
            if writer is not None:
                writer(latest)

        yield Watch(stack.enter_context(stops(Monitor(report))), bar)
