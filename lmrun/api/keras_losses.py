"""Losses of lmrun's in Keras' form: a function of y_true and y_pred."""

from __future__ import annotations

from collections.abc import Callable, Mapping
from functools import cached_property
from typing import Any

import keras
import tensorflow as tf
from pydantic import TypeAdapter

from lmrun.config.losses import LossConfig
from lmrun.losses.base import Loss
from lmrun.losses.registry import LOSSES
from lmrun.losses.rehearsal import Sample

Tensor = Any


class Residuals(keras.losses.Loss):  # type: ignore[misc]
    """Residuals of the user's own: the loss of a row is the mean of their squares.

    Args:
        function: From y_true and y_pred, [rows, ...] as Keras has them, to residuals [rows, ...], each row by
            itself.
        name: Of the loss.
    """

    def __init__(self, function: Callable[[Tensor, Tensor], Tensor], name: str = "residuals") -> None:
        super().__init__(name=name)
        self.function = function

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """The loss of each row [rows]."""
        return by_row(tf.square(self.function(y_true, y_pred)))


@keras.saving.register_keras_serializable(package="lmrun")
class AsKeras(keras.losses.Loss):  # type: ignore[misc]
    """A loss of lmrun's as Keras evaluates it.

    Args:
        section: Of a config; not that of a custom loss, of which Keras knows the functions.
        name: Of the loss; left out, the section's.
    """

    def __init__(self, section: Mapping[str, Any], name: str | None = None) -> None:
        super().__init__(name=name or section["name"])
        self.section = dict(section)

    @cached_property
    def loss(self) -> Loss:
        """The loss."""
        config = TypeAdapter[Any](LossConfig).validate_python(self.section)
        return LOSSES[config.name](config, _no_sample)

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """The loss of each row [rows]."""
        outputs = tf.reshape(y_pred, [tf.shape(y_pred)[0], -1])
        if self.loss.name == "sparse_categorical_crossentropy":
            return self.loss.values(outputs, tf.cast(tf.reshape(y_true, [-1]), tf.int64))
        return self.loss.values(outputs, tf.cast(tf.reshape(y_true, tf.shape(outputs)), y_pred.dtype))

    def get_config(self) -> dict[str, Any]:
        """What a saved model needs to make the loss again."""
        return {"section": self.section, "name": self.name}


def _no_sample() -> Sample:
    raise TypeError("only losses of the user's own are tried out")


class AsMean(keras.losses.Loss):  # type: ignore[misc]
    """A custom loss in lmrun's form, `value` or `residual` of outputs and targets, as Keras evaluates it.

    Args:
        loss: As lmrun has built it.
        labels: Whether its targets are labels.
    """

    def __init__(self, loss: Loss, labels: bool) -> None:
        super().__init__(name="custom")
        self.loss = loss
        self.labels = labels

    def call(self, y_true: Tensor, y_pred: Tensor) -> Tensor:
        """The loss of each row [rows]."""
        rows = tf.shape(y_pred)[0]
        flat_targets = tf.reshape(y_true, [-1] if self.labels else [rows, -1])
        targets = tf.cast(flat_targets, tf.int64 if self.labels else y_pred.dtype)
        return self.loss.values(tf.reshape(y_pred, [rows, -1]), targets)


def by_row(values: Tensor) -> Tensor:
    """Average over all axes but the first; a single number stays one."""
    rank = len(values.shape)
    return values if rank < 2 else tf.reduce_mean(values, axis=list(range(1, rank)))


def flat(values: Tensor) -> Tensor:
    """[rows, ...] to [rows, q]; a single number stays one."""
    rank = len(values.shape)
    return values if rank == 0 else tf.reshape(values, [values.shape[0], -1])
