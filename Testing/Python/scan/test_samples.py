"""The samples of a data folder: what samples.json says, in its order, or what is there; never anything outside."""

from __future__ import annotations

import json
import os

import pytest

from MITOReconstructionLib.errors import InputError
from MITOReconstructionLib.scan.samples import Sample, list_samples


@pytest.fixture
def data(tmp_path):
    """A data folder with a neighbour that is none of its business."""
    (tmp_path / "outside").mkdir()
    (tmp_path / "data").mkdir()
    return tmp_path / "data"


def listed(data, *entries):
    (data / "samples.json").write_text(json.dumps(list(entries)), encoding="utf-8")
    return data


def entry(folder, name="A name"):
    return {"folder": folder, "name": name}


def error_of(data) -> str:
    with pytest.raises(InputError) as caught:
        list_samples(data)
    return str(caught.value)


def test_the_list_gives_order_and_names(data):
    listed(data, entry("pine_16_1", "Pine 16, Disk 1"), entry("asp_2", "Björk 木"), entry("åäö", "x"), entry("a/b", "below"))
    assert list_samples(str(data)) == [
        Sample(data / "pine_16_1", "Pine 16, Disk 1"),
        Sample(data / "asp_2", "Björk 木"),
        Sample(data / "åäö", "x"),
        Sample(data / "a" / "b", "below"),
    ]


def test_a_list_with_a_byte_order_mark(data):
    (data / "samples.json").write_bytes(b"\xef\xbb\xbf" + json.dumps([entry("a")]).encode())
    assert list_samples(data) == [Sample(data / "a", "A name")]


def test_without_a_list_every_child_that_holds_a_sample_by_name(data):
    for name in ("pine", "asp", ".pine-1a2b3c4d", "notes", "Birch"):
        (data / name).mkdir()
        if name != "notes":
            (data / name / "metadata.json").touch()
    (data / "readme.txt").touch()
    assert list_samples(data) == [Sample(data / name, name) for name in ("Birch", "asp", "pine")]


def test_a_child_that_must_not_be_looked_into_is_passed_over(data, monkeypatch):
    for name in ("pine", "lost+found"):
        (data / name).mkdir()
        (data / name / "metadata.json").touch()
    stat = os.stat

    def refuse(path, **options):
        if "lost+found" in str(path):
            raise PermissionError(13, "Permission denied")
        return stat(path, **options)

    monkeypatch.setattr("os.stat", refuse)
    assert [sample.name for sample in list_samples(data)] == ["pine"]


def test_a_folder_without_samples(data):
    assert error_of(data) == (
        f"{data}: expected samples.json or child folders with a metadata.json; found neither. "
        "Choose the folder that holds the sample folders; to open one sample, name its own folder."
    )


def test_a_data_folder_that_is_missing_or_a_file(tmp_path):
    path = tmp_path / "data"
    assert error_of(path) == f"{path}: expected a data folder; found no such folder. Choose the folder that holds the sample folders."
    path.touch()
    assert "expected a data folder; found a file." in error_of(path)


@pytest.mark.parametrize(
    ("content", "found"),
    [
        (b"[]", "an empty list"),
        (b"{}", "a JSON dict"),
        (b'"pine"', "a JSON str"),
        (b"", "unreadable content (Expecting value"),
        (b"[{", "unreadable content (Expecting property name"),
        (b"\xff\xfe", "unreadable content ('utf-8' codec can't decode byte 0xff"),
        (b"[" * 100_000, "unreadable content ("),
    ],
)
def test_lists_that_are_none(data, content, found):
    (data / "samples.json").write_bytes(content)
    text = error_of(data)
    assert text.startswith(
        f'{data / "samples.json"}: expected a JSON list of objects with exactly "folder" and "name", both texts; found {found}'
    )
    assert text.endswith("Correct the file, or remove it.")


@pytest.mark.parametrize("make", ["mkdir", "link"])
def test_a_list_that_cannot_be_read_is_not_passed_over(data, make):
    if make == "mkdir":
        (data / "samples.json").mkdir()
    else:
        (data / "samples.json").symlink_to(data / "nowhere")
    (data / "pine").mkdir()
    (data / "pine" / "metadata.json").touch()
    assert f"{data / 'samples.json'}: expected a JSON list" in error_of(data)


@pytest.mark.parametrize(
    "wrong",
    [
        {"folder": "b"},
        {"name": "b"},
        {},
        {"folder": "b", "name": "B", "note": 1},
        {"folder": 1, "name": "B"},
        {"folder": "b", "name": None},
        {"folder": "", "name": "B"},
        {"folder": "b", "name": ""},
        "b",
        None,
        ["b", "B"],
    ],
)
def test_entries_have_exactly_two_texts(data, wrong):
    listed(data, entry("a"), wrong)
    text = f'expected an object with exactly "folder" and "name"; found {json.dumps(wrong)}. Correct the entry.'
    assert error_of(data) == f"{data / 'samples.json'}: entry 1: {text}"


@pytest.mark.parametrize("again", ["a", "a/", "./a", "a/.", "a\\"])
def test_a_folder_is_listed_once(data, again):
    listed(data, entry("a"), entry("b"), entry(again))
    assert error_of(data) == (
        f'{data / "samples.json"}: entry 2: expected every folder once; found "{again}" again. Remove one of the entries.'
    )


@pytest.mark.parametrize(
    "folder",
    [
        "..",
        "../outside",
        "a/../../outside",
        "a/..",
        "/etc",
        "//server/share",
        "C:\\data",
        "C:data",
        "c:/data",
        "..\\outside",
        "a\\..\\..\\outside",
        "\\outside",
        "\\\\server\\share",
        ".",
        "./.",
        "null\0",
        "\ud800",
    ],
)
def test_nothing_outside_is_listed(data, folder):
    listed(data, entry(folder))
    assert error_of(data) == (
        f'{data / "samples.json"}: entry 0: expected a folder inside the data folder; found "{folder}", which leads outside. '
        "Name a child folder; to use a sample elsewhere, open its own folder."
    )


def test_links_that_lead_outside_or_nowhere(data):
    (data / "away").symlink_to(data.parent / "outside")
    (data / "round").symlink_to(data / "round")
    (data / "within").symlink_to(data / "a")
    assert list_samples(listed(data, entry("within"))) == [Sample(data / "within", "A name")]
    for folder in ("away", "away/child", "round"):
        listed(data, entry(folder))
        assert f'found "{folder}", which leads outside' in error_of(data)


def test_a_data_folder_that_is_a_link_itself(data):
    (data.parent / "link").symlink_to(data)
    listed(data, entry("a"))
    assert list_samples(data.parent / "link") == [Sample(data.parent / "link" / "a", "A name")]
