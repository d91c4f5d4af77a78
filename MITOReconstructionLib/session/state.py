"""What a saved scene keeps of the panel: a parameter node with the open scans, the choices and the settings; without Qt."""

from __future__ import annotations

import json
from typing import Any

from MITOReconstructionLib.errors import InputError
from MITOReconstructionLib.scene.host import Node, Scene, prepare_scene
from MITOReconstructionLib.session.event import Event

__all__ = ["DEFAULTS", "MODULE", "State"]

MODULE = "MITOReconstruction"
"""Name of the module: tag of its parameter node, which ``MITOReconstructionLogic.getParameterNode()`` gives too."""

NODE = "vtkMRMLScriptedModuleNode"

DEFAULTS: dict[str, Any] = {
    "folder": "",
    "scans": [],
    "scan": "",
    "region": "",
    "method": "fbp",
    "parameters": {},
    "backend": "auto",
    "process": False,
}
"""The settings and their first values; the values tell the types.

folder : the data folder;
scans : of each scan that is open a dict of name, folder, key of the chosen region, visible parts where it is hidden, whether it
    was still being recorded, and the number of its views where its recording was aborted;
scan : name of the scan that is looked at;
region : key of its region that is to be reconstructed; empty for the whole volume;
method, parameters, backend, process : of the next run.
"""


class State:
    """Settings that live in the scene's parameter node, as JSON; read and set as attributes.

    The node is made when there is something worth keeping, which :meth:`keep` says, and taken up from a scene that has one
    by :meth:`read`.

    Parameters
    ----------
    scene : vtkMRMLScene

    Attributes
    ----------
    changed : Event
        After each change of a setting, also by :meth:`read`.

    Raises
    ------
    InputError
        At an attempt to set what is no setting, or to a value of another type.
    """

    def __init__(self, scene: Scene) -> None:
        prepare_scene(scene)
        vars(self).update(scene=scene, changed=Event(), _values=json.loads(json.dumps(DEFAULTS)), _kept=False)

    def __getattr__(self, name: str) -> Any:
        if name.startswith("_") or name not in DEFAULTS:
            raise AttributeError(f"{name} is no setting; there are {', '.join(DEFAULTS)}")
        return json.loads(json.dumps(vars(self)["_values"][name]))

    def __setattr__(self, name: str, value: Any) -> None:
        self.update(**{name: value})

    def update(self, **values: Any) -> None:
        """Change several settings at once. A method that is given without parameters has its defaults."""
        if values.get("method", self.method) != self.method:
            values.setdefault("parameters", {})
        checked = {name: _checked(name, value) for name, value in values.items()}
        if all(self._values[name] == value for name, value in checked.items()):
            return
        self._values.update(checked)
        self._write()
        self.changed()

    @property
    def node(self) -> Node | None:
        """The vtkMRMLScriptedModuleNode; None where the scene has none."""
        return self.scene.GetSingletonNode(MODULE, NODE)

    def keep(self) -> None:
        """From now on the scene has the settings."""
        vars(self)["_kept"] = True
        self._write()

    def read(self) -> bool:
        """Take over what the scene's node says; whether there was one. What cannot be read there stays as it is."""
        node = self.node
        if node is None:
            if self._kept:  # another program has deleted it
                self._write()
            return False
        vars(self)["_kept"] = True
        for name in DEFAULTS:
            try:
                self._values[name] = _checked(name, json.loads(node.GetParameter(name) or ""))
            except ValueError:  # of JSON, or an InputError
                continue
        self.changed()
        return True

    def forget(self) -> None:
        """The scene was closed: no scans, and nothing to keep. How to reconstruct, and the data folder, stay as they are."""
        vars(self)["_kept"] = False
        self._values.update({name: json.loads(json.dumps(DEFAULTS[name])) for name in ("scans", "scan", "region")})

    def _write(self) -> None:
        if not self._kept:
            return
        node = self.node
        if node is None:
            node = self.scene.CreateNodeByClass(NODE)
            node.UnRegister(None)
            node.SetSingletonTag(MODULE)
            node = self.scene.AddNode(node)
        was = node.StartModify()
        if node.GetAttribute("ModuleName") != MODULE:  # also of a node that a closed scene has kept, empty, for it is a singleton
            node.SetName(MODULE)
            node.SetModuleName(MODULE)
            node.SetAttribute("ModuleName", MODULE)
        for name, value in self._values.items():
            text = json.dumps(value)
            if node.GetParameter(name) != text:
                node.SetParameter(name, text)
        node.EndModify(was)


def _checked(name: str, value: Any) -> Any:
    """A value as JSON has it, of the type of the setting."""
    if name not in DEFAULTS:
        raise InputError("setting", expected=f"one of {', '.join(DEFAULTS)}", found=repr(name), remedy="Correct the name.")
    kind = type(DEFAULTS[name])
    try:
        plain = json.loads(json.dumps(value, allow_nan=False))
    except (TypeError, ValueError) as error:
        raise InputError(name, expected="plain values", found=str(error), remedy="Give numbers, text, lists or dicts.") from error
    if type(plain) is not kind or (name == "scans" and not all(isinstance(entry, dict) for entry in plain)):
        raise InputError(name, expected=kind.__name__, found=repr(value), remedy="Give a value of that type.")
    return plain
