"""What is on disk comes back as it was meant, or one error says which file is at fault and why."""

from __future__ import annotations

import io
import os
import pickle
import struct
from pathlib import Path

import numpy as np
import pytest
from hypothesis import HealthCheck, given, settings
from hypothesis import strategies as st

from MITOReconstructionLib.errors import InputError
from MITOReconstructionLib.scan.npy import open_array, read_array

AXES = ("views", "columns")
EXPECTED = "expected a .npy file of float32 or float64 with axes (views, columns)"
VALUES = np.arange(12, dtype=np.float64).reshape(4, 3) / 4 - 1


def saved(path: Path, array: np.ndarray, **options) -> Path:
    np.save(path, array, **options)
    return path


def with_header(path: Path, header: str | bytes, data: bytes = bytes(96), version=(1, 0)) -> Path:
    text = header if isinstance(header, bytes) else header.encode("latin1")
    length = struct.pack("<H" if version == (1, 0) else "<I", len(text))
    path.write_bytes(b"\x93NUMPY" + bytes(version) + length + text + data)
    return path


def error_of(call, *arguments) -> str:
    with pytest.raises(InputError) as caught:
        call(*arguments)
    return str(caught.value)


# ---- good files ----------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("dtype", ["<f4", ">f4", "<f8", ">f8"])
@pytest.mark.parametrize("version", [(1, 0), (2, 0), (3, 0)])
def test_every_byte_order_precision_and_header_version(tmp_path, dtype, version):
    path = tmp_path / "a.npy"
    with path.open("wb") as file:
        np.lib.format.write_array(file, VALUES.astype(dtype), version=version)
    array = open_array(path, AXES)
    assert (array.dtype, array.shape) == (np.dtype(dtype), (4, 3))
    assert array.offset == path.stat().st_size - VALUES.astype(dtype).nbytes
    block = array.read(1, 3)
    assert block.dtype == np.float32
    assert block.dtype.isnative
    assert block.tolist() == VALUES[1:3].tolist()
    assert array.memmap().tolist() == VALUES.tolist()
    whole = read_array(path, AXES, (None, 3))
    assert whole.dtype == np.float64
    assert whole.dtype.isnative
    assert whole.tolist() == VALUES.tolist()


def test_a_header_of_python_2(tmp_path):
    header = "{'descr': '<f8', 'fortran_order': False, 'shape': (4L, 3L), }"
    assert open_array(with_header(tmp_path / "a.npy", header), AXES).shape == (4, 3)


def test_fortran_order_of_what_has_one_long_axis_is_c_order(tmp_path):
    path = with_header(tmp_path / "a.npy", "{'descr': '<f8', 'fortran_order': True, 'shape': (4, 1), }")
    assert open_array(path, AXES).shape == (4, 1)


def test_bytes_after_the_data_do_no_harm(tmp_path):
    path = saved(tmp_path / "a.npy", VALUES)
    path.write_bytes(path.read_bytes() + b"more")
    assert read_array(path, AXES, (4, 3)).tolist() == VALUES.tolist()


@pytest.mark.parametrize("dtype", ["<f4", "<f8"])
def test_reading_into_an_array_writes_and_returns_it(tmp_path, dtype):
    array = open_array(saved(tmp_path / "a.npy", VALUES.astype(dtype)), AXES)
    out = np.full((2, 3), 9, dtype=np.float32)
    assert array.read(2, 4, out) is out
    assert out.tolist() == VALUES[2:].tolist()
    assert array.read(2, 2).shape == (0, 3)


@pytest.mark.parametrize("dtype", ["<f4", "<f8"])
@pytest.mark.parametrize(
    ("out", "found"),
    [
        (np.zeros((2, 3)), "float64 of shape (2, 3), C order"),
        (np.zeros((3, 3), np.float32), "float32 of shape (3, 3), C order"),
        (np.zeros((1, 3), np.float32), "float32 of shape (1, 3), C order"),
        (np.zeros(6, np.float32), "float32 of shape (6,), C order"),
        (np.zeros((2, 3), ">f4"), ">f4 of shape (2, 3), C order"),
        (np.zeros((3, 2), np.float32).T, "float32 of shape (2, 3), not in C order"),
        (np.broadcast_to(np.float32(0), (2, 3)), "float32 of shape (2, 3), not in C order, read-only"),
    ],
)
def test_arrays_that_cannot_take_the_values(tmp_path, dtype, out, found):
    array = open_array(saved(tmp_path / "a.npy", VALUES.astype(dtype)), AXES)
    text = error_of(array.read, 0, 2, out)
    assert text == f"out: expected a writable float32 array of shape (2, 3) in C order; found {found}. Give such an array, or none."
    assert not np.any(out)


