"""The losses by their name in the config, and the kind of targets that each reads."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

from lmrun.config.models import LossConfig
from lmrun.losses.base import Loss
from lmrun.losses.crossentropy import (
    BinaryCrossentropy,
    CategoricalCrossentropy,
    SparseCategoricalCrossentropy,
)
from lmrun.losses.elementwise import Huber, MeanAbsoluteError, MeanSquaredError

LOSSES: dict[str, Callable[[Any], Loss]] = {
    "mse": lambda config: MeanSquaredError(),
    "mae": lambda config: MeanAbsoluteError(),
    "huber": lambda config: Huber(delta=config.delta),
    "binary_crossentropy": lambda config: BinaryCrossentropy(),
    "categorical_crossentropy": lambda config: CategoricalCrossentropy(),
    "sparse_categorical_crossentropy": lambda config: SparseCategoricalCrossentropy(),
}


def build_loss(config: LossConfig) -> Loss:
    """Return the loss that a config names."""
    return LOSSES[config.name](config)
