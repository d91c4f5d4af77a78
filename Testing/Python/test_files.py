"""Whatever happens while writing, under the name that was asked for is the old content or the whole new one."""

from __future__ import annotations

import contextlib
import errno
import os
import subprocess
import sys
import textwrap
from pathlib import Path

import pytest

from MITOReconstructionLib.errors import InputError, WorkError
from MITOReconstructionLib.files import replacing, replacing_folder

ROOT = Path(__file__).parents[2]


class Stopped(BaseException):
    """Neither an Exception nor known to anybody."""


@pytest.fixture
def umask():
    """Set the umask for a test."""
    before = os.umask(0o022)
    yield lambda mask: os.umask(mask)
    os.umask(before)


def tree(folder: Path) -> dict[str, str | None]:
    return {str(p.relative_to(folder)): p.read_text() if p.is_file() else None for p in sorted(folder.rglob("*"))}


def half_write(path: Path, error: BaseException) -> None:
    path.write_text("half")
    raise error


# ---- files ---------------------------------------------------------------------------------------------------------


@pytest.mark.parametrize("kind", [str, Path])
def test_a_file_appears_whole_and_the_old_one_stays_until_then(tmp_path, kind):
    target = tmp_path / "volume.nrrd"
    for content, before in (("first", None), ("second", "first")):
        with replacing(kind(target)) as temporary:
            assert temporary.parent == tmp_path
            assert temporary.suffix == ".nrrd"
            assert temporary.name.startswith(".volume-")
            temporary.write_text(content)
            assert (target.read_text() if target.exists() else None) == before
        assert tree(tmp_path) == {"volume.nrrd": content}


@pytest.mark.parametrize(
    "error", [ValueError("no"), KeyboardInterrupt(), SystemExit(1), Stopped(), MemoryError()], ids=lambda e: type(e).__name__
)
@pytest.mark.parametrize("old", [None, "old"])
def test_an_interruption_leaves_the_old_content(tmp_path, error, old):
    target = tmp_path / "volume.nrrd"
    if old is not None:
        target.write_text(old)
    with pytest.raises(type(error)) as caught, replacing(target) as temporary:
        half_write(temporary, error)
    assert caught.value is error
    assert tree(tmp_path) == ({} if old is None else {"volume.nrrd": old})


def test_a_full_disk_is_told_in_words(tmp_path):
    (tmp_path / "a.bin").write_text("old")
    program = f"""
        import resource
        from MITOReconstructionLib.errors import WorkError
        from MITOReconstructionLib.files import replacing, replacing_folder
        resource.setrlimit(resource.RLIMIT_FSIZE, (10_000, 10_000))
        for write, name in ((replacing, "a.bin"), (replacing_folder, "folder")):
            try:
                with write({str(tmp_path)!r} + "/" + name) as temporary:
                    (temporary if write is replacing else temporary / "b.bin").write_bytes(bytes(20_000))
            except WorkError as error:
                print(error)
    """
    result = subprocess.run([sys.executable, "-c", textwrap.dedent(program)], capture_output=True, text=True, check=True, cwd=ROOT)
    assert result.stdout.splitlines() == [
        f"{tmp_path / name}: could not be written: File too large. Nothing was left behind." for name in ("a.bin", "folder")
    ]
    assert tree(tmp_path) == {"a.bin": "old"}


def test_a_fault_of_another_file_is_not_blamed_on_this_one(tmp_path):
    missing = "/nowhere/mask.npy"
    with pytest.raises(WorkError) as caught, replacing(tmp_path / "a.bin"):
        Path(missing).read_bytes()
    assert str(caught.value) == (
        f"{tmp_path / 'a.bin'}: could not be written: No such file or directory ({missing}). Nothing was left behind."
    )


@pytest.mark.parametrize("write", [replacing, replacing_folder])
def test_a_listener_who_went_away_is_no_disk_that_is_full(tmp_path, write):
    error = BrokenPipeError(errno.EPIPE, "Broken pipe")
    with pytest.raises(BrokenPipeError) as caught, write(tmp_path / "a"):
        raise error
    assert caught.value is error
    assert tree(tmp_path) == {}


@pytest.mark.parametrize("mask", [0o022, 0o077, 0o002, 0])
def test_permissions_follow_the_umask(tmp_path, umask, mask):
    umask(mask)
    with replacing(tmp_path / "a.txt") as temporary:
        temporary.write_text("a")
    with replacing_folder(tmp_path / "b"):
        pass
    assert (tmp_path / "a.txt").stat().st_mode & 0o777 == 0o666 & ~mask
    assert (tmp_path / "b").stat().st_mode & 0o777 == 0o777 & ~mask
    assert os.umask(mask) == mask  # and it was left alone


@pytest.mark.parametrize(("write", "call"), [(replacing, "touch"), (replacing_folder, "mkdir")])
def test_an_unwritable_folder_is_named(tmp_path, monkeypatch, write, call):
    def fail(*_arguments, **_options):
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr(Path, call, fail)
    with pytest.raises(WorkError) as caught, write(tmp_path / "a"):
        pytest.fail("must not begin")
    assert str(caught.value) == f"{tmp_path / 'a'}: could not be written: Permission denied. Nothing was left behind."


