"""How volumes are named in lists."""

from __future__ import annotations

from collections.abc import Sequence

from MITOReconstructionLib.scene.host import Node
from MITOReconstructionLib.scene.parts import SCAN

__all__ = ["labels"]


def labels(nodes: Sequence[Node]) -> list[str]:
    """Their names, with those of their scans where they are of several: each scan has an 'fbp'."""
    scans = [node.GetAttribute(SCAN) or "" for node in nodes]
    several = len(set(scans)) > 1
    return [f"{node.GetName()} ({scan})" if several and scan else node.GetName() for node, scan in zip(nodes, scans, strict=True)]
