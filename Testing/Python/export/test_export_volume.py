"""Volumes as NRRD: read back by pynrrd, by Slicer's own storage node and by the library; faults; memory."""

from __future__ import annotations

import bz2
import errno
import gzip
import subprocess
import sys
import textwrap
from pathlib import Path

import nrrd
import numpy as np
import pytest

from MITOReconstructionLib.errors import InputError, MITOError, WorkError
from MITOReconstructionLib.export import load_volume, save_volume
from MITOReconstructionLib.export import volume as volume_module
from MITOReconstructionLib.geometry import VolumeGrid

GRID = VolumeGrid((-80.0, -200.0, 92.44), (-77.0, -198.0, 94.44), (6, 5, 4))

PROVENANCE = {
    "sample": "Pine 16, Disk 1",
    "method": "fbp",
    "parameters": {"filter_type": "Hann", "frequency_scaling": 0.8, "note": 'a "b"\nc'},
    "views": [0, 6000],
    "seconds": 12.5,
    "gpu": None,
    "exact": True,
    "looks like a number": "12",
    "unicode": "Luleå tekniska universitet, 木 🌲",
    "assignment": "a:=b := c: d",
    "lines": "first\nsecond\r\nthird",
    "path": "C:\\new\\table\\",
    "blank": "  ",
    "empty": "",
    "tab": "\ta",
    "numpy": np.float32(0.5),
    "type": "a field of the format",
    "Space Origin": "another",
    "key: with = signs": 1,
    "nyckel å": "ö",
    "# comment": 2,
    "": 3,
    "more": "taken",
}


def ramp(grid: VolumeGrid = GRID) -> np.ndarray:
    return np.arange(grid.size, dtype=np.float32).reshape(grid.shape)


def mrml_volume(path: Path):
    slicer = pytest.importorskip("slicer")
    scene = slicer.vtkMRMLScene()
    storage = scene.AddNewNodeByClass("vtkMRMLNRRDStorageNode")
    storage.SetFileName(str(path))
    storage.SetCenterImage(0)
    node = scene.AddNewNodeByClass("vtkMRMLScalarVolumeNode")
    assert storage.ReadData(node) == 1
    return scene, node


def test_pynrrd_reads_what_was_written(tmp_path: Path) -> None:
    save_volume(tmp_path / "a.nrrd", ramp(), GRID, {"sample": "Pine 16", "views": [0, 4]})
    data, header = nrrd.read(str(tmp_path / "a.nrrd"))
    assert data.dtype == np.float32
    np.testing.assert_array_equal(data, ramp())
    assert header["space"] == "right-anterior-superior"
    np.testing.assert_array_equal(header["space origin"], GRID.origin)
    np.testing.assert_array_equal(header["space directions"], np.diag(GRID.spacing))
    assert header["space units"] == ["mm", "mm", "mm"]
    assert header["kinds"] == ["domain"] * 3
    assert header["encoding"] == "raw"
    assert header["sample"] == "Pine 16"
    assert header["views"] == "[0, 4]"


def test_pynrrd_reads_the_header_with_odd_pairs(tmp_path: Path) -> None:
    save_volume(tmp_path / "a.nrrd", ramp(), GRID, PROVENANCE)
    data, header = nrrd.read(str(tmp_path / "a.nrrd"))
    np.testing.assert_array_equal(data, ramp())
    assert header["assignment"] == "a:=b := c: d"
    assert (tmp_path / "a.nrrd").read_bytes().split(b"\n\n")[0].isascii()


@pytest.mark.parametrize("compress", [False, True])
def test_own_load_returns_what_was_saved(tmp_path: Path, compress: bool) -> None:
    save_volume(tmp_path / "a.nrrd", ramp(), GRID, PROVENANCE, compress=compress)
    array, grid, provenance = load_volume(tmp_path / "a.nrrd")
    assert array.dtype == np.float32
    assert array.flags.c_contiguous
    np.testing.assert_array_equal(array, ramp())
    assert grid.shape == GRID.shape
    np.testing.assert_allclose([grid.minimum, grid.maximum], [GRID.minimum, GRID.maximum], rtol=0, atol=1e-12)
    assert provenance == {**PROVENANCE, "numpy": 0.5}