@pytest.mark.parametrize("write", [replacing, replacing_folder])
def test_a_parent_that_is_missing_or_a_file(tmp_path, write):
    (tmp_path / "file").touch()
    for parent in ("missing", "file"):
        with pytest.raises(InputError) as caught, write(tmp_path / parent / "a"):
            pytest.fail("must not begin")
        text = f"expected a folder that exists to write into; found no folder {tmp_path / parent}. Make it first."
        assert str(caught.value) == f"{tmp_path / parent / 'a'}: {text}"


def test_a_folder_is_not_replaced_by_a_file(tmp_path):
    with pytest.raises(InputError, match="expected a file name; found a folder of that name"), replacing(tmp_path):
        pytest.fail("must not begin")


def test_relative_paths_stay_where_they_were_though_the_run_moves(tmp_path, monkeypatch):
    (tmp_path / "a").mkdir()
    (tmp_path / "b").mkdir()
    monkeypatch.chdir(tmp_path / "a")
    with replacing("x.txt") as file, replacing_folder("y") as folder:
        os.chdir(tmp_path / "b")
        file.write_text("x")
        (folder / "z").write_text("z")
    assert tree(tmp_path) == {"a": None, "a/x.txt": "x", "a/y": None, "a/y/z": "z", "b": None}


@pytest.mark.parametrize("write", [replacing, replacing_folder])
def test_a_tilde_is_a_name_like_any_other(tmp_path, monkeypatch, write):
    monkeypatch.chdir(tmp_path)
    with pytest.raises(InputError, match=rf"found no folder {tmp_path}/~\. Make it first"), write("~/a.txt"):
        pytest.fail("must not begin")


@pytest.mark.parametrize(
    "name", ["n" * 250 + ".nrrd", "é" * 125 + ".nrrd", "木" * 83 + ".vtp", "a." + "s" * 253, ".hidden", "no suffix", "..x"]
)
def test_every_name_that_the_file_system_takes(tmp_path, name):
    with replacing(tmp_path / name) as temporary:
        temporary.write_text("a")
    assert tree(tmp_path) == {name: "a"}
    (tmp_path / name).unlink()
    with replacing_folder(tmp_path / name) as temporary:
        (temporary / "a").write_text("a")
    assert tree(tmp_path) == {name: None, f"{name}/a": "a"}


@pytest.mark.parametrize("name", ["n" * 256, "null\0"])
@pytest.mark.parametrize("write", [replacing, replacing_folder])
def test_names_that_the_file_system_refuses_are_told_before_the_work(tmp_path, write, name):
    with (
        pytest.raises(InputError, match=r"expected the name of a file or folder; found .+\. Choose another name\."),
        write(tmp_path / name),
    ):
        pytest.fail("must not begin")
    assert tree(tmp_path) == {}


def test_a_link_leads_to_what_is_replaced(tmp_path):
    (tmp_path / "disk").mkdir()
    (tmp_path / "disk" / "old.txt").write_text("old")
    (tmp_path / "link.txt").symlink_to(tmp_path / "disk" / "old.txt")
    with replacing(tmp_path / "link.txt") as temporary:
        temporary.write_text("new")
    assert (tmp_path / "link.txt").is_symlink()
    assert (tmp_path / "disk" / "old.txt").read_text() == "new"
    (tmp_path / "folder").symlink_to(tmp_path / "disk")
    with replacing_folder(tmp_path / "folder", overwrite=True) as temporary:
        (temporary / "a").write_text("a")
    assert (tmp_path / "folder").is_symlink()
    assert tree(tmp_path / "disk") == {"a": "a"}


# ---- folders -------------------------------------------------------------------------------------------------------


@pytest.fixture
def old_folder(tmp_path):
    """A folder with something in it."""
    (tmp_path / "sample").mkdir()
    (tmp_path / "sample" / "a").write_text("old")
    return tmp_path / "sample"


@pytest.mark.parametrize("exists", [False, True])
def test_a_folder_appears_whole(tmp_path, exists):
    target = tmp_path / "sample"
    if exists:
        target.mkdir()
    with replacing_folder(str(target)) as temporary:
        (temporary / "a").write_text("a")
        assert not (target / "a").exists()
    assert tree(tmp_path) == {"sample": None, "sample/a": "a"}


def test_what_is_there_is_kept_unless_told(tmp_path, old_folder):
    with pytest.raises(InputError) as caught, replacing_folder(old_folder):
        pytest.fail("must not begin")
    assert str(caught.value) == f"{old_folder}: expected a new or an empty folder; found something there already. Choose another folder."
    with replacing_folder(old_folder, overwrite=True) as temporary:
        (temporary / "b").write_text("new")
        assert tree(old_folder) == {"a": "old"}
    assert tree(tmp_path) == {"sample": None, "sample/b": "new"}


@pytest.mark.parametrize("overwrite", [False, True])
def test_a_file_is_not_replaced_by_a_folder(tmp_path, overwrite):
    (tmp_path / "file").write_text("old")
    with (
        pytest.raises(InputError, match="expected a folder name; found a file of that name"),
        replacing_folder(tmp_path / "file", overwrite=overwrite),
    ):
        pytest.fail("must not begin")
    assert tree(tmp_path) == {"file": "old"}


