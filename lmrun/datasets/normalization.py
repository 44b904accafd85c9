"""Affine normalizations, fitted on training rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from lmrun.datasets.base import Affine

Float64 = NDArray[np.float64]


def standard(values: Float64) -> Affine:
    """Map to mean 0 and population standard deviation 1.

    shift = mean(x), scale = sqrt(mean((x - mean)^2)); a constant column gets shift x and scale 1, so that it
    becomes 0.

    Args:
        values: Training rows, float64 [rows, columns].
    """
    mean = values.mean(axis=0)
    spread = np.abs(values - mean).max(axis=0)
    spread[spread == 0] = 1.0
    # relative to the largest deviation, so that the squares neither overflow nor vanish
    deviation = spread * np.sqrt(np.mean(((values - mean) / spread) ** 2, axis=0))
    return _but_constant(values, mean, deviation)


def minmax(values: Float64) -> Affine:
    """Map to [-1, 1], as MATLAB's `mapminmax` does.

    shift = (max + min)/2, scale = (max - min)/2; a constant column gets shift x and scale 1, so that it
    becomes 0.

    Args:
        values: Training rows, float64 [rows, columns].
    """
    low, high = values.min(axis=0), values.max(axis=0)
    return _but_constant(values, (high + low) / 2, (high - low) / 2)


FITS: Mapping[str, Callable[[Float64], Affine | None]] = MappingProxyType(
    {"standard": standard, "minmax": minmax, "none": lambda values: None}
)


def _but_constant(values: Float64, shift: Float64, scale: Float64) -> Affine:
    constant = values.min(axis=0) == values.max(axis=0)
    return Affine(np.where(constant, values[0], shift), np.where(constant, 1.0, scale))
