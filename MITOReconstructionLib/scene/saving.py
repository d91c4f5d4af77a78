"""Scenes as files: .mrb bundles that open in Slicer with everything in them."""

from __future__ import annotations

import contextlib
import os
import shutil
import tempfile
import zipfile
from collections.abc import Iterator
from pathlib import Path

from MITOReconstructionLib.errors import InputError, WorkError
from MITOReconstructionLib.files import folder_beside, mebibytes, replacing, temporary_folder
from MITOReconstructionLib.scene.arrangement import SLICES, Arrangement
from MITOReconstructionLib.scene.detector import with_values
from MITOReconstructionLib.scene.host import Node, Scene, in_application, new_scene, nodes_of_class, prepare_scene, quiet, slicer
from MITOReconstructionLib.scene.parts import find_part

__all__ = ["load_scene", "save_scene"]

MOST_TOLD = 300
"""Characters of the application's own words about a fault that are told on: it has some for every file."""

_REMEDY = "Write it again with save_scene, or from Slicer as an .mrb file."


def save_scene(scene: Scene, path: str | os.PathLike[str]) -> None:
    """Write a scene as an .mrb file.

    The projection on a detector is written as values of its surface's cells, for textures are not stored with a
    scene. For a scene without views the nodes of the application's views are written too, so that the file opens with
    the last volume in the slice views and with the camera where everything is in sight. The scene is left as it was.

    Parameters
    ----------
    scene : vtkMRMLScene
    path : path
        Ends in ``.mrb``.

    Raises
    ------
    InputError
        When the name cannot be used.
    WorkError
        When writing fails; nothing is left behind then.
    """
    target = _bundle(path)
    prepare_scene(scene)
    with replacing(target) as temporary, contextlib.ExitStack() as undo:
        folder = undo.enter_context(folder_beside(target))
        undo.enter_context(_place_kept(scene))
        undo.enter_context(_storage_kept(scene))
        if not in_application():
            undo.enter_context(_arranged(scene))
            undo.enter_context(quiet())  # what goes wrong is in the error, and on a command line that is one line
        for node in find_part(scene, "vtkMRMLModelNode", "detector"):
            undo.enter_context(with_values(node))
        written = folder / target.name
        messages = slicer.vtkMRMLMessageCollection()
        if not scene.WriteToMRB(str(written), None, messages) or not written.is_file():
            told = " ".join(messages.GetAllMessagesAsString().split())
            raise WorkError(_unwritten(scene, target, told))
        shutil.move(written, temporary)


def load_scene(path: str | os.PathLike[str], scene: Scene | None = None) -> Scene:
    """Read an .mrb file.

    Parameters
    ----------
    path : path
        An .mrb file.
    scene : vtkMRMLScene, optional
        Where to add what is read; a new scene by default.

    Raises
    ------
    InputError
        When there is no such file, or it is no scene.
    WorkError
        When there is no room to unpack it.
    """
    source = Path(path)
    if not source.is_file():
        raise InputError(source, expected="an .mrb file", found="no such file", remedy="Check the name.")
    _bundle(source)
    if not zipfile.is_zipfile(source):
        raise InputError(source, expected="a scene bundle", found="no archive", remedy=_REMEDY)
    into = new_scene() if scene is None else scene
    prepare_scene(into)
    messages = slicer.vtkMRMLMessageCollection()
    with _place_kept(into), _readable(into):
        _require_room(source, _unpacked(into))
        done = into.ReadFromMRB(str(source.resolve()), False, messages)
    if not done:
        told = " ".join(messages.GetAllMessagesAsString().split()) or "a file that cannot be read as one"
        raise InputError(source, expected="a scene bundle", found=told, remedy=_REMEDY)
    return into


def _unpacked(scene: Scene) -> Path:
    """Where bundles are put together and unpacked."""
    cache = scene.GetCacheManager()
    return Path((cache.GetRemoteCacheDirectory() if cache is not None else "") or temporary_folder())


