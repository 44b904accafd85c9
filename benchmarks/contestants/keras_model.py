"""The network as a plain Keras model with the job's weights."""

from __future__ import annotations

from typing import Any

import keras

from benchmarks.contestants.protocol import Array


def build(
    layers: list[dict[str, Any]], weights: list[Array], shape: tuple[int, ...], dtype: str
) -> keras.Sequential:
    """Build the model; `shape` is that of one sample."""
    rest = iter(weights[::2])
    made: list[Any] = [keras.Input(shape=shape, dtype=dtype)]
    for layer in layers:
        match layer["kind"]:
            case "dense":
                made.append(keras.layers.Dense(next(rest).shape[1], dtype=dtype))
            case "conv":
                height, width, _, filters = next(rest).shape
                made.append(
                    keras.layers.Conv2D(filters, (height, width), strides=layer["strides"], dtype=dtype)
                )
            case "activation":
                made.append(keras.layers.Activation(layer["function"], dtype=dtype))
            case "flatten":
                made.append(keras.layers.Flatten(dtype=dtype))
    model = keras.Sequential(made)
    model.set_weights(weights)
    return model
