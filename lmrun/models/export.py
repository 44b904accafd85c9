"""The model that users load: from their units to their units."""

from __future__ import annotations

import keras
import numpy as np

from lmrun.datasets.base import Affine
from lmrun.models.network import Network


def _normalization(affine: Affine, dtype: str, *, invert: bool) -> keras.layers.Normalization:
    # Keras divides by the root of the variance: the square of the scale is the variance.
    return keras.layers.Normalization(
        axis=-1, mean=affine.shift, variance=np.square(affine.scale), invert=invert, dtype=dtype
    )


def in_user_units(
    network: Network, input_map: Affine | None, target_map: Affine | None, dtype: str
) -> keras.Sequential:
    """Wrap a network between the normalization of its inputs and the inverse of that of its targets.

    The wrapped model shares the network's layers and weights. Inputs and outputs are in the user's units.
    """
    layers: list[keras.Layer] = list(network.model.layers)
    if input_map is not None:
        layers.insert(0, _normalization(input_map, dtype, invert=False))
    if target_map is not None:
        layers.append(_normalization(target_map, dtype, invert=True))
    shape = network.model.input_shape[1:]
    return keras.Sequential([keras.Input(shape=shape, dtype=dtype), *layers])
