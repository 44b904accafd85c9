"""What makes the outputs of a Keras model: probabilities, or anything."""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import numpy as np
from numpy.typing import NDArray

MET = 1e-3
"""Probabilities add up to one but for this."""


def activation_of(output: Any) -> str | None:
    """Return the name of the activation that makes a symbolic output; None where nothing says it.

    Args:
        output: A `keras.KerasTensor`.
    """
    history = getattr(output, "_keras_history", None)
    if history is None:
        return None
    operation = history.operation
    if isinstance(operation, keras.Sequential | keras.Function):
        return activation_of(operation.outputs[history.tensor_index])
    if isinstance(operation, keras.layers.Softmax):
        return "softmax"
    if type(operation) in {keras.layers.Reshape, keras.layers.Flatten, keras.layers.Identity}:
        return activation_of(operation.input)
    if isinstance(operation, keras.Model) or not isinstance(operation, keras.layers.Layer):
        # Calls of its own, or a function of `keras.ops`.
        return None
    # A layer of a user's own may do more than its activation says.
    plain = type(operation).__module__.startswith("keras.")
    return getattr(getattr(operation, "activation", None), "__name__", None) if plain else None


def is_share(activation: str, output: Any, values: Callable[[], NDArray[Any]]) -> bool:
    """Whether outputs are probabilities.

    What no layer says, the first rows do: classes whose outputs are positive and add up to one, or yes/no
    outputs that all lie between 0 and 1.

    Args:
        activation: That makes probabilities of such targets, `softmax` or `sigmoid`.
        output: The symbolic output.
        values: Returns the outputs of some rows [rows, ...].
    """
    known = activation_of(output)
    if known is not None:
        return known == activation
    found = values()
    if not ((found >= 0) & (found <= 1)).all():
        return False
    return activation == "sigmoid" or bool(np.allclose(found.sum(axis=-1), 1, atol=MET))
