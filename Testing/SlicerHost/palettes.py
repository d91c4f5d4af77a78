"""Slicer's light and dark colours, nearly: Qt's Fusion style with a palette."""

from __future__ import annotations

from PySide6 import QtGui, QtWidgets

ROLE = QtGui.QPalette.ColorRole

COLOURS = {
    "light": {
        "Window": "#efefef",
        "WindowText": "#000000",
        "Base": "#ffffff",
        "AlternateBase": "#f7f7f7",
        "Text": "#000000",
        "Button": "#efefef",
        "ButtonText": "#000000",
        "ToolTipBase": "#ffffdc",
        "ToolTipText": "#000000",
        "PlaceholderText": "#808080",
        "Highlight": "#308cc6",
        "HighlightedText": "#ffffff",
        "Link": "#0000ff",
    },
    "dark": {
        "Window": "#353535",
        "WindowText": "#f0f0f0",
        "Base": "#232323",
        "AlternateBase": "#2d2d2d",
        "Text": "#f0f0f0",
        "Button": "#404040",
        "ButtonText": "#f0f0f0",
        "ToolTipBase": "#202020",
        "ToolTipText": "#f0f0f0",
        "PlaceholderText": "#909090",
        "Highlight": "#2a82da",
        "HighlightedText": "#ffffff",
        "Link": "#6ab0ff",
    },
}
FADED = {"light": "#8c8c8c", "dark": "#7f7f7f"}


def use_palette(application: QtWidgets.QApplication, name: str) -> None:
    """Give the whole application the colours of that name."""
    if application.style().objectName().lower() != "fusion":
        application.setStyle("Fusion")
    window, text = QtGui.QColor(COLOURS[name]["Button"]), QtGui.QColor(FADED[name])
    palette = QtGui.QPalette(window, QtGui.QColor(COLOURS[name]["Window"]))
    for role, colour in COLOURS[name].items():
        palette.setColor(getattr(ROLE, role), QtGui.QColor(colour))
    for role in ("WindowText", "Text", "ButtonText"):
        palette.setColor(QtGui.QPalette.Disabled, getattr(ROLE, role), text)
    application.setPalette(palette)
