"""Affine normalizations, fitted on training rows."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from types import MappingProxyType

import numpy as np
from numpy.typing import NDArray

from lmrun.datasets.base import Affine
from lmrun.datasets.pool import ALONE, Pool

Float64 = NDArray[np.float64]


def standard(values: Float64, pool: Pool = ALONE) -> Affine:
    """Map to mean 0 and population standard deviation 1.

    shift = mean(x), scale = sqrt(mean((x - mean)^2)); a constant column gets shift x and scale 1, so that it
    becomes 0.

    Args:
        values: Training rows, float64 [rows, columns].
        pool: Who has further rows.
    """
    count = sum(pool.counts(len(values)))
    mean = pool.total(values.sum(axis=0)) / count
    spread = pool.highest(np.abs(values - mean))
    spread[spread == 0] = 1.0
    # relative to the largest deviation, so that the squares neither overflow nor vanish
    squares = pool.total(np.sum(((values - mean) / spread) ** 2, axis=0))
    return _but_constant(values, mean, spread * np.sqrt(squares / count), pool)


def minmax(values: Float64, pool: Pool = ALONE) -> Affine:
    """Map to [-1, 1], as MATLAB's `mapminmax` does.

    shift = (max + min)/2, scale = (max - min)/2; a constant column gets shift x and scale 1, so that it
    becomes 0.

    Args:
        values: Training rows, float64 [rows, columns].
        pool: Who has further rows.
    """
    low, high = pool.lowest(values), pool.highest(values)
    return _but_constant(values, (high + low) / 2, (high - low) / 2, pool)


FITS: Mapping[str, Callable[..., Affine | None]] = MappingProxyType(
    {"standard": standard, "minmax": minmax, "none": lambda values, pool=ALONE: None}
)


def _but_constant(values: Float64, shift: Float64, scale: Float64, pool: Pool) -> Affine:
    low = pool.lowest(values)
    constant = low == pool.highest(values)
    return Affine(np.where(constant, low, shift), np.where(constant, 1.0, scale))
