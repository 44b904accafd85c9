"""The convolutional network: a list of layers from the config."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np

from lmrun.config.models import CnnConfig, ConvConfig, DenseConfig, FlattenConfig, PoolConfig
from lmrun.errors import DataError
from lmrun.models.layers import LayerFactory
from lmrun.models.network import Network, sequential

Make = Callable[[Any, LayerFactory, str], list[keras.Layer]]

POOLING = {"max": keras.layers.MaxPooling2D, "average": keras.layers.AveragePooling2D}


def _pair(value: int | tuple[int, int]) -> tuple[int, int]:
    return (value, value) if isinstance(value, int) else value


def _conv(config: ConvConfig, make: LayerFactory, activation: str) -> list[keras.Layer]:
    return make.conv(
        config.filters,
        _pair(config.kernel_size),
        _pair(config.strides),
        config.padding,
        config.activation or activation,
    )


def _pool(config: PoolConfig, make: LayerFactory, activation: str) -> list[keras.Layer]:
    strides = None if config.strides is None else _pair(config.strides)
    pooling = POOLING[config.kind]
    return [pooling(_pair(config.size), strides=strides, padding=config.padding, dtype=make.dtype)]


def _flatten(config: FlattenConfig, make: LayerFactory, activation: str) -> list[keras.Layer]:
    return [keras.layers.Flatten(dtype=make.dtype)]


def _dense(config: DenseConfig, make: LayerFactory, activation: str) -> list[keras.Layer]:
    return make.dense(config.units, config.activation or activation)


LAYERS: dict[str, Make] = {"conv": _conv, "pool": _pool, "flatten": _flatten, "dense": _dense}


def build_cnn(
    config: CnnConfig, input_shape: tuple[int, ...], outputs: int, *, dtype: str, rng: np.random.Generator
) -> Network:
    """Build the listed layers; a flatten before the first dense layer and the linear output layer are added.

    Args:
        config: The model section.
        input_shape: (height, width, channels).
        outputs: Width of the output layer.
        dtype: `float32` or `float64`.
        rng: Decides the initial kernels.

    Returns:
        The network, with initial weights.

    Raises:
        DataError: The images are too small for the layers, or a layer does not fit the one before.
    """
    if len(input_shape) != 3:
        raise DataError(
            f"model.name: a cnn reads images, but a sample of this dataset has the shape {input_shape}; "
            "use the dataset mnist, or the model mlp."
        )
    make = LayerFactory(dtype, config.initializer, config.bias, rng)
    layers: list[keras.Layer] = []
    flat = False
    for position, entry in enumerate(config.layers):
        if entry.name in ("conv", "pool") and flat:
            raise DataError(
                f"model.layers[{position}]: a {entry.name} layer cannot follow flatten or dense, which leave "
                "no image; move it up."
            )
        if entry.name == "dense" and not flat:
            layers.append(keras.layers.Flatten(dtype=dtype))
        flat = flat or entry.name in ("flatten", "dense")
        layers += LAYERS[entry.name](entry, make, config.activation)
    if not flat:
        layers.append(keras.layers.Flatten(dtype=dtype))
    layers += make.dense(outputs, "linear")
    try:
        return Network(sequential(layers, input_shape, dtype))
    except ValueError as error:
        raise DataError(
            f"model.layers: the images of {input_shape[0]} x {input_shape[1]} pixels shrink to nothing in "
            "these layers; use smaller kernels or strides, or padding: same."
        ) from error
