"""Stand-ins for CTK's other widgets: sections that fold, paths, colours, settings."""

# ruff: noqa: N801, N815 the names are those in C++

from __future__ import annotations

from typing import Any

from PySide6 import QtCore, QtGui, QtWidgets

from SlicerHost.dialogs import ANSWERS
from SlicerHost.properties import stored

HISTORY = 10


class ctkCollapsibleButton(QtWidgets.QWidget):
    """A section with a title; a click on the title folds it."""

    contentsCollapsed = QtCore.Signal(bool)
    clicked = QtCore.Signal(bool)
    toggled = QtCore.Signal(bool)

    def __init__(self, *arguments: Any) -> None:
        super().__init__(next((entry for entry in arguments if isinstance(entry, QtWidgets.QWidget)), None))
        self._title = QtWidgets.QToolButton(self)
        self._title.setToolButtonStyle(QtCore.Qt.ToolButtonTextBesideIcon)
        self._title.setAutoRaise(True)
        self._title.setText(next((entry for entry in arguments if isinstance(entry, str)), ""))
        font = self._title.font()
        font.setBold(True)
        self._title.setFont(font)
        self._title.clicked.connect(lambda: self._click())
        self._collapsed = False
        self._hidden: list[QtWidgets.QWidget] = []
        self._arrange()

    def _click(self) -> None:
        self.collapsed = not self._collapsed
        self.clicked.emit(not self._collapsed)

    def _arrange(self) -> None:
        height = self._title.sizeHint().height()
        self._title.setArrowType(QtCore.Qt.RightArrow if self._collapsed else QtCore.Qt.DownArrow)
        self.setContentsMargins(0, height + 2, 0, 0)
        self.setMinimumHeight(height if self._collapsed else 0)
        self.setMaximumHeight(height + 4 if self._collapsed else 16777215)

    def _collapse(self, collapsed: bool) -> None:
        if collapsed == self._collapsed:
            return
        self._collapsed = collapsed
        parts = [child for child in self.children() if isinstance(child, QtWidgets.QWidget) and child is not self._title]
        if collapsed:
            self._hidden = [child for child in parts if not child.isHidden()]
        for child in self._hidden:
            if child in parts:
                child.setVisible(not collapsed)
        self._arrange()
        self.contentsCollapsed.emit(collapsed)
        self.toggled.emit(not collapsed)

    def resizeEvent(self, event: QtGui.QResizeEvent) -> None:
        """Keep the title as wide as the section."""
        self._title.setGeometry(0, 0, self.width(), self._title.sizeHint().height())
        super().resizeEvent(event)

    text = QtCore.Property(str, lambda self: self._title.text(), lambda self, text: self._title.setText(text))
    collapsed = QtCore.Property(bool, lambda self: self._collapsed, _collapse)
    checked = QtCore.Property(bool, lambda self: not self._collapsed, lambda self, checked: self._collapse(not checked))
    collapsedHeight = stored(int, "collapsedHeight", 10)
    flat = stored(bool, "flat", False)

    def click(self) -> None:
        """Fold or unfold as a click on the title does."""
        self._title.click()


