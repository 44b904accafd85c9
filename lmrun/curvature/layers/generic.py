"""Any layer that treats samples independently, by Keras' own forward pass."""

from __future__ import annotations

from collections.abc import Sequence
from typing import Any

import keras
import tensorflow as tf

from lmrun.curvature.layers.base import samples_first, samples_last
from lmrun.models.arguments import PLACE, Arguments
from lmrun.models.network import stacked, stateless

Tensor = Any


class Generic:
    """Keras computes in its own layout; the block takes one sample after the other.

    For 2,000 samples of an LSTM with 112 parameters XLA's loop takes 24 ms; forward mode, with a pass for all
    samples per parameter, took 230 ms.

    The layer's own activation is included. Operations of `keras.ops` are layers without weights.

    Args:
        arguments: Where the inputs stand in the call.
    """

    bilinear = False

    def __init__(self, arguments: Arguments) -> None:
        self.arguments = arguments

    def applies(self, layer: keras.Layer) -> bool:
        """Always."""
        return True

    def forward(self, layer: keras.Layer, weights: Sequence[Tensor], inputs: Sequence[Tensor]) -> Tensor:
        """[channels, ..., rows] to [channels', ...', rows], in inference mode."""
        args, kwargs = self.arguments.filled([samples_first(values) for values in inputs])
        outputs = (
            stateless(layer, weights, *args, **kwargs)
            if isinstance(layer, keras.Layer)
            else layer(*args, **kwargs)
        )
        return tf.cast(self.laid_out(outputs), inputs[0].dtype)

    def laid_out(self, outputs: Any) -> Tensor:
        """Turn what Keras returned into [channels, ..., rows]."""
        return samples_last(outputs)

    def block(
        self, layer: keras.Layer, weights: Sequence[Tensor], inputs: Sequence[Tensor], cotangents: Tensor
    ) -> Tensor:
        """To [parameters, rows]."""

        def column(row: Tensor) -> Tensor:
            own = [tf.gather(values, row[None], axis=-1) for values in inputs]
            with tf.GradientTape(watch_accessed_variables=False) as tape:
                tape.watch(weights)
                outputs = self.forward(layer, weights, own)
            gradients = tape.gradient(
                outputs,
                weights,
                output_gradients=tf.gather(cotangents, row[None], axis=-1),
                unconnected_gradients=tf.UnconnectedGradients.ZERO,
            )
            return tf.concat([tf.reshape(gradient, [-1]) for gradient in gradients], axis=0)

        rows = tf.range(cotangents.shape[-1])
        return tf.transpose(tf.map_fn(column, rows, fn_output_signature=cotangents.dtype))


class Whole(Generic):
    """A model of which only the forward pass is known; its outputs lie side by side."""

    def __init__(self) -> None:
        super().__init__(Arguments(((PLACE,), {})))

    def laid_out(self, outputs: Any) -> Tensor:
        """To [outputs, rows]."""
        return tf.transpose(stacked(outputs))
