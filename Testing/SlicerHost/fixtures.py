"""Fixtures for tests that drive the module's panel: ``from SlicerHost.fixtures import host, slicer_host`` in a conftest.py."""

from __future__ import annotations

from collections.abc import Iterator

import pytest

from SlicerHost.host import Host, launch


@pytest.fixture(scope="module")
def slicer_host() -> Iterator[Host]:
    """One host for a test file; it is gone afterwards, so that other tests find no application."""
    host = launch()
    yield host
    host.shutdown()


@pytest.fixture
def host(slicer_host: Host) -> Iterator[Host]:
    """The host with an empty scene; fails the test where a slot or observer raised, or an answer was not asked for."""
    slicer_host.clean()
    yield slicer_host
    errors, left = slicer_host.take_errors(), slicer_host.answers.left()
    slicer_host.clean()
    if errors:
        raise errors[0]
    assert not left, f"these dialogs were expected and did not come: {left}"
