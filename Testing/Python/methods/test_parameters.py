"""Parameters: ranges, aliases, texts, round trips, descriptions."""

from __future__ import annotations

import json
from dataclasses import FrozenInstanceError, dataclass

import numpy as np
import pytest

from MITOReconstructionLib import InputError, describe_methods, methods
from MITOReconstructionLib.methods import Method, Parameters, Result, get, parameter, register
from MITOReconstructionLib.methods.fbp import FBPParameters
from MITOReconstructionLib.methods.landweber import LandweberParameters


@dataclass(frozen=True)
class Sample(Parameters):
    """One of every kind."""

    count: int = parameter(3, "A count.", minimum=1, maximum=9, aliases=("n",))
    length: float = parameter(0.5, "A length.", unit="mm", above=0.0, below=2.0)
    on: bool = parameter(True, "A switch.")
    kind: str = parameter("a", "A choice.", choices=("a", "b"))


@pytest.mark.parametrize(
    ("values", "text"),
    [
        ({"count": 0}, "parameter count: expected a whole number at least 1 and at most 9; found 0"),
        ({"count": 2.5}, "found 2.5"),
        ({"count": True}, "parameter count: expected a whole number"),
        ({"count": "3"}, "found '3'"),
        ({"length": 0.0}, "expected a number in mm above 0 and below 2; found 0.0"),
        ({"length": 2.0}, "found 2.0"),
        ({"length": float("nan")}, "found nan"),
        ({"length": float("inf")}, "found inf"),
        ({"on": 1}, "expected true or false; found 1"),
        ({"kind": "c"}, "expected one of a, b; found 'c'"),
        ({"width": 1}, "parameter width: expected one of count, length, on, kind; found an unknown name"),
        ({"n": 1, "count": 2}, "parameter count: expected one value; found a second one, as count"),
    ],
)
def test_faults_name_the_parameter(values: dict[str, object], text: str) -> None:
    with pytest.raises(InputError) as caught:
        Sample.from_dict(values)
    assert text in str(caught.value)


def test_values_are_taken_in_their_kind() -> None:
    made = Sample.from_dict({"n": np.int64(4), "length": 1, "on": np.bool_(False), "kind": "b"})
    assert made == Sample(4, 1.0, False, "b")
    assert [type(value) for value in made.to_dict().values()] == [int, float, bool, str]
    with pytest.raises(FrozenInstanceError):
        made.count = 5  # type: ignore[misc]


@pytest.mark.parametrize("kind", [Sample, FBPParameters, LandweberParameters])
def test_round_trip_through_json(kind: type[Parameters]) -> None:
    assert kind.from_dict(json.loads(json.dumps(kind().to_dict()))) == kind()


def test_texts_of_the_command_line() -> None:
    assert Sample.from_text({"n": "7", "length": "1e-1", "on": "no", "kind": "b"}) == Sample(7, 0.1, False, "b")
    with pytest.raises(InputError, match='parameter on: expected true or false; found "maybe"'):
        Sample.from_text({"on": "maybe"})
    with pytest.raises(InputError, match=r'parameter count: expected a whole number; found "2\.5"'):
        Sample.from_text({"count": "2.5"})
    with pytest.raises(InputError, match="unknown name"):
        Sample.from_text({"width": "1"})


def test_description_says_all_that_a_panel_needs() -> None:
    assert Sample.describe()[0] == {
        "name": "count",
        "type": "int",
        "default": 3,
        "help": "A count.",
        "minimum": 1,
        "maximum": 9,
        "aliases": ["n"],
    }
    assert Sample.describe()[3]["choices"] == ["a", "b"]


def test_every_method_describes_itself() -> None:
    described = json.loads(json.dumps(describe_methods()))
    assert [method["name"] for method in described][:3] == list(methods())[:3]
    assert [method["name"] for method in described][:7] == ["fbp", "sirt", "cgls", "os-sart", "tv", "landweber", "adjoint"]
    for method in described:
        assert method["title"]
        assert method["unit"] in ("1/mm", "mm")
        for entry in method["parameters"]:
            assert entry["help"].endswith(".")
            assert type(entry["default"]).__name__ == entry["type"]


def test_iterative_methods_share_their_parameters() -> None:
    described = {method["name"]: {entry["name"]: entry for entry in method["parameters"]} for method in describe_methods()}
    for name in ("sirt", "cgls", "os-sart", "tv", "landweber"):
        entries = described[name]
        assert next(iter(entries)) == "iterations"
        assert {"iterations", "non_negative", "start", "context", "stop_residual", "stop_change"} <= set(entries)
        assert (entries["iterations"]["minimum"], entries["iterations"]["aliases"]) == (1, ["niter"])
        assert entries["start"]["choices"] == ["zero", "fbp"]
        if name != "cgls":
            relaxation = entries["relaxation"]
            assert (relaxation["above"], relaxation["below"], relaxation["aliases"]) == (0.0, 2.0, ["omega"])
    assert described["os-sart"]["subsets"]["minimum"] == 1
    assert described["tv"]["weight"]["minimum"] == 0.0


def test_landweber_takes_the_old_names_and_says_why_it_refuses() -> None:
    assert LandweberParameters.from_dict({"niter": 7, "omega": 0.5}) == LandweberParameters(7, 0.5)
    with pytest.raises(InputError, match=r"relaxation: expected a number above 0 and below 2; found 2\.0\. Steps are relative"):
        LandweberParameters.from_dict({"omega": 2})


def test_unknown_and_taken_names() -> None:
    with pytest.raises(InputError, match="method: expected one of fbp, sirt, cgls, os-sart, tv, landweber, adjoint"):
        get("fdk")
    taken = Method("fbp", "Again", "Help.", "1/mm", FBPParameters, lambda problem, parameters: Result(np.zeros((1, 1, 1), dtype="f4")))
    with pytest.raises(InputError, match="method fbp: expected a name not taken yet"):
        register(taken)