def _unwritten(scene: Scene, target: Path, told: str) -> str:
    cache = scene.GetCacheManager()  # without one, the bundle is put together beside its target
    place = "" if cache is None else str(cache.GetRemoteCacheDirectory() or "")
    also = f", and {_free(Path(place))} in {place}, where it is put together" if place else ""
    fault = f": {told[:MOST_TOLD]}{' ...' * (len(told) > MOST_TOLD)}" if told else ""
    return f"{target}: the scene could not be written{fault}. Nothing was left behind. {_free(target.parent)} are free there{also}."


def _free(folder: Path) -> str:
    try:
        return mebibytes(shutil.disk_usage(folder).free)
    except OSError as error:
        return error.strerror or str(error)


def _require_room(source: Path, folder: Path) -> None:
    """Refuse a bundle that is larger than what is free: half of it would come into the scene, or a fault that blames the file."""
    try:
        with zipfile.ZipFile(source) as archive:
            need = sum(entry.file_size for entry in archive.infolist())
        room = shutil.disk_usage(folder).free
    except (OSError, zipfile.BadZipFile):  # reading it says what is wrong
        return
    if need > room:
        raise WorkError(
            f"{source}: needs {mebibytes(need)} to be unpacked; {mebibytes(room)} are free in {folder}. "
            "Free some, or choose another folder for temporary files."
        )


def _bundle(path: str | os.PathLike[str]) -> Path:
    target = Path(path)
    if target.suffix.lower() != ".mrb":
        raise InputError(target, expected="a name that ends in .mrb", found=target.name, remedy="Scenes are saved as .mrb bundles.")
    return target.absolute()


@contextlib.contextmanager
def _arranged(scene: Scene) -> Iterator[None]:
    """View nodes for a scene that has none; views that are in it are their owner's."""
    if scene.GetFirstNodeByClass("vtkMRMLAbstractViewNode") is not None:
        yield
        return
    arrangement = Arrangement(scene)
    try:
        volumes = find_part(scene, "vtkMRMLScalarVolumeNode", "volume")
        arrangement.show_volume(volumes[-1] if volumes else None, dict.fromkeys(SLICES, (640, 480)))
        arrangement.aim(4 / 3)
        yield
    finally:
        arrangement.close()


@contextlib.contextmanager
def _place_kept(scene: Scene) -> Iterator[None]:
    """Keep where the scene is from, and the working folder, which unpacking moves and a failure leaves moved."""
    url, root, folder = scene.GetURL(), scene.GetRootDirectory(), Path.cwd()
    try:
        yield
    finally:
        os.chdir(folder)
        scene.SetURL(url)
        scene.SetRootDirectory(root)


@contextlib.contextmanager
def _storage_kept(scene: Scene) -> Iterator[None]:
    """Take out the storage nodes that saving adds: they name files in a folder that is gone afterwards."""
    before = _storage_nodes(scene).keys()
    try:
        yield
    finally:
        for name, node in _storage_nodes(scene).items():
            if name not in before:
                scene.RemoveNode(node)


def _storage_nodes(scene: Scene) -> dict[str, Node]:
    return {node.GetID(): node for node in nodes_of_class(scene, "vtkMRMLStorageNode")}


@contextlib.contextmanager
def _readable(scene: Scene) -> Iterator[None]:
    """A folder to unpack into, for a scene that has none; the application gives its own scene one."""
    if scene.GetCacheManager() is not None and scene.GetDataIOManager() is not None:
        yield
        return
    logic = slicer.vtkMRMLRemoteIOLogic()
    logic.SetMRMLScene(scene)
    logic.AddDataIOToScene()
    with tempfile.TemporaryDirectory(prefix="mito-scene-") as folder:
        logic.GetCacheManager().SetRemoteCacheDirectory(folder)
        try:
            yield
        finally:
            logic.RemoveDataIOFromScene()
            scene.SetCacheManager(None)  # else the scene keeps the two, which no longer have a folder
            scene.SetDataIOManager(None)
            logic.SetMRMLScene(None)
