"""Stand-ins for CTK's widgets for numbers: slider, range, spin box, coordinates."""

# ruff: noqa: N801, N815 the names are those in C++

from __future__ import annotations

from typing import Any

from PySide6 import QtCore, QtGui, QtWidgets

from SlicerHost.properties import passed, stored

STEPS = 10_000


class ctkDoubleSpinBox(QtWidgets.QWidget):
    """A spin box for a number."""

    valueChanged = QtCore.Signal(float)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._box = QtWidgets.QDoubleSpinBox(self)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._box)
        self._box.valueChanged.connect(self.valueChanged)

    value = passed(float, "value", "_box")
    minimum = passed(float, "minimum", "_box")
    maximum = passed(float, "maximum", "_box")
    singleStep = passed(float, "singleStep", "_box")
    decimals = passed(int, "decimals", "_box")
    prefix = passed(str, "prefix", "_box")
    suffix = passed(str, "suffix", "_box")
    readOnly = passed(bool, "readOnly", "_box")

    def setRange(self, least: float, most: float) -> None:
        """Allow numbers from ``least`` to ``most``."""
        self._box.setRange(least, most)


class ctkSliderWidget(QtWidgets.QWidget):
    """A slider and a spin box for one number."""

    valueChanged = QtCore.Signal(float)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._slider = QtWidgets.QSlider(QtCore.Qt.Horizontal, self)
        self._slider.setRange(0, STEPS)
        self._box = QtWidgets.QDoubleSpinBox(self)
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._slider, 1)
        layout.addWidget(self._box)
        self._box.valueChanged.connect(self._moved)
        self._slider.valueChanged.connect(self._slid)

    value = passed(float, "value", "_box")
    decimals = passed(int, "decimals", "_box")
    prefix = passed(str, "prefix", "_box")
    suffix = passed(str, "suffix", "_box")
    singleStep = passed(float, "singleStep", "_box")
    pageStep = stored(float, "pageStep", 10.0)
    tracking = passed(bool, "tracking", "_slider")
    spinBoxVisible = stored(bool, "spinBoxVisible", True, lambda self: self._box.setVisible(self.spinBoxVisible))

    def _get_minimum(self) -> float:
        return self._box.minimum()

    def _get_maximum(self) -> float:
        return self._box.maximum()

    def setRange(self, least: float, most: float) -> None:
        """Allow numbers from ``least`` to ``most``."""
        self._box.setRange(least, most)
        self._place()

    minimum = QtCore.Property(float, _get_minimum, lambda self, least: self.setRange(least, max(least, self._box.maximum())))
    maximum = QtCore.Property(float, _get_maximum, lambda self, most: self.setRange(min(most, self._box.minimum()), most))

    def _place(self) -> None:
        least, most = self._box.minimum(), self._box.maximum()
        with QtCore.QSignalBlocker(self._slider):
            self._slider.setValue(round((self._box.value() - least) / (most - least) * STEPS) if most > least else 0)

    def _moved(self, value: float) -> None:
        self._place()
        self.valueChanged.emit(value)

    def _slid(self, step: int) -> None:
        least, most = self._box.minimum(), self._box.maximum()
        self._box.setValue(least + (most - least) * step / STEPS)


class ctkDoubleRangeSlider(QtWidgets.QWidget):
    """A slider with two handles."""

    valuesChanged = QtCore.Signal(float, float)
    minimumValueChanged = QtCore.Signal(float)
    maximumValueChanged = QtCore.Signal(float)

    def __init__(self, *arguments: Any) -> None:
        parent = next((entry for entry in arguments if isinstance(entry, QtWidgets.QWidget)), None)
        super().__init__(parent)
        self._range, self._values = (0.0, 99.0), (0.0, 99.0)
        self.setMinimumSize(80, 22)

    def setRange(self, least: float, most: float) -> None:
        """Allow numbers from ``least`` to ``most``."""
        self._range = (least, max(least, most))
        self.setValues(*self._values)

    def setValues(self, low: float, high: float) -> None:
        """Place both handles, inside the range and in order."""
        least, most = self._range
        low, high = sorted((min(max(low, least), most), min(max(high, least), most)))
        before, self._values = self._values, (low, high)
        self.update()
        if before[0] != low:
            self.minimumValueChanged.emit(low)
        if before[1] != high:
            self.maximumValueChanged.emit(high)
        if before != self._values:
            self.valuesChanged.emit(low, high)

    minimum = QtCore.Property(float, lambda self: self._range[0], lambda self, v: self.setRange(v, self._range[1]))
    maximum = QtCore.Property(float, lambda self: self._range[1], lambda self, v: self.setRange(self._range[0], v))
    minimumValue = QtCore.Property(float, lambda self: self._values[0], lambda self, v: self.setValues(v, self._values[1]))
    maximumValue = QtCore.Property(float, lambda self: self._values[1], lambda self, v: self.setValues(self._values[0], v))
    singleStep = stored(float, "singleStep", 1.0)
    tracking = stored(bool, "tracking", True)

    def paintEvent(self, _event: QtGui.QPaintEvent) -> None:
        """Draw the groove, the chosen stretch and the handles."""
        painter = QtGui.QPainter(self)
        painter.setRenderHint(QtGui.QPainter.Antialiasing)
        least, most = self._range
        width, middle = self.width() - 16, self.height() / 2
        ends = [8 + width * (value - least) / ((most - least) or 1) for value in self._values]
        painter.fillRect(QtCore.QRectF(8, middle - 2, width, 4), self.palette().mid())
        painter.fillRect(QtCore.QRectF(ends[0], middle - 2, ends[1] - ends[0], 4), self.palette().highlight())
        painter.setBrush(self.palette().button())
        painter.setPen(self.palette().buttonText().color())
        for end in ends:
            painter.drawEllipse(QtCore.QPointF(end, middle), 6, 6)


