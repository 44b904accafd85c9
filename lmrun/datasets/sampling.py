"""Random points and noise of the synthetic datasets, each from its own part of the data stream.

More validation points, or noise where there was none, leave the training points as they were.
"""

from __future__ import annotations

from enum import IntEnum

import numpy as np
from numpy.typing import NDArray

from lmrun.seeding import Stream, generator

Float64 = NDArray[np.float64]


class Draw(IntEnum):
    """The parts of the data stream; the numbers are part of the reproducibility and never change."""

    TRAIN_POINTS = 0
    VALIDATION_POINTS = 1
    TRAIN_NOISE = 2
    VALIDATION_NOISE = 3


def choose_seed(own: int | None, seed: int) -> int:
    """The section's own seed, or the config's where it has none."""
    return seed if own is None else own


def uniform(seed: int, draw: Draw, limit: float, shape: tuple[int, int]) -> Float64:
    """Uniform points in [-limit, limit)^columns, float64 [rows, columns]; fewer rows are a prefix of more."""
    return generator(seed, Stream.DATA, int(draw)).uniform(-limit, limit, shape)


def add_noise(values: Float64, deviation: float, seed: int, draw: Draw) -> Float64:
    """Add normal noise of the given standard deviation; returns float64 of the same shape."""
    if deviation == 0:
        return values
    return values + generator(seed, Stream.DATA, int(draw)).normal(0.0, deviation, values.shape)
