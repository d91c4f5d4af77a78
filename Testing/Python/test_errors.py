"""The library's errors: what they say, what they are, and that they survive a journey between processes."""

from __future__ import annotations

import copy
import pickle

import pytest

from MITOReconstructionLib.errors import Cancelled, InputError, MissingPackageError, MITOError, WorkError

INPUT = InputError("scan/angles.npy", expected="6 angles", found="5", remedy="Copy it again.")
MISSING = MissingPackageError("odl", "The operator", "pip install odl")


def test_an_input_error_names_place_expected_found_and_remedy():
    assert str(INPUT) == "scan/angles.npy: expected 6 angles; found 5. Copy it again."
    assert (INPUT.where, INPUT.expected, INPUT.found, INPUT.remedy) == ("scan/angles.npy", "6 angles", "5", "Copy it again.")


def test_a_missing_package_says_how_to_install_it():
    assert str(MISSING) == "The operator needs the Python package 'odl', which is not installed. Install it with: pip install odl"


@pytest.mark.parametrize(("error", "kind"), [(INPUT, ValueError), (MISSING, ImportError), (WorkError("no space"), RuntimeError)])
def test_errors_are_also_the_built_in_kind(error, kind):
    assert isinstance(error, kind)
    assert isinstance(error, MITOError)


def test_being_cancelled_is_no_fault():
    assert not isinstance(Cancelled("stopped"), (InputError, WorkError, ValueError, RuntimeError))


@pytest.mark.parametrize("protocol", range(2, pickle.HIGHEST_PROTOCOL + 1))
@pytest.mark.parametrize(
    "error", [INPUT, MISSING, WorkError("no space"), Cancelled("stopped"), MITOError("base")], ids=lambda e: type(e).__name__
)
def test_errors_are_pickled_whole(error, protocol):
    for other in (pickle.loads(pickle.dumps(error, protocol)), copy.copy(error)):
        assert type(other) is type(error)
        assert str(other) == str(error)
        assert vars(other) == vars(error)