def test_slicer_puts_the_voxels_where_the_grid_has_them(tmp_path: Path) -> None:
    util = pytest.importorskip("slicer.util")
    vtk = pytest.importorskip("vtk")

    save_volume(tmp_path / "a.nrrd", ramp(), GRID, PROVENANCE)
    _scene, node = mrml_volume(tmp_path / "a.nrrd")
    matrix = vtk.vtkMatrix4x4()
    node.GetIJKToRASMatrix(matrix)
    expected = np.diag([*GRID.spacing, 1.0])
    expected[:3, 3] = GRID.origin
    np.testing.assert_allclose(util.arrayFromVTKMatrix(matrix), expected, rtol=0, atol=1e-9)
    np.testing.assert_array_equal(util.arrayFromVolume(node), ramp().transpose(2, 1, 0))
    i, j, k = 4, 1, 3
    assert node.GetImageData().GetScalarComponentAsDouble(i, j, k, 0) == ramp()[i, j, k]
    place = matrix.MultiplyPoint((i, j, k, 1))[:3]
    np.testing.assert_allclose(place, [GRID.centres(axis)[n] for axis, n in enumerate((i, j, k))], rtol=0, atol=1e-9)
    bounds = np.zeros(6)
    node.GetRASBounds(bounds)  # outer edges: half a voxel beyond the outer centres
    np.testing.assert_allclose(bounds[::2], GRID.minimum, atol=1e-9)
    np.testing.assert_allclose(bounds[1::2], GRID.maximum, atol=1e-9)


def test_slicer_shows_the_pairs_as_attributes(tmp_path: Path) -> None:
    save_volume(tmp_path / "a.nrrd", ramp(), GRID, PROVENANCE)
    _scene, node = mrml_volume(tmp_path / "a.nrrd")
    assert node.GetAttribute("sample") == "Pine 16, Disk 1"
    assert node.GetAttribute("assignment") == "a:=b := c: d"
    assert node.GetAttribute("path") == "C:\\new\\table\\"
    assert node.GetAttribute("views") == "[0, 6000]"


@pytest.mark.parametrize("dtype", ["f8", "i2", "u1", ">f4"])
@pytest.mark.parametrize("order", ["C", "F"])
def test_any_numbers_in_any_memory_order(tmp_path: Path, dtype: str, order: str) -> None:
    array = np.array(ramp(), dtype=dtype, order=order)  # type: ignore[call-overload]
    save_volume(tmp_path / "a.nrrd", array[::-1], GRID)
    np.testing.assert_array_equal(load_volume(tmp_path / "a.nrrd")[0], ramp()[::-1])


def test_slabs_do_not_change_the_file(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    save_volume(tmp_path / "one.nrrd", ramp(), GRID)
    monkeypatch.setattr(volume_module, "SLAB_BYTES", 6 * 5 * 4 * 3)
    save_volume(tmp_path / "slabs.nrrd", ramp(), GRID)
    assert (tmp_path / "one.nrrd").read_bytes() == (tmp_path / "slabs.nrrd").read_bytes()
    np.testing.assert_array_equal(load_volume(tmp_path / "one.nrrd")[0], ramp())


@pytest.mark.skipif(not Path("/proc/self/status").exists(), reason="reads /proc")
def test_no_second_copy_of_the_volume_is_held(tmp_path: Path) -> None:
    program = textwrap.dedent(f"""
        from pathlib import Path
        import numpy as np
        from MITOReconstructionLib.export import load_volume, save_volume
        from MITOReconstructionLib.geometry import VolumeGrid
        def peak():
            return int(Path("/proc/self/status").read_text().partition("VmHWM:")[2].split()[0]) / 1024
        grid = VolumeGrid((0, 0, 0), (256, 256, 512), (256, 256, 512))
        array = np.ones(grid.shape, dtype=np.float32)
        before = peak()
        save_volume({str(tmp_path / "a.nrrd")!r}, array, grid)
        saved = peak()
        del array
        load_volume({str(tmp_path / "a.nrrd")!r})
        print(saved - before, peak() - before)
    """)
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[3])
    saving, loading = (float(number) for number in result.stdout.split())
    assert saving < 48  # the volume is 128 MiB
    assert loading < 64


