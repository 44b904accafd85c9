"""A Keras model as a pure function of one flat parameter vector."""

from __future__ import annotations

from collections.abc import Sequence
from dataclasses import dataclass
from typing import Any

import keras
import numpy as np
import tensorflow as tf
from numpy.typing import NDArray

from lmrun.errors import DataError

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
            weight = params[offset : offset + size]
            # Every operation costs Python 0.3 ms while TensorFlow traces.
            weights.append(weight if len(shape) == 1 else tf.reshape(weight, shape))
            offset += size
        return weights


class Network:
    """A Keras model, evaluated without touching its variables.

    Its parameters are `model.trainable_variables`, one after the other. `outputs` is Keras' own forward pass;
    `curvature.graph` computes the same layer by layer, in a layout and with rules of its own.

    Args:
        model: A built `keras.Sequential`, or a functional `keras.Model` with one input; several outputs are
            put side by side.

    Raises:
        DataError: A model of another kind, or one whose weights are of several types.
    """

    def __init__(self, model: keras.Model) -> None:
        check(model)
        self.model = model
        self._starts: dict[int, int] = {}
        self.size = 0
        """Number n of parameters."""
        for variable in model.trainable_variables:
            self._starts[id(variable)] = self.size
            self.size += int(np.prod(variable.shape, dtype=np.int64))
        parts = [part for layer in model.layers if (part := self.part(layer)) is not None]
        whole = LayerSlice(model, 0, tuple(tuple(variable.shape) for variable in model.trainable_variables))
        self.layers: list[LayerSlice] = parts if covers(parts, self.size) else [whole]

    @property
    def whole(self) -> keras.Model:
        """The model that users save and load."""
        return self.model

    def part(self, layer: keras.Layer | keras.Operation) -> LayerSlice | None:
        """Return where the parameters of a layer stand, at any depth of the model.

        None where they do not stand together, because a variable belongs to several layers.
        """
        variables = getattr(layer, "trainable_variables", [])
        starts = [self._starts.get(id(variable)) for variable in variables]
        shapes = tuple(tuple(variable.shape) for variable in variables)
        part = LayerSlice(layer, starts[0] or 0 if starts else 0, shapes)
        expected = part.start + np.cumsum([0, *part.sizes])[:-1]
        return part if starts == expected.tolist() else None

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

    def outputs(self, params: Tensor, inputs: Tensor) -> Tensor:
        """Predict in inference mode; params [n], inputs [rows, ...] to [rows, outputs]."""
        weights = [weight for part in self.layers for weight in part.weights(params)]
        return stacked(stateless(self.model, weights, inputs))

    def named_params(self) -> dict[str, float]:
        """Return the parameters of a formula by name; empty for a network."""
        return {
            variable.name: float(tf.convert_to_tensor(variable).numpy())
            for variable in self.model.trainable_variables
            if variable.shape == ()
        }


def check(model: keras.Model) -> None:
    """Refuse what cannot be fitted.

    Raises:
        DataError: See `Network`.
    """
    if not isinstance(model, keras.Sequential | keras.Function) or not model.built:
        raise DataError(
            f"model: {type(model).__name__} is no Sequential or functional Keras model that is built; for a "
            "model of another kind, `keras.Model(inputs, model(inputs))` with `inputs = keras.Input(shape)` "
            "is one."
        )
    if len(model.inputs) != 1:
        raise DataError(f"model: it reads {len(model.inputs)} inputs; lmrun has one, put them side by side.")
    types = sorted({str(variable.dtype) for variable in model.trainable_variables})
    if len(types) != 1:
        kinds = " and ".join(types) or "none at all"
        raise DataError(f"model: its weights are of one floating-point type, not {kinds}.")


def covers(parts: Sequence[LayerSlice], size: int) -> bool:
    """Whether the slices hold every parameter 0 to size once; a slice that is there twice counts once."""
    end = 0
    for start, length in sorted({(part.start, part.size) for part in parts if part.size}):
        if start != end:
            return False
        end += length
    return end == size


def stateless(layer: keras.Layer, weights: Sequence[Tensor], *args: Any, **kwargs: Any) -> Any:
    """Call a layer or a model in inference mode, `weights` standing in for its trainable variables."""
    with keras.StatelessScope(state_mapping=list(zip(layer.trainable_variables, weights, strict=True))):
        return layer(*args, training=False, **kwargs)


def stacked(outputs: Any) -> Tensor:
    """Put outputs [rows, ...] of any structure side by side, [rows, outputs]."""
    flat = [
        tf.reshape(output, [-1, int(np.prod(output.shape[1:], dtype=np.int64))])
        for output in keras.tree.flatten(outputs)
    ]
    return flat[0] if len(flat) == 1 else tf.concat(flat, axis=1)


def sequential(layers: Sequence[keras.Layer], input_shape: tuple[int, ...], dtype: str) -> keras.Sequential:
    """Chain and build layers; `input_shape` is that of one sample.

    Model and input have names that Keras would number: TensorFlow keeps something for every name.
    """
    inputs = keras.Input(shape=input_shape, dtype=dtype, name="inputs")
    return keras.Sequential([inputs, *layers], name="network")
