"""Which values of a volume are worth looking at: what is shown as black and as white."""

from __future__ import annotations

from typing import NamedTuple

import numpy as np
from numpy.typing import NDArray

from MITOReconstructionLib.errors import InputError

__all__ = ["Contrast", "checked_window", "contrast_of", "window_of"]

_SAMPLES = 1_000_000


class Contrast(NamedTuple):
    """What a volume's values mean to the eye.

    threshold : between air and object;
    low, high : shown as black and as white; they cover the object's values.
    """

    threshold: float
    low: float
    high: float


def contrast_of(array: NDArray[np.floating]) -> Contrast:
    """Find the contrast of a volume from at most about a million of its voxels.

    The values are parted into air and object where the variance between the two is largest (Otsu); the window then
    covers the object's values without the outermost thousandths, and enough below them that air is black. What is not
    finite is left out, and so is the smallest value where it fills a tenth of the volume or more and is not 0, which
    is air: it marks the outside of a masked region.

    Parameters
    ----------
    array : float, any shape
    """
    values = _looked_at(array)
    if values.size == 0:
        return Contrast(0.0, 0.0, 1.0)
    first, last = (float(v) for v in np.percentile(values, [0.05, 99.95]))
    if not last > first:
        return Contrast(first - 0.5, first - 1.0, first + 1.0)
    threshold = _between(values, first, last)
    inside = values[values > threshold]
    low, high = (float(v) for v in np.percentile(inside, [0.1, 99.9])) if inside.size else (first, last)
    high = high if high > low else last
    low = max(first, low - 0.35 * (high - low))
    return Contrast(threshold, low, high) if high > low else Contrast(threshold, first, last)


def window_of(array: NDArray[np.floating], low: float, high: float) -> tuple[float, float]:
    """Values at two percentiles of the object; air, and what marks the outside of a masked region, are left out.

    Parameters
    ----------
    array : float, any shape
    low, high : float
        Percentiles, 0 to 100.

    Raises
    ------
    InputError
        When the percentiles do not rise.
    """
    if not 0.0 <= low < high <= 100.0:
        raise InputError(
            "percentiles", expected="two of 0 to 100, the first below the second", found=f"{low:g} and {high:g}", remedy="Correct them."
        )
    contrast, values = contrast_of(array), _looked_at(array)
    inside = values[values > contrast.threshold]
    if inside.size == 0:
        return contrast.low, contrast.high
    first, last = (float(value) for value in np.percentile(inside, [low, high]))
    return (first, last) if last > first else (contrast.low, contrast.high)


def checked_window(low: float, high: float) -> tuple[float, float]:
    """What is to be shown as black and as white, as floats.

    Raises
    ------
    InputError
        When the two are not finite or not in rising order.
    """
    if not (np.isfinite(low) and np.isfinite(high) and low < high):
        raise InputError(
            "window", expected="two finite values, the first one smaller", found=f"{low:g}, {high:g}", remedy="Swap or correct them."
        )
    return float(low), float(high)


def _looked_at(array: NDArray[np.floating]) -> NDArray[np.float64]:
    """About a million of the values, without what is not finite and what marks the outside of a masked region."""
    step = max(1, round((array.size / _SAMPLES) ** (1 / max(1, array.ndim))))
    values = np.asarray(array[(slice(None, None, step),) * array.ndim], dtype=np.float64).reshape(-1)
    values = values[np.isfinite(values)]
    if values.size == 0:
        return values
    smallest = values.min()
    marked = values == smallest
    if smallest != 0.0 and 0.1 * values.size <= np.count_nonzero(marked) < values.size:
        values = values[~marked]
    return values


def _between(values: NDArray[np.float64], first: float, last: float) -> float:
    counts, edges = np.histogram(values, bins=256, range=(first, last))
    centres = (edges[:-1] + edges[1:]) / 2
    below = np.cumsum(counts)
    above = below[-1] - below
    weighted = np.cumsum(counts * centres)
    with np.errstate(divide="ignore", invalid="ignore"):
        gap = weighted / below - (weighted[-1] - weighted) / above
        spread = np.where((below > 0) & (above > 0), below * above * gap**2, -1.0)
    best = np.flatnonzero(spread >= spread.max() * (1 - 1e-9))  # a plateau where bins are empty: its middle
    return float(edges[1:][best].mean()) if best.size else 0.5 * (first + last)  # values so large that their squares overflow