# ---- other programs' files ---------------------------------------------------------------------------------------


def written(path: Path, array: np.ndarray, **fields: object) -> Path:
    header = {"space": "right-anterior-superior", "space directions": np.eye(3), "space origin": [0.0, 0.0, 0.0], "encoding": "raw"}
    fields = {name.replace("_", " "): value for name, value in fields.items()}
    with pytest.MonkeyPatch.context() as patch:
        patch.setattr("warnings.filters", [("ignore", None, Warning, None, 0)])  # pynrrd's own deprecated call
        nrrd.write(str(path), array, {k: v for k, v in {**header, **fields}.items() if v is not None})
    return path


@pytest.mark.parametrize("space", ["right-anterior-superior", "left-posterior-superior", "LPS", "left-anterior-superior"])
@pytest.mark.parametrize("order", [(0, 1, 2), (2, 0, 1), (1, 0, 2)])
def test_frames_and_axes_in_any_order_and_direction(tmp_path: Path, space: str, order: tuple[int, int, int]) -> None:
    sign = np.array([1, 1, 1]) if space.startswith("r") else np.array([-1, 1 if "anterior" in space else -1, 1])
    directions = np.zeros((3, 3))  # RAS; file axis n lies along frame axis order[n]
    for n, (axis, step) in enumerate(zip(order, (0.5, -2.0, 3.0), strict=True)):
        directions[n, axis] = step
    origin = np.array([10.0, -20.0, 30.0])
    stored = np.random.default_rng(1).normal(size=(2, 3, 4)).astype(np.float32)
    path = written(tmp_path / "a.nrrd", stored, space=space, space_directions=directions * sign, space_origin=origin * sign)
    array, grid, _ = load_volume(path)
    for index in np.ndindex(stored.shape):
        place = origin + np.array(index) @ directions
        found = tuple(round((place[axis] - grid.origin[axis]) / grid.spacing[axis]) for axis in range(3))
        np.testing.assert_allclose(place, [grid.centres(axis)[found[axis]] for axis in range(3)], atol=1e-9)
        assert array[found] == stored[index]


def test_agrees_with_slicer_about_an_lps_file(tmp_path: Path) -> None:
    util = pytest.importorskip("slicer.util")
    vtk = pytest.importorskip("vtk")

    stored = np.random.default_rng(2).normal(size=(2, 3, 4)).astype(np.float32)
    directions = np.diag([0.5, 0.25, -2.0])
    path = written(tmp_path / "a.nrrd", stored, space="left-posterior-superior", space_directions=directions, space_origin=[1, 2, 3.0])
    array, grid, _ = load_volume(path)
    _scene, node = mrml_volume(path)
    to_ijk = vtk.vtkMatrix4x4()
    node.GetRASToIJKMatrix(to_ijk)
    voxels = util.arrayFromVolume(node)
    for index in np.ndindex(array.shape):
        place = [grid.centres(axis)[n] for axis, n in enumerate(index)]
        i, j, k = (round(n) for n in to_ijk.MultiplyPoint((*place, 1))[:3])
        assert voxels[k, j, i] == array[index]


@pytest.mark.parametrize("encoding", ["raw", "gzip", "bzip2"])
@pytest.mark.parametrize("dtype", ["i1", "u1", "<i2", ">u2", "<i4", "<f8", ">f4"])
def test_encodings_and_number_types(tmp_path: Path, encoding: str, dtype: str) -> None:
    stored = np.arange(24).reshape(2, 3, 4).astype(dtype)
    path = written(tmp_path / "a.nrrd", stored, encoding=encoding)
    array, _grid, _ = load_volume(path)
    assert array.dtype == np.float32
    np.testing.assert_array_equal(array, stored)


HEADER = {
    "type": "float",
    "dimension": "3",
    "space": "right-anterior-superior",
    "sizes": "2 3 4",
    "space directions": "(1,0,0) (0,1,0) (0,0,1)",
    "endian": "little",
    "encoding": "raw",
    "space origin": "(0,0,0)",
}