# ---- files at fault ------------------------------------------------------------------------------------------------


def test_a_missing_file_and_a_folder(tmp_path):
    path = tmp_path / "a.npy"
    assert error_of(open_array, path, AXES) == f"{path}: {EXPECTED}; found no such file. Copy the complete sample folder."
    path.mkdir()
    assert error_of(open_array, path, AXES) == f"{path}: {EXPECTED}; found a folder of that name. Copy the complete sample folder."


@pytest.mark.skipif(not hasattr(os, "geteuid") or os.geteuid() == 0, reason="root may read everything")
def test_a_file_that_must_not_be_read(tmp_path):
    path = saved(tmp_path / "a.npy", VALUES)
    path.chmod(0)
    assert "Permission denied" in error_of(open_array, path, AXES)


def test_a_file_that_cannot_be_read(tmp_path, monkeypatch):
    path = saved(tmp_path / "a.npy", VALUES)
    array = open_array(path, AXES)

    def fail(*_arguments, **_options):
        raise PermissionError(13, "Permission denied")

    monkeypatch.setattr(Path, "open", fail)
    assert error_of(open_array, path, AXES).endswith("found [Errno 13] Permission denied. Check the file and its permissions.")
    assert error_of(array.read, 0, 1).startswith(f"{path}: expected the file as it was when the scan was opened; found Permission denied.")


class Payload:
    """Makes a file when it is unpickled."""

    def __init__(self, marker: Path) -> None:
        self.marker = marker

    def __reduce__(self):
        return os.mkdir, (str(self.marker),)


def test_pickled_objects_are_never_loaded(tmp_path):
    marker = tmp_path / "unpickled"
    objects = np.empty((4, 3), dtype=object)
    objects[...] = Payload(marker)
    path = saved(tmp_path / "a.npy", objects, allow_pickle=True)
    text = error_of(open_array, path, AXES)
    assert text == f"{path}: {EXPECTED}; found pickled Python objects, which are never loaded. Save it as plain numbers with numpy.save."
    assert "pickled" in error_of(read_array, path, AXES, (4, 3))
    path.write_bytes(pickle.dumps(Payload(marker)))
    assert "found a file that is none (the magic string is not correct" in error_of(open_array, path, AXES)
    assert not marker.exists()
    pickle.loads(pickle.dumps(Payload(marker)))
    assert marker.exists()  # the trap works


@pytest.mark.parametrize(
    "array",
    [
        VALUES.astype(np.int16),
        VALUES.astype(np.complex64),
        VALUES.astype(np.float16),
        VALUES.astype(np.longdouble),
        VALUES > 0,
        VALUES.astype("U3"),
        np.zeros((4, 3), dtype=[("a", "<f4")]),
        VALUES.astype("M8[s]"),
    ],
    ids=lambda a: str(a.dtype),
)
def test_other_kinds_of_values(tmp_path, array):
    path = saved(tmp_path / "a.npy", array)
    assert error_of(open_array, path, AXES) == f"{path}: {EXPECTED}; found dtype {array.dtype}. Convert it with array.astype('float32')."


@pytest.mark.parametrize("shape", [(), (12,), (2, 2, 3)])
def test_another_number_of_axes(tmp_path, shape):
    path = saved(tmp_path / "a.npy", np.zeros(shape))
    assert error_of(open_array, path, AXES) == f"{path}: {EXPECTED}; found shape {shape}. Save it with these axes."


@pytest.mark.parametrize("shape", [(0, 3), (4, 0)])
def test_nothing_in_it(tmp_path, shape):
    path = saved(tmp_path / "a.npy", np.zeros(shape))
    assert error_of(open_array, path, AXES) == (
        f"{path}: expected at least one value along (views, columns); found shape {shape}. Export the scan again."
    )


def test_fortran_order(tmp_path):
    path = saved(tmp_path / "a.npy", np.asfortranarray(VALUES))
    assert error_of(open_array, path, AXES) == (
        f"{path}: expected C order (the last axis contiguous); found Fortran order. Save numpy.ascontiguousarray(array)."
    )


def test_another_shape(tmp_path):
    path = saved(tmp_path / "a.npy", VALUES)
    assert error_of(read_array, path, AXES, (None, 5)) == (
        f"{path}: expected shape (any, 5) for axes (views, columns), as the sinogram has it; found shape (4, 3). "
        "Copy the sample's files from one and the same scan."
    )


