"""Combo boxes for names that people have given, which may be long."""

from __future__ import annotations

from typing import Any

import qt

__all__ = ["narrow_combo"]

LETTERS = 12


def narrow_combo() -> Any:
    """A combo box that is no wider than its place: a long name is cut, and seen whole in the list."""
    combo = qt.QComboBox()
    combo.sizeAdjustPolicy = qt.QComboBox.AdjustToMinimumContentsLengthWithIcon
    combo.minimumContentsLength = LETTERS
    return combo
