"""Some columns of a flat input as one of the several inputs of a model."""

from __future__ import annotations

import math
from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

Tensor = Any


@keras.saving.register_keras_serializable(package="lmrun")
class Columns(keras.layers.Layer):  # type: ignore[misc]
    """y = x[:, start:stop], as [rows, *shape].

    Args:
        start: The first column.
        sample: The shape of a sample of the output; `stop` follows from it.
    """

    def __init__(self, start: int, sample: Sequence[int], **kwargs: Any) -> None:
        super().__init__(**kwargs)
        self.start = start
        self.sample = tuple(sample)
        self.stop = start + math.prod(self.sample)

    def call(self, inputs: Tensor) -> Tensor:
        """[rows, columns] to [rows, *shape]."""
        return tf.reshape(inputs[:, self.start : self.stop], [-1, *self.sample])

    def compute_output_shape(self, input_shape: Any) -> tuple[Any, ...]:
        """One sample per row."""
        return (input_shape[0], *self.sample)

    def get_config(self) -> dict[str, Any]:
        """What a saved model needs to make the layer again."""
        return {**super().get_config(), "start": self.start, "sample": list(self.sample)}