def by_hand(path: Path, data: bytes = bytes(96), *, magic: str = "NRRD0004", **changes: str | None) -> Path:
    fields = {**HEADER, **{name.replace("_", " "): value for name, value in changes.items()}}
    lines = [magic, *(f"{name}: {value}" for name, value in fields.items() if value is not None)]
    path.write_bytes(("\n".join(lines) + "\n\n").encode() + data)
    return path


def test_the_file_made_by_hand_is_sound(tmp_path: Path) -> None:
    assert load_volume(by_hand(tmp_path / "a.nrrd"))[1] == VolumeGrid((-0.5, -0.5, -0.5), (1.5, 2.5, 3.5), (2, 3, 4))


@pytest.mark.parametrize(
    ("changes", "text"),
    [
        ({"magic": "PNG"}, "expected an NRRD file, whose first line is NRRD0004 or alike; found 'PNG'"),
        ({"data": bytes(95)}, "expected 96 bytes of samples behind the header; found 95 bytes. The file is cut short"),
        ({"data": gzip.compress(bytes(96))[:-12], "encoding": "gzip"}, "compressed samples that end early or are damaged"),
        ({"data": gzip.compress(bytes(90)), "encoding": "gzip"}, "found 90 bytes"),
        ({"data": b"not gzip", "encoding": "gzip"}, "compressed samples that end early or are damaged"),
        ({"data": b"not bzip2", "encoding": "bzip2"}, "compressed samples that end early or are damaged"),
        ({"data": bz2.compress(bytes(96))[:-9], "encoding": "bzip2"}, "compressed samples that end early"),
        ({"encoding": "hex"}, "'encoding': expected raw, gzip or bzip2 samples behind the header of the same file; found 'hex'"),
        ({"data_file": "a.raw"}, "'data file': expected raw, gzip or bzip2 samples behind the header of the same file; found 'a.raw'"),
        ({"dimension": "2", "sizes": "2 3"}, "expected 3 and three counts of at least 1; found 2 and (2, 3)"),
        ({"dimension": "4", "sizes": "3 2 3 4"}, "found 4 and (3, 2, 3, 4). Choose a file that holds one volume"),
        ({"sizes": "2 0 4"}, "found 3 and (2, 0, 4)"),
        ({"sizes": "two"}, "NRRD header: expected fields as the NRRD format has them"),
        ({"type": "block"}, "expected float, double or an integer of up to 32 bits; found 'block'"),
        ({"endian": "middle"}, "expected little or big; found 'middle'"),
        ({"space": "scanner-xyz"}, "expected right-anterior-superior, left-anterior-superior or left-posterior-superior"),
        ({"space": None}, "'space': expected right-anterior-superior or left-posterior-superior; found nothing"),
        ({"space_origin": None}, "'space origin': expected vectors of three numbers; found nothing"),
        ({"space_origin": "(0,nan,0)"}, "'space origin': expected finite numbers of shape (3,)"),
        ({"space_directions": None}, "'space directions': expected vectors of three numbers; found nothing"),
        ({"space_directions": "(1,0.1,0) (-0.1,1,0) (0,0,1)"}, "expected each axis along x, y or z; found oblique axes [[ 1. , 0.1, 0. ]"),
        ({"space_directions": "(1,0,0) (1,0,0) (0,0,1)"}, "expected each axis along x, y or z"),
        ({"space_directions": "(0,0,0) (0,1,0) (0,0,1)"}, "expected each axis along x, y or z"),
        ({"space_directions": "none (0,1,0) (0,0,1)"}, "'space directions': expected finite numbers of shape (3, 3)"),
    ],
)
def test_each_fault_of_a_file_is_named(tmp_path: Path, changes: dict, text: str) -> None:
    path = by_hand(tmp_path / "a.nrrd", **changes)
    with pytest.raises(InputError) as caught:
        load_volume(path)
    assert text in str(caught.value)
    assert str(path) in str(caught.value)


