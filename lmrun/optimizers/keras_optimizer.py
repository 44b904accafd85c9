"""Any Keras optimizer as an update rule."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from lmrun.config.optimizers import KerasOptimizerConfig
from lmrun.models.network import Network

Tensor = Any

CLASSES: dict[str, type[keras.Optimizer]] = {
    "adadelta": keras.optimizers.Adadelta,
    "adafactor": keras.optimizers.Adafactor,
    "adagrad": keras.optimizers.Adagrad,
    "adamax": keras.optimizers.Adamax,
    "adamw": keras.optimizers.AdamW,
    "ftrl": keras.optimizers.Ftrl,
    "lamb": keras.optimizers.Lamb,
    "lion": keras.optimizers.Lion,
    "muon": keras.optimizers.Muon,
    "nadam": keras.optimizers.Nadam,
    "rmsprop": keras.optimizers.RMSprop,
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
        self.optimizer = CLASSES[config.name](learning_rate=config.learning_rate, **config.arguments)
        self.weights = [
            keras.Variable(tf.convert_to_tensor(variable), dtype=variable.dtype, name=variable.name)
            for variable in network.model.trainable_variables
        ]
        self.optimizer.build(self.weights)

    def slots(self, params: Tensor) -> dict[str, Tensor]:
        """The optimizer's variables, by their position."""
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
        return moved, self.slots(params)

    def _split(self, vector: Tensor) -> list[Tensor]:
        return [tensor for part in self.network.layers for tensor in part.weights(vector)]
