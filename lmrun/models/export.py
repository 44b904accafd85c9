"""The model that users load: from their units to their units."""

from __future__ import annotations

import keras

from lmrun.datasets.base import Affine
from lmrun.models.network import Network, sequential


def _forward(affine: Affine, dtype: str) -> list[keras.layers.Rescaling]:
    # Keras' Normalization takes no scale below 1e-7, which nanometres have. The shift comes first, as a layer
    # of its own: x / scale - shift / scale would cancel.
    return [
        keras.layers.Rescaling(1.0, offset=-affine.shift, dtype=dtype),
        keras.layers.Rescaling(1.0 / affine.scale, dtype=dtype),
    ]


def _inverse(affine: Affine, dtype: str) -> list[keras.layers.Rescaling]:
    return [keras.layers.Rescaling(affine.scale, offset=affine.shift, dtype=dtype)]


def in_user_units(
    network: Network, input_map: Affine | None, target_map: Affine | None, dtype: str
) -> keras.Model:
    """Wrap a network between the normalization of its inputs and the inverse of that of its targets.

    The wrapped model shares the network's layers and weights. Inputs and outputs are in the user's units. In
    float64 call the model, or its `predict_on_batch`: Keras' `predict` rounds its inputs to the type
    `keras.config.floatx()`, float32 unless it was set.

    Args:
        network: Maps inputs to targets in the units of the training.
        input_map: The normalization of the inputs, None where there is none.
        target_map: The normalization of the targets, None where there is none.
        dtype: `float32` or `float64`.
    """
    if input_map is None and target_map is None:
        return network.whole
    before = [] if input_map is None else _forward(input_map, dtype)
    after = [] if target_map is None else _inverse(target_map, dtype)
    return sequential([*before, *network.model.layers, *after], network.model.input_shape[1:], dtype)
