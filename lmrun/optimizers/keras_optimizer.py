"""Any Keras optimizer as an update rule."""

from __future__ import annotations

import math
from typing import Any

import keras
import tensorflow as tf

from lmrun.config.optimizers import KerasOptimizerConfig
from lmrun.errors import ConfigError
from lmrun.models.network import Network

Tensor = Any


class Muon(keras.optimizers.Muon):  # type: ignore[misc]
    """Keras' Muon, also in float64: Keras multiplies by a root that it takes in float32."""

    def lr_adjust(self, x: Tensor) -> Tensor:
        """Scale an update [i, o] by sqrt(max(i, o)) rms_rate (Liu et al. 2025, Muon is scalable, eq. 4)."""
        return x if self.rms_rate is None else x * (math.sqrt(max(x.shape)) * self.rms_rate)


CLASSES: dict[str, type[keras.Optimizer]] = {
    "adadelta": keras.optimizers.Adadelta,
    "adafactor": keras.optimizers.Adafactor,
    "adagrad": keras.optimizers.Adagrad,
    "adamax": keras.optimizers.Adamax,
    "adamw": keras.optimizers.AdamW,
    "ftrl": keras.optimizers.Ftrl,
    "lamb": keras.optimizers.Lamb,
    "lion": keras.optimizers.Lion,
    "muon": Muon,
    "nadam": keras.optimizers.Nadam,
    "rmsprop": keras.optimizers.RMSprop,
    "schedulefreeadamw": keras.optimizers.ScheduleFreeAdamW,
}


class KerasRule:
    """The update rule of a Keras optimizer.

    Keras cannot apply an optimizer to plain tensors on TensorFlow, so the rule owns copies of the weights:
    parameters and slots are written into them, the optimizer moves them, and they are read back. From outside
    the rule is pure.

    Args:
        config: Name and arguments of the optimizer.
        network: Gives the shapes of the weights, which some optimizers treat one by one.
    """

    pure = False

    def __init__(self, config: KerasOptimizerConfig, network: Network) -> None:
        self.network = network
        try:
            self.optimizer = CLASSES[config.name](
                learning_rate=config.learning_rate, **{"name": config.name, **config.arguments}
            )
        except (TypeError, ValueError) as error:
            reason = " ".join(str(error).split())
            raise ConfigError([f"optimizer: {config.name} refuses its arguments: {reason}"]) from error
        self.weights = [
            keras.Variable(tf.convert_to_tensor(variable), dtype=variable.dtype, name=variable.name)
            for variable in network.model.trainable_variables
        ]
        self.optimizer.build(self.weights)
        self._start = self._read_slots()

    def slots(self, params: Tensor) -> dict[str, Tensor]:
        """The optimizer's variables at the start, by their position."""
        return dict(self._start)

    def _read_slots(self) -> dict[str, Tensor]:
        return {
            f"{index:04d}": tf.identity(tf.convert_to_tensor(variable))
            for index, variable in enumerate(self.optimizer.variables)
        }

    def apply(
        self, params: Tensor, gradient: Tensor, slots: dict[str, Tensor]
    ) -> tuple[Tensor, dict[str, Tensor]]:
        """One step; params and gradient [n]."""
        for variable, value in zip(self.optimizer.variables, slots.values(), strict=True):
            variable.assign(value)
        for weight, value in zip(self.weights, self._split(params), strict=True):
            weight.assign(value)
        self.optimizer.apply(self._split(gradient), self.weights)
        moved = tf.concat([tf.reshape(tf.convert_to_tensor(weight), [-1]) for weight in self.weights], 0)
        return moved, self._read_slots()

    def _split(self, vector: Tensor) -> list[Tensor]:
        return [tensor for part in self.network.layers for tensor in part.weights(vector)]
