"""The host that stands in for the Slicer application."""

from __future__ import annotations

import importlib.util
import sys
from pathlib import Path

sys.path.insert(0, str(Path(__file__).parents[2]))

if importlib.util.find_spec("slicer") and importlib.util.find_spec("shiboken6"):  # the test files say what is missing
    from SlicerHost.fixtures import host, slicer_host  # noqa: F401