@pytest.mark.parametrize("error", [ValueError("no"), KeyboardInterrupt(), Stopped()], ids=lambda e: type(e).__name__)
def test_an_interruption_leaves_the_old_folder(tmp_path, old_folder, error):
    with pytest.raises(type(error)), replacing_folder(old_folder, overwrite=True) as temporary:
        half_write(temporary / "b", error)
    assert tree(tmp_path) == {"sample": None, "sample/a": "old"}


@pytest.mark.parametrize("fails", [1, 2])
@pytest.mark.parametrize("error", [OSError(errno.EIO, "Input/output error"), KeyboardInterrupt()], ids=["EIO", "interrupt"])
def test_an_exchange_that_fails_gives_the_old_folder_back(tmp_path, old_folder, monkeypatch, error, fails):
    calls, rename = [], Path.replace

    def replace(self, target):
        calls.append((self, target))
        if len(calls) == fails:
            raise error
        return rename(self, target)

    monkeypatch.setattr(Path, "replace", replace)
    kind = WorkError if isinstance(error, OSError) else KeyboardInterrupt
    with pytest.raises(kind), replacing_folder(old_folder, overwrite=True) as temporary:
        (temporary / "b").write_text("new")
    assert tree(tmp_path) == {"sample": None, "sample/a": "old"}


def test_what_came_into_the_empty_folder_meanwhile_is_not_deleted(tmp_path):
    (tmp_path / "sample").mkdir()
    with pytest.raises(WorkError, match="sample: could not be written: Directory not empty"), replacing_folder(tmp_path / "sample"):
        (tmp_path / "sample" / "precious").write_text("mine")
    assert tree(tmp_path) == {"sample": None, "sample/precious": "mine"}


def test_the_empty_working_folder_can_be_filled(tmp_path, monkeypatch):
    (tmp_path / "here").mkdir()
    monkeypatch.chdir(tmp_path / "here")
    with replacing_folder(".") as temporary:
        (temporary / "a").write_text("a")
    monkeypatch.chdir(tmp_path)
    assert tree(tmp_path) == {"here": None, "here/a": "a"}


# ---- processes that were killed --------------------------------------------------------------------------------------

KILLED = """
    import sys
    from pathlib import Path
    from MITOReconstructionLib.files import folder_beside, replacing, replacing_folder
    write, path = {"file": replacing, "folder": replacing_folder, "beside": folder_beside}[sys.argv[1]], Path(sys.argv[2])
    with write(path) as temporary:
        (temporary if temporary.is_file() else temporary / "part").write_text("half")
        print("writing", flush=True)
        sys.stdin.read()
"""


@pytest.mark.skipif(sys.platform == "win32", reason="no locks that end with a process")
@pytest.mark.parametrize(("kind", "write"), [("file", replacing), ("folder", replacing_folder), ("beside", replacing_folder)])
def test_what_a_killed_process_left_is_removed_by_the_next_and_what_another_writes_is_not(tmp_path, kind, write):
    target = tmp_path / "log.v"
    near_misses = [".log-0123456.v", ".log-01234567-old", ".log-0123456g.v", ".log2-01234567.v"]
    for name in near_misses:
        (tmp_path / name).mkdir()
    words = [sys.executable, "-c", textwrap.dedent(KILLED), kind]
    with contextlib.ExitStack() as stack:
        streams = {"env": {**os.environ, "PYTHONPATH": str(ROOT)}, "stdin": subprocess.PIPE, "stdout": subprocess.PIPE}
        killed, alive, elsewhere = (
            stack.enter_context(subprocess.Popen([*words, str(path)], **streams)) for path in (target, target, tmp_path / "log.w")
        )
        for process in (killed, alive, elsewhere):
            assert process.stdout.readline() == b"writing\n"
        assert len(list(tmp_path.iterdir())) == len(near_misses) + 3
        killed.kill()
        killed.wait(300)
        with write(target) as temporary:
            if temporary.is_dir():
                (temporary / "part").write_text("whole")
        assert target.exists()
        assert len(list(tmp_path.iterdir())) == len(near_misses) + 3  # the target, and those of the two that live
        elsewhere.stdin.close()
        assert elsewhere.wait(300) == 0
    for name in near_misses:
        assert (tmp_path / name).is_dir()


@pytest.mark.skipif(not hasattr(os, "mkfifo"), reason="no pipes among files here")
@pytest.mark.parametrize("write", [replacing, replacing_folder])
def test_pipes_and_devices_are_not_replaced(tmp_path, write):
    os.mkfifo(tmp_path / "pipe")
    (tmp_path / "link").symlink_to(tmp_path / "pipe")
    for name in ("pipe", "link"):
        with pytest.raises(InputError, match="found a pipe or a device"), write(tmp_path / name):
            pass
    assert sorted(path.name for path in tmp_path.iterdir()) == ["link", "pipe"]
    assert (tmp_path / "pipe").is_fifo()