def test_missing_files_and_folders_are_named(tmp_path: Path) -> None:
    with pytest.raises(InputError, match=r"none.nrrd: expected an NRRD file; found no such file. Check the path."):
        load_volume(tmp_path / "none.nrrd")
    with pytest.raises(InputError, match=r"found a folder"):
        load_volume(tmp_path)


@pytest.mark.parametrize(
    "text", [b"NRRD0004\ntype: float\n", b"NRRD0004\nno colon\n\n", b"NRRD0004\ntype: float\ntype: float\n\n", b"NRRD0004"]
)
def test_damaged_headers_are_input_errors(tmp_path: Path, text: bytes) -> None:
    (tmp_path / "a.nrrd").write_bytes(text)
    with pytest.raises(InputError, match=r"a\.nrrd.*expected"):
        load_volume(tmp_path / "a.nrrd")


# ---- faults of writing -------------------------------------------------------------------------------------------


def test_wrong_shape_and_suffix_are_named(tmp_path: Path) -> None:
    with pytest.raises(
        InputError, match=r"volume: expected an array of shape \(6, 5, 4\) \(x, y, z\), the grid's; found shape \(4, 5, 6\)"
    ):
        save_volume(tmp_path / "a.nrrd", ramp().T, GRID)
    with pytest.raises(InputError, match=r"a\.nii: expected a file name that ends in \.nrrd; found '\.nii'"):
        save_volume(tmp_path / "a.nii", ramp(), GRID)
    with pytest.raises(InputError, match=r"expected a folder that exists to write into"):
        save_volume(tmp_path / "none" / "a.nrrd", ramp(), GRID)
    assert list(tmp_path.iterdir()) == []


def test_a_full_disk_leaves_the_old_file_and_nothing_else(tmp_path: Path) -> None:
    path = tmp_path / "a.nrrd"
    path.write_text("old")
    program = textwrap.dedent(f"""
        import resource, numpy as np
        from MITOReconstructionLib.errors import WorkError
        from MITOReconstructionLib.export import save_volume
        from MITOReconstructionLib.geometry import VolumeGrid
        resource.setrlimit(resource.RLIMIT_FSIZE, (100_000, 100_000))
        grid = VolumeGrid((0, 0, 0), (64, 64, 64), (64, 64, 64))
        try:
            save_volume({str(path)!r}, np.zeros(grid.shape, dtype=np.float32), grid)
        except WorkError as error:
            print(error)
    """)
    result = subprocess.run([sys.executable, "-c", program], capture_output=True, text=True, check=True, cwd=Path(__file__).parents[3])
    assert result.stdout == f"{path}: could not be written: File too large. Nothing was left behind.\n"
    assert path.read_text() == "old"
    assert list(tmp_path.iterdir()) == [path]


@pytest.mark.parametrize("compress", [False, True])
def test_no_space_half_way(tmp_path: Path, monkeypatch: pytest.MonkeyPatch, compress: bool) -> None:
    def fail(*_arguments: object) -> None:
        raise OSError(errno.ENOSPC, "No space left on device")

    monkeypatch.setattr(volume_module, "write_slabs", fail)
    with pytest.raises(WorkError, match=r"a\.nrrd: could not be written: No space left on device"):
        save_volume(tmp_path / "a.nrrd", ramp(), GRID, compress=compress)
    assert list(tmp_path.iterdir()) == []


def test_too_large_for_memory(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: object) -> None:
        raise MemoryError

    monkeypatch.setattr(volume_module, "_read_slabs", fail)
    with pytest.raises(WorkError, match=r"does not fit into memory"):
        load_volume(by_hand(tmp_path / "a.nrrd"))


def test_an_unwritable_folder_is_named(tmp_path: Path, monkeypatch: pytest.MonkeyPatch) -> None:
    def fail(*_arguments: object, **_options: object) -> None:
        raise PermissionError(errno.EACCES, "Permission denied")

    monkeypatch.setattr("pathlib.Path.touch", fail)
    with pytest.raises(MITOError, match=r"a\.nrrd.*Permission denied"):
        save_volume(tmp_path / "a.nrrd", ramp(), GRID)
    assert list(tmp_path.iterdir()) == []
