"""Having the system bring what will be read: a hint that may fail."""

from __future__ import annotations

import os
import sys
from pathlib import Path

import numpy as np
import pytest

from MITOReconstructionLib.scan import npy
from MITOReconstructionLib.scan.npy import open_array


@pytest.mark.skipif(sys.platform != "linux", reason="there is no posix_fadvise")
def test_the_bytes_of_the_items_are_announced(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    np.save(tmp_path / "a.npy", np.zeros((10, 3, 4), dtype=np.float64))
    asked: list[tuple[int, ...]] = []
    monkeypatch.setattr(os, "posix_fadvise", lambda file, *rest: asked.append(rest))
    monkeypatch.setattr(npy, "HINT_BYTES", 200)
    file = open_array(tmp_path / "a.npy", ("a", "b", "c"))
    file.announce(2, 7)
    begin = file.offset + 2 * 96
    assert asked == [(begin + place, size, os.POSIX_FADV_WILLNEED) for place, size in ((0, 200), (200, 200), (400, 80))]


@pytest.mark.skipif(not Path("/proc/thread-self/io").is_file(), reason="the system does not count bytes")
def test_where_there_are_no_hints_the_bytes_are_read(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    """And no others: told by this thread's count of bytes from read calls, less what reading the count takes."""

    def bytes_read() -> int:
        return int(Path("/proc/thread-self/io").read_text().split()[1])

    np.save(tmp_path / "a.npy", np.zeros((100, 300, 4), dtype=np.float64))
    file = open_array(tmp_path / "a.npy", ("a", "b", "c"))
    bytes_read()
    before = bytes_read()
    counting = bytes_read() - before
    monkeypatch.setattr(sys, "platform", "darwin")
    before = bytes_read()
    file.announce(20, 90)
    assert 0 <= bytes_read() - before - 70 * 9600 < 2 * counting + 100


def test_a_file_that_is_gone_is_told_when_it_is_read(tmp_path: Path) -> None:
    np.save(tmp_path / "a.npy", np.zeros((10, 3, 4), dtype=np.float32))
    file = open_array(tmp_path / "a.npy", ("a", "b", "c"))
    (tmp_path / "a.npy").unlink()
    file.announce(0, 10)
