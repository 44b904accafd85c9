"""A Keras model as a pure function of one flat parameter vector."""

from __future__ import annotations

from collections.abc import Iterator, Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

Tensor = Any
"""A `tf.Tensor`; TensorFlow ships no types that a checker could use."""


@dataclass(frozen=True)
class LayerSlice:
    """A layer and where its parameters stand in the flat vector, kernel before bias."""

    layer: keras.Layer
    start: int
    shapes: tuple[tuple[int, ...], ...]

    @property
    def sizes(self) -> tuple[int, ...]:
        """Number of elements of each of the layer's weights."""
        return tuple(int(np.prod(shape, dtype=np.int64)) for shape in self.shapes)

    @property
    def size(self) -> int:
        """Number of parameters of the layer."""
        return sum(self.sizes)

    def weights(self, params: Tensor) -> list[Tensor]:
        """Cut the layer's weights out of the flat vector [n]; tensors of the shapes that Keras uses."""
        offset, weights = self.start, []
        for size, shape in zip(self.sizes, self.shapes, strict=True):
            weights.append(tf.reshape(params[offset : offset + size], shape))
            offset += size
        return weights


class Network:
    """A chain of Keras layers, evaluated without touching its variables.

    Every layer with parameters is linear in them up to its own output (activations are layers of their own),
    or has a Jacobian rule of its own: see `curvature.jacobian`.

    Args:
        model: A built `keras.Sequential`.
    """

    def __init__(self, model: keras.Sequential) -> None:
        self.model = model
        self.layers: list[LayerSlice] = []
        start = 0
        for layer in model.layers:
            shapes = tuple(tuple(variable.shape) for variable in layer.trainable_variables)
            self.layers.append(LayerSlice(layer, start, shapes))
            start += self.layers[-1].size
        self.size = start
        """Number n of parameters."""

    @property
    def convolutional(self) -> bool:
        """Whether a layer convolves images."""
        return any(isinstance(part.layer, keras.layers.Conv2D) for part in self.layers)

    def params(self) -> NDArray[np.floating]:
        """Return the model's present weights as one vector [n]."""
        variables = self.model.trainable_variables
        return np.concatenate([np.ravel(tf.convert_to_tensor(variable).numpy()) for variable in variables])

    def assign(self, params: NDArray[np.floating]) -> None:
        """Write a flat vector [n] into the model's variables."""
        offset = 0
        for variable in self.model.trainable_variables:
            size = int(np.prod(variable.shape, dtype=np.int64))
            variable.assign(np.reshape(params[offset : offset + size], variable.shape))
            offset += size

    def trace(
        self, params: Tensor, inputs: Tensor
    ) -> Iterator[tuple[LayerSlice, list[Tensor], Tensor, Tensor]]:
        """Evaluate layer by layer.

        Args:
            params: [n].
            inputs: [rows, ...].

        Yields:
            The layer, its weights, its input [rows, ...] and its output [rows, ...].
        """
        values = inputs
        for part in self.layers:
            weights = part.weights(params)
            outputs, _ = part.layer.stateless_call(weights, [], values)
            yield part, weights, values, outputs
            values = outputs

    def outputs(self, params: Tensor, inputs: Tensor) -> Tensor:
        """Predict; params [n], inputs [rows, ...] to [rows, outputs]."""
        values = inputs
        for *_, layer_outputs in self.trace(params, inputs):
            values = layer_outputs
        return values

    def named_params(self) -> dict[str, float]:
        """Return the parameters of a formula by name; empty for a network."""
        return {
            variable.name: float(tf.convert_to_tensor(variable).numpy())
            for variable in self.model.trainable_variables
            if variable.shape == ()
        }


def sequential(layers: Sequence[keras.Layer], input_shape: tuple[int, ...], dtype: str) -> keras.Sequential:
    """Chain and build layers; `input_shape` is that of one sample."""
    return keras.Sequential([keras.Input(shape=input_shape, dtype=dtype), *layers])
