"""The Rosenbrock function of two variables as a surface whose a and b are to be found."""

from __future__ import annotations

from math import isqrt

import numpy as np

from lmrun.config.datasets import RosenbrockCurveConfig
from lmrun.config.losses import TargetKind
from lmrun.datasets.base import Dataset, Split
from lmrun.datasets.sampling import Draw, Float64, add_noise, choose_seed, uniform
from lmrun.datasets.targets import require_values


def load(config: RosenbrockCurveConfig, *, seed: int, targets: TargetKind) -> Dataset:
    """Evaluate z = (a - x)^2 + b (y - x^2)^2 on a grid or at random points, float64; inputs x, y, target z.

    Raises:
        DataError: A loss for classes.

    Source: Rosenbrock 1960, "An automatic method for finding the greatest or least value of a function".
    """
    require_values(config.name, targets)
    own = choose_seed(config.seed, seed)
    if config.sampling == "grid":
        inputs = _grid(config.points, config.limit)
    else:
        inputs = uniform(own, Draw.TRAIN_POINTS, config.limit, (config.points, 2))
    x, y = inputs[:, :1], inputs[:, 1:]
    z = (config.a - x) ** 2 + config.b * (y - x**2) ** 2
    train = Split(inputs, add_noise(z, config.noise, own, Draw.TRAIN_NOISE))
    return Dataset(
        name=config.name, train=train, validation=None, test=None, input_names=("x", "y"), target_names=("z",)
    )


def _grid(points: int, limit: float) -> Float64:
    """The square's grid, x slow and y fast, corners included; `points` is a square; [points, 2]."""
    side = isqrt(points)
    axis = np.linspace(-limit, limit, side)
    return np.stack(np.meshgrid(axis, axis, indexing="ij"), axis=-1).reshape(side * side, 2)