class ctkPathLineEdit(QtWidgets.QWidget):
    """A line for a path, with a history in the settings and a button that looks for one."""

    Dirs, Files, Drives, NoSymLinks, Readable, Writable, Executable = 0x1, 0x2, 0x4, 0x8, 0x10, 0x20, 0x40
    currentPathChanged = QtCore.Signal(str)
    validInputChanged = QtCore.Signal(bool)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._combo = QtWidgets.QComboBox(self)
        self._combo.setEditable(True)
        self._combo.setSizePolicy(QtWidgets.QSizePolicy.Expanding, QtWidgets.QSizePolicy.Fixed)
        self._combo.setMinimumContentsLength(12)
        self._button = QtWidgets.QToolButton(self)
        self._button.setText("...")
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._combo, 1)
        layout.addWidget(self._button)
        self._combo.editTextChanged.connect(self.currentPathChanged)
        self._button.clicked.connect(lambda: self.browse())

    def retrieveHistory(self) -> None:
        """Take the paths from the settings; the latest one becomes the current path."""
        if self.settingKey:
            known = QtCore.QSettings().value(self.settingKey) or []
            paths = [known] if isinstance(known, str) else list(known)
            with QtCore.QSignalBlocker(self._combo):
                self._combo.clear()
                self._combo.addItems(paths)
                self._combo.setEditText("")
            if paths:
                self._combo.setEditText(paths[0])

    def addCurrentPathToHistory(self) -> None:
        """Keep the current path in the history and in the settings."""
        path = self._combo.currentText()
        if path:
            paths = [path, *(text for text in (self._combo.itemText(i) for i in range(self._combo.count())) if text != path)][:HISTORY]
            with QtCore.QSignalBlocker(self._combo):
                self._combo.clear()
                self._combo.addItems(paths)
                self._combo.setCurrentIndex(0)
            if self.settingKey:
                QtCore.QSettings().setValue(self.settingKey, paths)

    def browse(self) -> None:
        """Ask for a path, which the test answers."""
        path = ANSWERS.ask("ctkPathLineEdit.browse", self.label)
        if path:
            self._combo.setEditText(path)

    currentPath = QtCore.Property(str, lambda self: self._combo.currentText(), lambda self, path: self._combo.setEditText(path))
    filters = stored(int, "filters", 0x1 | 0x2)
    nameFilters = stored("QStringList", "nameFilters", [])
    label = stored(str, "label", "")
    settingKey = stored(str, "settingKey", "", retrieveHistory)
    showBrowseButton = stored(bool, "showBrowseButton", True, lambda self: self._button.setVisible(self.showBrowseButton))
    showHistoryButton = stored(bool, "showHistoryButton", True)


class ctkColorPickerButton(QtWidgets.QPushButton):
    """A button that shows a colour."""

    colorChanged = QtCore.Signal(QtGui.QColor)

    def __init__(self, *arguments: Any) -> None:
        super().__init__(next((entry for entry in arguments if isinstance(entry, QtWidgets.QWidget)), None))
        self._color = QtGui.QColor(0, 0, 0)
        self.clicked.connect(lambda: self.changeColor())
        self._show()

    def _show(self) -> None:
        swatch = QtGui.QPixmap(16, 16)
        swatch.fill(self._color)
        self.setIcon(QtGui.QIcon(swatch))
        self.setText(self._color.name() if self.displayColorName else "")

    def _set(self, color: QtGui.QColor) -> None:
        if color != self._color:
            self._color = QtGui.QColor(color)
            self._show()
            self.colorChanged.emit(self._color)

    def changeColor(self) -> None:
        """Ask for a colour, which the test answers."""
        self._set(ANSWERS.ask("ctkColorPickerButton.changeColor", self._color.name()))

    color = QtCore.Property(QtGui.QColor, lambda self: QtGui.QColor(self._color), _set)
    displayColorName = stored(bool, "displayColorName", True, _show)


