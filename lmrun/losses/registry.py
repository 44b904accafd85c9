"""The losses and their curvatures by their names in the config."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lmrun.config.losses import LossConfig
from lmrun.losses.base import Loss
from lmrun.losses.crossentropy import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    SparseCategoricalCrossentropy,
)
from lmrun.losses.custom import build_custom
from lmrun.losses.elementwise import Huber, MeanAbsoluteError, MeanSquaredError
from lmrun.losses.projected import Projected
from lmrun.losses.rehearsal import Sample
from lmrun.losses.robust import Arctan, Cauchy, SoftL1
from lmrun.losses.square_root import SquareRoot

Build = Callable[[Any, Callable[[], Sample]], Loss]
"""From a `loss` section and what returns outputs and targets as at the start of the training."""

CURVATURES: dict[str, Callable[[Any, Any], Loss]] = {
    "exact": lambda loss, config: loss,
    "projected": lambda loss, config: Projected(loss, config.projections),
    "square-root": lambda loss, config: SquareRoot(loss),
}
"""From a cross-entropy with its exact curvature and a `curvature` section."""


def _curved(loss: Loss) -> Build:
    return lambda config, sample: CURVATURES[config.curvature.name](loss, config.curvature)


LOSSES: dict[str, Build] = {
    "mse": lambda config, sample: MeanSquaredError(),
    "mae": lambda config, sample: MeanAbsoluteError(),
    "huber": lambda config, sample: Huber(delta=config.delta),
    "soft_l1": lambda config, sample: SoftL1(config.scale),
    "cauchy": lambda config, sample: Cauchy(config.scale),
    "arctan": lambda config, sample: Arctan(config.scale),
    "binary_crossentropy": _curved(BinaryCrossentropy()),
    "categorical_crossentropy": _curved(CategoricalCrossentropy()),
    "sparse_categorical_crossentropy": _curved(SparseCategoricalCrossentropy()),
    "custom": lambda config, sample: build_custom(config, sample()),
}


def build_loss(config: LossConfig, sample: Callable[[], Sample]) -> Loss:
    """Return the loss that a config names.

    Args:
        config: The `loss` section.
        sample: Returns a few rows of outputs and targets as at the start of the training; code of the user's
            own is tried out on them.

    Raises:
        ConfigError: Code of the user's own cannot be used.
    """
    return LOSSES[config.name](config, sample)