class ctkRangeWidget(QtWidgets.QWidget):
    """Two spin boxes and a slider with two handles between them."""

    valuesChanged = QtCore.Signal(float, float)
    minimumValueChanged = QtCore.Signal(float)
    maximumValueChanged = QtCore.Signal(float)

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._slider = ctkDoubleRangeSlider(self)
        self._boxes = (QtWidgets.QDoubleSpinBox(self), QtWidgets.QDoubleSpinBox(self))
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        layout.addWidget(self._boxes[0])
        layout.addWidget(self._slider, 1)
        layout.addWidget(self._boxes[1])
        self._boxes[0].valueChanged.connect(lambda value: self._slider.setValues(value, self._slider.maximumValue))
        self._boxes[1].valueChanged.connect(lambda value: self._slider.setValues(self._slider.minimumValue, value))
        self._slider.valuesChanged.connect(self._moved)
        self._slider.minimumValueChanged.connect(self.minimumValueChanged)
        self._slider.maximumValueChanged.connect(self.maximumValueChanged)
        self.setRange(0.0, 99.0)
        self.setValues(0.0, 99.0)

    def setRange(self, least: float, most: float) -> None:
        """Allow numbers from ``least`` to ``most``."""
        self._slider.setRange(least, most)
        for box in self._boxes:
            with QtCore.QSignalBlocker(box):
                box.setRange(least, most)
        self._show()

    def setValues(self, low: float, high: float) -> None:
        """Place both ends, inside the range and in order."""
        self._slider.setValues(low, high)

    def _show(self) -> None:
        for box, value in zip(self._boxes, (self._slider.minimumValue, self._slider.maximumValue), strict=True):
            with QtCore.QSignalBlocker(box):
                box.setValue(value)

    def _moved(self, low: float, high: float) -> None:
        self._show()
        self.valuesChanged.emit(low, high)

    def _each(self, name: str, value: Any) -> None:
        for box in self._boxes:
            with QtCore.QSignalBlocker(box):
                box.setProperty(name, value)
        self._show()

    minimum = QtCore.Property(float, lambda self: self._slider.minimum, lambda self, v: self.setRange(v, self._slider.maximum))
    maximum = QtCore.Property(float, lambda self: self._slider.maximum, lambda self, v: self.setRange(self._slider.minimum, v))
    minimumValue = passed(float, "minimumValue", "_slider")
    maximumValue = passed(float, "maximumValue", "_slider")
    decimals = QtCore.Property(int, lambda self: self._boxes[0].decimals(), lambda self, v: self._each("decimals", v))
    singleStep = QtCore.Property(float, lambda self: self._boxes[0].singleStep(), lambda self, v: self._each("singleStep", v))
    prefix = QtCore.Property(str, lambda self: self._boxes[0].prefix(), lambda self, v: self._each("prefix", v))
    suffix = QtCore.Property(str, lambda self: self._boxes[0].suffix(), lambda self, v: self._each("suffix", v))
    tracking = stored(bool, "tracking", True)


class ctkCoordinatesWidget(QtWidgets.QWidget):
    """A spin box for each coordinate; ``coordinates`` is their text, with commas."""

    coordinatesChanged = QtCore.Signal(object)
    SIGNATURES = {"coordinatesChanged(double*)": "coordinatesChanged"}

    def __init__(self, parent: QtWidgets.QWidget | None = None) -> None:
        super().__init__(parent)
        self._boxes: list[QtWidgets.QDoubleSpinBox] = []
        layout = QtWidgets.QHBoxLayout(self)
        layout.setContentsMargins(0, 0, 0, 0)
        self._limits: dict[str, Any] = {"decimals": 3, "minimum": -100000.0, "maximum": 100000.0, "singleStep": 1.0}
        self._set_dimension(3)

    def _set_dimension(self, count: int) -> None:
        while len(self._boxes) > count:
            self._boxes.pop().deleteLater()
        while len(self._boxes) < count:
            box = QtWidgets.QDoubleSpinBox(self)
            for name, value in self._limits.items():
                box.setProperty(name, value)
            box.valueChanged.connect(lambda _value: self.coordinatesChanged.emit(None))
            self.layout().addWidget(box)
            self._boxes.append(box)

    def _limit(self, name: str, value: Any) -> None:
        self._limits[name] = value
        for box in self._boxes:
            box.setProperty(name, value)

    def _set_text(self, text: str) -> None:
        self.setCoordinates(*(float(part) for part in text.split(",")))

    def setCoordinates(self, *values: float) -> None:
        """Set all coordinates."""
        if len(values) != len(self._boxes):
            raise ValueError(f"{len(self._boxes)} coordinates are expected, {len(values)} were given")
        before = [box.value() for box in self._boxes]
        for box, value in zip(self._boxes, values, strict=True):
            with QtCore.QSignalBlocker(box):
                box.setValue(value)
        if before != [box.value() for box in self._boxes]:
            self.coordinatesChanged.emit(None)

    coordinates = QtCore.Property(str, lambda self: ",".join(f"{box.value():g}" for box in self._boxes), _set_text)
    dimension = QtCore.Property(int, lambda self: len(self._boxes), _set_dimension)
    decimals = QtCore.Property(int, lambda self: self._limits["decimals"], lambda self, v: self._limit("decimals", v))
    minimum = QtCore.Property(float, lambda self: self._limits["minimum"], lambda self, v: self._limit("minimum", v))
    maximum = QtCore.Property(float, lambda self: self._limits["maximum"], lambda self, v: self._limit("maximum", v))
    singleStep = QtCore.Property(float, lambda self: self._limits["singleStep"], lambda self, v: self._limit("singleStep", v))
