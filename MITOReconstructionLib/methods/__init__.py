"""Reconstruction methods: one file each, found by name.

The package can be called: ``MITOReconstructionLib.methods()`` lists the methods by name.
"""

import sys
import types

from MITOReconstructionLib.methods.parameters import Parameters, parameter
from MITOReconstructionLib.methods.registry import Method, Problem, Result, describe_methods, get, load_folder, methods, problems, register

__all__ = [
    "Method",
    "Parameters",
    "Problem",
    "Result",
    "describe_methods",
    "get",
    "load_folder",
    "methods",
    "parameter",
    "problems",
    "register",
]


class _CallablePackage(types.ModuleType):
    """Importing a package sets its name in its parent, where the function of that name would be: so be both."""

    def __call__(self) -> dict[str, Method]:
        """All methods by name, in the order in which they are shown."""
        return methods()


sys.modules[__name__].__class__ = _CallablePackage
