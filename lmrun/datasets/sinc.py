"""The sinc function on an even grid."""

from __future__ import annotations

import numpy as np

from lmrun.config.datasets import SincConfig
from lmrun.config.losses import TargetKind
from lmrun.datasets.base import Dataset, Split
from lmrun.datasets.sampling import Draw, Float64, add_noise, choose_seed, uniform
from lmrun.datasets.targets import require_values


def load(config: SincConfig, *, seed: int, targets: TargetKind) -> Dataset:
    """Evaluate y = sin(pi f x) / (pi f x), 1 at x = 0, float64; input x, target y.

    Training points are evenly spaced on [-1, 1], both ends included; validation points uniformly random.
    The noise is added to the targets of both.

    Raises:
        DataError: A loss for classes.
    """
    require_values(config.name, targets)
    own = choose_seed(config.seed, seed)

    def split(x: Float64, noise: Draw) -> Split:
        return Split(x, add_noise(np.sinc(config.frequency * x), config.noise, own, noise))

    validation = None
    if config.validation_points:
        points = uniform(own, Draw.VALIDATION_POINTS, 1.0, (config.validation_points, 1))
        validation = split(points, Draw.VALIDATION_NOISE)
    return Dataset(
        name=config.name,
        train=split(np.linspace(-1.0, 1.0, config.points)[:, np.newaxis], Draw.TRAIN_NOISE),
        validation=validation,
        test=None,
        input_names=("x",),
        target_names=("y",),
    )
