"""Scans of a phantom whose truth is known, made once."""

from __future__ import annotations

import pytest
from method_cases import Known, known


@pytest.fixture(scope="session")
def twelfth() -> Known:
    """At a twelfth of the scanner's resolution, a slab."""
    return known(12, 24.0, 6.0)


@pytest.fixture(scope="session")
def sixth() -> Known:
    """At a sixth of the scanner's resolution, a thin slab."""
    return known(6, 6.0, 3.0)
