"""What a Keras model says that lmrun would not do: refused where it changes the minimum, else told."""

from __future__ import annotations

from collections.abc import Iterator
from typing import Any

import keras
import tensorflow as tf
from numpy.typing import NDArray

from lmrun.curvature.layers.registry import tell
from lmrun.errors import DataError
from lmrun.models.adopted import AdoptedNetwork

NOISE: tuple[type[keras.layers.Layer], ...] = (
    keras.layers.AlphaDropout,
    keras.layers.Dropout,
    keras.layers.GaussianDropout,
    keras.layers.GaussianNoise,
    keras.layers.SpatialDropout1D,
    keras.layers.SpatialDropout2D,
    keras.layers.SpatialDropout3D,
)
INSTEAD = (
    "use optimizer={'name': 'lm', 'regularization': {'name': 'decay', 'strength': 1e-4}} or "
    "'regularization': 'bayesian'"
)


def refuse_ignored(network: AdoptedNetwork, row: NDArray[Any]) -> None:
    """Refuse what else than the loss a model would have minimized, and bounds of its weights.

    Args:
        network: The model.
        row: One row [1, ...] as the network reads it.

    Raises:
        DataError: A weight has a regularizer or a constraint, or a layer adds to the loss.
    """
    for variable in network.owner.trainable_variables:
        if getattr(variable, "regularizer", None) is not None:
            raise DataError(
                f"model: {variable.path} has a regularizer, and lmrun minimizes the loss; remove it and "
                f"{INSTEAD}."
            )
        if getattr(variable, "constraint", None) is not None:
            raise DataError(
                f"model: {variable.path} has a constraint, and lmrun's steps keep to none; remove it."
            )
    layers = list(all_layers(network.owner))
    if any(getattr(layer, "activity_regularizer", None) is not None for layer in layers):
        raise DataError(f"model: a layer has an activity_regularizer, which lmrun does not add; {INSTEAD}.")
    network.model(tf.constant(row), training=False)
    if network.model.losses:
        raise DataError(f"model: a layer calls add_loss, and lmrun minimizes the loss alone; {INSTEAD}.")
    for layer in layers:
        if isinstance(layer, NOISE) or _drops(layer):
            kind = type(layer).__name__
            tell(f"{kind} is off while lmrun trains: each evaluation is the same function of the weights.")
        if isinstance(layer, keras.layers.BatchNormalization):
            tell(
                "BatchNormalization keeps its moving averages while lmrun trains, as it does in predict: "
                "normalize the inputs instead, or train it before."
            )


def all_layers(layer: Any) -> Iterator[Any]:
    """Return a layer and the layers of models inside it."""
    yield layer
    for inner in getattr(layer, "layers", ()):
        yield from all_layers(inner)


def _drops(layer: Any) -> bool:
    rates = [getattr(layer, name, 0) for name in ("dropout", "recurrent_dropout")]
    return any(isinstance(rate, float) and rate > 0 for rate in rates)
