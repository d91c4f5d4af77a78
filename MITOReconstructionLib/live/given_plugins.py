"""The plugins that are given: threshold by Otsu's method, Gaussian smoothing, ring removal."""

from __future__ import annotations

from dataclasses import dataclass

import numpy as np
from numpy.typing import NDArray
from scipy import ndimage

from MITOReconstructionLib.live.plugins import Plugin, track
from MITOReconstructionLib.methods.parameters import Parameters, parameter

__all__ = ["GIVEN", "otsu_threshold"]

BINS = 256


@dataclass(frozen=True)
class OtsuParameters(Parameters):
    """Parameters of the threshold."""

    where = "parameter of plugin otsu"

    keep: str = parameter("mask", "What becomes of the pixels above the threshold.", choices=("mask", "values"))
    shift: float = parameter(0.0, "Added to the threshold.", unit="1/mm")


def otsu_threshold(image: NDArray[np.float32]) -> float:
    """The threshold between two classes of values with the largest variance between them (Otsu, IEEE Trans. SMC 9 (1979) 62)."""
    counts, edges = np.histogram(image, bins=BINS)
    middles = 0.5 * (edges[1:] + edges[:-1])
    below = np.cumsum(counts)[:-1].astype(np.float64)
    above = counts.sum() - below
    sums = np.cumsum(counts * middles)
    means = sums[:-1] / np.maximum(below, 1), (sums[-1] - sums[:-1]) / np.maximum(above, 1)
    variance = below * above * (means[0] - means[1]) ** 2
    best = np.flatnonzero(variance >= variance.max() * (1 - 1e-12))  # an empty valley has many best places
    return float(edges[1:-1][best[len(best) // 2]])


def _otsu(image: NDArray[np.float32], parameters: OtsuParameters) -> NDArray[np.float32]:
    threshold = otsu_threshold(image) + parameters.shift
    inside = image > threshold
    track("otsu threshold", threshold)
    track("otsu share", float(inside.mean()))
    return inside.astype(np.float32) if parameters.keep == "mask" else np.where(inside, image, np.float32(0.0))


@dataclass(frozen=True)
class GaussianParameters(Parameters):
    """Parameters of the smoothing."""

    where = "parameter of plugin gaussian"

    sigma: float = parameter(1.0, "Standard deviation.", unit="pixels", minimum=0.0, maximum=50.0)


def _gaussian(image: NDArray[np.float32], parameters: GaussianParameters) -> NDArray[np.float32]:
    return np.asarray(ndimage.gaussian_filter(image, parameters.sigma, mode="nearest"), dtype=np.float32)


@dataclass(frozen=True)
class RingsParameters(Parameters):
    """Parameters of ring removal."""

    where = "parameter of plugin rings"

    centre_u: float = parameter(0.5, "Where the rotation axis meets the slice, as a share of its extent along u.")
    centre_v: float = parameter(0.5, "Where the rotation axis meets the slice, as a share of its extent along v.")
    width: int = parameter(9, "Rings up to about half this many pixels wide are removed.", minimum=3, maximum=99)
    strength: float = parameter(1.0, "Share of the rings that is removed.", minimum=0.0, maximum=1.0)


def _rings(image: NDArray[np.float32], parameters: RingsParameters) -> NDArray[np.float32]:
    """Take off what the median over each radius has and its own median along the radius has not."""
    n, m = image.shape
    i, j = np.ogrid[:n, :m]
    radius = np.hypot(i - parameters.centre_u * (n - 1), j - parameters.centre_v * (m - 1))
    whole = radius.astype(np.intp).ravel()
    order = np.argsort(whole, kind="stable")
    ends = np.cumsum(np.bincount(whole))
    smooth = ndimage.median_filter(image, size=parameters.width, mode="nearest")
    parts = np.split((image - smooth).ravel()[order], ends[:-1])
    profile = np.array([np.median(part) if part.size >= 8 else 0.0 for part in parts], dtype=np.float32)
    rings = np.interp(radius, np.arange(len(profile)) + 0.5, profile).astype(np.float32)
    track("rings", float(np.sqrt(np.mean(rings**2))))
    return np.asarray(image - np.float32(parameters.strength) * rings, dtype=np.float32)


GIVEN = (
    Plugin("otsu", "Otsu threshold", "Separates two materials where their values differ most.", OtsuParameters, _otsu),
    Plugin("gaussian", "Gaussian smoothing", "Smooths by a Gaussian.", GaussianParameters, _gaussian),
    Plugin("rings", "Ring removal", "Removes rings about the point where the rotation axis meets the slice.", RingsParameters, _rings),
)
"""In the order in which they are shown."""
