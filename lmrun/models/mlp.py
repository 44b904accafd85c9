"""The fully connected network."""

from __future__ import annotations

import keras
import numpy as np

from lmrun.config.models import MlpConfig
from lmrun.models.layers import LayerFactory
from lmrun.models.network import Network, sequential


def build_mlp(
    config: MlpConfig, input_shape: tuple[int, ...], outputs: int, *, dtype: str, rng: np.random.Generator
) -> Network:
    """Build `hidden` layers with the config's activation and a linear output layer.

    Args:
        config: The model section.
        input_shape: Shape of one sample; more than one axis is flattened.
        outputs: Width of the output layer.
        dtype: `float32` or `float64`.
        rng: Decides the initial kernels.

    Returns:
        The network, with initial weights.
    """
    make = LayerFactory(dtype, config.initializer, config.bias, rng)
    layers: list[keras.Layer] = [keras.layers.Flatten(dtype=dtype)] if len(input_shape) > 1 else []
    for units in config.hidden:
        layers += make.dense(units, config.activation)
    layers += make.dense(outputs, "linear")
    return Network(sequential(layers, input_shape, dtype))
