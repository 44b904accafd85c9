"""The Jacobian of a network's outputs, one backward pass per residual component.

Samples are independent: one backward pass of the summed residual gives every sample's cotangent at every
layer's output. A layer that is linear in its parameters then has a Jacobian block that is the product of its
input with its cotangent; no vectorized map over samples is needed.
Source: the same observation gives per-sample gradients in Goodfellow 2015, Efficient per-example gradient
computations.
"""

from __future__ import annotations

from collections.abc import Callable
from typing import Any

import keras
import tensorflow as tf

from lmrun.losses.base import Loss
from lmrun.models.formula import Formula
from lmrun.models.network import Network

Tensor = Any
Rule = Callable[[Any, list[Tensor], Tensor, Tensor], Tensor]
"""(layer, weights, inputs [rows, ...], cotangents of the outputs [rows, ...]) -> block [parameters, rows]."""


def dense_block(
    layer: keras.layers.Dense, weights: list[Tensor], inputs: Tensor, cotangents: Tensor
) -> Tensor:
    """d(c . (x W + b)) / d(W, b) = (x outer c, c).

    inputs [rows, i], cotangents [rows, o] to [i o + o, rows].
    """
    size = inputs.shape[-1] * cotangents.shape[-1]
    across = tf.transpose(cotangents)
    kernel = tf.reshape(tf.transpose(inputs)[:, None, :] * across[None, :, :], [size, tf.shape(inputs)[0]])
    return tf.concat([kernel, across], axis=0) if layer.use_bias else kernel


def conv2d_block(
    layer: keras.layers.Conv2D, weights: list[Tensor], inputs: Tensor, cotangents: Tensor
) -> Tensor:
    """Patches times cotangents, summed over positions.

    inputs [rows, h, w, channels], cotangents [rows, h', w', filters] to
    [kh kw channels filters + filters, rows].
    """
    height, width = layer.kernel_size
    patches = tf.image.extract_patches(
        inputs,
        sizes=[1, height, width, 1],
        strides=[1, *layer.strides, 1],
        rates=[1, *layer.dilation_rate, 1],
        padding=layer.padding.upper(),
    )
    rows, filters = tf.shape(inputs)[0], cotangents.shape[-1]
    positions = patches.shape[1] * patches.shape[2]
    patches = tf.reshape(patches, [rows, positions, patches.shape[3]])
    cotangents = tf.reshape(cotangents, [rows, positions, filters])
    product = tf.matmul(patches, cotangents, transpose_a=True)
    block = tf.reshape(product, [rows, patches.shape[2] * filters])
    if layer.use_bias:
        block = tf.concat([block, tf.reduce_sum(cotangents, axis=1)], axis=1)
    return tf.transpose(block)


def formula_block(layer: Formula, weights: list[Tensor], inputs: Tensor, cotangents: Tensor) -> Tensor:
    """Give every row its own copy of the parameters: one backward pass is then the whole block [n, rows]."""
    rows = tf.shape(inputs)[0]
    copies = [tf.broadcast_to(weight, [rows]) for weight in weights]
    with tf.GradientTape(watch_accessed_variables=False) as tape:
        tape.watch(copies)
        values = layer.values(copies, inputs)
    columns = tape.gradient(
        values, copies, output_gradients=cotangents[:, 0], unconnected_gradients=tf.UnconnectedGradients.ZERO
    )
    return tf.stack(columns, axis=0)


RULES: dict[type[keras.Layer], Rule] = {
    keras.layers.Dense: dense_block,
    keras.layers.Conv2D: conv2d_block,
    Formula: formula_block,
}


def linearize(  # noqa: PLR0917 - the order of every kernel: params, then the rows
    network: Network, loss: Loss, params: Tensor, inputs: Tensor, targets: Tensor, weights: Tensor
) -> tuple[Tensor, Tensor]:
    """Return the weighted residual sqrt(w) r and its Jacobian sqrt(w) F^T J.

    Args:
        network: The model.
        loss: Chooses r and F, see `losses.base`.
        params: [n].
        inputs: [rows, ...].
        targets: [rows, ...].
        weights: [rows].

    Returns:
        The residual [q rows] and the transposed Jacobian [n, q rows], component by component.
    """
    traced = []
    with tf.GradientTape(persistent=True, watch_accessed_variables=False) as tape:
        outputs = inputs
        for part, layer_weights, layer_inputs, outputs in network.trace(params, inputs):
            if part.size:
                tape.watch(outputs)
                traced.append((part.layer, layer_weights, layer_inputs, outputs))
    watched = [entry[3] for entry in traced]
    root = tf.sqrt(weights)
    factor = loss.factor(outputs, targets) * root[:, None, None]
    residual = loss.residual(outputs, targets) * root[:, None]
    blocks = []
    for component in range(loss.components(outputs.shape[-1])):
        seed = factor[:, :, component]
        cotangents = tape.gradient(outputs, watched, output_gradients=seed)
        blocks.append(
            tf.concat(
                [
                    RULES[type(layer)](layer, layer_weights, layer_inputs, cotangent)
                    for (layer, layer_weights, layer_inputs, _), cotangent in zip(
                        traced, cotangents, strict=True
                    )
                ],
                axis=0,
            )
        )
    del tape
    jacobian = blocks[0] if len(blocks) == 1 else tf.concat(blocks, axis=1)
    return tf.reshape(tf.transpose(residual), [-1]), jacobian
