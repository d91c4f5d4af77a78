"""The text at the head of an NRRD file, written and read.

Only 7-bit ASCII is written, as the format asks. A key/value pair whose value is a plain string is written as it is;
every other value, and a string that would read as JSON or that the format could not carry, is written as JSON. So
each value comes back as it was, and other programs see readable text.
"""

from __future__ import annotations

import json
import re
from collections.abc import Mapping, Sequence
from pathlib import Path
from typing import Any, BinaryIO, NamedTuple

import nrrd
import numpy as np

from MITOReconstructionLib.errors import InputError

__all__ = ["NRRDHeader", "header_bytes", "key_value_lines", "read_header"]

MORE = "more"
"""The key under which entries are gathered, as one JSON object, whose own keys the format cannot carry."""

_FIELDS = frozenset(
    """axismaxs axismins blocksize byteskip centerings centers content datafile dimension encoding endian kinds labels
    lineskip max measurementframe min numbertype oldmax oldmin sampleunits sizes space spacedimension spacedirections
    spaceorigin spaceunits spacings thicknesses type units axis_maxs axis_mins""".replace("_", "").split()
)
_KEY = re.compile(r"[A-Za-z0-9_](?:[ -9;<>-\[\]-~]*[!-9;<>-\[\]-~])?")  # no colon, equals sign or backslash, no blank at an end
_MAGIC = re.compile(r"NRRD000[1-5]\s*")
_LONGEST_LINE = 1 << 20


class NRRDHeader(NamedTuple):
    """What the head of an NRRD file says.

    fields : the format's own fields, parsed by pynrrd;
    pairs : the key/value pairs, values decoded.
    """

    fields: dict[str, Any]
    pairs: dict[str, Any]


def header_bytes(
    sizes: Sequence[int],
    origin: Sequence[float],
    directions: Sequence[Sequence[float]],
    pairs: Mapping[str, Any],
    *,
    encoding: str,
) -> bytes:
    """The head of a float32, little-endian, attached NRRD file in the RAS frame.

    Parameters
    ----------
    sizes : sequence of 3 int
        Samples along each axis, the fastest first.
    origin : sequence of 3 float
        Centre of the first sample in mm.
    directions : sequence of 3 vectors
        Step from one sample to the next along each axis, in mm.
    pairs : mapping
        Key/value pairs.
    encoding : {"raw", "gzip"}
    """
    lines = [
        "NRRD0004",
        "# MITOReconstruction; http://teem.sourceforge.net/nrrd/format.html",
        "type: float",
        "dimension: 3",
        "space: right-anterior-superior",
        "sizes: " + " ".join(str(int(n)) for n in sizes),
        "space directions: " + " ".join(_vector(step) for step in directions),
        "kinds: domain domain domain",
        "endian: little",
        f"encoding: {encoding}",
        'space units: "mm" "mm" "mm"',
        "space origin: " + _vector(origin),
        *key_value_lines(pairs),
    ]
    return ("\n".join(lines) + "\n\n").encode("ascii")


def key_value_lines(pairs: Mapping[str, Any]) -> list[str]:
    """The lines ``key:=value`` that stand for a mapping; :func:`read_header` reads them back."""
    plain: dict[str, Any] = {}
    more: dict[str, Any] = {}
    for key, value in pairs.items():
        fits = isinstance(key, str) and _KEY.fullmatch(key) and key != MORE and re.sub(r"[\s_]", "", key.lower()) not in _FIELDS
        (plain if fits else more)[str(key)] = value
    if more:
        plain[MORE] = more
    return [f"{key}:={_escape(_value_text(value))}" for key, value in plain.items()]


def read_header(stream: BinaryIO, path: Path) -> NRRDHeader:
    """Read the head of an NRRD file and leave ``stream`` at the first byte behind it.

    Raises
    ------
    InputError
        When the file is no NRRD file, ends within the head, or a field cannot be read.
    """
    magic = stream.readline(64).decode("ascii", "replace")
    if not _MAGIC.fullmatch(magic):
        raise InputError(
            path,
            expected="an NRRD file, whose first line is NRRD0004 or alike",
            found=repr(magic.strip()[:20]),
            remedy="Choose a .nrrd file.",
        )
    fields, pairs = [magic], {}
    while True:
        raw = stream.readline(_LONGEST_LINE)
        if not raw.endswith(b"\n"):
            raise InputError(
                path,
                expected="a blank line that ends the NRRD header",
                found="the end of the file",
                remedy="The file is cut short; get it again.",
            )
        line = raw.decode("utf-8", "replace").rstrip()
        if not line:
            break
        if line.startswith("#"):
            continue
        name, colon, rest = line.partition(":")
        if not colon:
            raise InputError(
                f"{path}: NRRD header", expected="lines 'field: value' or 'key:=value'", found=repr(line[:40]), remedy="Get the file again."
            )
        if rest.startswith("="):
            pairs[_unescape(name)] = _value(_unescape(rest[1:].strip()))
        else:
            fields.append(line)
    try:
        parsed = dict(nrrd.read_header(fields))
    except (nrrd.NRRDError, ValueError, TypeError, IndexError) as error:
        raise InputError(
            f"{path}: NRRD header", expected="fields as the NRRD format has them", found=str(error), remedy="Get the file again."
        ) from error
    more = pairs.pop(MORE, {})
    return NRRDHeader(parsed, {**pairs, **more} if isinstance(more, dict) else {**pairs, MORE: more})


def _vector(values: Sequence[float]) -> str:
    return "(" + ",".join(repr(float(v) + 0.0) for v in values) + ")"


def _value_text(value: Any) -> str:
    if (
        isinstance(value, str)
        and re.fullmatch(r"[!-~](?:[ -~\n]*[!-~])?", value)
        and isinstance(_value(value), str)
        and _value(value) == value
    ):
        return value
    return json.dumps(value, default=_jsonable)


def _value(text: str) -> Any:
    try:
        return json.loads(text)
    except (ValueError, RecursionError):
        return text


def _jsonable(value: object) -> object:
    if isinstance(value, (np.generic, np.ndarray)):
        return value.tolist()
    return str(value)


def _escape(text: str) -> str:
    return text.replace("\\", "\\\\").replace("\n", "\\n")


def _unescape(text: str) -> str:
    return re.sub(r"\\([\\n])", lambda match: "\n" if match[1] == "n" else "\\", text)
