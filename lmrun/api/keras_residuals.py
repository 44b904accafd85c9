"""Losses whose residuals are fewer than their outputs, by the names that tf-levenberg-marquardt gave them."""

from __future__ import annotations

from typing import Any

import keras
import tensorflow as tf

from lmrun.api.keras_losses import Residuals
from lmrun.losses.probabilities import share

Tensor = Any


@keras.saving.register_keras_serializable(package="lmrun")
class ReducedOutputsMeanSquaredError(Residuals):
    """The mean squared error with one residual per row, r = sqrt(mean over the outputs of (y - t)^2).

    The Jacobian has as many rows as the data instead of that times the outputs; the curvature is that of a
    worse model: along directions in which r does not change it is zero.
    """

    def __init__(self, name: str = "reduced_outputs_mean_squared_error") -> None:
        super().__init__(reduced, name)

    def get_config(self) -> dict[str, Any]:
        """What a saved model needs to make the loss again."""
        return {"name": self.name}


@keras.saving.register_keras_serializable(package="lmrun")
class SquaredCategoricalCrossentropy(Residuals):
    """The mean of the squares of r = - sum of t log p, the cross-entropy of one-hot targets t.

    Probabilities are bounded from 1e-7 to 1 - 1e-7, as Keras bounds them.

    Args:
        from_logits: Whether the model's outputs are logits, not probabilities.
        label_smoothing: Share of each target that is dealt out to all classes alike.
        name: Of the loss.
    """

    def __init__(
        self,
        from_logits: bool = False,
        label_smoothing: float = 0.0,
        name: str = "squared_categorical_crossentropy",
    ) -> None:
        def crossentropy(y_true: Tensor, y_pred: Tensor) -> Tensor:
            logarithms = tf.nn.log_softmax(y_pred) if from_logits else tf.math.log(share(y_pred))
            targets = tf.cast(y_true, logarithms.dtype)
            targets = targets * (1 - label_smoothing) + label_smoothing / targets.shape[-1]
            return -tf.reduce_sum(targets * logarithms, axis=-1, keepdims=True)

        super().__init__(crossentropy, name)
        self.from_logits = from_logits
        self.label_smoothing = label_smoothing

    def get_config(self) -> dict[str, Any]:
        """What a saved model needs to make the loss again."""
        config = {"name": self.name, "from_logits": self.from_logits}
        return {**config, "label_smoothing": self.label_smoothing}


@keras.saving.register_keras_serializable(package="lmrun")
class CategoricalMeanSquaredError(Residuals):
    """The mean of the squares of r = 1 - sum of t p: what the right class' probability lacks to one.

    Args:
        from_logits: Whether the model's outputs are logits, not probabilities.
        name: Of the loss.
    """

    def __init__(self, from_logits: bool = False, name: str = "categorical_mean_squared_error") -> None:
        def lacking(y_true: Tensor, y_pred: Tensor) -> Tensor:
            shares = tf.nn.softmax(y_pred) if from_logits else y_pred
            return 1 - tf.reduce_sum(tf.cast(y_true, shares.dtype) * shares, axis=-1, keepdims=True)

        super().__init__(lacking, name)
        self.from_logits = from_logits

    def get_config(self) -> dict[str, Any]:
        """What a saved model needs to make the loss again."""
        return {"name": self.name, "from_logits": self.from_logits}


def reduced(y_true: Tensor, y_pred: Tensor) -> Tensor:
    """Return r = sqrt(mean over the outputs of (y - t)^2) [rows, 1]; its derivative is 0 where r is.

    Args:
        y_true: t [rows, ...].
        y_pred: y, of the same shape.
    """
    rows = tf.shape(y_pred)[0]
    errors = tf.reshape(y_pred - tf.cast(y_true, y_pred.dtype), [rows, -1])
    square = tf.reduce_mean(tf.square(errors), axis=1, keepdims=True)
    # The root has no derivative at 0: a row that is met to the last digit moves nothing.
    met = square == 0
    return tf.where(met, 0.0 * square, tf.sqrt(tf.where(met, tf.ones_like(square), square)))
