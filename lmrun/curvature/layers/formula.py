"""Parametric formulas."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from lmrun.models.formula import Formula as FormulaLayer

Tensor = Any


class Formula:
    """y = expression; every row gets its own copy of the parameters, and one backward pass is the block."""

    bilinear = False

    def applies(self, layer: keras.Layer) -> bool:
        """Always."""
        return isinstance(layer, FormulaLayer)

    def forward(self, layer: keras.Layer, weights: Sequence[Tensor], inputs: Sequence[Tensor]) -> Tensor:
        """[columns, rows] to [responses, rows]."""
        return tf.stack(layer.values(weights, tf.transpose(inputs[0])))

    def block(
        self, layer: keras.Layer, weights: Sequence[Tensor], inputs: Sequence[Tensor], cotangents: Tensor
    ) -> Tensor:
        """[columns, rows] and [responses, rows] to [parameters, rows]."""
        copies = [tf.broadcast_to(weight, [inputs[0].shape[1]]) for weight in weights]
        with tf.GradientTape(watch_accessed_variables=False) as tape:
            tape.watch(copies)
            values = layer.values(copies, tf.transpose(inputs[0]))
        columns = tape.gradient(
            values,
            copies,
            output_gradients=tf.unstack(cotangents),
            unconnected_gradients=tf.UnconnectedGradients.ZERO,
        )
        return tf.stack(columns, axis=0)
