"""What steers the slices: everything that can be changed while one looks."""

from __future__ import annotations

from dataclasses import dataclass
from typing import ClassVar

from MITOReconstructionLib.errors import InputError
from MITOReconstructionLib.methods.parameters import Parameters, parameter
from MITOReconstructionLib.wfbp.filters import FILTERS

__all__ = ["MODES", "LiveSettings"]

MODES = ("continuous", "last complete turn")
"""What of a growing scan is used: every complete beam, or those of whole turns only."""


@dataclass(frozen=True)
class LiveSettings(Parameters):
    """Filter, views and alignment of live slices; described like the parameters of a method (``LiveSettings.describe()``).

    ``axis_offset`` and ``tilt`` say how the detector is really mounted; the slices are reconstructed with that corrected:

    * axis_offset: the shadow of the rotation axis falls on the column coordinate that lies ``axis_offset`` mm (measured on the
      detector's surface, towards rising columns) from coordinate 0, where the geometry expects it.
    * tilt: the detector is turned by ``tilt`` in its own surface about the point with column and row coordinate 0. A pixel with
      nominal coordinates (a, w) in mm, a along the columns and w along the axis, is really at
      (a cos tilt - w sin tilt, a sin tilt + w cos tilt).
    """

    where: ClassVar[str] = "live setting"

    filter_type: str = parameter("Ram-Lak", "Window on the ramp filter: Ram-Lak is the sharpest, Hann the smoothest.", choices=FILTERS)
    frequency_scaling: float = parameter(
        1.0, "Share of the frequency band that is kept; smaller values blur and reduce noise.", above=0.0, maximum=1.0
    )
    first_view: int = parameter(0, "First view that is used.", minimum=0)
    last_view: int = parameter(0, "View behind the last one that is used; 0 for the end of the scan.", minimum=0)
    axis_offset: float = parameter(
        0.0, "Where the rotation axis is seen on the detector, along the columns.", unit="mm", minimum=-50.0, maximum=50.0
    )
    tilt: float = parameter(0.0, "Rotation of the detector in its own surface.", unit="deg", minimum=-10.0, maximum=10.0)
    mode: str = parameter("continuous", "Of a scan that still grows: use all that has come, or whole turns only.", choices=MODES)
    fill_value: float = parameter(0.0, "Value of pixels that the scan does not see from every direction.", unit="1/mm")

    def view_range(self, views: int) -> tuple[int, int]:
        """First and last (exclusive) view of a scan of so many views.

        Raises
        ------
        InputError
            When there are none in the range, or it leaves the scan.
        """
        last = self.last_view or views
        if not self.first_view < last <= views:
            raise InputError(
                "live setting first_view, last_view",
                expected=f"a range within 0 to {views} that is not empty",
                found=f"{self.first_view} to {last}",
                remedy="Choose views of this scan.",
            )
        return self.first_view, last