@pytest.mark.parametrize("missing", [1, 8, 95, 96])
def test_data_cut_short(tmp_path, missing):
    path = saved(tmp_path / "a.npy", VALUES)
    whole = path.stat().st_size
    os.truncate(path, whole - missing)
    text = (
        f"{path}: expected {whole} bytes for float64 of shape (4, 3); found {whole - missing} bytes: the file is truncated. Copy it again."
    )
    assert error_of(open_array, path, AXES) == text


@pytest.mark.parametrize("dtype", ["<f4", "<f8"])
def test_a_file_that_changes_after_it_was_opened(tmp_path, dtype):
    path = saved(tmp_path / "a.npy", VALUES.astype(dtype))
    array, whole = open_array(path, AXES), path.stat().st_size
    os.truncate(path, whole - 5)
    assert array.read(0, 3).tolist() == VALUES[:3].tolist()
    assert f"found {whole - 5} bytes: the file is truncated. Copy it again." in error_of(array.read, 3, 4)
    path.unlink()
    assert error_of(array.read, 0, 1) == (
        f"{path}: expected the file as it was when the scan was opened; found No such file or directory. "
        "Check the file and the disk, and open the scan again."
    )


@pytest.mark.parametrize("length", [0, 1, 6, 8, 9, 10, 60, 127])
def test_a_header_cut_short(tmp_path, length):
    path = saved(tmp_path / "a.npy", VALUES)
    os.truncate(path, length)
    text = error_of(open_array, path, AXES)
    assert text.startswith(f"{path}: {EXPECTED}; found {'a file that is none (' if length else 'an empty file.'}")
    assert text.endswith("Write it again with numpy.save, or copy it again.")


@pytest.mark.parametrize(
    ("header", "found"),
    [
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (-4, -3), }", "found shape (-4, -3)"),
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (4.0, 3), }", "shape is not valid"),
        ("{'descr': '<f8', 'fortran_order': 1, 'shape': (4, 3), }", "fortran_order is not a valid bool"),
        ("{'descr': 'bogus', 'fortran_order': False, 'shape': (4, 3), }", "a file that is none ("),
        ("{'descr': '<f8', 'shape': (4, 3), }", "correct keys"),
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (4, 3)", "a file that is none ("),
        ("{[]: 1}", "a file that is none ("),
        ("((" * 400, "a file that is none ("),
        ("'''", "a file that is none ("),
        (" " * 20_000, "a file that is none (Header info length (20000) is large"),
        ("{'descr': '<f8', 'fortran_order': False, 'shape': (4000000000000, 3), }", "bytes: the file is truncated"),
    ],
)
def test_headers_of_garbage(tmp_path, header, found):
    text = error_of(open_array, with_header(tmp_path / "a.npy", header), AXES)
    assert found in text
    assert len(text) < 600
    assert "\n" not in text


def test_a_later_format_version_is_told(tmp_path):
    header = "{'descr': '<f8', 'fortran_order': False, 'shape': (4, 3), }"
    assert "(its format version is 4.0)" in error_of(open_array, with_header(tmp_path / "a.npy", header, version=(4, 0)), AXES)


def test_a_wild_header_length_reads_no_more_than_a_header(tmp_path):
    path = tmp_path / "a.npy"
    path.write_bytes(b"\x93NUMPY\x02\x00" + struct.pack("<I", 2**32 - 1))
    os.truncate(path, 2**33)  # sparse: reading four gigabytes of it would show
    assert "a file that is none (EOF: reading array header" in error_of(open_array, path, AXES)


GOOD = io.BytesIO()
np.save(GOOD, VALUES)


@settings(
    max_examples=150, deadline=None, derandomize=True, suppress_health_check=[HealthCheck.function_scoped_fixture, HealthCheck.too_slow]
)
@given(changes=st.lists(st.tuples(st.integers(0, 127), st.integers(0, 255)), max_size=4), cut=st.integers(0, 224))
def test_whatever_happened_to_a_file_it_is_read_or_named(tmp_path, changes, cut):
    content = bytearray(GOOD.getvalue())
    for place, value in changes:
        content[place] = value
    path = tmp_path / "a.npy"
    path.write_bytes(content[: len(content) - cut])
    fault = array = None
    try:
        array = open_array(path, AXES)
    except InputError as error:
        fault = error
    if array is None:
        assert fault.where == str(path)
    else:
        assert array.read(0, array.shape[0]).shape == array.shape == array.memmap().shape
