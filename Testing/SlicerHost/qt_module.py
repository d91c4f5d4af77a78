"""The module ``qt``: classes of PySide behind the bridge, those that a module's panel needs and no others."""

from __future__ import annotations

from types import ModuleType
from typing import Any

from PySide6 import QtCore, QtGui, QtUiTools, QtWidgets

from SlicerHost.bridge import wrapper_class
from SlicerHost.dialogs import guard_dialogs
from SlicerHost.errors import HostError
from SlicerHost.loader import UiLoader

OBJECTS = """
QObject QTimer QEvent QFile QSettings QAction QActionGroup QApplication QCoreApplication QButtonGroup QShortcut QSignalBlocker
QCompleter QWidget QFrame QLabel QPushButton QToolButton QRadioButton QCheckBox QComboBox QSpinBox QDoubleSpinBox QLineEdit QSlider
QProgressBar QGroupBox QScrollArea QScrollBar QTabWidget QStackedWidget QSplitter QTextEdit QPlainTextEdit QTextBrowser QMenu
QMainWindow QDockWidget QStatusBar QToolBar QDialog QDialogButtonBox QMessageBox QFileDialog QInputDialog QProgressDialog QColorDialog
QListWidget QListWidgetItem QTableWidget QTableWidgetItem QTreeWidget QTreeWidgetItem QHeaderView QAbstractItemView QAbstractButton
QAbstractSlider QAbstractSpinBox QStyle QLayout QLayoutItem QSpacerItem QWidgetItem QFormLayout QVBoxLayout QHBoxLayout QGridLayout
QBoxLayout QStackedLayout QTableWidgetSelectionRange
""".split()  # noqa: SIM905
"""Classes whose objects are shown as PythonQt shows them: properties as attributes, and nothing unknown."""

VALUES = """
QSize QSizeF QPoint QPointF QRect QRectF QMargins QColor QBrush QPen QFont QFontMetrics QIcon QPixmap QImage QPainter QPalette QCursor
QKeySequence QUrl QSizePolicy QDir QFileInfo QLocale QDateTime QStandardPaths QModelIndex QItemSelectionModel QMimeData QByteArray Qt
""".split()  # noqa: SIM905
"""Classes that are passed by value, and namespaces: as PySide has them."""

MODULES = (QtCore, QtGui, QtWidgets, QtUiTools)


class StrictModule(ModuleType):
    """A module that says where to add what it lacks."""

    def __getattr__(self, name: str) -> Any:
        if name.startswith("__"):
            raise AttributeError(name)
        raise HostError(f"'{self.__name__}' has no '{name}' in Testing/SlicerHost; add it there where Slicer has it")


def _native(name: str) -> type:
    return next(getattr(module, name) for module in MODULES if hasattr(module, name))


class OpenedUrls:
    """In place of QDesktopServices: notes what would have been opened."""

    opened: list[str] = []

    @classmethod
    def openUrl(cls, url: QtCore.QUrl) -> bool:
        """Note the address."""
        cls.opened.append(url.toString())
        return True


def make_qt() -> ModuleType:
    """The module ``qt``, made new: the classes in it are the same each time."""
    qt = StrictModule("qt")
    for name in OBJECTS:
        setattr(qt, name, wrapper_class(_native(name)))
    for name in VALUES:
        setattr(qt, name, _native(name))
    qt.QDesktopServices = OpenedUrls
    qt.QUiLoader = UiLoader
    qt.SIGNAL = lambda signature: "2" + signature
    qt.SLOT = lambda signature: "1" + signature
    guard_dialogs(qt)
    return qt
