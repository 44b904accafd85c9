"""The N-dimensional Rosenbrock function at random points."""

from __future__ import annotations

import numpy as np

from lmrun.config.datasets import RosenbrockConfig
from lmrun.config.losses import TargetKind
from lmrun.datasets.base import Affine, Dataset, Split
from lmrun.datasets.rosenbrock_minima import known_minima, rosenbrock
from lmrun.datasets.sampling import Draw, Float64, choose_seed, uniform
from lmrun.datasets.targets import require_values
from lmrun.errors import DataError

LIMIT = 2.0
"""The points lie in [-2, 2]^N."""
BLOCK_ROWS = 2**14
"""Points that are evaluated at a time: the terms of all of them would take more memory than the data."""


def load(config: RosenbrockConfig, *, seed: int, targets: TargetKind) -> Dataset:
    """Evaluate the Rosenbrock function at uniform points, float64; inputs x1..xN, target y.

    y = sum over i < N of b (x[i+1] - x[i]^2)^2 + (a - x[i])^2. `normalize` maps x to x/2 and y to
    y/max(y) - 0.5, the maximum being that of the training points; as affine maps: shift 0 and scale 2,
    shift max/2 and scale max.

    Raises:
        DataError: `include_minima` where the minima are unknown or outnumber the points; a loss for classes.
    """
    require_values(config.name, targets)
    own = choose_seed(config.seed, seed)
    points = uniform(own, Draw.TRAIN_POINTS, LIMIT, (config.points, config.dimension))
    if config.include_minima:
        points = _with_minima(points, config)
    values = _values(points, config)
    input_map, target_map = _maps(values, config) if config.normalize else (None, None)

    def split(x: Float64, y: Float64) -> Split:
        # In place: both are this function's own.
        return Split(
            input_map.forward(x, out=x) if input_map else x,
            target_map.forward(y, out=y) if target_map else y,
        )

    validation = None
    if config.validation_points:
        others = uniform(own, Draw.VALIDATION_POINTS, LIMIT, (config.validation_points, config.dimension))
        validation = split(others, _values(others, config))
    return Dataset(
        name=config.name,
        train=split(points, values),
        validation=validation,
        test=None,
        input_names=tuple(f"x{i + 1}" for i in range(config.dimension)),
        target_names=("y",),
        input_map=input_map,
        target_map=target_map,
    )


def _values(points: Float64, config: RosenbrockConfig) -> Float64:
    starts = range(0, len(points), BLOCK_ROWS)
    blocks = (points[start : start + BLOCK_ROWS] for start in starts)
    return np.concatenate([rosenbrock(block, config.a, config.b) for block in blocks])[:, np.newaxis]


def _with_minima(points: Float64, config: RosenbrockConfig) -> Float64:
    """The points with the minima in place of the first ones, so that their number stays."""
    minima = known_minima(config.dimension, config.a, config.b)
    if len(minima) > len(points):
        raise DataError(
            f"the dataset 'rosenbrock' cannot include {len(minima)} minima among {len(points)} points;"
            " raise points or leave include_minima out."
        )
    if np.abs(minima).max() > LIMIT:
        raise DataError(
            f"the dataset 'rosenbrock' has a minimum outside [-2, 2] for a = {config.a:g};"
            " leave include_minima out."
        )
    return np.concatenate([minima, points[len(minima) :]])


def _maps(values: Float64, config: RosenbrockConfig) -> tuple[Affine, Affine]:
    """The normalization of inputs and target, from the training targets [rows, 1]."""
    largest = values.max(axis=0)
    if not largest[0] > 0:
        raise DataError(
            "the dataset 'rosenbrock' cannot divide by max(y) = 0; raise points or set normalize: false."
        )
    columns = config.dimension
    return Affine(np.zeros(columns), np.full(columns, LIMIT)), Affine(0.5 * largest, largest)