class ctkSettingsPanel(QtWidgets.QWidget):
    """Keeps properties of widgets in settings, those of the dialog that it is added to where none were given.

    A value that the settings have is put into the widget; where they have none, the widget's is put into them. Changes are
    kept at once, until ``resetSettings`` takes back those since ``applySettings``.
    """

    settingChanged = QtCore.Signal(str, object)
    SIGNATURES = {"settingChanged(QString,QVariant)": "settingChanged"}

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._settings: QtCore.QSettings | None = None
        self._kept: dict[str, list[Any]] = {}  # target, property, value by default, value when it was last applied

    def settings(self) -> Any:
        """Where the values are kept, or None."""
        return self._settings

    def setSettings(self, settings: QtCore.QSettings) -> None:
        """Keep the values there."""
        if settings is not self._settings:
            self._settings = settings
            for key in self._kept:
                self._take(key)

    def registerProperty(self, key: str, target: QtCore.QObject, name: str, signal: str, *_more: Any) -> None:
        """Keep a property of a widget; the signal says that it has changed."""
        from SlicerHost.bridge import wrap

        if target.metaObject().indexOfProperty(name) < 0:
            raise ValueError(f"{target.metaObject().className()} has no property '{name}'")
        self._kept[key] = [target, name, target.property(name), target.property(name)]
        wrap(target).connect(signal, lambda: self._update(key))
        self._take(key)

    def _take(self, key: str) -> None:
        if self._settings is not None and self._settings.contains(key):
            target, name, *_ = self._kept[key]
            target.setProperty(name, self._settings.value(key))
            self._kept[key][3] = target.property(name)
        else:
            self._update(key)

    def _update(self, key: str) -> None:
        if self._settings is not None:
            self._set(key, self._kept[key][0].property(self._kept[key][1]))

    def _set(self, key: str, value: Any) -> None:
        before = self._settings.value(key)
        self._settings.setValue(key, value)
        self._kept[key][0].setProperty(self._kept[key][1], value)
        if before != value:
            self.settingChanged.emit(key, value)

    def applySettings(self) -> None:
        """What is now is not taken back any more."""
        for entry in self._kept.values():
            entry[3] = entry[0].property(entry[1])

    def resetSettings(self) -> None:
        """Take back what was changed."""
        for key, entry in list(self._kept.items()):
            self._set(key, entry[3])

    def restoreDefaultSettings(self) -> None:
        """Have every value as it was when it was registered."""
        for key, entry in list(self._kept.items()):
            self._set(key, entry[2])


class ctkSettingsDialog(QtWidgets.QDialog):
    """The application's settings: a page for each panel."""

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._pages = QtWidgets.QTabWidget(self)
        self._settings = QtCore.QSettings()
        QtWidgets.QVBoxLayout(self).addWidget(self._pages)

    def addPanel(self, label: str, *arguments: Any) -> None:
        """Add a panel; an icon may come before it."""
        (panel,) = [entry for entry in arguments if isinstance(entry, ctkSettingsPanel)]
        if panel.settings() is None:
            panel.setSettings(self._settings)
        self._pages.addTab(panel, label)

    def panel(self, label: str) -> Any:
        """The panel of that name."""
        found = [i for i in range(self._pages.count()) if self._pages.tabText(i) == label]
        return self._pages.widget(found[0]) if found else None

    def _panels(self) -> list[ctkSettingsPanel]:
        return [self._pages.widget(i) for i in range(self._pages.count())]

    def accept(self) -> None:
        """OK: everything stays as it is."""
        for panel in self._panels():
            panel.applySettings()
        super().accept()

    def reject(self) -> None:
        """Cancel: everything is as before."""
        for panel in self._panels():
            panel.resetSettings()
        super().reject()


class ctkFittedTextBrowser(QtWidgets.QTextBrowser):
    """A text that is as high as it needs to be."""

    collapsed = stored(bool, "collapsed", True)
    collapsibleText = stored(str, "collapsibleText", "", lambda self: self.setHtml(self.collapsibleText))


class ctkCollapsibleGroupBox(QtWidgets.QGroupBox):
    """A group box that folds."""

    collapsed = QtCore.Property(bool, lambda self: not self.isChecked(), lambda self, collapsed: self.setChecked(not collapsed))

    def __init__(self, *arguments: Any) -> None:
        super().__init__(*arguments)
        self.setCheckable(True)
        self.toggled.connect(lambda shown: self.setMaximumHeight(16777215 if shown else self.fontMetrics().height() + 8))


class ctkComboBox(QtWidgets.QComboBox):
    """A combo box with a text where nothing is chosen."""

    defaultText = stored(str, "defaultText", "", lambda self: self.setPlaceholderText(self.defaultText))
