"""Stands in for the 3D Slicer application where it is not installed: real MRML and VTK, and Qt that behaves as PythonQt.

``host = SlicerHost.launch()`` makes ``qt``, ``ctk``, ``slicer.app`` and the rest importable; ``host.shutdown()`` takes
them back. See README.md beside this file.
"""

import os

os.environ["PYSIDE6_OPTION_PYTHON_ENUM"] = "0x0e"  # enums are ints, and reached without naming the enum; read once, at the import
os.environ.setdefault("QT_QPA_PLATFORM", "offscreen")

from SlicerHost.errors import HostError, UnansweredError
from SlicerHost.host import Host, launch, running

__all__ = ["Host", "HostError", "UnansweredError", "launch", "running"]
