"""Losses and metrics of a Keras model by Keras itself, and predictions in the model's own precision."""

from __future__ import annotations

from collections.abc import Mapping
from typing import Any

import keras
import numpy as np
import tensorflow as tf

from lmrun.api.arrays import Array, several, weights_of
from lmrun.api.keras_losses import AsKeras, AsMean
from lmrun.api.streams import Given
from lmrun.api.tasks import Task
from lmrun.losses.base import Loss

ROWS = 1024
"""Rows that are evaluated at a time; Keras takes 32, whose overhead is more than their work."""


def compile_losses(
    model: keras.Model, task: Task, loss: Loss, measured: Mapping[str, Any], rate: float
) -> None:
    """Tell Keras what to evaluate; its optimizer is never asked.

    Args:
        model: The user's.
        task: Knows the loss.
        loss: The same as lmrun has built it.
        measured: `metrics` and `weighted_metrics` of Keras'.
        rate: The learning rate, which some callbacks look up.
    """
    chosen = task.loss
    evaluated = chosen.keras or (
        AsMean(loss, chosen.kind == "labels") if chosen.own else AsKeras(chosen.section)
    )
    model.compile(
        optimizer=keras.optimizers.SGD(rate), loss=evaluated, loss_weights=chosen.weights, **measured
    )


def structured(values: Any, dtype: str) -> Any:
    """Return arrays in the structure in which they were given; floats in `dtype`, single columns as such."""
    arrays = {name: _cast(one, dtype) for name, one in several(values).items()}
    if isinstance(values, Mapping):
        return arrays
    return arrays["0"] if len(arrays) == 1 else tuple(arrays.values())


def _cast(array: Array, dtype: str) -> Array:
    array = array.astype(dtype) if array.dtype.kind == "f" else array
    return array[:, None] if array.ndim == 1 else array


def batches_of(model: keras.Model, data: Given, batch_size: int | None = None) -> Any:
    """Return a stream for Keras, which would round arrays of float64 but leaves tensors as they are.

    Keras divides a sum of weighted losses by the rows, and lmrun by the weights; so these have the mean 1.
    """
    dtype = dtype_of(model)
    parts = [structured(values, dtype) for values in (data.x, data.y) if values is not None]
    if data.weights is not None:
        weights = weights_of(data.weights, "float64")
        assert weights is not None, "they are there"
        parts.append((weights / weights.mean()).astype(dtype))
    return tf.data.Dataset.from_tensor_slices(tuple(parts)).batch(batch_size or ROWS)


def dtype_of(model: keras.Model) -> str:
    """Return the floating-point type of a model's weights."""
    variables = model.trainable_variables
    return str(variables[0].dtype) if variables else str(keras.config.floatx())


def predict(model: keras.Model, x: Any, batch_size: int | None) -> Any:
    """Return predictions [rows, ...] in the precision of the model's weights."""
    inputs, rows = structured(x, dtype_of(model)), batch_size or ROWS
    count = len(keras.tree.flatten(inputs)[0])

    def part(start: int) -> Any:
        piece = keras.tree.map_structure(lambda one: tf.constant(one[start : start + rows]), inputs)
        return model(list(piece) if isinstance(piece, tuple) else piece, training=False)

    made = [part(start) for start in range(0, count, rows)]
    return keras.tree.map_structure(
        lambda *pieces: np.concatenate([np.asarray(one) for one in pieces]), *made
    )
