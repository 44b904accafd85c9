"""For users of Keras: `LMModel` trains a Keras model by Levenberg-Marquardt, with Keras' habits."""

from __future__ import annotations

from lmrun.api.damping import DampingAlgorithm
from lmrun.api.keras_losses import Residuals
from lmrun.api.keras_residuals import (
    CategoricalMeanSquaredError,
    ReducedOutputsMeanSquaredError,
    SquaredCategoricalCrossentropy,
)
from lmrun.api.lm_model import LMModel
from lmrun.optimizers.damping.base import Damping

__all__ = [
    "CategoricalMeanSquaredError",
    "Damping",
    "DampingAlgorithm",
    "LMModel",
    "ReducedOutputsMeanSquaredError",
    "Residuals",
    "SquaredCategoricalCrossentropy",
]
