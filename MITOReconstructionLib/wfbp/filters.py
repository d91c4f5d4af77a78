"""The ramp filter and its windows."""

from __future__ import annotations

from dataclasses import dataclass
from functools import cached_property

import numpy as np
from numpy.typing import NDArray
from scipy import fft

from MITOReconstructionLib.errors import InputError
from MITOReconstructionLib.wfbp.fourier import LINES, Convolution

__all__ = ["FILTERS", "RampFilter"]

FILTERS = ("Ram-Lak", "Shepp-Logan", "Cosine", "Hamming", "Hann")


@dataclass(frozen=True, eq=False)
class RampFilter:
    """A windowed ramp filter for rows of a given length.

    response : float32, shape (length // 2 + 1,), in 1/mm;
    length : samples of a padded row.
    """

    response: NDArray[np.float32]
    length: int

    @classmethod
    def design(
        cls, rays: int, step: float, filter_type: str = "Ram-Lak", *, frequency_scaling: float = 1.0, padding: bool = True
    ) -> RampFilter:
        """Make the filter for rows of ``rays`` samples, ``step`` mm apart.

        The ramp is the Fourier transform of the band-limited kernel sampled in space (Kak and Slaney, 'Principles of
        computerized tomographic imaging', 1988, equation 3.61), so that its mean is right; times the window.

        Parameters
        ----------
        rays : int
        step : float
        filter_type : str
            One of ``FILTERS``.
        frequency_scaling : float
            Share of the band that is kept, in (0, 1]; the window is scaled to it, and is 0 beyond.
        padding : bool
            Whether rows are padded with zeros so that their ends do not wrap round.

        Raises
        ------
        InputError
            When the filter is unknown or the scaling out of range.
        """
        if filter_type not in FILTERS:
            raise InputError("filter_type", expected=f"one of {', '.join(FILTERS)}", found=repr(filter_type), remedy="Choose one of these.")
        if not 0.0 < frequency_scaling <= 1.0:
            raise InputError(
                "frequency_scaling", expected="a number in (0, 1]", found=f"{frequency_scaling:g}", remedy="1 keeps every frequency."
            )
        length = fft.next_fast_len(max(2, 2 * rays - 1 if padding else rays), real=True)
        index = np.arange(length)
        distance = np.minimum(index, length - index)
        kernel = np.zeros(length)
        kernel[0] = 1.0 / (4.0 * step * step)
        odd = distance % 2 == 1
        kernel[odd] = -1.0 / (np.pi * distance[odd] * step) ** 2
        share = np.arange(length // 2 + 1) / (length / 2) / frequency_scaling
        response = fft.rfft(kernel).real * step * np.where(share <= 1.0 + 1e-9, _window(filter_type, share), 0.0)
        return cls(response.astype(np.float32), length)

    @property
    def scratch_bytes(self) -> int:
        """Bytes that each core works in."""
        return 4 * self.length * LINES

    @cached_property
    def _convolution(self) -> Convolution:
        return Convolution(self.response, self.length)

    def apply(self, beams: NDArray[np.float32]) -> None:
        """Filter parallel beams along their rays, in place, on all cores.

        Parameters
        ----------
        beams : float32, shape (beams, rays, rows), C order
        """
        self._convolution.apply(beams)


def _window(filter_type: str, share: NDArray[np.float64]) -> NDArray[np.float64]:
    """The window at frequencies given as a share of the kept band."""
    match filter_type:
        case "Shepp-Logan":
            return np.asarray(np.sinc(share / 2), dtype=np.float64)
        case "Cosine":
            return np.cos(np.pi * share / 2)
        case "Hamming":
            return 0.54 + 0.46 * np.cos(np.pi * share)
        case "Hann":
            return 0.5 + 0.5 * np.cos(np.pi * share)
        case _:
            return np.ones_like(share)
