"""A sine with noise, of few points: more parameters than these can fit the noise."""

from __future__ import annotations

import numpy as np

from lmrun.config.datasets import SineConfig
from lmrun.config.losses import TargetKind
from lmrun.datasets.base import Dataset, Split
from lmrun.datasets.sampling import Draw, Float64, add_noise, choose_seed, uniform
from lmrun.datasets.targets import require_values


def load(config: SineConfig, *, seed: int, targets: TargetKind) -> Dataset:
    """Evaluate y = sin(2 pi f x), float64; input x, target y.

    Training points are evenly spaced on [-1, 1], both ends included; validation points uniformly random. The
    noise is added to the targets of both. Test points are evenly spaced, and their targets are the sine
    itself: what a model should have learned.

    Raises:
        DataError: A loss for classes.

    Source: the example of MATLAB's `trainbr`, with frequency 1, 41 points and noise 0.1.
    """
    require_values(config.name, targets)
    own = choose_seed(config.seed, seed)

    def sine(x: Float64) -> Float64:
        return np.sin(2 * np.pi * config.frequency * x)

    def noisy(x: Float64, draw: Draw) -> Split:
        return Split(x, add_noise(sine(x), config.noise, own, draw))

    validation = test = None
    if config.validation_points:
        points = uniform(own, Draw.VALIDATION_POINTS, 1.0, (config.validation_points, 1))
        validation = noisy(points, Draw.VALIDATION_NOISE)
    if config.test_points:
        even = _even(config.test_points)
        test = Split(even, sine(even))
    return Dataset(
        name=config.name,
        train=noisy(_even(config.points), Draw.TRAIN_NOISE),
        validation=validation,
        test=test,
        input_names=("x",),
        target_names=("y",),
    )


def _even(points: int) -> Float64:
    """Evenly spaced on [-1, 1]; [points, 1]."""
    return np.linspace(-1.0, 1.0, points)[:, np.newaxis]
